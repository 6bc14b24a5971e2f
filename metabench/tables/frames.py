"""Between lists of plain rows, in which all arithmetic happens, and the data frames that users meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pandas as pd

from metabench.text import UNPRINTABLE

Row = dict[str, Any]


def frame(table: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame that has `columns` even when there are no rows.

    Whole numbers stay whole where some are missing (`Int64`), truth values likewise (`boolean`), and other numbers are `float64`.
    """
    return pd.DataFrame({column: _series([row.get(column) for row in table]) for column in columns}, columns=list(columns))


def rows(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a data frame as dictionaries, with None for whatever is missing."""
    return cast("list[Row]", table.astype(object).where(table.notna(), None).to_dict("records"))


def first_seen(keys: Iterable[str]) -> list[str]:
    """Return each key once, in order of first appearance."""
    return list(dict.fromkeys(keys))


def printable(value: Any) -> Any:
    """Return text, or JSON of any depth, without the characters that no page and no table should hold.

    These are control characters, those that turn the direction of writing, and halves of surrogate pairs.
    """
    if isinstance(value, str):
        return UNPRINTABLE.sub("", value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list) else value


def _series(values: list[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="object")
