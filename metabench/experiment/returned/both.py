"""What datasets and methods both give back."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
import torch

from metabench.datasets.dataset import Dataset
from metabench.figures import Figure
from metabench.methods.method import Method
from metabench.registry.promises import broken, seen

SCORE_TYPES = (torch.float32, torch.float64, torch.float16)
"""Of predictions: real numbers that NumPy has too."""


def checked_figure(owner: Dataset | Method, figure: Any) -> Figure | None:
    """A figure that a dataset or a method names, or none."""
    if not isinstance(figure, Figure | None):
        raise broken(owner, "figure", f"gave {seen(figure)}; expected a Figure or None")
    return figure


def checked_arrays(owner: Dataset | Method, hook: str, arrays: Any) -> dict[str, np.ndarray]:
    """Arrays by name that a file can hold, as many as there may be."""
    if not are_arrays(arrays):
        raise broken(owner, hook, f"gave {seen(arrays)}; expected arrays by name")
    return arrays


def are_arrays(arrays: Any) -> TypeGuard[dict[str, np.ndarray]]:
    """Whether these are arrays by name that a file can hold."""
    return isinstance(arrays, dict) and all(
        isinstance(name, str) and isinstance(values, np.ndarray) and not values.dtype.hasobject
        for name, values in arrays.items()
    )
