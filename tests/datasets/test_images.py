"""Image datasets: what is gathered is what was drawn, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metabench.datasets.images import ImageDataset, ImagePool, content_digest, with_rotations
from metabench.tasks.episodes import EpisodeShape, Task

CPU = torch.device("cpu")
DEVICES = [CPU, *([torch.device("cuda")] if torch.cuda.is_available() else [])]


class Noise(ImageDataset):
    """Two-channel images of random bytes, 6 x 7, the splits 3, 2 and 2 classes of 8 images; nothing
    is read."""

    licence = source = "none"

    def task(self, ways: int | None) -> Task:
        return Task("classification", (2, 6, 7), ways or 0)

    def load(self, root: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (56, 6, 7, 2), dtype=np.uint8)
        labels = np.arange(56) % 7
        names = [f"c{n}" for n in range(7)]
        splits = {
            "train": np.array([0, 3, 6]),
            "validation": np.array([1, 4]),
            "test": np.array([2, 5]),
        }
        digest = content_digest(images, labels, names)
        self.pool = ImagePool(
            torch.from_numpy(images), labels, names, [f"i{n}" for n in range(56)], splits, digest
        )  # type: ignore[arg-type]


@pytest.fixture
def noise() -> Noise:
    dataset = Noise(None)
    dataset.load(Path())
    return dataset


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_gathered_episodes_hold_the_drawn_images(noise: Noise, device: torch.device) -> None:
    draw = noise.draw("train", EpisodeShape(3, 2, 4), 5, np.random.default_rng(1))
    episodes = noise.gather(draw, device)
    assert episodes.support_x.shape == (5, 6, 2, 6, 7)
    assert episodes.query_x.shape == (5, 12, 2, 6, 7)
    assert all(
        tensor.is_contiguous() and tensor.device.type == device.type
        for tensor in vars(episodes).values()
    )
    assert episodes.support_y.tolist() == [[0, 0, 1, 1, 2, 2]] * 5
    assert episodes.query_y.tolist() == draw["query_y"].tolist()
    assert episodes.query_y.dtype == torch.int64
    expected = noise.pool.images.numpy()[draw["query"]].transpose(0, 1, 4, 2, 3).astype(
        np.float32
    ) / np.float32(255)
    assert np.array_equal(episodes.query_x.cpu().numpy(), expected)


def test_images_and_splits_are_found_by_number(noise: Noise) -> None:
    assert noise.images(np.array([3, 3, 55]), CPU).shape == (3, 2, 6, 7)
    assert sorted(noise.split_images("test")) == [n for n in range(56) if n % 7 in (2, 5)]
    everything = np.concatenate(
        [noise.split_images(split) for split in ("train", "validation", "test")]
    )
    assert sorted(everything) == list(range(56))
    assert noise.image_ids[12] == "i12"


def test_the_digest_moves_with_each_thing_it_covers(noise: Noise) -> None:
    images, labels, names = (
        noise.pool.images.numpy().copy(),
        noise.pool.labels,
        list(noise.pool.class_names),
    )
    digests = {
        noise.content_digest(),
        content_digest(images, labels[::-1], names),
        content_digest(images, labels, names[::-1]),
    }
    images[3, 2, 1, 0] ^= 1
    assert len(digests | {content_digest(images, labels, names)}) == 4


def test_rotations_are_further_classes_of_the_same_split() -> None:
    square = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    splits = {"train": np.array([2]), "validation": np.array([0]), "test": np.array([1])}
    labels = np.array([0, 1, 2, 2, 1, 0])
    pool = ImagePool(torch.from_numpy(square), labels, ["a", "b", "c"], list("uvwxyz"), splits, "")  # type: ignore[arg-type]
    turned = with_rotations(pool, ["train"])
    assert turned.class_names == ["a", "b", "c", "c/rot090", "c/rot180", "c/rot270"]
    assert {split: numbers.tolist() for split, numbers in turned.splits.items()} == {
        "train": [2, 3, 4, 5],
        "validation": [0],
        "test": [1],
    }
    assert turned.image_ids[6:] == [
        "w/rot090",
        "x/rot090",
        "w/rot180",
        "x/rot180",
        "w/rot270",
        "x/rot270",
    ]
    for quarters in (1, 2, 3):
        of_class = turned.images[torch.from_numpy(np.flatnonzero(turned.labels == 2 + quarters))]
        assert np.array_equal(of_class, np.rot90(square[[2, 3]], quarters, axes=(1, 2)))
    everything = with_rotations(pool, ["train", "validation", "test"])
    assert len(everything.images) == 24
    assert len({int(number) for numbers in everything.splits.values() for number in numbers}) == 12
