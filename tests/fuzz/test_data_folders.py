"""Data folders, archives and caches of strangers: whatever lies there, a command ends in time with
one clear message, and touches nothing else.

Each case damages a small Omniglot folder in a few ways (`damaged_data`) and runs one command on it.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import damaged_data
import psutil
import pytest
import torchvision.datasets  # noqa: F401 - what `data prepare` would else import in each child
from harness import SECONDS, Outcome, cases, chance, command, snapshot

from metabench.datasets.omniglot_folder import PARTS

pytestmark = pytest.mark.slow

SUITE = """
title = "Tiny"
[grid]
algorithms = ["protonet"]
datasets = ["omniglot", "glyphs"]
ways = 2
shots = 1
seeds = 1
models = ["conv4"]
[datasets.omniglot]
split = "alphabet"
image_size = 16
[datasets.glyphs]
split = "alphabet"
alphabets = 3
characters = [2]
drawers = 2
image_size = 16
[models.conv4]
filters = 2
[train]
iterations = 2
tasks_per_batch = 1
query_shots = 1
[validate]
every = 1
episodes = 2
query_shots = 1
[evaluate]
episodes = 2
query_shots = 1
"""

COMMANDS: dict[tuple[str, ...], int] = {
    ("data", "check", "omniglot"): 120,
    ("data", "list"): 40,
    ("data", "prepare", "omniglot"): 120,
    ("doctor",): 10,
    ("plan", "tiny"): 10,
    ("run", "tiny", "--no-report"): 1,
}
"""How often each is drawn; a run takes as long as a hundred others."""


class Place:
    """Where a case plays: a project, its data and cache, archives for the data folder, and what
    lies elsewhere and is not to be touched."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.project, self.data, self.cache = (
            base / "project",
            base / "space" / "data",
            base / "space" / "cache",
        )
        self.archives, self.elsewhere = base / "archives", base / "elsewhere"

    def run(self, *arguments: str) -> Outcome:
        """Run a command there: without a network, and with a `gs` on the path that leaves a mark
        elsewhere."""
        return command(*arguments, folder=self.project, variables=self._variables())

    def _variables(self) -> Mapping[str, str]:
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
        path = f"{self.elsewhere / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {
            **nowhere,
            "no_proxy": "",
            "PATH": path,
            "METABENCH_DATA": str(self.data),
            "METABENCH_CACHE": str(self.cache),
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, omniglot_maker: object) -> Path:
    """A whole place, whose cache is filled."""
    place = Place(tmp_path_factory.mktemp("template"))
    omniglot_maker(place.data, alphabets=("Angelic", "Greek", "Latin"), characters=2, drawings=3)  # type: ignore[operator]
    for part in PARTS:
        shutil.make_archive(str(place.archives / part), "zip", place.data / "omniglot-py", part)
    shutil.copytree(
        place.data / "omniglot-py" / "images_background", place.elsewhere / "images_background"
    )
    (place.elsewhere / "bin").mkdir()
    (place.elsewhere / "bin" / "gs").write_text('#!/bin/sh\ntouch "$(dirname "$0")/mark"\n')
    (place.elsewhere / "bin" / "gs").chmod(0o700)
    (place.project / "suites").mkdir(parents=True)
    (place.project / "suites" / "tiny.toml").write_text(SUITE)
    (place.project / "benchmark.toml").write_text('reports = "../space/reports"\n')
    checked = place.run("data", "check", "omniglot")
    assert checked.status == 0, checked.output
    assert len(list((place.cache / "omniglot").iterdir())) == 2
    return place.base


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Iterator[Place]:
    """A copy of its own, with the times of files, so that the cache is of use."""
    shutil.copytree(template, tmp_path / "place", symlinks=True)
    yield Place(tmp_path / "place")
    shutil.rmtree(tmp_path / "place")


def data_of(place: Place) -> dict[str, tuple[int, str]]:
    """The data folder, whatever it has become."""
    found = snapshot(place.base / "space", leaving_out=place.cache)
    return {name: content for name, content in found.items() if Path(name).parts[0] == "data"}


def processes_of(base: Path) -> list[str]:
    """What still runs in a folder, once those that end with their parent have had the time to."""
    deadline = time.monotonic() + SECONDS
    while (found := _running_in(base)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _running_in(base: Path) -> list[str]:
    running = psutil.process_iter(["cwd", "cmdline"])
    return [
        str(process.info["cmdline"])
        for process in running
        if (process.info["cwd"] or "").startswith(str(base))
    ]


@pytest.mark.parametrize("case", list(cases(1)))
def test_data_folders(case: int, place: Place) -> None:
    rng = chance(case, "data folders")
    done = [damage(rng, place) for damage in rng.choices(DAMAGES, k=rng.choice((1, 1, 2, 3)))]
    arguments = rng.choices(list(COMMANDS), weights=list(COMMANDS.values()))[0]
    outside, inside = snapshot(place.base, leaving_out=place.base / "space"), data_of(place)
    outcome = place.run(*arguments)
    told = f"{done}\n{outcome}"
    outcome.assert_fair()
    assert snapshot(place.base, leaving_out=place.base / "space") == outside, told
    assert processes_of(place.base) == [], told
    if "prepare" in arguments:
        left = {name for name in data_of(place) if name not in inside}
        assert not any(part.startswith(".images_") for name in left for part in Path(name).parts), (
            told
        )
    else:
        assert data_of(place) == inside, told
    assert "Warning" not in outcome.output, told


def damage_drawings(rng: random.Random, place: Place) -> str:
    drawings = sorted(
        path
        for path in (place.data / "omniglot-py").rglob("*.png")
        if path.is_file() and not path.is_symlink()
    )
    if not drawings:
        return "no drawings"
    return damaged_data.damage_image(rng, rng.choice(drawings), place.elsewhere)


def damage_folder(rng: random.Random, place: Place) -> str:
    parts = [place.data / "omniglot-py" / part for part in PARTS]
    folders = [
        place.data,
        place.data / "omniglot-py",
        *parts,
        *(path for part in parts for path in sorted(part.rglob("*")) if path.is_dir()),
    ]
    return damaged_data.damage_folder(rng, rng.choice(folders), place.elsewhere)


def damage_archive(rng: random.Random, place: Place) -> str:
    """An archive in the folder, and most often no folder of its part."""
    part = rng.choice(list(PARTS))
    there = place.data / "omniglot-py" / part
    archive = place.data / "omniglot-py" / f"{part}.zip"
    if not there.parent.is_dir() or os.path.lexists(archive):
        return "no place for an archive"
    if rng.random() < 0.8 and there.is_dir() and not there.is_symlink():
        shutil.rmtree(there)
    shutil.copyfile(place.archives / archive.name, archive)
    return damaged_data.damage_archive(rng, archive, place.elsewhere)


def damage_cache(rng: random.Random, place: Place) -> str:
    entries = (
        sorted((place.cache / "omniglot").iterdir()) if (place.cache / "omniglot").is_dir() else []
    )
    if rng.random() < 0.2 or not entries:
        return damaged_data.damage_folder(
            rng, rng.choice((place.cache, place.cache / "omniglot")), place.elsewhere
        )
    return damaged_data.damage_entry(rng, rng.choice(entries), place.elsewhere)


DAMAGES = (
    damage_drawings,
    damage_drawings,
    damage_folder,
    damage_archive,
    damage_archive,
    damage_cache,
)
