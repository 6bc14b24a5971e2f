"""The one outer loop, for every method: budget, schedule, validation, selection, timing."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.algorithms.method import Method, State
from metabench.cells import Train, Validate
from metabench.evaluation import Choice
from metabench.measure import Stopwatch
from metabench.tasks.episodes import Episodes, Examples

READ_EVERY = {"cuda": 50}
"""Iterations between two readings of the loss. On a CPU a reading costs nothing; a GPU would have to be waited for."""


@dataclass
class Training:
    """What a training left behind, besides the weights in `state`.

    Attributes
    ----------
    loss, score : of every iteration up to the first that is not finite.
    stopped : ``budget``, ``patience``, ``diverged``, or ``untrained``.
    validated, validation_score, validation_loss : the validation curve.
    best_iteration : the one whose weights were selected; 0 before any training.
    iterations_to_target : first validated iteration that reached the target, or None.
    seconds : of every iteration, drawing its episodes included, validation not.
    total_seconds, validation_seconds : of all of it, and of validation alone.
    """

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    stopped: str = "untrained"
    validated: list[int] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_iteration: int = 0
    iterations_to_target: int | None = None
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    total_seconds: float = 0.0
    validation_seconds: float = 0.0

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return len(self.loss)


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
) -> Training:
    """Train `state` as the recipe says, and leave it with the weights that validation selected.

    Parameters
    ----------
    batches : the training data of each iteration. validation : scores the state as it is; `higher_is_better` says which way.
    progress : told iteration, total and the last loss that was read.
    """
    result = Training()
    if not method.trains:
        return result
    started = time.perf_counter()
    watch, losses = Stopwatch(device), _Losses(result, READ_EVERY.get(device.type, 1))
    selection = _Selection(result, state, validate, higher_is_better)
    result.stopped = "budget"
    for i, rate, last in _schedule(recipe, lambda: time.perf_counter() - started - result.validation_seconds):
        with watch.lap():
            state.rate = rate
            step = method.step(state, batches(i))
        losses.add(step.loss, step.score)
        if (i + 1) % validate.every == 0 or last:
            losses.read()
            if not losses.finite:
                break
            before = time.perf_counter()
            stop = selection.look(i + 1, validation())
            result.validation_seconds += time.perf_counter() - before
            if stop:
                result.stopped = "patience"
                break
        if not losses.finite:
            break
        progress(i + 1, budget_iterations(recipe), result.loss[-1] if result.loss else None)
    losses.read()
    if not losses.finite:
        result.stopped = "diverged"
    selection.restore()
    result.seconds = watch.seconds()[: result.iterations]
    result.total_seconds = time.perf_counter() - started
    return result


def budget_iterations(recipe: Train) -> int | None:
    """Iterations that the budget comes to; None for a budget in seconds."""
    if recipe.tasks is not None:
        return math.ceil(recipe.tasks / recipe.tasks_per_batch)
    return recipe.iterations


def _schedule(recipe: Train, seconds: Callable[[], float]) -> Iterator[tuple[int, float, bool]]:
    """Iteration number, factor on the outer rate, and whether it is the last one, until the budget is spent; `seconds` of training have passed."""
    total = budget_iterations(recipe)
    i, last = 0, False
    while not last:
        if total is not None:
            spent, last = i / total, i + 1 == total
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


class _Losses:
    """Losses and scores that wait on the device until enough have come together to be worth reading."""

    def __init__(self, result: Training, every: int) -> None:
        self._result = result
        self._every = every
        self._waiting: list[Tensor] = []
        self.finite = True

    def add(self, loss: Tensor, score: Tensor) -> None:
        self._waiting.append(torch.stack((loss.double(), score.double())))
        if len(self._waiting) >= self._every:
            self.read()

    def read(self) -> None:
        for loss, score in torch.stack(self._waiting).tolist() if self._waiting else []:
            if self.finite:
                self._result.loss.append(loss)
                self._result.score.append(score)
                self.finite = math.isfinite(loss)
        self._waiting.clear()


class _Selection:
    """Which weights go to test, and when to stop early: decided on validation alone."""

    def __init__(self, result: Training, state: State, validate: Validate, higher_is_better: bool) -> None:
        self._result = result
        self._state = state
        self._validate = validate
        self._sign = 1.0 if higher_is_better else -1.0
        self._best = -math.inf
        self._weights: dict[str, Tensor] | None = None
        self._without_gain = 0

    def look(self, iteration: int, seen: Choice) -> bool:
        """Take note of one validation; return whether patience has run out."""
        result = self._result
        value = self._sign * seen.score if math.isfinite(seen.score) and math.isfinite(seen.loss) else -math.inf
        result.validated.append(iteration)
        result.validation_score.append(seen.score)
        result.validation_loss.append(seen.loss)
        target = self._validate.target
        if target is not None and result.iterations_to_target is None and value >= self._sign * target:
            result.iterations_to_target = iteration
        if value > self._best:
            self._best, self._without_gain = value, 0
            if self._validate.select == "best":
                result.best_iteration = iteration
                self._weights = copy.deepcopy(self._state.state_dict())
        else:
            self._without_gain += 1
        return self._validate.patience is not None and self._without_gain >= self._validate.patience

    def restore(self) -> None:
        """Give the state the selected weights: the last ones where none are better than others."""
        if self._weights is not None:
            self._state.load_state_dict(self._weights)
        else:
            self._result.best_iteration = self._result.iterations
