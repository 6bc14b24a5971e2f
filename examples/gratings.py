"""A dataset of images of one's own: coloured stripes, drawn when it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from metabench.plugins import ImageDataset, ImagePool, Split, Task, content_digest, generator


class Gratings(ImageDataset):
    """Stripes under noise; a class is their direction, width and colour."""

    licence, source = "none needed: generated", "this file"
    version = 1  # raise it whenever the same settings come to mean other images

    @dataclass(frozen=True)
    class Settings:
        """`classes`, a third for each split; `drawings` of each; `size` in pixels."""

        classes: Annotated[int, Ge(3)] = 60
        drawings: Annotated[int, Ge(1)] = 20
        size: Annotated[int, Ge(8)] = 28

    settings: Settings

    def task(self, ways: int | None) -> Task:
        assert ways is not None
        return Task("classification", (3, self.settings.size, self.settings.size), ways)

    def load(self, root: Path) -> None:
        """Fill `pool`; one that reads files finds them in the folder `root`."""
        at, rng = self.settings, generator(0, "gratings")
        names = [f"grating{number}" for number in range(at.classes)]
        labels = np.repeat(np.arange(at.classes), at.drawings)
        frequency = rng.uniform(-1, 1, (at.classes, 2))[labels, :, None, None]
        colour = rng.uniform(0, 1, (at.classes, 1, 1, 3))[labels]
        phase = rng.uniform(0, 2 * np.pi, (len(labels), 1, 1))
        x, y = np.indices((at.size, at.size))
        stripes = 0.5 + 0.5 * np.sin(frequency[:, 0] * x + frequency[:, 1] * y + phase)
        noisy = stripes[..., None] * colour + rng.normal(0, 0.2, (*stripes.shape, 3))
        images = (255 * noisy.clip(0, 1)).astype(np.uint8)  # [n, H, W, C]
        ids = [f"{names[label]}, drawing {n % at.drawings}" for n, label in enumerate(labels)]
        digest = content_digest(images, labels, names)
        self.pool = ImagePool(torch.from_numpy(images), labels, names, ids, self._split(), digest)

    def class_sizes(self, root: Path) -> Mapping[Split, Mapping[str, int]]:
        """What there is, without loading it: `plan` refuses episodes that want more. Optional."""
        drawings = self.settings.drawings
        return {s: {f"grating{c}": drawings for c in held} for s, held in self._split().items()}

    def _split(self) -> dict[Split, np.ndarray]:
        train, validation, test = np.array_split(np.arange(self.settings.classes), 3)
        return {"train": train, "validation": validation, "test": test}
