"""Arrays beside a record: NumPy's archive format, written as NumPy does, and read within bounds,
for a stranger may have written it.

Each array is read when it is asked for. Nothing is unpickled, and what the archive or a header
declares is checked before any memory is taken for it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from metabench.errors import RecordError, UnreadableRecordError, message_of
from metabench.io.files import open_regular
from metabench.io.zips import open_zip

if TYPE_CHECKING:
    import numpy as np

ARCHIVE = 2**31
"""Bytes of an archive."""

ARRAY = 2**29
"""Bytes of one array: a million episodes of a hundred queries have less."""

MEMBERS = 256
"""Arrays of an archive."""

_KINDS = "biufSU"


class Arrays(Mapping[str, "np.ndarray"]):
    """The arrays of an archive by name; none where there is no file.

    Raises
    ------
    RecordError
        The archive is damaged or beyond the bounds; a damaged array raises it when it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, zipfile.ZipInfo] = {}
        if not path.is_symlink() and not path.exists():
            return
        with _told_when_damaged(path), open_zip(path, ARCHIVE, MEMBERS) as archive:
            self._members = {
                info.filename.removesuffix(".npy"): info for info in archive.infolist()
            }

    def __getitem__(self, name: str) -> np.ndarray:
        info = self._members[name]
        with (
            _told_when_damaged(self._path),
            open_zip(self._path, ARCHIVE, MEMBERS) as archive,
            archive.open(info) as member,
        ):
            return _read_array(member, info)

    def bytes_of(self, name: str) -> int:
        """How many bytes an array takes, as its archive says; none where there is no such array."""
        return self._members[name].file_size if name in self._members else 0

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def archive_of(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of an archive, compressed.

    Raises
    ------
    ValueError
        An array holds objects.
    """
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of an archive as it lies there.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    """
    found = path.lstat()
    return _digest_of(path, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(maxsize=200_000)
def _digest_of(path: Path, state: tuple[int, int, int]) -> str:
    """The digest of a file in this state: who renders a report reads each record several times."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > ARCHIVE:
            raise OSError(errno.EFBIG, f"it is larger than {ARCHIVE:,} bytes", os.fspath(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_array(member: IO[bytes], info: zipfile.ZipInfo) -> np.ndarray:
    """Read one member of an archive, whose header must say exactly what follows it."""
    import numpy as np

    if info.file_size > ARRAY:
        raise ValueError(
            f"{info.filename} says to have {info.file_size:,} bytes, and at most {ARRAY:,} are read"
        )
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{info.filename} is of format {version}")
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran_order, dtype = read_header(member)
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise ValueError(f"{info.filename} is of type {dtype}")
    if len(shape) > 16 or any(length < 0 for length in shape):
        raise ValueError(f"{info.filename} has an impossible shape")
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != info.file_size - member.tell():
        raise ValueError(
            f"{info.filename} declares {size:,} bytes and has {info.file_size - member.tell():,}"
        )
    array = np.empty(shape[::-1] if fortran_order else shape, dtype)
    if size:
        whole = memoryview(array.reshape(-1).view(np.uint8).data)
        done = 0
        while done < size and (count := member.readinto(whole[done : done + 2**20])):  # type: ignore[attr-defined]
            done += count
        if done < size:
            raise EOFError(f"{info.filename} breaks off")
    if member.read(1):  # the end is where the check sum is looked at
        raise ValueError(f"{info.filename} is longer than it says")
    return array.T if fortran_order else array


@contextmanager
def _told_when_damaged(path: Path) -> Iterator[None]:
    """Turn whatever a damaged archive leads to into a `RecordError`: it shows in check sums,
    streams, tokens, sizes, and where nobody looks."""
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise UnreadableRecordError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        why = message_of(error) or type(error).__name__
        raise RecordError(
            f"{path}: is damaged: {why}. Delete the record, and `metabench run` makes it again"
        ) from error
