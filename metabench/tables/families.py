"""Settings over which one number may be made: those in which the same entrants stand, scored by one
metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from metabench.quantities import SCORE
from metabench.tables.cells import on_different_data
from metabench.tables.comparisons import partner
from metabench.tables.spread import SPLIT
from metabench.tables.streams import is_held
from metabench.tables.typed_rows import VARIANT, CellRow, GroupRow, Metric, Scalar

FEWEST = 2
"""Settings, entrants and shared seeds, without which there is nothing over settings."""

DATA = ("dataset", "on", "ways", "shots")
"""Coordinates that make a setting, and so do settings of the dataset. What else is on an axis is a
recipe: a sweep of rates is no further setting."""

TESTS = ("query_shots", "episodes", "sampling")
"""Coordinates of a test: the same data met in another number of episodes is no further setting."""

Name = tuple[str, tuple[tuple[str, Scalar], ...]]
Place = Mapping[str, Scalar]


@dataclass(frozen=True)
class Entrant:
    """What is compared over settings: an algorithm, and in which model, batch norm and steps where
    a setting has several groups of it.

    Attributes
    ----------
    variant
        The latter by coordinate.
    groups
        ``[settings]``.
    cells
        ``[settings]``, those of each group.
    """

    algorithm: str
    variant: Place
    groups: Sequence[GroupRow]
    cells: Sequence[Sequence[CellRow]]

    @property
    def is_reference(self) -> bool:
        """Whether it is of the algorithm that the others are set against."""
        return self.groups[0].is_reference

    @property
    def privileged(self) -> bool:
        """Whether the inputs of its algorithm say what defines a task."""
        return self.groups[0].privileged

    @property
    def did_not_complete(self) -> int:
        """How many of its cells did not, missing ones among them."""
        return sum(cell.outcome != "completed" for inside in self.cells for cell in inside)

    def scores(self, seeds: Sequence[int]) -> list[list[float]]:
        """Scores ``[seeds][settings]`` of one that completed."""
        by_seed = [{cell.seed: cell[SCORE] or 0.0 for cell in inside} for inside in self.cells]
        return [[setting[seed] for setting in by_seed] for seed in seeds]


@dataclass(frozen=True)
class Family:
    """Settings with the same entrants.

    Attributes
    ----------
    metric
        Of the first setting; the others may differ in chance.
    settings
        The coordinates of each.
    recipe
        The values on axes that make no setting, which all share.
    """

    metric: Metric
    settings: Sequence[Place]
    recipe: Place
    entrants: Sequence[Entrant]

    @cached_property
    def seeds(self) -> Sequence[int]:
        """The seeds that all groups have, by what was declared."""
        every = [{cell.seed for cell in one} for who in self.entrants for one in who.cells]
        return sorted(set.intersection(*every))

    @cached_property
    def chances(self) -> Sequence[float | None]:
        """What a guess would score in each setting."""
        return [group.metric.chance for group in self.entrants[0].groups]

    @cached_property
    def strata(self) -> Sequence[int]:
        """For each setting a number that those have too which share trainings with it."""
        fits = [
            frozenset(cell.fit for who in self.entrants for cell in who.cells[at])
            for at in range(len(self.settings))
        ]
        return _joined(fits)

    @cached_property
    def sources(self) -> Sequence[int]:
        """For each setting a number that those have too which share a data set with it."""
        return _joined([_data_sets(place) for place in self.settings])

    def reference_of(self, who: Entrant) -> Entrant | None:
        """Return the entrant of the reference that agrees best with another one; None for itself,
        and where the reference stands not in all of these settings."""
        known = {one.groups[0].group: one for one in self.entrants if one.is_reference}
        if who.is_reference or not known:
            return None
        return known[partner(who.groups[0], [one.groups[0] for one in known.values()]).group]


def families_of(cells: Iterable[CellRow], groups: Sequence[GroupRow]) -> list[Family]:
    """Return the families of a run that have at least `FEWEST` settings, entrants and shared seeds.

    Settings whose seeds do not change all that they do by default are left out, and those that were
    made on data of different content. Who enters is decided by what was declared, not by what
    completed.
    """
    of_group: dict[str, list[CellRow]] = {}
    for cell in cells:
        of_group.setdefault(cell.group, []).append(cell)
    alike: dict[object, dict[str, list[GroupRow]]] = {}
    for group in groups:
        if not is_held(group.over):
            which = (_kind(group.metric), *_recipe(group.place).items())
            alike.setdefault(which, {}).setdefault(group.block, []).append(group)
    found = []
    for blocks in alike.values():
        for inside in _each_data_once(list(blocks.values())):
            family = _family(inside, of_group)
            if family and len(family.seeds) >= FEWEST:
                found.append(family)
    return found


def _family(
    blocks: Sequence[Sequence[GroupRow]], cells: Mapping[str, Sequence[CellRow]]
) -> Family | None:
    rivals = [block for block in blocks if len({group.algorithm for group in block}) >= FEWEST]
    met = [[cell for group in block for cell in cells[group.group]] for block in rivals]
    rivals = [
        block
        for block, inside in zip(rivals, met, strict=True)
        if not on_different_data(cell for cell in inside if cell[SCORE] is not None)
    ]
    apart = _apart(rivals)
    named = [{_name(group, apart[group.algorithm]): group for group in block} for block in rivals]
    shared = [name for name in named[0] if all(name in one for one in named)] if named else []
    if len(rivals) < FEWEST or len(shared) < FEWEST:
        return None
    entrants = [
        Entrant(
            name[0],
            dict(name[1]),
            [one[name] for one in named],
            [cells[one[name].group] for one in named],
        )
        for name in shared
    ]
    first = rivals[0][0]
    settings = [block[0].place for block in rivals]
    return Family(first.metric, settings, _recipe(first.place), entrants)


def _each_data_once(blocks: Sequence[list[GroupRow]]) -> list[list[list[GroupRow]]]:
    """Put settings that meet the same data in other tests into families of their own."""
    places = [block[0].place for block in blocks]
    if len({tuple(_setting(place).items()) for place in places}) == len(blocks):
        return [list(blocks)]
    apart: dict[object, list[list[GroupRow]]] = {}
    for place, block in zip(places, blocks, strict=True):
        apart.setdefault(tuple(str(place.get(key)) for key in TESTS), []).append(block)
    return list(apart.values())


def _apart(blocks: Iterable[Sequence[GroupRow]]) -> dict[str, list[str]]:
    """For each algorithm the coordinates in which a setting has several groups of it."""
    apart: dict[str, list[str]] = {}
    for block in blocks:
        for group in block:
            twins = [other.place for other in block if other.algorithm == group.algorithm]
            known = apart.setdefault(group.algorithm, [])
            known += [
                key
                for key in VARIANT
                if key not in known and len({str(place.get(key)) for place in twins}) > 1
            ]
    return apart


def _name(group: GroupRow, apart: Iterable[str]) -> Name:
    return group.algorithm, tuple((key, group.place.get(key)) for key in apart)


def _kind(metric: Metric) -> tuple[str, str, bool]:
    return metric.name, metric.unit, metric.higher_is_better


def _setting(place: Place) -> Place:
    return {key: place[key] for key in place if key in DATA or _is_of_dataset(key)}


def _recipe(place: Place) -> Place:
    return {
        key: value
        for key, value in place.items()
        if "." in key
        and value is not None
        and not _is_of_dataset(key)
        and not key.startswith("evaluate.")
    }


def _is_of_dataset(key: str) -> bool:
    return key.startswith("dataset.") and key != SPLIT


def _data_sets(place: Place) -> frozenset[str]:
    on = place.get("on")
    return frozenset(str(name) for name in (place["dataset"], on) if name not in (None, "same"))


def _joined(parts: Sequence[frozenset[str]]) -> list[int]:
    """Number sets so that those which share a member, at first or second hand, have one number."""
    numbers = list(range(len(parts)))
    for at, one in enumerate(parts):
        for other in range(at):
            if one & parts[other]:
                old, new = numbers[at], numbers[other]
                numbers = [new if number == old else number for number in numbers]
    order = list(dict.fromkeys(numbers))
    return [order.index(number) for number in numbers]
