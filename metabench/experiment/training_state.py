"""Where a training stands between two iterations: its curves, its selection of weights, its clock;
and how that is saved and restored."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.cells import Validate
from metabench.experiment.checkpoints import Checkpoint
from metabench.experiment.selection import Selection
from metabench.experiment.training_result import Training
from metabench.methods.method import State
from metabench.tasks.random_streams import global_states, set_global_states


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
        self._compiled_before = self.result.compile_seconds
        if resumed:
            # at once: the interruption counts even if the next one comes before anything else is
            # written
            self.save(self.result.seconds)

    @property
    def trained_seconds(self) -> float:
        """Seconds of training so far, without validation and compiling."""
        self.note_compiling()
        return self.clock.seconds - self.result.validation_seconds - self.result.compile_seconds

    @property
    def compile_seconds(self) -> float:
        """Seconds of compiling so far, those before an interruption included."""
        graphs = self._state.graphs
        return self._compiled_before + (0.0 if graphs is None else graphs.seconds)

    def note_compiling(self) -> None:
        """Let the result know what compiling has taken so far."""
        self.result.compile_seconds = self.compile_seconds

    def save(self, seconds: NDArray[np.float64]) -> None:
        """Save everything; the iterations so far took so many `seconds`."""
        assert self._checkpoint is not None
        self.note_compiling()
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
        checkpoint.note_resumed(result.iterations)
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
