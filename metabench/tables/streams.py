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


def over_words(over: Sequence[str]) -> str:
    """Say in words what a spread over seeds is over: `initial weights and training data`. Other
    classes are met in other episodes, whatever seed these are held at."""
    brings = "split" in over and not {"data", "test"} <= {*over}
    split = "class split with its episodes" if brings else STREAMS["split"]
    return listed([split if name == "split" else STREAMS[name] for name in over])


def is_held(over: Sequence[str]) -> bool:
    """Whether streams do not follow the seed that do by default; a single seed shows nothing."""
    return bool(over) and not {*TOGETHER} <= {*over}


def trains_anew(over: Sequence[str]) -> bool:
    """Whether each seed is a training of its own, and not one training tested again."""
    return not over or {*over} != {"test"}


def held_words(over: Sequence[str]) -> list[str]:
    """Say of what a spread over seeds tells nothing, where streams do not follow the seed that do
    by default."""
    if not is_held(over):
        return []
    comes_anew = {*over, *(("data", "test") if "split" in over else ())}
    held = [STREAMS[name] for name in TOGETHER if name not in comes_anew]
    same = f": {listed(held)} are the same for every seed" if held else ""
    return [f"over {over_words(over)} alone{same}"]
