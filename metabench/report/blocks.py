"""The groups as a reader meets them: one block of rows for each data set and shape, every row with
a name and a colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from metabench.quantities import PEAK_ABOVE, PEAK_GPU, PEAK_RESIDENT, Quantity
from metabench.report import words
from metabench.report.coordinates import anchor_of, detail_of, shapes_of, variant_of
from metabench.report.palette import colour, marker_index
from metabench.tables import Run
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.cost_ratios import RATIOS
from metabench.tables.streams import held_words, is_held
from metabench.tables.typed_rows import VARIANT, GroupRow, Metric, Scalar, Summary

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
    def times(self) -> float | None:
        """The group's error in terms of the other's, where errors were compared, by their geometric
        means; None where it is the difference that counts."""
        return self.ratio if self.scale == "log" else None

    @property
    def is_above(self) -> bool:
        """Whether the group's scores are the higher ones."""
        return self.difference is not None and self.difference > 0

    def cost(self, quantity: Quantity) -> Summary:
        """Return a cost in terms of the reference's, with its interval."""
        for column, known in RATIOS.items():
            if known == quantity:
                low, high = (getattr(self, f"{column}_{end}") for end in ("low", "high"))
                return Summary(getattr(self, column), low, high)
        return Summary()


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
        Its anchor, and the beginning of the ids within: `glyphs-5w1s`.
    data
        What the tables call it.
    dataset, shape
        What the block stands for, in words.
    detail
        The rest of its coordinates, in words.
    place
        Its coordinates.
    groups, comparisons
        What there is to compare, and what came of it.
    """

    key: str
    data: str
    dataset: str
    shape: str
    detail: str
    place: Mapping[str, Scalar]
    groups: Sequence[Group]
    comparisons: Sequence[Comparison]

    @property
    def metric(self) -> Metric:
        """What all scores here are."""
        return self.groups[0].metric

    @property
    def title(self) -> str:
        """Data set and shape."""
        return f"{self.dataset} · {self.shape}"

    @property
    def is_held(self) -> bool:
        """Whether its seeds do not change all that seeds do by default."""
        return any(is_held(group.over) for group in self.groups)

    @property
    def scored(self) -> list[Group]:
        """The groups that have a score."""
        return [group for group in self.groups if group.score.value is not None]

    @property
    def ways(self) -> Scalar:
        """Classes of an episode; None of regression."""
        return self.groups[0].place.get("ways")

    @property
    def shots(self) -> Scalar:
        """Examples of each class, or points, that are learnt from."""
        return self.groups[0].place.get("shots")

    @property
    def besides_shots(self) -> str:
        """All coordinates of the data but the number of shots: blocks that agree in these differ in
        nothing else."""
        return str({key: value for key, value in self.place.items() if key != "shots"})

    @property
    def ranked(self) -> list[Group]:
        """Those that have a score, the best first and those with privileged inputs last."""
        sign = -1 if self.metric.higher_is_better else 1
        return sorted(
            self.scored, key=lambda group: (group.privileged, sign * (group.score.value or 0.0))
        )

    @property
    def rows(self) -> list[Group]:
        """All groups in that order; those without a score after the others."""
        return [*self.ranked, *(group for group in self.groups if group.score.value is None)]

    @property
    def leaders(self) -> list[Group]:
        """Those with the best mean: none where every one lost a seed, several on a tie."""
        return [group for group in self.scored if group.leads]

    @property
    def is_led_by_default(self) -> bool:
        """Whether one that lost a seed, and leads nothing, has a better mean than the leaders."""
        return bool(self.leaders) and not self.ranked[0].leads

    @property
    def compares_ratios(self) -> bool:
        """Whether errors were compared, by their ratios."""
        return any(row.times is not None for row in self.comparisons)

    @property
    def rivals(self) -> list[Comparison]:
        """The comparisons of algorithms that have to find out what the others have to: not of those
        that are told."""
        return [row for row in self.comparisons if not row.group.privileged]

    @property
    def by_difference(self) -> list[Comparison]:
        """The comparisons in that order."""
        order = [group.group for group in self.rows]
        return sorted(self.comparisons, key=lambda row: order.index(row.group.group))

    @property
    def by_name(self) -> Mapping[str, Group]:
        """The groups by their names."""
        return {group.name: group for group in self.groups}

    @property
    def decimals(self) -> int | None:
        """With how many decimals its scores are shown: those that show two digits of the half-width
        of most intervals."""
        known = (
            words.decimals(group.score.low, group.score.high, self.metric.unit)
            for group in self.scored
        )
        return median_low([found for found in known if found is not None] or [2])

    @property
    def costs_compare(self) -> bool:
        """Whether all that was measured here was measured on one machine, used in one way."""
        return len({group.machine for group in self.groups if group.completed}) <= 1 and not any(
            group.cost_caveats for group in self.groups
        )


def blocks_of(run: Run) -> list[Block]:
    """Return the blocks of a run in the suite's order."""
    algorithms = list(dict.fromkeys(group.algorithm for group in run.rows.groups))
    keys: set[str] = set()
    blocks = []
    places = list(run.blocks.values())
    for data, place, shape in zip(run.blocks, places, shapes_of(places), strict=True):
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
        key = anchor_of(place, shape, keys)
        keys.add(key)
        blocks.append(
            Block(
                key,
                data,
                str(place["dataset"]),
                shape,
                "; ".join([detail_of(place, groups[0].metric), *held_words(groups[0].over)]),
                place,
                [replace(group, compared=compared.get(group.group)) for group in groups],
                list(compared.values()),
            )
        )
    return blocks


def names_of(blocks: Sequence[Block]) -> list[str]:
    """Return the name of every row, each once."""
    return list(dict.fromkeys(group.name for block in blocks for group in block.groups))


def memory_of(blocks: Sequence[Block]) -> Quantity | None:
    """The peak of memory that the run knows: of the GPU where there is one, else resident, above
    the baseline where records have that; None where no cell has finished."""
    groups = [group for block in blocks for group in block.scored]
    known = (
        peak
        for peak in (PEAK_GPU, PEAK_ABOVE, PEAK_RESIDENT)
        if any(group[peak].value is not None for group in groups)
    )
    return next(known, None)


def _named(groups: Sequence[GroupRow], algorithms: Sequence[str]) -> list[Group]:
    """Add to every group the shortest name that tells it from the others, and its mark."""
    named = []
    for group in groups:
        twins = [other for other in groups if other.algorithm == group.algorithm]
        apart = [
            variant_of(key, group.place.get(key))
            for key in VARIANT
            if len({str(other.place.get(key)) for other in twins}) > 1
        ]
        mark = Mark(algorithms.index(group.algorithm), twins.index(group))
        named.append(Group(**vars(group), name=" · ".join([group.algorithm, *apart]), mark=mark))
    return named
