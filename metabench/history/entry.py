"""What the history keeps of a run: its groups with their intervals, every seed's score, and where
all of that was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metabench.identity import digest
from metabench.quantities import BY_NAME, PEAK_ABOVE, PEAK_GPU, Quantity
from metabench.tables.typed_rows import Metric, Scalar, Summary

COSTS: tuple[Quantity, ...] = (
    *(BY_NAME[f"{name}_seconds"] for name in ("training", "wall")),
    *(BY_NAME[f"seconds_per_{what}"] for what in ("iteration", "episode")),
    PEAK_ABOVE,
    PEAK_GPU,
)
"""What is kept beside the score: times with intervals over seeds, the highest peaks of memory."""


@dataclass(frozen=True)
class SeedEntry:
    """One cell of a group. What a line lacks, one from before it was kept say, nobody knows.

    Attributes
    ----------
    seed, cell, outcome
        As in the tables; `cell` is its id.
    score
        None where it came to none.
    bits, episodes
        Digests of what it came to, and of the test episodes that it met (see `records.bits`).
    peaks
        Its peaks of memory in bytes, by the names of `quantities.PEAKS`; None where nobody knows.
    """

    seed: int
    cell: str
    outcome: str
    score: float | None = None
    bits: str | None = None
    episodes: str | None = None
    peaks: Mapping[str, float] | None = None


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
    data
        Digest of the content of its data (see `tables.cells.data_of`); None where nobody knows.
    """

    group: str
    block: str
    place: Mapping[str, Scalar]
    metric: Metric
    summaries: Mapping[str, Summary]
    seeds: tuple[SeedEntry, ...]
    machine: str | None = None
    commits: tuple[str, ...] = ()
    data: str | None = None

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
    margins
        What its suite says of changes that matter (see `suite.kept`); None where nobody knows.
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
    margins: Mapping[str, float] | None = None
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
