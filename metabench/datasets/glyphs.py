"""Glyphs: generated handwriting in the image of Omniglot, for which nothing need be downloaded. How
one is drawn: `glyphs_drawing`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from metabench.datasets.cache import Decoded, load_or_decode
from metabench.datasets.class_splits import ROTATED, SplitSettings, sizes_of
from metabench.datasets.dataset import Split
from metabench.datasets.glyphs_alphabets import alphabet_size
from metabench.datasets.glyphs_drawing import VERSION, draw_alphabet
from metabench.datasets.images import (
    ImageDataset,
    content_digest,
    too_large,
)
from metabench.errors import DataError
from metabench.identity import digest
from metabench.tasks.episodes import Task


@dataclass(frozen=True)
class GlyphsSettings(SplitSettings):
    """Which glyphs there are, which of them are in which split, and how they are given.

    A character is the same whatever the sizes: more alphabets, characters or drawers come after
    those that were there.

    Attributes
    ----------
    split
        ``random`` or ``alphabet``, see `SplitSettings`. Alphabets are called ``alphabet01``,
        ``alphabet02`` and so on.
    glyph_seed
        Of everything that is drawn.
    alphabets
        How many.
    characters
        How many each of them has, or one number for all; left out, between 14 and 55 each, as in
        Omniglot.
    drawers
        Drawings of each character.
    rotations
        The characters of the training split, or of all splits, turned by 90, 180 and 270 degrees as
        further classes; or none.
    image_size
        Height and width in pixels; Omniglot's own drawings have 105.
    """

    split: Literal["random", "alphabet"] = "random"
    glyph_seed: Annotated[int, Ge(0)] = 0
    alphabets: Annotated[int, Ge(1), Le(99)] = 25
    characters: tuple[Annotated[int, Ge(1), Le(99)], ...] = ()
    drawers: Annotated[int, Ge(1), Le(99)] = 20
    rotations: Literal["none", "train", "all"] = "none"
    image_size: Annotated[int, Ge(8), Le(105)] = 28

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.characters) not in (0, 1, self.alphabets):
            raise ValueError(
                f"characters says {len(self.characters)} numbers for {self.alphabets} alphabets; "
                "say one for each, or one for all"
            )
        if problem := too_large(sum(self.sizes()) * self.drawers, self.image_size, self.rotations):
            raise ValueError(problem)
        try:
            self.splits_of(self.class_names())
        except DataError as error:
            raise ValueError(str(error)) from None

    def sizes(self) -> list[int]:
        """How many characters each alphabet has."""
        if len(self.characters) == 1:
            return list(self.characters) * self.alphabets
        return list(self.characters) or [
            alphabet_size(self.glyph_seed, number) for number in range(1, self.alphabets + 1)
        ]

    def class_names(self) -> list[str]:
        """``alphabetNN/characterNN``, sorted."""
        return [
            f"alphabet{a:02d}/character{c:02d}"
            for a, size in enumerate(self.sizes(), start=1)
            for c in range(1, size + 1)
        ]


class Glyphs(ImageDataset):
    """Characters of made-up alphabets, drawn by 20 made-up people each, ink 1 on 0; classes split
    at random or by alphabet."""

    licence: ClassVar[str] = "none needed: generated"
    source: ClassVar[str] = (
        "generated, after the model of Lake et al. 2015, doi 10.1126/science.aab3050"
    )
    Settings: ClassVar[type[GlyphsSettings]] = GlyphsSettings
    settings: GlyphsSettings

    def task(self, ways: int | None) -> Task:
        """One channel, square."""
        if ways is None:
            raise ValueError("a classification task has ways")
        return Task("classification", (1, self.settings.image_size, self.settings.image_size), ways)

    def load(self, root: Path) -> None:
        """Draw the glyphs (once, then from the cache) and split the characters. Nothing is read
        from the data folder."""
        drawn = self._drawn()
        splits = self.settings.splits_of(drawn.class_names)
        self.pool = drawn.pool(splits, ROTATED[self.settings.rotations])

    def class_sizes(self, root: Path) -> dict[Split, dict[str, int]]:
        """As the settings say."""
        names = self.settings.class_names()
        splits, rotated = self.settings.splits_of(names), ROTATED[self.settings.rotations]
        return sizes_of(dict.fromkeys(names, self.settings.drawers), splits, rotated)

    def prepare(self, root: Path) -> str:
        """Draw the glyphs and keep them in the cache, where they are not yet."""
        drawn, at = self._drawn(), self.settings
        return (
            f"{at.alphabets} alphabets, {len(drawn.class_names):,} characters, "
            f"{len(drawn.images):,} drawings of {at.image_size} x {at.image_size}"
        )

    def _drawn(self) -> Decoded:
        at = self.settings
        key = {
            "drawing": VERSION,
            "seed": at.glyph_seed,
            "sizes": at.sizes(),
            "drawers": at.drawers,
            "image_size": at.image_size,
        }
        return load_or_decode("glyphs", digest(key), lambda: draw(at))


def draw(at: GlyphsSettings) -> Decoded:
    """Draw all glyphs as ``[n, image_size, image_size, 1]`` uint8, ink 255 on 0, sorted by
    alphabet, character and drawer."""
    alphabets = [
        draw_alphabet(at.glyph_seed, number, size, at.drawers, at.image_size)
        for number, size in enumerate(at.sizes(), start=1)
    ]
    images = np.concatenate(alphabets)[..., None]
    names = at.class_names()
    labels = np.repeat(np.arange(len(names)), at.drawers)
    ids = [f"{name}/{drawer:02d}" for name in names for drawer in range(1, at.drawers + 1)]
    return Decoded(images, labels, names, ids, content_digest(images, labels, names))
