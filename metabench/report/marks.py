"""What panels put on their axes: means with their intervals, and names that stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

from matplotlib.axes import Axes

from metabench.report.blocks import Mark
from metabench.report.palette import CARD, INK, MARKERS

LINE, LETTER = 12.5, 6.0
"""Units that a line of text is high, and that a letter is wide."""
WHISKER: dict[str, Any] = {"linewidth": 1.7, "solid_capstyle": "butt"}
OFFSETS = (0, 10, -10, 20, -20, 32, -32)
"""Units above a point at which its name is tried."""
Box = tuple[float, float, float, float]
"""Left, bottom, right and top."""
LONGEST = 18
"""Letters of a name in a drawing."""


def short(name: str, limit: int = LONGEST) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[1 - limit // 2 :]}"


def interval(
    ax: Axes,
    at: float,
    low: float,
    high: float,
    window: tuple[float, float],
    colour: str,
    along: Literal["x", "y"] = "x",
) -> None:
    """A whisker with caps at its ends, or with an arrowhead where the window cuts it."""
    first, last = sorted(window)
    shown = [min(max(end, first), last) for end in (low, high)]
    caps = ("|", "|") if along == "x" else ("_", "_")
    heads = ("<", ">") if along == "x" else ("v", "^")
    signs = [
        cap if end == kept else head
        for cap, head, end, kept in zip(caps, heads, (low, high), shown, strict=True)
    ]
    line = (shown, [at, at]) if along == "x" else ([at, at], shown)
    ax.plot(*line, color=colour, **WHISKER)
    for x, y, sign in zip(*line, signs, strict=True):
        style: dict[str, Any] = {"markersize": 6, "markeredgewidth": 1.4 if sign in caps else 0}
        ax.plot(x, y, color=colour, marker=sign, clip_on=False, **style)


def point(ax: Axes, x: float, y: float, mark: Mark, size: float = 7) -> None:
    """A mark with a halo, so that it stands out from whiskers and from other marks."""
    style: dict[str, Any] = {"markersize": size, "markeredgecolor": CARD[0], "markeredgewidth": 0.8}
    ax.plot(x, y, color=mark.colour, marker=MARKERS[mark.marker], clip_on=False, **style)


def name_ends(ax: Axes, ends: Sequence[tuple[float, str, Mark]], height: float = 165) -> None:
    """Name lines right of the axes, at the height of their ends as far as there is room.

    Parameters
    ----------
    ends
        Where each line ends, its name and its mark.
    height
        Units of the axes, about.
    """
    to_axes = ax.transScale + ax.transLimits
    placed = [(float(to_axes.transform((1, y))[1]), name, mark) for y, name, mark in ends]
    placed.sort(key=lambda end: end[0])
    gap = LINE / height
    heights: list[float] = []
    for place, _, _ in placed:
        heights.append(max(min(max(place, 0.0), 1.0), heights[-1] + gap if heights else 0.0))
    top = 1.0 + gap / 2
    for at in reversed(range(len(heights))):
        heights[at] = min(heights[at], top)
        top = heights[at] - gap
    for up, (_, name, mark) in zip(heights, placed, strict=True):
        across: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False}
        ax.plot(1.04, up, color=mark.colour, marker=MARKERS[mark.marker], markersize=5.5, **across)
        ax.text(1.075, up, short(name), va="center_baseline", color=INK[0], **across)


def name_points(ax: Axes, points: Sequence[tuple[float, float, str]], room: Box) -> None:
    """Name points, each beside it where its name meets no other point and no other name, or as few
    as can be.

    Parameters
    ----------
    points
        x, y and name of each.
    room
        Units of the axes, about: left, bottom, right and top.
    """
    to_axes = ax.transScale + ax.transLimits
    size = (room[2] - room[0], room[3] - room[1])
    centres = [tuple(to_axes.transform((x, y)) * size) for x, y, _ in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    for (x, y, name), (across, up) in zip(points, centres, strict=True):
        text = short(name)
        places = [
            (
                _crowding(box := _box(text, across + dx, up + dy, side), taken, room),
                dx,
                dy,
                side,
                box,
            )
            for dy, (dx, side) in product(OFFSETS, ((9, "left"), (-9, "right")))
        ]
        _, dx, dy, side, box = min(places, key=lambda place: place[0])
        taken.append(box)
        style: dict[str, Any] = {"ha": side, "va": "center_baseline", "color": INK[0], "size": 10}
        ax.annotate(text, (x, y), (dx, dy), textcoords="offset points", **style)


def _box(text: str, x: float, y: float, side: str) -> Box:
    long = LETTER * len(text)
    left = x - (0 if side == "left" else long)
    return left, y - LINE / 2, left + long, y + LINE / 2


def _crowding(box: Box, taken: Sequence[Box], room: Box) -> float:
    """How many others it meets; outside is worse than all of them."""
    inside = room[0] <= box[0] and box[2] <= room[2] and room[1] <= box[1] and box[3] <= room[3]
    return sum(_meet(box, other) for other in taken) + (0 if inside else 100)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
