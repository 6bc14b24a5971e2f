"""Where a training stands between two iterations: its curves, its selection of weights, its clock;
and how that is saved and restored."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.cells import Validate
from metabench.experiment.checkpoints import Checkpoint, shapes_of
from metabench.experiment.evaluation import Choice
from metabench.methods.method import State
from metabench.tasks.random_streams import global_states, set_global_states

STOPPED = ("untrained", "budget", "patience", "diverged")
"""Why a training ended, or that it never began."""


@dataclass
class Training:
    """What a training left behind, besides the weights in `state`.

    Attributes
    ----------
    loss, score
        Of every iteration up to the first that is not finite.
    stopped
        ``budget``, ``patience``, ``diverged``, or ``untrained``.
    validated, validation_score, validation_loss
        The validation curve.
    best_iteration
        The one whose weights were selected; 0 before any training.
    seconds
        Of every iteration, drawing its episodes included, validation not.
    total_seconds, validation_seconds
        Of all of it but its checkpoints, and of validation alone.
    resumed
        Iterations that were done when an interrupted training went on, once for each time.
    """

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    stopped: str = "untrained"
    validated: list[int] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_iteration: int = 0
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    total_seconds: float = 0.0
    validation_seconds: float = 0.0
    resumed: list[int] = field(default_factory=list)

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return len(self.loss)

    def as_dict(self) -> dict[str, Any]:
        """The same as a file can hold it: what is of every iteration and validation in tensors, the
        rest as it is."""
        return {
            **vars(self),
            **{
                name: torch.tensor(getattr(self, name), dtype=kind)
                for name, kind in _CURVES.items()
            },
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Training:
        """What `as_dict` gave.

        Raises
        ------
        ValueError
            No training leaves that behind.
        """
        _refuse_impossible(saved)
        lists = {name: saved[name].tolist() for name in _CURVES if name != "seconds"}
        known = {each.name: saved[each.name] for each in fields(cls)}
        return cls(**{**known, **lists, "seconds": saved["seconds"].numpy()})


_OF_EVERY_ITERATION, _OF_EVERY_VALIDATION = (
    ("loss", "score", "seconds"),
    ("validation_score", "validation_loss", "validated"),
)
_CURVES = {
    **dict.fromkeys((*_OF_EVERY_ITERATION, *_OF_EVERY_VALIDATION), torch.float64),
    "validated": torch.int64,
}
"""What there is one number of for each iteration or validation, and its type in a file."""


def _refuse_impossible(saved: Mapping[str, Any]) -> None:
    """See that what a file says of a training can be: everything that follows computes with it."""
    fits = all(
        isinstance(saved[name], Tensor) and (saved[name].dim(), saved[name].dtype) == (1, kind)
        for name, kind in _CURVES.items()
    )
    fits = fits and all(
        len({len(saved[name]) for name in together}) == 1
        for together in (_OF_EVERY_ITERATION, _OF_EVERY_VALIDATION)
    )
    done = len(saved["loss"]) if fits else 0

    def is_iteration(value: Any) -> bool:
        return type(value) is int and 0 <= value <= done

    fits = fits and type(saved["resumed"]) is list
    fits = fits and all(
        map(
            is_iteration,
            (
                *saved["validated"].tolist(),
                *saved["resumed"],
                saved["best_iteration"],
            ),
        )
    )
    seconds = (saved["validation_seconds"], saved["total_seconds"])
    fits = fits and all(
        type(value) is float and math.isfinite(value) and value >= 0 for value in seconds
    )
    if not fits or saved["stopped"] not in STOPPED:
        raise ValueError("its training is none")


class TrainingState:
    """Where a training stands between two iterations: all that the next one depends on. It begins
    where its checkpoint stands, if there is one."""

    def __init__(
        self,
        state: State,
        validate: Validate,
        higher_is_better: bool,
        checkpoint: Checkpoint | None,
        total: int | None,
    ) -> None:
        self._state = state
        self._checkpoint = checkpoint
        self._total = total
        self.result = Training()
        self.selection = Selection(self.result, state, validate, higher_is_better)
        resumed = checkpoint is not None and self._resume(checkpoint, validate, higher_is_better)
        self.clock = Clock(self.result.total_seconds)
        if resumed:
            # at once: the interruption counts even if the next one comes before anything else is
            # written
            self.save(self.result.seconds)

    def save(self, seconds: NDArray[np.float64]) -> None:
        """Save everything; the iterations so far took so many `seconds`."""
        assert self._checkpoint is not None
        result = self.result
        result.seconds, result.total_seconds = seconds, self.clock.seconds
        with self.clock.stopped():
            self._checkpoint.write(
                {
                    "training": result.as_dict(),
                    "selection": self.selection.as_dict(),
                    **_all_of(self._state),
                }
            )

    def _resume(self, checkpoint: Checkpoint, validate: Validate, higher_is_better: bool) -> bool:
        """Go on from the checkpoint, if there is one that fits. One that does not, which only
        somebody can have made, leaves everything as it was."""
        saved = checkpoint.read()
        if saved is None:
            return False
        before = copy.deepcopy(_all_of(self._state))
        try:
            result = Training.from_dict(saved["training"])
            if self._total is not None and result.iterations >= self._total:
                raise ValueError("its training was over")
            selection = Selection(result, self._state, validate, higher_is_better)
            selection.restore_from(saved["selection"])
            _restore(self._state, saved)
            _refuse_another_optimizer(self._state, before)
        except (MemoryError, torch.OutOfMemoryError):  # it may well be good
            raise
        except Exception as error:
            _restore(self._state, before)
            checkpoint.refuse(error)
            return False
        result.resumed.append(result.iterations)
        checkpoint.tell_resumed(result.iterations)
        self.result, self.selection = result, selection
        return True


def _all_of(state: State) -> dict[str, Any]:
    """All that the next iteration depends on besides the curves so far, the global generators
    included, as a file can hold it."""
    return {
        "state": state.state_dict(),
        "modes": [module.training for module in state.modules()],
        "optimizer": state.optimizer.state_dict() if state.optimizer is not None else None,
        "generator": state.generator.get_state() if state.generator is not None else None,
        "global generators": global_states(),
    }


def _restore(state: State, saved: Mapping[str, Any]) -> None:
    """Let a state be as `_all_of` gave it, or raise whatever comes of it."""
    state.load_state_dict(saved["state"])
    for module, mode in zip(state.modules(), saved["modes"], strict=True):
        module.training = bool(mode)
    if state.optimizer is not None:
        state.optimizer.load_state_dict(saved["optimizer"])
    if state.generator is not None:
        state.generator.set_state(saved["generator"])
    set_global_states(saved["global generators"])


def _refuse_another_optimizer(state: State, before: Mapping[str, Any]) -> None:
    """See that an optimiser still has the kinds of options that it had, and keeps of each parameter
    what is of its shape, or a number."""
    if state.optimizer is None:
        return
    now, then = (
        [{key: type(value) for key, value in group.items()} for group in saved["param_groups"]]
        for saved in (state.optimizer.state_dict(), before["optimizer"])
    )
    kept = (
        (parameter, value)
        for parameter, values in state.optimizer.state.items()
        for value in values.values()
    )
    fits = all(
        not isinstance(value, Tensor) or value.shape in (parameter.shape, torch.Size([]))
        for parameter, value in kept
    )
    if now != then or not fits:
        raise ValueError("its optimiser is another")


class Clock:
    """Seconds of a training, from `earlier` ones on; it can be stopped."""

    def __init__(self, earlier: float) -> None:
        self._zero = time.perf_counter() - earlier

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._zero

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave the block out."""
        started = time.perf_counter()
        yield
        self._zero += time.perf_counter() - started


class Selection:
    """Which weights go to test, and when to stop early: decided on validation alone."""

    def __init__(
        self, result: Training, state: State, validate: Validate, higher_is_better: bool
    ) -> None:
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
        value = (
            self._sign * seen.score
            if math.isfinite(seen.score) and math.isfinite(seen.loss)
            else -math.inf
        )
        result.validated.append(iteration)
        result.validation_score.append(seen.score)
        result.validation_loss.append(seen.loss)
        if value > self._best:
            self._best, self._without_gain = value, 0
            if self._validate.select == "best":
                result.best_iteration = iteration
                self._weights = copy.deepcopy(self._state.state_dict())
        else:
            self._without_gain += 1
        return self._validate.patience is not None and self._without_gain >= self._validate.patience

    def as_dict(self) -> dict[str, Any]:
        """What it knows, as a file can hold it."""
        return {"best": self._best, "weights": self._weights, "without_gain": self._without_gain}

    def restore_from(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` gave, or raise whatever comes of it."""
        best, weights, without_gain = saved["best"], saved["weights"], saved["without_gain"]
        misfit = weights is not None and shapes_of(weights) != shapes_of(self._state.state_dict())
        if misfit or type(best) is not float or type(without_gain) is not int:
            raise ValueError("its selection is none")
        self._best, self._weights, self._without_gain = best, weights, without_gain

    def restore(self) -> None:
        """Give the state the selected weights: the last ones where none are better than others."""
        if self._weights is not None:
            self._state.load_state_dict(self._weights)
        else:
            self._result.best_iteration = self._result.iterations
