"""Runs what a suite lacks: plan, refuse or go on, one process a fit, a record for every cell, a
summary."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.cells import Fit
from metabench.errors import ConfigError, RecordError
from metabench.identity import digest
from metabench.provenance import environment
from metabench.provenance.conditions import Conditions
from metabench.records import (
    FINISHED,
    declaration_of,
    failed_result,
    metric_of,
    record_of,
)
from metabench.runner.data import refuse_changed_data
from metabench.runner.describe import name_of, score_lines, score_text
from metabench.runner.folder import RunFolder
from metabench.runner.forecast import Clock, History
from metabench.runner.messages import Advanced, Ended, Failure, Job, Started, Wrote
from metabench.runner.plan import Plan, PlannedCell, Stale, fits_with_weights, survey
from metabench.runner.pool import Pool
from metabench.runner.progress import Display, display_for

if TYPE_CHECKING:
    from metabench.suite import Suite
    from metabench.suite.project import Project


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


@dataclass(frozen=True)
class Resources:
    """What a run may use: one entry of `devices` for each fit at once, and the threads of each."""

    devices: tuple[str, ...]
    threads: int

    @property
    def device(self) -> str:
        """Kind of device, the same for all fits."""
        return self.devices[0].partition(":")[0]

    def __str__(self) -> str:
        several = "s" if self.threads > 1 else ""
        return f"{len(self.devices)} at once on {self.device}, {self.threads} thread{several} each"


def resources(device: str, workers: int, threads: int) -> Resources:
    """Settle what a run may use.

    Parameters
    ----------
    device
        `auto` (CUDA where there is any), `cpu`, `cuda` (every GPU) or `cuda:N`.
    workers
        Fits at once, 0 for as many as fit: cores by threads on a CPU, one a GPU on CUDA.

    Raises
    ------
    ConfigError
        There is no such device.
    """
    if device == "cpu":
        return Resources(("cpu",) * (workers or max(1, environment.cores() // threads)), threads)
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto" and not found:
        return resources("cpu", workers, threads)
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or (number and not number.isdecimal()):
        raise ConfigError(f"--device {device}: expected auto, cpu, cuda or cuda:N")
    gpus = [f"cuda:{index}" for index in range(found)]
    chosen = [gpu for gpu in gpus if not number or gpu == f"cuda:{int(number)}"]
    if not chosen:
        raise ConfigError(
            f"--device {device}: torch finds {', '.join(gpus) or 'no GPU'} here; `metabench "
            "doctor` says more"
        )
    return Resources(tuple(chosen[: workers or None]), threads)


def run_suite(
    suite: Suite,
    project: Project,
    *,
    using: Resources,
    timeout: float | None = None,
    fail_fast: bool = False,
    stale: Stale | None = None,
    out: Path | None = None,
) -> RunSummary:
    """Run the selected cells of a suite that have no result yet.

    Parameters
    ----------
    timeout
        Seconds after which a fit is killed.
    fail_fast
        Stop at the first fit that fails.
    stale
        What to do about records made under other conditions; None refuses to go on where there are
        any.
    out
        The run folder, instead of the suite's own in the project.

    Raises
    ------
    FolderError, StaleError
        Nothing has been run.
    UnwritableError
        A record could not be written; what was finished before is safe.
    """
    began = time.monotonic()
    folder = RunFolder(out or project.reports / suite.name)
    with folder.locked():
        folder.refuse_other_suite(suite.name)
        conditions = Conditions(using.threads, using.device, project.root)
        plan = survey(suite, folder.store, conditions)
        fits = plan.to_run(stale)
        refuse_changed_data(plan, fits, project.data)
        folder.describe(suite, project.confidence)
        for line in (*plan.damaged, *plan.remarks):
            print(f"warning: {line}")
        folder.sweep_checkpoints(plan)
        kept = fits_with_weights(
            suite,
            folder.store,
            (fit for fit, _ in fits),
            conditions,
            any_conditions=stale == "keep",
        )
        jobs = _jobs(fits, kept, folder, suite, project, using, stale)
        summary = _summary(folder, plan, fits)
        print(_opening(suite, folder, plan, jobs, using), flush=True)
        if jobs:
            known = (planned.record for planned in (*plan.cells, *plan.others) if planned.record)
            history = History(known, conditions(jobs[0].cells[0][0]), environment.cpu_name())
            expected = {
                fit.id: history.seconds(fit, cells, trains=fit.id not in kept)
                for fit, cells in fits
            }
            clock = Clock(jobs, len(using.devices), expected)
            with (
                Pool(using.devices, using.threads, timeout) as pool,
                display_for(len(jobs), clock) as display,
            ):
                _follow(pool, jobs, folder, display, summary, fail_fast)
    summary.seconds = time.monotonic() - began
    return summary


def _follow(
    pool: Pool,
    jobs: Sequence[Job],
    folder: RunFolder,
    display: Display,
    summary: RunSummary,
    fail_fast: bool,
) -> None:
    """Pass on what happens, and write the records of cells whose fit came to nothing."""
    running: dict[str, Job] = {}
    wrote: dict[str, dict[str, Wrote]] = {job.fit.id: {} for job in jobs}
    for event in pool.run(jobs):
        match event:
            case None:
                display.tick()
            case job, Started():
                running[job.fit.id] = job
                display.clock.start(job)
                display.started(job)
                folder.tell_running([job.name for job in running.values()])
            case job, Advanced() as message:
                display.clock.advance(job, message)
                display.advanced(job, message)
            case job, Wrote() as message:
                wrote[job.fit.id][message.cell] = message
            case job, Ended() as message:
                del running[job.fit.id]
                log = _log_of(job)
                lost = (
                    _record_failure(
                        job, message.failure, message.seconds, log, wrote[job.fit.id], folder
                    )
                    if message.failure
                    else 0
                )
                summary.finished += len(job.cells) - lost
                summary.missing -= len(job.cells)
                display.clock.end(job, message.seconds, finished=message.failure is None)
                display.ended(job, message, _results(job, wrote[job.fit.id]))
                folder.tell_running([job.name for job in running.values()])
                if message.failure:
                    forget_checkpoint(job, message.failure)
                    summary.failed.append(Failed(job.name, lost, message.failure, log))
                    if fail_fast:
                        return


def _record_failure(
    job: Job,
    failure: Failure,
    seconds: float,
    log: Path | None,
    wrote: Mapping[str, Wrote],
    folder: RunFolder,
) -> int:
    """Write a record of the failure, after `seconds`, for every cell without a result; return how
    many there are."""
    error = {"type": failure.type, "message": failure.message, "traceback": failure.traceback}
    ended = datetime.now(UTC)
    times = {
        "started": (ended - timedelta(seconds=seconds)).isoformat(),
        "ended": ended.isoformat(),
        "log": log.name if log else None,
    }
    measured = {"wall_seconds": seconds, "workers": job.workers}
    lost = [
        (cell, stem)
        for cell, stem in job.cells
        if cell.id not in wrote and not _is_written(folder, stem, job)
    ]
    for cell, stem in lost:
        folder.store.write(
            stem,
            record_of(
                cell,
                failed_result(failure.outcome, error),
                measured,
                {**job.provenance, **times},
            ),
        )
    return len(lost)


def forget_checkpoint(job: Job, failure: Failure) -> None:
    """Delete the checkpoint of a fit that raised: what it raised over may lie in there.

    One that was killed, or ran out of time or memory, goes on from it in the next run; so does one
    whose data is missing.
    """
    if failure.outcome == "failed" and failure.type != "DataError":
        with suppress(OSError):
            job.checkpoint.unlink(missing_ok=True)


def _log_of(job: Job) -> Path | None:
    """The log of a fit that has ended; one in which nothing stands is deleted."""
    with suppress(OSError):
        if job.log.stat().st_size:
            return job.log
        job.log.unlink()
    return None


def _is_written(folder: RunFolder, stem: str, job: Job) -> bool:
    """Whether a child that was killed has written this record, and died before it could say so."""
    path = folder.store.path(stem)
    if not path.exists():
        return False
    try:
        record = folder.store.load(path)
    except RecordError:  # the record of the failure takes its place
        return False
    return (
        record["result"].get("outcome") in FINISHED
        and record["provenance"].get("run") == job.provenance["run"]
    )


def _results(job: Job, wrote: Mapping[str, Wrote]) -> str:
    """The scores of a fit's cells in one line."""
    told = []
    for cell, _ in job.cells:
        if message := wrote.get(cell.id):
            text = score_text(metric_of(cell), message.score)
            told.append(
                (cell, text if message.outcome == "completed" else f"{message.outcome}, {text}")
            )
    remarks = dict.fromkeys(remark for message in wrote.values() for remark in message.remarks)
    return "; ".join((score_lines(told), *remarks))


def _jobs(
    fits: Sequence[tuple[Fit, list[PlannedCell]]],
    kept: frozenset[str],
    folder: RunFolder,
    suite: Suite,
    project: Project,
    using: Resources,
    stale: Stale | None,
) -> list[Job]:
    run = f"{datetime.now(UTC).isoformat(timespec='milliseconds')}-{os.getpid()}"
    facts = {
        **environment.provenance(using.device, project.root),
        "run": run,
        "declaration_digest": digest(
            declaration_of(suite.claims, suite.reference, project.confidence)
        ),
    }
    return [
        Job(
            fit=fit,
            cells=tuple((planned.cell, planned.stem) for planned in cells),
            name=name_of(cells[0].cell),
            folder=folder.path,
            log=folder.store.path(cells[0].stem).with_suffix(".log"),
            data=project.data,
            plugins=project.plugins,
            root=project.root,
            provenance=facts,
            threads=using.threads,
            workers=len(using.devices),
            keep_weights=suite.keep_weights,
            any_weights=stale == "keep",
            evaluates=fit.id in kept,
            checkpoint_seconds=project.checkpoint_seconds,
        )
        for fit, cells in fits
    ]


def _summary(
    folder: RunFolder, plan: Plan, fits: Sequence[tuple[Fit, list[PlannedCell]]]
) -> RunSummary:
    """Before anything has run: all that is to be run is missing."""
    missing = sum(len(cells) for _, cells in fits)
    stale = (
        plan.counts["stale"]
        if not any(planned.state == "stale" for _, cells in fits for planned in cells)
        else 0
    )
    return RunSummary(folder.path, kept=plan.counts["done"], stale=stale, missing=missing)


def _opening(
    suite: Suite, folder: RunFolder, plan: Plan, jobs: Sequence[Job], using: Resources
) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in plan.counts.items() if number)
    kept = sum(job.evaluates for job in jobs)
    of_these = f" ({kept} of them from kept weights)" if kept else ""
    return (
        f"{suite.name}: {len(plan.cells)} cells ({counts}); {len(jobs)} fits to "
        f"run{of_these}, {using}; in {folder.path}"
    )
