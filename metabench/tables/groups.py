"""One row a group: cells that differ in seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from metabench import stats
from metabench.quantities import SCORE, TABLE, TARGET, Quantity
from metabench.records import FINISHED
from metabench.tables.cells import DIFFERENT_DATA, machines_of, on_different_data
from metabench.tables.typed_rows import CellRow, GroupRow, Summary


def group_rows(cells: Iterable[CellRow], reference: str, confidence: float) -> list[GroupRow]:
    """Return one row a group, in order of first appearance.

    Scores are taken over the cells that have one: completed, and diverged classification at chance.
    Costs are means over completed cells, peaks the highest of them; a divergence ends early and
    would look cheap. `machine` is what they ran on, and None where that was not one and the same.
    `iterations_to_target` is the mean only where every scored cell reached the target: leaving out
    those that did not would flatter. `leads` marks the best mean of a block (several on a tie), and
    says nothing about separation. Algorithms with privileged inputs (oracles) are a mark
    to measure by, and lead nothing.
    """
    groups: dict[str, list[CellRow]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    table = [_group_row(members, reference, confidence) for members in groups.values()]
    blocks: dict[str, list[GroupRow]] = {}
    for row in table:
        blocks.setdefault(row.block, []).append(row)
    leaders = {row.group for inside in blocks.values() for row in _leaders(inside)}
    return [replace(row, leads=row.group in leaders) for row in table]


def _leaders(inside: Sequence[GroupRow]) -> list[GroupRow]:
    """Those of a block that have its best mean; nobody leads alone."""
    heights = {
        row.group: row.score.value if row.metric.higher_is_better else -row.score.value
        for row in inside
        if row.score.value is not None
    }
    scored = [row for row in inside if row.group in heights]
    rivals = [row for row in scored if not row.privileged] or scored
    best = max((heights[row.group] for row in rivals), default=None)
    return [row for row in rivals if len(scored) > 1 and heights[row.group] == best]


def _group_row(members: Sequence[CellRow], reference: str, confidence: float) -> GroupRow:
    head = members[0]
    completed = [cell for cell in members if cell.outcome == "completed"]
    finished = [cell for cell in members if cell.outcome in FINISHED]
    missing = sum(cell.outcome == "missing" for cell in members)
    scored = [cell for cell in members if cell[SCORE] is not None]
    machines = machines_of(completed)
    summaries, score_caveats = _summaries(completed, finished, scored, confidence)
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
        leads=False,
        is_reference=head.place.get("algorithm") == reference,
        transductive=next(
            (cell.transductive for cell in finished if cell.transductive is not None), None
        ),
        summaries=summaries,
        machine=machines[0] if len(machines) == 1 else None,
        caveats="; ".join(_caveats(members, scored, summaries[SCORE.name], score_caveats)),
        cost_caveats=f"averaged over {len(machines)} machines or ways of using them: "
        f"{'; '.join(machines)}"
        if len(machines) > 1
        else None,
    )


def _summaries(
    completed: Sequence[CellRow],
    finished: Sequence[CellRow],
    scored: Sequence[CellRow],
    confidence: float,
) -> tuple[Mapping[str, Summary], Sequence[str]]:
    """Every quantity summed up as the table of them says, and the caveats of the score's mean."""
    summaries: dict[str, Summary] = {}
    caveats: Sequence[str] = ()
    for quantity in TABLE:
        values = _values(completed, quantity)
        if quantity.over == "scored":
            summaries[quantity.name], caveats = _interval(_values(scored, quantity), confidence)
        elif quantity.over == "interval":
            summaries[quantity.name], _ = _interval(values, confidence)
        elif quantity.over == "mean":
            summaries[quantity.name] = Summary(_mean(values))
        elif quantity.over == "highest":
            summaries[quantity.name] = Summary(max(values, default=None))
        elif quantity.over == "shared":
            summaries[quantity.name] = Summary(next(iter(_values(finished, quantity)), None))
        elif quantity.over == "reached":
            summaries[quantity.name] = _reached(finished, quantity)
    return summaries, caveats


def _interval(values: Sequence[float], confidence: float) -> tuple[Summary, Sequence[str]]:
    if not values:
        return Summary(), ()
    estimate = stats.t_interval(values, confidence=confidence)
    low, high = estimate.interval or (None, None)
    return Summary(estimate.estimate, low, high, estimate.sd), estimate.caveats


def _reached(finished: Sequence[CellRow], quantity: Quantity) -> Summary:
    values = _values(finished, quantity)
    if not any(cell[TARGET] is not None for cell in finished):
        return Summary()
    mean = _mean(values) if len(values) == len(finished) else None
    return Summary(mean, reached=len(values), of=len(finished))


def _caveats(
    members: Sequence[CellRow],
    scored: Sequence[CellRow],
    score: Summary,
    of_the_mean: Sequence[str],
) -> list[str]:
    """What to know before relying on the score."""
    caveats = (
        [f"{len(scored)} of {len(members)} seeds have a score"]
        if len(scored) < len(members)
        else []
    )
    caveats += [DIFFERENT_DATA] if on_different_data(scored) else []
    caveats += of_the_mean
    least, most = members[0].metric.scale(_values(scored, SCORE))
    if score.low is not None and score.high is not None:
        if score.high > most or (score.low < least and most < float("inf")):
            caveats.append(
                "the interval passes the end of the scale, where Student's t is a poor "
                "approximation"
            )
        elif score.low < least:
            caveats.append(
                "the interval reaches below 0, where no error can lie: Student's t is a poor "
                "approximation"
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
