"""JSON that a stranger may have written: read within bounds, and held to what tables can compute
with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from metabench.io.files import read_regular

LARGEST = 1e100
"""No number is larger: its square, and sums of thousands of such squares, are numbers still."""

INTEGERS = 2**63
DEPTH = 24
SIZE = 128 * 2**20
VALUES = 6_000_000
"""Bytes of a file, and values in it: a `cells.json` of 100,000 cells has less."""


def read_json(path: Path, size: int = SIZE) -> tuple[Any, bytes]:
    """Return what a JSON file says, and the bytes that say it.

    Raises
    ------
    OSError
        It cannot be read, is no regular file, or has more than `size` bytes.
    ValueError
        It is no JSON, or says what no file of a run can say; the message names the place.
    """
    content = read_regular(path, size)
    value = parse_json(content.decode())
    if problem := impossible(value):
        raise ValueError(problem[-200:])
    return value, content


def parse_json(text: str, *, finite: bool = True) -> Any:
    """Return what a JSON text says, as far as it has no more than so many values.

    Parameters
    ----------
    finite
        Refuse what Python writes for numbers that are none.

    Raises
    ------
    ValueError
        It is no JSON, or has too many values or too deep nesting.
    """
    if text.count(",") + text.count("[") + text.count("{") > VALUES:
        raise ValueError(f"it holds more than {VALUES:,} values")
    try:
        return json.loads(text, parse_constant=_no_number if finite else None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def impossible(value: Any, key: str = "", depth: int = 0) -> str:
    """Say what in a JSON value no file of a run holds, deep nesting and numbers that nothing can be
    computed with, or nothing."""
    if depth > DEPTH:
        return f"{key[:80]} is nested too deeply"
    if type(value) is dict:
        return _first(
            impossible(item, f"{key}.{name}" if key else name, depth + 1)
            for name, item in value.items()
        )
    if type(value) is not list:
        return f"{key} is beyond all bounds" if _beyond(value) else ""
    # most lists are long curves of numbers: these are looked at by functions in C
    kinds = {*map(type, value)}
    if dict in kinds or list in kinds:
        return _first(
            impossible(item, f"{key}[{place}]", depth + 1) for place, item in enumerate(value)
        )
    numbers = [item for item in value if item is not None] if type(None) in kinds else value
    if kinds <= {int, float, type(None)}:
        wrong = bool(numbers) and (
            _beyond(max(numbers))
            or _beyond(min(numbers))
            or (int in kinds and any(map(_beyond, numbers)))
        )
    else:
        wrong = any(map(_beyond, numbers))
    return f"{key} holds what is beyond all bounds" if wrong else ""


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: numbers of NumPy as Python's own, and null for what is no
    number that can be computed with."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not abs(value) <= LARGEST:
        return None
    return value


def _beyond(value: Any) -> bool:
    if type(value) is float:
        return not abs(value) <= LARGEST
    return type(value) is int and not -INTEGERS < value < INTEGERS


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _first(found: Iterable[str]) -> str:
    return next((problem for problem in found if problem), "")
