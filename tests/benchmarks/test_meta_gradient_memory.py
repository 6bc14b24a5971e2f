"""Peak resident memory of one Conv4-64 MAML iteration: our engine, with steps kept and with steps
computed a second time, and `higher`; each in a process of its own, above what it had before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from itertools import count

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from metabench.experiment.measure import MemoryPeaks
from metabench.experiment.streams import EpisodeStream
from metabench.methods.maml import MAML
from metabench.methods.method import Moment
from metabench.tasks.episodes import EpisodeShape
from tests.benchmarks.test_meta_gradient_speed import CPU, Characters, conv4


def peak_of(engine: str, recompute: bool, steps: int) -> int:
    """Bytes above those before, in three iterations of four tasks (5-way, 1-shot, 15 queries)."""
    torch.set_num_threads(1)
    dataset = Characters(None)
    dataset.load()
    settings = MAML.Settings(inner_lr=0.1, inner_steps=steps, engine=engine, recompute=recompute)
    method, numbers = MAML(settings), count()
    state = method.init(conv4(dataset), dataset.task(5), torch.Generator())
    stream = EpisodeStream(dataset, {}, "train", EpisodeShape(5, 1, 15), root_seed=0, seed=0)
    with MemoryPeaks(CPU) as memory:
        for _ in range(3):
            method.step(state, stream.episodes(4 * next(numbers), 4, CPU), Moment())
        return memory.read()["peak_resident_above_bytes"] or 0


def test_conv4_maml(benchmark: BenchmarkFixture, pace: Callable[[str, str, str], None]) -> None:
    ways = {
        "kept": ("functional", False),
        "recomputed": ("functional", True),
        "higher": ("higher", False),
    }
    peaks = {}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for steps in (5, 10):
            for name, way in ways.items():
                peaks[name, steps] = pool.apply(peak_of, (*way, steps))
    benchmark.pedantic(lambda: None)
    for steps in (5, 10):
        theirs = peaks["higher", steps]
        for name, goal in (
            ("kept", "at most higher's"),
            ("recomputed", "at most half of higher's"),
        ):
            ours = peaks[name, steps]
            pace(
                f"conv4-64 MAML peak memory, 4 tasks, {steps} steps, {name}",
                f"{ours / 1e6:.0f} MB, higher {theirs / 1e6:.0f} MB: {ours / theirs:.2f}",
                goal,
            )
