"""From the records of a run to its entry in the history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from metabench import stats
from metabench.errors import ConfigError, FolderError, RecordError
from metabench.history.entry import COSTS, Entry, GroupEntry, SeedEntry
from metabench.history.format import COMMIT
from metabench.quantities import PEAKS, SCORE, Quantity
from metabench.records import bits_of, digest_of_result, episodes_of
from metabench.suite.kept import kept_margins
from metabench.tables import Run
from metabench.tables.cells import data_of
from metabench.tables.frames import first_seen
from metabench.tables.typed_rows import CellRow, GroupRow, Summary

_NEVER = datetime.min.replace(tzinfo=UTC)


def entry_of(run: Run) -> Entry | None:
    """Return what the history keeps of a run; None of one with cells that are missing or cannot be
    read: it is not over.

    Raises
    ------
    FolderError
        No record tells the time.
    """
    if not run.rows.cells or len(run.records) < len({cell.cell for cell in run.rows.cells}):
        return None
    made: dict[str, Mapping[str, Any]] = {}
    kept: dict[str, Mapping[str, str | None]] = {}
    for cell, record in run.each_record():
        made[cell] = record["provenance"]
        kept[cell] = _digests(run, cell, record)
    started, ended = (_times(key, made.values()) for key in ("started", "ended"))
    last = max(made.values(), key=lambda made_on: _time(made_on.get("ended")) or _NEVER)
    info = run.info
    return Entry(
        id=_digest_of_records(run),
        suite=str(info.get("suite")),
        title=str(info.get("title") or ""),
        reference=str(info["reference"]),
        root_seed=seed if type(seed := info.get("root_seed")) is int else None,
        confidence=run.confidence,
        declaration_digest=info.get("declaration_digest"),
        started=min(started).isoformat(),
        ended=max(ended).isoformat(),
        commit=next(iter(_commits([last])), None),
        dirty=any(bool(made_on.get(_of_project("dirty", made_on))) for made_on in made.values()),
        commits=_commits(made.values()),
        runs=_named("run", made.values()),
        machines=_named("machine_id", made.values()),
        versions={
            **{name: str(last[name]) for name in ("metabench", "python") if last.get(name)},
            **(last.get("libraries") or {}),
        },
        groups=tuple(_group(row, run, made, kept) for row in run.rows.groups),
        margins=_margins(run),
    )


def last_end(run: Run) -> str:
    """Return when the last record of a run ended, in ISO 8601.

    Raises
    ------
    FolderError
        No record tells the time.
    """
    made = (record["provenance"] for _, record in run.each_record())
    return max(_times("ended", made)).isoformat()


def _group(
    row: GroupRow,
    run: Run,
    made: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, Mapping[str, str | None]],
) -> GroupEntry:
    cells = [cell for cell in run.rows.cells if cell.group == row.group]
    completed = [cell for cell in cells if cell.outcome == "completed"]
    return GroupEntry(
        group=row.group,
        block=row.block,
        place=row.place,
        metric=row.metric,
        summaries={
            SCORE.name: row.score,
            **{cost.name: _cost(cost, row, completed, run.confidence) for cost in COSTS},
        },
        seeds=tuple(
            SeedEntry(
                cell.seed,
                cell.cell,
                cell.outcome,
                cell[SCORE],
                **kept[cell.cell],
                peaks={peak.name: value for peak in PEAKS if (value := cell[peak]) is not None},
            )
            for cell in cells
        ),
        machine=row.machine,
        commits=_commits(made[cell.cell] for cell in cells),
        data=data_of(completed),
    )


def _digests(run: Run, cell: str, record: Mapping[str, Any]) -> Mapping[str, str | None]:
    """The digests by which a cell can be compared when its record is gone; none of damaged
    arrays."""
    try:
        arrays = run.arrays(cell)
        return {
            "bits": bits_of(digest_of_result(record["result"]), arrays),
            "episodes": episodes_of(arrays),
        }
    except RecordError:
        return {}


def _margins(run: Run) -> Mapping[str, float] | None:
    try:
        return kept_margins(run.folder)
    except ConfigError:
        return None


def _cost(
    cost: Quantity, row: GroupRow, completed: Iterable[CellRow], confidence: float
) -> Summary:
    """Times with an interval over seeds, made on their logarithms; other costs as the table has
    them."""
    values = [value for cell in completed if (value := cell[cost]) is not None]
    if cost.kind != "time" or not values or min(values) <= 0:
        return row[cost]
    found = stats.mean_interval(values, confidence=confidence, unit="seconds", scale="log")
    low, high = found.interval or (None, None)
    return Summary(found.estimate, low, high, found.sd)


def _digest_of_records(run: Run) -> str:
    told = hashlib.sha256(str(run.info.get("suite")).encode())
    for cell in sorted(run.records):
        told.update(cell.encode() + hashlib.sha256(run.records[cell].read_bytes()).digest())
    return told.hexdigest()


def _named(key: str, made: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What these records name, each once."""
    return tuple(first_seen(str(made_on[key]) for made_on in made if made_on.get(key)))


def _commits(made: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The commits of the project that these records name, each once."""
    told = first_seen(str(made_on.get(_of_project("commit", made_on))) for made_on in made)
    return tuple(commit for commit in told if COMMIT.fullmatch(commit))


def _of_project(key: str, made_on: Mapping[str, Any]) -> str:
    """What a record calls the `commit` of its project: before 0.2 it knew that of the package
    alone."""
    return f"project_{key}" if "project_commit" in made_on else key


def _times(key: str, made: Iterable[Mapping[str, Any]]) -> list[datetime]:
    """Raises
    ------
    FolderError
        No record tells the time.
    """
    told = [time for made_on in made if (time := _time(made_on.get(key)))]
    if not told:
        raise FolderError(f"no record says when it {key}")
    return told


def _time(text: object) -> datetime | None:
    try:
        told = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
