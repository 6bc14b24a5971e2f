"""Numbers of steps in [evaluate]: cells of one fit, which differ in how an algorithm is tested, and
are told apart wherever they are shown."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from few_shot import make_cell
from suite_project import load
from workshop import Workshop

from metabench.cells import Evaluate
from metabench.errors import ConfigError
from metabench.runner.describe import score_lines
from metabench.suite import Suite
from metabench.tables import load as load_tables
from metabench.tables import rows

SUITE = """
[grid]
algorithms = {algorithms}
datasets = ["{dataset}"]
{shape}
seeds = 2
{axes}

[train]
iterations = 4
tasks_per_batch = 2

[validate]
every = 4
episodes = 4

[evaluate]
episodes = 8
"""


def suite_of(
    folder: Path,
    algorithms: str,
    end: str = "",
    *,
    dataset: str = "sinusoid",
    shape: str = "shots = 5",
    axes: str = "",
) -> Suite:
    return load(
        folder, SUITE.format(algorithms=algorithms, dataset=dataset, shape=shape, axes=axes) + end
    )


def steps_of(suite: Suite, algorithm: str) -> list[int | None]:
    return [
        cell.evaluate.steps
        for cell in suite.cells
        if cell.labels["algorithm"] == algorithm and cell.fit.seed == 0
    ]


def test_each_number_is_a_cell_of_the_same_fit(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, '["maml", "scratch", "oracle"]', 'steps = [0, 3, "default"]\n')
    assert steps_of(suite, "maml") == steps_of(suite, "scratch") == [0, 3, None]
    # which adapts to nothing, and is one cell whatever is listed
    assert steps_of(suite, "oracle") == [None]
    assert len({cell.fit.id for cell in suite.cells}) == 2 * 3


def test_said_or_not_the_default_moves_no_id(tmp_path: Path) -> None:
    plain, said = (suite_of(tmp_path, '["maml"]', end) for end in ("", 'steps = "default"\n'))
    assert [cell.id for cell in plain.cells] == [cell.id for cell in said.cells]
    told = make_cell("maml").identity()["evaluate"]
    assert "steps" not in told
    assert Evaluate(5, 1, steps=None) == Evaluate(5, 1)


def test_a_number_is_part_of_the_group_and_of_the_record_s_name(tmp_path: Path) -> None:
    cells = suite_of(tmp_path, '["maml"]', "steps = [1, 2]\n").cells[:2]
    assert [cell.group()["steps"] for cell in cells] == [1, 2]
    assert cells[0].stem != cells[1].stem


def test_an_algorithm_may_have_numbers_of_its_own(tmp_path: Path) -> None:
    """Unlike episodes, which belong to the data."""
    suite = suite_of(
        tmp_path, '["maml", "fomaml"]', "[algorithms.fomaml]\nevaluate.steps = [1, 2]\n"
    )
    assert steps_of(suite, "maml") == [None]
    assert steps_of(suite, "fomaml") == [1, 2]


def test_a_number_of_steps_can_be_an_axis(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        '["maml"]',
        axes='axes = { "evaluate.steps" = [1, 2], "evaluate.sampling" = ["with_replacement"] }',
    )
    assert [(cell.evaluate.steps, cell.labels["evaluate.steps"]) for cell in suite.cells[:2]] == [
        (1, 1),
        (2, 2),
    ]
    assert len({cell.fit.id for cell in suite.cells}) == 2


@pytest.mark.parametrize("said", ["-1", "1.5", "true", '"some"', "[]", "[1, 1]", "100_000"])
def test_what_is_no_number_of_steps_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.toml:\d+: \[evaluate\] steps = "):
        suite_of(tmp_path, '["maml"]', f"steps = {said}\n")


# --- wherever they are shown ----------------------------------------------------------------------


def lines_of(*changes: dict[str, Any]) -> str:
    cell = make_cell("maml", "omniglot")
    cells = [
        dataclasses.replace(cell, evaluate=dataclasses.replace(cell.evaluate, **change))
        for change in changes
    ]
    return score_lines(
        [(cell, f"accuracy {place}0 %") for place, cell in enumerate(cells, start=1)]
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ([{}], "accuracy 10 %"),
        ([{"shots": 1}, {"shots": 5}], "3w1s: accuracy 10 %; 3w5s: accuracy 20 %"),
        (
            [{}, {"batch_norm": "support_plus_one"}],
            "3w1s query: accuracy 10 %; 3w1s support plus one: accuracy 20 %",
        ),
        (
            [{}, {"steps": 0}, {"steps": 1}],
            "3w1s own steps: accuracy 10 %; 3w1s 0 steps: accuracy 20 %; 3w1s 1 step: accuracy 30 "
            "%",
        ),
        (
            [{"steps": n} for n in range(5)],
            "3w1s 0 steps: accuracy 10 %; 3w1s 1 step: accuracy 20 %; 3w1s 2 steps: accuracy 30 %; "
            "and 2 more",
        ),
        (
            [{"episodes": 8}, {"sampling": "disjoint"}],
            "3w1s 8 episodes with replacement: accuracy 10 %; 3w1s 40 episodes disjoint: accuracy "
            "20 %",
        ),
    ],
)
def test_the_line_of_a_fit_names_its_scores(changes: list[dict[str, Any]], line: str) -> None:
    assert lines_of(*changes) == line


def test_a_fit_without_any_score_has_no_line() -> None:
    assert score_lines([]) == ""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of MAML and FOMAML after one step, after three, and after as many as they have
    of their own."""
    workshop = Workshop(tmp_path_factory.mktemp("project"))
    text = (
        SUITE.format(
            algorithms='["maml", "fomaml"]', dataset="sinusoid", shape="shots = 5", axes=""
        )
        + 'steps = [1, 3, "default"]\n'
    )
    (workshop.folder / "suites" / "steps.toml").write_text(text)
    return shutil.copytree(workshop.run("steps").folder, workshop.folder / "copy")


@pytest.mark.slow
def test_comparisons_are_made_after_the_same_number_of_steps(shown: Path) -> None:
    run = load_tables(shown)
    assert len(run.blocks) == 1  # the data is the same
    compared = {(row["steps"], row["reference_steps"]) for row in rows(run.comparisons)}
    assert {(None if a != a else a, None if b != b else b) for a, b in compared} == {
        (1, 1),
        (3, 3),
        (None, None),
    }


@pytest.mark.slow
def test_the_report_names_the_number_of_steps(shown: Path) -> None:
    from metabench.report import render

    page = render(shown).read_text()
    for name in ("maml · 1 step", "fomaml · 3 steps"):
        assert name in page
