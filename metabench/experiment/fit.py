"""The whole experiment on one page: one fit and its cells, from seed to scores.

1. Open the dataset.  2. Make the network; its initial weights depend on seed and model, not on the
   method.  3. Train on training episodes, selecting weights on validation episodes; or take what an
   earlier run has kept of the same training.  4. For each cell: settle on validation episodes what
   the method leaves open, then meet the test episodes, once.  Every random number comes from a
   named stream (see `streams`), those that plugins draw from global generators too, so nothing here
   depends on what ran before or beside it, nor on interruptions.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from metabench import registry
from metabench.cells import Cell, Fit, Part
from metabench.datasets.dataset import Dataset, Split
from metabench.errors import DataError, DivergedError
from metabench.experiment.checkpoints import Checkpoint, Cost, Origin, Tell
from metabench.experiment.evaluation import Choice, Evaluation, choose, evaluate, figures_of
from metabench.experiment.measure import MemoryPeaks
from metabench.experiment.needs import finished_needs
from metabench.experiment.outcome import arrays_of, diverged_words, measured_of, result_of
from metabench.experiment.returned import (
    checked_arrays,
    checked_batches,
    checked_candidates,
    checked_content,
    checked_method,
    checked_model,
    checked_network,
    checked_privileged,
    checked_state,
    checked_task,
    checked_training_task,
    refuse_changed_state,
    state_digest,
)
from metabench.experiment.sources import EpisodeStream, TrainingData
from metabench.experiment.training import train
from metabench.experiment.training_state import Training
from metabench.experiment.weights import NOTHING_KEPT, Keeping, Trained, find_weights, keep_weights
from metabench.methods.method import Method, State
from metabench.metrics import Metric, named_metric
from metabench.models.ways import as_model, way_of
from metabench.registry.promises import broken
from metabench.tasks.episodes import EpisodeShape, Task
from metabench.tasks.random_streams import global_stream, torch_generator

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where a fit is: `iteration` of `total` (None: unknown) of a phase, with the last loss that
    was read."""

    phase: Literal["load", "train", "validate", "test"]
    iteration: int
    total: int | None
    loss: float | None = None


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
    """What the cells of a fit share once its weights are there. `dataset` is that of training and
    validation; `resident_before` are the bytes that were resident before training, `remarks` what
    people should know of how the weights came to be, `needs` what provenance says of the weights of
    other fits that were taken."""

    method: Method
    state: State
    dataset: Dataset
    trained: Trained
    device: torch.device
    resident_before: int
    remarks: tuple[str, ...]
    needs: Mapping[str, Any]


def run_fit(
    cells: Sequence[Cell],
    *,
    data: Path,
    device: str,
    threads: int,
    workers: int,
    progress: Callable[[Progress], None],
    keeping: Keeping = NOTHING_KEPT,
    tests: bool = True,
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
    where = torch.device(device)
    be_deterministic(threads)
    if where.type == "cuda":
        where = torch.device("cuda", where.index or 0)
        torch.cuda.init()
        # events and allocations without a device of their own go there too
        torch.cuda.set_device(where)
    fit = cells[0].fit

    progress(Progress("load", 0, None))
    method = make_method(fit.method)
    privileged = "privileged" in method.wants
    dataset = open_dataset(fit.dataset, data, privileged)
    test_datasets, missing = open_test_datasets(cells if tests else (), dataset, data, privileged)
    state = initial_state(fit, method, dataset, where)

    with MemoryPeaks(where) as memory:

        def cost() -> Cost:
            return Cost(time.perf_counter() - started, memory.read())

        remarks: list[str] = []

        def tell(remark: str) -> None:
            _log.warning(remark)
            remarks.append(remark)

        origin = Origin(fit.id, checked_content(dataset), keeping.provenance)
        weights = keeping.weights_of(fit.id) if method.trains else None
        trained = (
            find_weights(weights, state, origin, tell, any_conditions=keeping.stale)
            if weights is not None
            else None
        )
        needs: dict[str, Any] = {}
        if trained is None:
            needs = take_needs(fit, method, state, dataset, data, keeping, tell)
            origin = dataclasses.replace(origin, provenance={**origin.provenance, **needs})
            checkpoint = keeping.checkpoint(origin, cost, tell) if method.trains else None
            with phase(state, fit.root_seed, "training", training=True, fit=fit.id):
                training = train_fit(cells[0], method, state, dataset, where, progress, checkpoint)
            trained = Trained(training, checkpoint.cost if checkpoint else cost(), workers)
            if weights is not None and training.stopped != "diverged":
                keep_weights(weights, state, trained, origin)
    if not tests:
        if trained.training.stopped == "diverged":
            raise DivergedError(diverged_words(trained.training))
        return
    let_go_of_training(method, state, where)

    fitted = Fitted(method, state, dataset, trained, where, memory.before, tuple(remarks), needs)
    weighed = state_digest(state)
    for cell, test_dataset in test_datasets:
        with phase(state, fit.root_seed, "choice", training=False, cell=cell.id):
            outcome = run_cell(cell, fitted, test_dataset, progress)
        refuse_changed_state(method, state, weighed)
        yield outcome
    # the cells that are left could not be run, and the others should not suffer for it
    if missing is not None:
        raise missing


def run_cell(
    cell: Cell, fitted: Fitted, test_dataset: Dataset, progress: Callable[[Progress], None]
) -> CellOutcome:
    """Test the weights of a fit as a cell says."""
    started = time.perf_counter()
    _seed_noise(fitted.state, cell)
    state, trained, training, steps = (
        fitted.state,
        fitted.trained,
        fitted.trained.training,
        cell.evaluate.steps,
    )
    method = fitted.method if steps is None else method_at(fitted.method, steps)
    choice: Choice | None = None
    tested: Evaluation | None = None
    choosing = 0.0
    with MemoryPeaks(fitted.device, fitted.resident_before) as memory:
        if training.stopped != "diverged":
            choice = settle(cell, method, state, fitted.dataset, fitted.device, progress)
            choosing = time.perf_counter() - started
            with global_stream(cell.fit.root_seed, "test", cell=cell.id):
                tested = test(cell, choice, state, test_dataset, fitted.device, progress)
        peaks = memory.read()
    measured = measured_of(cell.fit, training, tested) | {"choice_seconds": choosing}
    measured |= {
        name: {"training": trained.cost.peaks.get(name), "test": peak}
        for name, peak in peaks.items()
    }
    measured |= {
        "resident_read_by": memory.read_by,
        "wall_seconds": trained.cost.seconds + time.perf_counter() - started,
        "workers": trained.workers,
    }
    result = result_of(
        cell,
        method,
        state,
        training,
        choice,
        tested,
        named_metric(cell.evaluate.metric or test_dataset.metric),
        higher_is_better=validation_metric(cell.fit, fitted.dataset).higher_is_better,
    )
    way = way_of(state)
    provenance: dict[str, Any] = {
        "data_digest": checked_content(test_dataset),
        "training_data_digest": checked_content(fitted.dataset),
        "network": {"tasks": way.name, "why": way.why or None},
        "remarks": list(fitted.remarks),
        **fitted.needs,
    }
    if trained.provenance is not None:
        made_on = {name: trained.provenance.get(name) for name in ("cpu", "gpu", "driver")}
        provenance |= {
            "weights": "kept",
            **{key: trained.provenance[key] for key in ("needs",) if key in trained.provenance},
            "training_conditions": trained.provenance.get("conditions"),
            "training_machine": made_on,
        }
    if fitted.device.type == "cuda":
        provenance["gpu"] = torch.cuda.get_device_name(fitted.device)
    return CellOutcome(cell, result, measured, arrays_of(training, choice, tested), provenance)


def open_test_datasets(
    cells: Sequence[Cell], dataset: Dataset, data: Path, privileged: bool
) -> tuple[list[tuple[Cell, Dataset]], DataError | None]:
    """Return the cells whose test data is there, each with its dataset, and what is wrong with that
    of the others."""
    opened: list[tuple[Cell, Dataset]] = []
    missing: DataError | None = None
    for cell in cells:
        try:
            opened.append(
                (
                    cell,
                    dataset
                    if cell.evaluate.on is None
                    else open_dataset(cell.evaluate.on, data, privileged),
                )
            )
        except DataError as error:
            missing = error
    if not opened and missing is not None:
        raise missing
    return opened, missing


@contextmanager
def phase(
    state: State, root_seed: int, purpose: str, *, training: bool, **key: Any
) -> Iterator[None]:
    """A part of a fit that no number of another depends on but through `state`.

    What it draws from global generators is a stream of its own. Its layers are in the mode of
    training or evaluation throughout, adaptation included, and are left as they were found: of
    neither would an interrupted fit know.
    """
    modes = [(module, module.training) for module in state.modules()]
    state.train(training)
    with global_stream(root_seed, purpose, **key):
        yield
    for module, mode in modes:
        module.training = mode


def _seed_noise(state: State, cell: Cell) -> None:
    """Let the method's own noise in the test of a cell not depend on how much of it the training
    took."""
    if state.generator is not None:
        state.generator.manual_seed(
            torch_generator(cell.fit.root_seed, "method in test", cell=cell.id).initial_seed()
        )


def take_needs(
    fit: Fit,
    method: Method,
    state: State,
    dataset: Dataset,
    data: Path,
    keeping: Keeping,
    tell: Tell,
) -> dict[str, Any]:
    """Hand a method the fits that it needs; return what provenance says of them."""
    if not fit.needs:
        return {}
    device = next((p.device for p in state.parameters()), torch.device("cpu"))

    def build(need: Fit) -> tuple[Method, Dataset, State]:
        other = make_method(need.method)
        privileged = "privileged" in other.wants
        same = (need.dataset.identity(), privileged) == (
            fit.dataset.identity(),
            "privileged" in method.wants,
        )
        its = dataset if same else open_dataset(need.dataset, data, privileged)
        return other, its, initial_state(need, other, its, device)

    finished, facts = finished_needs(fit, build, keeping, tell)
    with phase(state, fit.root_seed, "needs", training=False, fit=fit.id):
        method.take(state, finished)
    return {"needs": facts}


def let_go_of_training(method: Method, state: State, device: torch.device) -> None:
    """Free what training alone needed, so that the memory peak of the test is its own."""
    state.optimizer = None
    if method.trains:
        state.needed = {}
    if device.type == "cuda":
        torch.cuda.empty_cache()


def train_fit(
    cell: Cell,
    method: Method,
    state: State,
    dataset: Dataset,
    device: torch.device,
    progress: Callable[[Progress], None],
    checkpoint: Checkpoint | None = None,
) -> Training:
    """Train; validation sees the weights as the cells will, under the method's own batch
    normalisation mode."""
    if not method.trains:
        return Training()
    fit = cell.fit
    mode = None if cell.evaluate.batch_norm is None else method.settings.test_batch_norm
    validation = episodes_of(fit, fit.dataset, dataset, "validation", EpisodeShape.of(fit.validate))
    validations = itertools.count()

    def validate() -> Choice:
        # once is enough to know a method by
        weighed = state_digest(state) if next(validations) == 0 else None
        with phase(state, fit.root_seed, "validation", training=False, fit=fit.id):
            choice = choose(
                method, state, validation, fit.validate.episodes, mode, device, fit.validate.metric
            )
        if weighed is not None:
            refuse_changed_state(method, state, weighed)
        return choice

    return train(
        method,
        state,
        checked_batches(method, TrainingData(fit, method, dataset, device)),
        fit.train,
        fit.validate,
        validate,
        validation_metric(fit, dataset).higher_is_better,
        device,
        lambda iteration, total, loss: progress(Progress("train", iteration, total, loss)),
        checkpoint,
    )


def validation_metric(fit: Fit, dataset: Dataset) -> Metric:
    """What validation on the dataset of the fit is scored by."""
    return named_metric(fit.validate.metric or dataset.metric)


def settle(
    cell: Cell,
    method: Method,
    state: State,
    dataset: Dataset,
    device: torch.device,
    progress: Callable[[Progress], None],
) -> Choice:
    """Choose on validation episodes of the cell's own shape what the method leaves open; nothing is
    drawn where nothing is open."""
    fit, at = cell.fit, cell.evaluate
    if len(checked_candidates(method)) == 1 and not method.chooses_step:
        return Choice(method, method.curve.index(method.test_steps), float("nan"), float("nan"))
    progress(Progress("validate", 0, None))
    shape = EpisodeShape(at.ways, at.shots, fit.validate.query_shots)
    stream = episodes_of(fit, fit.dataset, dataset, "validation", shape)
    mode: Any = at.batch_norm
    return choose(method, state, stream, fit.validate.episodes, mode, device, fit.validate.metric)


def test(
    cell: Cell,
    choice: Choice,
    state: State,
    dataset: Dataset,
    device: torch.device,
    progress: Callable[[Progress], None],
) -> Evaluation:
    """Meet the test episodes."""
    fit, at = cell.fit, cell.evaluate
    stream = episodes_of(
        fit,
        at.on or fit.dataset,
        dataset,
        "test",
        EpisodeShape.of(at),
        sampling=at.sampling,
        episodes=at.episodes,
    )
    mode: Any = at.batch_norm

    def tell(done: int) -> None:
        progress(Progress("test", done, at.episodes))

    tested = evaluate(
        choice.method,
        state,
        stream,
        at.episodes,
        mode,
        device,
        point=choice.point,
        metric=at.metric,
        every_metric=True,
        progress=tell,
    )
    figures = figures_of(choice.method, state, stream, at.episodes, mode, device)
    return dataclasses.replace(
        tested, figures={**figures, **checked_arrays(dataset, "names", dataset.names(tested.draw))}
    )


def be_deterministic(threads: int) -> None:
    """Let torch use deterministic algorithms alone, and seed the global generators, which nothing
    here draws from."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # 10 bits of mantissa would be another experiment than a CPU's
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def open_dataset(part: Part, data: Path, privileged: bool = False) -> Dataset:
    """Return the dataset, loaded; `privileged` with inputs that say what defines the task."""
    with global_stream(0, "loading", dataset=part.identity()):
        dataset: Dataset = registry.make("datasets", part)
        if privileged:
            dataset = checked_privileged(dataset)
        dataset.load(data)
    return dataset


def make_method(part: Part) -> Method:
    """Return the method under its settings."""
    method: Method = registry.make("methods", part)
    return checked_method(method)


def method_at(method: Method, steps: int) -> Method:
    """Return the method as it is tested after exactly so many steps."""
    fixed = method.at_steps(steps)
    if not isinstance(fixed, Method):
        raise broken(
            method, "at_steps", f"gave an object of type {type(fixed).__name__}; expected a method"
        )
    return checked_method(fixed)


def initial_state(fit: Fit, method: Method, dataset: Dataset, device: torch.device) -> State:
    """Return the state before training. The network's weights are the same for every method that
    meets this model and seed; one without a network has none."""
    task = (
        checked_training_task(dataset)
        if "examples" in method.wants
        else checked_task(dataset, fit.train.ways)
    )
    network: nn.Module = nn.Identity()
    if fit.model is not None:
        network = initial_network(fit, fit.model, method, task).to(device)
    with global_stream(fit.root_seed, "method", seed=fit.seed, method=fit.method.identity()):
        state = method.init(
            network,
            task,
            torch_generator(fit.root_seed, "method", seed=fit.seed, method=fit.method.identity()),
        )
    return checked_state(method, state).to(device)


def initial_network(fit: Fit, part: Part, method: Method, task: Task) -> nn.Module:
    """Return the network that a method makes of the model, with its initial weights."""
    with global_stream(fit.root_seed, "initial weights", seed=fit.seed, model=part.identity()):
        model = checked_model(as_model(registry.make("models", part, task), task), task)
        network = checked_network(method, method.network(model, task))
        model.initialise(network)
    if way_of(model).name != "packed":
        _log.warning("model '%s': %s", part.name, way_of(model))
    return network


def episodes_of(
    fit: Fit,
    part: Part,
    dataset: Dataset,
    split: Split,
    shape: EpisodeShape,
    *,
    sampling: Any = "with_replacement",
    episodes: int | None = None,
) -> EpisodeStream:
    """The episodes of a split that every fit of this seed meets, whatever its algorithm."""
    return EpisodeStream(
        dataset,
        part.identity(),
        split,
        shape,
        root_seed=fit.root_seed,
        seed=fit.seed,
        sampling=sampling,
        episodes=episodes,
    )
