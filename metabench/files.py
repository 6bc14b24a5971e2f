"""Files that exist whole or not at all: written under a temporary name in the same folder, flushed, renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from metabench.errors import UnwritableError, message_of

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Replace the file at `path` by `text`: `write_bytes` in UTF-8."""
    write_bytes(path, text.encode(), durable)


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace the file at `path` by `content`, whole or not at all; `durable` also against a loss of power.

    Raises
    ------
    UnwritableError : the disk is full, or the folder has vanished or turned read-only.
    """
    with told_when_unwritable(path):
        try:
            with temporary(path).open("wb") as file:
                file.write(content)
                if durable:
                    flush(file)
            temporary(path).replace(path)
        finally:
            with suppress(OSError):
                temporary(path).unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    UnwritableError : something keeps it from being made.
    """
    with told_when_unwritable(path):
        path.mkdir(parents=True, exist_ok=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that the disk is full (libraries wrap the system's error in their own)."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL
    return any(os.strerror(code) in message_of(error) for code in _DISK_FULL)


def temporary(path: Path) -> Path:
    """Where the content of `path` is written before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def flush(file: IO[Any]) -> None:
    """Make what was written durable."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the renames themselves durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def told_when_unwritable(path: Path) -> Iterator[None]:
    """Turn what the system says of `path` within the block into an `UnwritableError`."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be written: {error.strerror or error}. What was finished before is safe") from error
