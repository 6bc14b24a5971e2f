"""A run folder that somebody has sent: no link in it is followed, neither for reading nor for
writing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from synthetic_run import Synthetic

from metabench.errors import FolderError
from metabench.records import RecordStore, read_cells
from metabench.report import render
from metabench.runner.folder import RunFolder
from metabench.tables import load

SECRET = "nobody's business"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of the run's, with files under names that a run uses."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("suite.toml", "groups.csv", ".theirs.tmp", "secret.log"):
        (folder / name).write_text(SECRET)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Synthetic(
        algorithms=("maml", "scratch"), shots=(1,), seeds=(0, 1), change={("maml", 1, 0): "failed"}
    ).write(tmp_path / "run")


def linked(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    "name",
    [
        "suite.toml",
        "cells.json",
        "tables",
        "records",
        "weights",
        "checkpoints",
        ".lock",
        ".run.json",
        "index.html",
    ],
)
@pytest.mark.parametrize("dangles", [True, False])
def test_a_link_in_a_run_folder_is_refused_and_nothing_behind_it_is_touched(
    name: str, dangles: bool, run: Path, outside: Path
) -> None:
    is_folder = name in ("tables", "records", "weights", "checkpoints")
    linked(
        run / name,
        outside / "nowhere" if dangles else outside if is_folder else outside / "suite.toml",
    )
    for deed in (read_cells, load, render, lambda folder: RunFolder(folder).locked().__enter__()):
        with pytest.raises(
            FolderError, match=f"{name}: is a symbolic link, and in a run folder none is followed"
        ):
            deed(run)
    assert {path.name: path.read_text() for path in outside.iterdir()} == dict.fromkeys(
        ("suite.toml", "groups.csv", ".theirs.tmp", "secret.log"), SECRET
    )


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_a_record_that_is_a_link_is_damaged(ending: str, run: Path, tmp_path: Path) -> None:
    path = sorted((run / "records").glob(f"scratch*{ending}"))[0]
    kept = tmp_path / path.name
    path.rename(kept)
    path.symlink_to(kept)
    (problem,) = RecordStore(run).scan().damaged
    assert "it is a symbolic link" in problem
    assert sorted(load(run).cells["outcome"]) == ["completed", "completed", "damaged", "failed"]


@pytest.mark.slow
def test_a_log_that_is_a_link_or_endless_is_not_shown(run: Path, outside: Path) -> None:
    log = next((run / "records").glob("maml-*-s0-*.log"))
    linked(log, outside / "secret.log")
    assert SECRET not in render(run).read_text().replace("&#39;", "'")
    linked(log, Path("/dev/zero"))
    assert render(run).is_file()


@pytest.mark.slow
def test_the_folder_itself_may_be_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(run)
    assert render(tmp_path / "latest").is_file()
