"""What a training step takes alone on the machine: short trainings, one process at a time, the
algorithms of a setting in turn, A B C C B A.

Times of a run are measured beside other fits and over hours. A machine drifts by more than what
tells two algorithms apart; what drifts evenly within a block leaves its ratios alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.errors import ConfigError, FolderError
from metabench.records import read_cells, read_timings
from metabench.runner.folder import RunFolder
from metabench.runner.resources import Resources
from metabench.runner.timing.kinds import shorts_of
from metabench.runner.timing.resuming import begun, resumed
from metabench.runner.timing.session import Session, Tell
from metabench.text import one_line

if TYPE_CHECKING:
    from metabench.suite import Suite
    from metabench.suite.project import Project

BLOCKS, ITERATIONS, LEAST_ITERATIONS = 8, 60, 20
"""Rounds of a setting, and iterations of each training: the first ten warm up (see `measure`)."""


@dataclass(frozen=True)
class TimingSummary:
    """What came of it: blocks timed now, blocks that were there, and a line about each algorithm
    that could not be timed."""

    folder: Path
    timed: int
    kept: int
    failed: Sequence[str]
    seconds: float

    @property
    def exit_status(self) -> int:
        """0 where every algorithm was timed, else 3."""
        return 3 if self.failed else 0


def time_suite(
    suite: Suite,
    project: Project,
    *,
    using: Resources,
    out: Path | None = None,
    blocks: int = BLOCKS,
    iterations: int = ITERATIONS,
    again: bool = False,
    tell: Tell = print,
) -> TimingSummary:
    """Time the training step of each selected algorithm of a suite that has been run, and keep it
    in `timing.json` of the run folder. Blocks that are there already stay; records are not touched.

    A pass of each that does not count comes first: it fills caches, and shows what cannot be timed.

    Parameters
    ----------
    using
        The first of its devices is used, by one process at a time.
    out
        The run folder, instead of the suite's own in the project.
    blocks
        Rounds of each setting.
    iterations
        Of each short training.
    again
        Begin anew, whatever there is.
    tell
        Shown a line before each round.

    Raises
    ------
    FolderError
        There is no run of this suite, or its `timing.json` is damaged or of another suite.
    StaleError
        The blocks that are there were timed on another machine or under other conditions.
    ConfigError
        They have another number of iterations, or nothing of the suite trains.
    """
    began = time.monotonic()
    folder = RunFolder(out or project.reports / suite.name)
    if not folder.path.exists():
        raise FolderError(
            f"{one_line(folder.path)}: there is no such folder, so no run whose algorithms could "
            "be timed. `metabench run` with the same words begins one"
        )
    read_cells(folder.path)
    alone = replace(using, devices=using.devices[:1], engine="process")
    shorts = shorts_of(suite, iterations, alone)
    if not shorts:
        raise ConfigError(f"{suite.name}: nothing that is selected trains, and training is timed")
    with folder.locked():
        folder.refuse_other_suite(suite.name)
        now = begun(suite.name, shorts, alone, project, iterations)
        before = None if again else read_timings(folder.path)
        timings = now if before is None else resumed(folder.path, before, now)
        session = Session(suite, project, alone, folder, timings, tell)
        timed, kept, failed = session.run(shorts, blocks)
    return TimingSummary(folder.path, timed, kept, failed, time.monotonic() - began)
