"""What a user waits for: the command line's answers, and the runner's own cost beside the fits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from metabench.records import RecordStore
from metabench.runner.resources import resources
from metabench.runner.run import run_suite
from metabench.suite import load_suite
from metabench.suite.project import load_project

Pace = Callable[[str, str, str], None]
SUITE = """
[grid]
algorithms = ["fomaml"]
datasets = ["sinusoid"]
shots = 5
seeds = {seeds}

[train]
iterations = 1
tasks_per_batch = 1

[validate]
episodes = 1

[evaluate]
episodes = 2
"""


@pytest.mark.parametrize(
    ("verb", "goal"), [("--help", "0.5 s"), ("list", "1.5 s"), ("status", "1.5 s")]
)
def test_answer(
    benchmark: BenchmarkFixture, pace: Pace, tmp_path: Path, verb: str, goal: str
) -> None:
    run(tmp_path, 1)
    command = [sys.executable, "-m", "metabench", verb] + (["few"] if verb == "status" else [])
    benchmark.pedantic(
        lambda: subprocess.run(command, cwd=tmp_path, check=False, capture_output=True),
        rounds=5,
        warmup_rounds=1,
    )
    pace(f"metabench {verb}", f"{benchmark.stats.stats.median:.2f} s", f"under {goal}")


def test_cost_of_a_fit(benchmark: BenchmarkFixture, pace: Pace, tmp_path: Path) -> None:
    """Two runs that differ by twenty fits, with one worker; what the fits themselves took is taken
    off."""
    folders = iter(range(1000))
    few = run(tmp_path / "few", 2)

    def many() -> float:
        return run(tmp_path / str(next(folders)), 22)

    seconds = benchmark.pedantic(many, rounds=1) - few
    pace("the runner's own cost of a fit", f"{seconds / 20:.3f} s", "under 0.2 s")


def run(folder: Path, seeds: int) -> float:
    """Run a suite of `seeds` trivial fits; return its seconds without those of the fits."""
    (folder / "suites").mkdir(parents=True)
    (folder / "suites" / "few.toml").write_text(SUITE.format(seeds=seeds))
    project = load_project(folder)
    summary = run_suite(load_suite("few", project), project, using=resources("cpu", 1, 1))
    records = RecordStore(summary.folder).scan().records.values()
    return summary.seconds - sum(record["measured"]["wall_seconds"] for record in records)
