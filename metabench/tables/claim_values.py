"""The numbers that a claim is held against: of the seeds that all sides have, or of the rounds in
which they were timed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metabench.errors import some
from metabench.quantities import ITERATIONS_TO_TARGET, SCORE, Quantity
from metabench.tables.cells import (
    DIFFERENT_DATA,
    machines_of,
    on_different_data,
    unlike_costs,
    unlike_pairs,
)
from metabench.tables.sides import NotJudgedError
from metabench.tables.timed import Alone
from metabench.tables.typed_rows import CellRow, GroupRow

Members = Mapping[str, Mapping[int, CellRow]]
"""Cells by group and seed."""


@dataclass(frozen=True)
class Measured:
    """Values of each group, ``[n]`` in one order, what there is one of each, and what to know."""

    values: Mapping[str, list[float]]
    over: str
    caveats: Sequence[str]

    @property
    def number(self) -> int:
        """How many there are of each group."""
        return len(next(iter(self.values.values())))


def measured(
    sides: Sequence[GroupRow], quantity: Quantity, members: Members, alone: Alone | None
) -> Measured:
    """Return what these sides of a claim have of a quantity.

    Raises
    ------
    NotJudgedError
        It cannot be held against them.
    """
    if quantity.needs_target:
        _refuse_censored(sides)
    names = [side.group for side in sides]
    if alone and (timed := alone.samples(sides, quantity)):
        told = [alone.told, *_lost(sides, quantity)]
        return Measured(dict(zip(names, timed, strict=True)), "round", told)
    values = {name: _values(members[name], quantity) for name in names}
    seeds = sorted(set.intersection(*(set(known) for known in values.values())))
    if not seeds:
        raise NotJudgedError("no seed has a value on every side")
    met = [[members[name][seed] for name in names] for seed in seeds]
    _refuse_different(sides, met, quantity)
    found = {name: [known[seed] for seed in seeds] for name, known in values.items()}
    return Measured(found, "seed", _caveats(sides, met, quantity))


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
    caveats += _lost(sides, quantity)
    if differing := unlike_pairs(met):
        caveats.append(f"made under unlike conditions: {some(differing)}")
    machines = machines_of(cell for cells in met for cell in cells)
    if quantity.is_cost and len(machines) > 1:
        caveats.append(
            f"over {len(machines)} machines or ways of using them, each seed on one of them"
        )
    return caveats


def _lost(sides: Sequence[GroupRow], quantity: Quantity) -> list[str]:
    """What became of seeds that have no such number."""
    caveats = []
    for side in sides:
        if side.diverged:
            at_chance = quantity is SCORE and side.scored > side.completed
            how = "counted at chance" if at_chance else "left out"
            caveats.append(f"{side.algorithm}: {side.diverged} diverged, {how}")
        if lost := side.lost(quantity):
            caveats.append(
                f"{side.algorithm} lost {lost} of {side.seeds} seeds: what is left is a selection"
            )
    return caveats
