"""The one outer loop, for every method: budget, schedule, validation, selection, timing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from metabench.cells import Train, Validate
from metabench.experiment.checkpoints import Checkpoint
from metabench.experiment.evaluation import Choice
from metabench.experiment.measure import Stopwatch
from metabench.experiment.returned.methods import checked_step
from metabench.experiment.training_result import Training
from metabench.experiment.training_state import TrainingState
from metabench.methods.method import Method, Moment, State

READ_EVERY = {"cuda": 50}
"""Iterations between two readings of the loss. On a CPU a reading costs nothing; a GPU would have
to be waited for."""


def train(
    method: Method,
    state: State,
    batches: Callable[[int], Any],
    recipe: Train,
    validate: Validate,
    validation: Callable[[], Choice],
    higher_is_better: bool,
    device: torch.device,
    progress: Callable[[int, int | None, float | None], None],
    checkpoint: Checkpoint | None = None,
) -> Training:
    """Train `state` as the recipe says, and leave it with the weights that validation selected.

    Parameters
    ----------
    batches
        What the method trains on, an iteration each.
    validation
        Scores the state as it is; `higher_is_better` says which way.
    progress
        Told iteration, total and the last loss that was read.
    checkpoint
        Where the training is saved every so often, and goes on from. No number depends on it.
    """
    total = budget_iterations(recipe)
    at = TrainingState(state, validate, higher_is_better, checkpoint, total)
    result, clock = at.result, at.clock
    watch = Stopwatch(device, result.seconds, apart=lambda: at.compile_seconds)
    losses = _Losses(result, READ_EVERY.get(device.type, 1))
    result.stopped = "budget"
    try:
        for moment, last in moments(recipe, result.iterations, lambda: at.trained_seconds):
            done = moment.iteration + 1
            with watch.lap():
                batch = batches(moment.iteration)
                step = checked_step(method, method.step(state, batch, moment))
            losses.add(step.loss, step.score)
            if done % validate.every == 0 or last:
                losses.read()
                before = time.perf_counter()
                stop = at.selection.look(done, validation())
                result.validation_seconds += time.perf_counter() - before
                if stop:
                    result.stopped = "patience"
                    break
            progress(done, total, result.loss[-1] if result.loss else None)
            if checkpoint is not None and checkpoint.due and not last:
                losses.read()
                at.save(watch.seconds())
        losses.read()
    except _DivergedError:
        result.stopped = "diverged"
    at.selection.restore()
    result.seconds = watch.seconds()[: result.iterations]
    result.total_seconds = clock.seconds
    at.note_compiling()
    return result


def budget_iterations(recipe: Train) -> int | None:
    """Iterations that the budget comes to; None for a budget in seconds."""
    if recipe.tasks is not None:
        return math.ceil(recipe.tasks / recipe.tasks_per_batch)
    return recipe.iterations


def moments(
    recipe: Train, done: int, seconds: Callable[[], float]
) -> Iterator[tuple[Moment, bool]]:
    """Each outer iteration until the budget is spent, and whether it is the last one.

    So many iterations are `done` before the first one here; `seconds` of training have passed.
    """
    total = budget_iterations(recipe)
    i, last = done, False
    while not last:
        if total is not None:
            spent, last = i / total, i + 1 >= total
        else:
            assert recipe.seconds is not None
            spent = min(seconds() / recipe.seconds, 1.0)
            last = spent == 1.0
        yield Moment(i, total, spent, rate_at(recipe, i, spent)), last
        i += 1


def rate_at(recipe: Train, iteration: int, spent: float) -> float:
    """Factor on the outer learning rate: what the schedule gives, not below its floor, and a share
    of it during the warm-up (Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2)."""
    floor = recipe.schedule_floor
    rate = 1.0
    match recipe.schedule:
        case "linear":
            rate = floor + (1.0 - floor) * (1.0 - spent)
        case "cosine":
            rate = floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * spent))
        case "step":
            rate = max(floor, float(recipe.step_factor ** (iteration // recipe.step_every)))
    return rate * min(1.0, (iteration + 1) / recipe.warm_up) if recipe.warm_up else rate


class _DivergedError(Exception):
    """A loss is no finite number."""


class _Losses:
    """Losses and scores that wait on the device until enough have come together to be worth
    reading."""

    def __init__(self, result: Training, every: int) -> None:
        self._result = result
        self._every = every
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor, score: Tensor) -> None:
        """Take those of one iteration, and read them if it is time."""
        self._waiting.append(torch.stack((loss.double(), score.double())))
        if len(self._waiting) >= self._every:
            self.read()

    def read(self) -> None:
        """Read all that wait, up to the first loss that is not finite.

        Raises
        ------
        _DivergedError
            There is one.
        """
        waiting, self._waiting = self._waiting, []
        for loss, score in torch.stack(waiting).tolist() if waiting else []:
            self._result.loss.append(loss)
            self._result.score.append(score)
            if not math.isfinite(loss):
                raise _DivergedError
