"""Between lists of plain rows, in which all arithmetic happens, and the data frames that users
meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
from pandas.api.types import is_numeric_dtype

from metabench.text import UNPRINTABLE

_FORMULA = re.compile(r"'*[=+\-@\t]")
"""How text begins that a spreadsheet would run, apostrophes before it or none."""


def frame(table: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame that has `columns` even when there are no rows.

    Whole numbers stay whole where some are missing (`Int64`), truth values likewise (`boolean`),
    and other numbers are `float64`.
    """
    return pd.DataFrame(
        {column: _series([row.get(column) for row in table]) for column in columns},
        columns=list(columns),
    )


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a data frame as dictionaries, with None for whatever is missing."""
    return cast(
        "list[dict[str, Any]]", table.astype(object).where(table.notna(), None).to_dict("records")
    )


def first_seen(keys: Iterable[str]) -> list[str]:
    """Return each key once, in order of first appearance."""
    return list(dict.fromkeys(keys))


def printable(value: Any) -> Any:
    """Return text, or JSON of any depth, without the characters that no page and no table should
    hold.

    These are control characters, those that turn the direction of writing, and halves of surrogate
    pairs.
    """
    if isinstance(value, str):
        return UNPRINTABLE.sub("", value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list) else value


def csv_text(table: pd.DataFrame) -> str:
    """Return a data frame as CSV that a spreadsheet may open: no text in it is run as a formula
    (see `read_csv`)."""
    return _texts(table, lambda value: _guarded(printable(value))).to_csv(
        index=False, lineterminator="\n"
    )


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table that `csv_text` has written. Plain `pandas.read_csv` does too, but for the
    apostrophe before what looks like a formula."""
    return _texts(pd.read_csv(path), _unguarded)


def _texts(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """A data frame with every text in it changed, in the names of its columns too; numbers stay as
    they are."""
    columns = {
        name: table[name]
        if is_numeric_dtype(table[name])
        else table[name].map(change, na_action="ignore")
        for name in table.columns
    }
    return pd.DataFrame({change(name): values for name, values in columns.items()})


def _guarded(value: Any) -> Any:
    """Text with an apostrophe before it where a spreadsheet would take it for a formula, or where
    it could be taken for text with one."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _unguarded(value: Any) -> Any:
    return (
        value[1:]
        if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value[1:])
        else value
    )


def _series(values: list[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="object")
