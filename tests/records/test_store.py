"""Records: whole or not at all, read back as written, and damage told."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from metabench.errors import FolderError, RecordError, UnwritableError
from metabench.io.files import is_disk_full, write_bytes, write_text
from metabench.records import (
    CELLS_SCHEMA,
    FINISHED,
    SCHEMA,
    Outcome,
    RecordStore,
    plain,
    read_cells,
    write_cells,
)

CELL = "0123456789ab" + "c" * 52
STEM = f"maml-sinusoid-5s-s0-{CELL[:12]}"


def a_record(**result: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        key: {} for key in ("labels", "config", "metric", "measured", "provenance")
    }
    return {
        "schema": SCHEMA,
        "cell": CELL,
        "fit": "f" * 64,
        "seed": 0,
        **parts,
        "result": {"outcome": "completed", **result},
    }


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    (tmp_path / "records").mkdir()
    return RecordStore(tmp_path)


@contextmanager
def small_files() -> Iterator[None]:
    """A stand-in for a full disk that needs no privileges: no file of this process may grow beyond
    a kilobyte, so pytest must not print meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_record_comes_back_as_it_was_written(store: RecordStore) -> None:
    scores = np.linspace(0, 1, 7)
    path = store.write(STEM, a_record(score=0.5), {"result/scores": scores})
    assert store.load(path) == a_record(score=0.5)
    assert store.read(CELL) == a_record(score=0.5)
    assert store.index() == {CELL[:12]: (path,)}
    assert list(store.arrays(path)) == ["result/scores"]
    np.testing.assert_array_equal(store.arrays(path)["result/scores"], scores)


def test_json_holds_no_nan_and_no_numpy(store: RecordStore) -> None:
    path = store.write(
        STEM,
        a_record(
            outcome="failed", score=float("nan"), losses=np.array([1.0, np.inf]), count=np.int64(3)
        ),
    )
    assert "NaN" not in path.read_text()
    assert store.load(path)["result"] == {
        "outcome": "failed",
        "score": None,
        "losses": [1.0, None],
        "count": 3,
    }
    assert plain({1: (np.float32(0.5), True)}) == {"1": [0.5, True]}


def test_a_record_without_arrays_has_none(store: RecordStore) -> None:
    path = store.write(STEM, a_record(), {"result/scores": np.ones(3)})
    store.write(STEM, a_record(outcome="failed"))
    assert dict(store.arrays(path)) == {}
    assert not path.with_suffix(".npz").exists()


def test_arrays_are_never_unpickled(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        store.write(STEM, a_record(), {"result/scores": np.array([{}], dtype=object)})
    assert not list(store.folder.iterdir())


def test_a_full_disk_leaves_what_was_there(store: RecordStore) -> None:
    path = store.write(STEM, a_record(score=0.5), {"result/scores": np.ones(3)})
    there = sorted(store.folder.iterdir())
    noise = np.random.default_rng(0).random(1000)
    with (
        pytest.raises(
            UnwritableError, match=f"{path}: cannot be written: File too large"
        ) as caught,
        small_files(),
    ):
        store.write(STEM, a_record(score=0.7), {"result/scores": noise})
    assert caught.value.exit_status == 3
    assert store.load(path)["result"]["score"] == 0.5
    assert sorted(store.folder.iterdir()) == there
    with pytest.raises(UnwritableError), small_files():
        write_text(path, "x" * 2000)
    assert sorted(store.folder.iterdir()) == there


def test_the_arrays_of_a_record_are_never_those_of_another(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two renames, a record is missing rather than mixed."""
    path = store.write(STEM, a_record(score=0.5), {"result/scores": np.zeros(3)})
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(f".json.{os.getpid()}.tmp"):
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(STEM, a_record(score=0.7), {"result/scores": np.ones(3)})
    assert not path.exists()
    assert store.index() == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is damaged: .*`metabench run` makes it again"),
        ("[]", "is no record of metabench: it has no schema number"),
        ("{}", "is no record of metabench"),
        (
            json.dumps(a_record() | {"schema": SCHEMA + 1}),
            f"has schema {SCHEMA + 1}, and this metabench reads up to {SCHEMA}",
        ),
        (json.dumps({"schema": SCHEMA, "cell": CELL}), "is damaged: fit is not as it should be"),
        ("\udcff", "is damaged"),
        (json.dumps(a_record() | {"result": None}), "is damaged: result is not as it should be"),
        (
            json.dumps(a_record() | {"provenance": [], "labels": "maml"}),
            "is damaged: labels is not as it should be",
        ),
        (
            json.dumps(a_record() | {"provenance": {"conditions": "good"}}),
            "is damaged: provenance.conditions is not as it should be",
        ),
        (json.dumps(a_record(outcome="splendid")), "it has no outcome of completed, diverged"),
        (json.dumps(a_record() | {"cell": "d" * 64}), "it is the record of another cell"),
        (json.dumps(a_record() | {"cell": 3}), "cell is not as it should be"),
        (json.dumps(a_record() | {"seed": True}), "seed is not as it should be"),
        (json.dumps(a_record(score="high")), "result.score is not as it should be"),
        (json.dumps(a_record(score=10**30)), "result.score is beyond all bounds"),
        (json.dumps(a_record()), "it is not what was written"),
        (json.dumps(a_record(interval=[0.1, [0.2]])), "result.interval is not as it should be"),
        (
            json.dumps(a_record(spent={"tasks": "many"})),
            "result.spent.tasks is not as it should be",
        ),
        (
            json.dumps(a_record(training={"iteration": [1], "loss": ["low"]})),
            "result.training.loss is not as it should be",
        ),
    ],
)
def test_damage_is_told_and_stops_no_scan(store: RecordStore, content: str, complaint: str) -> None:
    whole = store.write(
        f"maml-sinusoid-5s-s1-{'f' * 12}", a_record(outcome="failed") | {"cell": "f" * 64}
    )
    damaged = store.path(STEM)
    damaged.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RecordError, match=complaint):
        store.load(damaged)
    scan = store.scan()
    assert list(scan.records) == [store.load(whole)["cell"]]
    assert len(scan.damaged) == 1
    assert str(damaged) in scan.damaged[0]


@pytest.mark.parametrize("outcome", sorted(FINISHED))
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda npz: None, "are missing"),
        (Path.touch, "are not what was written"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (os.mkfifo, "cannot be read: it is a named pipe"),
        (lambda npz: npz.symlink_to(npz), "cannot be read: it is a symbolic link"),
    ],
)
def test_a_finished_record_without_its_arrays_is_damaged(
    store: RecordStore, outcome: str, damage: Callable[[Path], None], told: str
) -> None:
    path = store.write(STEM, a_record(outcome=outcome), {"result/scores": np.ones(3)})
    npz = path.with_suffix(".npz")
    npz.unlink()
    damage(npz)
    with pytest.raises(
        RecordError, match=f"is damaged: its arrays {told}. `metabench run` makes it again"
    ):
        store.load(path)
    assert store.scan([CELL]).records == {}


@pytest.mark.parametrize(
    "old", [b"0.5", b'"completed"', b'"schema": 3', b'"seed": 0', b'"arrays": "']
)
def test_a_record_that_was_changed_is_told(store: RecordStore, old: bytes) -> None:
    path = store.write(STEM, a_record(score=0.5), {"result/scores": np.ones(3)})
    new = {
        b"0.5": b"0.6",
        b'"completed"': b'"diverged"',
        b'"schema": 3': b'"schema": 1',
        b'"seed": 0': b'"seed":  0',
        b'"arrays": "': b'"arrays": "0',
    }
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new[old]))
    with pytest.raises(RecordError, match=r"is damaged: .*not what was written"):
        store.load(path)


def test_arrays_of_another_record_are_told(store: RecordStore) -> None:
    path = store.write(STEM, a_record(), {"result/scores": np.ones(3)})
    other = store.write(
        f"maml-sinusoid-5s-s1-{'f' * 12}",
        a_record() | {"cell": "f" * 64},
        {"result/scores": np.zeros(3)},
    )
    other.with_suffix(".npz").replace(path.with_suffix(".npz"))
    with pytest.raises(RecordError, match="its arrays are not what was written"):
        store.load(path)


def test_records_of_the_first_schema_are_read_without_digests(store: RecordStore) -> None:
    """They had none, and were the same otherwise."""
    path = store.write(STEM, a_record(score=0.5), {"result/scores": np.ones(3)})
    path.write_text(json.dumps(a_record(score=0.5) | {"schema": 1}))
    assert store.load(path)["result"]["score"] == 0.5
    npz = path.with_suffix(".npz")
    npz.write_bytes(npz.read_bytes()[:-30])
    with pytest.raises(RecordError, match="its arrays are cut off"):
        store.load(path)


@pytest.mark.parametrize("schema", [0, -1, True, "2", 2.0, None])
def test_schema_numbers_are_known_ones(store: RecordStore, schema: Any) -> None:
    store.path(STEM).write_text(json.dumps(a_record(outcome="failed") | {"schema": schema}))
    with pytest.raises(RecordError, match="it has no schema number that is known"):
        store.load(store.path(STEM))


@pytest.mark.parametrize("name", ["aaa", "zzz"])
@pytest.mark.parametrize("damaged", [True, False])
def test_a_copy_under_another_name_hides_nothing(
    store: RecordStore, name: str, damaged: bool
) -> None:
    path = store.write(STEM, a_record(score=0.5), {"result/scores": np.ones(3)})
    copy = store.path(f"{name}-{CELL[:12]}")
    copy.write_bytes(b"{" if damaged else path.read_bytes())
    copy.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes())
    found = store.find(CELL, STEM)
    assert (found.path, found.error, found.spare) == (path, None, (copy,))
    scan = store.scan([CELL])
    assert scan.records[CELL]["result"]["score"] == 0.5
    assert not scan.damaged
    assert len(scan.remarks) == 1
    path.unlink()
    assert store.find(CELL, STEM).path == copy


def test_a_failed_record_needs_no_arrays(store: RecordStore) -> None:
    for outcome in set(get_args(Outcome)) - FINISHED:
        assert (
            store.load(store.write(STEM, a_record(outcome=outcome)))["result"]["outcome"] == outcome
        )


def test_damaged_arrays_are_told(store: RecordStore) -> None:
    path = store.write(STEM, a_record(), {"result/scores": np.ones(3)})
    path.with_suffix(".npz").write_bytes(b"no zip")
    with pytest.raises(RecordError, match=r"\.npz: is damaged"):
        store.arrays(path)


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_truncated_arrays_are_told(store: RecordStore, kept: float) -> None:
    path = store.write(STEM, a_record(), {"result/scores": np.arange(500.0)})
    npz = path.with_suffix(".npz")
    npz.write_bytes(npz.read_bytes()[: int(kept * npz.stat().st_size)])
    with pytest.raises(RecordError, match=r"\.npz: is damaged"):
        store.arrays(path)


def test_an_array_that_is_damaged_within_is_told_when_it_is_read(store: RecordStore) -> None:
    path = store.write(STEM, a_record(), {"result/scores": np.random.default_rng(0).random(500)})
    npz = path.with_suffix(".npz")
    content = bytearray(npz.read_bytes())
    content[1000:1100] = bytes(100)
    npz.write_bytes(content)
    arrays = store.arrays(path)
    assert len(arrays) == 1
    with pytest.raises(RecordError, match=r"\.npz: is damaged"):
        arrays["result/scores"]
    with pytest.raises(KeyError):
        arrays["result/none"]


def test_bytes_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_bytes(path, b"\0\1")
    with pytest.raises(UnwritableError), small_files():
        write_bytes(path, bytes(2000))
    assert path.read_bytes() == b"\0\1"
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_files_and_leftovers_are_passed_over(store: RecordStore) -> None:
    path = store.write(STEM, a_record())
    for name in ("notes.txt", "other.json", f".{STEM}.json.17.tmp", f"{STEM}.log"):
        (store.folder / name).write_text("{")
    assert store.index() == {CELL[:12]: (path,)}
    weights = store.folder.with_name("weights")
    weights.mkdir()
    (weights / ".abc.safetensors.17.tmp").write_text("half")
    store.sweep()
    assert not list(weights.iterdir())
    assert not (store.folder / f".{STEM}.json.17.tmp").exists()
    assert (store.folder / "notes.txt").exists()


def test_a_folder_without_records_is_empty(tmp_path: Path) -> None:
    assert RecordStore(tmp_path / "nowhere").index() == {}


def test_records_that_are_no_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("")
    with pytest.raises(FolderError, match="records: cannot be read: Not a directory"):
        RecordStore(tmp_path).index()


LABELS = {"algorithm": "maml", "model": "mlp", "dataset": "sinusoid", "on": "same"}
METRIC = {"name": "mse", "unit": "squared units of y", "higher_is_better": False, "chance": None}
ENTRY = {
    "cell": CELL,
    "fit": "f",
    "stem": STEM,
    "name": "maml-sinusoid-5s-s0",
    "labels": LABELS,
    "seed": 0,
    "group": LABELS,
    "metric": METRIC,
}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is no run folder: it has no cells.json"),
        ("{", "is damaged: Expecting"),
        ("[]", "is not a cells.json that this metabench can read"),
        (
            json.dumps({"schema": CELLS_SCHEMA + 1}),
            "is not a cells.json that this metabench can read",
        ),
        (
            json.dumps({"schema": 1, "reference": "maml"}),
            "is damaged: cells is not as it should be",
        ),
        (
            json.dumps({"schema": 1, "reference": "maml", "cells": [3]}),
            "cells\\[0\\] is not as it should be",
        ),
        (
            json.dumps({"schema": 1, "reference": "maml", "cells": [{**ENTRY, "stem": None}]}),
            "stem is not as it should be",
        ),
        (
            json.dumps({"schema": 1, "reference": "maml", "cells": [{**ENTRY, "group": "maml"}]}),
            "cells\\[0\\].group is not as it should be",
        ),
    ],
)
def test_a_run_folder_that_does_not_list_its_cells_is_told(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "cells.json").write_text(content)
    with pytest.raises(FolderError, match=complaint):
        read_cells(tmp_path)


def test_cells_that_are_listed_are_read(tmp_path: Path) -> None:
    described = {"reference": "maml", "written_by": "a later version"}
    entries = [ENTRY, {**ENTRY, "target": {"score": 0.5, "higher_is_better": False}}]
    write_cells(tmp_path, described, entries)
    assert read_cells(tmp_path) == {"schema": CELLS_SCHEMA, **described, "cells": entries}


def test_cells_that_were_changed_are_told(tmp_path: Path) -> None:
    write_cells(tmp_path, {"reference": "maml"}, [ENTRY])
    path = tmp_path / "cells.json"
    path.write_text(path.read_text().replace('"reference": "maml"', '"reference": "fomaml"'))
    with pytest.raises(FolderError, match=r"cells\.json: is damaged: it is not what was written"):
        read_cells(tmp_path)


def test_a_file_in_place_of_a_run_folder_is_told(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_text("")
    with pytest.raises(FolderError, match="run: is no run folder"):
        read_cells(file)
    file.unlink()
    (file / "cells.json").mkdir(parents=True)
    with pytest.raises(FolderError, match=r"cells\.json: cannot be read: Is a directory"):
        read_cells(file)


def test_the_disk_is_full_however_a_library_says_it() -> None:
    assert is_disk_full(OSError(28, "No space left on device"))
    assert is_disk_full(
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    )
    assert not is_disk_full(FileNotFoundError(2, "No such file or directory"))
