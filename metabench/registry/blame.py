"""Around code of somebody else's: whatever it raises is told as its own fault, with its file and
line, and what it does to this process is undone."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from metabench.errors import message_of

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which a user stops a run, whatever a plugin would like."""


def fault(error: BaseException) -> str:
    """Say what was raised: `ZeroDivisionError: division by zero`."""
    # whose place is told with the file
    message = str(error.msg) if isinstance(error, SyntaxError) else message_of(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def place(file: Path, line: int | None = None) -> str:
    """A place in a source, as messages show it."""
    shown = str(file)
    with contextlib.suppress(OSError, ValueError):
        shown = file.relative_to(Path.cwd()).as_posix()
    return f"{shown}, line {line}" if line else shown


def line_in(error: BaseException, file: Path) -> int | None:
    """The line of `file` at which an error was raised: that of the innermost frame in there. None
    where no frame is."""
    if (
        isinstance(error, SyntaxError)
        and error.filename is not None
        and Path(error.filename) == file
    ):
        return error.lineno
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == str(file)
    ]
    return lines[-1] if lines else None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let all that is printed within go to stderr, and put streams, working folder and what signals
    do back afterwards.

    What a program reads from stdout is not for plugins to write to; and one that closes a stream,
    or leaves it replaced, closes or replaces none.
    """
    folder, streams = _working_folder(), (sys.stdout, sys.stderr)
    handlers = (
        {number: signal.getsignal(number) for number in HEEDED}
        if threading.current_thread() is threading.main_thread()
        else {}
    )
    if not isinstance(sys.stderr, _Unclosable):
        sys.stdout = sys.stderr = _Unclosable(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if folder is not None and _working_folder() != folder:
            with contextlib.suppress(OSError):
                os.chdir(folder)


class _Unclosable(io.TextIOBase):
    """A stream that somebody else may write to and cannot close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        self.flush()

    def __getattribute__(self, name: str) -> Any:
        """What a text stream has and its base class only seems to have."""
        if name in ("buffer", "encoding", "errors", "reconfigure"):
            return getattr(super().__getattribute__("_stream"), name)
        return super().__getattribute__(name)


def _working_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - asked often, and compared as it is
    except OSError:
        return None
