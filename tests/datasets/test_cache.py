"""The cache of decoded images: decoded once, mended when damaged, done without where it cannot be
written."""

from __future__ import annotations

import json
import os
import struct
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from metabench.datasets.cache import Decoded, cache_folder, load_or_decode
from metabench.datasets.images import content_digest
from metabench.errors import FolderError

IMAGES = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 1)
LABELS, NAMES, IDS = np.array([0, 0, 1, 1]), ["a", "b"], ["a/1", "a/2", "b/1", "b/2"]


class Decoder:
    """Counts how often it was needed."""

    calls = 0

    def __call__(self) -> Decoded:
        self.calls += 1
        return Decoded(IMAGES, LABELS, NAMES, IDS, content_digest(IMAGES, LABELS, NAMES))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "some"


def assert_whole(decoded: Decoded) -> None:
    assert np.array_equal(decoded.images, IMAGES)
    assert decoded.labels.tolist() == LABELS.tolist()
    assert (list(decoded.class_names), list(decoded.image_ids)) == (NAMES, IDS)


def test_the_second_time_nothing_is_decoded(folder: Path) -> None:
    decode = Decoder()
    for _ in range(3):
        assert_whole(load_or_decode("some", "key", decode))
    assert decode.calls == 1
    load_or_decode("some", "another", decode)
    assert decode.calls == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "another.json",
        "another.npy",
        "key.json",
        "key.npy",
    ]


def cut_short(folder: Path) -> None:
    path = folder / "key.npy"
    path.write_bytes(path.read_bytes()[:-5])


def empty(folder: Path) -> None:
    (folder / "key.npy").write_bytes(b"")


def turn_a_bit(folder: Path) -> None:
    path = folder / "key.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def garble_json(folder: Path) -> None:
    (folder / "key.json").write_text("{")


def drop_labels(folder: Path) -> None:
    about = json.loads((folder / "key.json").read_text())
    (folder / "key.json").write_text(json.dumps({**about, "labels": None}))


def pickle_in_it(folder: Path) -> None:
    np.save(folder / "key.npy", np.array([{}], dtype=object), allow_pickle=True)


def header(
    text: str, content: bytes = IMAGES.tobytes(), version: int = 1
) -> Callable[[Path], None]:
    """An array whose header is that, followed by the images."""

    def damage(folder: Path) -> None:
        length = struct.pack("<H" if version == 1 else "<I", len(text))
        (folder / "key.npy").write_bytes(
            b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + content
        )

    return damage


def said(**changed: object) -> Callable[[Path], None]:
    """Something else is known of the images."""

    def damage(folder: Path) -> None:
        about = json.loads((folder / "key.json").read_text())
        (folder / "key.json").write_text(json.dumps({**about, **changed}))

    return damage


def json_of(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "key.json").write_text(text)


def in_place(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something that is no file takes the place of one."""

    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        make(folder / name)

    return damage


def array(of: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "key.npy", of)


def holes(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, 2**40)


SHAPE = "{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}"
DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": cut_short,
    "empty": empty,
    "a bit": turn_a_bit,
    "no json": garble_json,
    "no labels": drop_labels,
    "a pickle": pickle_in_it,
    "signed bytes": array(IMAGES.view(np.int8)),
    "numbers": array(IMAGES.astype(np.float64)),
    "columns first": array(np.asfortranarray(IMAGES)),
    "fewer images": array(IMAGES[:3]),
    "no images": array(IMAGES[:0]),
    "another rank": array(IMAGES[..., 0]),
    "a scalar": array(np.array(1, np.uint8)),
    "a huge shape": header(SHAPE.format("|u1", "False", (2**40, 28, 28, 1)) + "\n"),
    "an endless shape": header(SHAPE.format("|u1", "False", f"({'9' * 60_000}, 1, 1, 1)")),
    "a long header": header(SHAPE.format("|u1", "False", "(4, 3, 3, 1)") + " " * 60_000 + "\n"),
    "a huge header": header(" " * 2**20, version=2),
    "a deep header": header("(" * 9_000),
    "a header of python": header(
        "{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (4, 3, 3, 1), }\n"
    ),
    "a header that ends in a text": header("{'descr': " + "'" * 3 + "\n"),
    "holes": holes("key.npy"),
    "holes in json": holes("key.json"),
    "deep json": json_of("[" * 100_000),
    "deep json, closed": json_of("[" * 100_000 + "]" * 100_000),
    "a list": json_of("[1, 2]"),
    "a long number": json_of("9" * 10_000),
    "no text": lambda folder: (folder / "key.json").write_bytes(b"\xff\xfe"),
    "labels that are none": said(labels=[float("nan")] * 4),
    "halves of labels": said(labels=[0.5, 0.5, 1, 1]),
    "labels of a text": said(labels="0011"),
    "labels beyond": said(labels=[0, 0, 1, 2]),
    "labels below": said(labels=[0, 0, 1, -1]),
    "huge labels": said(labels=[0, 0, 1, 2**70]),
    "other labels": said(labels=[0, 1, 1, 1]),
    "fewer labels": said(labels=[0, 0, 1]),
    "other names": said(class_names=["a", "c"]),
    "names as a table": said(class_names={"a": 1, "c": 2}),
    "ids that are none": said(image_ids=[1, 2, 3, 4]),
    "ids that cannot be written": said(image_ids=["a/1", "a/2", "b/1", "\ud800"]),
    "ids that move the cursor": said(image_ids=["a/1", "a/2", "b/1", "\x1b[2J"]),
    "an id without end": said(image_ids=["a/1", "a/2", "b/1", "x" * 2_000]),
    "no digest": said(digest=None),
    "a pipe": in_place("key.npy", os.mkfifo),
    "a pipe for json": in_place("key.json", os.mkfifo),
    "a link": in_place("key.npy", lambda path: path.symlink_to("../elsewhere")),
    "a link for json": in_place("key.json", lambda path: path.symlink_to("../elsewhere")),
    "an endless link": in_place("key.npy", lambda path: path.symlink_to("/dev/zero")),
    "a loop": in_place("key.json", lambda path: path.symlink_to("key.json")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_mended(folder: Path, kind: str) -> None:
    decode = Decoder()
    load_or_decode("some", "key", decode)
    DAMAGE[kind](folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_whole(load_or_decode("some", "key", decode))
    assert_whole(load_or_decode("some", "key", decode))
    assert decode.calls == 2


@pytest.mark.parametrize("name", ["key.npy", "key.json"])
def test_an_entry_whose_place_is_taken_is_done_without(
    folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / name).mkdir(parents=True)
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "decoded images are not kept" in caplog.text
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.touch,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/null"),
    ],
)
@pytest.mark.parametrize("place", ["cache", "cache/some"])
def test_a_folder_that_is_none_is_done_without(
    make: Callable[[Path], object], place: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder.parents[1] / place
    path.parent.mkdir(exist_ok=True)
    make(path)
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "decoded images are not kept" in caplog.text


@pytest.mark.parametrize(
    "name", ["/x" + "x" * 300, "/" + "long/" * 2_000, "/dev/null/cache", "/proc/1/nothing"]
)
def test_an_odd_place_is_done_without(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METABENCH_CACHE", name)
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "decoded images are not kept" in caplog.text


def test_images_that_lie_in_another_order_are_kept(folder: Path) -> None:
    columns_first = Decoded(
        np.asfortranarray(IMAGES), LABELS, NAMES, IDS, content_digest(IMAGES, LABELS, NAMES)
    )
    load_or_decode("some", "key", lambda: columns_first)
    assert_whole(load_or_decode("some", "key", lambda: pytest.fail("decoded again")))
    assert folder.is_dir()


def test_names_too_long_to_be_read_again_are_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("metabench.datasets.cache.MOST_DESCRIPTION", 100)
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "may take 100" in caplog.text
    assert list(folder.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "file"))
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "METABENCH_CACHE" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_many_may_race() -> None:
    with ThreadPoolExecutor(8) as pool:
        for decoded in pool.map(lambda _: load_or_decode("some", "key", Decoder()), range(32)):
            assert_whole(decoded)


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("METABENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "metabench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "metabench"


def test_no_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("METABENCH_CACHE")
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(FolderError, match="METABENCH_CACHE"):
        cache_folder()
