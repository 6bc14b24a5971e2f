"""What fits are called on the screen: no two of a suite alike."""

from __future__ import annotations

from pathlib import Path

from metabench.runner.describe import name_of
from metabench.suite import load_suite
from metabench.suite.project import load_project

SUITE = """
[grid]
algorithms = ["protonet", "nearest"]
datasets = ["glyphs"]
models = ["conv4", "wide"]
ways = 5
shots = 1
seeds = 2
axes = { "train.tasks_per_batch" = [2, 4] }
[models.wide]
model = "conv4"
filters = 128
[train]
iterations = 2
[validate]
episodes = 2
[evaluate]
episodes = 2
"""


def test_a_fit_is_called_by_its_model_where_that_is_not_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "named.toml").write_text(SUITE)
    suite = load_suite("named", load_project(tmp_path))
    names = {cell.fit.id: name_of(cell) for cell in suite.cells}
    assert len(set(names.values())) == len(names) == 10
    assert "protonet-glyphs-5w1s-s0 tasks_per_batch=2" in names.values()
    assert "protonet-glyphs-5w1s-s1 model=wide tasks_per_batch=4" in names.values()
    assert not any("nearest" in name and "wide" in name for name in names.values())
