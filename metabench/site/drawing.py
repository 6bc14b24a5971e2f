"""How numbers went from run to run, drawn: a panel with intervals, and a line small enough for an
index. The colours are variables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape
from matplotlib.ticker import LogLocator, MaxNLocator

from metabench.report.axis import Axis
from metabench.report.canvas import number
from metabench.report.palette import SERIES, SHAPES, marker_index

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 16, 46
"""Of a panel and its margins, in pixels of the page."""

LABELS = 9
"""Commits that have a label; of more only every so many have."""

SPARK = (150, 34)


@dataclass(frozen=True)
class Point:
    """A number of one run.

    Attributes
    ----------
    place
        Of the run among all of them.
    value, low, high
        The number with its interval, where it has one.
    joined
        Whether it may be compared with the point before it.
    regressed
        Whether a comparison found it worse than before.
    """

    place: int
    value: float
    low: float | None = None
    high: float | None = None
    joined: bool = True
    regressed: bool = False


@dataclass(frozen=True)
class Course:
    """The points of one group; `series` is the index of its mark and colour."""

    name: str
    series: int
    points: Sequence[Point]

    @property
    def colour(self) -> str:
        """The variable of its colour."""
        return f"var(--series-{self.series % len(SERIES) + 1})"


def panel(
    key: str, title: str, axis: Axis, courses: Sequence[Course], runs: Sequence[str]
) -> Markup:
    """Draw a panel with a line a group: `runs` are the labels of the places."""
    plot = _Plot(axis, courses, len(runs))
    told = "; ".join(
        f"{course.name} {number(axis.drawn(course.points[0].value))} to "
        f"{number(axis.drawn(course.points[-1].value))}"
        for course in courses
    )
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-title" '
        f'aria-describedby="{key}-desc"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(told)}</desc>',
        *plot.grid(),
        *plot.labels(runs),
    ]
    # aside of one another, so that no interval hides another
    step = min(5.0, 30 / max(len(courses), 1))
    for place, course in enumerate(courses):
        parts += plot.course(course, (place - (len(courses) - 1) / 2) * step)
    return Markup("".join([*parts, "</svg>"]))


def sparkline(label: str, points: Sequence[Point]) -> Markup:
    """Draw a line of a few pixels; `label` says what it shows, since no axis does."""
    width, height = SPARK
    low, high = (choose(point.value for point in points) for choose in (min, max))
    span, steps = high - low or 1.0, max(len(points) - 1, 1)

    def at(place: int, point: Point) -> tuple[float, float]:
        level = (point.value - low) / span if high > low else 0.5
        return 5 + (width - 10) * place / steps, height - 5 - (height - 10) * level

    places = [at(place, point) for place, point in enumerate(points)]
    lines = " ".join(
        f"{'L' if point.joined and place else 'M'}{x:.1f} {y:.1f}h0"
        for place, ((x, y), point) in enumerate(zip(places, points, strict=True))
    )
    marks = "".join(
        f'<path class="regressed" d="{_triangle(x, y)}"/>'
        for (x, y), point in zip(places, points, strict=True)
        if point.regressed
    )
    x, y = places[-1]
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}"><path d="{lines}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>{marks}</svg>'
    )


class _Plot:
    """The scales of a panel: places across, numbers upwards."""

    def __init__(self, axis: Axis, courses: Sequence[Course], places: int) -> None:
        self._axis = axis
        self._places = places
        self.ticks, (self._low, self._high) = _scale(axis, courses)

    def x(self, place: int) -> float:
        """Where a run stands."""
        room = (WIDTH - LEFT - RIGHT) / self._places
        return LEFT + room * (place + 0.5)

    def y(self, value: float) -> float:
        """Where a number stands, an end of an interval beyond the scale at its end."""
        drawn = self._axis.drawn(min(max(value, self._axis.least), self._axis.most))
        level = (_placed(drawn, self._axis) - self._low) / (self._high - self._low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(level, 0.0), 1.0)

    def grid(self) -> Iterable[str]:
        """Lines at the ticks, with their numbers."""
        for tick in self.ticks:
            y = self.y(tick / self._axis.factor)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield f'<text class="tick end" x="{LEFT - 8}" y="{y + 4:.1f}">{number(tick)}</text>'

    def labels(self, runs: Sequence[str]) -> Iterable[str]:
        """The commits below."""
        every = math.ceil(len(runs) / LABELS)
        for place, run in enumerate(runs):
            if (len(runs) - 1 - place) % every == 0:
                x, y = self.x(place), HEIGHT - BOTTOM + 16
                turned = f' transform="rotate(-24 {x:.1f} {y})"' if len(runs) > 5 else ""
                end = "end" if turned else "middle"
                yield f'<text class="tick {end}" x="{x:.1f}" y="{y}"{turned}>{escape(run)}</text>'

    def course(self, course: Course, aside: float) -> Iterable[str]:
        """Line, intervals and marks of a group."""
        colour = f'style="stroke:{course.colour}"'
        for before, after in pairwise(course.points):
            if after.joined:
                yield (
                    f'<path class="course" {colour} d="M{self.x(before.place) + aside:.1f} '
                    f"{self.y(before.value):.1f}L{self.x(after.place) + aside:.1f} "
                    f'{self.y(after.value):.1f}"/>'
                )
        for point in course.points:
            x, y = self.x(point.place) + aside, self.y(point.value)
            if point.low is not None and point.high is not None:
                low, high = self.y(point.low), self.y(point.high)
                yield (
                    f'<path class="interval" {colour} d="M{x:.1f} {low:.1f}V{high:.1f}'
                    f'M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"/>'
                )
            shape = SHAPES[marker_index(course.series)]
            yield (
                f'<g style="fill:{course.colour}" transform="translate({x - 5:.1f} {y - 5:.1f}) '
                f'scale(.83)">{shape}</g>'
            )
            if point.regressed:
                yield f'<path class="regressed" d="{_triangle(x, y - 12)}"/>'


def _scale(axis: Axis, courses: Sequence[Course]) -> tuple[list[float], tuple[float, float]]:
    """Ticks, and the ends of what is shown: all points with their intervals, as far as the scale
    goes."""
    ends = [
        axis.drawn(min(max(end, axis.least), axis.most))
        for course in courses
        for point in course.points
        for end in (point.value, point.low, point.high)
        if end is not None and (not axis.log or end > 0)
    ]
    low, high = min(ends), max(ends)
    places = (_placed(low, axis), _placed(high, axis))
    margin = 0.08 * (places[1] - places[0]) or (0.1 if axis.log else abs(low) * 0.05 or 1.0)
    first, last = places[0] - margin, places[1] + margin
    if not axis.log:
        ticks = MaxNLocator(5).tick_values(first, last)
    elif last - first > 0.8:
        ticks = LogLocator(subs=(1, 2, 5)).tick_values(10**first, 10**last)
    else:
        ticks = MaxNLocator(5).tick_values(10**first, 10**last)
    known = [float(tick) for tick in ticks if not axis.log or tick > 0]
    return [tick for tick in known if first <= _placed(tick, axis) <= last], (first, last)


def _placed(drawn: float, axis: Axis) -> float:
    """Where a drawn number stands along the axis."""
    return math.log10(max(drawn, 1e-300)) if axis.log else drawn


def _triangle(x: float, y: float) -> str:
    return f"M{x - 5:.1f} {y - 8:.1f}h10l-5 8z"
