"""What a fit has started, wherever it went: it ends with the fit.

A process group is not enough, for a child may have made a session of its own. On Linux a fit's
process adopts what its children leave behind, so everything that it has started stays below it for
as long as it lives. Where it has died without a word, what it had started is known by a variable of
its environment; a child that cleared its environment, or has forked and executed nothing since, is
not found then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

import psutil

VARIABLE = "METABENCH_FIT"
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 10
"""Times that processes which are started while others are killed are looked for."""


def adopt_orphans(mark: str) -> None:
    """Let this process be the parent of whatever its descendants leave behind, and let all of them
    carry `mark`."""
    os.environ[VARIABLE] = mark
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_own() -> None:
    """Kill all that this process has started. Takes no time where it has started nothing."""
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        end_of(os.getpid())


def end_of(pid: int) -> None:
    """Kill all descendants of a process, which lives."""
    for _ in range(_ROUNDS):
        try:
            living = [
                child
                for child in psutil.Process(pid).children(recursive=True)
                if child.status() != psutil.STATUS_ZOMBIE
            ]
        except psutil.NoSuchProcess:  # one of them has ended meanwhile
            continue
        if not living:
            return
        _kill(living)


def end_marked(mark: str) -> None:
    """Kill all processes of this user that carry a mark. Reads the environment of each process that
    there is."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE) == mark:
                _kill([process])


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
