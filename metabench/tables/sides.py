"""What a claim sets against what: groups of its algorithm, and their rivals on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metabench.claims import Claim
from metabench.published import Published, find
from metabench.tables.beside import is_as_in_papers, setting_of
from metabench.tables.cells import coordinate
from metabench.tables.comparisons import partner
from metabench.tables.streams import is_held
from metabench.tables.typed_rows import GroupRow

Side = GroupRow | float
"""What a claim sets against something: a group, or a number that holds for every seed."""


class NotJudgedError(Exception):
    """Why a claim cannot be held against the data of a setting."""


def pairs_of(
    claim: Claim, where: Mapping[str, Any], groups: Sequence[GroupRow]
) -> list[tuple[GroupRow, Side | None]]:
    """Return the groups of the claim's algorithm within `where`, each with its rival: a group on
    the same data, a number, or None for the published figure of its setting."""
    mine = _within(groups, where, claim.of)
    if not mine:
        raise NotJudgedError("no group of the suite is as it says")
    if claim.published:
        return [(group, None) for group in mine]
    if isinstance(claim.against, int | float):
        return [(group, float(claim.against)) for group in mine]
    others = _within(groups, where, str(claim.against))
    shared = [(group, [other for other in others if other.block == group.block]) for group in mine]
    pairs: list[tuple[GroupRow, Side | None]] = [
        (group, partner(group, rivals)) for group, rivals in shared if rivals
    ]
    if not pairs:
        raise NotJudgedError(f"{claim.of} and {claim.against} share no setting")
    return pairs


def reported(claim: Claim, group: GroupRow) -> float:
    """Return the published value for the setting of a group."""
    return figure_of(claim, group).value


def figure_of(claim: Claim, group: GroupRow) -> Published:
    """Return the published figure of exactly the setting of a group."""
    at = setting_of(group)
    shape = f"{at.ways}-way {at.shots}-shot" if at.ways else f"{at.shots} points"
    told = f"{at.method} on {at.dataset}, {shape}, {at.model}"
    known = find(at, claim.metric, group.transductive) if is_as_in_papers(group) else ()
    found = [one for one in known if one.certainty == known[0].certainty]
    if not found:
        raise NotJudgedError(f"no published figure is known of {told}")
    if found[0].certainty == "unverified":
        raise NotJudgedError(f"the published figure of {told} is unverified: {found[0]}")
    if len({one.value for one in found}) > 1:
        several = " and ".join(map(str, found))
        raise NotJudgedError(f"several figures are published of {told}: {several}")
    return found[0]


def counterpart(
    group: GroupRow, pairs: Sequence[tuple[GroupRow, Side | None]], versus: Mapping[str, Any]
) -> tuple[GroupRow, Side | None]:
    """Return the pair that a claim about a difference of differences sets against that of `group`:
    the one that agrees with it in most other coordinates."""
    shared = [key for key in group.place if key not in versus]
    alike = [
        key
        for key in ("dataset", "on", "model", *(key for key in shared if "." in key))
        if key not in versus
    ]
    pairs = [
        (base, rival)
        for base, rival in pairs
        if all(base.place.get(key) == group.place.get(key) for key in alike)
    ]
    if not pairs:
        raise NotJudgedError("versus_where matches no group on the same data and network")
    agreement = [
        sum(base.place.get(key) == group.place[key] for key in shared) for base, _ in pairs
    ]
    best = [pair for pair, agrees in zip(pairs, agreement, strict=True) if agrees == max(agreement)]
    if len(best) > 1:
        raise NotJudgedError("versus_where matches several groups alike")
    return best[0]


def _within(groups: Sequence[GroupRow], where: Mapping[str, Any], algorithm: str) -> list[GroupRow]:
    """The groups of an algorithm that have these coordinates; a list means any of these."""
    asked = {**where, "algorithm": algorithm}
    allowed = {
        key: [coordinate(choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
        for key, wanted in asked.items()
    }
    found = [
        group
        for group in groups
        if all(group.place.get(key) in choices for key, choices in allowed.items())
    ]
    if any(key.startswith("seeds.") for key in where):
        return found
    # a claim that says nothing of seeds is about whole trainings, where there are any
    return [group for group in found if not is_held(group.over)] or found
