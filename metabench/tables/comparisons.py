"""One row a comparison: every group against the reference's, on the same data, over the seeds that
both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metabench import stats
from metabench.tables.cells import (
    DIFFERENT_DATA,
    DIFFERENT_MACHINES,
    VARIANT,
    machines_of,
    on_different_data,
)
from metabench.tables.frames import Row

RESULT = (
    "family",
    "family_size",
    "pairs",
    "difference",
    "low",
    "high",
    "sd",
    "ahead",
    "correlation",
    "t",
    "df",
    "p",
    "p_holm",
    "d_z",
    "d_z_corrected",
    "detectable_difference",
    "verdict",
    "method",
    "caveats",
    "time_ratio",
    "time_ratio_low",
    "time_ratio_high",
    "cost_caveats",
)
"""Columns of a comparison besides what is compared."""

COMPARED = (
    "block",
    "metric_name",
    "unit",
    "higher_is_better",
    "seeds",
    "group",
    "algorithm",
    "privileged",
    *VARIANT,
)
REFERENCE = ("group", "algorithm", *VARIANT)

Scored = Mapping[str, Mapping[int, Row]]
"""Cells with a score by group and seed."""


def comparison_rows(cells: Sequence[Row], groups: Sequence[Row], confidence: float) -> list[Row]:
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
    scored: dict[str, dict[int, Row]] = {}
    for cell in cells:
        if cell.get("score") is not None:
            scored.setdefault(cell["group"], {})[cell["seed"]] = cell
    table: list[Row] = []
    for block in dict.fromkeys(group["block"] for group in groups):
        inside = [group for group in groups if group["block"] == block]
        references = [group for group in inside if group["is_reference"]]
        if references:
            pairs = [
                (group, partner(group, references)) for group in inside if not group["is_reference"]
            ]
            table += _family(pairs, scored, confidence)
    return table


def partner(group: Row, others: Iterable[Row]) -> Row:
    """Return the one of `others`, groups of one algorithm on the same data, that agrees best with
    `group` in model, batch norm mode and steps.

    Where none agrees in its number of steps: the one with its method's own number, or else with the
    most.
    """

    def agreement(other: Row) -> tuple[list[bool], float]:
        steps = other.get("steps")
        return [other.get(key) == group.get(key) for key in VARIANT], float(
            "inf"
        ) if steps is None else float(steps)

    return max(others, key=agreement)


def _family(pairs: Sequence[tuple[Row, Row]], scored: Scored, confidence: float) -> list[Row]:
    members = [_members(group, reference, scored) for group, reference in pairs]
    compared = [
        _compare(cells, group, confidence) for cells, (group, _) in zip(members, pairs, strict=True)
    ]
    name = "; ".join(
        dict.fromkeys(
            f"{group['metric_name']} against {reference['algorithm']}" for group, reference in pairs
        )
    )
    corrected = stats.correct_family(compared, name)
    table = []
    for (group, reference), cells, result in zip(pairs, members, corrected, strict=True):
        row = {key: group.get(key) for key in COMPARED} | {
            f"reference_{key}": reference.get(key) for key in REFERENCE
        }
        table.append(row | _result(result, cells, group) | _time(cells, confidence))
    return table


def _members(group: Row, reference: Row, scored: Scored) -> list[tuple[Row, Row]]:
    """The cells of both groups, seed by seed."""
    mine, theirs = scored.get(group["group"], {}), scored.get(reference["group"], {})
    return [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]


def _compare(
    members: Sequence[tuple[Row, Row]], group: Row, confidence: float
) -> stats.PairedComparison | None:
    if not members or on_different_data(cell for pair in members for cell in pair):
        return None
    return stats.paired_t_test(
        [mine["score"] for mine, _ in members],
        [theirs["score"] for _, theirs in members],
        confidence=confidence,
        unit=group["unit"],
        higher_is_better=group["higher_is_better"],
    )


def _result(
    result: stats.PairedComparison | None, members: Sequence[tuple[Row, Row]], group: Row
) -> Row:
    if result is None:
        why = DIFFERENT_DATA if members else "no seed has a score on both sides"
        return {"pairs": 0, "verdict": "untested", "caveats": why}
    caveats = (
        [f"{result.n} of {group['seeds']} seeds have a score on both sides"]
        if result.n < group["seeds"]
        else []
    )
    low, high = result.interval or (None, None)
    return {
        "family": result.family,
        "family_size": result.family_size,
        "pairs": result.n,
        "difference": result.estimate,
        "low": low,
        "high": high,
        "sd": result.sd,
        "ahead": result.ahead,
        "correlation": result.correlation,
        "t": result.statistic,
        "df": result.df,
        "p": result.p,
        "p_holm": result.p_adjusted,
        "d_z": result.effect,
        "d_z_corrected": result.effect_corrected,
        "detectable_difference": result.detectable_difference,
        "verdict": _verdict(result, group["higher_is_better"]),
        "method": result.method,
        "caveats": "; ".join((*caveats, *result.caveats)),
    }


def _verdict(result: stats.PairedComparison, higher_is_better: bool) -> str:
    if result.separated is None:
        return "untested" if result.interval is None else "descriptive"
    if not result.separated:
        return "not separated"
    return "better" if (result.estimate > 0) == higher_is_better else "worse"


def _time(members: Sequence[tuple[Row, Row]], confidence: float) -> Row:
    """How long training took in terms of the reference's training."""
    trained = [
        pair
        for pair in members
        if all(
            cell["outcome"] == "completed" and (cell.get("training_seconds") or 0) > 0
            for cell in pair
        )
    ]
    if not trained:
        return {}
    if any(len(machines_of(pair)) > 1 for pair in trained):
        return {"cost_caveats": DIFFERENT_MACHINES}
    mine, theirs = (
        [cell["training_seconds"] for cell in side] for side in zip(*trained, strict=True)
    )
    ratio = stats.contrast_interval([mine], [theirs], confidence=confidence, ratio=True)
    low, high = ratio.interval or (None, None)
    return {"time_ratio": ratio.estimate, "time_ratio_low": low, "time_ratio_high": high}
