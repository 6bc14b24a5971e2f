"""Where the spread over seeds comes from: groups that differ in which random streams follow the
seed alone, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metabench import stats
from metabench.cells import PER_SEED
from metabench.quantities import SCORE
from metabench.tables.streams import STREAMS
from metabench.tables.typed_rows import CellRow, Columns, GroupRow, Placed, Scalar

SPLIT = "dataset.split_seed"
"""The coordinate that tells whether classes are split anew for each seed."""


@dataclass(frozen=True, kw_only=True)
class SpreadRow(Placed):
    """How far the score of a group spreads over its seeds, where other groups at the same place let
    other streams follow the seed.

    Attributes
    ----------
    over
        The groups of streams that follow the seed (see `STREAMS`).
    held
        At which seed the others are held, by group of streams.
    seeds
        How many of its cells have a score.
    sd, low, high
        Standard deviation over seeds with its chi-square interval, in the unit of the score; of
        errors that of their natural logarithms, about the relative spread.
    scale
        Which of the two.
    caveats
        What to know before relying on it.
    """

    over: tuple[str, ...]
    held: Mapping[str, Scalar]
    seeds: int
    sd: float
    low: float | None
    high: float | None
    scale: stats.Scale
    caveats: str

    @staticmethod
    def names(places: Sequence[str]) -> list[str]:
        """Columns of the table."""
        kept = [key for key in places if not _is_seeding(key)]
        numbers = ("seeds", "sd", "low", "high", "scale", "caveats")
        return ["group", *kept, "metric_name", "over", "held", *numbers]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        return {
            **vars(self),
            **self.place,
            **self.metric.columns(),
            "over": " ".join(self.over),
            "held": " ".join(f"{name}={seed}" for name, seed in self.held.items()),
        }


def spread_rows(
    cells: Sequence[CellRow], groups: Sequence[GroupRow], confidence: float
) -> list[SpreadRow]:
    """Return a row for each group that has others beside it which differ in nothing but the streams
    that follow the seed, those over one of them alone first.

    A component of variance is estimated by varying it alone, the others held: what it is at those,
    as of Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks"
    (https://arxiv.org/abs/2103.03098). Interactions show in the group over all together alone.
    """
    alike: dict[frozenset[tuple[str, Scalar]], list[GroupRow]] = {}
    for group in groups:
        alike.setdefault(frozenset(_without_seeding(group.place).items()), []).append(group)
    rows: list[SpreadRow] = []
    for members in alike.values():
        if len({group.over for group in members if group.over}) > 1:
            scored = {group.group: _scored(group, cells) for group in members}
            every = [cell[SCORE] or 0.0 for inside in scored.values() for cell in inside]
            scale = members[0].metric.analysed(every)
            found = [
                row
                for group in members
                if (row := _row(group, scored[group.group], scale, confidence))
            ]
            rows += sorted(found, key=lambda row: (len(row.over), _order(row.over)))
    return rows


def _scored(group: GroupRow, cells: Sequence[CellRow]) -> list[CellRow]:
    return [cell for cell in cells if cell.group == group.group and cell[SCORE] is not None]


def _row(
    group: GroupRow, scored: Sequence[CellRow], scale: stats.Scale, confidence: float
) -> SpreadRow | None:
    scores = [score for cell in scored if (score := cell[SCORE]) is not None]
    if len(scores) < 2 or not group.over:
        return None
    found = stats.spread_interval(
        np.log(scores).tolist() if scale == "log" else scores,
        confidence=confidence,
        unit="log ratio" if scale == "log" else group.metric.unit,
    )
    low, high = found.interval or (None, None)
    if high is not None and group.metric.unit == "fraction":
        # of so many numbers between 0 and 1 none is larger
        high = min(high, 0.5 * (len(scores) / (len(scores) - 1)) ** 0.5)
    lost = [f"{group.lost()} of {group.seeds} seeds are lost: a selection"] if group.lost() else []
    if diverged := sum(cell.outcome == "diverged" for cell in scored):
        lost.append(f"{diverged} diverged, counted at chance")
    return SpreadRow(
        group=group.group,
        block=group.block,
        place=_without_seeding(group.place),
        metric=group.metric,
        privileged=group.privileged,
        over=group.over,
        held={
            name: seed for name in STREAMS if (seed := group.place.get(f"seeds.{name}")) is not None
        },
        seeds=len(scores),
        sd=found.estimate,
        low=low,
        high=high,
        scale=scale,
        caveats="; ".join([*found.caveats, *lost]),
    )


def _without_seeding(place: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The coordinates of a group but for those that say what follows the seed."""
    return {
        key: value
        for key, value in place.items()
        if value is not None and not (_is_seeding(key) and (key != SPLIT or value == PER_SEED))
    }


def _is_seeding(key: str) -> bool:
    return key.startswith("seeds.") or key == SPLIT


def _order(over: Iterable[str]) -> list[int]:
    return [list(STREAMS).index(name) for name in over]
