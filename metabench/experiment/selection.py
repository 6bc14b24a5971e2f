"""Which weights of a training go to test, and when to stop early: decided on validation alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metabench.cells import Validate
from metabench.experiment.evaluation import Choice
from metabench.experiment.tensor_files import shapes_of
from metabench.experiment.training_result import Training
from metabench.methods.method import State


class Selection:
    """The best weights of a training so far, by their validation scores."""

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
