"""What a spread over seeds is over: which groups of random streams follow the seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metabench.tables.typed_rows import CellRow
from metabench.text import listed

STREAMS = {
    "init": "initial weights",
    "data": "training data",
    "test": "test episodes",
    "split": "class split",
}
"""Groups of random streams, each with what it makes."""

TOGETHER = ("init", "data", "test")
"""Those that follow the seed unless a suite says otherwise."""


def streams_over(cells: Iterable[CellRow]) -> tuple[str, ...]:
    """Return the groups of streams that are not the same in all of these cells."""
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        for name, seed in cell.streams.items():
            seeds.setdefault(name, set()).add(seed)
    return tuple(name for name in STREAMS if len(seeds.get(name, ())) > 1)


def over_words(over: Iterable[str]) -> str:
    """Say in words what a spread over seeds is over: `initial weights and training data`."""
    return listed([STREAMS[name] for name in over])


def held_words(over: Sequence[str]) -> list[str]:
    """Say of what a spread over seeds tells nothing, where streams do not follow the seed that do
    by default."""
    held = [name for name in TOGETHER if name not in over]
    if not held or not over:
        return []
    return [f"over {over_words(over)} alone: {over_words(held)} are the same for every seed"]
