"""Archives of arrays that something or somebody has damaged: told as damaged, within bounds of
memory, whatever is wrong."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from metabench.errors import RecordError
from metabench.records.arrays import MEMBERS, Arrays, archive_of

pytestmark = pytest.mark.slow

ARRAYS = {
    "result/scores": np.linspace(0, 1, 500),
    "result/truth": np.arange(60, dtype=np.int32).reshape(3, 20),
    "result/column": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "figures/names": np.array([b"a", b"bcd"]),
    "result/empty": np.zeros((0, 3)),
}


def header_of(text: str, version: bytes = b"\1\0") -> bytes:
    content = text.encode("latin1")
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(content))
    return b"\x93NUMPY" + version + length + content


def member(content: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("x.npy", content)
    return file.getvalue()


def described(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


def patched(content: bytes, at: int, value: bytes) -> bytes:
    """An archive of one member with a field of its directory (offset from the signature)
    replaced."""
    place = content.index(b"PK\1\2") + at
    return content[:place] + value + content[place + len(value) :]


WHOLE = member(header_of(described("(2,)")) + bytes(16))

CRAFTED = {
    "a header of brackets": member(header_of("[" * 9000)),
    "a header of tokens": member(header_of("{'descr': '<f8', 'shape': (1,), 'fortran_order': '\\")),
    "a header that says it is huge": member(b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{"),
    "a header cut off": member(b"\x93NUM"),
    "a format of the future": member(header_of(described("(1,)"), b"\x09\0") + bytes(8)),
    "a shape beyond all memory": member(header_of(described("(1000000000000000000,)")) + bytes(8)),
    "a shape whose product wraps": member(
        header_of(described("(4294967296, 4294967296, 4294967296)"))
    ),
    "a shape below zero": member(header_of(described("(-1,)")) + bytes(8)),
    "a shape of truths": member(header_of(described("(True,)")) + bytes(8)),
    "more dimensions than there are": member(
        header_of(described("(" + "1," * 70 + ")")) + bytes(8)
    ),
    "objects": member(header_of(described("(1,)", "'|O'")) + b"cos\nsystem\n."),
    "a record of fields": member(header_of(described("(1,)", "[('a', '<f8')]")) + bytes(8)),
    "a type of nothing": member(header_of(described("(1000000000000,)", "'|V0'"))),
    "a type that is none": member(header_of(described("(1,)", "'<q99'"))),
    "less than it declares": member(header_of(described("(3,)")) + bytes(16)),
    "more than it declares": member(header_of(described("(1,)")) + bytes(16)),
    "an unknown compression": patched(WHOLE, 10, struct.pack("<H", 97)),
    "an encrypted member": patched(WHOLE, 8, struct.pack("<H", 1)),
    "a size that the directory invents": patched(WHOLE, 24, struct.pack("<I", 2**30)),
    "a bomb in the directory": patched(WHOLE, 24, struct.pack("<I", 2**32 - 2)),
    "a member elsewhere": patched(WHOLE, 42, struct.pack("<I", 2**31)),
    "an end that says there are many": WHOLE[:-22]
    + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**31, 0, 0),
    "a far end": WHOLE[:-22] + b"PK\6\7" + bytes(16) + WHOLE[-22:],
    "a comment behind it": WHOLE + b"said later",
    "nothing": b"",
    "no archive": b"no zip at all, and longer than the end of one",
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_archive_is_damaged_and_takes_no_memory(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(CRAFTED[what])
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match=r"x\.npz: is damaged: "):
            Arrays(path)["x"]
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_of_too_many_arrays_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(archive_of({f"a{i}": np.zeros(1) for i in range(MEMBERS + 1)}))
    with pytest.raises(RecordError, match=f"says to hold {MEMBERS + 1} files"):
        Arrays(path)


@pytest.mark.parametrize("place", range(8))
def test_any_flipped_bit_gives_the_same_arrays_or_damage(place: int, tmp_path: Path) -> None:
    whole, path, told = archive_of(ARRAYS), tmp_path / "x.npz", 0
    rng = random.Random(place)
    for _ in range(150):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            found = Arrays(path)
            for name in found:
                if name in ARRAYS:
                    np.testing.assert_array_equal(found[name], ARRAYS[name])
        except RecordError:
            told += 1
    assert told > 50


@given(
    array=arrays_of.arrays(
        st.sampled_from(["<f4", "<f8", "<i4", "<i8", "|u1", "?", "S3", "<U2", ">f8"]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0),
    ),
    fortran=st.booleans(),
)
def test_arrays_come_back_as_numpy_itself_reads_them(
    array: np.ndarray, fortran: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "given.npz"
    path.write_bytes(archive_of({"a/b": np.asfortranarray(array) if fortran else array}))
    ours = Arrays(path)["a/b"]
    with np.load(path, allow_pickle=False) as opened:
        theirs = opened["a/b"]
    assert (ours.dtype, ours.shape, ours.tobytes()) == (
        theirs.dtype,
        theirs.shape,
        theirs.tobytes(),
    )
