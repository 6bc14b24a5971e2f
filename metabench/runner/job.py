"""One fit from its job to its records: load, train, test, write, tell. Nothing here knows what kind
of process it runs in: that is the engine's business."""

from __future__ import annotations

import errno
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.errors import (
    TRACEBACK,
    ConfigError,
    DataError,
    DivergedError,
    MetabenchError,
    NeedError,
    PluginError,
    UnwritableError,
    message_of,
    shortened,
)
from metabench.io.files import is_disk_full
from metabench.provenance import environment
from metabench.provenance.conditions import Conditions
from metabench.provenance.sources import hold_imported
from metabench.records import WEIGHTS, RecordStore, read_holder, record_of
from metabench.runner.messages import Advanced, Event, Failure, Job, Placed, Wrote

if TYPE_CHECKING:
    from metabench.experiment.fit import CellOutcome, Progress
    from metabench.registry import Group

_OWN_LIMITS = (errno.EMFILE, errno.EFBIG)
"""What keeps this process from writing, and perhaps no other: a plugin that leaves files open, or
that lowers its limits."""

_OUTCOMES: Mapping[type[BaseException], str] = {
    DivergedError: "diverged",
    NeedError: "needs_failed",
}
"""What an error of ours means for a fit, where that is not that it failed."""

PROGRESS_INTERVAL = 0.2
"""Seconds between two reports of progress within a phase."""


def run_job(job: Job, device: str, tell: Callable[[Event], None], log: Path | None = None) -> None:
    """Run a fit here, write the records of its cells, and tell how it goes.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    tell
        Is given `Placed`, then `Advanced` and `Wrote` as it comes to them.
    log
        Where what the fit prints goes; None where nobody keeps it.

    Raises
    ------
    BaseException
        Whatever ended it; `failure_of` says what that means.
    """
    import torch

    from metabench import registry
    from metabench.experiment import fit as experiment
    from metabench.experiment.weights import Keeping

    torch.set_num_threads(job.threads)
    machine = environment.machine(device)
    tell(Placed(machine))
    registry.use_plugins(job.plugins, job.root)
    conditions = _conditions(job, device)
    started = datetime.now(UTC)
    known = {**job.provenance, **machine, "started": started.isoformat()}
    keeping = Keeping(
        weights=job.folder / WEIGHTS if job.keep_weights else None,
        checkpoints=job.checkpoint.parent,
        every=job.checkpoint_seconds,
        provenance={**known, "conditions": conditions.fit(job.fit)},
        stale=job.any_weights,
        needs=job.folder / WEIGHTS,
        conditions_of_needs={fit.id: conditions.fit(fit) for fit in job.fit.family()},
    )
    beside = Beside(job.folder)
    outcomes = experiment.run_fit(
        [cell for cell, _ in job.cells],
        data=job.data,
        device=device,
        threads=job.threads,
        workers=job.workers,
        progress=Throttled(tell, beside.look),
        keeping=keeping,
        tests=job.tests,
        compilation=conditions.compilation(job.fit),
    )
    for outcome in outcomes:
        outcome.measured["concurrent_fits"] = beside.mean
        _write(job, outcome, {**known, "conditions": conditions(outcome.cell)}, log)
        result, remarks = outcome.result, outcome.provenance_extra.get("remarks") or ()
        tell(Wrote(outcome.cell.id, result["outcome"], result["score"], tuple(remarks)))
    job.checkpoint.unlink(missing_ok=True)


def _conditions(job: Job, device: str) -> Conditions:
    """The conditions of the fit and its cells, looked up at once: an edit from now on changes
    nothing of what is imported here."""
    from metabench import registry

    for group, name in _parts(job):
        registry.get(group, name)
    hold_imported()
    conditions = Conditions(job.threads, device, job.root, job.compile)
    for fit in job.fit.family():
        conditions.fit(fit)
    for cell, _ in job.cells:
        conditions(cell)
    return conditions


def _write(job: Job, outcome: CellOutcome, known: dict[str, Any], log: Path | None) -> None:
    with suppress(OSError, ValueError):  # a plugin may have closed it
        sys.stdout.flush()
    provenance = {
        **known,
        **outcome.provenance_extra,
        "ended": datetime.now(UTC).isoformat(),
        "log": log.name if log is not None and log.stat().st_size else None,
    }
    stems = {cell.id: stem for cell, stem in job.cells}
    RecordStore(job.folder).write(
        stems[outcome.cell.id],
        record_of(outcome.cell, outcome.result, outcome.measured, provenance),
        outcome.arrays,
    )


class Throttled:
    """Passes progress on at once when the phase changes or ends, and otherwise a few times a
    second: who is told has other things to do. `look` is called as often."""

    def __init__(self, tell: Callable[[Event], None], look: Callable[[], None]) -> None:
        self._tell = tell
        self._look = look
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
        self._look()
        self._tell(Advanced(progress.phase, progress.iteration, progress.total, progress.loss))


class Beside:
    """How many fits of the run are at work while one is, itself included: a mean over looks at what
    the run says of that. Times are measured beside so many, whatever was allowed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._total = 0
        self._looks = 0

    def look(self) -> None:
        """Count those that are at work now."""
        holder = read_holder(self._folder)
        if holder is not None and holder["fits"]:
            self._total += len(holder["fits"])
            self._looks += 1

    @property
    def mean(self) -> float | None:
        """None where nobody says it."""
        return self._total / self._looks if self._looks else None


def failure_of(error: BaseException, job: Job) -> Failure:
    """Say why a fit has failed that has raised this.

    Raises
    ------
    UnwritableError
        It could not write: neither could any other, and the run cannot go on.
    """
    own = isinstance(error.__cause__, OSError) and error.__cause__.errno in _OWN_LIMITS
    if isinstance(error, UnwritableError) and not own:
        raise UnwritableError(str(error)) from error
    if is_disk_full(error):
        raise UnwritableError(f"the disk is full: {message_of(error)}") from error
    outcome = next(
        (name for kind, name in _OUTCOMES.items() if isinstance(error, kind)),
        "out_of_memory" if _is_out_of_memory(error) else "failed",
    )
    message = message_of(error)
    if not isinstance(error, MetabenchError) or isinstance(error, PluginError):
        message = f"{message}\n{_culprit(error, job)}".strip("\n")
    trace = None if isinstance(error, (DataError, *_OUTCOMES)) else traceback_of(error)
    return Failure(outcome, type(error).__name__, message, trace)


def traceback_of(error: BaseException) -> str:
    """The traceback of an exception, or its beginning and end."""
    return shortened("".join(traceback.format_exception(error)), TRACEBACK)


def _culprit(error: BaseException, job: Job) -> str:
    from metabench.registry import accused

    try:
        return accused(error, _parts(job))
    except ConfigError:  # the names themselves are what is wrong
        return ""


def _parts(job: Job) -> list[tuple[Group, str]]:
    """What the fit, those that it needs, and its tests are made of, by group and name."""
    return [
        *((group, part.name) for fit in job.fit.family() for group, part in fit.parts),
        *(("datasets", cell.evaluate.on.name) for cell, _ in job.cells if cell.evaluate.on),
    ]


def _is_out_of_memory(error: BaseException) -> bool:
    """A MemoryError, torch's own on a GPU, or what torch's allocator on a CPU and CUDA's libraries
    say in a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    message = message_of(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in message for words in ("allocate memory", "not enough memory", "out of memory")
    )
