"""Image datasets: uint8 images in memory, class splits, and the gathering of drawn episodes into
float tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.datasets.class_splits import TURNED
from metabench.datasets.dataset import Dataset, Metric, Split
from metabench.identity import canonical
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples, Task
from metabench.tasks.sampler import ClassTable, Integers, draw_disjoint, draw_episodes

MOST_GIB = 8
"""Of all images of a dataset, which are held in memory as bytes."""


@dataclass(frozen=True, eq=False)
class ImagePool:
    """All images of a dataset, and which class is in which split.

    Attributes
    ----------
    images
        ``[n, H, W, C]`` uint8.
    labels
        ``[n]`` number of each image's class.
    class_names
        Name of each class.
    image_ids
        A readable name of each image.
    splits
        The class numbers of each split; no class stands in two.
    digest
        SHA-256 over images, labels and class names as they were read (see `content_digest`).
    """

    images: Tensor
    labels: Integers
    class_names: Sequence[str]
    image_ids: Sequence[str]
    splits: Mapping[Split, Integers]
    digest: str
    _tables: dict[Split, ClassTable] = field(default_factory=dict, init=False, repr=False)
    _copies: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    def table(self, split: Split, dataset: str) -> ClassTable:
        """Return where the images of the classes of `split` are; `dataset` is the name that
        messages use."""
        if split not in self._tables:
            self._tables[split] = ClassTable.from_labels(
                f"the {split} split of {dataset}", self.labels, self.class_names, self.splits[split]
            )
        return self._tables[split]

    def on(self, device: torch.device) -> Tensor:
        """Return the images on `device`, where they stay."""
        if device not in self._copies:
            self._copies[device] = self.images.to(device)
        return self._copies[device]


def content_digest(images: NDArray[np.uint8], labels: Integers, class_names: Sequence[str]) -> str:
    """Return the SHA-256 (64 hex digits) over images, labels and class names."""
    content = hashlib.sha256(
        canonical({"shape": images.shape, "class_names": class_names}).encode()
    )
    content.update(np.ascontiguousarray(labels, dtype="<i8").data)
    content.update(np.ascontiguousarray(images).data)
    return content.hexdigest()


def too_large(images: int, image_size: int, rotations: str) -> str:
    """Say by how much so many square images of one channel, and those turned of them, take more
    memory than they may; empty where they do not."""
    # of all splits; which ones are turned is not known here
    turned = 0 if rotations == "none" else 3 * images
    if (gib := (images + turned) * image_size**2 / 2**30) <= MOST_GIB:
        return ""
    which = (
        f"{images:,} images and up to {turned:,} turned ones (rotations = '{rotations}')"
        if turned
        else f"{images:,} images"
    )
    return (
        f"{which} of {image_size} x {image_size} pixels take {gib:,.1f} GiB of memory, "
        f"and may take {MOST_GIB}; say a smaller image_size"
    )


def with_rotations(pool: ImagePool, splits: Sequence[Split]) -> ImagePool:
    """Return `pool` with the classes of `splits`, turned by 90, 180 and 270 degrees
    counter-clockwise, as further classes of the same split.

    Images are square. The digest stays: it speaks of what was read.
    """
    if not splits:
        return pool
    turning = np.concatenate([pool.splits[split] for split in splits])
    place = np.full(len(pool.class_names), -1)
    place[turning] = np.arange(len(turning))
    chosen = np.flatnonzero(place[pool.labels] >= 0)
    images, labels, names, ids = (
        [pool.images],
        [pool.labels],
        list(pool.class_names),
        list(pool.image_ids),
    )
    classes = {split: [numbers] for split, numbers in pool.splits.items()}
    for quarters, suffix in enumerate(TURNED, start=1):
        images.append(torch.rot90(pool.images[torch.from_numpy(chosen)], quarters, (1, 2)))
        labels.append(len(names) + place[pool.labels[chosen]])
        for split in splits:
            classes[split].append(len(names) + place[pool.splits[split]])
        names += [pool.class_names[c] + suffix for c in turning.tolist()]
        ids += [pool.image_ids[i] + suffix for i in chosen.tolist()]
    merged = {split: np.concatenate(numbers) for split, numbers in classes.items()}
    return ImagePool(torch.cat(images), np.concatenate(labels), names, ids, merged, pool.digest)


class ImageDataset(Dataset):
    """Base of image classification datasets: `load` of a subclass fills `pool`, all else is here.

    Episodes are gathered on the device they are asked for; the images move there once, as bytes.
    """

    kind: ClassVar[Literal["classification", "regression"]] = "classification"
    metric: ClassVar[Metric] = Metric("accuracy", "fraction", higher_is_better=True)
    default_model: ClassVar[str] = "conv4"
    pool: ImagePool

    @property
    def image_ids(self) -> Sequence[str]:
        """A readable name of each image, by image number."""
        return self.pool.image_ids

    def content_digest(self) -> str | None:
        """SHA-256 over the images as read, their labels and the class names."""
        return self.pool.digest

    def split_images(self, split: Split) -> Integers:
        """Return the numbers of all images of `split`, class by class."""
        table = self._table(split)
        return np.concatenate(
            [
                table.members[start : start + size]
                for start, size in zip(table.starts, table.sizes, strict=True)
            ]
        )

    def images(self, indices: Integers, device: torch.device) -> Tensor:
        """Return the images of these numbers as ``[n, C, H, W]`` float32 in 0 ... 1, on
        `device`."""
        chosen = self.pool.on(device).index_select(0, torch.from_numpy(indices.ravel()).to(device))
        return (
            chosen.permute(0, 3, 1, 2)
            .to(torch.float32, memory_format=torch.contiguous_format)
            .div_(255)
        )

    def draw(self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator) -> Draw:
        """Draw `count` episodes, each anew (see `sampler.draw_episodes`)."""
        return draw_episodes(rng, self._table(split), shape, count)

    def draw_disjoint(
        self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator
    ) -> Draw:
        """Draw `count` episodes of which no two share an image (see `sampler.draw_disjoint`)."""
        return draw_disjoint(rng, self._table(split), shape, count)

    def training_task(self) -> Task:
        """One output a training class, the rotated ones among them."""
        return self.task(len(self.pool.splits["train"]))

    def draw_examples(self, count: int, rng: np.random.Generator) -> Draw:
        """Draw images of the training split uniformly: ``image`` ``[n]`` their numbers."""
        numbers = self.split_images("train")
        return {"image": numbers[rng.integers(len(numbers), size=count)]}

    def gather_examples(self, draw: Draw, device: torch.device) -> Examples:
        """Turn image numbers into ``x [n, C, H, W]`` and the numbers of their classes among the
        training classes, ``y [n]``."""
        classes = np.searchsorted(self.pool.splits["train"], self.pool.labels[draw["image"]])
        return Examples(self.images(draw["image"], device), torch.from_numpy(classes).to(device))

    def figure(self, draw: Draw) -> Draw:
        """The first two episodes, whole: what is predicted for a query may depend on the others."""
        return {name: values[:2] for name, values in draw.items()}

    def names(self, draw: Draw) -> dict[str, np.ndarray]:
        """``image_numbers`` ``[n]`` of the images that were met, and ``image_names`` ``[n]``, UTF-8
        as bytes."""
        met = np.unique(np.concatenate((draw["support"].ravel(), draw["query"].ravel())))
        names = [self.image_ids[i].encode() if self.image_ids else b"" for i in met.tolist()]
        return {
            "image_numbers": met.astype(np.int32),
            "image_names": np.array(names, dtype=np.bytes_),
        }

    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        """Turn image numbers into episodes: ``support_x [E, N*K, C, H, W]``, ``query_x [E, N*Q, C,
        H, W]``, contiguous."""
        episodes, ways = draw["classes"].shape
        shots = draw["support"].shape[1] // ways
        support, query = self.images(draw["support"], device), self.images(draw["query"], device)
        labels = torch.arange(ways, device=device).repeat_interleave(shots)
        return Episodes(
            support_x=support.view(episodes, -1, *support.shape[1:]),
            support_y=labels.repeat(episodes, 1),
            query_x=query.view(episodes, -1, *query.shape[1:]),
            query_y=torch.from_numpy(draw["query_y"]).to(device),
        )

    def _table(self, split: Split) -> ClassTable:
        return self.pool.table(split, type(self).__name__)
