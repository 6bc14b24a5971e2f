"""A cell that was run again, held against its record: to the bit, or within what it was not sure of
anyway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from metabench.records import FINISHED

Verdict = Literal["equal", "within", "differs", "failed"]
VERDICTS: Mapping[Verdict, str] = {
    "equal": "equal to the bit",
    "within": "within its interval over episodes",
    "differs": "differs",
    "failed": "failed",
}
"""Each verdict, in words."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """What came of one cell.

    Attributes
    ----------
    verdict
        `equal` to the bit; `within` the record's interval over episodes, which is enough where
        conditions have changed; `differs`; or `failed`, where running it again gave no result.
    differences
        What was not as it is now when the record was made; nothing where every bit should be the
        same.
    detail
        The first thing that is not the same, or why it failed; empty where all is equal.
    then, now
        The score in the record, and that of now.
    """

    verdict: Verdict
    differences: tuple[str, ...]
    detail: str
    then: float | None
    now: float | None

    @property
    def difference(self) -> float | None:
        """How far apart the scores are; None where one of them is missing."""
        return None if self.then is None or self.now is None else abs(self.now - self.then)


def agreement(
    record: Mapping[str, Any],
    arrays: Arrays,
    again: Mapping[str, Any] | None,
    again_arrays: Arrays,
    differences: Sequence[str],
) -> Agreement:
    """Hold what a cell came to against its record.

    Parameters
    ----------
    record, arrays
        As they were found.
    again, again_arrays
        Of now; None where there is no record.
    differences
        Of the conditions (see `Agreement`).

    Raises
    ------
    RecordError
        An array is damaged.
    """
    then, differing = record["result"], tuple(differences)
    now: Mapping[str, Any] = again["result"] if again is not None else {"outcome": "missing"}
    if now["outcome"] not in FINISHED:
        error = now.get("error") or {}
        detail = (
            f"{now['outcome']}: {error.get('type')}: {error.get('message')}"
            if error
            else str(now["outcome"])
        )
        return Agreement("failed", differing, detail.partition("\n")[0], then["score"], None)
    found = first_difference(then, now, "result") or first_difference_of_arrays(
        arrays, again_arrays
    )
    if not found:
        return Agreement("equal", differing, "", then["score"], now["score"])
    near = differing and then["outcome"] == now["outcome"] and _is_near(then, now["score"])
    return Agreement("within" if near else "differs", differing, found, then["score"], now["score"])


def first_difference(then: Any, now: Any, name: str) -> str:
    """Name the first place at which two JSON values differ, and what stands there; an empty string
    where every digit is the same."""
    if isinstance(then, dict) and isinstance(now, dict):
        places: list[tuple[str, Any, Any]] = [
            (f".{key}", then.get(key, _NOTHING), now.get(key, _NOTHING)) for key in {**then, **now}
        ]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        places = [
            (f"[{place}]", one, other)
            for place, (one, other) in enumerate(zip(then, now, strict=True))
        ]
    else:
        return (
            ""
            if _written(then) == _written(now)
            else f"{name}: {_written(then)} then, {_written(now)} now"
        )
    return next(
        (
            found
            for place, one, other in places
            if (found := first_difference(one, other, name + place))
        ),
        "",
    )


def first_difference_of_arrays(then: Arrays, now: Arrays) -> str:
    """The same for arrays named ``result/...``: types, shapes, and every bit."""
    for name in sorted(name for name in {*then, *now} if name.startswith("result/")):
        if name not in then or name not in now:
            return (
                f"{name}: {'no such array' if name not in then else 'there'} then, "
                f"{'no such array' if name not in now else 'there'} now"
            )
        one, other = np.ascontiguousarray(then[name]), np.ascontiguousarray(now[name])
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return (
                f"{name}: {one.dtype} {list(one.shape)} then, {other.dtype} {list(other.shape)} now"
            )
        differing = (_bytes(one) != _bytes(other)).any(1)
        if differing.any():
            place = tuple(int(i) for i in np.unravel_index(differing.argmax(), one.shape))
            return f"{name}{list(place)}: {one[place]!s} then, {other[place]!s} now"
    return ""


_NOTHING = object()
"""What stands at a key that is not there."""


def _is_near(then: Mapping[str, Any], score: float | None) -> bool:
    """Whether a score lies in the interval over episodes of a result; where it has none, whether
    the score is the same."""
    if then["interval"] is None or score is None:
        return bool(then["score"] == score)
    low, high = then["interval"]
    return bool(low <= score <= high)


def _written(value: Any) -> str:
    """A value as JSON has it, where 0.0 and -0.0, 1 and 1.0 are not the same; long ones cut."""
    if value is _NOTHING:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a table" if isinstance(value, dict) else json.dumps(value)


def _bytes(array: np.ndarray) -> np.ndarray:
    """Bytes of every element, ``[n, bytes]``."""
    return array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize)
