"""Being stopped from outside, by Ctrl-C or `kill`, at any moment: with a word, an exit status that says so, and no traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

GOES_ON = "what is finished is kept, and the same command goes on from there"
_WORDS = {signal.SIGINT: "stopped", signal.SIGTERM: "terminated"}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


class Terminated(SystemExit):
    """A signal that asks this process to end."""


@contextmanager
def stopped_well() -> Iterator[None]:
    """Within the block SIGTERM ends the process as Ctrl-C does: with what is to be cleaned up, by an exception.

    A Ctrl-C that is ignored, as that of a shell's background is, stays so.
    """
    heeded = [signal.SIGTERM, *([signal.SIGINT] if signal.getsignal(signal.SIGINT) is signal.default_int_handler else [])]
    before = {number: signal.signal(number, _stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    importing = _is_importing(frame)
    if signum == signal.SIGTERM or importing:
        _tell(signum)
    if importing:  # an exception would be lost in there, or come out as another one; there is nothing to clean up that the system does not
        os._exit(128 + signum)
    if signum == signal.SIGINT:
        raise Interrupted
    raise Terminated(128 + signum)


def is_wanted(error: BaseException) -> bool:
    """Whether the user wants this process to stop; otherwise somebody's code has raised what only looks like it.

    Where nobody listens to signals, in a notebook's process, every KeyboardInterrupt may be the user's.
    """
    if isinstance(error, KeyboardInterrupt):
        return isinstance(error, Interrupted) or signal.getsignal(signal.SIGINT) not in (_stop, signal.SIG_IGN)
    return isinstance(error, Terminated)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _tell(signum: int) -> None:
    """Say it past Python's streams: the signal may have struck while one of them was being written."""
    with suppress(OSError):
        os.write(2, f"\nmetabench: {_WORDS[signal.Signals(signum)]}; {GOES_ON}\n".encode())
