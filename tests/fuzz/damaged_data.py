"""Ways to damage drawings, folders, archives and cache entries. Not collected: `test_data_folders`
draws from these.

Each changes what lies at a path, by the generator that it is given, and says in a few words what it
did.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = (
    "TIFF",
    "GIF",
    "JPEG",
    "BMP",
    "EPS",
    "PDF",
    "ICO",
    "PPM",
    "WEBP",
    "TGA",
    "SGI",
    "PCX",
    "DDS",
    "JPEG2000",
    "MSP",
    "XBM",
)
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"(x) (w) file closefile showpage\n%%EOF\n"
)
SIZES = (0, 1, 2, 105, 4_096, 4_097, 10_000, 40_000, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
CHUNKS = (
    b"zTXt",
    b"iTXt",
    b"tEXt",
    b"iCCP",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"tRNS",
    b"PLTE",
    b"eXIf",
    b"pHYs",
    b"cHRM",
    b"gAMA",
    b"sRGB",
    b"IDAT",
    b"IEND",
)
NAMES = (
    b"new\nline", b"\x1b[31mred", b"\xff\xfe", b"\xed\xb2\x80", b"x" * 251, b" ", b"-rf", b"'",
    b'"', b"%s%n", b"{0}", b"[bold]", "é".encode(),
    "\u202e".encode(), "\u2028".encode(), b"character01", b"\\", b"*", b"~", b"nul", b"a\tb",
    b"\x7f",
)  # fmt: skip
BOMB = zlib.compress(bytes(64 * 2**20), 9)
JSONS = (
    "",
    "null",
    "1",
    "NaN",
    "[]",
    "{}",
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    "9" * 10_000,
    '"',
    '{"labels": 1}',
    "\x00",
    "true",
)
ODD = (
    None,
    True,
    -1,
    2**70,
    0.5,
    float("nan"),
    "",
    "\ud800",
    "\x1b[2J",
    "x" * 5_000,
    [],
    {},
    [[]],
    [None],
    [2**40],
    [0.5],
)


def damage_image(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """Anything at all under the name of a drawing."""
    ways = (
        _spoilt,
        _spoilt,
        _other_format,
        _crafted,
        _crafted,
        _crafted,
        _special,
        _special,
        _renamed,
        _multiplied,
    )
    return rng.choice(ways)(rng, path, elsewhere)


def damage_folder(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """A folder that is gone, or is something else, or holds more than it should."""
    ways = (_special, _special, _renamed, _emptied, _crowded, _crowded, _nested)
    return rng.choice(ways)(rng, path, elsewhere)


def damage_archive(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """Anything at all under the name of an archive."""
    ways = (
        _spoilt,
        _spoilt,
        _spoilt,
        _odd_members,
        _odd_members,
        _odd_members,
        _odd_members,
        _special,
        _untouched,
    )
    return rng.choice(ways)(rng, path, elsewhere)


def damage_entry(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """Anything at all under the name of one of the two files of a cache entry."""
    ways = (_spoilt, _special, _odd_json if path.suffix == ".json" else _odd_array)
    return rng.choice(ways)(rng, path, elsewhere)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put(path: Path, content: bytes) -> None:
    _remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _untouched(rng: random.Random, path: Path, elsewhere: Path) -> str:
    return f"{path.name}: as it was"


def _spoilt(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """Bits turned, bytes cut out, put in, written over, or cut off."""
    content = bytearray(path.read_bytes() if path.is_file() else b"")
    for _ in range(rng.choice((1, 1, 3, 30))):
        place, length = rng.randrange(len(content) + 1), rng.choice((1, 2, 4, 50))
        way = rng.randrange(5)
        if way == 0 and place < len(content):
            content[place] ^= 1 << rng.randrange(8)
        elif way == 1:
            del content[place : place + length]
        elif way == 2:
            content[place:place] = rng.randbytes(length)
        elif way == 3:
            content[place : place + length] = rng.choice((b"\xff", b"\0", b"\x7f")) * length
        elif rng.random() < 0.2:
            del content[place:]
    _put(path, bytes(content))
    return f"{path.name}: spoilt bytes"


def _other_format(rng: random.Random, path: Path, elsewhere: Path) -> str:
    name, target = rng.choice(FORMATS), BytesIO()
    with warnings.catch_warnings(action="ignore"), suppress(OSError, ValueError):
        Image.new(rng.choice(("1", "L", "RGB")), (20, 20)).save(target, name)
    _put(path, target.getvalue() or POSTSCRIPT)
    return f"{path.name}: {name}"


def _chunk(kind: bytes, content: bytes, checksum: bool = True) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content) if checksum else 1)
    )


def _crafted(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """A PNG with any header, and any chunks before and behind its pixels."""
    plausible = rng.random() < 0.5
    width, height = (105, 105) if plausible else (rng.choice(SIZES), rng.choice(SIZES))
    bits, colour = (
        rng.choice((1, 2, 4, 8, 16)),
        rng.choice((0, 2, 3, 4, 6) if plausible else (0, 1, 2, 3, 4, 6, 9)),
    )
    header = struct.pack(
        ">IIBBBBB",
        width,
        height,
        bits,
        colour,
        rng.choice((0, 0, 0, 1)),
        rng.choice((0, 0, 0, 1)),
        rng.choice((0, 0, 1, 2)),
    )
    pixels = zlib.compress(
        rng.choice((bytes(105 * 14 + 105), bytes(100_000), b"", rng.randbytes(2_000)))
    )
    content = (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _odd_chunks(rng)
        + _chunk(b"IDAT", pixels, rng.random() < 0.9)
    )
    content += _odd_chunks(rng) + rng.choice((_chunk(b"IEND", b""), b"", b"garbage" * 100))
    _put(path, content)
    return f"{path.name}: a PNG of {width} x {height}, {bits} bits, colour type {colour}"


def _odd_chunks(rng: random.Random) -> bytes:
    bodies = (
        b"",
        b"x\0\0" + BOMB,
        b"x\0\1\0\0\0" + BOMB,
        rng.randbytes(rng.randrange(40)),
        struct.pack(">II", 2**31 - 1, 0),
        bytes(26),
        b"\xff" * 26,
    )
    chunks = [
        _chunk(rng.choice(CHUNKS), rng.choice(bodies), rng.random() < 0.95)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 70)))
    ]
    if rng.random() < 0.05:
        chunks.append(struct.pack(">I", rng.choice((2**31, 2**32 - 1))) + rng.choice(CHUNKS))
    return b"".join(chunks)


def _special(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """What is no file, or no folder."""
    background = elsewhere / "images_background"
    drawing = min(background.rglob("*.png"))
    ways: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "an empty file": path.touch,
        "a socket": lambda: _socket(path),
        "a link to a device": lambda: path.symlink_to("/dev/zero"),
        "a link to a terminal": lambda: path.symlink_to("/dev/tty"),
        "a link to a drawing": lambda: path.symlink_to(drawing),
        "a link to a folder": lambda: path.symlink_to(background),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to where it lies": lambda: path.symlink_to(
            "."
        ),  # the cache may be a link, and is then where that leads
        "a link to nowhere": lambda: path.symlink_to("nowhere"),
        "a link to the process": lambda: path.symlink_to("/proc/self/fd"),
        "holes": lambda: _holes(path),
    }
    way = rng.choice(list(ways))
    _remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ways[way]()
    return f"{path.name}: {way}"


def _socket(path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX) as listener,
        suppress(OSError),
    ):  # a path may be too long for one
        listener.bind(str(path))


def _holes(path: Path) -> None:
    path.touch()
    os.truncate(path, 40 * 2**20)


def _renamed(rng: random.Random, path: Path, elsewhere: Path) -> str:
    name = os.fsdecode(
        rng.choice(NAMES) + rng.choice((b"", path.suffix.encode(), b".png", b".PNG"))[:4]
    )
    if path.parent.is_dir() and os.path.lexists(path) and not os.path.lexists(path.with_name(name)):
        path.rename(path.with_name(name))
    return f"{path.name}: renamed to {name!r}"


def _multiplied(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """More drawings of a character, of the same names in other letters among them."""
    content = path.read_bytes()
    for n in range(rng.choice((1, 5, 200))):
        _put(
            path.with_name(
                rng.choice(
                    (
                        f"{n}.png",
                        f"{n}.PNG",
                        f"{path.stem}.PNG",
                        f".{n}.png",
                        f"{n}.txt",
                        f"{n}.png.png",
                    )
                )
            ),
            content,
        )
    return f"{path.name}: many times"


def _emptied(rng: random.Random, path: Path, elsewhere: Path) -> str:
    _remove(path)
    path.mkdir(parents=True, exist_ok=True)
    return f"{path.name}: emptied"


def _crowded(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """Something more in a folder, that is no file or has an odd name."""
    if not path.is_dir():
        return f"{path.name}: no folder"
    name = os.fsdecode(rng.choice(NAMES))
    more = path / rng.choice((name, f"{name[:251]}.png"))
    if os.path.lexists(more):
        return f"{path.name}: is crowded"
    return f"{path.name} holds {_special(rng, more, elsewhere)!r}"


def _nested(rng: random.Random, path: Path, elsewhere: Path) -> str:
    for _ in range(100):
        if path.exists() and not path.is_dir():
            break
        path = path / "deep"
        path.mkdir(parents=True, exist_ok=True)
    return "folders in folders"


def _odd_members(rng: random.Random, path: Path, elsewhere: Path) -> str:
    """An archive with members of any name, kind, compression and size, some of which lie in their
    headers."""
    top = rng.choice((path.stem, path.stem, path.stem, "other", f"omniglot-py/{path.stem}", ".."))
    target = BytesIO()
    drawing = min((elsewhere / "images_background").rglob("*.png")).read_bytes()
    with zipfile.ZipFile(target, "w") as archive, warnings.catch_warnings(action="ignore"):
        for n in range(rng.choice((1, 3, 20))):
            name = os.fsdecode(rng.choice(NAMES)).encode(errors="replace").decode()
            levels = rng.choice(
                (
                    f"Odd/character{n:02d}/1.png",
                    f"Odd/character01/{name}.png",
                    f"{name}/character01/1.png",
                    "../../../../x.png",
                    "1.png",
                )
            )
            whole = rng.choice(
                (
                    f"{top}/{levels}",
                    f"{top}/{levels}",
                    f"{top}/Odd/../../{levels}",
                    f"/{elsewhere}/x.png",
                    f"{top}//./{levels}",
                    levels,
                )
            )
            archive.writestr(
                _member(rng, whole),
                rng.choice((drawing, drawing, drawing, b"", bytes(20 * 2**20), b"/etc/passwd")),
            )
    content = bytearray(target.getvalue())
    if rng.random() < 0.4:
        _lie(rng, content)
    _put(path, bytes(content))
    return f"{path.name}: odd members"


def _member(rng: random.Random, name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.compress_type = rng.choice(
        (zipfile.ZIP_DEFLATED,) * 5 + (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    member.external_attr = (
        rng.choice(
            (
                0,
                0,
                0,
                stat.S_IFREG | 0o644,
                stat.S_IFLNK | 0o777,
                stat.S_IFDIR | 0o755,
                stat.S_IFIFO | 0o644,
            )
        )
        << 16
    )
    return member


def _lie(rng: random.Random, content: bytearray) -> None:
    """Write something else into a field of some headers: of the archive's list of members, of its
    end, of a member."""
    for _ in range(rng.choice((1, 3))):
        at = content.rfind(
            rng.choice((b"PK\x01\x02", b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04")),
            0,
            rng.randrange(len(content)) + 1,
        )
        if at >= 0:
            place = at + rng.randrange(4, 46, 2)
            content[place : place + 2] = rng.choice(
                (b"\0\0", b"\1\0", b"\xff\xff", b"\x63\0", rng.randbytes(2))
            )


def _odd_json(rng: random.Random, path: Path, elsewhere: Path) -> str:
    if not path.is_file() or rng.random() < 0.3:
        _put(path, rng.choice(JSONS).encode())
        return f"{path.name}: odd JSON"
    about = json.loads(path.read_bytes())
    key, value = rng.choice(list(about)), rng.choice(ODD)
    if isinstance(about[key], list) and rng.random() < 0.7:
        about[key][rng.randrange(len(about[key]))] = value
    elif rng.random() < 0.2:
        del about[key]
    else:
        about[key] = value
    _put(path, json.dumps(about).encode())
    return f"{path.name}: {key} is odd"


def _odd_array(rng: random.Random, path: Path, elsewhere: Path) -> str:
    length = rng.choice((18, 18, 1, 0))
    arrays = (
        np.zeros((length, 16, 16, 1), np.uint8),
        np.zeros((length, 16, 16, 1)),
        np.zeros((8, 8, 18), np.uint8),
        np.array([{}], dtype=object),
    )
    target = BytesIO()
    np.save(target, rng.choice(arrays), allow_pickle=True)
    content = target.getvalue()
    if rng.random() < 0.5:
        descr, order = (
            rng.choice(("|u1", "<f8", "|O", "|S99", "x", "(2,)u1")),
            rng.choice(("False", "True", "0")),
        )
        shape = rng.choice(
            (
                "(18, 16, 16, 1)",
                "(9" + "9" * 9 + ", 28, 28, 1)",
                "(-1, 16, 16, 1)",
                "()",
                "(" * 5_000,
                "__import__('os')",
            )
        )
        text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
        content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(18 * 256)
    _put(path, content)
    return f"{path.name}: an odd array"
