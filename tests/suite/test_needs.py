"""What algorithms need of one another: what a suite may say, and what of it shapes an id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from suite_project import load, write_suite

from metabench.cells import Cell
from metabench.errors import ConfigError
from metabench.suite import Suite, load_suite
from metabench.suite.document import read_document
from metabench.suite.project import load_project

SUITE = """\
[[grid]]
algorithms = ["tuned", "pretrained"]
datasets = ["sinusoid"]
shots = [5, 10]
seeds = 2

[train]
iterations = 100

[algorithms.tuned]
method = "finetuned"
needs.start = "longer"

[algorithms.longer]
method = "pretrained"
train.iterations = 200

[[override]]
when = { algorithm = "longer" }
algorithm.outer_lr = 0.01
"""

WRONG: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an unknown algorithm": (
        '"longer"\n',
        '"longr"\n',
        (":12: [algorithms.tuned] needs.start", "'longr'", "did you mean 'longer'?"),
    ),
    "an unknown role": (
        "needs.start",
        "needs.strat",
        ("needs.strat", "needs of 'finetuned' takes start", "did you mean 'start'?"),
    ),
    "nobody in a role": (
        'needs.start = "longer"\n',
        "",
        (
            "[algorithms.tuned]",
            "lacks 'needs.start'",
            "needs an algorithm with a SupervisedMethod there",
        ),
    ),
    "one that cannot play the role": (
        'needs.start = "longer"',
        'needs.start = "maml"',
        ("needs.start", "'maml' cannot play it", "such as finetuned, pretrained"),
    ),
    "one that is told what defines a task": (
        'needs.start = "longer"',
        'needs.start = "oracle"',
        ("needs.start", "'oracle' cannot play it"),
    ),
    "needs of a method without any": (
        "train.iterations = 200",
        'needs.start = "tuned"',
        ("[algorithms.longer.needs]", "'pretrained' needs no other algorithm"),
    ),
    "a method that needs others and says nothing": (
        '["tuned", "pretrained"]',
        '["finetuned", "pretrained"]',
        ("[[grid]] algorithms", "'finetuned' needs other algorithms (start)", "give it an entry"),
    ),
    "such a one in a role": (
        '"longer"\n',
        '"finetuned"\n',
        ("needs.start", "give it an entry, such as [algorithms.my_finetuned]"),
    ),
    "itself": (
        '"longer"\n',
        '"tuned"\n',
        ("needs.start", "goes round in a circle: 'tuned' needs 'tuned'"),
    ),
    "a circle": (
        'method = "pretrained"\ntrain.iterations = 200',
        'method = "finetuned"\nneeds.start = "tuned"',
        ("goes round in a circle: 'tuned' needs 'longer' needs 'tuned'",),
    ),
    "a number": (
        '"longer"\n',
        "5\n",
        ("needs.start = 5", "expected the name of an algorithm, or a table"),
    ),
    "an unknown key": (
        '"longer"\n',
        '{ algorithm = "longer", modle = "mlp" }\n',
        ("modle", "did you mean 'model'?"),
    ),
    "an unknown model": (
        '"longer"\n',
        '{ algorithm = "longer", model = "mpl" }\n',
        ("no model is called 'mpl'", "did you mean 'mlp'?"),
    ),
    "an override of an algorithm that nobody needs": (
        'when = { algorithm = "longer" }',
        'when = { algorithm = "maml" }',
        ("matches nothing",),
    ),
}


@pytest.fixture(autouse=True)
def in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cells_of(suite: Suite, algorithm: str) -> list[Cell]:
    return [cell for cell in suite.cells if cell.labels["algorithm"] == algorithm]


@pytest.mark.parametrize("name", WRONG)
def test_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    good, bad, says = WRONG[name]
    assert good in SUITE
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, SUITE.replace(good, bad, 1))
    message = str(refused.value)
    assert message.startswith("suites/x.toml")
    for words in says:
        assert words in message


def test_a_need_is_a_fit_of_its_own_recipe_at_the_same_place_and_seed(tmp_path: Path) -> None:
    suite = load(tmp_path, SUITE)
    cells = cells_of(suite, "tuned")
    assert cells
    for cell in cells:
        need = cell.fit.needs["start"]
        assert (need.algorithm, need.method.name, need.seed) == (
            "longer",
            "pretrained",
            cell.fit.seed,
        )
        assert need.train.iterations == 200
        assert need.train.shots == cell.evaluate.shots
        assert need.method.said == {"outer_lr": 0.01}
        assert (need.model, need.dataset) == (cell.fit.model, cell.fit.dataset)


def test_what_no_grid_has_is_listed_apart_and_once(tmp_path: Path) -> None:
    suite = load(tmp_path, SUITE)
    assert {cell.labels["algorithm"] for cell in suite.cells} == {"tuned", "pretrained"}
    assert suite.algorithms == ("tuned", "pretrained")
    needed = {cell.fit.id for cell in suite.needed}
    assert len(suite.needed) == len(needed) == 4  # two shapes, two seeds
    assert needed == {cell.fit.needs["start"].id for cell in cells_of(suite, "tuned")}
    beside = SUITE.replace('"pretrained"]', '"pretrained", "longer"]')
    assert load(tmp_path, beside).needed == ()


def test_an_axis_of_the_algorithm_is_not_one_of_what_it_needs(tmp_path: Path) -> None:
    text = SUITE.replace(
        "seeds = 2\n", 'seeds = 2\naxes = { "algorithm.tune" = [["head"], ["all"]] }\n'
    )
    suite = load(tmp_path, text)
    assert len(suite.cells) == 16
    assert len(suite.needed) == 4


def test_the_need_is_in_the_id_and_its_label_is_not(tmp_path: Path) -> None:
    def first(text: str) -> Cell:
        return cells_of(load(tmp_path, text), "tuned")[0]

    here = first(SUITE)
    assert first(SUITE.replace("longer", "further")).id == here.id
    assert first(SUITE.replace("iterations = 200", "iterations = 300")).id != here.id
    assert replace(here.fit, needs={}).id != here.fit.id
    assert here.fit.at_seed(0).id == here.fit.id != here.fit.at_seed(1).id
    assert here.fit.at_seed(1).needs["start"].seed == 1


def test_the_resolved_suite_has_the_same_needs(tmp_path: Path) -> None:
    suite = load(tmp_path, SUITE)
    again = write_suite(tmp_path, suite.resolved, "again")
    assert read_document(again).data["algorithms"]["tuned"]["needs"] == {"start": "longer"}
    other = load_suite("again", load_project(tmp_path))
    assert [cell.id for cell in other.cells] == [cell.id for cell in suite.cells]
    assert [cell.id for cell in other.needed] == [cell.id for cell in suite.needed]
