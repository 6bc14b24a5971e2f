"""An entry of the history as one side of a comparison: `history/ci.jsonl` for the latest run, and
`history/ci.jsonl@COMMIT` for the one at a commit, or with an id, that begins so.

It tells outcomes and scores by seed, and digests in place of records (see `history.entry`). What
these cannot tell is said, or refused (see `joining`): never guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metabench.compare.sides import Side, SideCell, SideGroup
from metabench.errors import FolderError, nearest, some
from metabench.history import Entry, GroupEntry, SeedEntry, read_history
from metabench.identity import digest
from metabench.quantities import SCORE
from metabench.suite.value_types import is_name
from metabench.tables.typed_rows import CellRow
from metabench.text import one_line

ENDING = ".jsonl"
SHOWN = 12
"""Digits of a commit or an id that are shown."""

_NAMED = re.compile(rf"(?P<file>.*{re.escape(ENDING)})(?:@(?P<which>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """Which entry is meant.

    Attributes
    ----------
    file
        Of the history of one suite.
    which
        How its commit or its id begins; None means the latest.
    """

    file: Path
    which: str | None


def as_line(named: str) -> Line | None:
    """Return which entry of a history a name means; None where it can only name a run."""
    found = _NAMED.fullmatch(named)
    return Line(Path(found["file"]), found["which"]) if found else None


def read_entry(line: Line) -> Side:
    """Read an entry of the history as one side of a comparison.

    Raises
    ------
    FolderError
        There is no such file or entry, or several entries are meant.
    """
    suite = line.file.name.removesuffix(ENDING)
    if not is_name(suite):
        raise FolderError(f"{one_line(line.file)}: is not called after a suite, as a history is")
    if not os.path.lexists(line.file):
        raise FolderError(
            f"{one_line(line.file)}: there is no such history. `metabench publish` begins one"
        )
    history = read_history(line.file.parent, suite)
    passed_over = [one_line(remark) for remark in history.remarks]
    if not history.entries:
        why = f": {passed_over[0]}" if passed_over else ""
        raise FolderError(f"{one_line(line.file)}: no run can be read in it{why}")
    entry = _meant(line, history.entries)
    more = [f"{len(passed_over) - 1} more lines are passed over"] if len(passed_over) > 1 else []
    return Side(
        name=f"{line.file}@{_short(entry, history.entries)}",
        suite=entry.suite,
        root_seed=entry.root_seed,
        groups={digest(group.place)[:12]: _group(group, entry) for group in entry.groups},
        remarks=(*passed_over[:1], *more),
        entry=entry,
    )


def _meant(line: Line, entries: Sequence[Entry]) -> Entry:
    """The entry that is meant, of those that there are by the ends of their runs."""
    if line.which is None:
        return entries[-1]
    found = [
        entry
        for entry in entries
        if line.which
        and line.which in ((entry.commit or "")[: len(line.which)], entry.id[: len(line.which)])
    ]
    if len(found) == 1:
        return found[0]
    name = f"{one_line(line.file)}@{one_line(line.which[:80])}"
    latest = found[::-1] or entries[::-1]
    told = some(f"{_short(entry, entries)} of {entry.ended[:10]}" for entry in latest)
    if found:
        raise FolderError(f"{name}: {len(found)} runs are called so: {told}. Say more of one")
    near = nearest(line.which, [_short(entry, entries) for entry in latest])
    raise FolderError(
        f"{name}: no commit and no id of a run in it begins so; the latest are {told}{near}"
    )


def _short(entry: Entry, entries: Sequence[Entry]) -> str:
    """What an entry can be called: its commit, or where that is of several runs or of none, its
    id."""
    runs = [other for other in entries if other.commit == entry.commit]
    return (entry.commit if entry.commit and len(runs) == 1 else entry.id)[:SHOWN]


def _group(group: GroupEntry, entry: Entry) -> SideGroup:
    commit = group.commits[0] if len(group.commits) == 1 else None
    cells = {
        cell.seed: SideCell(_row(cell, group), commit=commit, dirty=entry.dirty, kept=cell)
        for cell in group.seeds
    }
    return SideGroup(group.place, group.metric, cells, group)


def _row(cell: SeedEntry, group: GroupEntry) -> CellRow:
    peaks = {name: value for name, value in (cell.peaks or {}).items() if value is not None}
    score = {} if cell.score is None else {SCORE.name: cell.score}
    return CellRow(
        cell=cell.cell,
        fit="",
        group=group.group,
        block=group.block,
        place=group.place,
        seed=cell.seed,
        privileged=False,
        metric=group.metric,
        stem="",
        outcome=cell.outcome,
        numbers={**peaks, **score},
        machine=group.machine,
    )
