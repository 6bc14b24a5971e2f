"""The shapes of the JSON in a run folder. It may come from another machine, from a later version or
out of an editor: nothing is taken on trust.

A shape is a type, a tuple of types, or what a string must match; a list of one such tuple, or of
one table; or a table of shapes by key, where `"*"` stands for every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from metabench.text import CONTROL

NUMBER = (int, float)
NUMBERS = [(int, float, type(None))]
TEXT = re.compile(f"[^{CONTROL}]*")


def misshapen(value: Any, shape: Any, key: str = "") -> str:
    """Return the dotted key of the first thing that is not of its shape, or nothing. Null fits
    everywhere; keys without a shape are passed over."""
    if value is None:
        return ""
    if isinstance(shape, dict):
        if type(value) is not dict:
            return key or "all of it"
        shapes = dict.fromkeys(value, shape["*"]) if "*" in shape else shape
        return _first(
            misshapen(value.get(name), inner, f"{key}.{name}" if key else name)
            for name, inner in shapes.items()
        )
    if isinstance(shape, list):
        if type(value) is not list:
            return key
        if isinstance(shape[0], dict):
            return _first(
                key if item is None else misshapen(item, shape[0], f"{key}[{place}]")
                for place, item in enumerate(value)
            )
        return "" if {*map(type, value)} <= {*shape[0]} else key
    if isinstance(shape, re.Pattern):
        return "" if type(value) is str and shape.fullmatch(value) else key
    kinds = shape if isinstance(shape, tuple) else (shape,)
    return "" if type(value) in kinds else key


def absent(table: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return the first of these keys that a table lacks, or where null stands; or nothing."""
    return _first(key for key in keys if table.get(key) is None)


def _first(found: Iterable[str]) -> str:
    return next((key for key in found if key), "")
