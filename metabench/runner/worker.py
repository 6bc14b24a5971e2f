"""A child process of the process engine: runs one fit, and dies with its parent.

The child leads a process group of its own, and adopts what leaves that, so that whatever a fit
starts ends with it (see `descendants`). It holds the read end of a pipe whose write end only the
parent has: end of file means that the parent is gone, however it went.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from metabench.errors import UnwritableError
from metabench.runner.descendants import adopt_orphans, end_own
from metabench.runner.job import failure_of, run_job, traceback_of
from metabench.runner.messages import Event, Failure, Job

PACKAGE = Path(__file__).parents[1]
"""Where this process has this package from."""


@dataclass(frozen=True)
class Unwritable:
    """A record could not be written: the run cannot go on."""

    message: str


@dataclass(frozen=True)
class Done:
    """All cells of the fit are written; the process is about to end."""


Message = Event | Failure | Unwritable | Done
"""What passes through the pipe from a child."""


def work(job: Job, device: str, package: Path, messages: Connection, lifeline: Connection) -> None:
    """Run a fit in this process, which is its own: the entry point of a child. `package` is where
    the parent has this package from."""
    _detach(lifeline, job.mark)
    try:
        _log_to(job.log)
        if package != PACKAGE:  # its numbers would be recorded as those of other sources
            raise RuntimeError(
                f"this process has imported metabench from {PACKAGE}, and the run from {package}"
            )
        run_job(job, device, messages.send, job.log)
        messages.send(Done())
    # SystemExit and KeyboardInterrupt of a plugin are failures of its fit like any other
    except BaseException as error:
        with suppress(OSError, ValueError):  # a plugin may have closed stderr
            print(traceback_of(error), file=sys.stderr, flush=True)
        try:
            messages.send(failure_of(error, job))
        except UnwritableError as unwritable:
            messages.send(Unwritable(str(unwritable)))
    finally:
        end_own()


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
