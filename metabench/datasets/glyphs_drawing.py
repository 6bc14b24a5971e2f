"""Made-up handwriting, drawn by whole numbers alone: the same seed gives the same bytes on every
machine and under every version of NumPy.

In outline it is the generative model of Lake et al. 2015 ("Human-level concept learning through
probabilistic program induction"): an alphabet has strokes of its own and habits of joining them; a
character is a program of strokes, each joined to an earlier one; a drawing is that program carried
out by a hand that never does it twice alike.

Lengths are in units of which `EM` make the side of an image, x to the right and y down; fractions
are of `ONE`. What is random comes from streams named by seed, alphabet and character, so a glyph is
the same however many others there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from metabench.tasks.random_streams import generator

VERSION = 1
"""Raised when the same settings come to mean other drawings."""

EM = 4096
ONE = 1024

Ints = NDArray[np.int64]
Item = TypeVar("Item")


class Dice:
    """Whole numbers from the raw words of a named stream, which no version of NumPy changes."""

    def __init__(self, seed: int, purpose: str, **key: int) -> None:
        self._bits = generator(seed, f"glyphs: {purpose}", **key).bit_generator

    def between(self, low: int, high: int) -> int:
        """One of `low` ... `high`, both included, all as likely."""
        return low + (int(self._bits.random_raw()) * (high - low + 1) >> 64)

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of `items`, all as likely."""
        return items[self.between(0, len(items) - 1)]

    def bells(self, *shape: int) -> Ints:
        """Bell-shaped numbers of mean 0 and standard deviation `ONE`: sums of four uniform ones, so
        within 3.5 deviations."""
        words = np.asarray(self._bits.random_raw(math.prod(shape)), dtype=np.uint64).reshape(
            *shape, 1
        )
        uniform: Ints = (
            words >> np.array([0, 16, 32, 48], dtype=np.uint64) & np.uint64(0xFFFF)
        ).astype(np.int64)
        bells: Ints = (uniform.sum(-1) - 2 * 0xFFFF) * ONE // 37837
        return bells


# --- Strokes: a pen's way through eight points, in eighths of half its height; a point named twice

POINTS = 8
BAR = ((0, -8), (0, -6), (0, -3), (0, -1), (0, 1), (0, 3), (0, 6), (0, 8))
OBLIQUE = ((-6, -8), (-5, -6), (-2, -3), (-1, -1), (1, 1), (2, 3), (5, 6), (6, 8))
ARC = ((4, -8), (1, -7), (-2, -4), (-3, -1), (-3, 1), (-2, 4), (1, 7), (4, 8))
CORNER = ((-5, -8), (-5, -3), (-5, 2), (-5, 8), (-5, 8), (-2, 8), (2, 8), (6, 8))
WEDGE = ((-6, -8), (-4, -3), (-2, 3), (0, 8), (0, 8), (2, 3), (4, -3), (6, -8))
ZIGZAG = ((-6, -8), (0, -8), (6, -8), (6, -8), (-6, 8), (-6, 8), (0, 8), (6, 8))
TROUGH = ((-6, -8), (-6, 0), (-6, 7), (-6, 7), (6, 7), (6, 7), (6, 0), (6, -8))
HOOK = ((2, -8), (2, -5), (2, -1), (2, 3), (2, 6), (-1, 9), (-5, 8), (-6, 4))
BOWL = ((6, -6), (1, -8), (-4, -7), (-7, -2), (-7, 2), (-4, 7), (1, 8), (6, 6))
RING = ((0, -8), (-7, -6), (-8, 2), (-4, 8), (4, 8), (8, 2), (7, -6), (0, -8))
ESS = ((6, -6), (1, -8), (-5, -7), (-5, -2), (5, 2), (5, 7), (-1, 8), (-6, 6))
HUMP = ((-6, 8), (-6, 1), (-6, -5), (-3, -8), (3, -8), (6, -5), (6, 1), (6, 8))
HUMPS = ((-8, -6), (-7, 6), (-3, 8), (0, -3), (0, -3), (3, 8), (7, 6), (8, -6))
LOOP = ((8, -8), (2, -1), (-4, 6), (-8, 3), (-8, -3), (-4, -6), (2, 1), (8, 8))
CURL = ((5, -8), (-3, -7), (-7, 1), (-4, 8), (4, 8), (6, 2), (2, -1), (-4, 2))

ANGULAR = (BAR, BAR, OBLIQUE, ARC, CORNER, CORNER, WEDGE, ZIGZAG, TROUGH)
ROUND = (BAR, ARC, HOOK, HOOK, BOWL, BOWL, RING, ESS, HUMP, HUMPS, LOOP, CURL)

START, MIDDLE, END = 0, 4, POINTS - 1
BETWEEN = (2, MIDDLE, 5)
TOUCHING = ((0, 0),)
APART = ((900, 0), (-900, 0), (0, 900), (0, -900), (700, 700))
JOINS = (
    ((END,), (START,), TOUCHING),  # goes on where the earlier one ends
    ((START,), (START,), TOUCHING),  # sets out from the same point
    (BETWEEN, (START, END), TOUCHING),  # branches off
    (BETWEEN, (MIDDLE,), TOUCHING),  # crosses
    ((MIDDLE,), (MIDDLE,), APART),  # stands beside
)
"""Ways of joining a stroke to an earlier one: points of the earlier one, points of the new one that
are put there, and how far off."""

BOW = np.array(
    [[7, 5, 3, 1, 0, 0, 0, 0], [0, 2, 4, 6, 6, 4, 2, 0], [0, 0, 0, 0, 1, 3, 5, 7]], dtype=np.int64
).T
"""How much of a shift of its start, middle and end each point of a stroke takes part in, in
sevenths."""


def near_identity(bells: Ints, deviation: int) -> Ints:
    """Linear maps ``[..., 2, 2]`` that stretch, slant and turn a little: the identity plus noise in
    each entry."""
    return np.eye(2, dtype=np.int64) * ONE + bells * deviation // ONE


def mapped(maps: Ints, points: Ints) -> Ints:
    """Linear maps ``[..., 2, 2]`` of points ``[..., 2]``."""
    total: Ints = (maps * points[..., None, :]).sum(-1)
    return total // ONE


# --- Alphabets and characters ---------------------------------------------------------------------


@dataclass(frozen=True)
class Alphabet:
    """What the characters of an alphabet have in common."""

    strokes: Sequence[Ints]  # [8, 2] each, those that are frequent first
    root: int  # how often, of 8 times, a character begins with the very first: a headline, a stem
    counts: Sequence[int]  # how many strokes a character has
    # of JOINS, some more than once
    joins: Sequence[tuple[Sequence[int], Sequence[int], Sequence[tuple[int, int]]]]
    size: int  # the longer side of a character
    width: int  # of a character, per height
    slant: int  # x per y

    @classmethod
    def invented(cls, dice: Dice) -> Alphabet:
        """An alphabet somewhere between angular and round."""
        angular = dice.one_of((0, 1, 2, 3, 5, 7))
        kinds: list[tuple[tuple[int, int], ...]] = []
        strokes = []
        for _ in range(dice.between(5, 8)):
            while (
                kind := dice.one_of(ANGULAR if dice.between(0, 7) < angular else ROUND)
            ) in kinds and kind is not BAR:
                pass
            kinds.append(kind)
            stroke = np.array(kind, dtype=np.int64) * (ONE // 8)
            if dice.between(0, 1):
                stroke = stroke[:, ::-1]
            stretch = (
                dice.one_of((-1, 1)) * dice.between(600, ONE),
                dice.one_of((-1, 1)) * dice.between(700, ONE),
            )
            strokes.append(stroke * stretch // ONE + BOW @ dice.bells(3, 2) * 60 // (7 * ONE))
        return cls(
            strokes=strokes,
            root=dice.one_of((0, 0, 0, 3, 7)),
            counts=dice.one_of(((1, 2), (1, 2, 3), (2, 3), (1, 2, 2, 3, 3, 4))),
            joins=(JOINS[0], JOINS[2], *(dice.one_of(JOINS) for _ in range(3))),
            size=dice.between(2000, 2700),
            width=dice.between(850, 1250),
            slant=dice.between(-100, 250),
        )


@dataclass(frozen=True)
class Character:
    """A program of strokes ``[S, 8, 2]``. Each but the first has a join: number of an earlier
    stroke, a point of it, a point of its own, a gap."""

    strokes: Ints
    joins: Sequence[tuple[int, int, int, Ints]]

    def joined(self, strokes: Ints, slips: Ints) -> Ints:
        """Put renderings ``[D, S, 8, 2]`` of the strokes where they belong, each off its join by
        `slips` ``[D, S, 2]``."""
        placed: Ints = strokes.copy()
        for s, (earlier, at, own, gap) in enumerate(self.joins, start=1):
            placed[:, s] += (placed[:, earlier, at] + gap + slips[:, s] - strokes[:, s, own])[
                :, None
            ]
        return placed

    def ideal(self) -> Ints:
        """The strokes ``[S, 8, 2]`` as they are meant."""
        meant: Ints = self.joined(
            self.strokes[None], np.zeros((1, len(self.strokes), 2), dtype=np.int64)
        )[0]
        return meant


def sketch(dice: Dice, alphabet: Alphabet) -> Character:
    """A character of the alphabet, clear or not."""
    strokes: list[Ints] = []
    joins: list[tuple[int, int, int, Ints]] = []
    last = len(alphabet.strokes) - 1
    for s in range(dice.one_of(alphabet.counts)):
        stroke = alphabet.strokes[min(dice.between(0, last), dice.between(0, last))]
        if s == 0 and dice.between(0, 7) < alphabet.root:
            stroke = alphabet.strokes[0]
        elif dice.between(0, 3) == 0:
            stroke = stroke * (-1, 1)
        if s:
            stroke = stroke * dice.one_of((500, 700, ONE)) // ONE
            at, own, gaps = dice.one_of(alphabet.joins)
            joins.append(
                (
                    dice.between(0, s - 1),
                    dice.one_of(at),
                    dice.one_of(own),
                    np.array(dice.one_of(gaps)),
                )
            )
        strokes.append(stroke)
    rough = Character(np.stack(strokes), joins)
    longer = int(np.ptp(rough.ideal(), axis=(0, 1)).max())
    size = alphabet.size * dice.between(920, 1080) // ONE
    scale = np.array([size * alphabet.width // longer, size * ONE // longer])
    return Character(
        rough.strokes * scale // ONE,
        [(earlier, at, own, gap * scale // ONE) for earlier, at, own, gap in joins],
    )


SKETCHES = 16
CELL = 200
# cells entered per cells marked, cells entered, marked cells in common with another: more of them
# is a fault
CROWDED, LONG, ALIKE = 620, 50, 660


def invent_characters(seed: int, number: int, count: int, alphabet: Alphabet) -> list[Character]:
    """Invent the characters of alphabet `number`: each is the first of its sketches that is clear
    and unlike all before it, or else the best."""
    characters: list[Character] = []
    fields = np.zeros((count, 4096), dtype=bool)
    for c in range(count):
        dice = Dice(seed, "character", alphabet=number, character=c + 1)
        least = None
        for _ in range(SKETCHES):
            character = sketch(dice, alphabet)
            length, field = footprint(character.ideal())
            alike = 2 * (fields[:c] & field).sum(1) * ONE // (fields[:c].sum(1) + field.sum())
            crowded = length * ONE // int(field.sum())
            faults = (
                max(0, crowded - CROWDED)
                + 20 * max(0, length - LONG)
                + 3 * max(0, int(alike.max(initial=0)) - ALIKE)
            )
            if least is None or faults < least:
                least, best, fields[c] = faults, character, field
            if not faults:
                break
        characters.append(best)
    return characters


def footprint(strokes: Ints) -> tuple[int, NDArray[np.bool_]]:
    """How many cells of a coarse grid the pen enters, and which it marks ``[4096]``: those, and
    their neighbours to the right and below.

    Strokes that run over or close to each other share what they mark, so the number entered per
    number marked says how crowded a character is.
    """
    dots, owners = trace(strokes, np.full(len(strokes), ONE // 4), CELL // 4)
    cells = (dots - (dots.min(0) + dots.max(0)) // 2 + 32 * CELL + CELL // 4) // CELL
    numbers = cells[:, 1] * 64 + cells[:, 0]
    field = np.zeros((64, 64), dtype=bool)
    field.flat[numbers] = True
    field[1:] |= field[:-1].copy()
    field[:, 1:] |= field[:, :-1].copy()
    return 1 + int((np.diff(numbers + 4096 * owners) != 0).sum()), field.ravel()


# --- The hand -------------------------------------------------------------------------------------

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


def alphabet_size(seed: int, number: int) -> int:
    """How many characters alphabet `number` has where nobody says it: 14 to 55, the range of
    Omniglot."""
    return Dice(seed, "size", alphabet=number).between(14, 55)


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


# --- The pen --------------------------------------------------------------------------------------

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
