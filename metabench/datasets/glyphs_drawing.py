"""Made-up handwriting: characters drawn by a hand that never does it twice alike, by whole numbers
alone. The same seed gives the same bytes on every machine and under every version of NumPy.

`glyphs_alphabets` invents the characters, `glyphs_pen` inks what is drawn here; units as there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metabench.datasets.glyphs_alphabets import (
    BOW,
    POINTS,
    Alphabet,
    Character,
    Dice,
    invent_characters,
)
from metabench.datasets.glyphs_pen import EM, ONE, Ints, ink, trace

VERSION = 1
"""Raised when the same settings come to mean other drawings."""

# Standard deviations, chosen so that drawings of a character differ as much as those of Omniglot do
# (docs/glyphs.md).
DRAWER_MAP, DRAWER_SHIFT = 65, 70  # of a drawer's habits, the same in all characters of an alphabet
DRAWING_MAP, DRAWING_SHIFT = 65, 190  # of a drawing
# of a stroke: its form, how it is bent, how far off its join it is
STROKE_MAP, STROKE_BOW, STROKE_SLIP = 120, 100, 90
TREMBLE = 22  # of a point
HASTE = 300  # by how much all of this, but for the habits, grows in a drawing done in haste
ROUNDING = 60  # of the fraction of a side at which its corners are cut, about a quarter
PEN, PEN_SPREAD = 85, 5  # half a line's width, and its deviation between drawers
CENTRE = (EM * 16 // 33, EM * 15 // 33)
MARGIN = 150


def draw_alphabet(
    seed: int, number: int, characters: int, drawers: int, size: int
) -> NDArray[np.uint8]:
    """Draw an alphabet: ``[characters * drawers, size, size]``, ink 255 on 0, character by
    character."""
    alphabet = Alphabet.invented(Dice(seed, "alphabet", alphabet=number))
    people = Dice(seed, "drawers", alphabet=number).bells(drawers, 4, 2)
    paths, cuts, pens, owners = [], [], [], []
    for c, character in enumerate(invent_characters(seed, number, characters, alphabet)):
        count = len(character.strokes)
        noise = Dice(seed, "drawings", alphabet=number, character=c + 1).bells(
            drawers, 1 + count, 14, 2
        )
        noise = noise * (ONE + np.maximum(noise[:, :1, 3:4, :1], 0) * HASTE // ONE) // ONE
        paths.append(write(character, alphabet.slant, people, noise).reshape(-1, POINTS, 2))
        cuts.append(
            np.repeat(
                np.clip(
                    ONE // 4 + (people[:, 3, 1] + noise[:, 0, 3, 1]) * ROUNDING // ONE, 128, 400
                ),
                count,
            )
        )
        pens.append(np.repeat(PEN + people[:, 3, 0] * PEN_SPREAD // ONE, count))
        owners.append(np.repeat(np.arange(c * drawers, (c + 1) * drawers), count))
    dots, strokes = trace(np.concatenate(paths), np.concatenate(cuts), EM // (3 * size))
    return ink(
        dots,
        np.concatenate(pens)[strokes],
        np.concatenate(owners)[strokes],
        characters * drawers,
        size,
    )


def write(character: Character, slant: int, people: Ints, noise: Ints) -> Ints:
    """Return the points ``[D, S, 8, 2]`` that D drawers lead the pen through.

    Parameters
    ----------
    people
        ``[D, 4, 2]`` bell-shaped, of each drawer: a map (two rows), a shift; width and rounding are
        not for here.
    noise
        ``[D, 1 + S, 14, 2]`` bell-shaped, first of a drawing as a whole: a map, a shift, and haste
        and rounding, which are not for here; then of each stroke: a map (two rows), shifts of its
        start, middle and end (three), a slip off its join, and the tremble of each point (eight).
    """
    whole, each = noise[:, 0], noise[:, 1:]
    strokes = mapped(near_identity(each[:, :, None, :2], STROKE_MAP), character.strokes)
    strokes += BOW @ each[:, :, 2:5] * STROKE_BOW // (7 * ONE) + each[:, :, 6:] * TREMBLE // ONE
    maps = near_identity(people[:, :2], DRAWER_MAP) + whole[:, :2] * DRAWING_MAP // ONE
    maps[:, 0, 1] -= slant
    points = mapped(
        maps[:, None, None], character.joined(strokes, each[:, :, 5] * STROKE_SLIP // ONE)
    )
    low: Ints = points.min((1, 2))
    half = (points.max((1, 2)) - low) // 2
    centre = CENTRE + (people[:, 2] * DRAWER_SHIFT + whole[:, 2] * DRAWING_SHIFT) // ONE
    centre = np.clip(centre, MARGIN + half, np.maximum(EM - MARGIN - half, MARGIN + half))
    points += (centre - low - half)[:, None, None]
    return points


def near_identity(bells: Ints, deviation: int) -> Ints:
    """Linear maps ``[..., 2, 2]`` that stretch, slant and turn a little: the identity plus noise in
    each entry."""
    return np.eye(2, dtype=np.int64) * ONE + bells * deviation // ONE


def mapped(maps: Ints, points: Ints) -> Ints:
    """Linear maps ``[..., 2, 2]`` of points ``[..., 2]``."""
    total: Ints = (maps * points[..., None, :]).sum(-1)
    return total // ONE
