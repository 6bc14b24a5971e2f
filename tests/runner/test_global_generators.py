"""Plugins that draw from the global generators of torch, NumPy and Python get the same bits,
however often their fits are interrupted or parted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop, records, results

pytestmark = pytest.mark.slow

SOURCES = ("python", "numpy", "torch", "own", "none")
PROJECT = """
checkpoint_seconds = 0.0001

[plugins.methods]
noisy = "noise_makers:Noisy"
[plugins.datasets]
shaky = "noise_makers:Shaky"
[plugins.models]
dropping = "noise_makers:Dropping"
"""
SUITE = """
[grid]
algorithms = {algorithms}
datasets = ["shaky"]
models = ["dropping"]
shots = {shots}
seeds = 1

[train]
iterations = 12
tasks_per_batch = 2
shots = 5

[validate]
every = 5
episodes = 4
shots = 5

[evaluate]
episodes = {episodes}

[models.dropping]
hidden = [8]

"""


class Noise:
    """The project, and what an uninterrupted run of everything gives."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        # whose own folder it looks into
        shutil.copy(Path(__file__).with_name("noisy.py"), workshop.folder / "noise_makers.py")
        (workshop.folder / "benchmark.toml").write_text(PROJECT)
        self.suite()
        self.whole = self.run("whole", workers=1)

    def suite(self, shots: tuple[int, ...] = (5, 10), episodes: tuple[int, ...] = (8, 40)) -> None:
        text = SUITE.format(
            algorithms=json.dumps(SOURCES), shots=list(shots), episodes=list(episodes)
        )
        entries = "".join(
            f'[algorithms.{source}]\nmethod = "noisy"\nsource = "{source}"\n' for source in SOURCES
        )
        (self.workshop.folder / "suites" / "noise.toml").write_text(text + entries)

    def run(self, out: str, **options: Any) -> Path:
        return self.workshop.run("noise", out=self.workshop.folder / out, **options).folder

    def kill_after(self, *steps: int) -> None:
        (self.workshop.folder / "kills").write_text("\n".join(map(str, steps)))


@pytest.fixture(scope="module")
def noise(shared_workshop: Workshop) -> Noise:
    return Noise(shared_workshop)


def test_what_is_drawn_tells(noise: Noise) -> None:
    """Or the tests below would hold for any program."""
    scores = {record["result"]["score"] for record in records_of(noise.whole)}
    assert len(scores) == len(SOURCES) * 4


def test_killed_and_resumed(noise: Noise) -> None:
    """At its first steps, between validations, and after the last."""
    out = "killed"
    attempts = [[0], [3], [1], [2], [4], [1]]
    for steps in attempts:
        noise.kill_after(*steps * len(SOURCES))
        noise.run(out, workers=1)
    noise.kill_after()
    folder = noise.run(out, workers=1)
    assert min(record["measured"]["interruptions"] for record in records_of(folder)) >= 4
    assert results(folder) == results(noise.whole)


def test_tested_with_kept_weights_and_cell_by_cell(noise: Noise) -> None:
    noise.suite(shots=(10,), episodes=(40,))
    noise.run("grown")
    noise.suite(shots=(10, 5), episodes=(40,))
    noise.run("grown")
    noise.suite()
    folder = noise.run("grown")
    kept = [record["provenance"].get("weights") for record in records_of(folder)]
    assert kept.count("kept") == 3 * len(SOURCES)
    assert results(folder) == results(noise.whole)
    shutil.rmtree(folder / "weights")
    for path in sorted(folder.glob("records/*-5s-*"))[::2]:
        path.unlink()
    assert results(noise.run("grown")) == results(noise.whole)


def test_with_other_workers(noise: Noise) -> None:
    assert results(noise.run("three", workers=3)) == results(noise.whole)


def records_of(folder: Path) -> list[dict[str, Any]]:
    assert records(folder)
    return [json.loads(path.read_text()) for path in sorted(folder.glob("records/*.json"))]
