"""What a training leaves behind besides weights: its curves, and how it went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
        Of every iteration, drawing its episodes included, validation and compiling not.
    total_seconds, validation_seconds
        Of all of it but its checkpoints, and of validation alone.
    compile_seconds
        Of compiling its steps, anew after each interruption; 0 where nothing was compiled.
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
    compile_seconds: float = 0.0
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
        saved = {"compile_seconds": 0.0, **saved}  # older files know of no compiling
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
    if not (_are_curves(saved) and _are_numbers(saved) and saved["stopped"] in STOPPED):
        raise ValueError("its training is none")


def _are_curves(saved: Mapping[str, Any]) -> bool:
    """Whether every curve is of its type, and as long as those that it belongs to."""
    return all(
        isinstance(saved[name], Tensor) and (saved[name].dim(), saved[name].dtype) == (1, kind)
        for name, kind in _CURVES.items()
    ) and all(
        len({len(saved[name]) for name in together}) == 1
        for together in (_OF_EVERY_ITERATION, _OF_EVERY_VALIDATION)
    )


def _are_numbers(saved: Mapping[str, Any]) -> bool:
    """Whether iterations are some that were done, and seconds some that can pass."""
    if type(saved["resumed"]) is not list:
        return False
    done = len(saved["loss"])
    iterations = (*saved["validated"].tolist(), *saved["resumed"], saved["best_iteration"])
    seconds = tuple(saved[f"{of}_seconds"] for of in ("validation", "total", "compile"))
    return all(type(value) is int and 0 <= value <= done for value in iterations) and all(
        type(value) is float and math.isfinite(value) and value >= 0 for value in seconds
    )
