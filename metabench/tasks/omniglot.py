"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people (Lake, Salakhutdinov, Tenenbaum 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge

from metabench.errors import DataError
from metabench.tasks import class_splits
from metabench.tasks.cache import Decoded, load_or_decode
from metabench.tasks.dataset import Split
from metabench.tasks.episodes import Task
from metabench.tasks.images import ImageDataset, ImagePool, with_rotations
from metabench.tasks.omniglot_folder import FOLDER, PARTS, Drawings, cache_key, decode, find_drawings, obtain_missing

MAML_SPLIT = (1100, 100, 423)
"""Training, validation and test characters of Finn et al. 2017."""


@dataclass(frozen=True)
class OmniglotSettings:
    """Which characters are in which split, and how the drawings are given.

    Attributes
    ----------
    split : ``vinyals``, the published class lists (1028/172/423 characters); ``random``, all characters shuffled (1100/100/423 of the 1,623, or in
        that proportion, unless sizes are said); ``alphabet``, whole alphabets (those said, or else a fifth each to validation and test, shuffled).
    split_seed : of the shuffling.
    train_classes, validation_classes, test_classes : sizes of a random split, before rotations; all three or none.
    train_alphabets, validation_alphabets, test_alphabets : the alphabets of an alphabet split; all three or none.
    rotations : the characters of the training split, or of all splits, turned by 90, 180 and 270 degrees as further classes; or none.
    image_size : height and width in pixels.
    """

    split: Literal["vinyals", "random", "alphabet"] = "vinyals"
    split_seed: Annotated[int, Ge(0)] = 0
    train_classes: Annotated[int, Ge(1)] | None = None
    validation_classes: Annotated[int, Ge(1)] | None = None
    test_classes: Annotated[int, Ge(1)] | None = None
    train_alphabets: tuple[str, ...] = ()
    validation_alphabets: tuple[str, ...] = ()
    test_alphabets: tuple[str, ...] = ()
    rotations: Literal["none", "train", "all"] = "none"
    image_size: Annotated[int, Ge(1)] = 28

    def __post_init__(self) -> None:
        for use, needed in (("classes", "random"), ("alphabets", "alphabet")):
            keys = [f"{split}_{use}" for split in class_splits.SPLITS]
            said = [key for key in keys if getattr(self, key)]
            if said and self.split != needed:
                raise ValueError(f"{said[0]} is for split = '{needed}', and split is '{self.split}'")
            if said and said != keys:
                raise ValueError(f"{', '.join(said)} without {', '.join(key for key in keys if key not in said)}: say all three, or none")
        counts = Counter((*self.train_alphabets, *self.validation_alphabets, *self.test_alphabets))
        if twice := [alphabet for alphabet, count in counts.items() if count > 1]:
            raise ValueError(f"the alphabet {twice[0]!r} is named twice; an alphabet is in one split, once")
        if self.split_seed and (self.split == "vinyals" or counts):
            raise ValueError("split_seed shuffles nothing where the split is published or its alphabets are named; leave it out")


class Omniglot(ImageDataset):
    """Handwritten characters, 20 drawings each, ink 1 on 0; classes split by published lists, at random, or by alphabet."""

    licence: ClassVar[str] = "MIT"
    source: ClassVar[str] = "Lake et al. 2015, https://github.com/brendenlake/omniglot"
    Settings: ClassVar[type[OmniglotSettings]] = OmniglotSettings
    settings: OmniglotSettings

    def task(self, ways: int | None) -> Task:
        """One channel, square."""
        if ways is None:
            raise ValueError("a classification task has ways")
        return Task("classification", (1, self.settings.image_size, self.settings.image_size), ways)

    def load(self, root: Path) -> None:
        """Read the drawings (decoded once, then from the cache) and split the characters.

        Raises
        ------
        DataError : nothing is there, a file is damaged, or the split needs classes that are not there.
        """
        drawings = find_drawings(root)
        if not drawings:
            raise DataError(_missing(root, []))
        read = self._read(drawings)
        try:
            splits = self._split(read.class_names)
        except DataError as error:
            raise DataError(f"dataset 'omniglot', split = '{self.settings.split}': {error}\n{_how_to_get(root)}") from None
        pool = ImagePool(torch.from_numpy(read.images), read.labels, read.class_names, read.image_ids, splits, read.digest)
        turned: dict[str, tuple[Split, ...]] = {"none": (), "train": ("train",), "all": class_splits.SPLITS}
        self.pool = with_rotations(pool, turned[self.settings.rotations]) if turned[self.settings.rotations] else pool

    def prepare(self, root: Path) -> str:
        """Download (or unpack, where the archives lie in the folder) what is missing, decode it, and say what is there.

        Raises
        ------
        DataError : nothing is there and nothing could be had, or a file is damaged.
        """
        reasons = obtain_missing(root)
        drawings = find_drawings(root)
        if not drawings:
            raise DataError(_missing(root, reasons))
        images = len(self._read(drawings).images)
        there = f"{len(drawings):,} of {sum(PARTS.values()):,} characters, {images:,} drawings in {root / FOLDER}"
        return "; ".join((there, *reasons))

    def _read(self, drawings: Drawings) -> Decoded:
        size = self.settings.image_size
        return load_or_decode("omniglot", cache_key(drawings, size), lambda: decode(drawings, size))

    def _split(self, class_names: Sequence[str]) -> class_splits.Splits:
        at = self.settings
        if at.split == "vinyals":
            return class_splits.published("omniglot-vinyals.json", class_names)
        if at.split == "random":
            sizes = at.train_classes, at.validation_classes, at.test_classes
            said = [size for size in sizes if size is not None]
            return class_splits.shuffled(class_names, said or MAML_SPLIT, at.split_seed, exact=bool(said))
        named: dict[Split, tuple[str, ...]] = {"train": at.train_alphabets, "validation": at.validation_alphabets, "test": at.test_alphabets}
        return class_splits.by_group(class_names, named, at.split_seed)


def _missing(root: Path, reasons: list[str]) -> str:
    return "\n".join((f"dataset 'omniglot': no drawings in the data folder {root.absolute()}", *reasons, _how_to_get(root)))


def _how_to_get(root: Path) -> str:
    folder = root.absolute() / FOLDER
    parts = "\n".join(f"  {folder / part}/<Alphabet>/<characterNN>/*.png   ({count} characters)" for part, count in PARTS.items())
    return (
        f"it was looked for in (both parts, or one):\n{parts}\n"
        "to get it: `metabench data prepare omniglot` downloads both parts; without a network, put images_background.zip and images_evaluation.zip\n"
        f"(folder python of https://github.com/brendenlake/omniglot) into {folder} and run the same command, which unpacks them there.\n"
        "A part that is there is left as it is: move an incomplete one away first. split = 'alphabet' does with any three alphabets.\n"
        "Another data folder is named by METABENCH_DATA or by `data` in benchmark.toml."
    )
