"""The suite's claims held against the groups: one row for each claim and each setting that it is
about."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from metabench import stats
from metabench.identity import canonical
from metabench.metrics import METRICS
from metabench.tables.cells import (
    DIFFERENT_DATA,
    DIFFERENT_MACHINES,
    MEASURED,
    PEAKS,
    VARIANT,
    machines_of,
    on_different_data,
)
from metabench.tables.comparisons import partner
from metabench.tables.frames import Row

RESULT = (
    "estimate",
    "low",
    "high",
    "unit",
    "bound_low",
    "bound_high",
    "seeds",
    "group_verdict",
    "method",
    "caveats",
)
"""What was found in one setting. `caveats` says why, where nothing was judged."""

CLAIM = ("id", "says", "source", "post_hoc", "verdict", "metric", "of", "against", "bound")
"""What a claim says and what came of it, equal in all of its rows."""

ABOUT = ("group", "block", *VARIANT)
"""Which group of the algorithm that it is about a row stands for; the coordinates of the data are
joined to these."""

BOUNDS: Mapping[str, Callable[..., tuple[float, float]]] = {
    "ratio_below": lambda limit: (-math.inf, limit),
    "ratio_above": lambda limit: (limit, math.inf),
    "difference_below": lambda limit: (-math.inf, limit),
    "difference_above": lambda limit: (limit, math.inf),
    "between": lambda low, high: (low, high),
    "equivalent_within": lambda margin: (-margin, margin),
}
"""Bound → the region that the ratio or the difference lies in if the claim is true."""

COSTS = frozenset({*MEASURED, *PEAKS})
CENSORED = "iterations_to_target"
UNITS = (
    {CENSORED: "iterations"}
    | dict.fromkeys(MEASURED, "seconds")
    | dict.fromkeys(PEAKS, "bytes")
    | {name: metric.unit for name, metric in METRICS.items()}
)
"""Units of metrics; the others have that of the score."""

Members = Mapping[str, Mapping[int, Row]]
"""Cells by group and seed."""


class _NotJudgedError(Exception):
    """Why a claim cannot be held against the data of a setting."""


def claim_rows(
    claims: Iterable[Mapping[str, Any]],
    cells: Iterable[Row],
    groups: Sequence[Row],
    confidence: float,
) -> list[Row]:
    """Return a row for each claim and each group of its algorithm that it is about, in the suite's
    order.

    A group meets that of the other algorithm on the same data (the one that agrees with it in
    model, batch norm and steps, where there are several), or a number. The contrast is formed over
    the seeds that all sides have, on the same data and, for times and memory, on one machine a
    seed. Its interval is then held against the bound (`stats.judge`): `group_verdict` is supported,
    refuted or inconclusive, or "not judged" with the reason among the `caveats`. `verdict` is that
    of the whole claim: supported where it is in every setting, refuted where it is in any.

    Scores are those of completed and of diverged cells at chance; all else is taken over completed
    cells alone. `iterations_to_target` is judged only where every finished cell reached the target.
    Each claim is judged by itself, at the level of the run: no family is corrected for.

    Parameters
    ----------
    claims
        As `cells.json` has them, each with `post_hoc`. One that lacks what it needs is not judged.
    cells, groups
        Rows of their tables.
    """
    members: dict[str, dict[int, Row]] = {}
    for cell in cells:
        members.setdefault(cell["group"], {})[cell["seed"]] = cell
    table: list[Row] = []
    for claim in claims:
        found = _settings(claim, groups, members, confidence)
        verdicts = [cast("stats.Verdict", row["group_verdict"]) for row in found]
        head = {key: claim.get(key) for key in CLAIM} | {"verdict": stats.judge_all(verdicts)}
        table += [head | row for row in found]
    return table


def _settings(
    claim: Mapping[str, Any], groups: Sequence[Row], members: Members, confidence: float
) -> list[Row]:
    """What came of a claim in each setting that has both of its sides; one row that says why, where
    there is none."""
    try:
        low, high = _region(claim)
        pairs = _pairs(claim, claim["where"], groups)
        versus = claim.get("versus_where")
        bases = [] if versus is None else _pairs(claim, {**claim["where"], **versus}, groups)
        # none is set against itself
        pairs = [pair for pair in pairs if all(pair[0] is not base for base, _ in bases)] or pairs
    except _NotJudgedError as reason:
        return [_not_judged(str(reason))]
    found = []
    for group, rival in pairs:
        head = {key: group.get(key) for key in ABOUT}
        head |= {
            "unit": _unit(claim, group),
            "bound_low": low if math.isfinite(low) else None,
            "bound_high": high if math.isfinite(high) else None,
        }
        try:
            plus: list[Row | float] = [group]
            minus: list[Row | float] = [rival]
            if versus is not None:
                base, its_rival = _counterpart(group, bases, versus)
                plus, minus = [group, its_rival], [rival, base]
            found.append(head | _judged(claim, plus, minus, members, (low, high), confidence))
        except _NotJudgedError as reason:
            found.append(head | _not_judged(str(reason)))
    return found


def _region(claim: Mapping[str, Any]) -> tuple[float, float]:
    """The region of the bound, once all that a claim must have is there: `cells.json` may be edited
    by hand, or by a later metabench."""
    try:
        low, high = BOUNDS[claim["bound"]](*map(float, claim["limits"]))
        whole = (
            isinstance(claim["where"], dict)
            and isinstance(claim.get("versus_where"), dict | None)
            and low < high
            and bool(canonical(claim))
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        whole = False
    sides = isinstance(claim.get("of"), str) and (
        isinstance(claim.get("against"), str | int | float) or bool(claim.get("published"))
    )
    whole = whole and sides and claim.get("metric") in ("score", "gain_first_step", *UNITS)
    if not whole:
        raise _NotJudgedError("what stands in cells.json is no claim that this metabench knows")
    return low, high


def _pairs(
    claim: Mapping[str, Any], where: Mapping[str, Any], groups: Sequence[Row]
) -> list[tuple[Row, Row | float]]:
    """The groups of the claim's algorithm within `where`, each with its rival: a group on the same
    data, or a number."""
    mine, against = _within(groups, where, claim["of"]), claim.get("against")
    if not mine:
        raise _NotJudgedError("no group of the suite is as it says")
    if claim.get("published"):
        return [(group, math.nan) for group in mine]
    if isinstance(against, int | float):
        return [(group, float(against)) for group in mine]
    others = _within(groups, where, str(against))
    shared = [
        (group, [other for other in others if other["block"] == group["block"]]) for group in mine
    ]
    pairs: list[tuple[Row, Row | float]] = [
        (group, partner(group, rivals)) for group, rivals in shared if rivals
    ]
    if not pairs:
        raise _NotJudgedError(f"{claim['of']} and {against} share no setting")
    return pairs


def _counterpart(
    group: Row, pairs: Sequence[tuple[Row, Row | float]], versus: Mapping[str, Any]
) -> tuple[Row, Row | float]:
    """The pair that a claim about a difference of differences sets against that of `group`: the one
    that agrees with it in most other coordinates."""
    shared = [key for key in group["place"] if key not in versus]
    alike = [
        key
        for key in ("dataset", "on", "model", *(key for key in shared if "." in key))
        if key not in versus
    ]
    pairs = [
        (base, rival)
        for base, rival in pairs
        if all(base["place"].get(key) == group["place"].get(key) for key in alike)
    ]
    if not pairs:
        raise _NotJudgedError("versus_where matches no group on the same data and network")
    agreement = [
        sum(base["place"].get(key) == group["place"][key] for key in shared) for base, _ in pairs
    ]
    best = [pair for pair, agrees in zip(pairs, agreement, strict=True) if agrees == max(agreement)]
    if len(best) > 1:
        raise _NotJudgedError("versus_where matches several groups alike")
    return best[0]


def _judged(
    claim: Mapping[str, Any],
    plus: Sequence[Row | float],
    minus: Sequence[Row | float],
    members: Members,
    region: tuple[float, float],
    confidence: float,
) -> Row:
    """The contrast of two or four sides, and its verdict."""
    metric, ratio = claim["metric"], claim["bound"].startswith("ratio")
    sides = [side for side in (*plus, *minus) if not isinstance(side, float)]
    if claim.get("published"):
        raise _NotJudgedError(
            "published figures are not kept yet, so there is none to hold it against"
        )
    if metric == CENSORED:
        _refuse_censored(sides)
    values = {side["group"]: _values(members[side["group"]], metric) for side in sides}
    seeds = sorted(set.intersection(*(set(told) for told in values.values())))
    if not seeds:
        raise _NotJudgedError("no seed has a value on every side")
    met = [[members[side["group"]][seed] for side in sides] for seed in seeds]
    if any(
        on_different_data(cell for cells in met for cell in cells if cell["block"] == block)
        for block in {side["block"] for side in sides}
    ):
        raise _NotJudgedError(DIFFERENT_DATA)
    if metric in COSTS and any(len(machines_of(cells)) > 1 for cells in met):
        raise _NotJudgedError(DIFFERENT_MACHINES)
    samples = [
        [
            [side if isinstance(side, float) else values[side["group"]][seed] for seed in seeds]
            for side in part
        ]
        for part in (plus, minus)
    ]
    if ratio and min(value for part in samples for sample in part for value in sample) <= 0:
        raise _NotJudgedError("a ratio needs positive values, and there are others")
    estimate = stats.contrast_interval(
        *samples, confidence=confidence, unit=_unit(claim, sides[0]), ratio=ratio
    )
    low, high = estimate.interval or (None, None)
    verdict = stats.judge(estimate, *region)
    lost = metric == "score" and any(
        side["diverged"] and side["scored"] < side["completed"] + side["diverged"] for side in sides
    )
    return {
        "estimate": estimate.estimate,
        "low": low,
        "high": high,
        "unit": estimate.unit,
        "seeds": estimate.n,
        "group_verdict": "inconclusive" if verdict == "supported" and lost else verdict,
        "method": estimate.method,
        "caveats": "; ".join((*_caveats(sides, met, metric), *estimate.caveats)),
    }


def _unit(claim: Mapping[str, Any], group: Row) -> str:
    if claim["bound"].startswith("ratio"):
        return "ratio"
    return UNITS.get(claim["metric"]) or str(group["unit"])


def _refuse_censored(sides: Sequence[Row]) -> None:
    """Iterations to a target that some seeds never reached have no mean."""
    for side in sides:
        if side.get("target_reached") is None:
            raise _NotJudgedError(f"{side['algorithm']} has no target")
        if side["target_reached"] < side["target_of"]:
            raise _NotJudgedError(
                f"{side['algorithm']} reached the target with {side['target_reached']} of "
                f"{side['target_of']} seeds"
            )


def _values(cells: Mapping[int, Row], metric: str) -> dict[int, float]:
    known = {seed: cell for seed, cell in cells.items() if cell.get(metric) is not None}
    return {
        seed: float(cell[metric])
        for seed, cell in known.items()
        if metric == "score" or cell["outcome"] == "completed"
    }


def _caveats(sides: Sequence[Row], met: Sequence[Sequence[Row]], metric: str) -> list[str]:
    """What is missing, and what was put in the place of a number."""
    declared = max(side["seeds"] for side in sides)
    caveats = (
        [f"{len(met)} of {declared} seeds have a value on every side"]
        if len(met) < declared
        else []
    )
    for side in sides:
        if side["diverged"]:
            counted = metric == "score" and any(
                cell["group"] == side["group"] and cell["outcome"] == "diverged"
                for cells in met
                for cell in cells
            )
            caveats.append(
                f"{side['algorithm']}: {side['diverged']} diverged, "
                f"{'counted at chance' if counted else 'left out, so nothing is called supported'}"
            )
    machines = machines_of(cell for cells in met for cell in cells)
    if metric in COSTS and len(machines) > 1:
        caveats.append(
            f"over {len(machines)} machines or ways of using them, each seed on one of them"
        )
    return caveats


def _not_judged(why: str) -> Row:
    return {"group_verdict": "not judged", "caveats": why}


def _within(groups: Sequence[Row], where: Mapping[str, Any], algorithm: str) -> list[Row]:
    """The groups of an algorithm that have these coordinates; a list means any of these."""
    asked = {**where, "algorithm": algorithm}
    allowed = {
        key: [_plain(choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
        for key, wanted in asked.items()
    }
    return [
        group
        for group in groups
        if all(group["place"].get(key) in choices for key, choices in allowed.items())
    ]


def _plain(value: Any) -> Any:
    """A coordinate as the tables have it (see `coordinates`)."""
    return canonical(value) if isinstance(value, list | dict) else value
