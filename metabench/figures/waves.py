"""Curves of a regression in one variable: the points that were given, and the prediction before,
during and after adaptation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metabench.figures import LARGEST, Array, Canvas, Drawing, Figure, Kept

if TYPE_CHECKING:
    from torch import Tensor

    from metabench.tasks.episodes import Draw, Episodes

WAVES, POINTS = 4, 101
"""Episodes that are kept, and points at which each is asked."""
FAR = 1e6
"""What is further away than this is not drawn: no number, or one that no drawing holds."""
BEFORE, FIRST, LAST = (0, (1, 1.6)), (0, (4, 2)), "-"
"""Dashes of a prediction before adaptation, after one step, and after the last."""


class Waves(Figure):
    """The first few waves of the test, true and predicted, over the whole range of x."""

    name: ClassVar[str] = "waves"
    parts: ClassVar[tuple[str, ...]] = (
        "support_x",
        "support_y",
        "query_x",
        "query_y",
        "prediction",
    )

    def __init__(self, low: float = -5.0, high: float = 5.0) -> None:
        self.low = low
        self.high = high

    def select(self, draw: Draw) -> Draw:
        """The first four, asked for at 101 points over the whole range."""
        few = {name: values[:WAVES] for name, values in draw.items()}
        points = np.linspace(self.low, self.high, POINTS)[:, None]
        return {**few, "query_x": np.tile(points, (len(few["support_x"]), 1, 1))}

    def keep(self, episodes: Episodes, predicted: Tensor) -> dict[str, Array]:
        """All of it: ``support_x [e, K, F]``, ``query_x [e, Q, F]``, values ``[e, n, 1]`` and
        ``prediction [e, P, Q, 1]``."""
        return {
            name: tensor.cpu().numpy()
            for name, tensor in {**vars(episodes), "prediction": predicted}.items()
        }

    def fits(self, kept: Kept) -> bool:
        """Finite points of one shape, and a prediction for each that was asked."""
        support, query, prediction = kept["support_x"], kept["query_x"], kept["prediction"]
        answers = (kept["support_y"], kept["query_y"], prediction)
        if support.ndim != 3 or query.ndim != 3 or not support.size or not query.size:
            return False
        if any(math.prod(values.shape[:3]) > LARGEST for values in (support, query, *answers)):
            return False
        episodes, asked = query.shape[:2]
        shapes = [support.shape[:2], (episodes, asked), (episodes, len(kept.steps), asked)]
        values = (support, query, *answers)
        return (
            support.shape[2:] == query.shape[2:]
            and [answer.shape for answer in answers] == [(*shape, 1) for shape in shapes]
            and all(np.issubdtype(value.dtype, np.floating) for value in values)
            and all(bool(np.isfinite(value).all()) for value in values[:4])
        )

    def alike(self, one: Kept, other: Kept) -> bool:
        """Whether the true curves are the same."""
        return np.array_equal(one["query_y"], other["query_y"])

    def legend(self, canvas: Canvas) -> str:
        """What each line is."""
        entries = (
            (canvas.line(), "true curve"),
            (canvas.symbol("M6 3a3 3 0 1 0 .001 0z"), "points to learn from"),
            (canvas.line("1.5 2.5"), "prediction before adaptation"),
            (canvas.line("6 3"), "after one step"),
            (canvas.line("", 2.6), "after the step that counts"),
        )
        lines = " ".join(f"<span>{mark} {words}</span>" for mark, words in entries)
        return f'<span class="lines">{lines}</span>'

    def draw(self, canvas: Canvas, kept: Sequence[Kept]) -> Iterator[Drawing]:
        """Four waves in a square for each group, at the same scale."""
        plain = [one for one in kept if one["query_x"].shape[2] == 1]
        if not plain:
            return
        limits = _limits(kept[0])
        for one in kept:
            # privileged inputs have further columns after the one that all have
            if np.array_equal(one["query_x"][:, :, 0], plain[0]["query_x"][:, :, 0]):
                yield _drawing(canvas, one, limits)


def _drawing(canvas: Canvas, one: Kept, limits: Sequence[tuple[float, float]]) -> Drawing:
    steps: list[tuple[int, Any]] = [(one.final, LAST)]
    steps += [(one.steps.index(1), FIRST)] if 1 in one.steps[: one.final] else []
    steps += [(0, BEFORE)] if one.steps[0] == 0 and one.final > 0 else []
    shown = min(WAVES, len(limits))
    with canvas.plots(2, 2, tall=1.1) as (figure, axes):
        for wave, ax in enumerate(axes.flat):
            if wave >= shown:
                ax.set_axis_off()
                continue
            _wave(ax, one, wave, steps, canvas.colour(one.group), canvas.ink)
            ax.set_ylim(*limits[wave])
            canvas.scale(ax, "x", False, 3)
            canvas.scale(ax, "y", False, 3)
        caption = _after([one.steps[at] for at, _ in reversed(steps)])
        described = (
            f"{shown} test episodes: the true curve, {one['support_x'].shape[1]} given points, "
            f"and the prediction {caption}. Mean squared error of the last: {_errors(one, shown)}"
        )
        title = f"Predictions of {canvas.name(one.group)}, {canvas.title}"
        return Drawing(one.group, caption, canvas.svg(figure, one.group, title, described))


def _errors(one: Kept, shown: int) -> str:
    """Mean squared error of the prediction that counts, wave by wave."""
    predicted, true = one["prediction"][:shown, one.final], one["query_y"][:shown]
    wrong = predicted.astype(np.float64) - true.astype(np.float64)
    return ", ".join(f"{error:.3g}" for error in np.square(wrong).mean(axis=(1, 2)))


def _wave(
    ax: Any, one: Kept, wave: int, steps: Sequence[tuple[int, Any]], colour: str, ink: str
) -> None:
    x = one["query_x"][wave, :, 0].astype(np.float64)
    order = np.argsort(x, kind="stable")
    ax.plot(x[order], one["query_y"][wave, order, 0], color=ink, linewidth=1.0, alpha=0.75)
    for at, dashes in steps:
        predicted = one["prediction"][wave, at, order, 0].astype(np.float64)
        near = np.where(np.abs(predicted) < FAR, predicted, np.nan)
        width = 1.6 if dashes == LAST else 1.1
        ax.plot(x[order], near, color=colour, linewidth=width, linestyle=dashes)
    given = {"marker": "o", "markersize": 3.4, "markeredgewidth": 0}
    points = one["support_x"][wave, :, 0], one["support_y"][wave, :, 0]
    ax.plot(*points, linestyle="", color=ink, **given)


def _limits(one: Kept) -> list[tuple[float, float]]:
    """The range of y of each wave, the same for all: that of the truth with room around, so that
    one wild prediction hides nothing."""
    limits = []
    for wave in one["query_y"].astype(np.float64):
        room = 0.35 * float(np.ptp(wave)) or 1.0
        limits.append((float(wave.min()) - room, float(wave.max()) + room))
    return limits


def _after(steps: Sequence[int]) -> str:
    """`after 0, 1 and 5 steps`."""
    if len(steps) > 1:
        *first, last = (str(step) for step in steps)
        return f"after {', '.join(first)} and {last} steps"
    (step,) = steps
    return f"after {step} step{'s' if step != 1 else ''}" if step else "without adaptation"
