"""What fits of unknown duration are expected to take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from few_shot import make_cell
from workshop import Workshop

from metabench.cells import Cell, Train
from metabench.cli import main
from metabench.runner import probe as probing
from metabench.runner.plan import PlannedCell
from metabench.runner.probe import Rates

SUITE = """
[grid]
algorithms = ["maml", "scratch", "{third}"]
datasets = ["sinusoid"]
shots = 5
seeds = 3

[train]
iterations = 1000000
tasks_per_batch = 2

[validate]
every = 1000
episodes = 4

[evaluate]
episodes = [100000, 200000]

[algorithms.scratch]
rates = [0.01]
steps = [0, 1]

[algorithms.raise]
method = "misbehaving"
deed = "raise"

[algorithms.diverge]
method = "misbehaving"
deed = "diverge"
"""


def planned(cell: Cell) -> PlannedCell:
    return PlannedCell(cell, "missing", cell.stem)


def rates_for(*cells: Cell, **changes: float) -> Rates:
    kinds = [probing._kind_of_test(cell.evaluate) for cell in cells]
    told: dict[str, Any] = {"once": 2.0, "iteration": 0.5, "validation": 0.1, **changes}
    return Rates(choice=dict.fromkeys(kinds, 0.01), test=dict.fromkeys(kinds, 0.001), **told)


def test_training_validation_choice_and_test_count() -> None:
    cell = make_cell(
        "maml",
        train={"iterations": 100},
        validate={"every": 30, "episodes": 5},
        evaluate={"episodes": 600},
    )
    other = replace(cell, evaluate=replace(cell.evaluate, shots=1, episodes=50))
    rates = rates_for(cell, other)
    tests = 5 * 0.01 + 600 * 0.001 + 5 * 0.01 + 50 * 0.001
    assert rates.seconds(cell.fit, [planned(cell), planned(other)]) == pytest.approx(
        2.0 + 100 * 0.5 + 4 * 5 * 0.1 + tests
    )
    assert rates.seconds(cell.fit, [planned(cell), planned(other)], trains=False) == pytest.approx(
        2.0 + tests
    )


@pytest.mark.parametrize(
    ("train", "seconds"), [({"tasks": 41, "tasks_per_batch": 4}, 11 * 0.5), ({"seconds": 5.2}, 5.2)]
)
def test_every_kind_of_budget(train: dict[str, Any], seconds: float) -> None:
    cell = make_cell(
        "maml",
        train={"iterations": None, **train},
        validate={"every": 10, "episodes": 5},
        evaluate={"episodes": 1},
    )
    assert rates_for(cell).seconds(cell.fit, [planned(cell)]) == pytest.approx(
        2.0 + seconds + 2 * 5 * 0.1 + 5 * 0.01 + 0.001
    )


def test_seeds_and_lengths_are_of_one_kind_and_the_rest_is_not() -> None:
    cell = make_cell("maml")
    longer = Train(iterations=10**6, tasks_per_batch=2, shots=5, query_shots=5)
    same = [
        cell.fit,
        replace(cell.fit, seed=4),
        replace(cell.fit, train=longer),
        replace(cell.fit, validate=replace(cell.fit.validate, every=77)),
    ]
    assert len({probing._kind(fit) for fit in same}) == 1
    others = [
        make_cell("fomaml").fit,
        make_cell("maml", train={"tasks_per_batch": 3}).fit,
        make_cell("maml", model={"hidden": (9,)}).fit,
    ]
    assert len({probing._kind(fit) for fit in (cell.fit, *others)}) == 4


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def plan_of(
    workshop: Workshop, third: str, capsys: pytest.CaptureFixture[str], *arguments: str
) -> dict[str, Any]:
    (workshop.folder / "suites" / "long.toml").write_text(SUITE.format(third=third))
    assert main(["plan", "long", "--device", "cpu", "--workers", "2", "--json", *arguments]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.slow
def test_a_probe_makes_the_unknown_known_and_leaves_nothing_behind(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite that would take weeks."""
    monkeypatch.chdir(workshop.folder)
    assert plan_of(workshop, "fomaml", capsys)["expected_seconds"] is None
    before = everything_in(workshop.folder)
    told = plan_of(workshop, "fomaml", capsys, "--probe")
    assert everything_in(workshop.folder) == before
    assert told["failed_probes"] == []
    by_name = {fit["name"]: fit["expected_seconds"] for fit in told["plan"]}
    assert len(by_name) == 9
    assert by_name["maml-sinusoid-5s-s0"] == by_name["maml-sinusoid-5s-s2"] > 60
    assert by_name["scratch-sinusoid-5s-s0"] > 1
    assert told["expected_seconds"] == pytest.approx(sum(by_name.values()) / 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("third", "why"), [("raise", "ValueError: the deed was done"), ("diverge", "diverged")]
)
def test_a_kind_that_fails_stays_unknown(
    third: str,
    why: str,
    workshop: Workshop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workshop.folder)
    told = plan_of(workshop, third, capsys, "--probe")
    assert [line.partition(": ")[2] for line in told["failed_probes"]] == [why]
    assert {
        fit["name"].partition("-")[0] for fit in told["plan"] if fit["expected_seconds"] is None
    } == {third}
    assert told["expected_seconds"] is None


@pytest.mark.slow
def test_what_is_known_is_not_tried(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop.folder)
    workshop.suite("known", "none", seeds=2)
    workshop.run("known", seeds=[0])
    monkeypatch.setattr("metabench.verbs.plan.probe", lambda *_: pytest.fail("nothing is unknown"))
    capsys.readouterr()
    assert main(["plan", "known", "--device", "cpu", "--probe"]) == 0
    assert "1 of them to train" in capsys.readouterr().out
