"""One row a comparison: two groups on the same data, over the seeds that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metabench import stats
from metabench.errors import some
from metabench.quantities import SCORE
from metabench.tables.cells import (
    DIFFERENT_DATA,
    on_different_data,
    unlike_pairs,
)
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.cost_ratios import Members, with_costs
from metabench.tables.groups import in_blocks
from metabench.tables.margins import MarginPair
from metabench.tables.second_opinions import second_opinions
from metabench.tables.streams import held_words
from metabench.tables.typed_rows import VARIANT, CellRow, GroupRow

Scored = Mapping[str, Mapping[int, CellRow]]
"""Cells with a score by group and seed."""

Pairs = Sequence[tuple[GroupRow, GroupRow]]


def comparison_rows(
    cells: Iterable[CellRow],
    groups: Sequence[GroupRow],
    confidence: float,
    margins: MarginPair | None = None,
) -> list[ComparisonRow]:
    """Return the declared comparisons: each algorithm with the suite's reference, never with the
    best found by looking.

    Two groups meet if they share the data: data set, ways, shots, query shots, test data set,
    number and sampling of test episodes, and the values on every axis. Method, model and test batch
    norm may differ, since they belong to what is compared. Where the reference has several groups
    there (two models, two batch norm modes), each algorithm meets the one that agrees with it in
    the model, then in the batch norm mode, then in the steps.

    Pairs are formed over the seeds for which both have a score; where the data of their records
    differ in content, nothing is tested. Holm's family is one metric in one block: all the declared
    comparisons there, those that could not be made included, and of algorithms with privileged
    inputs a family of their own. Errors are compared on their logarithms, accuracies near the
    ceiling as error rates; there `ratio` has the interval, else `difference`, which is algorithm
    minus reference in the metric's unit. `ahead` and `verdict` (better, worse, not separated,
    incomplete, descriptive, untested) know which direction is better.

    Where the side that is ahead lost cells (see `GroupRow.lost`), what is left of it is a
    selection: nothing is tested, and nothing decided in its favour. Costs stand beside it in
    terms of the reference's (see `with_costs`).

    Parameters
    ----------
    margins
        Differences that must not pass unnoticed: how many seeds would find them. By default 3
        points, and a ratio of 1.25.
    """
    margins = margins or MarginPair()
    found = scored_cells(cells)
    table: list[ComparisonRow] = []
    for inside in in_blocks(groups):
        references = [group for group in inside if group.is_reference]
        for privileged in (False, True) if references else ():
            pairs = [
                (group, partner(group, references))
                for group in inside
                if not group.is_reference and group.privileged is privileged
            ]
            family = family_rows(pairs, found, confidence, margins=margins)
            met = [_members(*pair, found) for pair in pairs]
            table += with_costs(family, met, confidence)
    order = [group.group for group in groups]
    return sorted(table, key=lambda row: order.index(row.group.group))


def partner(group: GroupRow, others: Iterable[GroupRow]) -> GroupRow:
    """Return the one of `others`, groups of one algorithm on the same data, that agrees best with
    `group` in model, batch norm mode and steps.

    Where none agrees in its number of steps: the one with its method's own number, or else with the
    most.
    """

    def agreement(other: GroupRow) -> tuple[list[bool], float]:
        steps = other.place.get("steps")
        alike = [other.place.get(key) == group.place.get(key) for key in VARIANT]
        return alike, float("inf") if steps is None else float(steps)

    return max(others, key=agreement)


def scored_cells(cells: Iterable[CellRow]) -> Scored:
    """Return the cells that have a score, by group and seed."""
    scored: dict[str, dict[int, CellRow]] = {}
    for cell in cells:
        if cell[SCORE] is not None:
            scored.setdefault(cell.group, {})[cell.seed] = cell
    return scored


def family_rows(
    pairs: Pairs,
    scored: Scored,
    confidence: float,
    family: str | None = None,
    margins: MarginPair | None = None,
) -> list[ComparisonRow]:
    """Return the comparisons of one family, corrected; without a name it is that of the rivals of
    the second sides. With `margins` there are second opinions, and the seeds that would find these:
    of a family that was declared, not of one to look around in."""
    made = [
        _Comparison(one, other, _members(one, other, scored), confidence) for one, other in pairs
    ]
    names = dict.fromkeys(
        f"{one.metric.name} {family or f'against {other.algorithm}'}" for one, other in pairs
    )
    name = "; ".join(names)
    contests = [one.contest() for one in made]
    decided = stats.decide(contests, name, confidence=confidence)
    rows = [one.row(decision) for one, decision in zip(made, decided, strict=True)]
    if margins:
        rows = [
            replace(row, **second_opinions(contest, decision, row.metric, margins))
            for row, contest, decision in zip(rows, contests, decided, strict=True)
        ]
    level = 1 - confidence
    return [replace(row, family=name, family_size=len(made), level=level) for row in rows]


def _members(group: GroupRow, reference: GroupRow, scored: Scored) -> Members:
    mine, theirs = scored.get(group.group, {}), scored.get(reference.group, {})
    return [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]


@dataclass(frozen=True)
class _Comparison:
    """Two groups, and their cells seed by seed."""

    group: GroupRow
    reference: GroupRow
    members: Members
    confidence: float

    def contest(self) -> stats.Contest | None:
        """What is decided on; None where nothing can be compared."""
        if not self.members or on_different_data(cell for pair in self.members for cell in pair):
            return None
        return self._contest(self.members)

    def row(self, decision: stats.Decision | None) -> ComparisonRow:
        """What came of it."""
        if decision is None:
            why = DIFFERENT_DATA if self.members else "no seed has a score on both sides"
            return ComparisonRow(
                group=self.group, reference=self.reference, verdict="untested", caveats=why
            )
        result = decision.compared
        linear = result.scale == "linear"
        low, high = result.interval or (None, None)
        found = (result.detectable_difference, low, high)
        detectable, low, high = found if linear else (None, None, None)
        detectable_ratio, ratio_low, ratio_high = (None, None, None) if linear else found
        return ComparisonRow(
            group=self.group,
            reference=self.reference,
            pairs=result.n,
            difference=result.difference,
            low=low,
            high=high,
            scale=result.scale,
            ratio=None if linear else result.estimate,
            ratio_low=ratio_low,
            ratio_high=ratio_high,
            confidence=result.confidence,
            sd=result.sd,
            ahead=result.ahead,
            correlation=result.correlation,
            t=result.statistic,
            df=None if result.df is None else int(result.df),
            p=result.p,
            p_holm=result.p_adjusted,
            d_z=result.effect,
            d_z_corrected=result.effect_corrected,
            detectable_difference=detectable,
            detectable_ratio=detectable_ratio,
            verdict=decision.verdict,
            method=result.method,
            caveats="; ".join(
                (*self._caveats(result), *result.caveats, *held_words(self.group.over))
            ),
            **self._selective(),
        )

    def _contest(self, members: Members, scale: stats.Scale | None = None) -> stats.Contest:
        metric = self.group.metric
        mine, theirs = (
            [score for pair in members if (score := pair[side][SCORE]) is not None]
            for side in (0, 1)
        )
        return stats.Contest(
            first=mine,
            second=theirs,
            first_lost=self.group.lost() > 0,
            second_lost=self.reference.lost() > 0,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            scale=scale or metric.analysed(mine, theirs),
            bounds=metric.scale([*mine, *theirs]),
        )

    def _caveats(self, result: stats.PairedComparison) -> list[str]:
        """What is missing, what counts at chance, and what the two sides do not share."""
        declared = max(self.group.seeds, self.reference.seeds)
        caveats = (
            [f"{result.n} of {declared} seeds have a score on both sides"]
            if result.n < declared
            else []
        )
        caveats += [
            f"{side.algorithm} lost {lost} of {side.seeds} seeds: what is left is a selection, and "
            "nothing is decided in its favour"
            for side in (self.group, self.reference)
            if (lost := side.lost())
        ]
        for place, side in enumerate((self.group, self.reference)):
            diverged = sum(pair[place].outcome == "diverged" for pair in self.members)
            if diverged:
                caveats.append(
                    f"{side.algorithm}: {diverged} of {result.n} diverged and count at chance, "
                    "which leaves little power"
                )
        if differing := unlike_pairs(self.members):
            caveats.append(f"made under unlike conditions: {some(differing)}")
        return caveats

    def _selective(self) -> dict[str, Any]:
        """The comparison among completed seeds, where others count at chance."""
        kept = [pair for pair in self.members if all(cell.outcome == "completed" for cell in pair)]
        if not kept or len(kept) == len(self.members):
            return {}
        result = self._contest(kept, "linear").compared(self.confidence)
        low, high = result.interval or (None, None)
        return {
            "selective_pairs": result.n,
            "selective_difference": result.difference,
            "selective_low": low,
            "selective_high": high,
        }
