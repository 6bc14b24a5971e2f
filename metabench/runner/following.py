"""What becomes of the jobs of a run: started in their order on an engine, shown, written down where
they fail, and summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from metabench.errors import RecordError
from metabench.records import FINISHED, WEIGHTS, failed_result, metric_of, record_of
from metabench.runner.describe import score_lines, score_text
from metabench.runner.engine import Engine
from metabench.runner.folder import RunFolder
from metabench.runner.messages import Advanced, Ended, Event, Failure, Job, Placed, Started, Wrote
from metabench.runner.progress import Display


@dataclass(frozen=True)
class Failed:
    """A fit without a result: what it is called, how many of its cells are lost, why, and where its
    log lies, if it has said anything."""

    name: str
    cells: int
    failure: Failure
    log: Path | None


@dataclass
class RunSummary:
    """What a run came to: cells written now (`finished`), found done before (`kept`), stale ones
    let count, and the fits that failed."""

    folder: Path
    finished: int = 0
    kept: int = 0
    stale: int = 0
    missing: int = 0
    seconds: float = 0.0
    failed: list[Failed] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 where every selected cell has a result, else 3."""
        return 3 if self.failed or self.missing else 0


@dataclass
class _Known:
    """What a job has told so far: where it runs, and the cells that it has written."""

    machine: Mapping[str, Any] = field(default_factory=dict)
    wrote: dict[str, Wrote] = field(default_factory=dict)


class Following:
    """Follows the jobs of a run.

    Parameters
    ----------
    folder
        Where records of failures go.
    display
        Is shown everything.
    summary
        Is kept up to date.
    """

    def __init__(self, folder: RunFolder, display: Display, summary: RunSummary) -> None:
        self._folder = folder
        self._display = display
        self._summary = summary
        self._running: dict[str, Job] = {}
        self._known: dict[str, _Known] = {}
        self._pending: dict[str, Job] = {}
        self._failures: dict[str, str] = {}

    def follow(self, engine: Engine, jobs: Sequence[Job], *, fail_fast: bool) -> None:
        """See all jobs to their end; with `fail_fast` up to the first failure."""
        waiting = list(jobs)
        self._pending = {job.fit.id: job for job in jobs}
        while self._pending:
            while len(self._running) < engine.slots and (job := self._next(waiting)) is not None:
                if failure := self._failed_need(job):
                    self._tell(job, Ended(failure, 0.0))
                else:
                    engine.start(job, self._tell)
                if fail_fast and self._summary.failed:
                    return
            engine.wait()
            if fail_fast and self._summary.failed:
                return
            self._display.tick()

    def _next(self, waiting: list[Job]) -> Job | None:
        """Take the first job whose needs have come to an end; None where there is none now."""
        for place, job in enumerate(waiting):
            if self._pending.keys().isdisjoint(job.needs.values()):
                return waiting.pop(place)
        return None

    def _failed_need(self, job: Job) -> Failure | None:
        """Why a job has not what it needs: weights that are there are good for it, whatever the
        test of their fit came to."""
        for role, fit in job.needs.items():
            if not (job.folder / WEIGHTS / f"{fit}.safetensors").exists():
                why = self._failures.get(fit, "its training diverged")
                return Failure("needs_failed", "NeedError", f"{role}: {why}")
        return None

    def _tell(self, job: Job, event: Event) -> None:
        match event:
            case Started():
                self._running[job.fit.id] = job
                self._known[job.fit.id] = _Known()
                self._display.clock.start(job)
                self._display.started(job)
                self._folder.tell_running([job.name for job in self._running.values()])
            case Placed():
                self._known[job.fit.id].machine = event.machine
            case Advanced():
                self._display.clock.advance(job, event)
                self._display.advanced(job, event)
            case Wrote():
                self._known[job.fit.id].wrote[event.cell] = event
            case Ended():
                self._running.pop(job.fit.id, None)
                self._pending.pop(job.fit.id)
                self._end(job, event, self._known.pop(job.fit.id, _Known()))
                self._folder.tell_running([job.name for job in self._running.values()])

    def _end(self, job: Job, event: Ended, known: _Known) -> None:
        failure, summary = event.failure, self._summary
        lost = 0 if failure is None else self._record(job, failure, event, known)
        if job.tests:
            summary.finished += len(job.cells) - lost
            summary.missing -= len(job.cells)
        self._display.clock.end(job, event.seconds, finished=failure is None)
        results = _results(job, known.wrote) if job.tests else "weights for other fits"
        self._display.ended(job, event, results)
        if failure is not None:
            self._failures[job.fit.id] = f"{job.name}: {failure.outcome}: {failure.line}"
            forget_checkpoint(job, failure)
            summary.failed.append(Failed(job.name, lost, failure, event.log))

    def _record(self, job: Job, failure: Failure, event: Ended, known: _Known) -> int:
        """Write a record of the failure for every cell without a result; return how many there
        are."""
        error = {"type": failure.type, "message": failure.message, "traceback": failure.traceback}
        ended = datetime.now(UTC)
        provenance = {
            **job.provenance,
            **known.machine,
            "started": (ended - timedelta(seconds=event.seconds)).isoformat(),
            "ended": ended.isoformat(),
            "log": event.log.name if event.log else None,
        }
        measured = {"wall_seconds": event.seconds, "workers": job.workers}
        lost = [
            (cell, stem)
            for cell, stem in (job.cells if job.tests else ())
            if cell.id not in known.wrote and not self._is_written(stem, job)
        ]
        for cell, stem in lost:
            self._folder.store.write(
                stem,
                record_of(cell, failed_result(failure.outcome, error), measured, provenance),
            )
        return len(lost)

    def _is_written(self, stem: str, job: Job) -> bool:
        """Whether a fit that was killed has written this record, and ended before it could say
        so."""
        path = self._folder.store.path(stem)
        if not path.exists():
            return False
        try:
            record = self._folder.store.load(path)
        except RecordError:  # the record of the failure takes its place
            return False
        return (
            record["result"].get("outcome") in FINISHED
            and record["provenance"].get("run") == job.provenance["run"]
        )


def forget_checkpoint(job: Job, failure: Failure) -> None:
    """Delete the checkpoint of a fit that raised: what it raised over may lie in there.

    One that was killed, or ran out of time or memory, goes on from it in the next run; so does one
    whose data is missing.
    """
    if failure.outcome == "failed" and failure.type != "DataError":
        with suppress(OSError):
            job.checkpoint.unlink(missing_ok=True)


def _results(job: Job, wrote: Mapping[str, Wrote]) -> str:
    """The scores of a fit's cells, and what else there is to know of them, in one line."""
    scores = []
    for cell, _ in job.cells:
        if message := wrote.get(cell.id):
            text = score_text(metric_of(cell), message.score)
            scores.append(
                (cell, text if message.outcome == "completed" else f"{message.outcome}, {text}")
            )
    remarks = dict.fromkeys(remark for message in wrote.values() for remark in message.remarks)
    return "; ".join((score_lines(scores), *remarks))
