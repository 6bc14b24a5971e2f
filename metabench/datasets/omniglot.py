"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people (Lake,
Salakhutdinov, Tenenbaum 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from metabench.datasets import class_splits
from metabench.datasets.cache import Decoded, load_or_decode
from metabench.datasets.dataset import Split
from metabench.datasets.images import ImageDataset, too_large
from metabench.datasets.omniglot_download import obtain_missing
from metabench.datasets.omniglot_folder import (
    DRAWINGS,
    FOLDER,
    PARTS,
    Drawings,
    cache_key,
    decode,
    find_drawings,
    missing,
)
from metabench.errors import DataError
from metabench.tasks.episodes import Task

PUBLISHED = "omniglot-vinyals.json"
"""The published split, which lists every character."""


@dataclass(frozen=True)
class OmniglotSettings(class_splits.SplitSettings):
    """Which characters are in which split, and how the drawings are given.

    Attributes
    ----------
    split
        ``vinyals``, the published class lists (1028/172/423 characters); ``random`` or
        ``alphabet``, for which see `SplitSettings`.
    rotations
        The characters of the training split, or of all splits, turned by 90, 180 and 270 degrees as
        further classes; or none.
    image_size
        Height and width in pixels.
    """

    split: Literal["vinyals", "random", "alphabet"] = "vinyals"
    rotations: Literal["none", "train", "all"] = "none"
    image_size: Annotated[int, Ge(1), Le(1_024)] = 28

    def __post_init__(self) -> None:
        super().__post_init__()
        if problem := too_large(sum(PARTS.values()) * DRAWINGS, self.image_size, self.rotations):
            raise ValueError(f"all of Omniglot, {problem}")


class Omniglot(ImageDataset):
    """Handwritten characters, 20 drawings each, ink 1 on 0; classes split by published lists, at
    random, or by alphabet."""

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
        DataError
            Nothing is there, a file is damaged, or the split needs classes that are not there.
        """
        drawings = find_drawings(root)
        if not drawings:
            raise DataError(_missing(root, []))
        read = self._read(drawings)
        try:
            splits = self._split(read.class_names)
        except DataError as error:
            raise DataError(
                f"dataset 'omniglot', split = '{self.settings.split}': {error}\n{_how_to_get(root)}"
            ) from None
        self.pool = read.pool(splits, class_splits.ROTATED[self.settings.rotations])

    def class_sizes(self, root: Path) -> dict[Split, dict[str, int]]:
        """Of the drawings in the data folder; of all of Omniglot where there are none.

        Raises
        ------
        DataError
            What is there cannot be used, or the split needs classes that are not there.
        """
        there = {name: len(paths) for name, paths in find_drawings(root).items()}
        images = there or dict.fromkeys(class_splits.published_names(PUBLISHED), DRAWINGS)
        rotated = class_splits.ROTATED[self.settings.rotations]
        return class_splits.sizes_of(images, self._split(list(images)), rotated)

    def prepare(self, root: Path) -> str:
        """Download (or unpack, where the archives lie in the folder) what is missing, decode it,
        and say what is there.

        Raises
        ------
        DataError
            Nothing is there and nothing could be had, or a file is damaged.
        """
        reasons = obtain_missing(root)
        drawings = find_drawings(root)
        if not drawings:
            raise DataError(_missing(root, reasons))
        images = len(self._read(drawings).images)
        there = (
            f"{len(drawings):,} of {sum(PARTS.values()):,} characters, {images:,} "
            f"drawings in {root / FOLDER}"
        )
        return "; ".join(
            (there, *missing(drawings, class_splits.published_sizes(PUBLISHED)), *reasons)
        )

    def remarks(self, root: Path) -> list[str]:
        """Which parts and alphabets are not whole, where some of them are there at all."""
        return missing(find_drawings(root), class_splits.published_sizes(PUBLISHED))

    def _read(self, drawings: Drawings) -> Decoded:
        size = self.settings.image_size
        if problem := too_large(sum(map(len, drawings.values())), size, self.settings.rotations):
            raise DataError(f"dataset 'omniglot': {problem}")
        return load_or_decode("omniglot", cache_key(drawings, size), lambda: decode(drawings, size))

    def _split(self, class_names: Sequence[str]) -> class_splits.Splits:
        if self.settings.split == "vinyals":
            return class_splits.published(PUBLISHED, class_names)
        return self.settings.splits_of(class_names)


def _missing(root: Path, reasons: list[str]) -> str:
    return "\n".join(
        (
            f"dataset 'omniglot': no drawings in the data folder {root.absolute()}",
            *reasons,
            _how_to_get(root),
        )
    )


def _how_to_get(root: Path) -> str:
    folder = root.absolute() / FOLDER
    parts = "\n".join(
        f"  {folder / part}/<Alphabet>/<characterNN>/*.png   ({count} characters)"
        for part, count in PARTS.items()
    )
    return (
        f"it was looked for in (both parts, or one):\n{parts}\n"
        "to get it: `metabench data prepare omniglot` downloads both parts; without a network, put "
        "images_background.zip and images_evaluation.zip\n"
        f"(folder python of https://github.com/brendenlake/omniglot) into {folder} and run the "
        "same command, which unpacks them there.\n"
        "A part that is there is left as it is: move an incomplete one away first. split = "
        "'alphabet' does with any three alphabets.\n"
        "Another data folder is named by METABENCH_DATA or by `data` in benchmark.toml."
    )
