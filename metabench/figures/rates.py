"""Rates that a method has learned, for each tensor of weights and each step of adaptation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metabench.figures import Array, Canvas, Drawing, Figure, Kept, Section

if TYPE_CHECKING:
    from torch import Tensor

NAME = "rates"
TENSORS, STEPS = 100, 100
"""What is drawn at most; of more nothing could be told."""
FAR = 1e6
"""A rate beyond it is none that anybody has learned, and not drawn."""
OUTER = 0.1, 0.9
"""Between these quantiles over the weights of a tensor a bar is drawn."""
_TENSOR = re.compile(r"[\w.]{1,80}")


def rates_of(rates: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return what a test keeps of learned rates, by the parts of `LearnedRates`.

    Parameters
    ----------
    rates
        ``[S, ...]`` for each tensor of weights: for each of S steps one, or one a weight.
    """
    flat = [rate.detach().double().reshape(len(rate), -1).cpu().numpy() for rate in rates.values()]
    return {
        f"{NAME}/tensors": np.array(list(rates)),
        f"{NAME}/mean": np.stack([rate.mean(1) for rate in flat], -1),
        f"{NAME}/outer": np.stack([np.quantile(rate, OUTER, axis=1) for rate in flat], -1),
    }


class LearnedRates(Figure):
    """The learned rates of a method, tensor by tensor from the input to the output."""

    name: ClassVar[str] = NAME
    parts: ClassVar[tuple[str, ...]] = ("tensors", "mean", "outer")
    section: ClassVar[Section] = "adaptation"
    heading: ClassVar[str] = "Learned rates"

    def fits(self, kept: Kept) -> bool:
        """A mean and two ends of a bar for each tensor and step."""
        tensors, mean, outer = (kept[part] for part in self.parts)
        return (
            tensors.ndim == 1
            and 0 < len(tensors) <= TENSORS
            and tensors.dtype.kind == "U"
            and all(_TENSOR.fullmatch(str(tensor)) for tensor in tensors)
            and mean.ndim == 2
            and 0 < len(mean) <= STEPS
            and mean.shape[1] == len(tensors)
            and outer.shape == (2, *mean.shape)
            and all(np.issubdtype(values.dtype, np.floating) for values in (mean, outer))
            and bool((np.abs(mean) < FAR).all() and (np.abs(outer) < FAR).all())
        )

    def alike(self, one: Kept, other: Kept) -> bool:
        """Always: rates are of no episodes."""
        return True

    def legend(self, canvas: Canvas) -> str:
        """What a dot is."""
        return (
            "The rates that were learned, for each tensor of weights from the input (above) to the "
            "output. A dot is the rate of a step, the first one above; where every weight has its "
            "own, their mean, with a bar over the middle 80 % of them."
        )

    def draw(self, canvas: Canvas, kept: Sequence[Kept]) -> Iterator[Drawing]:
        """A row for each tensor."""
        for one in kept:
            yield _drawing(canvas, one)


def _drawing(canvas: Canvas, one: Kept) -> Drawing:
    tensors = [str(tensor) for tensor in one["tensors"]]
    mean, outer = one["mean"].astype(np.float64), one["outer"].astype(np.float64)
    steps, colour = len(mean), canvas.colour(one.group)
    letters = max(map(len, tensors))
    tall = max(0.8, (30 + 15 * len(tensors)) / 216)
    with canvas.plots(1, 1, tall=tall, left=14 + 6.2 * letters) as (figure, axes):
        ax = axes[0, 0]
        ax.axvline(0, color=canvas.ink, linewidth=0.8, alpha=0.6)
        for step in range(steps):
            rows = np.arange(len(tensors)) + (0.6 * (step / (steps - 1) - 0.5) if steps > 1 else 0)
            faint = 1.0 - 0.65 * step / max(1, steps - 1)
            ax.hlines(rows, outer[0, step], outer[1, step], color=colour, linewidth=1, alpha=faint)
            ax.plot(
                *(mean[step], rows, "o"),
                color=colour,
                alpha=faint,
                markersize=4,
                markeredgewidth=0,
            )
        ax.set_yticks(range(len(tensors)), tensors)
        ax.set_ylim(len(tensors) - 0.4, -0.6)
        canvas.scale(ax, "x", False, 4)
        told = "; ".join(
            f"{tensor}: {', '.join(f'{rate:.3g}' for rate in mean[:, at])}"
            for at, tensor in enumerate(tensors)
        )
        caption = f"{steps} steps" if steps > 1 else "the same for every step"
        title = f"Learned rates of {canvas.name(one.group)}, {canvas.title}"
        return Drawing(one.group, caption, canvas.svg(figure, one.group, title, told))
