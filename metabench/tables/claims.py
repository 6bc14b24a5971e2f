"""The suite's claims held against the groups: one row for each claim and each setting that it is
about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metabench import stats
from metabench.claims import Claim, read_claim
from metabench.tables.claim_row import ClaimRow
from metabench.tables.claim_values import Measured, Members, measured
from metabench.tables.sides import NotJudgedError, Side, counterpart, figure_of, pairs_of, reported
from metabench.tables.timed import Alone
from metabench.tables.typed_rows import CellRow, GroupRow

SAID = ("id", "says", "source", "post_hoc", "metric", "after", "of", "against", "bound")
"""What the rows of a claim repeat of what `cells.json` says."""


def claim_rows(
    claims: Iterable[Mapping[str, Any]],
    cells: Iterable[CellRow],
    groups: Sequence[GroupRow],
    confidence: float,
    alone: Alone | None = None,
) -> list[ClaimRow]:
    """Return a row for each claim and each group of its algorithm that it is about, in the suite's
    order.

    A group meets that of the other algorithm on the same data (the one that agrees with it in
    model, batch norm and steps, where there are several), or a number. The contrast is formed over
    the seeds that all sides have, on the same data and, for times and memory, on one machine a
    seed, under like conditions. Its interval is then held against the bound (`stats.judge`):
    `group_verdict` is supported, refuted or inconclusive, or "not judged" with the reason among the
    `caveats`. `verdict` is that of the whole claim: supported where it is in every setting, refuted
    where it is in any. One of several settings refutes it only at the level of the run over their
    number (Bonferroni): with more of them there are more chances to. `confidence` is that of the
    interval in the row, which agrees with its verdict.

    Scores are those of completed and of diverged cells at chance; all else is taken over completed
    cells alone. Where a side lost cells (see `GroupRow.lost`), what is left of it is a selection,
    and nothing is decided in its favour: such a claim is inconclusive. What it took to the target
    is judged only where every finished cell reached it. What is counted and the same in all seeds
    is known without an error: a single seed decides. Each claim is judged by itself: they are no
    family.

    Parameters
    ----------
    claims
        As `cells.json` has them, each with `post_hoc`. One that lacks what it needs is not judged.
    cells, groups
        Rows of their tables.
    alone
        What was timed alone.
    """
    members: dict[str, dict[int, CellRow]] = {}
    for cell in cells:
        members.setdefault(cell.group, {})[cell.seed] = cell
    table: list[ClaimRow] = []
    for said in claims:
        claim = read_claim(said)
        found = (
            [_not_judged("what stands in cells.json is no claim that this metabench knows")]
            if claim is None
            else _settings(claim, groups, members, confidence, alone)
        )
        verdict = stats.judge_all([row.group_verdict for row in found])
        head: dict[str, Any] = {key: said.get(key) for key in SAID}
        table += [replace(row, verdict=verdict, **head) for row in found]
    return table


def _settings(
    claim: Claim,
    groups: Sequence[GroupRow],
    members: Members,
    confidence: float,
    alone: Alone | None,
) -> list[ClaimRow]:
    """What came of a claim in each setting that has both of its sides; one row that says why, where
    there is none."""
    try:
        pairs = pairs_of(claim, claim.where, groups)
        versus = claim.versus_where
        bases = [] if versus is None else pairs_of(claim, {**claim.where, **versus}, groups)
    except NotJudgedError as reason:
        return [_not_judged(str(reason))]
    # none is set against itself
    pairs = [pair for pair in pairs if all(pair[0] is not base for base, _ in bases)] or pairs
    found = []
    for group, rival in pairs:
        try:
            plus: list[Side] = [group]
            minus = [reported(claim, group) if rival is None else rival]
            if versus is not None:
                base, its_rival = counterpart(group, bases, versus)
                plus.append(reported(claim, base) if its_rival is None else its_rival)
                minus.append(base)
            row = _judged(claim, plus, minus, members, (confidence, len(pairs)), alone)
            if claim.published:
                told = f"against {figure_of(claim, group)}"
                row = replace(row, caveats="; ".join(filter(None, (told, row.caveats))))
        except NotJudgedError as reason:
            row = _not_judged(str(reason))
        low, high = claim.region
        found.append(
            replace(
                row,
                group=group,
                unit=_unit(claim, group),
                bound_low=low if math.isfinite(low) else None,
                bound_high=high if math.isfinite(high) else None,
            )
        )
    return found


def _judged(
    claim: Claim,
    plus: Sequence[Side],
    minus: Sequence[Side],
    members: Members,
    level: tuple[float, int],
    alone: Alone | None,
) -> ClaimRow:
    """The contrast of two or four sides, and its verdict; `level` is that of the run, and the
    number of settings that could refute the claim."""
    sides = [side for side in (*plus, *minus) if not isinstance(side, float)]
    quantity = claim.quantity
    known = measured(sides, quantity, members, alone)
    samples = [_sample(part, known) for part in (plus, minus)]
    if claim.is_ratio and min(value for part in samples for one in part for value in one) <= 0:
        raise NotJudgedError("a ratio needs positive values, and there are others")
    if quantity.counted and stats.are_the_same(*samples[0], *samples[1]):
        estimate, verdict = _known(claim, samples)
    else:
        estimate, verdict = _held(claim, samples, _unit(claim, sides[0]), known.over, *level)
    low, high = estimate.interval or (None, None)
    caveats = list(known.caveats)
    if favoured := _favoured_losers(claim, estimate, verdict, plus, minus):
        verdict = "inconclusive"
        caveats.append(f"nothing is decided in favour of {' or '.join(favoured)}")
    return ClaimRow(
        estimate=estimate.estimate,
        low=low,
        high=high,
        confidence=estimate.confidence,
        seeds=estimate.n,
        group_verdict=verdict,
        method=estimate.method,
        caveats="; ".join((*caveats, *estimate.caveats)),
    )


def _sample(part: Sequence[Side], known: Measured) -> list[list[float]]:
    """For each side its values in their order; a number holds for every one."""
    return [
        [side] * known.number if isinstance(side, float) else known.values[side.group]
        for side in part
    ]


def _held(
    claim: Claim,
    samples: Sequence[Sequence[Sequence[float]]],
    unit: str,
    over: str,
    level: float,
    settings: int,
) -> tuple[stats.Comparison, stats.Verdict]:
    """The contrast with the interval that decides, and what that says: at the level of the run
    where it supports the claim, else at what is left of it for one of several settings to refute it
    by."""
    estimate = stats.contrast_interval(
        *samples, confidence=level, unit=unit, ratio=claim.is_ratio, over=over
    )
    if unit == "fraction":
        most = float(len(samples[0]))
        estimate = replace(estimate, bounds=(-most, most)).at(level)
    verdict = stats.judge(estimate, *claim.region, settings=settings)
    if verdict in ("refuted", "inconclusive"):
        estimate = estimate.at(1 - (1 - level) / settings)
    return estimate, verdict


def _known(
    claim: Claim, samples: Sequence[Sequence[Sequence[float]]]
) -> tuple[stats.Estimate, stats.Verdict]:
    """The contrast of numbers that are known without an error, and what that says."""
    estimate = stats.known_contrast(*samples, ratio=claim.is_ratio)
    low, high = claim.region
    return estimate, "supported" if low <= estimate.estimate <= high else "refuted"


def _favoured_losers(
    claim: Claim,
    estimate: stats.Estimate,
    verdict: stats.Verdict,
    plus: Sequence[Side],
    minus: Sequence[Side],
) -> list[str]:
    """Those who lost cells and would look the better for it if this verdict stood: one side of a
    difference, or either where they come out alike, or where there are four."""
    if verdict not in ("supported", "refuted") or estimate.interval is None:
        return []
    sides = [side for side in (*plus, *minus) if not isinstance(side, float)]
    (low, high), is_supported = claim.region, verdict == "supported"
    alike = is_supported and math.isfinite(low) and math.isfinite(high)
    if len(plus) == 1 and not alike:
        is_above = math.isfinite(low) if is_supported else estimate.interval[0] > high
        ahead = plus if is_above == _higher_is_better(claim, sides[0]) else minus
        sides = [side for side in sides if side in ahead]
    return list(dict.fromkeys(side.algorithm for side in sides if side.lost(claim.quantity)))


def _higher_is_better(claim: Claim, side: GroupRow) -> bool:
    better = claim.quantity.better
    return side.metric.higher_is_better if better == "score" else better == "higher"


def _unit(claim: Claim, group: GroupRow) -> str:
    return "ratio" if claim.is_ratio else claim.quantity.unit or group.metric.unit


def _not_judged(why: str) -> ClaimRow:
    return ClaimRow(group_verdict="not judged", caveats=why)
