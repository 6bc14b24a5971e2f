"""Zip archives of strangers, opened only where their directory is within bounds: the module that
reads them would believe whatever it says."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from metabench.io.files import open_regular

_END = struct.Struct("<4s4H2LH")
"""What ends an archive without a comment: signature, disks, entries, size and place of the
directory, length of the comment."""

_FAR_END = b"PK\6\7"
"""Signature, 20 bytes before that, of an archive that says its sizes elsewhere, as only one beyond
all bounds would."""

_ENTRY = 400
"""Bytes of the directory that one member may take; the longest names of files have 255."""


@contextmanager
def open_zip(path: Path, most_bytes: int, most_members: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive of so many bytes and members at most.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    ValueError
        It is beyond the bounds, or no whole archive.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise ValueError(f"it has {size:,} bytes, and may have {most_bytes:,}")
        end = _end(file)
        if end is None:
            raise ValueError("it is cut off, or no zip archive")
        entries, directory = end
        if entries > most_members or directory > most_members * _ENTRY:
            raise ValueError(
                f"it says to hold {entries:,} files in a directory of {directory:,} bytes, and may "
                f"hold {most_members:,}"
            )
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > most_members:
                raise ValueError("its directory is longer than it says")
            yield archive


def is_cut_off(path: Path) -> bool:
    """Whether an archive lacks its end, which a look at its last bytes tells.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return _end(file) is None


def _end(file: IO[bytes]) -> tuple[int, int] | None:
    """How many members an archive says to have, and how large its directory is; None where it does
    not end as one."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - _END.size - 20))
    tail = file.read()
    if len(tail) < _END.size or tail[: -_END.size].startswith(_FAR_END):
        return None
    signature, _, _, _, entries, directory, _, comment = _END.unpack(tail[-_END.size :])
    return (entries, directory) if signature == b"PK\5\6" and comment == 0 else None
