"""Arrays beside a record: NumPy's archive format, written as NumPy does, and read within bounds, for a stranger may have written it.

Each array is read when it is asked for. Nothing is unpickled, and what the archive or a header declares is checked before any memory is taken for it.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from metabench.errors import RecordError
from metabench.files import open_regular

if TYPE_CHECKING:
    import numpy as np

ARCHIVE = 2**31
"""Bytes of an archive."""

ARRAY = 2**29
"""Bytes of one array: a million episodes of a hundred queries have less."""

MEMBERS = 256
DIRECTORY = 2**17
"""Arrays of an archive, and bytes of its directory."""

_KINDS = "biufSU"
_END = struct.Struct("<4s4H2LH")
"""What ends a zip archive without a comment: signature, disks, entries, size and place of the directory, length of the comment."""

_FAR_END = b"PK\6\7"
"""Signature, 20 bytes before that, of an archive that says its sizes elsewhere, as only one beyond the bounds would."""


class Arrays(Mapping[str, "np.ndarray"]):
    """The arrays of an archive by name; none where there is no file.

    Raises
    ------
    RecordError : the archive is damaged or beyond the bounds; a damaged array raises it when it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, zipfile.ZipInfo] = {}
        if not path.is_symlink() and not path.exists():
            return
        with _told_when_damaged(path), _archive(path) as archive:
            self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def __getitem__(self, name: str) -> np.ndarray:
        info = self._members[name]
        with _told_when_damaged(self._path), _archive(self._path) as archive, archive.open(info) as member:
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
    ValueError : an array holds objects.
    """
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of an archive as it lies there.

    Raises
    ------
    OSError : it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_cut_off(path: Path) -> bool:
    """Whether an archive lacks its end, which a look at its last bytes tells.

    Raises
    ------
    OSError : it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return _end(file) is None


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose directory is within the bounds; the module that reads it would believe whatever it says."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > ARCHIVE:
            raise ValueError(f"it is larger than {ARCHIVE:,} bytes")
        end = _end(file)
        if end is None:
            raise ValueError("it is cut off, or no archive of arrays")
        _, _, _, _, entries, directory, _, _ = end
        if entries > MEMBERS or directory > DIRECTORY:
            raise ValueError(f"it says to hold {entries:,} arrays in a directory of {directory:,} bytes")
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MEMBERS:
                raise ValueError("its directory is longer than it says")
            yield archive


def _end(file: IO[bytes]) -> tuple[bytes, int, int, int, int, int, int, int] | None:
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - _END.size - 20))
    tail = file.read()
    if len(tail) < _END.size or tail[: -_END.size].startswith(_FAR_END):
        return None
    end: tuple[bytes, int, int, int, int, int, int, int] = _END.unpack(tail[-_END.size :])
    return end if end[0] == b"PK\5\6" and end[-1] == 0 else None


def _read_array(member: IO[bytes], info: zipfile.ZipInfo) -> np.ndarray:
    """Read one member of an archive, whose header must say exactly what follows it."""
    import numpy as np

    if info.file_size > ARRAY:
        raise ValueError(f"{info.filename} says to have {info.file_size:,} bytes, and at most {ARRAY:,} are read")
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{info.filename} is of format {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(member)
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise ValueError(f"{info.filename} is of type {dtype}")
    if len(shape) > 16 or any(length < 0 for length in shape):
        raise ValueError(f"{info.filename} has an impossible shape")
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != info.file_size - member.tell():
        raise ValueError(f"{info.filename} declares {size:,} bytes and has {info.file_size - member.tell():,}")
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
    """Turn whatever a damaged archive leads to into a `RecordError`: it shows in check sums, streams, tokens, sizes, and where nobody looks."""
    try:
        yield
    except KeyError as error:
        raise RecordError(f"{path}: is damaged: {error}. Delete the record, and `metabench run` makes it again") from error
    except Exception as error:
        why = str(error)[:300] or type(error).__name__
        raise RecordError(f"{path}: is damaged: {why}. Delete the record, and `metabench run` makes it again") from error
