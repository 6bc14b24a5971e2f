"""A dataset whose images say which they are: the plugin of a test of the experiment. Not
collected."""

from pathlib import Path

import numpy as np
import torch

from metabench.datasets.images import ImageDataset, ImagePool
from metabench.datasets.omniglot import OmniglotSettings
from metabench.tasks.episodes import Task

PER_CLASS = 15
SPLITS = {"train": range(20), "validation": range(20, 26), "test": range(26, 32)}


class Numbered(ImageDataset):
    """Noise but for its first two pixels, which hold the low and the high byte of the image's
    number; image n is of class n // PER_CLASS."""

    version = 1
    Settings = OmniglotSettings
    licence = source = "none"

    def task(self, ways: int | None) -> Task:
        return Task("classification", (1, 16, 16), ways or 0)

    def load(self, root: Path) -> None:
        labels = np.arange(32).repeat(PER_CLASS)
        numbers = np.arange(len(labels))
        pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 16, 16, 1), dtype=np.uint8)
        pixels[:, 0, 0, 0], pixels[:, 0, 1, 0] = numbers % 256, numbers // 256
        splits = {split: np.array(classes) for split, classes in SPLITS.items()}
        self.pool = ImagePool(
            torch.from_numpy(pixels), labels, [str(c) for c in range(32)], [], splits, ""
        )
