"""Which groups of two runs stand for the same thing, and which pairs of cells may be compared.

Groups are joined by their coordinates, cells by their seeds. Where a difference of scores would
speak of other data, another metric or other test episodes, and not of the code, the group is
refused, with the reason.

An entry of the history tells no recipe. The ids of two cells do: they are one where recipe, data
set, seeds and test episodes are configured alike. So a group of an entry is compared where all ids
of its pairs are one, and otherwise refused: what differs may be the test itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabench.compare.sides import Side, SideCell, SideGroup
from metabench.errors import RecordError, some
from metabench.identity import canonical
from metabench.records.bits import EPISODES, TRUTH
from metabench.tables.frames import first_seen
from metabench.tables.streams import held_words, is_held, over_words
from metabench.tables.typed_rows import Metric, Scalar

SEEDS = ("seed", "root_seed", "init_seed")
SPLIT = "split_seed"
"""Keys of a recipe that differ between the seeds of one group."""

LABELS = ("algorithm", "model", "dataset", "on", "ways", "shots")
"""Coordinates, beside the axes, that say what a group is about; the others are how it is tested."""


@dataclass(frozen=True)
class Joined:
    """A group that both runs have.

    Attributes
    ----------
    key
        Digest of its coordinates.
    place, metric
        Its coordinates, and what its score is.
    baseline, head
        The group on either side.
    pairs
        Baseline's cell and head's: of the same seed, or, where the runs share no test episodes, in
        the order of their seeds.
    paired
        Whether the cells of a pair met the same test episodes.
    notes
        What differs and refuses nothing.
    """

    key: str
    place: Mapping[str, Scalar]
    metric: Metric
    baseline: SideGroup
    head: SideGroup
    pairs: Sequence[tuple[SideCell, SideCell]]
    paired: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A group of the baseline that is not compared, and why."""

    key: str
    place: Mapping[str, Scalar]
    metric: Metric
    why: str


def join(baseline: Side, head: Side) -> tuple[list[Joined | Refused], list[SideGroup]]:
    """Return the groups of the baseline, in its order, each joined with its partner in head or
    refused; and the groups that head alone has."""
    unmatched = {key: group for key, group in head.groups.items() if key not in baseline.groups}
    other_root = None not in (baseline.root_seed, head.root_seed) and (
        baseline.root_seed != head.root_seed
    )
    found: list[Joined | Refused] = []
    for key, group in baseline.groups.items():
        if key in head.groups:
            found.append(_joined(key, group, head.groups[key], other_root=other_root))
            continue
        near = [other for other, there in unmatched.items() if _subject(there) == _subject(group)]
        alone = [
            one
            for one, there in baseline.groups.items()
            if one not in head.groups and _subject(there) == _subject(group)
        ]
        if len(near) == len(alone) == 1:
            other = unmatched.pop(near[0])
            why = f"is tested otherwise: {some(differing(group.place, other.place))}"
        else:
            why = "head's suite has no such group"
        found.append(Refused(key, group.place, group.metric, why))
    return found, list(unmatched.values())


def differing(one: Mapping[str, Any], other: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield what two tables say differently at the keys that both have, `train.iterations: 100 in
    the baseline, 50 in head`. A key that one of them lacks is an option of a later version."""
    for key in (key for key in one if key in other):
        then, now = one[key], other[key]
        if isinstance(then, Mapping) and isinstance(now, Mapping):
            yield from differing(then, now, f"{above}{key}.")
        elif canonical(then) != canonical(now):
            yield f"{above}{key}: {_told(then)} in the baseline, {_told(now)} in head"


def _joined(
    key: str, baseline: SideGroup, head: SideGroup, *, other_root: bool
) -> Joined | Refused:
    shared = [seed for seed in sorted(baseline.cells) if seed in head.cells]
    paired = bool(shared) and not other_root
    pairs = (
        [(baseline.cells[seed], head.cells[seed]) for seed in shared]
        if shared
        else list(zip(_in_order(baseline), _in_order(head), strict=False))
    )
    try:
        why = _unreadable(pairs)
        why = (
            why
            or _held_otherwise(baseline, head, pairs if paired else ())
            or _refusal(baseline, head, pairs if paired else ())
            or _unknown(baseline, head, pairs, paired=paired)
        )
    except RecordError as damage:
        why = str(damage)
    if why:
        return Refused(key, baseline.place, baseline.metric, why)
    notes = [
        *_recipes(pairs),
        *held_words(baseline.over),
        *_unchecked(baseline, head, pairs),
        *_left_out(baseline, head, shared),
    ]
    if not paired:
        reason = "other root seeds" if other_root else "no seed in common"
        notes.append(
            f"the runs have {reason}, so they met other test episodes: pairs are of unrelated "
            "cells, and what is found is less sharp"
        )
    return Joined(key, baseline.place, baseline.metric, baseline, head, pairs, paired, tuple(notes))


def _subject(group: SideGroup) -> dict[str, Scalar]:
    return {key: group.place[key] for key in group.place if key in LABELS or "." in key}


def _refusal(
    baseline: SideGroup, head: SideGroup, pairs: Sequence[tuple[SideCell, SideCell]]
) -> str:
    """Why two groups are not compared, or nothing."""
    mine, theirs = baseline.metric, head.metric
    if (mine.name, mine.unit, mine.higher_is_better) != (
        theirs.name,
        theirs.unit,
        theirs.higher_is_better,
    ):
        return f"is scored by {mine.name} in the baseline, by {theirs.name} in head"
    if None not in (baseline.data, head.data) and baseline.data != head.data:
        return "was made on other data: the digests of its content differ"
    then, now = (_datasets(side) for side in (baseline, head))
    if other := list(differing(then, now)):
        return f"was made on other data: {some(other)}"
    for one, again in pairs:
        if one.completed and again.completed and _met_others(one, again):
            return (
                f"was tested on other episodes, seed {one.row.seed}, although root seed and seed "
                "are the same"
            )
    return ""


def _unreadable(pairs: Sequence[tuple[SideCell, SideCell]]) -> str:
    """That what a side may well have cannot be read here, or nothing."""
    told = [cell.unreadable for pair in pairs for cell in pair if cell.unreadable]
    return f"cannot be read: {some(told)}" if told else ""


def _held_otherwise(
    baseline: SideGroup, head: SideGroup, pairs: Sequence[tuple[SideCell, SideCell]]
) -> str:
    """Why seeds of two groups do not stand for the same, or nothing."""
    for then, now in pairs:
        if other := list(differing(then.row.streams, now.row.streams, "seeds.")):
            return f"holds other streams at one seed; seed {then.row.seed}: {some(other)}"
    if baseline.over and head.over and is_held(baseline.over) != is_held(head.over):
        told = (over_words(side.over) for side in (baseline, head))
        return "is over seeds of {} in the baseline, of {} in head".format(*told)
    return ""


def _datasets(side: SideGroup) -> dict[str, Any]:
    """What the cells of a group were trained and tested on, as their records tell: but for the seed
    of the split where each has its own."""
    told: list[dict[str, Any]] = []
    for cell in side.completed.values():
        if cell.kept is None:
            fit, evaluate = cell.config.get("fit") or {}, cell.config.get("evaluate") or {}
            told.append({"dataset": fit.get("dataset"), "on": evaluate.get("on")})
    if any(one != told[0] for one in told):
        return {key: _without_split(part) for key, part in told[0].items()}
    return told[0] if told else {}


def _without_split(part: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = {k: v for k, v in ((part or {}).get("settings") or {}).items() if k != SPLIT}
    return {**(part or {}), "settings": settings}


def _met_others(then: SideCell, now: SideCell) -> bool:
    """Whether two cells met other test episodes."""
    if then.kept is not None or now.kept is not None:
        told = (then.episodes(), now.episodes())
        return None not in told and told[0] != told[1]
    if then.result == now.result and then.digest_of_arrays() == now.digest_of_arrays():
        return False
    one, other = then.arrays(), now.arrays()
    names = [name for name in EPISODES if name in one and name in other]
    for name in names or [name for name in (TRUTH,) if name in one and name in other]:
        if not np.array_equal(one[name], other[name]):
            return True
    return False


def _unknown(
    baseline: SideGroup,
    head: SideGroup,
    pairs: Sequence[tuple[SideCell, SideCell]],
    *,
    paired: bool,
) -> str:
    """Why what the history does not tell keeps two groups from being compared, or nothing."""
    if baseline.kept is None and head.kept is None:
        return ""
    if not paired:
        return (
            "has no test episodes in common with an entry of the history, which does not tell "
            "whether recipe and data are the same: compare two run folders"
        )
    others = [str(then.row.seed) for then, now in pairs if then.row.cell != now.row.cell]
    if others:
        return (
            f"has another recipe or is tested otherwise, seeds {some(others)}: the ids of the "
            "cells differ, and an entry of the history does not tell in what. Two run folders do"
        )
    return ""


def _unchecked(
    baseline: SideGroup, head: SideGroup, pairs: Sequence[tuple[SideCell, SideCell]]
) -> list[str]:
    """What an entry of the history, made before it was kept there, leaves open."""
    told = [side.data for side in (baseline, head) if side.kept is not None and side.completed]
    told += [cell.kept.bits for pair in pairs for cell in pair if cell.kept is not None]
    if all(told):
        return []
    return [
        "whether the content of data and test episodes was the same is not known: the entry of the "
        "history does not tell"
    ]


def _recipes(pairs: Sequence[tuple[SideCell, SideCell]]) -> list[str]:
    """How the recipes differ, where they do: a change of the suite, and not of the code."""
    told = first_seen(
        line for then, now in pairs for line in differing(_recipe(then.config), _recipe(now.config))
    )
    return [f"the recipe differs: {some(told)}"] if told else []


def _recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    fit, evaluate = _without_seeds(config.get("fit") or {}), config.get("evaluate") or {}
    return {**fit, "evaluate": evaluate}


def _without_seeds(fit: Mapping[str, Any]) -> dict[str, Any]:
    needs = fit.get("needs") or {}
    return {
        **{key: value for key, value in fit.items() if key not in SEEDS},
        "dataset": _without_split(fit.get("dataset")),
        "needs": {role: _without_seeds(need) for role, need in needs.items()},
    }


def _left_out(baseline: SideGroup, head: SideGroup, shared: Sequence[int]) -> list[str]:
    if not shared:
        return []
    alone = {
        side: [seed for seed in group.cells if seed not in shared]
        for side, group in (("the baseline", baseline), ("head", head))
    }
    lost = [
        seed
        for seed in shared
        if not (baseline.cells[seed].completed or head.cells[seed].completed)
    ]
    return [
        *(
            f"seeds that {side} alone has are left out: {some(map(str, sorted(seeds)))}"
            for side, seeds in alone.items()
            if seeds
        ),
        *([f"seeds without a result on either side: {some(map(str, lost))}"] if lost else []),
    ]


def _in_order(group: SideGroup) -> Iterable[SideCell]:
    return [group.cells[seed] for seed in sorted(group.cells)]


def _told(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
