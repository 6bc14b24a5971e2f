"""Claims: hypotheses that a suite fixes before there is any data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metabench.cells import Cell
from metabench.errors import nearest
from metabench.identity import canonical
from metabench.suite.document import Document, KeyPath
from metabench.suite.schema import ClaimTable

METRICS = (
    "score",
    "seconds_per_iteration",
    "seconds_per_task",
    "seconds_per_episode",
    "training_seconds",
    "wall_seconds",
    "peak_resident_bytes_training",
    "peak_gpu_allocated_bytes_training",
    "iterations_to_target",
    "gain_first_step",
)
"""The columns of the group table that a claim can be about. `gain_first_step` is the score after
one adaptation step less that before."""

BOUNDS = (
    "ratio_below",
    "ratio_above",
    "difference_above",
    "difference_below",
    "between",
    "equivalent_within",
)


@dataclass(frozen=True)
class Claim:
    """A hypothesis about the group table: `metric` of the algorithm `of`, against something, within
    a bound.

    Attributes
    ----------
    id, says, source
        A short name, the hypothesis in words, and where it comes from.
    metric
        One of `METRICS`.
    of
        The algorithm that the claim is about.
    against
        Another algorithm, or a number; None for the published figure (`published`).
    where
        Coordinates of the groups that it is about; without any it must hold in every group.
    versus_where
        The claim is that the difference where `where` holds, less that where `versus_where` holds
        too, is within the bound.
    bound, limits
        One of `BOUNDS`, and its number (for `between`: both).
    """

    id: str
    says: str
    source: str
    metric: str
    of: str
    against: str | float | None
    published: bool
    where: Mapping[str, Any]
    versus_where: Mapping[str, Any] | None
    bound: str
    limits: tuple[float, ...]


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
    if table.metric not in METRICS:
        raise document.error(
            (
                (*path, "metric"),
                f"expected one of {', '.join(METRICS)}{nearest(table.metric, METRICS)}",
            )
        )
    bound = bounds[0]
    limits = tuple(said[bound]) if bound == "between" else (said[bound],)
    if bound == "between" and not (len(limits) == 2 and limits[0] < limits[1]):
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
    )


def _about_nothing(
    path: KeyPath, claim: Claim, groups: list[dict[str, Any]]
) -> list[tuple[KeyPath, str]]:
    """Say what in the claim is not in the suite."""
    algorithms = sorted({group["algorithm"] for group in groups})
    rivals = [claim.against] if isinstance(claim.against, str) else []
    problems: list[tuple[KeyPath, str]] = []
    for key, name in [("of", claim.of), *(("against", rival) for rival in rivals)]:
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
    if problems:
        return problems
    for name, where in [
        ("where", claim.where),
        ("versus_where", {**claim.where, **(claim.versus_where or {})}),
    ]:
        if not all(
            any(_matches(group, {**where, "algorithm": algorithm}) for group in groups)
            for algorithm in [claim.of, *rivals]
        ):
            return [((*path, name), f"matches no group of {' and '.join([claim.of, *rivals])}")]
    return []


def _undecidable(path: KeyPath, claim: Claim, cells: Iterable[Cell]) -> list[tuple[KeyPath, str]]:
    """Say what in the claim keeps any outcome from deciding it."""
    if claim.against == claim.of:
        return [((*path, "against"), "is the algorithm that the claim is about")]
    targets = {
        cell.target for cell in cells if cell.labels["algorithm"] in (claim.of, claim.against)
    }
    if claim.metric == "iterations_to_target" and targets == {None}:
        return [((*path, "metric"), "needs a target, and [validate] says none")]
    return []


def _matches(group: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a group has these coordinates; a list means any of these."""
    return all(
        canonical(group.get(key))
        in [canonical(choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
        for key, wanted in where.items()
    )
