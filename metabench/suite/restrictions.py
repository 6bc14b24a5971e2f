"""What a run is restricted to: `--seeds` and `--only`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from metabench.cells import Cell
from metabench.errors import ConfigError, nearest, some
from metabench.suite.finding import MANY
from metabench.suite.value_types import MAX_SEEDS
from metabench.text import one_line

_SEEDS = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that `0-4` or `0,2,7` names.

    Raises
    ------
    ConfigError
        It names none.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < first + MAX_SEEDS:
            raise ConfigError(
                f"seeds {one_line(text) or repr(text)}: expected seeds such as 0-4 or 0,2,7"
            )
        seeds += range(first, last + 1)
    return sorted(set(seeds))


def refuse_malformed(only: Sequence[str]) -> None:
    """Refuse what is no KEY=VALUE, whatever suite it is for.

    Raises
    ------
    ConfigError
        Naming the first.
    """
    for pattern in only:
        key, equals, wanted = pattern.partition("=")
        if not key or not equals or not all(wanted.split(",")):
            raise ConfigError(
                f"only {one_line(pattern) or repr(pattern)}: expected KEY=VALUE[,VALUE], such as "
                "algorithm=maml,fomaml"
            )


def selected_ids(
    cells: Sequence[Cell], seeds: Sequence[int] | None, only: Sequence[str]
) -> frozenset[str]:
    """Return the ids of the cells that the restrictions leave."""
    there = sorted({cell.seed for cell in cells})
    if seeds is not None and (strange := sorted(set(seeds) - set(there))):
        raise ConfigError(
            f"seeds: the suite has no seed {some(map(str, strange), MANY)}; it has "
            f"{some(map(str, there), MANY)}"
        )
    selected = [cell for cell in cells if seeds is None or cell.seed in seeds]
    for pattern in only:
        key, equals, wanted = pattern.partition("=")
        choices = {str(_coordinates(cell).get(key)) for cell in cells} - {"None"}
        if not equals or not choices:
            known = sorted({name for cell in cells for name in _coordinates(cell)})
            raise ConfigError(
                f"only {one_line(pattern)}: expected KEY=VALUE[,VALUE] with a key of "
                f"{', '.join(known)}{nearest(key, known)}"
            )
        for value in wanted.split(","):
            if value not in choices:
                there_are = f"there are {some(sorted(choices), MANY)}{nearest(value, choices)}"
                raise ConfigError(
                    f"only {one_line(pattern)}: no cell has {key}={one_line(value)}; {there_are}"
                )
        selected = [
            cell for cell in selected if str(_coordinates(cell).get(key)) in wanted.split(",")
        ]
    if not selected:
        raise ConfigError(f"only {one_line(' '.join(only))}: no cell has all of this")
    return frozenset(cell.id for cell in selected)


def _coordinates(cell: Cell) -> Mapping[str, Any]:
    return {
        **cell.labels,
        "method": cell.fit.method.name,
        "ways": cell.evaluate.ways,
        "shots": cell.evaluate.shots,
    }
