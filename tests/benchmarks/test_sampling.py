"""The pace of sampling: at least 200,000 images of 28 x 28 a second into ready float32 episodes, on
one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from metabench.datasets.images import ImageDataset, ImagePool
from metabench.experiment.streams import EpisodeStream
from metabench.tasks.episodes import EpisodeShape, Task

EPISODES = 2048


class Noise(ImageDataset):
    """Random images, as many as the Omniglot split of Vinyals et al. has for training: 1,028
    classes of 20."""

    licence = source = "none"

    def task(self, ways: int | None) -> Task:
        return Task("classification", (1, 28, 28), ways or 0)

    def load(self, root: Path) -> None:
        classes = np.arange(1028)
        pixels = np.random.default_rng(0).integers(0, 256, (20 * 1028, 28, 28, 1), dtype=np.uint8)
        self.pool = ImagePool(
            torch.from_numpy(pixels),
            classes.repeat(20),
            [str(c) for c in classes],
            [],
            {"train": classes},
            "",
        )


@pytest.fixture
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize(
    ("shape", "batch"),
    [(EpisodeShape(5, 1, 15), 4), (EpisodeShape(5, 5, 15), 32), (EpisodeShape(20, 1, 15), 16)],
    ids=str,
)
def test_sampling_pace(
    benchmark: BenchmarkFixture,
    pace: Callable[[str, str, str], None],
    shape: EpisodeShape,
    batch: int,
) -> None:
    dataset, cpu = Noise(None), torch.device("cpu")
    dataset.load(Path())
    stream = EpisodeStream(dataset, {}, "train", shape, root_seed=0, seed=0)
    portions = iter(range(1_000_000))

    def sample() -> None:
        first = EPISODES * next(portions)  # never a block that was drawn before
        for start in range(first, first + EPISODES, batch):
            stream.episodes(start, batch, cpu)

    benchmark.pedantic(sample, rounds=5, warmup_rounds=1)
    images = (
        EPISODES
        * (shape.ways or 0)
        * (shape.shots + shape.query_shots)
        / benchmark.stats.stats.median
    )
    pace(
        f"sampling {shape.ways}-way {shape.shots}-shot, {batch} episodes at once",
        f"{images:,.0f} images/s",
        "at least 200,000",
    )
