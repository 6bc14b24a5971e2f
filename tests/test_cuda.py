"""On a GPU: the same bits again, peaks of its memory, checkpoints, and a run through the pool.
Skipped where there is none."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from few_shot import make_cell, part, reproducible
from workshop import Workshop, results

from metabench import registry
from metabench.cells import Cell
from metabench.experiment.fit import CellOutcome, Progress, run_fit
from metabench.experiment.weights import Keeping
from metabench.runner.resources import resources
from metabench.runner.run import run_suite
from metabench.suite import load_suite

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")

HERE = {"conditions": {"conditions_digest": "a" * 64}}
METHODS: dict[str, dict[str, Any]] = {
    "maml": {"inner_lr": 0.1, "inner_steps": 2},
    "fomaml": {"inner_lr": 0.1, "inner_steps": 2},
    "meta_sgd": {"inner_steps": 2},
    "maml_pp": {"inner_lr": 0.1, "inner_steps": 2, "multi_step_loss": 0.5},
    "protonet": {},
    "reptile": {"inner_batch": 2, "inner_steps": 2, "test_steps": 2},
    "pretrained": {"steps": (0, 2)},
    "scratch": {"rates": (0.01,), "steps": (0, 2)},
}
SUITE = """
[grid]
algorithms = ["maml", "protonet", "scratch"]
datasets = ["numbered"]
models = ["conv4"]
ways = 3
shots = 1
seeds = 1

[train]
iterations = 6
tasks_per_batch = 2
query_shots = 2

[validate]
every = 3
episodes = 4
query_shots = 2

[evaluate]
episodes = 8
query_shots = 2

[models.conv4]
filters = 8

[algorithms.scratch]
rates = [0.01]
steps = [0, 2]
"""

every_method = pytest.mark.parametrize("algorithm", METHODS)


@pytest.fixture
def _numbered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dataset `numbered` of small images, in memory."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    registry.use_plugins({"datasets": {"numbered": "numbered:Numbered"}}, Path(__file__).parent)
    yield
    registry.use_plugins({}, Path(__file__).parent)


def cell_of(algorithm: str, **changes: Any) -> Cell:
    """A cell that trains for longer than losses wait on the device to be read."""
    train = {"iterations": 60, **changes.pop("train", {})}
    cell = make_cell(
        algorithm,
        "omniglot",
        method=METHODS[algorithm],
        train=train,
        validate={"every": 30},
        **changes,
    )
    return replace(cell, fit=replace(cell.fit, dataset=part("datasets", "numbered")))


def run(cell: Cell, device: str = "cuda:0", **options: Any) -> CellOutcome:
    settings: dict[str, Any] = {
        "data": Path(),
        "threads": 1,
        "workers": 1,
        "progress": lambda _: None,
        **options,
    }
    (outcome,) = run_fit([cell], device=device, **settings)
    return outcome


@pytest.mark.usefixtures("_numbered")
@every_method
def test_a_fit_run_again_gives_the_same_bits(algorithm: str) -> None:
    first = run(cell_of(algorithm))
    run(cell_of("fomaml", seed=5))  # whatever ran before
    assert reproducible(run(cell_of(algorithm), device="cuda")) == reproducible(first)
    assert first.result["outcome"] == "completed"


@pytest.mark.usefixtures("_numbered")
@every_method
def test_times_and_peaks_are_measured(algorithm: str) -> None:
    outcome = run(cell_of(algorithm))
    measured = outcome.measured
    allocated, reserved = measured["peak_gpu_allocated_bytes"], measured["peak_gpu_reserved_bytes"]
    for phase in ("training", "test"):
        assert 0 < allocated[phase] <= reserved[phase]
    assert outcome.provenance_extra["gpu"] == torch.cuda.get_device_name(0)
    seconds = outcome.arrays["measured/iteration_seconds"]
    assert len(seconds) == outcome.result["iterations"]
    if algorithm != "scratch":
        assert all(second > 0 and math.isfinite(second) for second in seconds)
        assert 0 < measured["seconds_per_iteration"] < measured["training_seconds"]


@pytest.mark.usefixtures("_numbered")
def test_scores_are_near_those_of_a_cpu() -> None:
    """Not the same bits, and the same experiment: losses of the first iterations agree to single
    precision."""
    cell = cell_of("maml", train={"iterations": 3})
    there, here = (run(cell, device).arrays["result/train_loss"] for device in ("cuda:0", "cpu"))
    assert there == pytest.approx(here, rel=1e-3)


class StoppedError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.usefixtures("_numbered")
@pytest.mark.parametrize("algorithm", ["maml", "protonet", "reptile", "pretrained"])
def test_a_training_goes_on_to_the_same_bits(algorithm: str, tmp_path: Path) -> None:
    cell = cell_of(algorithm)
    keeping = Keeping(checkpoints=tmp_path, every=1e-9, provenance=HERE)

    def stop(progress: Progress) -> None:
        if progress.phase == "train" and progress.iteration == 40:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(cell, keeping=keeping, progress=stop)
    outcome = run(cell, keeping=keeping)
    assert outcome.measured["interruptions"] == 1
    assert reproducible(outcome) == reproducible(run(cell))


@pytest.mark.usefixtures("_numbered")
def test_kept_weights_give_the_same_scores(tmp_path: Path) -> None:
    cell = cell_of("protonet")
    further = replace(cell, evaluate=replace(cell.evaluate, shots=3))
    keeping = Keeping(weights=tmp_path, provenance=HERE)
    run(cell, keeping=keeping)
    outcome = run(further, keeping=keeping)
    assert outcome.provenance_extra["weights"] == "kept"
    assert reproducible(outcome) == reproducible(run(further))


def test_a_suite_runs_through_processes_of_its_own(tmp_path: Path) -> None:
    """Started afresh, since CUDA does not survive a fork; twice, to the same bits."""
    workshop = Workshop(tmp_path / "project")
    shutil.copy(Path(__file__).parent / "numbered.py", workshop.folder)
    (workshop.folder / "benchmark.toml").write_text(
        '[plugins.datasets]\nnumbered = "numbered:Numbered"\n'
    )
    (workshop.folder / "suites" / "gpu.toml").write_text(SUITE)
    project = workshop.project
    folders = []
    for name in ("one", "two"):
        summary = run_suite(
            load_suite("gpu", project),
            project,
            using=resources("cuda:0", 0, 1),
            out=tmp_path / name,
        )
        assert (summary.finished, summary.exit_status) == (3, 0)
        folders.append(summary.folder)
    assert results(folders[0]) == results(folders[1])
    for path in folders[0].glob("records/*.json"):
        provenance = json.loads(path.read_text())["provenance"]
        assert provenance["conditions"]["device"] == "cuda"
        assert provenance["gpu"] == torch.cuda.get_device_name(0)
