"""The cache of decoded images: decoded once, mended when damaged, done without where it cannot be written."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from metabench.errors import FolderError
from metabench.tasks.cache import Decoded, cache_folder, load_or_decode
from metabench.tasks.images import content_digest

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
    assert sorted(path.name for path in folder.iterdir()) == ["another.json", "another.npy", "key.json", "key.npy"]


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


@pytest.mark.parametrize("damage", [cut_short, empty, turn_a_bit, garble_json, drop_labels, pickle_in_it])
def test_damage_is_mended(folder: Path, damage: object) -> None:
    decode = Decoder()
    load_or_decode("some", "key", decode)
    damage(folder)  # type: ignore[operator]
    assert_whole(load_or_decode("some", "key", decode))
    assert_whole(load_or_decode("some", "key", decode))
    assert decode.calls == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "file"))
    assert_whole(load_or_decode("some", "key", Decoder()))
    assert "METABENCH_CACHE" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
