"""Small images in rows, as one ``<svg>`` after another that share one picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TILE, GAP, MARGIN, BETWEEN = 28, 3, 13, 12
"""Width of a tile, room between tiles, left of a row for its letter, and between episodes."""
MAGNIFIED = 1.2
"""Pixels of the page that one of those units takes."""


class Sprite:
    """All images of a sheet as one picture, which is put into the page once and shown piece by
    piece."""

    def __init__(self, key: str, tiles: NDArray[np.uint8]) -> None:
        """Take tiles ``[e, classes, columns, H, W, C]``."""
        self.key = key
        self.tiles = tiles
        self.columns = tiles.shape[2]
        self.height = TILE * tiles.shape[3] // tiles.shape[4]

    @property
    def rows(self) -> int:
        """Rows of tiles, of all episodes."""
        return int(self.tiles.shape[0] * self.tiles.shape[1])

    def svg(
        self,
        name: str,
        columns: range,
        taken: NDArray[np.generic] | None,
        title: str,
        description: str,
        *,
        first: bool = False,
    ) -> str:
        """Return the tiles of these columns as an ``<svg>``, and what those that were taken for
        another class were taken for; the `first` of a sheet holds the picture."""
        key = f"{self.key}-{name}"
        width = MARGIN + len(columns) * (TILE + GAP)
        height = self.rows * (self.height + GAP) + (self.tiles.shape[0] - 1) * BETWEEN
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="tiles" viewBox="0 0 {width} '
            f'{height}" style="width: {MAGNIFIED * width:g}px" role="img" '
            f'aria-labelledby="{key}-title {key}-desc">'
        )
        named = (
            f'<title id="{key}-title">{escape(title)}</title><desc '
            f'id="{key}-desc">{escape(description)}</desc>'
        )
        picture = self._picture() if first else ""
        return f"{head}{named}{picture}{''.join(self._panel(columns, taken))}</svg>"

    def _picture(self) -> str:
        """The picture, to be referred to and not shown itself."""
        episodes, classes, columns, height, width, _ = self.tiles.shape
        whole = self.tiles.transpose(0, 1, 3, 2, 4, 5).reshape(
            episodes * classes * height, columns * width, -1
        )
        file = io.BytesIO()
        Image.fromarray(whole.squeeze(-1) if whole.shape[-1] == 1 else whole).save(
            file, format="PNG", optimize=True
        )
        address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        size = (
            f'width="{self.columns * TILE}" height="{self.rows * self.height}" '
            'preserveAspectRatio="none"'
        )
        return (
            f'<defs><image id="{self.key}-pixels" {size} style="image-rendering: pixelated" '
            f'href="{address}"/></defs>'
        )

    def _panel(self, columns: range, taken: NDArray[np.generic] | None) -> Iterator[str]:
        for episode in range(self.tiles.shape[0]):
            for c in range(self.tiles.shape[1]):
                row = episode * self.tiles.shape[1] + c
                y = row * (self.height + GAP) + episode * BETWEEN
                middle = f'x="{MARGIN - 4}" y="{y + self.height / 2:g}"'
                yield f'<text class="class" {middle}>{letter(c)}</text>'
                for place, column in enumerate(columns):
                    x = MARGIN + place * (TILE + GAP)
                    yield self._tile(x, y, column, row)
                    if taken is not None and taken[episode, c, place] != c:
                        yield self._wrong(x, y, letter(int(taken[episode, c, place])))

    def _tile(self, x: int, y: int, column: int, row: int) -> str:
        part = f"{column * TILE} {row * self.height} {TILE} {self.height}"
        return (
            f'<svg x="{x}" y="{y}" width="{TILE}" height="{self.height}" '
            f'viewBox="{part}" aria-hidden="true"><use href="#{self.key}-pixels"/></svg>'
        )

    def _wrong(self, x: int, y: int, mistaken: str) -> str:
        """A frame, and a cross with the letter of the wrong class."""
        right, bottom = x + TILE, y + self.height
        return (
            f'<g class="wrong"><rect x="{x}" y="{y}" width="{TILE}" height="{self.height}"/>'
            f'<path class="flag" d="M{right - 17} {bottom - 10}h17v10h-17z"/><path '
            f'd="m{right - 14.5} {bottom - 7.2} 4.4 4.4m0-4.4-4.4 4.4"/>'
            f'<text x="{right - 5}" y="{bottom - 5}">{mistaken}</text></g>'
        )


def letter(number: int) -> str:
    """A class as a sheet calls it: a letter, and beyond those a number."""
    return LETTERS[number] if number < len(LETTERS) else str(number + 1)
