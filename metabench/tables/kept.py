"""The few test episodes that records keep for figures, read within bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metabench import registry
from metabench.errors import PluginError, RecordError
from metabench.figures import Array, Figure, Kept
from metabench.tables.run import Run
from metabench.tables.typed_rows import CellRow

if TYPE_CHECKING:
    from metabench.records.arrays import Arrays

SEEDS = 3
"""Seeds among whose records such episodes are looked for."""
BYTES = 2**24
"""Most bytes of an array that a figure will take."""
FOLDER = "figures"


@dataclass(frozen=True)
class Shown:
    """A figure of a block, and what its groups kept for it: of the same episodes, of one seed."""

    figure: Figure
    kept: Sequence[Kept]


def known_figures(broken: Callable[[PluginError], object]) -> list[Figure]:
    """Return the figures that are known here; `broken` takes why one cannot be made."""
    found = []
    for name in registry.names("figures"):
        try:
            found.append(registry.get("figures", name)())
        except PluginError as error:
            broken(error)
    return found


def shown(run: Run, block: str, figures: Sequence[Figure]) -> list[Shown]:
    """Return the figures of a block with what its groups made of the same episodes: of one seed,
    the first of those under which most of them have a completed cell.

    Empty where no record keeps such episodes. One that is damaged, or met other episodes than the
    first of the groups, is left out.
    """
    inside = [cell for cell in run.rows.cells if (cell.block, cell.outcome) == (block, "completed")]
    counted = Counter(cell.seed for cell in inside)
    for seed in sorted(counted, key=lambda seed: (-counted[seed], seed))[:SEEDS]:
        found: dict[str, Shown] = {}
        for cell in inside:
            if cell.seed != seed:
                continue
            for figure, kept in _read(run, cell, figures):
                together = found.setdefault(figure.name, Shown(figure, []))
                if not together.kept or figure.alike(together.kept[0], kept):
                    found[figure.name] = Shown(figure, [*together.kept, kept])
        if found:
            return list(found.values())
    return []


def _read(run: Run, cell: CellRow, figures: Sequence[Figure]) -> list[tuple[Figure, Kept]]:
    """What the record of a cell keeps for these figures."""
    try:
        arrays = run.arrays(cell.cell)
        result = run.record(cell.cell)["result"]
        known = [(figure, _parts(arrays, figure)) for figure in figures]
    except (RecordError, KeyError):
        return []
    adaptation = result.get("adaptation") or {}
    steps, scores = list(adaptation.get("steps") or [0]), list(adaptation.get("score") or [])
    final = _counting(steps, scores, result)
    found = [
        (figure, Kept(cell.group, cell.seed, tuple(steps), final, parts))
        for figure, parts in known
        if parts is not None
    ]
    return [(figure, kept) for figure, kept in found if _fits(figure, kept)]


def _fits(figure: Figure, kept: Kept) -> bool:
    """Whether it can be drawn; not by a figure that stumbles over it."""
    try:
        with registry.blamed("figures", figure.name):
            return figure.fits(kept)
    except PluginError:
        return False


def _parts(arrays: Arrays, figure: Figure) -> Mapping[str, Array] | None:
    """The arrays of a figure; None where one of them is not there, or too large."""
    own = f"{FOLDER}/{figure.name}"
    # records of before figures had names
    folder = own if any(name.startswith(f"{own}/") for name in arrays) else FOLDER
    names = {part: f"{folder}/{part}" for part in figure.parts}
    if any(name not in arrays or arrays.bytes_of(name) > BYTES for name in names.values()):
        return None
    return {part: arrays[name] for part, name in names.items()}


def _counting(steps: Sequence[int], scores: Sequence[float], result: Mapping[str, Any]) -> int:
    """Index of the number of steps that counts: the one that validation chose, or else the last
    whose score is that of the record."""
    chosen = (result.get("choice") or {}).get("step")
    if chosen in steps:
        return steps.index(chosen)
    return max(
        (at for at, score in enumerate(scores[: len(steps)]) if score == result["score"]),
        default=len(steps) - 1,
    )
