"""A cell that stands at several points of a grid is made once, and counts at each."""

from __future__ import annotations

from pathlib import Path

import pytest
from workshop import Workshop, rewrite

from metabench.records import RecordStore
from metabench.tables import load

pytestmark = pytest.mark.slow

SUITE = """
[grid]
algorithms = ["maml", "scratch"]
datasets = ["sinusoid"]
shots = 5
seeds = 1
axes = { "train.iterations" = [2, 3] }
[train]
tasks_per_batch = 2
[validate]
every = 1
episodes = 4
target = 1000.0
[evaluate]
episodes = 4
[algorithms.scratch]
rates = [0.01]
steps = [0, 1]
"""


def test_a_cell_at_several_points_is_made_once_and_counts_at_each(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    (tmp_path / "suites" / "shared.toml").write_text(SUITE)
    summary = workshop.run("shared")
    assert (summary.finished, summary.failed, summary.missing) == (3, [], 0)
    assert len(RecordStore(summary.folder).index()) == 3
    cells = load(summary.folder).cells
    assert list(cells["train.iterations"]) == [2, 2, 3, 3]
    assert list(cells["outcome"]) == ["completed"] * 4
    assert cells.loc[cells["algorithm"] == "scratch", "cell"].nunique() == 1
    assert list(cells["iterations_to_target"].fillna(0)) == [1, 0, 1, 0]
    groups = load(summary.folder).groups
    assert list(groups["seeds"]) == [1] * 4
    told = workshop.command("status", "shared")
    assert (told.returncode, "3 of 3 cells done" in told.stdout) == (0, True), told.stdout
    again = workshop.run("shared")
    assert (again.kept, again.finished) == (3, 0)


def test_another_target_trains_nothing_again(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    suite = tmp_path / "suites" / "shared.toml"
    suite.write_text(SUITE)
    folder = workshop.run("shared").folder
    suite.write_text(SUITE.replace("target = 1000.0", "target = 0.000001"))
    assert workshop.run("shared").finished == 0
    assert load(folder).cells["iterations_to_target"].isna().all()


def test_damaged_weights_are_told_to_people(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    (tmp_path / "suites" / "shared.toml").write_text(SUITE)
    folder = workshop.run("shared").folder
    for path in folder.glob("weights/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-8])
    for path in folder.glob("records/maml-*.json"):
        rewrite(path, lambda record: record["result"].update(outcome="failed"))
    told = workshop.command("run", "shared", "--no-report", "--device", "cpu").stdout
    assert told.count("safetensors: is damaged and not used") == 2, told
    told = workshop.command("status", "shared").stdout
    assert told.count("note: weights/") == 2, told
