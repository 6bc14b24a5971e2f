"""`cells.json`: what a run folder says of its suite, and of each cell without its record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE
from metabench.errors import FolderError
from metabench.io.files import write_bytes
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.records.folder import refuse_links
from metabench.records.format import CELLS, ENTRY, GROUP, LABELS
from metabench.records.seal import SEAL, broken, sealed

CELLS_SCHEMA = 2
"""Schema of `cells.json`. One of schema 1 has no digest, and its entries no target: that stands in
their records."""

NAME = "cells.json"


def read_cells(folder: Path) -> dict[str, Any]:
    """Read the `cells.json` of a run folder, in which nothing may be a link.

    Raises
    ------
    FolderError
        The folder is none of a run, or the file is damaged.
    """
    path = folder / NAME
    again = "`metabench run` writes it again once it is deleted"
    try:
        refuse_links(folder)
        described, content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        if not folder.exists():
            raise FolderError(f"{folder}: there is no such folder") from None
        raise FolderError(
            f"{folder}: is no run folder: it has no cells.json. `metabench run` makes one"
        ) from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FolderError(f"{path}: is damaged: {error}. {again}") from error
    schema = described.get("schema") if isinstance(described, dict) else None
    if type(schema) is not int or not 1 <= schema <= CELLS_SCHEMA:
        raise FolderError(
            f"{path}: is not a cells.json that this metabench can read (up to schema "
            f"{CELLS_SCHEMA})"
        )
    seal = described.pop(SEAL, None)
    if schema > 1 and (changed := broken(seal, "cells", content)):
        raise FolderError(f"{path}: is damaged: {changed}. {again}")
    if wrong := _wrong(described):
        raise FolderError(f"{path}: is damaged: {wrong} is not as it should be. {again}")
    return dict(described)


def write_cells(
    folder: Path, described: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> None:
    """Write the `cells.json` of a run folder, whole or not at all: a line for each thing that is
    said of the suite, and one for each cell.

    Raises
    ------
    UnwritableError
        The folder cannot be written.
    """
    table = {"schema": CELLS_SCHEMA, **described}
    lines = [f"{json.dumps(key)}: {json.dumps(plain(value))}" for key, value in table.items()]
    cells = ",\n".join(json.dumps(plain(entry)) for entry in entries)
    write_bytes(folder / NAME, sealed([*lines, f'"cells": [\n{cells}\n]'], "cells"))


def _wrong(described: Mapping[str, Any]) -> str:
    """The first key of a `cells.json` that is not as it should be, or nothing."""
    if wrong := absent(described, ("reference", "cells")) or misshapen(described, CELLS):
        return wrong
    confidence = described.get("confidence")
    if confidence is not None and not LEAST_CONFIDENCE < confidence <= MOST_CONFIDENCE:
        return "confidence"
    wrong_keys = (
        f"cells[{place}].{key}"
        for place, entry in enumerate(described["cells"])
        if (key := _wrong_in(entry))
    )
    return next(wrong_keys, "")


def _wrong_in(entry: Mapping[str, Any]) -> str:
    """The first key of an entry of `cells.json` that is not as it should be, or nothing."""
    return (
        absent(entry, ENTRY)
        or absent(entry["labels"], LABELS)
        or absent(entry["group"], LABELS)
        or absent(entry["metric"], ("name", "unit", "higher_is_better"))
        # others are names of axes
        or next(
            (f"group.{key[:80]}" for key in entry["group"] if "." not in key and key not in GROUP),
            "",
        )
    )
