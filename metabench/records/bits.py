"""Digests of what a cell came to, and of what it was tested on: where its record is gone, they tell
whether another cell came to the same, on the same episodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

EPISODES = ("result/support_ids", "result/query_ids", "result/classes")
"""Arrays that say which images a test met."""
TRUTH = "result/truth"
"""What tells the episodes of a test apart where no image has a number."""

DIGITS = 32
"""Hex digits of a digest that a line of the history has for every seed: 128 bits suffice against
chance, and nobody gains by two cells that look alike."""


def digest_of_result(result: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the `result` of a record."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def bits_of(result: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return a digest of all that a cell came to: of its `result`, of which this is the digest, and
    of every bit of the arrays named ``result/...``.

    Raises
    ------
    RecordError
        An array is damaged.
    """
    names = sorted(name for name in arrays if name.startswith("result/"))
    return _digest(result, arrays, names)


def episodes_of(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Return a digest of the episodes that a cell was tested on; None where no array tells them.

    Raises
    ------
    RecordError
        An array is damaged.
    """
    names = [name for name in EPISODES if name in arrays]
    names = names or [name for name in (TRUTH,) if name in arrays]
    return _digest("", arrays, names) if names else None


def _digest(before: str, arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> str:
    told = hashlib.sha256(before.encode())
    for name in names:
        array = arrays[name]
        told.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        told.update(array.tobytes())
    return told.hexdigest()[:DIGITS]
