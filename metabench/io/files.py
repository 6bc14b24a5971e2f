"""Files that exist whole or not at all: written under a temporary name, flushed, renamed. And files
of strangers, read with care."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, BinaryIO

from metabench.errors import UnwritableError, message_of


class IrregularFileError(OSError):
    """What lies where a file is expected is none; `strerror` says what it is."""


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Replace the file at `path` by `text`: `write_bytes` in UTF-8."""
    write_bytes(path, text.encode(), durable)


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace the file at `path` by `content`, whole or not at all; `durable` also against a loss
    of power.

    Raises
    ------
    UnwritableError
        The disk is full, or the folder has vanished or turned read-only.
    """
    with told_when_unwritable(path):
        try:
            with open_temporary(path) as file:
                file.write(content)
                if durable:
                    flush(file)
            temporary(path).replace(path)
        finally:
            with suppress(OSError):
                temporary(path).unlink(missing_ok=True)


def open_regular(path: Path, *, follow: bool = False) -> BufferedReader:
    """Open a file for reading that may be anything at all: whatever is no regular file is refused
    before it is touched, and nothing blocks.

    Parameters
    ----------
    follow
        Go where a symbolic link points; otherwise a link is refused, too.

    Raises
    ------
    IrregularFileError
        It is no regular file.
    OSError
        It cannot be read.
    """
    # a device may act on being opened
    _refuse_irregular(path.stat(follow_symlinks=follow).st_mode, path)
    descriptor = os.open(
        path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    )
    try:
        _refuse_irregular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """Return the content of a regular file of at most `limit` bytes (see `open_regular`).

    Raises
    ------
    OSError
        It cannot be read, is no regular file, or is larger; `strerror` says which.
    """
    with open_regular(path, follow=follow) as file:
        content = file.read(limit + 1) if os.fstat(file.fileno()).st_size <= limit else None
    if content is None or len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", os.fspath(path))
    return content


def open_temporary(path: Path) -> BinaryIO:
    """Open the temporary file of `path` for writing, a new one: what lies under its name, a planted
    link perhaps, is removed and not written to."""
    temporary(path).unlink(missing_ok=True)
    return temporary(path).open("xb")


def make_folder(path: Path, *, parents: bool = True) -> None:
    """Make a folder where it is missing, with `parents` also those above it.

    Raises
    ------
    UnwritableError
        Something keeps it from being made.
    """
    with told_when_unwritable(path):
        path.mkdir(parents=parents, exist_ok=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that the disk is full (libraries wrap the system's error in their
    own)."""
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
        raise UnwritableError(
            f"{path}: cannot be written: {error.strerror or error}. What was finished before is "
            "safe"
        ) from error


def _refuse_irregular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IrregularFileError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise IrregularFileError(
            errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(mode), 'no file')}", os.fspath(path)
        )
