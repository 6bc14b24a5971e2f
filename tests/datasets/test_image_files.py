"""Image files of strangers: one format, within bounds, whatever the name says; nothing else is
tried and nothing is started."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metabench.datasets.image_files import read_image
from metabench.errors import DataError

DRAWING = Image.new("1", (105, 105), 1)


def png(image: Image.Image = DRAWING, **options: object) -> bytes:
    target = BytesIO()
    image.save(target, "PNG", **options)  # type: ignore[arg-type]
    return target.getvalue()


def other(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        target = BytesIO()
        DRAWING.convert("L").save(target, name)
        return target.getvalue()

    return make


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def with_chunk(kind: bytes, content: bytes, before: bytes = b"IDAT") -> bytes:
    """The drawing, with one chunk more."""
    place = png().index(before) - 4
    return png()[:place] + chunk(kind, content) + png()[place:]


def of_size(width: int, height: int, bits: int = 1) -> bytes:
    """A header of that size, and a drawing's content."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    return png()[:8] + header + chunk(b"IDAT", zlib.compress(bytes(2_000))) + chunk(b"IEND", b"")


def bomb(size: int = 200 * 2**20) -> bytes:
    return zlib.compress(bytes(size), 9)


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    b"0 0 moveto 9 9 lineto stroke\nshowpage\n%%EOF\n"
)

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "postscript": (lambda: POSTSCRIPT, "not a whole PNG"),
    "tiff": (other("TIFF"), "not a whole PNG"),
    "gif": (other("GIF"), "not a whole PNG"),
    "jpeg": (other("JPEG"), "not a whole PNG"),
    "bmp": (other("BMP"), "not a whole PNG"),
    "pdf": (other("PDF"), "not a whole PNG"),
    "nothing": (lambda: b"", "not a whole PNG"),
    "a signature": (lambda: png()[:8], "not a whole PNG"),
    "cut short": (lambda: png()[:60], "truncated"),
    "a wrong checksum": (lambda: png()[:30] + b"\0" + png()[31:], "not a whole PNG"),
    "no pixels": (lambda: of_size(0, 0), ""),
    "4,097 wide": (lambda: of_size(4_097, 2), "4,097 x 2 pixels, and may have 4,096 a side"),
    "10,000 a side": (lambda: of_size(10_000, 10_000), "10,000 x 10,000 pixels"),
    "40,000 a side": (lambda: of_size(40_000, 40_000), "pixels"),
    "2^31 - 1 a side": (lambda: of_size(2**31 - 1, 2**31 - 1), "pixels"),
    "2^31 wide": (lambda: of_size(2**31, 1), ""),
    "a text bomb": (lambda: with_chunk(b"zTXt", b"Comment\0\0" + bomb()), "too large"),
    "an international text bomb": (
        lambda: with_chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb()),
        "too large",
    ),
    "a colour profile bomb": (lambda: with_chunk(b"iCCP", b"profile\0\0" + bomb()), "too large"),
    "a text bomb behind": (
        lambda: with_chunk(b"zTXt", b"Comment\0\0" + bomb(), b"IEND"),
        "too large",
    ),
    "many texts": (
        lambda: (
            png()[:33]
            + b"".join(chunk(b"zTXt", b"%d\0\0" % n + bomb(2**20)) for n in range(80))
            + png()[33:]
        ),
        "oo much memory",
    ),
}

DECODED: dict[str, Callable[[], bytes]] = {
    "plain": png,
    "16 bits": lambda: png(Image.fromarray(np.full((105, 105), 2**16 - 1, np.uint16))),
    "a palette with transparency": lambda: png(
        DRAWING.convert("P"), transparency=bytes(range(256))
    ),
    "colours": lambda: png(DRAWING.convert("RGBA")),
    "garbage behind": lambda: png() + b"garbage" * 1_000,
    "an impossible animation": lambda: with_chunk(b"acTL", struct.pack(">II", 0, 0)),
    "an endless animation": lambda: with_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
    "a chunk of nobody": lambda: with_chunk(b"meTa", bytes(1_000)),
    "more content than pixels": lambda: (
        png()[:33] + chunk(b"IDAT", bomb(2**20)) + chunk(b"IEND", b"")
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drawing.png"


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_such_image_is_refused_by_its_name(kind: str, path: Path) -> None:
    make, reason = REFUSED[kind]
    path.write_bytes(make())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            DataError, match=rf"drawing\.png: cannot be read as an image \(.*{reason}"
        ) as told:
            read_image(path, ("PNG",), "L")
    assert " at 0x" not in str(told.value)


@pytest.mark.parametrize("kind", DECODED)
def test_what_is_odd_and_whole_is_read_without_a_warning(kind: str, path: Path) -> None:
    path.write_bytes(DECODED[kind]())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path, ("PNG",), "L").size == (105, 105)


def test_an_image_is_what_pillow_makes_of_it(path: Path) -> None:
    Image.radial_gradient("L").save(path)
    assert read_image(path, ("PNG",), "L").tobytes() == Image.radial_gradient("L").tobytes()
    Image.radial_gradient("L").save(path, "JPEG")
    with Image.open(path) as image:
        assert read_image(path, ("PNG", "JPEG"), "RGB").tobytes() == image.convert("RGB").tobytes()


def test_postscript_starts_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow hands PostScript to the first `gs` on the path, which may delete and write files."""
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\necho started >> {tmp_path}/mark\n")
    ghostscript.chmod(0o700)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path.write_bytes(POSTSCRIPT)
    with Image.open(path) as image, pytest.raises(OSError):  # noqa: PT011 - in whatever words
        image.load()
    assert (tmp_path / "mark").exists()  # that is what Pillow does when asked
    (tmp_path / "mark").unlink()
    with pytest.raises(DataError, match="not a whole PNG"):
        read_image(path, ("PNG",), "L")
    assert not (tmp_path / "mark").exists()


def test_a_file_beyond_the_limit_is_not_read(path: Path) -> None:
    path.write_bytes(png())
    assert read_image(path, ("PNG",), "L", most_bytes=len(png())).size == (105, 105)
    with pytest.raises(DataError, match=r"larger than \d+ bytes"):
        read_image(path, ("PNG",), "L", most_bytes=len(png()) - 1)
    os.truncate(path, 2**40)  # a file of holes
    with pytest.raises(DataError, match="larger than 16,777,216 bytes"):
        read_image(path, ("PNG",), "L")


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
    ],
)
def test_what_is_no_file_is_refused_without_waiting(
    make: Callable[[Path], object], path: Path
) -> None:
    make(path)
    with pytest.raises(DataError, match=r"drawing\.png: cannot be read as an image"):
        read_image(path, ("PNG",), "L")
