"""The files of one record: what one cell left on disk.

A record is `<stem>.json` with `<stem>.npz` beside it: it exists whole or not at all. Both are
written to temporary names in the same folder and flushed to disk; then the JSON of an earlier
record goes, the arrays are renamed into place, and the new JSON comes last. A finished record
always has arrays; one of a failure has none. The last line of the JSON holds digests of all before
it, and of the arrays: whoever reads a record knows that it says what was written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from metabench.errors import RecordError, UnreadableRecordError
from metabench.io.files import flush, flush_folder, open_temporary, temporary, told_when_unwritable
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.records.format import FINISHED, RECORD, SCHEMA, Outcome
from metabench.records.migrations import migrated
from metabench.records.seal import SEAL, broken, sealed

if TYPE_CHECKING:
    import numpy as np

RECORD_NAME = re.compile(r".*-([0-9a-f]{12})\.json")
"""Name of a record's file; it ends in the first 12 hex digits of the cell's id."""

_SIZE = 16 * 2**20
"""Bytes of a record's JSON."""

_OUTCOMES = frozenset(get_args(Outcome))
_REQUIRED = (
    *("cell", "fit", "labels", "seed", "config", "metric"),
    *("result", "measured", "provenance"),
)


def read_record(path: Path) -> dict[str, Any]:
    """Read one record.

    Raises
    ------
    RecordError
        The file is damaged, is no record or that of another cell, has lost or changed arrays,
        or has a schema that is not known here.
    """
    try:
        record, content = read_json(path, _SIZE)
    except OSError as error:
        raise UnreadableRecordError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise RecordError(f"{path}: is damaged: {error}. `metabench run` makes it again") from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if type(schema) is not int or schema < 1:
        raise RecordError(
            f"{path}: is no record of metabench: it has no schema number that is known"
        )
    if schema > SCHEMA:
        raise UnreadableRecordError(
            f"{path}: has schema {schema}, and this metabench reads up to {SCHEMA}. Update "
            "metabench to read it"
        )
    seal = record.pop(SEAL, None)
    changed = "" if schema == 1 and seal is None else broken(seal, "record", content)
    record = migrated(record, schema) | {"schema": SCHEMA}
    if problem := _misshapen(record, path) or changed or _other_arrays(record, seal, path):
        raise RecordError(f"{path}: is damaged: {problem}. `metabench run` makes it again")
    return dict(record)


def write_record(
    path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write a record and its arrays, whole or not at all; an earlier record at `path` stays until
    the new one is safe on disk.

    Raises
    ------
    UnwritableError
        The disk is full, or the folder has vanished or turned read-only.
    """
    from metabench.records.arrays import archive_of

    npz = path.with_suffix(".npz")
    archive = archive_of(arrays) if arrays else None
    with told_when_unwritable(path):
        try:
            for target, content in ((npz, archive), (path, _sealed(record, archive))):
                if content is not None:
                    with open_temporary(target) as file:
                        file.write(content)
                        flush(file)
            path.unlink(missing_ok=True)
            if archive is not None:
                temporary(npz).replace(npz)
            else:
                npz.unlink(missing_ok=True)
            temporary(path).replace(path)
        finally:
            for leftover in (temporary(npz), temporary(path)):
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)
        flush_folder(path.parent)


def _misshapen(record: Mapping[str, Any], path: Path) -> str:
    """Say what in a record is not of the shape that every reader relies on, or nothing."""
    if wrong := absent(record, _REQUIRED) or misshapen(record, RECORD):
        return f"{wrong} is not as it should be"
    if record["result"].get("outcome") not in _OUTCOMES:
        return f"it has no outcome of {', '.join(sorted(_OUTCOMES))}"
    named = RECORD_NAME.fullmatch(path.name)
    if named and not record["cell"].startswith(named[1]):
        return "it is the record of another cell"
    return ""


def _other_arrays(record: Mapping[str, Any], seal: Mapping[str, Any] | None, path: Path) -> str:
    """Say that a finished record has lost its arrays, or that they are not those that were written
    with it, or nothing."""
    if record["result"]["outcome"] not in FINISHED:
        return ""
    from metabench.io.zips import is_cut_off
    from metabench.records.arrays import digest_of

    npz = path.with_suffix(".npz")
    try:
        if seal is not None:
            return (
                ""
                if digest_of(npz) == seal.get("arrays")
                else "its arrays are not what was written"
            )
        return "its arrays are cut off" if is_cut_off(npz) else ""
    except FileNotFoundError:
        return "its arrays are missing"
    except OSError as error:
        return f"its arrays cannot be read: {error.strerror or error}"


def _sealed(record: Mapping[str, Any], archive: bytes | None) -> bytes:
    """JSON with one line a top-level key, quick to read for programs and bearable for people, the
    last one with the digests."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(plain(value), allow_nan=False)}"
        for key, value in record.items()
    )
    arrays = hashlib.sha256(archive).hexdigest() if archive is not None else None
    return sealed(lines, "record", arrays=arrays)
