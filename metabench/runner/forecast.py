"""How long fits will take: from records of earlier ones before a run, and from the run itself while
it goes on."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metabench.cells import Cell, Fit
from metabench.records import FINISHED
from metabench.runner.messages import Advanced, Job
from metabench.runner.plan import PlannedCell

Key = tuple[Any, ...]
"""Algorithm, dataset, model, ways and shots: what cells of about the same speed share."""

HARDWARE = ("device", "gpu", "threads", "cpu_capability", "machine", "compiler")
"""The conditions that decide on speed."""


class History:
    """Seconds per iteration and per test episode, by key, from records made on this machine.

    Cells of methods that train nothing count by their whole wall time, at no seconds per iteration.

    Parameters
    ----------
    records
        As `RecordStore.load` gives them, of any suite.
    conditions, cpu
        Those of now; records of other hardware are left out.
    """

    def __init__(
        self, records: Iterable[Mapping[str, Any]], conditions: Mapping[str, Any], cpu: str
    ) -> None:
        per_iteration: dict[Key, list[float]] = defaultdict(list)
        per_episode: dict[Key, list[float]] = defaultdict(list)
        for record in records:
            if not _comparable(record, conditions, cpu):
                continue
            measured, result = record["measured"], record["result"]
            key = _key(record["labels"], record["config"].get("evaluate") or {})
            if iterations := result.get("iterations"):
                spent = (measured.get("training_seconds") or 0.0) + (
                    measured.get("validation_seconds") or 0.0
                )
                per_iteration[key].append(spent / iterations)
            elif result["outcome"] == "completed":
                per_iteration[key].append(0.0)
            if episodes := result.get("episodes"):
                spent = (
                    (measured.get("test_seconds") or 0.0) + (measured.get("choice_seconds") or 0.0)
                    if iterations
                    else measured.get("wall_seconds")
                )
                per_episode[key].append((spent or 0.0) / episodes)
        self._per_iteration = {
            key: statistics.median(values) for key, values in per_iteration.items()
        }
        self._per_episode = {key: statistics.median(values) for key, values in per_episode.items()}

    def seconds(
        self, fit: Fit, cells: Sequence[PlannedCell], *, trains: bool = True
    ) -> float | None:
        """Expected seconds of the test of these cells, and of their fit if it `trains`; None where
        nothing like it has been measured."""
        keys = [key_of(planned.cell) for planned in cells]
        if not all(key in self._per_iteration and key in self._per_episode for key in keys):
            return None
        rate = self._per_iteration[keys[0]] if trains else 0.0
        training = (fit.train.seconds or rate * iterations_of(fit)) if rate else 0.0
        return training + sum(
            self._per_episode[key] * planned.cell.evaluate.episodes
            for key, planned in zip(keys, cells, strict=True)
            if planned.state != "needed"
        )


class Clock:
    """Time left of a run, from the fits that it has finished, else from how fast those that run
    advance, else from history.

    Parameters
    ----------
    jobs
        All that is to be run.
    workers
        How many at once.
    expected
        Seconds by fit id where history knows them.
    """

    def __init__(
        self, jobs: Sequence[Job], workers: int, expected: Mapping[str, float | None]
    ) -> None:
        self._waiting = {job.fit.id: job for job in jobs}
        self._workers = workers
        self._expected = expected
        self._started: dict[str, float] = {}
        self._projected: dict[str, float] = {}
        self._begun: dict[str, int] = {}
        self._keys = {job.fit.id: (*key_of(job.cells[0][0]), job.evaluates) for job in jobs}
        self._took: dict[Key, list[float]] = defaultdict(list)

    def start(self, job: Job) -> None:
        """A fit has started."""
        self._waiting.pop(job.fit.id, None)
        self._started[job.fit.id] = time.monotonic()

    def advance(self, job: Job, message: Advanced) -> None:
        """A fit has told where it is."""
        if message.phase == "train" and message.iteration:
            # more than 0 where a training goes on from its checkpoint
            begun = self._begun.setdefault(job.fit.id, message.iteration - 1)
            if message.total:
                elapsed = time.monotonic() - self._started[job.fit.id]
                self._projected[job.fit.id] = (
                    elapsed * (message.total - begun) / (message.iteration - begun)
                )

    def end(self, job: Job, seconds: float, finished: bool) -> None:
        """A fit has ended after `seconds`, started or not."""
        self._waiting.pop(job.fit.id, None)
        self._started.pop(job.fit.id, None)
        self._projected.pop(job.fit.id, None)
        if finished and not self._begun.pop(job.fit.id, 0):
            self._took[self._keys[job.fit.id]].append(seconds)

    def left(self) -> float | None:
        """Seconds until all fits are done, or None where nothing is known yet."""
        now = time.monotonic()
        queued = [self._guess(fit) for fit in self._waiting]
        running = [
            max(0.0, guess - (now - begun)) if (guess := self._guess(fit)) is not None else None
            for fit, begun in self._started.items()
        ]
        known = [guess for guess in (*queued, *running) if guess is not None]
        if not known:
            return None
        total = sum(known) * (len(queued) + len(running)) / len(known)
        return max(
            [
                total / max(1, min(self._workers, len(queued) + len(running))),
                *(guess for guess in running if guess is not None),
            ]
        )

    def _guess(self, fit: str) -> float | None:
        """Seconds of a whole fit."""
        key = self._keys[fit]
        if fit in self._projected:
            return self._projected[fit]
        if self._took[key]:
            return statistics.fmean(self._took[key])
        alike = [seconds for other, seconds in self._projected.items() if self._keys[other] == key]
        return statistics.fmean(alike) if alike else self._expected.get(fit)


def key_of(cell: Cell) -> Key:
    """The key of a cell."""
    return _key(cell.labels, {"ways": cell.evaluate.ways, "shots": cell.evaluate.shots})


def iterations_of(fit: Fit) -> int:
    """Iterations of a fit's budget; of one in seconds, none."""
    train = fit.train
    return train.iterations or math.ceil((train.tasks or 0) / train.tasks_per_batch)


def duration(seconds: float) -> str:
    """Seconds in words: `3.2 s`, `4 min 10 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _key(labels: Mapping[str, Any], evaluate: Mapping[str, Any]) -> Key:
    return (
        labels.get("algorithm"),
        labels.get("dataset"),
        labels.get("model"),
        evaluate.get("ways"),
        evaluate.get("shots"),
    )


def _comparable(record: Mapping[str, Any], conditions: Mapping[str, Any], cpu: str) -> bool:
    if record["result"].get("outcome") not in FINISHED or record["provenance"].get("cpu") != cpu:
        return False
    recorded = record["provenance"].get("conditions") or {}
    return all(recorded.get(name) == conditions.get(name) for name in HARDWARE)
