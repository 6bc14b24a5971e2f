"""`history/<suite>.jsonl`: a line an entry. Lines are added whole, and none is ever changed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from metabench.errors import FolderError
from metabench.history.entry import Entry, GroupEntry, SeedEntry
from metabench.history.format import ENTRY, NEEDED, NEEDED_GROUP, NEEDED_SEED, SCHEMA
from metabench.io.files import flush, make_folder, read_regular, told_when_unwritable
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import SIZE, impossible, parse_json, plain
from metabench.suite.schema import CompareTable
from metabench.tables.frames import printable
from metabench.tables.typed_rows import Metric, Summary

LINE = 16 * 2**20
"""Bytes of a line: the entry of a run of some 50,000 cells."""


@dataclass(frozen=True)
class History:
    """What a file tells.

    Attributes
    ----------
    entries
        By the end of their runs, each run once.
    remarks
        Lines that were passed over, with their numbers and why.
    """

    entries: tuple[Entry, ...] = ()
    remarks: tuple[str, ...] = ()


def path_of(folder: Path, suite: str) -> Path:
    """Where the history of a suite lies."""
    return folder / f"{suite}.jsonl"


def read_history(folder: Path, suite: str) -> History:
    """Read the history of a suite; a line that is none of it is passed over, and told.

    Raises
    ------
    FolderError
        The file cannot be read.
    """
    path = path_of(folder, suite)
    try:
        content = read_regular(path, SIZE)
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror or error}") from None
    entries: dict[str, Entry] = {}
    remarks = []
    *lines, rest = content.split(b"\n")
    for number, line in enumerate([*lines, rest], start=1):
        if not line.strip():
            continue
        try:
            entry = _entry(line, suite)
        except ValueError as error:
            cut = "it is cut off: " if line is rest else ""
            remarks.append(f"{path}, line {number}: {cut}{error}; it is passed over")
        else:
            entries[entry.id] = entry
    ordered = sorted(entries.values(), key=lambda entry: datetime.fromisoformat(entry.ended))
    return History(tuple(ordered), tuple(remarks))


def append(folder: Path, entry: Entry) -> bool:
    """Add an entry to the history of its suite, unless it is there, with these verdicts or when it
    has none; return whether it was added.

    Raises
    ------
    FolderError
        The file cannot be read or written; then it is as it was.
    """
    known = {one.id: one for one in read_history(folder, entry.suite).entries}.get(entry.id)
    if known is not None and (not entry.verdicts or entry.verdicts == known.verdicts):
        return False
    line = json.dumps(plain({"schema": SCHEMA, **asdict(entry)}), separators=(",", ":"))
    path = path_of(folder, entry.suite)
    make_folder(folder)
    with told_when_unwritable(path):
        _append_line(path, line.encode() + b"\n")
    return True


def _append_line(path: Path, line: bytes) -> None:
    """Add a line in one write; what of it there is no room for is taken back."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with closing(os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            # what an interrupted write has left is a line of its own, and not the head of this one
            line = line if file.read(1) == b"\n" else b"\n" + line
        if file.write(line) != len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        flush(file)


def _entry(line: bytes, suite: str) -> Entry:
    """Raises
    ------
    ValueError
        It is no entry of this suite; the message says why.
    """
    if len(line) > LINE:
        raise ValueError(f"it has more than {LINE:,} bytes")
    try:
        told = parse_json(line.decode())
    except ValueError as error:
        raise ValueError(f"it is no JSON ({str(error)[:80]})") from None
    if problem := impossible(told):
        raise ValueError(problem[-200:])
    if not isinstance(told, dict) or told.pop("schema", None) != SCHEMA:
        raise ValueError(f"it is no entry that this metabench can read (schema {SCHEMA})")
    if wrong := absent(told, NEEDED) or misshapen(told, ENTRY) or next(_wrong_in_groups(told), ""):
        raise ValueError(f"{wrong[:100]} is not as it should be")
    if told["suite"] != suite:
        raise ValueError(f"it is of suite '{told['suite'][:80]}', not of '{suite}'")
    told = printable(told)
    if told.get("margins") is not None:
        told["margins"] = _margins(told["margins"])
    for key in ("started", "ended"):
        if datetime.fromisoformat(told[key]).tzinfo is None:
            raise ValueError(f"{key} has no time zone")
    return Entry(**_known(Entry, told) | {"groups": tuple(map(_group, told["groups"]))})


def _margins(told: Mapping[str, Any]) -> Mapping[str, float]:
    try:
        return CompareTable(
            **{
                key: value
                for key, value in told.items()
                if value is not None and key in CompareTable.model_fields
            }
        ).said()
    except ValueError:
        raise ValueError("margins is not as it should be") from None


def _group(told: Mapping[str, Any]) -> GroupEntry:
    parts = {
        "metric": Metric(**_known(Metric, told["metric"])),
        "summaries": {
            name: Summary(**_known(Summary, summary or {}))
            for name, summary in told["summaries"].items()
        },
        "seeds": tuple(SeedEntry(**_known(SeedEntry, cell)) for cell in told["seeds"]),
    }
    return GroupEntry(**_known(GroupEntry, told) | parts)


def _known(kind: type, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a table tells of the fields of a class."""
    values = {field.name: told.get(field.name) for field in fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def _wrong_in_groups(told: Mapping[str, Any]) -> Iterator[str]:
    for place, group in enumerate(told["groups"]):
        found = [
            absent(group, NEEDED_GROUP),
            absent(group.get("metric") or {}, ("name", "unit", "higher_is_better")),
            *(absent(cell, NEEDED_SEED) for cell in group.get("seeds") or ()),
        ]
        yield from (f"groups[{place}].{key}" for key in found if key)
