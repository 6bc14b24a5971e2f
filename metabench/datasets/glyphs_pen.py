"""The pen that glyphs are drawn with: from the paths that it is led along to inked pixels, by whole
numbers alone.

Lengths are in units of which `EM` make the side of an image, x to the right and y down; fractions
are of `ONE`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EM = 4096
ONE = 1024

Ints = NDArray[np.int64]

SOFT = 60
"""Half the width of a line's soft edge in 64ths of a pixel, whatever the size of the image."""

PRESSURE = 265
"""Ink at the middle of a line, of 256, before it is cut off at full."""


def trace(paths: Ints, cuts: Ints, step: int) -> tuple[Ints, Ints]:
    """Round the corners of paths ``[n, 8, 2]`` and return dots along them ``[k, 2]``, at most
    `step` apart in x and y, and the path of each ``[k]``.

    Corners are cut three times, at the fraction `cuts` ``[n]`` of each side (Chaikin 1974).
    """
    for _ in range(3):
        a, b = paths[:, :-1], paths[:, 1:]
        corner = (b - a) * cuts[:, None, None] // ONE
        paths = np.concatenate(
            [
                paths[:, :1],
                np.stack([a + corner, b - corner], 2).reshape(len(paths), -1, 2),
                paths[:, -1:],
            ],
            1,
        )
    start, way = paths[:, :-1].reshape(-1, 2), np.diff(paths, axis=1).reshape(-1, 2)
    parts = np.abs(way).max(1) // step + 1
    side = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(len(side)) - np.repeat(np.cumsum(parts) - parts, parts)
    return start[side] + way[side] * part[:, None] // parts[side, None], side // (
        paths.shape[1] - 1
    )


def ink(dots: Ints, pens: Ints, owners: Ints, count: int, size: int) -> NDArray[np.uint8]:
    """Press a soft round pen on `dots` ``[k, 2]`` of the images `owners` ``[k]``, its half width
    `pens` ``[k]``; return ``[count, size, size]``.

    Ink falls off with the squared distance from the pen's middle, and where dots overlap the
    darkest counts.
    """
    dots = np.clip(dots, -EM // 8, EM + EM // 8) * (64 * size) // EM  # 64ths of a pixel
    pens = pens * (64 * size) // EM
    reach = (int(pens.max()) + SOFT + 31) // 64
    margin = size // 8 + 1 + reach
    side = size + 2 * margin
    pixels, (x, y) = dots >> 6, ((dots & 63) - 32).astype(np.int32).T
    places = (owners * side + pixels[:, 1] + margin) * side + pixels[:, 0] + margin
    outer, inner = (
        (radius**2).astype(np.int32) for radius in (pens + SOFT, np.maximum(pens - SOFT, 0))
    )
    canvas = np.zeros(count * side * side, dtype=np.uint8)
    for right in range(-reach, reach + 1):
        for down in range(-reach, reach + 1):
            soft = np.clip(
                (outer - (64 * right - x) ** 2 - (64 * down - y) ** 2) * 256 // (outer - inner),
                0,
                256,
            )
            darkness = np.minimum(soft * soft * PRESSURE >> 16, 255).astype(np.uint8)
            inked = np.flatnonzero(darkness)
            np.maximum.at(canvas, places[inked] + (down * side + right), darkness[inked])
    return canvas.reshape(count, side, side)[:, margin:-margin, margin:-margin]
