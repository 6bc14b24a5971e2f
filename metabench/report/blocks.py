"""The groups as a reader meets them: one block of rows for each data set and shape, every row with
a name and a colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from metabench.quantities import ITERATIONS, PEAK_GPU, PEAK_RESIDENT, TRAINING_SECONDS, Quantity
from metabench.report.palette import colour, marker_index
from metabench.tables import Run
from metabench.tables.typed_rows import VARIANT, ComparisonRow, GroupRow, Metric, Scalar

Span = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """How an algorithm looks: index of its colour, of its mark, and of its dashes (several groups
    of one algorithm in a block differ in these)."""

    series: int
    dash: int = 0

    @property
    def colour(self) -> str:
        """Light colour."""
        return colour(self.series)

    @property
    def marker(self) -> int:
        """Index of the mark."""
        return marker_index(self.series)


@dataclass(frozen=True, kw_only=True)
class Comparison(ComparisonRow):
    """A comparison with the names of its two sides, and the mark of the first."""

    name: str
    reference_name: str
    mark: Mark

    @property
    def gap(self) -> float:
        """How far apart the two are; 0 where there was nothing to compare."""
        return abs(self.difference or 0.0)

    @property
    def is_above(self) -> bool:
        """Whether the group's scores are the higher ones."""
        return self.difference is not None and self.difference > 0

    @property
    def time_interval(self) -> Span | None:
        """Of the ratio of training times; None where it has none."""
        if self.time_ratio_low is None or self.time_ratio_high is None:
            return None
        return self.time_ratio_low, self.time_ratio_high


@dataclass(frozen=True, kw_only=True)
class Group(GroupRow):
    """A group with a name that tells it from the others of its block, its mark, and its comparison
    with the reference, where there is one."""

    name: str
    mark: Mark
    compared: Comparison | None = None


@dataclass(frozen=True)
class Block:
    """What can be compared: the groups of one data set, shape and setting of every axis.

    Attributes
    ----------
    key
        For ids and anchors.
    data
        What the tables call it.
    title
        What the block stands for.
    detail
        The rest of its coordinates, in words.
    groups, comparisons
        What there is to compare, and what came of it.
    """

    key: str
    data: str
    title: str
    detail: str
    groups: Sequence[Group]
    comparisons: Sequence[Comparison]

    @property
    def metric(self) -> Metric:
        """What all scores here are."""
        return self.groups[0].metric

    @property
    def dataset(self) -> str:
        """The data set that all were trained on."""
        return str(self.groups[0].place.get("dataset"))

    @property
    def scored(self) -> list[Group]:
        """The groups that have a score."""
        return [group for group in self.groups if group.score.value is not None]

    @property
    def costs_compare(self) -> bool:
        """Whether all that was measured here was measured on one machine, used in one way."""
        return len({group.machine for group in self.groups if group.completed}) <= 1 and not any(
            group.cost_caveats for group in self.groups
        )


@dataclass(frozen=True)
class Line:
    """A line of the overview: one name, with its group in each block, or None where it has none
    there, and the span of its costs over the blocks."""

    name: str
    groups: Sequence[Group | None]
    training: Span | None
    ratio: Span | None
    memory: Span | None

    @property
    def own(self) -> list[Group]:
        """Its groups."""
        return [group for group in self.groups if group]

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return any(group[ITERATIONS].value for group in self.own)


def blocks_of(run: Run) -> list[Block]:
    """Return the blocks of a run in the suite's order."""
    algorithms = list(dict.fromkeys(group.algorithm for group in run.rows.groups))
    varying = {
        key
        for key in next(iter(run.blocks.values()), {})
        if len({str(place[key]) for place in run.blocks.values()}) > 1
    }
    blocks = []
    for number, (data, place) in enumerate(run.blocks.items(), start=1):
        groups = _named([group for group in run.rows.groups if group.block == data], algorithms)
        named = {group.group: group for group in groups}
        compared = {
            row.group.group: Comparison(
                **vars(row),
                name=named[row.group.group].name,
                reference_name=named[row.reference.group].name,
                mark=named[row.group.group].mark,
            )
            for row in run.rows.comparisons
            if row.group.block == data
        }
        blocks.append(
            Block(
                f"block-{number}",
                data,
                _title(place, varying),
                _detail(groups[0]),
                [replace(group, compared=compared.get(group.group)) for group in groups],
                list(compared.values()),
            )
        )
    return blocks


def overview(blocks: Sequence[Block], memory: Quantity | None) -> list[Line]:
    """Return one line a name; `memory` is the peak to tell."""
    names = dict.fromkeys(group.name for block in blocks for group in block.groups)
    lines = []
    for name in names:
        by_block = [
            next((group for group in block.groups if group.name == name), None) for block in blocks
        ]
        own = [group for group in by_block if group]
        lines.append(
            Line(
                name,
                by_block,
                training=_span(group[TRAINING_SECONDS].value for group in own),
                ratio=_span(group.compared.time_ratio for group in own if group.compared),
                memory=_span(group[memory].value for group in own) if memory else None,
            )
        )
    return lines


def memory_of(blocks: Sequence[Block]) -> Quantity | None:
    """The peak of memory that the run knows: of the GPU where there is one, else resident; None
    where no cell has finished."""
    groups = [group for block in blocks for group in block.scored]
    known = (
        peak
        for peak in (PEAK_GPU, PEAK_RESIDENT)
        if any(group[peak].value is not None for group in groups)
    )
    return next(known, None)


def _span(values: Iterable[float | None]) -> Span | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None


def _named(groups: Sequence[GroupRow], algorithms: Sequence[str]) -> list[Group]:
    """Add to every group the shortest name that tells it from the others, and its mark."""
    named = []
    for group in groups:
        twins = [other for other in groups if other.algorithm == group.algorithm]
        apart = [
            _variant(key, group.place.get(key))
            for key in VARIANT
            if len({str(other.place.get(key)) for other in twins}) > 1
        ]
        mark = Mark(algorithms.index(group.algorithm), twins.index(group))
        named.append(Group(**vars(group), name=" · ".join([group.algorithm, *apart]), mark=mark))
    return named


def _variant(key: str, value: object) -> str:
    """`conv4`, `support plus one`, `5 steps`: what tells a group from others of its algorithm."""
    if key == "steps":
        return "own steps" if value is None else f"{value} step{'s' if value != 1 else ''}"
    return "no batch norm" if value is None else str(value).replace("_", " ")


def _title(place: Mapping[str, Scalar], varying: set[str]) -> str:
    """Data set and shape always; whatever else tells the blocks of this run apart."""
    unit = "shot" if place["ways"] else "point"
    shape = (
        f"{place['ways']}-way {place['shots']}-{unit}"
        if place["ways"]
        else f"{place['shots']} support {unit}{'s' if place['shots'] != 1 else ''}"
    )
    parts = [str(place["dataset"]), shape]
    if place["on"] not in (None, "same"):
        parts.append(f"tested on {place['on']}")
    parts += [
        f"{key} = {value}" for key, value in place.items() if "." in key and value is not None
    ]
    words = {"query_shots": "{} queries", "episodes": "{} episodes", "sampling": "episodes {}"}
    parts += [
        words[key].format(str(place[key]).replace("_", " ")) for key in words if key in varying
    ]
    return " · ".join(parts)


def _detail(group: Group) -> str:
    place, chance = group.place, group.metric.chance
    queries = f"{place['query_shots']} {'queries a class' if place['ways'] else 'query points'}"
    sampling = {"with_replacement": "drawn with replacement", "disjoint": "sharing no image"}.get(
        str(place["sampling"]), place["sampling"]
    )
    told = f", chance {100 * chance:.4g} %" if chance is not None else ""
    return f"{place['episodes']} test episodes a seed, {sampling}; {queries}{told}"
