"""Where the adaptation curves of a suite's cells are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metabench.cells import Cell
from metabench.errors import PluginError, some
from metabench.identity import canonical
from metabench.registry import blamed, make

MANY = 30
"""Points of a curve that a complaint names."""


def off_curve(cells: Iterable[Cell], steps: int) -> Iterator[str]:
    """Yield, for each adaptation curve of these cells, why it does not tell the gain after so many
    steps, if it does not: that, and the score before the first step, must be points of it."""
    curves = {
        (cell.labels["algorithm"], canonical((cell.fit.method.identity(), cell.evaluate.steps))): (
            cell
        )
        for cell in cells
    }
    told = {}
    for (algorithm, _), cell in curves.items():
        points = curve_of(cell)
        if points is not None and not {0, steps} <= {*points}:
            told[algorithm, points] = (
                f"needs the score after 0 and after {steps} {'step' if steps == 1 else 'steps'}, "
                f"and the adaptation curve of {algorithm} has {some(map(str, points), MANY)}"
            )
    yield from told.values()


def curve_of(cell: Cell) -> tuple[int, ...] | None:
    """Return the numbers of steps at which the adaptation curve of a cell is measured; None of a
    method that cannot be made, whose fits fail, and say why."""
    name, steps = cell.fit.method.name, cell.evaluate.steps
    try:
        with blamed("methods", name):
            method = make("methods", cell.fit.method)
            return tuple((method if steps is None else method.at_steps(steps)).curve)
    except PluginError:
        return None
