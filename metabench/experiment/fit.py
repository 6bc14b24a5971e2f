"""The whole experiment on one page: one fit and its cells, from seed to scores.

1. Open the dataset.  2. Make the network; its initial weights depend on seed and model, not on the
   method.  3. Train on training episodes, selecting weights on validation episodes; or take what an
   earlier run has kept of the same training.  4. For each cell: settle on validation episodes what
   the method leaves open, then meet the test episodes, once.  Every random number comes from a
   named stream (see `random_streams`), those that plugins draw from global generators too, so
   nothing here depends on what ran before or beside it, nor on interruptions.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from metabench.cells import Cell
from metabench.datasets.dataset import Dataset
from metabench.errors import DivergedError
from metabench.experiment.checkpoints import Checkpoint, Cost, Origin
from metabench.experiment.compiling import inductor
from metabench.experiment.determinism import be_deterministic, phase, seed_noise
from metabench.experiment.evaluation import Choice, Evaluation, choose, evaluate, figures_of
from metabench.experiment.measure import MemoryPeaks
from metabench.experiment.needs import take_needs
from metabench.experiment.outcome import arrays_of, diverged_words, measured_of, result_of
from metabench.experiment.parts import Parts, make_parts, method_at, open_test_datasets
from metabench.experiment.returned.both import checked_arrays
from metabench.experiment.returned.datasets import checked_content
from metabench.experiment.returned.methods import (
    checked_batches,
    checked_candidates,
    refuse_changed_state,
    state_digest,
)
from metabench.experiment.tensor_files import Warn
from metabench.experiment.training import train
from metabench.experiment.training_data import TrainingData
from metabench.experiment.training_result import Training
from metabench.experiment.weights import NOTHING_KEPT, Keeping, Trained, find_weights, keep_weights
from metabench.methods.graphs import Graphs
from metabench.methods.method import Method
from metabench.metrics import named_metric
from metabench.models.ways import way_of
from metabench.provenance.compiler import EAGER, Compilation
from metabench.provenance.environment import MACHINE
from metabench.tasks.episodes import EpisodeShape
from metabench.tasks.random_streams import global_stream

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where a fit is: `iteration` of `total` (None: unknown) of a phase, with the last loss that
    was read."""

    phase: Literal["load", "train", "validate", "test"]
    iteration: int
    total: int | None
    loss: float | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class CellOutcome:
    """What a cell came to, in the parts of its record."""

    cell: Cell
    result: dict[str, Any]
    measured: dict[str, Any]
    arrays: dict[str, np.ndarray]
    provenance_extra: dict[str, Any]


@dataclass(frozen=True)
class Fitted:
    """What the cells of a fit share once its weights are there.

    Attributes
    ----------
    resident_before
        Bytes that were resident before training.
    remarks
        What people should know of how the weights came to be.
    needs
        What provenance says of the weights of other fits that were taken.
    """

    parts: Parts
    trained: Trained
    resident_before: int
    remarks: Sequence[str]
    needs: Mapping[str, Any]


def run_fit(
    cells: Sequence[Cell],
    *,
    data: Path,
    device: str,
    threads: int,
    workers: int,
    progress: Report,
    keeping: Keeping = NOTHING_KEPT,
    tests: bool = True,
    compilation: Compilation = EAGER,
) -> Iterator[CellOutcome]:
    """Run the fit that `cells` share, then each of them.

    Parameters
    ----------
    data
        The data folder.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    workers
        How many fits run at once (recorded beside the times).
    keeping
        Where the fit may find its weights or its checkpoint, and leaves them.
    tests
        Whether the cells are wanted; otherwise it is over with the training.
    compilation
        Whether the training steps are compiled.

    Raises
    ------
    DivergedError
        The weights alone are wanted, and there are none.
    NeedError
        A fit that this one needs has left no weights.
    DataError
        Data is missing, or cannot fill the episodes.
    """
    started = time.perf_counter()
    remarks: list[str] = []

    def warn(remark: str) -> None:
        _log.warning(remark)
        remarks.append(remark)

    be_deterministic(threads)
    progress(Progress("load", 0, None))
    parts = make_parts(cells[0].fit, data, started_device(device))
    if compilation.remark:
        warn(compilation.remark)
    if compilation.compiler:
        parts.state.graphs = Graphs(inductor(compilation.compiler, threads), warn)
    test_datasets, missing = open_test_datasets(cells if tests else (), parts)
    with MemoryPeaks(parts.device) as memory:

        def cost() -> Cost:
            return Cost(time.perf_counter() - started, memory.read())

        trained, needs = find_or_train(cells[0], parts, keeping, workers, cost, warn, progress)
    if not tests:
        if trained.training.stopped == "diverged":
            raise DivergedError(diverged_words(trained.training))
        return
    let_go_of_training(parts)
    fitted = Fitted(parts, trained, memory.before, remarks, needs)
    yield from run_cells(test_datasets, fitted, progress)
    # the cells that are left could not be run, and the others should not suffer for it
    if missing is not None:
        raise missing


def started_device(name: str) -> torch.device:
    """Return a device by its name, ready: events and allocations without one of their own go there
    too."""
    device = torch.device(name)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        torch.cuda.init()
        torch.cuda.set_device(device)
    return device


def find_or_train(
    cell: Cell,
    parts: Parts,
    keeping: Keeping,
    workers: int,
    cost: Callable[[], Cost],
    warn: Warn,
    progress: Report,
) -> tuple[Trained, dict[str, Any]]:
    """Give the state the weights that an earlier run has kept, or train it and keep them; return
    also what provenance says of the fits that it needed, and why its steps were not compiled where
    they were to be."""
    fit, method, state = parts.fit, parts.method, parts.state
    origin = Origin(fit.id, checked_content(parts.dataset), keeping.provenance)
    path = keeping.weights_of(fit.id) if method.trains else None
    if path is not None:
        found = find_weights(path, state, origin, warn, any_conditions=keeping.stale)
        if found is not None:
            return found, {}
    needs = take_needs(parts, keeping, warn)
    origin = dataclasses.replace(origin, provenance={**origin.provenance, **needs})
    checkpoint = keeping.checkpoint(origin, cost, warn) if method.trains else None
    with phase(state, fit.root_seed, "training", training=True, fit=fit.noise_id):
        training = train_fit(cell, parts, progress, checkpoint)
    if state.graphs is not None and state.graphs.why:
        needs = {**needs, "not_compiled": state.graphs.why}
        origin = dataclasses.replace(origin, provenance={**origin.provenance, **needs})
    trained = Trained(training, checkpoint.cost if checkpoint else cost(), workers)
    if path is not None and training.stopped != "diverged":
        keep_weights(path, state, trained, origin)
    return trained, needs


def train_fit(
    cell: Cell, parts: Parts, progress: Report, checkpoint: Checkpoint | None = None
) -> Training:
    """Train; validation sees the weights as the cells will, under the method's own batch
    normalisation mode."""
    fit, method, state = parts.fit, parts.method, parts.state
    if not method.trains:
        return Training()
    mode = None if cell.evaluate.batch_norm is None else method.settings.test_batch_norm
    on = parts.validation_set(EpisodeShape.of(fit.validate), mode)
    validations = itertools.count()

    def validate() -> Choice:
        # once is enough to know a method by
        weighed = state_digest(state) if next(validations) == 0 else None
        with phase(state, fit.root_seed, "validation", training=False, fit=fit.noise_id):
            choice = choose(method, state, on)
        if weighed is not None:
            refuse_changed_state(method, state, weighed)
        return choice

    return train(
        method,
        state,
        checked_batches(method, TrainingData(fit, method, parts.dataset, parts.device)),
        fit.train,
        fit.validate,
        validate,
        parts.validation_metric.higher_is_better,
        parts.device,
        lambda iteration, total, loss: progress(Progress("train", iteration, total, loss)),
        checkpoint,
    )


def let_go_of_training(parts: Parts) -> None:
    """Free what training alone needed, so that the memory peak of the test is its own."""
    parts.state.optimizer = parts.state.graphs = None
    if parts.method.trains:
        parts.state.needed = {}
    if parts.device.type == "cuda":
        torch.cuda.empty_cache()


def run_cells(
    cells: Sequence[tuple[Cell, Dataset]], fitted: Fitted, progress: Report
) -> Iterator[CellOutcome]:
    """Test the weights of a fit as each cell says, and see that no test changes them."""
    method, state = fitted.parts.method, fitted.parts.state
    weighed = state_digest(state)
    for cell, dataset in cells:
        with phase(state, cell.fit.root_seed, "choice", training=False, cell=cell.choice_noise_id):
            outcome = run_cell(cell, fitted, dataset, progress)
        refuse_changed_state(method, state, weighed)
        yield outcome


def run_cell(cell: Cell, fitted: Fitted, dataset: Dataset, progress: Report) -> CellOutcome:
    """Test the weights of a fit as a cell says."""
    started = time.perf_counter()
    parts, trained, training = fitted.parts, fitted.trained, fitted.trained.training
    method = method_at(parts.method, cell.evaluate.steps)
    choice: Choice | None = None
    tested: Evaluation | None = None
    choosing = 0.0
    seed_noise(parts.state, cell)
    with MemoryPeaks(parts.device, fitted.resident_before) as memory:
        if training.stopped != "diverged":
            choice = settle(cell, method, parts, progress)
            choosing = time.perf_counter() - started
            with global_stream(cell.fit.root_seed, "test", cell=cell.noise_id):
                tested = test(cell, choice, parts, dataset, progress)
        cost = Cost(time.perf_counter() - started, memory.read())
    result = result_of(
        cell,
        method,
        parts.state,
        training,
        choice,
        tested,
        named_metric(cell.evaluate.metric or dataset.metric),
        higher_is_better=parts.validation_metric.higher_is_better,
    )
    measured = {
        **measured_of(cell.fit, training, tested),
        "choice_seconds": choosing,
        **{
            name: {"training": trained.cost.peaks.get(name), "test": peak}
            for name, peak in cost.peaks.items()
        },
        "resident_read_by": memory.read_by,
        "wall_seconds": trained.cost.seconds + cost.seconds,
        "workers": trained.workers,
    }
    arrays = arrays_of(training, choice, tested)
    return CellOutcome(cell, result, measured, arrays, provenance_of(fitted, dataset))


def settle(cell: Cell, method: Method, parts: Parts, progress: Report) -> Choice:
    """Choose on validation episodes of the cell's own shape what the method leaves open; nothing is
    drawn where nothing is open."""
    if len(checked_candidates(method)) == 1 and not method.chooses_step:
        return Choice(method, method.curve.index(method.test_steps), float("nan"), float("nan"))
    progress(Progress("validate", 0, None))
    at = cell.evaluate
    shape = EpisodeShape(at.ways, at.shots, cell.fit.validate.query_shots)
    return choose(method, parts.state, parts.validation_set(shape, at.batch_norm))


def test(
    cell: Cell, choice: Choice, parts: Parts, dataset: Dataset, progress: Report
) -> Evaluation:
    """Meet the test episodes."""
    on = parts.test_set(cell, dataset)
    tested = evaluate(
        choice.method,
        parts.state,
        on,
        point=choice.point,
        every_metric=True,
        progress=lambda done: progress(Progress("test", done, on.episodes)),
    )
    figures = figures_of(choice.method, parts.state, on)
    names = checked_arrays(dataset, "names", dataset.names(tested.draw))
    return dataclasses.replace(tested, figures={**figures, **names})


def provenance_of(fitted: Fitted, dataset: Dataset) -> dict[str, Any]:
    """What is to be known of a cell's numbers beside where and when they were made, tested on a
    dataset."""
    parts, made = fitted.parts, fitted.trained.provenance
    way = way_of(parts.state)
    provenance: dict[str, Any] = {
        "data_digest": checked_content(dataset),
        "training_data_digest": checked_content(parts.dataset),
        "network": {"tasks": way.name, "why": way.why or None},
        "remarks": list(fitted.remarks),
        **fitted.needs,
    }
    if made is not None:
        provenance |= {
            "weights": "kept",
            **{key: made[key] for key in ("needs", "not_compiled") if key in made},
            "training_conditions": made.get("conditions"),
            "training_machine": {name: made.get(name) for name in MACHINE},
        }
    if parts.device.type == "cuda":
        provenance["gpu"] = torch.cuda.get_device_name(parts.device)
    return provenance
