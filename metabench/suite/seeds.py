"""What one seed of a grid stands for: which random streams follow it, and which are held at one
seed in all cells of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metabench.cells import Cell
from metabench.suite.layers import Layer, merged
from metabench.suite.parsing import keys
from metabench.suite.schema import SeedsTable
from metabench.suite.value_types import EACH
from metabench.suite.written import Written

Held = Mapping[str, int]
"""Group of streams (`init`, `data`, `test`) -> the seed that it is held at."""


def held_seeds(written: Written, number: int, layers: Sequence[Layer], *, split_anew: bool) -> Held:
    """Return which groups of streams the layers of a point hold at one seed.

    Parameters
    ----------
    split_anew
        Whether each seed has a split of its own there.

    Raises
    ------
    ConfigError
        Nothing is left that several seeds could tell apart: they would be one number, many times.
    """
    said = merged(layers, "seeds")
    held = {key: seed for key, (seed, _) in said.items() if seed != EACH}
    all_held = held.keys() == keys(SeedsTable).keys() and not split_anew
    if all_held and len(written.seeds_of(number)) > 1:
        key, (_, layer) = list(said.items())[-1]
        why = (
            "with init, data and test all held at one seed, the seeds of the grid are one and the "
            'same cell; let one of them follow the seed, or say split_seed = "per_seed" of the '
            "dataset"
        )
        raise layer.document.error((layer.place("seeds", key), why))
    return held


def at_seed(cells: Sequence[Cell], seed: int, held: Held) -> list[Cell]:
    """Return cells that share a fit as one seed of the grid has them."""
    fit = cells[0].fit.at_seed(held.get("data", seed), held.get("init", seed))
    test = held.get("test", seed)
    test_seed = None if test == fit.seed else test
    index = None if seed == fit.seed else seed
    return [replace(cell, fit=fit, test_seed=test_seed, index=index) for cell in cells]
