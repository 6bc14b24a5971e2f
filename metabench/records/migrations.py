"""Older records, brought to the form of now: one function a step, applied in order.

A file on disk stays as it is, and ids are those that it was written with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = dict[str, Any]


def without_target(record: Record) -> Record:
    """Schema 2 to 3. The target of validation shapes no number: it stays in the configuration, and
    when it was reached is read off the curve. Of the sources there was one digest for all files.
    """
    parts: list[Any] = [record.get(key) for key in ("result", "config", "provenance")]
    result, config, provenance = parts
    if not all(isinstance(part, dict) for part in parts) or not isinstance(config.get("fit"), dict):
        return record  # it will be found damaged
    kept = {key: value for key, value in result.items() if key not in ("target", REACHED)}
    validate = {**config["fit"].get("validate", {}), "target": result.get("target")}
    conditions = {
        name: {**known, "sources": {}}
        for name in ("conditions", "training_conditions")
        if isinstance(known := provenance.get(name), dict)
    }
    return record | {
        "result": kept,
        "config": {**config, "fit": {**config["fit"], "validate": validate}},
        "provenance": provenance | conditions,
    }


REACHED = "iterations_to_target"

STEPS: Mapping[int, Callable[[Record], Record]] = {2: without_target}
"""What leads from a schema to the next one. From the first to the second nothing did but digests
in the last line, which are no part of a record."""


def migrated(record: Record, schema: int) -> Record:
    """Return a record that was written under this schema as it would be written now."""
    for step in (STEPS[number] for number in sorted(STEPS) if number >= schema):
        record = step(record)
    return record
