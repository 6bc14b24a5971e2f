"""The claims of a suite, from TOML; one that could never be decided is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metabench.cells import Cell
from metabench.claims import BETWEEN, BOUNDS, Claim
from metabench.errors import nearest
from metabench.identity import canonical
from metabench.metrics import METRICS
from metabench.quantities import CLAIMED, GAIN_AFTER, GRADIENTS_PER_TASK, TASKS_TO_TARGET
from metabench.registry import get
from metabench.suite.curves import off_curve
from metabench.suite.document import Document, KeyPath
from metabench.suite.schema import ClaimTable


def make_claims(
    document: Document, tables: Iterable[ClaimTable], cells: Iterable[Cell]
) -> tuple[Claim, ...]:
    """Return the claims of a suite.

    Raises
    ------
    ConfigError
        A claim that is not one, or is about nothing in the suite.
    """
    cells = list(cells)
    groups = list({canonical(group): group for group in (cell.group() for cell in cells)}.values())
    claims: list[Claim] = []
    for place, table in enumerate(tables):
        path = ("claims", place)
        if table.id in {claim.id for claim in claims}:
            raise document.error(((*path, "id"), "another claim has this id"))
        claim = _claim(document, path, table)
        if problems := _about_nothing(path, claim, groups) or _undecidable(path, claim, cells):
            raise document.error(*problems)
        claims.append(claim)
    return tuple(claims)


def _claim(document: Document, path: KeyPath, table: ClaimTable) -> Claim:
    said = table.said()
    bounds = [bound for bound in BOUNDS if bound in said]
    if len(bounds) != 1:
        raise document.error(
            (
                path,
                f"says {' and '.join(bounds) or 'no bound'}; a claim has exactly one of "
                f"{', '.join(BOUNDS)}",
            )
        )
    if ("against" in said) == ("published" in said):
        raise document.error(
            (
                path,
                "a claim has exactly one of against (an algorithm or a number) and published = "
                "true",
            )
        )
    if table.metric not in CLAIMED:
        raise document.error(
            (
                (*path, "metric"),
                f"expected one of {', '.join(CLAIMED)}{nearest(table.metric, CLAIMED)}",
            )
        )
    if (table.metric == GAIN_AFTER) != (table.after is not None):
        raise document.error(_wrong_after(path, table))
    bound = bounds[0]
    limits = tuple(said[bound]) if bound in BETWEEN else (said[bound],)
    if bound in BETWEEN and not (len(limits) == 2 and limits[0] < limits[1]):
        raise document.error(((*path, bound), "expected two numbers, the smaller one first"))
    return Claim(
        id=table.id,
        says=table.says,
        source=table.source,
        metric=table.metric,
        of=table.of,
        against=table.against,
        published=bool(table.published),
        where=table.where,
        versus_where=table.versus_where,
        bound=bound,
        limits=limits,
        after=table.after,
    )


def _wrong_after(path: KeyPath, table: ClaimTable) -> tuple[KeyPath, str]:
    """Say that `after` and the metric that it belongs to do not come together."""
    if table.after is None:
        return (*path, "metric"), "needs after, the number of steps of adaptation: after = 1"
    return (*path, "after"), f'is for metric = "{GAIN_AFTER}"'


def _about_nothing(
    path: KeyPath, claim: Claim, groups: list[dict[str, Any]]
) -> list[tuple[KeyPath, str]]:
    """Say what in the claim is not in the suite."""
    return _unknown(path, claim, groups) or _unmatched(path, claim, groups)


def _unknown(
    path: KeyPath, claim: Claim, groups: list[dict[str, Any]]
) -> list[tuple[KeyPath, str]]:
    """Say which algorithms and keys of the claim the suite does not have."""
    algorithms = sorted({group["algorithm"] for group in groups})
    problems: list[tuple[KeyPath, str]] = []
    for key, name in [("of", claim.of), *(("against", rival) for rival in _rivals(claim))]:
        if name not in algorithms:
            problems.append(
                (
                    (*path, key),
                    "no algorithm of the grids; there are "
                    f"{', '.join(algorithms)}{nearest(name, algorithms)}",
                )
            )
    known = sorted({key for group in groups for key in group})
    wheres = [
        ("where", claim.where),
        *([("versus_where", claim.versus_where)] if claim.versus_where is not None else []),
    ]
    for name, where in wheres:
        problems += [
            (
                (*path, name, key),
                f"unknown key; {name} takes {', '.join(known)}{nearest(key, known)}",
            )
            for key in where
            if key not in known
        ]
    return problems


def _unmatched(
    path: KeyPath, claim: Claim, groups: list[dict[str, Any]]
) -> list[tuple[KeyPath, str]]:
    """Say why no group is one that the claim is about."""
    kind = METRICS[claim.metric].kind if claim.metric in METRICS else None
    about = [
        "classification" if group["ways"] else "regression"
        for group in groups
        if _matches(group, {**claim.where, "algorithm": claim.of})
    ]
    if kind is not None and about and kind not in about:
        return [((*path, "metric"), f"is for {kind}, and the claim is about {about[0]}")]
    algorithms = [claim.of, *_rivals(claim)]
    for name, where in [
        ("where", claim.where),
        ("versus_where", {**claim.where, **(claim.versus_where or {})}),
    ]:
        if not all(
            any(_matches(group, {**where, "algorithm": algorithm}) for group in groups)
            for algorithm in algorithms
        ):
            return [((*path, name), f"matches no group of {' and '.join(algorithms)}")]
    return []


def _rivals(claim: Claim) -> list[str]:
    """The algorithm that a claim is against, if it is against one."""
    return [claim.against] if isinstance(claim.against, str) else []


def _undecidable(path: KeyPath, claim: Claim, cells: Sequence[Cell]) -> list[tuple[KeyPath, str]]:
    """Say what in the claim keeps any outcome from deciding it."""
    if claim.against == claim.of:
        return [((*path, "against"), "is the algorithm that the claim is about")]
    if claim.bound.startswith("ratio") and _is_no_divisor(claim.against):
        return [((*path, "against"), "a ratio is to a number above 0; difference_above is to any")]
    if claim.published and claim.quantity.kind != "score":
        return [((*path, "published"), f"is of scores; nobody publishes {claim.metric}")]
    sides = {
        name: [cell for cell in cells if cell.labels["algorithm"] == name]
        for name in (claim.of, *_rivals(claim))
    }
    targets = {
        cell.target
        for members in sides.values()
        for cell in members
        if _matches(cell.group(), claim.where)
    }
    if claim.quantity.needs_target and targets == {None}:
        return [((*path, "metric"), "needs a target, and [validate] says none")]
    if claim.quantity in (TASKS_TO_TARGET, GRADIENTS_PER_TASK):
        for name, members in sides.items():
            if not any(_trains_on_tasks(cell) for cell in members):
                return [((*path, "metric"), f"is about training on tasks, and {name} has none")]
    if claim.after is not None:
        where = [claim.where, {**claim.where, **(claim.versus_where or {})}]
        met = [
            cell
            for members in sides.values()
            for cell in members
            if any(_matches(cell.group(), one) for one in where)
        ]
        return [((*path, "after"), why) for why in off_curve(met, claim.after)]
    return []


def _is_no_divisor(against: str | float | None) -> bool:
    return isinstance(against, int | float) and against <= 0


def _trains_on_tasks(cell: Cell) -> bool:
    method = get("methods", cell.fit.method.name)
    return bool(method.trains and "episodes" in method.wants)


def _matches(group: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a group has these coordinates; a list means any of these."""
    return all(
        canonical(group.get(key))
        in [canonical(choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
        for key, wanted in where.items()
    )
