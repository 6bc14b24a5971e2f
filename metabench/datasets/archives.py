"""Zip archives of strangers: the files that a dataset wants of one, each read within bounds, and
nothing else of it."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from metabench.errors import DataError
from metabench.io.zips import open_zip

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LONGEST_NAME = 255
"""Bytes of a file's or folder's name that file systems take."""


@dataclass(frozen=True)
class Bounds:
    """The most that an archive may be and hold; far above what is published, far below what hurts.

    Attributes
    ----------
    archive_bytes
        Of the archive itself.
    members
        Files and folders in it.
    member_bytes, total_bytes
        Of one file, and of all, unpacked.
    """

    archive_bytes: int
    members: int
    member_bytes: int
    total_bytes: int


def read_archive(
    archive: Path, pattern: str, bounds: Bounds
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield name and content of each file whose whole name matches `pattern` (``images/*/*.png``; a
    star matches no slash).

    Folders, hidden files and all others are passed over. Nothing is written.

    Raises
    ------
    DataError
        What lies there is no file, no whole zip archive, or goes beyond the bounds; a name leads
        out of the archive or stands in it twice; a file is encrypted, oddly compressed, or a link;
        none matches. Names the archive.
    """
    try:
        with open_zip(archive, bounds.archive_bytes, bounds.members) as content:
            for name, member in _chosen(content.infolist(), pattern, bounds).items():
                yield name, _content(content, member)
    except OSError as error:
        raise DataError(f"{archive}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile raises whatever it meets in spoilt bytes
        raise DataError(
            f"{archive}: {str(error) or type(error).__name__}; put the original archive in its "
            "place, or remove it"
        ) from error


def _chosen(
    members: list[zipfile.ZipInfo], pattern: str, bounds: Bounds
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    levels = pattern.count("/") + 1
    chosen: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in members:
        name = _name(member)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or member.is_dir() or len(name.parts) != levels or not name.match(pattern):
            continue
        if name in chosen:
            raise ValueError(f"it holds {str(name)!r} twice")
        _check(member, bounds)
        chosen[name] = member
    if not chosen:
        raise ValueError(f"it holds no {pattern}")
    if (total := sum(member.file_size for member in chosen.values())) > bounds.total_bytes:
        raise ValueError(
            f"its files have {total:,} bytes unpacked, and may have {bounds.total_bytes:,}"
        )
    return chosen


def _name(member: zipfile.ZipInfo) -> PurePosixPath:
    """The name of a file in an archive, which leads to a place below wherever it is unpacked."""
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(
            f"it holds {member.filename!r}, which leads out of the folder that it is unpacked to"
        )
    if not member.filename.isprintable() or any(
        len(part.encode()) > LONGEST_NAME for part in name.parts
    ):
        raise ValueError(f"it holds {member.filename[:LONGEST_NAME]!r}, which is no name of a file")
    return name


def _check(member: zipfile.ZipInfo, bounds: Bounds) -> None:
    wrong = ""
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        wrong = "is no regular file"
    elif member.flag_bits & 0x1:
        wrong = "is encrypted"
    elif member.compress_type not in COMPRESSIONS:
        wrong = f"is compressed by method {member.compress_type}, and may be stored or deflated"
    elif member.file_size > bounds.member_bytes:
        wrong = f"has {member.file_size:,} bytes unpacked, and may have {bounds.member_bytes:,}"
    if wrong:
        raise ValueError(f"{member.filename!r} in it {wrong}")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The content of a file, of which no more is unpacked than was declared."""
    try:
        with archive.open(member) as file:
            content = file.read(member.file_size + 1)
    except Exception as error:  # as in `read_archive`; here the file is known
        raise ValueError(
            f"{member.filename!r} in it is damaged ({str(error) or type(error).__name__})"
        ) from error
    if len(content) != member.file_size:
        raise ValueError(
            f"{member.filename!r} in it has other than the {member.file_size:,} bytes that it "
            "should have"
        )
    return content
