"""What the history keeps of a run: its groups with their intervals, every seed's score, and where
all of that was made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from metabench import stats
from metabench.errors import FolderError
from metabench.history.format import COMMIT
from metabench.identity import digest
from metabench.quantities import BY_NAME, PEAK_ABOVE, PEAK_GPU, SCORE, Quantity
from metabench.tables import Run
from metabench.tables.frames import first_seen
from metabench.tables.typed_rows import CellRow, GroupRow, Metric, Scalar, Summary

COSTS: tuple[Quantity, ...] = (
    *(BY_NAME[f"{name}_seconds"] for name in ("training", "wall")),
    *(BY_NAME[f"seconds_per_{what}"] for what in ("iteration", "episode")),
    PEAK_ABOVE,
    PEAK_GPU,
)
"""What is kept beside the score: times with intervals over seeds, the highest peaks of memory."""


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class SeedEntry:
    """One cell of a group: its id, what became of it, and its score where it has one."""

    seed: int
    cell: str
    outcome: str
    score: float | None = None


@dataclass(frozen=True)
class GroupEntry:
    """Cells of a run that differ in seed alone.

    Attributes
    ----------
    group, block
        Digests of its coordinates, and of those of the data alone.
    place, metric
        Its coordinates, and what its score is.
    summaries
        Its score and its `COSTS`, by their names.
    seeds
        Its cells.
    machine
        What its completed cells ran on; None where that was not one and the same.
    commits
        What was checked out when its cells were made: of cells that a later run kept, an earlier
        commit than the run's.
    """

    group: str
    block: str
    place: Mapping[str, Scalar]
    metric: Metric
    summaries: Mapping[str, Summary]
    seeds: tuple[SeedEntry, ...]
    machine: str | None = None
    commits: tuple[str, ...] = ()

    def __getitem__(self, quantity: Quantity) -> Summary:
        """Return what it makes of a quantity."""
        return self.summaries.get(quantity.name, Summary())

    @property
    def algorithm(self) -> str:
        """The entry of the suite."""
        return str(self.place.get("algorithm"))

    @property
    def lost(self) -> int:
        """How many of its cells did not complete."""
        return sum(cell.outcome != "completed" for cell in self.seeds)

    @property
    def recipe(self) -> str:
        """What tells it from a group at the same coordinates with another recipe or other seeds."""
        return digest(sorted(cell.cell for cell in self.seeds))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run.

    Attributes
    ----------
    id
        Digest of its records: the same run again has the same.
    suite, title, reference, root_seed, confidence, declaration_digest
        As its folder tells them.
    started, ended
        When its first record began, and its last one ended, in ISO 8601.
    commit
        What was checked out when the last record was made; None outside of git.
    dirty
        Whether changes that no commit has were beside any of its commits.
    commits, runs, machines
        All that its records name: commits, runs of the command line, digests of machines.
    versions
        Of Python, metabench and libraries, those of the last record.
    groups
        In the suite's order.
    baseline, verdicts
        What it was compared with, and what came of it by group (see `read_verdicts`).
    """

    id: str
    suite: str
    title: str
    reference: str
    root_seed: int | None = None
    confidence: float
    declaration_digest: str | None = None
    started: str
    ended: str
    commit: str | None = None
    dirty: bool
    commits: tuple[str, ...]
    runs: tuple[str, ...]
    machines: tuple[str, ...]
    versions: Mapping[str, str]
    groups: tuple[GroupEntry, ...]
    baseline: tuple[str, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @property
    def regressed(self) -> list[GroupEntry]:
        """The groups that a comparison found worse than before."""
        return [group for group in self.groups if self.verdicts.get(group.group) == "regressed"]

    @property
    def label(self) -> str:
        """What it is called for short."""
        return label_of(self.commit, self.dirty)


def label_of(commit: str | None, dirty: bool) -> str:
    """Return what a commit is called for short, with a + where there were changes beside it."""
    return f"{commit[:7]}{'+' * dirty}" if commit else "no commit"


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
    made: dict[str, Mapping[str, Any]] = {
        cell: record["provenance"] for cell, record in run.each_record()
    }
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
        groups=tuple(_group(row, run, made) for row in run.rows.groups),
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


def _group(row: GroupRow, run: Run, made: Mapping[str, Mapping[str, Any]]) -> GroupEntry:
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
        seeds=tuple(SeedEntry(cell.seed, cell.cell, cell.outcome, cell[SCORE]) for cell in cells),
        machine=row.machine,
        commits=_commits(made[cell.cell] for cell in cells),
    )


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
