"""A child process: runs one fit, writes the records of its cells, and dies with its parent.

The child leads a process group of its own, and adopts what leaves that, so that whatever a fit
starts ends with it (see `descendants`). It holds the read end of a pipe whose write end only the
parent has: end of file means that the parent is gone, however it went.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.errors import (
    TRACEBACK,
    ConfigError,
    DataError,
    MetabenchError,
    PluginError,
    UnwritableError,
    message_of,
    shortened,
)
from metabench.io.files import is_disk_full
from metabench.provenance.conditions import Conditions
from metabench.records import WEIGHTS, RecordStore, record_of
from metabench.runner.descendants import adopt_orphans, end_own
from metabench.runner.messages import Advanced, Done, Failure, Job, Message, Unwritable, Wrote

if TYPE_CHECKING:
    from metabench.experiment.fit import CellOutcome, Progress
    from metabench.registry import Group

_OWN_LIMITS = (errno.EMFILE, errno.EFBIG)
"""What keeps this process from writing, and perhaps no other: a plugin that leaves files open, or
that lowers its limits."""

PROGRESS_INTERVAL = 0.2
"""Seconds between two reports of progress within a phase."""


def work(job: Job, device: str, messages: Connection, lifeline: Connection) -> None:
    """Run a fit in this process, which is its own: the entry point of a child."""
    _detach(lifeline, job.mark)
    try:
        _log_to(job.log)
        _run(job, device, messages)
        messages.send(Done())
    # SystemExit and KeyboardInterrupt of a plugin are failures of its fit like any other
    except BaseException as error:
        with suppress(OSError, ValueError):  # a plugin may have closed stderr
            print(_traceback(error), file=sys.stderr, flush=True)
        messages.send(_told(error, job))
    finally:
        end_own()


def _run(job: Job, device: str, messages: Connection) -> None:
    import torch

    from metabench import registry
    from metabench.experiment import fit as experiment
    from metabench.experiment.weights import Keeping

    # its numbers would be recorded as those of other sources
    if Path(__file__).parents[1] != job.package:
        raise RuntimeError(
            f"this process has imported metabench from {Path(__file__).parents[1]}, and the run "
            f"from {job.package}"
        )
    torch.set_num_threads(job.threads)
    registry.use_plugins(job.plugins, job.root)
    conditions = _conditions(job, device)
    store = RecordStore(job.folder)
    stems = {cell.id: stem for cell, stem in job.cells}
    started = datetime.now(UTC)
    keeping = Keeping(
        weights=job.folder / WEIGHTS if job.keep_weights else None,
        checkpoints=job.checkpoint.parent,
        every=job.checkpoint_seconds,
        provenance={
            **job.provenance,
            "conditions": conditions.fit(job.fit),
            "started": started.isoformat(),
        },
        stale=job.any_weights,
    )
    outcomes = experiment.run_fit(
        [cell for cell, _ in job.cells],
        data=job.data,
        device=device,
        threads=job.threads,
        workers=job.workers,
        progress=Throttled(messages),
        keeping=keeping,
    )
    for outcome in outcomes:
        _write(store, stems[outcome.cell.id], job, outcome, conditions, started)
        result, remarks = outcome.result, outcome.provenance_extra.get("remarks") or ()
        messages.send(Wrote(outcome.cell.id, result["outcome"], result["score"], tuple(remarks)))
    job.checkpoint.unlink(missing_ok=True)


def _conditions(job: Job, device: str) -> Conditions:
    """The conditions of the fit and its cells, looked up at once: an edit from now on changes
    nothing of what is imported here."""
    from metabench import registry

    for group, name in _parts(job):
        registry.get(group, name)
    conditions = Conditions(job.threads, device, job.root)
    conditions.fit(job.fit)
    for cell, _ in job.cells:
        conditions(cell)
    return conditions


def _write(
    store: RecordStore,
    stem: str,
    job: Job,
    outcome: CellOutcome,
    conditions: Conditions,
    started: datetime,
) -> None:
    with suppress(OSError, ValueError):  # a plugin may have closed it
        sys.stdout.flush()
    times = {"started": started.isoformat(), "ended": datetime.now(UTC).isoformat()}
    log = job.log.name if job.log.stat().st_size else None
    provenance = {
        **job.provenance,
        "conditions": conditions(outcome.cell),
        **outcome.provenance_extra,
        **times,
        "log": log,
    }
    store.write(
        stem, record_of(outcome.cell, outcome.result, outcome.measured, provenance), outcome.arrays
    )


class Throttled:
    """Passes progress on at once when the phase changes or ends, and otherwise a few times a
    second: a pipe is no place for every iteration."""

    def __init__(self, messages: Connection) -> None:
        self._messages = messages
        self._phase = ""
        self._sent = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if (
            progress.phase == self._phase
            and now - self._sent < PROGRESS_INTERVAL
            and progress.iteration != progress.total
        ):
            return
        self._phase, self._sent = progress.phase, now
        self._messages.send(
            Advanced(progress.phase, progress.iteration, progress.total, progress.loss)
        )


def _detach(lifeline: Connection, mark: str) -> None:
    """Leave Ctrl-C to the parent, and see to it that nothing outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    adopt_orphans(mark)
    threading.Thread(
        target=_die_with_parent, args=(lifeline,), name="lifeline", daemon=True
    ).start()


def _die_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()  # nothing is ever sent
    except (EOFError, OSError):
        with suppress(Exception):
            end_own()
        os.killpg(0, signal.SIGKILL)


def _log_to(log: Path) -> None:
    """Send what this process and libraries in C print to the log; SIGUSR1 adds where every thread
    stands, and so does a crash."""
    try:
        # whatever it is: nothing is written through a link, and nobody waited for behind a pipe
        log.unlink(missing_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise UnwritableError(f"{log}: cannot be written: {error.strerror}") from error
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


def _told(error: BaseException, job: Job) -> Message:
    own = isinstance(error.__cause__, OSError) and error.__cause__.errno in _OWN_LIMITS
    if isinstance(error, UnwritableError) and not own:
        return Unwritable(str(error))
    if is_disk_full(error):
        return Unwritable(f"the disk is full: {message_of(error)}")
    outcome = "out_of_memory" if _is_out_of_memory(error) else "failed"
    message = message_of(error)
    if not isinstance(error, MetabenchError) or isinstance(error, PluginError):
        message = f"{message}\n{_culprit(error, job)}".strip("\n")
    trace = None if isinstance(error, DataError) else _traceback(error)
    return Failure(outcome, type(error).__name__, message, trace)


def _culprit(error: BaseException, job: Job) -> str:
    from metabench.registry import accused

    try:
        return accused(error, _parts(job))
    except ConfigError:  # the names themselves are what is wrong
        return ""


def _parts(job: Job) -> list[tuple[Group, str]]:
    """What the fit and its tests are made of, by group and name."""
    return [
        *((group, part.name) for group, part in job.fit.parts),
        *(("datasets", cell.evaluate.on.name) for cell, _ in job.cells if cell.evaluate.on),
    ]


def _traceback(error: BaseException) -> str:
    return shortened("".join(traceback.format_exception(error)), TRACEBACK)


def _is_out_of_memory(error: BaseException) -> bool:
    """A MemoryError, torch's own on a GPU, or what torch's allocator on a CPU and CUDA's libraries
    say in a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    message = message_of(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in message for words in ("allocate memory", "not enough memory", "out of memory")
    )
