"""One row a group: cells that differ in seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import log
from typing import Any

from metabench import stats
from metabench.quantities import (
    EPISODE_HIGH,
    EPISODE_LOW,
    EPISODES_TESTED,
    SCORE,
    TABLE,
    TARGET,
    Quantity,
)
from metabench.records import FINISHED
from metabench.tables.cells import DIFFERENT_DATA, machines_of, on_different_data
from metabench.tables.streams import held_words, streams_over
from metabench.tables.typed_rows import CellRow, GroupRow, Metric, Summary


def group_rows(cells: Iterable[CellRow], reference: str, confidence: float) -> list[GroupRow]:
    """Return one row a group, in order of first appearance.

    Scores are taken over the cells that have one: completed, and diverged classification at chance.
    Those of errors are averaged on their logarithms: the mean is the geometric one. No interval
    reaches beyond the scale.
    Costs are means over completed cells, peaks the highest of them; a divergence ends early and
    would look cheap. `machine` is what they ran on, and None where that was not one and the same.
    `iterations_to_target`, and tasks and seconds to it, are the mean only where every scored cell
    reached the target: leaving out those that did not would flatter. `leads` marks the best mean of
    a block (several on a tie), and says nothing about separation. Algorithms with privileged inputs
    (oracles) are a mark to measure by, and lead nothing; nor does one that lost a cell, for what is
    left of it is a selection.
    """
    groups: dict[str, list[CellRow]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    table = [_group_row(members, reference, confidence) for members in groups.values()]
    leaders = {row.group for inside in in_blocks(table) for row in _leaders(inside)}
    return [replace(row, leads=row.group in leaders) for row in table]


def in_blocks(groups: Iterable[GroupRow]) -> Iterable[list[GroupRow]]:
    """Return groups by their block: what may be compared."""
    blocks: dict[str, list[GroupRow]] = {}
    for group in groups:
        blocks.setdefault(group.block, []).append(group)
    return blocks.values()


def _leaders(inside: Sequence[GroupRow]) -> list[GroupRow]:
    """Those of a block that have its best mean; nobody leads alone."""
    heights = {
        row.group: row.score.value if row.metric.higher_is_better else -row.score.value
        for row in inside
        if row.score.value is not None
    }
    scored = [row for row in inside if row.group in heights]
    rivals = [row for row in scored if not row.privileged] or scored
    rivals = [row for row in rivals if not row.lost()]
    best = max((heights[row.group] for row in rivals), default=None)
    return [row for row in rivals if len(scored) > 1 and heights[row.group] == best]


def _group_row(members: Sequence[CellRow], reference: str, confidence: float) -> GroupRow:
    head = members[0]
    completed = [cell for cell in members if cell.outcome == "completed"]
    finished = [cell for cell in members if cell.outcome in FINISHED]
    missing = sum(cell.outcome == "missing" for cell in members)
    scored = [cell for cell in members if cell[SCORE] is not None]
    machines = machines_of(completed)
    score = _estimate(_values(scored, SCORE), head.metric, confidence)
    over = streams_over(members)
    noise = _noise(completed) if {"test", "split"} & {*over} else None
    return GroupRow(
        group=head.group,
        block=head.block,
        place=head.place,
        metric=head.metric,
        privileged=head.privileged,
        seeds=len(members),
        completed=len(completed),
        diverged=len(finished) - len(completed),
        failed=len(members) - len(finished) - missing,
        missing=missing,
        scored=len(scored),
        **_failure_rate(
            len({cell.fit for cell in completed}),
            len({cell.fit for cell in members if cell.outcome != "missing"}),
            confidence,
        ),
        estimator=score.method if score else None,
        over=over,
        noise_share=noise.estimate if noise else None,
        is_reference=head.place.get("algorithm") == reference,
        transductive=next(
            (cell.transductive for cell in finished if cell.transductive is not None), None
        ),
        summaries=_summaries(completed, finished, score, confidence),
        machine=machines[0] if len(machines) == 1 else None,
        caveats="; ".join([*_caveats(members, scored, score, noise), *held_words(over)]),
        cost_caveats=f"averaged over {len(machines)} machines or ways of using them: "
        f"{'; '.join(machines)}"
        if len(machines) > 1
        else None,
        budget_caveats="; ".join(_budget_caveats(completed)) or None,
    )


def _summaries(
    completed: Sequence[CellRow],
    finished: Sequence[CellRow],
    score: stats.Estimate | None,
    confidence: float,
) -> Mapping[str, Summary]:
    """Every quantity summed up as the table of them says."""
    summaries: dict[str, Summary] = {}
    for quantity in TABLE:
        values = _values(completed, quantity)
        if quantity.over == "scored":
            summaries[quantity.name] = _summary(score)
        elif quantity.over == "interval":
            metric = Metric(quantity.name, quantity.unit, quantity.better == "higher")
            summaries[quantity.name] = _summary(_estimate(values, metric, confidence))
        elif quantity.over == "mean":
            summaries[quantity.name] = Summary(_mean(values))
        elif quantity.over == "highest":
            summaries[quantity.name] = Summary(max(values, default=None))
        elif quantity.over == "shared":
            summaries[quantity.name] = Summary(next(iter(_values(finished, quantity)), None))
        elif quantity.over == "reached":
            summaries[quantity.name] = _reached(finished, quantity)
        elif quantity.over == "at_target":
            summaries[quantity.name] = Summary(_reached(finished, quantity).value)
    return summaries


def _estimate(values: Sequence[float], metric: Metric, confidence: float) -> stats.Estimate | None:
    """The mean over seeds with its interval, on the scale of the metric."""
    if not values:
        return None
    estimate = stats.mean_interval(
        values, confidence=confidence, scale=metric.analysed(values), bounds=metric.scale(values)
    )
    return replace(estimate, sd=stats.t_interval(values).sd)  # in the unit of the score, too


def _summary(estimate: stats.Estimate | None) -> Summary:
    if estimate is None:
        return Summary()
    low, high = estimate.interval or (None, None)
    return Summary(estimate.estimate, low, high, estimate.sd)


def _failure_rate(completed: int, ended: int, confidence: float) -> dict[str, Any]:
    if not ended:
        return {}
    rate = stats.failure_rate(completed, ended, confidence=confidence)
    low, high = rate.interval or (None, None)
    return {"failure_rate": rate.estimate, "failure_rate_low": low, "failure_rate_high": high}


def _noise(completed: Sequence[CellRow]) -> stats.NoiseShare | None:
    """How much of the spread over seeds is noise of the test episodes, from the intervals over
    these that records have: on the scale that the interval over seeds is made on. The error of a
    logarithm is that of the score over the score (delta method)."""
    means, errors, episodes = [], [], []
    for cell in completed:
        score, low, high = (cell[one] for one in (SCORE, EPISODE_LOW, EPISODE_HIGH))
        tested = cell[EPISODES_TESTED]
        if score is None or low is None or high is None or not tested or tested < 2:
            return None
        means.append(score)
        errors.append(stats.standard_error((low, high), int(tested)))
        episodes.append(int(tested))
    if completed and completed[0].metric.analysed(means) == "log":
        errors = [error / mean for error, mean in zip(errors, means, strict=True)]
        means = [log(mean) for mean in means]
    return stats.noise_share_of(means, errors, episodes)


def _budget_caveats(completed: Sequence[CellRow]) -> Iterator[str]:
    """What was chosen at the edge of what was tried: beyond it may lie better."""
    trained = {cell.fit: cell for cell in completed}.values()
    counts = Counter(name for cell in trained for name in cell.at_edge)
    for name, count in counts.items():
        seeds = f"{count} of {len(trained)} trainings"
        if name == "iterations":
            last = f"the best weights are those of the last validation in {seeds}"
            yield f"{last}: training may not have converged"
        else:
            yield f"{name} chosen at the edge of what was tried in {seeds}"


def _reached(finished: Sequence[CellRow], quantity: Quantity) -> Summary:
    values = _values(finished, quantity)
    if not any(cell[TARGET] is not None for cell in finished):
        return Summary()
    mean = _mean(values) if len(values) == len(finished) else None
    return Summary(mean, reached=len(values), of=len(finished))


def _caveats(
    members: Sequence[CellRow],
    scored: Sequence[CellRow],
    score: stats.Estimate | None,
    noise: stats.NoiseShare | None,
) -> list[str]:
    """What to know before relying on the score."""
    caveats = (
        [f"{len(scored)} of {len(members)} seeds have a score"]
        if len(scored) < len(members)
        else []
    )
    caveats += [DIFFERENT_DATA] if on_different_data(scored) else []
    caveats += score.caveats if score else []
    if score and score.interval:
        least, most = members[0].metric.scale(_values(scored, SCORE))
        if score.interval[0] <= least or score.interval[1] >= most:
            caveats.append(
                "the interval ends where the scale does, where Student's t is a poor approximation"
            )
    if noise and noise.dominates and noise.n > stats.DESCRIPTIVE:
        caveats.append(
            "most of the spread over seeds is noise of the test episodes: more episodes, not more "
            "seeds, would narrow the interval"
        )
    if diverged := sum(cell.outcome == "diverged" for cell in members):
        at_chance = any(cell.outcome == "diverged" for cell in scored)
        how = "counted at chance" if at_chance else "without a score"
        caveats.append(f"{diverged} diverged, {how}")
    return caveats


def _values(cells: Iterable[CellRow], quantity: Quantity) -> list[float]:
    return [value for cell in cells if (value := cell[quantity]) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
