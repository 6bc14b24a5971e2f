"""The one outer loop, for every method: budget, schedule, validation, selection, timing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from metabench.cells import Train, Validate
from metabench.experiment.checkpoints import Checkpoint
from metabench.experiment.evaluation import Choice
from metabench.experiment.measure import Stopwatch
from metabench.experiment.returned import checked_step
from metabench.experiment.training_state import Standing, Training
from metabench.methods.method import Method, State
from metabench.tasks.episodes import Episodes, Examples

READ_EVERY = {"cuda": 50}
"""Iterations between two readings of the loss. On a CPU a reading costs nothing; a GPU would have
to be waited for."""


def train(
    method: Method,
    state: State,
    batches: Callable[[int], Episodes | Examples],
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
        The training data of each iteration.
    validation
        Scores the state as it is; `higher_is_better` says which way.
    progress
        Told iteration, total and the last loss that was read.
    checkpoint
        Where the training puts itself by every so often, and goes on from where it finds itself. No
        number depends on it.
    """
    standing = Standing(state, validate, higher_is_better, checkpoint, budget_iterations(recipe))
    result, clock = standing.result, standing.clock
    watch, losses = (
        Stopwatch(device, result.seconds),
        _Losses(result, READ_EVERY.get(device.type, 1)),
    )
    result.stopped = "budget"
    try:
        for i, rate, last in _schedule(
            recipe, result.iterations, lambda: clock.seconds - result.validation_seconds
        ):
            with watch.lap():
                state.rate = rate
                step = checked_step(method, method.step(state, batches(i)))
            losses.add(step.loss, step.score)
            if (i + 1) % validate.every == 0 or last:
                losses.read()
                before = time.perf_counter()
                stop = standing.selection.look(i + 1, validation())
                result.validation_seconds += time.perf_counter() - before
                if stop:
                    result.stopped = "patience"
                    break
            progress(i + 1, budget_iterations(recipe), result.loss[-1] if result.loss else None)
            if checkpoint is not None and checkpoint.due and not last:
                losses.read()
                standing.write(watch.seconds())
        losses.read()
    except _DivergedError:
        result.stopped = "diverged"
    standing.selection.restore()
    result.seconds = watch.seconds()[: result.iterations]
    result.total_seconds = clock.seconds
    return result


def budget_iterations(recipe: Train) -> int | None:
    """Iterations that the budget comes to; None for a budget in seconds."""
    if recipe.tasks is not None:
        return math.ceil(recipe.tasks / recipe.tasks_per_batch)
    return recipe.iterations


def _schedule(
    recipe: Train, done: int, seconds: Callable[[], float]
) -> Iterator[tuple[int, float, bool]]:
    """Iteration number, factor on the outer rate, and whether it is the last one, until the budget
    is spent.

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
        yield i, _rate(recipe, i, spent), last
        i += 1


def _rate(recipe: Train, iteration: int, spent: float) -> float:
    match recipe.schedule:
        case "linear":
            return 1.0 - spent
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * spent))
        case "step":
            return float(recipe.step_factor ** (iteration // recipe.step_every))
    return 1.0


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
