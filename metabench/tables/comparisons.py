"""One row a comparison: every group against the reference's, on the same data, over the seeds that
both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metabench import stats
from metabench.quantities import SCORE, TRAINING_SECONDS
from metabench.tables.cells import (
    DIFFERENT_DATA,
    DIFFERENT_MACHINES,
    machines_of,
    on_different_data,
)
from metabench.tables.typed_rows import (
    VARIANT,
    CellRow,
    Columns,
    Comparing,
    ComparisonRow,
    GroupRow,
)

Scored = Mapping[str, Mapping[int, CellRow]]
"""Cells with a score by group and seed."""

Pairs = Sequence[tuple[CellRow, CellRow]]
"""The cells of two groups, seed by seed."""


def comparison_rows(
    cells: Iterable[CellRow], groups: Sequence[GroupRow], confidence: float
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
    comparisons there, those that could not be made included. `difference` is algorithm minus
    reference in the metric's unit; `ahead` and `verdict` (better, worse, not separated,
    descriptive, untested) know which direction is better. `time_ratio` is the geometric mean of
    training time over the reference's, where both trained, seed by seed on one machine.
    """
    scored: dict[str, dict[int, CellRow]] = {}
    for cell in cells:
        if cell[SCORE] is not None:
            scored.setdefault(cell.group, {})[cell.seed] = cell
    blocks: dict[str, list[GroupRow]] = {}
    for group in groups:
        blocks.setdefault(group.block, []).append(group)
    table: list[ComparisonRow] = []
    for inside in blocks.values():
        references = [group for group in inside if group.is_reference]
        if references:
            pairs = [
                (group, partner(group, references)) for group in inside if not group.is_reference
            ]
            table += _family(pairs, scored, confidence)
    return table


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


def _family(
    pairs: Sequence[tuple[GroupRow, GroupRow]], scored: Scored, confidence: float
) -> list[ComparisonRow]:
    members = [_members(group, reference, scored) for group, reference in pairs]
    compared = [
        _compare(cells, group, confidence) for cells, (group, _) in zip(members, pairs, strict=True)
    ]
    name = "; ".join(
        dict.fromkeys(
            f"{group.metric.name} against {reference.algorithm}" for group, reference in pairs
        )
    )
    corrected = stats.correct_family(compared, name)
    return [
        _row(group, reference, cells, result, confidence)
        for (group, reference), cells, result in zip(pairs, members, corrected, strict=True)
    ]


def _members(group: GroupRow, reference: GroupRow, scored: Scored) -> Pairs:
    mine, theirs = scored.get(group.group, {}), scored.get(reference.group, {})
    return [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]


def _compare(members: Pairs, group: GroupRow, confidence: float) -> stats.PairedComparison | None:
    if not members or on_different_data(cell for pair in members for cell in pair):
        return None
    return stats.paired_t_test(
        [score for mine, _ in members if (score := mine[SCORE]) is not None],
        [score for _, theirs in members if (score := theirs[SCORE]) is not None],
        confidence=confidence,
        unit=group.metric.unit,
        higher_is_better=group.metric.higher_is_better,
    )


def _row(
    group: GroupRow,
    reference: GroupRow,
    members: Pairs,
    result: stats.PairedComparison | None,
    confidence: float,
) -> ComparisonRow:
    time = _time(members, confidence)
    if result is None:
        why = DIFFERENT_DATA if members else "no seed has a score on both sides"
        return ComparisonRow(
            group=group, reference=reference, verdict="untested", caveats=why, **time
        )
    caveats = (
        [f"{result.n} of {group.seeds} seeds have a score on both sides"]
        if result.n < group.seeds
        else []
    )
    low, high = result.interval or (None, None)
    return ComparisonRow(
        group=group,
        reference=reference,
        family=result.family,
        family_size=result.family_size,
        pairs=result.n,
        difference=result.estimate,
        low=low,
        high=high,
        sd=result.sd,
        ahead=result.ahead,
        correlation=result.correlation,
        t=result.statistic,
        df=result.df,
        p=result.p,
        p_holm=result.p_adjusted,
        d_z=result.effect,
        d_z_corrected=result.effect_corrected,
        detectable_difference=result.detectable_difference,
        verdict=_verdict(result, group.metric.higher_is_better),
        method=result.method,
        caveats="; ".join((*caveats, *result.caveats)),
        **time,
    )


def _verdict(result: stats.PairedComparison, higher_is_better: bool) -> Comparing:
    if result.separated is None:
        return "untested" if result.interval is None else "descriptive"
    if not result.separated:
        return "not separated"
    return "better" if result.advantage(higher_is_better=higher_is_better) > 0 else "worse"


def _time(members: Pairs, confidence: float) -> Columns:
    """How long training took in terms of the reference's training."""
    trained = [
        (pair, (mine, theirs))
        for pair in members
        if all(cell.outcome == "completed" for cell in pair)
        and (mine := pair[0][TRAINING_SECONDS])
        and (theirs := pair[1][TRAINING_SECONDS])
        and min(mine, theirs) > 0
    ]
    if not trained:
        return {}
    if any(len(machines_of(pair)) > 1 for pair, _ in trained):
        return {"cost_caveats": DIFFERENT_MACHINES}
    sides = [[seconds[side] for _, seconds in trained] for side in (0, 1)]
    ratio = stats.contrast_interval(sides[:1], sides[1:], confidence=confidence, ratio=True)
    low, high = ratio.interval or (None, None)
    return {"time_ratio": ratio.estimate, "time_ratio_low": low, "time_ratio_high": high}
