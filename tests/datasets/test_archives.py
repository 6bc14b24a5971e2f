"""Archives of strangers: the files that are wanted, within bounds; anything odd is refused by the
archive's name."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from metabench.datasets.archives import Bounds, read_archive
from metabench.errors import DataError

BOUNDS = Bounds(archive_bytes=1_000_000, members=1_000, member_bytes=100_000, total_bytes=1_000_000)
PATTERN = "top/*/*.png"
CONTENT = bytes(range(256)) * 20


def unpacked(path: Path) -> dict[str, bytes]:
    return {str(name): content for name, content in read_archive(path, PATTERN, BOUNDS)}


def member(name: str, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def archive_of(*members: str | zipfile.ZipInfo, content: bytes = CONTENT) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as target:
            for name in members:
                target.writestr(
                    name if isinstance(name, zipfile.ZipInfo) else member(name), content
                )

    return make


def with_bytes(place: bytes, offset: int, value: bytes) -> Callable[[Path], None]:
    """A whole archive, in which `value` is written so far behind the last `place`."""

    def make(path: Path) -> None:
        archive_of("top/a/1.png")(path)
        content = bytearray(path.read_bytes())
        at = content.rindex(place) + offset
        content[at : at + len(value)] = value
        path.write_bytes(content)

    return make


def of_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"

REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (of_bytes(b""), "it is cut off, or no zip archive"),
    "garbage": (of_bytes(b"PK no"), "it is cut off, or no zip archive"),
    "a damaged stream": (
        with_bytes(b"PK\x03\x04", 41 + 5, b"\xff" * 9),
        r"'top/a/1\.png' in it is damaged",
    ),
    "a wrong checksum": (
        with_bytes(CENTRAL, 16, b"1234"),
        r"'top/a/1\.png' in it is damaged \(Bad CRC-32",
    ),
    "a file shorter than declared": (
        with_bytes(CENTRAL, 24, struct.pack("<I", 99_999)),
        "has other than the 99,999 bytes",
    ),
    "a file longer than declared": (
        with_bytes(CENTRAL, 24, struct.pack("<I", 9)),
        r"'top/a/1\.png' in it is damaged",
    ),
    "a file of 4 GB": (
        with_bytes(CENTRAL, 24, struct.pack("<I", 2**32 - 2)),
        r"has 4,294,967,294 bytes unpacked, and may have 100,000",
    ),
    "an offset beyond the end": (
        with_bytes(CENTRAL, 42, struct.pack("<I", 2**31)),
        r"'top/a/1\.png' in it is damaged",
    ),
    "a directory beyond the end": (with_bytes(END, 12, struct.pack("<I", 2**31)), ""),
    "encrypted": (with_bytes(CENTRAL, 8, b"\1\0"), "is encrypted"),
    "of a later version": (with_bytes(CENTRAL, 6, b"\xff\0"), "zip file version"),
    "compressed by lzma": (
        archive_of(member("top/a/1.png", method=zipfile.ZIP_LZMA)),
        "is compressed by method 14, and may be stored or deflated",
    ),
    "compressed by nobody": (with_bytes(CENTRAL, 10, b"\x63\0"), "is compressed by method 99"),
    "a link": (
        archive_of(member("top/a/1.png", stat.S_IFLNK | 0o777), content=b"/etc/passwd"),
        "is no regular file",
    ),
    "a pipe": (archive_of(member("top/a/1.png", stat.S_IFIFO | 0o777)), "is no regular file"),
    "up": (archive_of("top/a/1.png", "top/../../x.png"), r"'top/../../x\.png', which leads out"),
    "up, elsewhere": (archive_of("top/a/1.png", "../x.txt"), r"'\.\./x\.txt', which leads out"),
    "absolute": (archive_of("top/a/1.png", "/top/a/1.png"), r"'/top/a/1\.png', which leads out"),
    "a line break in a name": (archive_of("top/a\n/1.png"), "which is no name of a file"),
    "a long name": (archive_of(f"top/{'x' * 300}/1.png"), "which is no name of a file"),
    "twice": (archive_of("top/a/1.png", "top/./a//1.png"), r"'top/a/1\.png' twice"),
    "another top folder": (
        archive_of("other/a/1.png", "1.png", "top/1.png", "top/a/b/1.png", "top/a/.1.png"),
        r"it holds no top/\*/\*\.png",
    ),
    "many files": (
        archive_of(*(f"top/a/{n}.png" for n in range(1_001)), content=b""),
        "it says to hold 1,001 files in a directory of [0-9,]+ bytes, and may hold 1,000",
    ),
    "a bomb of one": (
        archive_of("top/a/1.png", content=bytes(100_001)),
        "has 100,001 bytes unpacked, and may have 100,000",
    ),
    "a bomb of many": (
        archive_of(*(f"top/a/{n}.png" for n in range(11)), content=bytes(100_000)),
        "have 1,100,000 bytes unpacked, and may have 1,000,000",
    ),
    "too large": (
        lambda path: os.truncate(path, 2**40) if not path.touch() else None,
        "it has 1,099,511,627,776 bytes, and may have 1,000,000",
    ),
    "a named pipe": (os.mkfifo, "it is a named pipe"),
    "a link to an archive": (lambda path: path.symlink_to("/dev/zero"), "it is a symbolic link"),
    "a folder": (Path.mkdir, "Is a directory"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_odd_archive_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    make, reason = REFUSED[kind]
    make(tmp_path / "x.zip")
    with pytest.raises(DataError, match=rf"^{re.escape(str(tmp_path))}/x\.zip: .*{reason}") as told:
        unpacked(tmp_path / "x.zip")
    assert str(told.value).isprintable()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_is_wanted_is_read_and_all_else_passed_over(method: int, tmp_path: Path) -> None:
    names = ("top/a/1.png", "top/b/2.png", "top/b/notes.txt", "__MACOSX/top/a/1.png", "README")
    archive_of(*(member(name, stat.S_IFREG | 0o644, method) for name in names), "top/", "top/a/")(
        tmp_path / "x.zip"
    )
    assert unpacked(tmp_path / "x.zip") == {"top/a/1.png": CONTENT, "top/b/2.png": CONTENT}
    assert isinstance(next(read_archive(tmp_path / "x.zip", PATTERN, BOUNDS))[0], PurePosixPath)


@pytest.mark.slow
def test_any_bit_may_be_wrong(tmp_path: Path) -> None:
    """Each byte of an archive in turn: either it is refused, or what is read is what was put in."""
    archive_of("top/a/1.png", "top/b/2.png")(tmp_path / "x.zip")
    whole = (tmp_path / "x.zip").read_bytes()
    for place in range(len(whole)):
        (tmp_path / "x.zip").write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        )
        try:
            assert set(unpacked(tmp_path / "x.zip").values()) == {CONTENT}
        except DataError:
            continue
