"""A run that finds the weights of earlier ones: it tests them, trains nothing, and says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop, results, rewrite

from metabench.cli import main
from metabench.errors import StaleError
from metabench.experiment import tensor_files

pytestmark = pytest.mark.slow

SUITE = """
[grid]
algorithms = ["maml", "scratch"]
datasets = ["sinusoid"]
shots = {shots}
seeds = 2

[train]
iterations = 6
tasks_per_batch = 2
shots = 5

[validate]
every = 3
episodes = 4
shots = 5

[evaluate]
episodes = 8
steps = {steps}

[algorithms.scratch]
rates = [0.01]
steps = [0, 1]
"""


@pytest.fixture(scope="module")
def trained(shared_workshop: Workshop) -> Path:
    """The run folder of a small suite."""
    write(shared_workshop, "grown", shots=[5], steps=["default"])
    return shared_workshop.run("grown", out=shared_workshop.folder / "trained").folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, to do things to."""
    return shutil.copytree(trained, tmp_path / "run")


def write(workshop: Workshop, name: str, *, shots: list[int], steps: list[Any]) -> None:
    (workshop.folder / "suites" / f"{name}.toml").write_text(
        SUITE.format(shots=shots, steps=json.dumps(steps))
    )


@pytest.fixture
def grown(shared_workshop: Workshop) -> Workshop:
    """The project, in which the suite has come to want four times as many cells of the same
    fits."""
    write(shared_workshop, "grown", shots=[5, 10], steps=["default", 3])
    return shared_workshop


def of_algorithm(folder: Path, algorithm: str) -> list[dict[str, Any]]:
    return [
        json.loads(path.read_text()) for path in sorted(folder.glob(f"records/{algorithm}-*.json"))
    ]


def in_file(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    facts, tensors = tensor_files.read(path) or ({}, {})
    change(facts)
    tensor_files.write(path, facts, tensors)


def test_cells_that_are_added_are_tested_with_the_weights_there_are(
    grown: Workshop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = grown.run("grown", out=folder)
    assert (summary.kept, summary.finished, summary.exit_status) == (4, 12, 0)
    assert "4 fits to run (2 of them from kept weights)" in capsys.readouterr().out
    assert (
        sorted(str(record["provenance"].get("weights")) for record in of_algorithm(folder, "maml"))
        == ["None"] * 2 + ["kept"] * 6
    )
    assert not any("weights" in record["provenance"] for record in of_algorithm(folder, "scratch"))
    assert results(folder) == results(grown.run("grown", out=folder.with_name("anew")).folder)


def test_a_plan_knows_who_needs_no_training(
    grown: Workshop,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(grown.folder)

    def planned() -> dict[str, Any]:
        capsys.readouterr()
        assert main(["plan", "grown", "--device", "cpu", "--out", str(folder), "--json"]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    write(grown, "grown", shots=[5], steps=["default", 3])
    from_weights = planned()
    assert (from_weights["fits_to_run"], from_weights["fits_to_train"]) == (4, 0)
    assert {fit["to_do"] for fit in from_weights["plan"]} == {"evaluate"}
    shutil.rmtree(folder / "weights")
    anew = planned()
    assert (anew["fits_to_run"], anew["fits_to_train"]) == (4, 2)
    assert {fit["name"].partition("-")[0]: fit["to_do"] for fit in anew["plan"]} == {
        "maml": "train",
        "scratch": "evaluate",
    }
    assert from_weights["expected_seconds"] < anew["expected_seconds"]
    write(grown, "grown", shots=[5], steps=["default"])
    assert {fit["to_do"] for fit in planned()["plan"]} == {None}


def made_elsewhere(told: dict[str, Any]) -> None:
    """Let a record, or the origin of weights, say that a source was another."""
    conditions = told["provenance"]["conditions"]
    conditions["sources"]["metabench/cells.py"] = "0" * 12
    conditions["conditions_digest"] = "f" * 64


def test_weights_of_other_conditions_leave_stale_records(grown: Workshop, folder: Path) -> None:
    """Taken on demand; and whoever asks for stale records to be made again gets these made again,
    too."""
    for path in folder.glob("records/*.json"):
        rewrite(path, made_elsewhere)
    for path in (folder / "weights").iterdir():
        in_file(path, lambda facts: made_elsewhere(facts["origin"]))
    with pytest.raises(StaleError, match=r"4 of 16 cells .*metabench/cells\.py changed"):
        grown.run("grown", out=folder)
    kept = grown.run("grown", out=folder, stale="keep")
    assert (kept.stale, kept.finished) == (4, 12)
    new = [
        record
        for record in of_algorithm(folder, "maml")
        if record["provenance"].get("weights") == "kept"
    ]
    assert len(new) == 6
    for record in new:
        now, then = (
            record["provenance"][key]["sources"] for key in ("conditions", "training_conditions")
        )
        assert {file for file in now if now[file] != then[file]} == {"metabench/cells.py"}
    with pytest.raises(StaleError, match="10 of 16 cells"):  # those six with the four
        grown.run("grown", out=folder)
    again = grown.run("grown", out=folder, stale="rerun")
    assert (again.stale, again.finished) == (0, 10)
    assert grown.run("grown", out=folder).kept == 16


def test_weights_on_other_data_are_not_taken(
    grown: Workshop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan cannot know before the data is read; the fit trains."""
    for path in (folder / "weights").iterdir():
        in_file(path, lambda facts: facts["origin"].update(data="a" * 64))
    assert grown.run("grown", out=folder).exit_status == 0
    assert not any("weights" in record["provenance"] for record in of_algorithm(folder, "maml"))
    assert results(folder) == results(grown.run("grown", out=folder.with_name("anew")).folder)


def test_without_keep_weights_none_are_taken(grown: Workshop, folder: Path) -> None:
    path = grown.folder / "suites" / "grown.toml"
    path.write_text("keep_weights = false\n" + path.read_text())
    grown.run("grown", out=folder)
    made = of_algorithm(folder, "maml")
    assert made
    assert not any("weights" in record["provenance"] for record in made)
