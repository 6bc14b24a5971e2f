"""Being stopped from outside, by Ctrl-C or `kill`, at any moment: with a word, an exit status that
says so, and no traceback."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

PATIENCE, MOMENT = 3.0, 0.02
"""Seconds that the end of an import is waited for, and between two looks."""

GOES_ON = "what is finished is kept, and the same command goes on from there"
"""Of a run."""
_WORDS = {signal.SIGINT: "stopped", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


class Terminated(SystemExit):
    """A signal that asks this process to end."""


@contextmanager
def stopped_well() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the process as Ctrl-C does: with what is to be
    cleaned up, by an exception.

    A Ctrl-C that is ignored, as that of a shell's background is, stays so, and so does a terminal
    that closes behind `nohup`.
    """
    usual = (signal.default_int_handler, signal.SIG_DFL)
    heeded = [
        signal.SIGTERM,
        *(number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) in usual),
    ]
    before = {number: signal.signal(number, _stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(signum: int, frame: FrameType | None) -> None:
    """Raise what ends the process; during an import, in which an exception would be lost or come
    out as another one, as soon as that is over."""
    if _is_importing(frame):
        _tell(signum)
        _stop_after_import(signum, time.monotonic() + PATIENCE)
        return
    if signum == signal.SIGINT:
        raise Interrupted
    _tell(signum)
    raise Terminated(128 + signum)


def _stop_after_import(signum: int, deadline: float) -> None:
    """Look again in a moment; an import that takes too long is not waited for, and leaves to the
    system what there is to clean up."""

    def look(number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):
            raise Interrupted if signum == signal.SIGINT else Terminated(128 + signum)
        if time.monotonic() > deadline:
            os._exit(128 + signum)
        signal.setitimer(signal.ITIMER_REAL, MOMENT)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, MOMENT)


def is_wanted(error: BaseException) -> bool:
    """Whether the user wants this process to stop; otherwise somebody's code has raised what only
    looks like it.

    Where nobody listens to signals, in a notebook's process, every KeyboardInterrupt may be the
    user's.
    """
    if isinstance(error, KeyboardInterrupt):
        return isinstance(error, Interrupted) or signal.getsignal(signal.SIGINT) not in (
            _stop,
            signal.SIG_IGN,
        )
    return isinstance(error, Terminated)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _tell(signum: int) -> None:
    """Say it past Python's streams: the signal may have struck while one of them was being
    written."""
    with suppress(OSError):
        goes_on = f"; {GOES_ON}" if sys.argv[1:2] == ["run"] or len(sys.argv) < 2 else ""
        os.write(2, f"\nmetabench: {_WORDS[signal.Signals(signum)]}{goes_on}\n".encode())
