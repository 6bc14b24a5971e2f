"""Made-up alphabets and their characters, invented by whole numbers alone: the same seed gives the
same ones on every machine and under every version of NumPy.

In outline it is the generative model of Lake et al. 2015 ("Human-level concept learning through
probabilistic program induction"): an alphabet has strokes of its own and habits of joining them; a
character is a program of strokes, each joined to an earlier one. What is random comes from streams
named by seed, alphabet and character, so one is the same however many others there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from metabench.datasets.glyphs_pen import ONE, Ints, trace
from metabench.tasks.random_streams import generator

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


def alphabet_size(seed: int, number: int) -> int:
    """How many characters alphabet `number` has where nobody says it: 14 to 55, the range of
    Omniglot."""
    return Dice(seed, "size", alphabet=number).between(14, 55)
