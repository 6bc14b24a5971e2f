"""A cell that was run again, held against its record: to the bit, or under other conditions within
what the test episodes that both met can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from metabench import stats
from metabench.records import FINISHED

Verdict = Literal["equal", "within", "differs", "failed"]
VERDICTS: Mapping[Verdict, str] = {
    "equal": "equal to the bit",
    "within": "within what its test episodes can tell",
    "differs": "differs",
    "failed": "failed",
}
"""Each verdict, in words."""

SCORES = "result/scores"
"""The scores of a test, an episode each."""
CONFIDENCE = 0.99
"""Of the interval of their differences: of a hundred cells that are as good as they were, one is
said to differ."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """What came of one cell.

    Attributes
    ----------
    verdict
        `equal` to the bit; `within` what the test episodes can tell, which is enough where
        conditions have changed; `differs`; or `failed`, where running it again gave no result.
    differences
        What was not as it is now when the record was made; nothing where every bit should be the
        same.
    detail
        The first thing that is not the same, or why it failed; empty where all is equal.
    then, now
        The score in the record, and that of now.
    interval
        Of now less then, over the episodes that both met; None where they are equal throughout, or
        where there is nothing to tell it from.
    """

    verdict: Verdict
    differences: tuple[str, ...]
    detail: str
    then: float | None
    now: float | None
    interval: stats.Interval | None = None

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
    interval = _paired_interval(arrays, again_arrays)
    near = differing and then["outcome"] == now["outcome"]
    near = near and (_holds_zero(interval) if interval else bool(then["score"] == now["score"]))
    verdict: Verdict = "within" if near else "differs"
    return Agreement(verdict, differing, found, then["score"], now["score"], interval)


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


def _paired_interval(then: Arrays, now: Arrays) -> stats.Interval | None:
    """Student's t interval of the difference, now less then, episode by episode: both met the same
    ones, so that what makes one harder than another drops out."""
    if SCORES not in then or SCORES not in now:
        return None
    one, other = np.asarray(then[SCORES], np.float64), np.asarray(now[SCORES], np.float64)
    differences = other - one if one.shape == other.shape else np.zeros(0)
    if not differences.size or not np.isfinite(differences).all():
        return None
    size = float(max(np.abs(one).max(), np.abs(other).max()))
    found = stats.t_interval(differences.tolist(), confidence=CONFIDENCE, scale=size)
    return found.interval


def _holds_zero(interval: stats.Interval) -> bool:
    return interval[0] <= 0 <= interval[1]


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
