"""The history of a suite as a page tells it: for each setting the score and the costs of each
group, run by run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from metabench.history import Entry, GroupEntry
from metabench.quantities import BY_NAME, PEAK_ABOVE, PEAK_GPU, SCORE, Quantity
from metabench.report import words
from metabench.report.axis import Axis
from metabench.report.coordinates import shape_of
from metabench.site.drawing import Course, Point, panel, sparkline
from metabench.tables.frames import csv_text, first_seen, frame
from metabench.tables.typed_rows import VARIANT, Metric, Scalar

WHOLE_FIT = BY_NAME["wall_seconds"]
"""The time that is drawn: choice and validation are in it, and no method has none."""

COSTS: Mapping[str, tuple[str, float]] = {
    WHOLE_FIT.name: ("Time of a whole fit (s", 1.0),
    PEAK_ABOVE.name: ("Peak memory above baseline (MiB", 2.0**-20),
    PEAK_GPU.name: ("Peak GPU memory (MiB", 2.0**-20),
}
"""Costs that have a panel -> the label of its axis, and the factor."""


@dataclass(frozen=True)
class Setting:
    """What can be compared: the groups of one block of the tables, over the runs that have it.

    Attributes
    ----------
    title
        What it stands for.
    panels
        What each drawing shows, and the drawing.
    names
        Of the groups, with the index of the mark of each.
    rows
        For each run, the latest first: its place in the history, and the score of each group.
    """

    title: str
    panels: Sequence[tuple[str, Markup]]
    names: Mapping[str, int]
    rows: Sequence[tuple[int, Sequence[str]]]


def settings_of(entries: Sequence[Entry]) -> list[Setting]:
    """Return the settings of a history, those of the latest run first."""
    algorithms = first_seen(
        group.algorithm for entry in reversed(entries) for group in entry.groups
    )
    blocks = first_seen(group.block for entry in reversed(entries) for group in entry.groups)
    return [
        _setting(f"setting-{at}", _groups(entries, block), entries, algorithms)
        for at, block in enumerate(blocks, start=1)
    ]


def spark(entries: Sequence[Entry]) -> Markup:
    """Draw the score of the reference in the first setting of the latest run; nothing where it has
    none."""
    latest = entries[-1] if entries else None
    group = (
        next((one for one in latest.groups if one.algorithm == latest.reference), None)
        if latest
        else None
    )
    if group is None:
        return Markup("")
    points = points_of(SCORE, entries, group.group)
    if not points:
        return Markup("")
    unit = group.metric.unit
    ends = " to ".join(words.score(point.value, unit) for point in (points[0], points[-1]))
    runs = f"{len(points)} run{'s' * (len(points) != 1)}"
    what = f"{group.algorithm}, {group.metric.name}, {title_of(group.place)}"
    return sparkline(f"{what}: {ends} over {runs}", points)


def csv_of(entries: Sequence[Entry]) -> str:
    """Return a row a run and group: what is drawn, in numbers."""
    rows = []
    for entry in entries:
        for group in entry.groups:
            row = {
                "run": entry.id[:12],
                "ended": entry.ended,
                "commit": entry.commit,
                "dirty": entry.dirty,
                **group.place,
                "metric": group.metric.name,
                "seeds": len(group.seeds),
                "completed": len(group.seeds) - group.lost,
                "machine": group.machine,
                "verdict": entry.verdicts.get(group.group),
            }
            for name, one in group.summaries.items():
                row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
            rows.append(row)
    return csv_text(frame(rows, first_seen(key for row in rows for key in row)))


def title_of(place: Mapping[str, Scalar]) -> str:
    """Data set and shape."""
    return f"{place.get('dataset')} · {shape_of(place)}"


def _groups(entries: Sequence[Entry], block: str) -> dict[str, GroupEntry]:
    """The groups of a block, as the latest run that has each tells it."""
    return {
        group.group: group for entry in entries for group in entry.groups if group.block == block
    }


def _setting(
    key: str, groups: Mapping[str, GroupEntry], entries: Sequence[Entry], algorithms: Sequence[str]
) -> Setting:
    head = next(iter(groups.values()))
    title, runs = title_of(head.place), [entry.label for entry in entries]
    names = {digest: _name(group, groups.values()) for digest, group in groups.items()}
    series = {digest: algorithms.index(group.algorithm) for digest, group in groups.items()}
    panels = []
    for quantity in (SCORE, *(BY_NAME[name] for name in COSTS)):
        courses = [
            Course(names[digest], series[digest], points)
            for digest in groups
            if (points := points_of(quantity, entries, digest))
        ]
        if courses:
            values = [point.value for course in courses for point in course.points]
            axis = _axis(quantity, head.metric, values)
            told = f"{axis.label} by run, {title}"
            drawing = panel(f"{key}-{quantity.name}", told, axis, courses, runs)
            panels.append((axis.label, drawing))
    return Setting(
        title,
        panels,
        {names[digest]: series[digest] for digest in groups},
        [
            (at, [_told(entry, digest) for digest in groups])
            for at, entry in reversed(list(enumerate(entries)))
        ],
    )


def _axis(quantity: Quantity, metric: Metric, values: Sequence[float]) -> Axis:
    if quantity is SCORE:
        return Axis.of(metric, values)
    label, factor = COSTS[quantity.name]
    log = 0 < 8 * min(values) < max(values)
    return Axis(f"{label}{', log scale' if log else ''})", factor, log, 0.0)


def points_of(quantity: Quantity, entries: Sequence[Entry], digest: str) -> list[Point]:
    """The points of a group. A line joins what can be compared: scores of one recipe, and costs of
    that on one machine."""
    points: list[Point] = []
    before: tuple[str, ...] = ()
    for place, entry in enumerate(entries):
        group = next((one for one in entry.groups if one.group == digest), None)
        if group is None or (summary := group[quantity]).value is None:
            continue
        made = (group.recipe, *([str(group.machine)] if quantity is not SCORE else []))
        regressed = quantity is SCORE and entry.verdicts.get(digest) == "regressed"
        points.append(
            Point(place, summary.value, summary.low, summary.high, made == before, regressed)
        )
        before = made
    return points


def _told(entry: Entry, digest: str) -> str:
    group = next((one for one in entry.groups if one.group == digest), None)
    if group is None:
        return words.DASH
    unit, score = group.metric.unit, group[SCORE]
    interval = words.interval(score.low, score.high, unit) if score.low is not None else ""
    lost = f" ({group.lost} of {len(group.seeds)} lost)" if group.lost else ""
    return f"{words.score(score.value, unit)} {interval}".strip() + lost


def _name(group: GroupEntry, others: Iterable[GroupEntry]) -> str:
    """The algorithm, with what tells it from others of its name."""
    twins = [other for other in others if other.algorithm == group.algorithm]
    apart = [key for key in VARIANT if len({str(other.place.get(key)) for other in twins}) > 1]
    return " · ".join([group.algorithm, *(str(group.place.get(key)) for key in apart)])
