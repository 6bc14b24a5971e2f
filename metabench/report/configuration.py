"""The exact configuration: what every algorithm ran with, defaults included, seeds apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metabench.identity import canonical
from metabench.tables import Run


@dataclass(frozen=True)
class Configuration:
    """One algorithm under one configuration.

    Attributes
    ----------
    name
        The algorithm.
    tables
        For each part of the configuration its name and its settings as `key = value`.
    cells
        How many cells ran with it.
    """

    name: str
    tables: tuple[tuple[str, tuple[str, ...]], ...]
    cells: int


def configurations(run: Run) -> list[Configuration]:
    """Return every distinct configuration of the run's records, in their order."""
    counted: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], int] = {}
    for _, record in run.each_record():
        key = (str(record["labels"].get("algorithm", "")), tuple(_tables(record["config"])))
        counted[key] = counted.get(key, 0) + 1
    return [Configuration(name, tables, cells) for (name, tables), cells in counted.items()]


def _tables(config: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    fit = config.get("fit") or {}
    for part in ("method", "model", "dataset"):
        if told := fit.get(part):
            yield f"{part} {told.get('name')}", _said(told.get("settings") or {})
    for table, values in (
        ("train", fit.get("train")),
        ("validate", fit.get("validate")),
        ("evaluate", config.get("evaluate")),
    ):
        yield table, _said(values or {})


def _said(settings: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{key} = {canonical(value)}" for key, value in settings.items() if value is not None
    )
