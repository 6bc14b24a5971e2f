"""The suite's claims held against the groups: one row for each claim and each setting that it is
about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metabench import stats
from metabench.claims import Claim, read_claim
from metabench.errors import some
from metabench.quantities import ITERATIONS_TO_TARGET, SCORE, Quantity
from metabench.tables.cells import (
    DIFFERENT_DATA,
    machines_of,
    on_different_data,
    unlike_costs,
    unlike_pairs,
)
from metabench.tables.claim_row import ClaimRow
from metabench.tables.sides import NotJudgedError, Side, counterpart, figure_of, pairs_of, reported
from metabench.tables.typed_rows import CellRow, GroupRow

Members = Mapping[str, Mapping[int, CellRow]]
"""Cells by group and seed."""

SAID = ("id", "says", "source", "post_hoc", "metric", "after", "of", "against", "bound")
"""What the rows of a claim repeat of what `cells.json` says."""


def claim_rows(
    claims: Iterable[Mapping[str, Any]],
    cells: Iterable[CellRow],
    groups: Sequence[GroupRow],
    confidence: float,
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
            else _settings(claim, groups, members, confidence)
        )
        verdict = stats.judge_all([row.group_verdict for row in found])
        head: dict[str, Any] = {key: said.get(key) for key in SAID}
        table += [replace(row, verdict=verdict, **head) for row in found]
    return table


def _settings(
    claim: Claim, groups: Sequence[GroupRow], members: Members, confidence: float
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
            row = _judged(claim, plus, minus, members, (confidence, len(pairs)))
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
) -> ClaimRow:
    """The contrast of two or four sides, and its verdict; `level` is that of the run, and the
    number of settings that could refute the claim."""
    quantity = claim.quantity
    sides = [side for side in (*plus, *minus) if not isinstance(side, float)]
    if quantity.needs_target:
        _refuse_censored(sides)
    values = {side.group: _values(members[side.group], quantity) for side in sides}
    seeds = sorted(set.intersection(*(set(known) for known in values.values())))
    if not seeds:
        raise NotJudgedError("no seed has a value on every side")
    met = [[members[side.group][seed] for side in sides] for seed in seeds]
    _refuse_different(sides, met, quantity)
    samples = [_sample(part, values, seeds) for part in (plus, minus)]
    if claim.is_ratio and min(value for part in samples for one in part for value in one) <= 0:
        raise NotJudgedError("a ratio needs positive values, and there are others")
    if quantity.counted and stats.are_the_same(*samples[0], *samples[1]):
        estimate, verdict = _known(claim, samples)
    else:
        estimate, verdict = _held(claim, samples, _unit(claim, sides[0]), *level)
    low, high = estimate.interval or (None, None)
    caveats = _caveats(sides, met, quantity)
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


def _sample(
    part: Sequence[Side], values: Mapping[str, Mapping[int, float]], seeds: Sequence[int]
) -> list[list[float]]:
    """For each side its values in the order of the seeds; a number holds for every one."""
    return [
        [side if isinstance(side, float) else values[side.group][seed] for seed in seeds]
        for side in part
    ]


def _held(
    claim: Claim,
    samples: Sequence[Sequence[Sequence[float]]],
    unit: str,
    level: float,
    settings: int,
) -> tuple[stats.Comparison, stats.Verdict]:
    """The contrast with the interval that decides, and what that says: at the level of the run
    where it supports the claim, else at what is left of it for one of several settings to refute it
    by."""
    estimate = stats.contrast_interval(*samples, confidence=level, unit=unit, ratio=claim.is_ratio)
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


def _refuse_censored(sides: Sequence[GroupRow]) -> None:
    """Of what it took to a target that some seeds never reached there is no mean."""
    for side in sides:
        found = side[ITERATIONS_TO_TARGET]
        if found.reached is None or found.of is None:
            raise NotJudgedError(f"{side.algorithm} has no target")
        if found.reached < found.of:
            raise NotJudgedError(
                f"{side.algorithm} reached the target with {found.reached} of {found.of} seeds"
            )


def _refuse_different(
    sides: Sequence[GroupRow], met: Sequence[Sequence[CellRow]], quantity: Quantity
) -> None:
    """Scores compare on the same data, costs on one machine used in one way."""
    for block in {side.block for side in sides}:
        if on_different_data(cell for cells in met for cell in cells if cell.block == block):
            raise NotJudgedError(DIFFERENT_DATA)
    if quantity.is_cost and (why := unlike_costs(met)):
        raise NotJudgedError(why)


def _values(cells: Mapping[int, CellRow], quantity: Quantity) -> dict[int, float]:
    return {
        seed: float(value)
        for seed, cell in cells.items()
        if (value := cell[quantity]) is not None
        and (quantity is SCORE or cell.outcome == "completed")
    }


def _caveats(
    sides: Sequence[GroupRow], met: Sequence[Sequence[CellRow]], quantity: Quantity
) -> list[str]:
    """What is missing, and what was put in the place of a number."""
    declared = max(side.seeds for side in sides)
    caveats = (
        [f"{len(met)} of {declared} seeds have a value on every side"]
        if len(met) < declared
        else []
    )
    for side in sides:
        if side.diverged:
            at_chance = quantity is SCORE and side.scored > side.completed
            how = "counted at chance" if at_chance else "left out"
            caveats.append(f"{side.algorithm}: {side.diverged} diverged, {how}")
        if lost := side.lost(quantity):
            caveats.append(
                f"{side.algorithm} lost {lost} of {side.seeds} seeds: what is left is a selection"
            )
    if differing := unlike_pairs(met):
        caveats.append(f"made under unlike conditions: {some(differing)}")
    machines = machines_of(cell for cells in met for cell in cells)
    if quantity.is_cost and len(machines) > 1:
        caveats.append(
            f"over {len(machines)} machines or ways of using them, each seed on one of them"
        )
    return caveats


def _not_judged(why: str) -> ClaimRow:
    return ClaimRow(group_verdict="not judged", caveats=why)
