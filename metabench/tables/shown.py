"""The few test episodes that records keep for figures: what was given, what was asked, and what was
predicted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metabench.errors import RecordError
from metabench.tables.frames import Row, rows
from metabench.tables.run import Run

PARTS = ("support_x", "support_y", "query_x", "query_y", "prediction")
SEEDS = 3
"""Seeds among whose records such episodes are looked for."""
LARGEST = 128
"""Most pixels a side, and most classes, that a figure will take from a record."""
BYTES, EXAMPLES = 2**24, 10_000
"""Most bytes of an array, and most examples of an array of these, that a figure will take."""


@dataclass(frozen=True)
class Shown:
    """What one cell made of the episodes that a figure shows, as `evaluation.figures_of` keeps
    them.

    Attributes
    ----------
    group, seed
        Which cell.
    steps
        Numbers of adaptation steps after which there are predictions; `final` is the index of the
        one that counts.
    support_x, query_x
        ``[e, n, H, W, C]`` uint8 images, or ``[e, n, F]`` points.
    support_y, query_y
        ``[e, n]`` classes, or ``[e, n, 1]`` values.
    prediction
        ``[e, P, n]`` classes, or ``[e, P, n, 1]`` values.
    """

    group: str
    seed: int
    steps: tuple[int, ...]
    final: int
    support_x: NDArray[np.generic]
    support_y: NDArray[np.generic]
    query_x: NDArray[np.generic]
    query_y: NDArray[np.generic]
    prediction: NDArray[np.generic]

    @property
    def images(self) -> bool:
        """Whether these are classified images; otherwise they are points of curves."""
        return self.support_x.ndim == 5


def shown(run: Run, block: str) -> list[Shown]:
    """Return what the groups of a block made of the same episodes: of one seed, the first of those
    under which most of them have a completed cell.

    Empty where no record keeps such episodes. One that is damaged, or met other episodes than the
    first of the groups, is left out.
    """
    inside = rows(
        run.cells[(run.cells["block"] == block) & (run.cells["outcome"] == "completed")][
            ["cell", "group", "seed"]
        ]
    )
    counted = Counter(cell["seed"] for cell in inside)
    for seed in sorted(counted, key=lambda seed: (-counted[seed], seed))[:SEEDS]:
        found = [
            told
            for cell in inside
            if cell["seed"] == seed and (told := _read(run, cell)) is not None
        ]
        if found:
            return [
                one
                for one in found
                if one.images == found[0].images and np.array_equal(one.query_y, found[0].query_y)
            ]
    return []


def _read(run: Run, cell: Row) -> Shown | None:
    try:
        arrays = run.arrays(cell["cell"])
        if any(
            f"figures/{part}" not in arrays or arrays.bytes_of(f"figures/{part}") > BYTES
            for part in PARTS
        ):
            return None
        parts = {part: arrays[f"figures/{part}"] for part in PARTS}
        result = run.record(cell["cell"])["result"]
    except RecordError:
        return None
    adaptation = result.get("adaptation") or {}
    steps, scores = list(adaptation.get("steps") or [0]), list(adaptation.get("score") or [])
    told = Shown(
        cell["group"], cell["seed"], tuple(steps), _counting(steps, scores, result), **parts
    )
    return told if _whole(told) else None


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


def _whole(told: Shown) -> bool:
    """Whether the arrays fit one another, and are of a kind that there is a figure for."""
    support, query, answers = (
        told.support_x,
        told.query_x,
        (told.support_y, told.query_y, told.prediction),
    )
    if (
        max(math.prod(values.shape[:3]) for values in answers) > EXAMPLES
        or max(math.prod(x.shape[:2]) for x in (support, query)) > EXAMPLES
    ):
        return False
    if (
        support.ndim not in (3, 5)
        or query.ndim != support.ndim
        or not support.size
        or not query.size
        or support.shape[2:] != query.shape[2:]
    ):
        return False
    episodes, asked = query.shape[:2]
    shapes = [support.shape[:2], (episodes, asked), (episodes, len(told.steps), asked)]
    if not told.images:
        values = (support, query, *answers)
        finite = all(np.issubdtype(value.dtype, np.floating) for value in values) and all(
            np.isfinite(value).all() for value in values[:4]
        )
        return finite and [answer.shape for answer in answers] == [(*shape, 1) for shape in shapes]
    height, width, channels = support.shape[2:]
    if (
        support.dtype != np.uint8
        or query.dtype != np.uint8
        or max(height, width) > LARGEST
        or channels not in (1, 3)
    ):
        return False
    classes = all(
        np.issubdtype(label.dtype, np.integer) and label.min() >= 0 and label.max() < LARGEST
        for label in answers
        if label.size
    )
    return classes and [label.shape for label in answers] == shapes
