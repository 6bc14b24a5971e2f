"""The way that adaptation goes: how far the weights travel from where a test begins, and which way
tasks go from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metabench.figures import LARGEST, Array, Canvas, Drawing, Figure, Kept, Section

if TYPE_CHECKING:
    from torch import Tensor

    Weights = dict[str, Tensor]

NAME = "way"
PATHS = 4
"""Episodes whose paths are kept; distances are of all."""
NUMBERS = 2**22
"""Most numbers that paths are projected from: 16 MiB. Of a larger network none are kept."""


def way_of(parts: Iterable[tuple[Weights, Iterable[Weights]]], norm: float) -> dict[str, Array]:
    """Return what a test keeps of its way, by the parts of `Way`.

    Parameters
    ----------
    parts
        A few episodes at a time: the weights from which they are adapted, ``[e, ...]`` each, and
        those after each number of steps of the curve, good until the next ones are asked for.
    norm
        Length of all weights of the network.
    """
    import torch

    distances: list[Tensor] = []
    paths: list[Tensor] = []
    for start, points in parts:
        wanted = max(0, PATHS - sum(len(path) for path in paths))
        apart, path = [], []
        for weights in points:
            # what an adaptation leaves out has stayed as it was
            ways = [(weights.get(name, w) - w).detach().flatten(1) for name, w in start.items()]
            moved = torch.cat(ways, 1)
            apart.append(torch.linalg.vector_norm(moved, dim=1, dtype=torch.float64))
            path += [moved[:wanted].clone()] if PATHS * moved[0].numel() <= NUMBERS else []
        distances.append(torch.stack(apart, 1))
        paths += [torch.stack(path, 1)] if path and wanted else []
    plane: Array = np.zeros((0, 0, 2))
    held = 0.0
    if paths and PATHS * paths[0][0].numel() <= NUMBERS:
        plane, held = _projected(torch.cat(paths))
    return {
        f"{NAME}/distance": torch.cat(distances).cpu().numpy(),
        f"{NAME}/norm": np.array([norm]),
        f"{NAME}/plane": plane,
        f"{NAME}/held": np.array([held]),
    }


def _projected(moved: Tensor) -> tuple[Array, float]:
    """The first two principal axes of ``[e, P, W]`` through where all begin: coordinates
    ``[e, P, 2]``, and the share of the squared distances that they hold; nothing where weights have
    gone beyond all numbers."""
    import torch

    flat = moved.double().flatten(0, 1)
    inner = (flat @ flat.T).cpu()
    if not inner.isfinite().all():
        return np.zeros((0, 0, 2)), 0.0
    values, vectors = torch.linalg.eigh(inner)
    first = vectors.flip(1)[:, :2]
    # an axis has no direction of its own: its largest coordinate is to the right, or above
    first = first * first.gather(0, first.abs().argmax(0, keepdim=True)).sign()
    lengths = values.flip(0)[:2].clamp(min=0)
    whole = float(values.clamp(min=0).sum())
    plane = (first * lengths.sqrt()).unflatten(0, moved.shape[:2]).numpy()
    return plane, float(lengths.sum()) / whole if whole > 0 else 0.0


class Way(Figure):
    """Where the weights go in the first few test episodes: their paths, in the plane that holds
    most of them, and the distance from their beginning by step."""

    name: ClassVar[str] = NAME
    parts: ClassVar[tuple[str, ...]] = ("distance", "norm", "plane", "held")
    section: ClassVar[Section] = "adaptation"
    heading: ClassVar[str] = "The way of the weights"

    def fits(self, kept: Kept) -> bool:
        """Distances for every step, and a path for some of the episodes, or none."""
        distance, norm, plane, held = (kept[part] for part in self.parts)
        if distance.ndim != 2 or plane.ndim != 3 or not 0 < distance.size <= LARGEST:
            return False
        paths, points, axes = plane.shape
        return (
            norm.shape == held.shape == (1,)
            and distance.shape[1] == len(kept.steps) > 1
            and axes == 2
            and paths <= PATHS
            and points == (len(kept.steps) if paths else points)
            and all(np.issubdtype(kept[part].dtype, np.floating) for part in self.parts)
            and all(bool(np.isfinite(kept[part]).all()) for part in self.parts)
            and float(norm[0]) > 0
            and float(distance.min()) >= 0
        )

    def alike(self, one: Kept, other: Kept) -> bool:
        """Whether both are of as many episodes: the first ones, which are the same for all."""
        return len(one["distance"]) == len(other["distance"])

    def legend(self, canvas: Canvas) -> str:
        """What a line is."""
        begin = canvas.symbol("M6 3a3 3 0 1 0 .001 0z")
        return (
            "Where adaptation leads the weights. On the left the plane that holds most of the ways "
            f"to a few tasks: {begin} is where they begin, a dot the weights after the step that "
            "counts, and both axes have the same scale. On the right how far they are from there "
            "after each step, in per cent of the length of all weights (log scale, the same for "
            "all): a line for each episode, the mean thicker."
        )

    def draw(self, canvas: Canvas, kept: Sequence[Kept]) -> Iterator[Drawing]:
        """Both for each group, distances at the same scale."""
        means = np.concatenate([_shares(one).mean(0) for one in kept])
        means = means[means > 0]
        window = (means.min() / 1.5, means.max() * 1.5) if means.size else (0.1, 1.0)
        for one in kept:
            yield _drawing(canvas, one, window)


def _drawing(canvas: Canvas, one: Kept, window: tuple[float, float]) -> Drawing:
    shares, colour = _shares(one), canvas.colour(one.group)
    mean = shares.mean(0)
    with canvas.plots(1, 2, tall=0.72, left=38) as (figure, axes):
        _paths(canvas, axes[0, 0], one, colour)
        ax, places = axes[0, 1], range(len(one.steps))
        ax.set_ylim(*window)
        canvas.scale(ax, "y", True)
        for share in shares:
            ax.plot(places, _drawn(share), color=colour, linewidth=0.6, alpha=0.4)
        ax.plot(places, _drawn(mean), color=colour, linewidth=1.8)
        ax.plot(one.final, mean[one.final], "o", color=colour, markersize=5, markeredgewidth=0)
        few = sorted({0, len(one.steps) // 2, len(one.steps) - 1})
        ax.set_xticks(few, [f"{one.steps[at]}" for at in few])
        ax.set_xlim(-0.06 * few[-1], 1.06 * few[-1])
        told = "; ".join(f"step {one.steps[at]}: {mean[at]:.3g} %" for at in places)
        described = f"Mean distance from the beginning in per cent of the length: {told}"
        if one["plane"].size:
            share = 100 * float(one["held"][0])
            described += f". The plane holds {share:.0f} % of the squared distances"
        title = f"The way of {canvas.name(one.group)}, {canvas.title}"
        svg = canvas.svg(figure, one.group, title, described)
        return Drawing(one.group, _caption(mean[one.final], one.steps[one.final]), svg)


def _caption(share: float, steps: int) -> str:
    if not steps:
        return "not moved: the score that counts is that before adaptation"
    moved = f"{share:.2g}" if share < 10 else f"{share:.0f}"
    return f"moved by {moved} % in {steps} step{'s' if steps != 1 else ''}"


def _drawn(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without what a logarithmic axis has no place for."""
    return np.where(shares > 0, shares, np.nan)


def _paths(canvas: Canvas, ax: Any, one: Kept, colour: str) -> None:
    if not one["plane"].size:
        ax.set_axis_off()
        return
    for path in one["plane"]:
        ax.plot(path[:, 0], path[:, 1], color=colour, linewidth=1.1)
        ax.plot(*path[one.final], "o", color=colour, markersize=5, markeredgewidth=0)
    ax.plot(0, 0, "o", color=canvas.ink, markersize=5, markeredgewidth=0, zorder=3)
    for which in ("x", "y"):
        canvas.scale(ax, which, False, 3)
    ax.margins(0.12)
    ax.set_aspect("equal", adjustable="datalim")


def _shares(one: Kept) -> NDArray[np.float64]:
    """Distances ``[E, P]`` in per cent of the length of all weights."""
    shares: NDArray[np.float64] = 100 * one["distance"].astype(np.float64) / float(one["norm"][0])
    return shares
