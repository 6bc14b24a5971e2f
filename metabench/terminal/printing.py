"""What the command line prints on: streams that are there, that show control characters as such,
and that may fail without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from metabench.text import shown

STANDARD = ("stdin", "stdout", "stderr")


class Shown:
    """A stream that shows what is printed on it (see `text.shown`).

    Attributes
    ----------
    stream
        Where it goes, for what draws on a terminal and has to pass control characters on.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, as it is shown."""
        with self._guarded():
            self.stream.write(shown(text))
        return len(text)

    def flush(self) -> None:
        """Pass on what has been written."""
        with self._guarded():
            self.stream.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Let an error of the system's say what it is about."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Resigned(Shown):
    """One for messages: where they can go nowhere they are lost, and the exit status is left to
    speak."""

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            silence(self.stream)


@contextmanager
def shown_streams() -> Iterator[None]:
    """Have good streams within the block, and none afterwards that Python could not flush at its
    end."""
    open_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        cast("TextIO", kind(_mended(stream)))
        for kind, stream in zip((Shown, Resigned), before, strict=True)
    )
    kept = cast("Shown", sys.stdout).stream, cast("Shown", sys.stderr).stream
    try:
        yield
    finally:
        for stream in kept:
            Resigned(stream).flush()
        sys.stdout, sys.stderr = before


def open_descriptors() -> None:
    """Open those of the standard descriptors that are closed on nothing, for children too: else the
    next file or pipe is printed on."""
    for number in range(len(STANDARD)):
        try:
            os.fstat(number)
        except OSError:
            # takes the lowest number that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def silence(stream: TextIO) -> None:
    """Let a stream whose reader has gone, or whose disk is full, go nowhere; what it still holds
    too."""
    with suppress(OSError, ValueError, AttributeError):  # a stand-in without a descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _mended(stream: TextIO | None) -> TextIO:
    """A stream that is closed goes nowhere; characters that a terminal's encoding lacks are shown
    by their number."""
    if stream is None:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
    with suppress(AttributeError):  # a stand-in of somebody's
        cast("Any", stream).reconfigure(errors="backslashreplace")
    return stream
