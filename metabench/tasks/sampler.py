"""The sampler of classification episodes: NumPy, many episodes at once, image numbers only.

Numbers of a class are drawn by a partial Fisher-Yates shuffle, vectorised over rows: exact, and in
uniformly random order, so neither the place of a class in an episode nor that of an image among its
shots says anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metabench.errors import DataError
from metabench.tasks.episodes import Draw, EpisodeShape

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ClassTable:
    """The classes of one split and where their images are.

    Attributes
    ----------
    title
        What messages call it (``Omniglot's test split``).
    names
        ``[C]`` names of the classes.
    classes
        ``[C]`` their labels.
    members
        Image numbers, class by class.
    starts, sizes
        ``[C]`` the images of class c are ``members[starts[c] : starts[c] + sizes[c]]``.
    """

    title: str
    names: Sequence[str]
    classes: Integers
    members: Integers
    starts: Integers
    sizes: Integers

    @classmethod
    def from_labels(
        cls, title: str, labels: Integers, class_names: Sequence[str], classes: Integers
    ) -> ClassTable:
        """Build the table of `classes` from the label of every image."""
        order = np.argsort(labels, kind="stable")
        ends = np.searchsorted(labels[order], classes, side="right")
        starts = np.searchsorted(labels[order], classes, side="left")
        return cls(title, [class_names[c] for c in classes], classes, order, starts, ends - starts)

    def check(self, shape: EpisodeShape) -> int:
        """Return the ways of `shape`, or raise `DataError` where an episode of it cannot be
        filled."""
        if shape.ways is None:
            raise ValueError("a classification episode has ways")
        if found := shortage(self.title, self.names, self.sizes, shape):
            raise DataError(found.why)
        return shape.ways


@dataclass(frozen=True)
class Shortage:
    """What a split lacks for episodes of a shape.

    Attributes
    ----------
    of
        What is too many: ``ways``, ``shots`` alone, ``query_shots`` beside them, or disjoint
        ``episodes``.
    why
        In words.
    """

    of: Literal["ways", "shots", "query_shots", "episodes"]
    why: str


def shortage(
    title: str,
    names: Sequence[str],
    sizes: Integers,
    shape: EpisodeShape,
    disjoint: int | None = None,
) -> Shortage | None:
    """Say what a split lacks for episodes of `shape`; None where it can fill them.

    Parameters
    ----------
    title
        What the split is called.
    names, sizes
        ``[C]`` the classes, and how many images each has.
    disjoint
        How many episodes are wanted of which no two share an image; None where any may.
    """
    assert shape.ways is not None
    if shape.ways > len(sizes):
        why = f"{title} has {len(sizes)} classes, too few for {shape.ways}-way episodes"
        return Shortage("ways", why)
    if (needed := shape.shots + shape.query_shots) > sizes.min():
        smallest = int(sizes.argmin())
        why = (
            f"{title}: class {names[smallest]!r} has {sizes[smallest]} images, too few for "
            f"{shape.shots}-shot episodes with {shape.query_shots} queries a class ({needed} "
            "images)"
        )
        return Shortage("shots" if shape.shots >= sizes.min() else "query_shots", why)
    if disjoint is not None and disjoint > (most := most_disjoint(sizes, shape)):
        why = (
            f"{title} holds at most {most} disjoint {shape.ways}-way {shape.shots}-shot episodes "
            f"with {shape.query_shots} queries a class; {disjoint} were asked for (fewer queries a "
            "class leave room for more)"
        )
        return Shortage("episodes", why)
    return None


def choose(rng: np.random.Generator, sizes: Integers, k: int) -> Integers:
    """Draw k of the numbers 0 ... n-1 without replacement, in uniformly random order, for many n at
    once.

    Parameters
    ----------
    sizes
        ``[R]`` the n of every row, each at least k.

    Returns
    -------
    Integers
        ``[R, k]``.
    """
    rows, widest = len(sizes), int(sizes.max(initial=0))
    partner = np.ascontiguousarray(rng.integers(np.arange(k), sizes[:, None]).T)
    deck = np.tile(np.arange(widest, dtype=np.int32), rows)
    top = np.arange(rows) * widest
    partner += top
    hands = np.empty((k, rows), dtype=np.int64)
    for j in range(k):
        hands[j] = deck[partner[j]]
        deck[partner[j]] = deck[top + j]  # place j itself is never looked at again
    return np.ascontiguousarray(hands.T)


def draw_episodes(
    rng: np.random.Generator, table: ClassTable, shape: EpisodeShape, count: int
) -> Draw:
    """Draw `count` episodes, each anew: classes without replacement, then the images of each class
    without replacement.

    Returns
    -------
    Draw
        ``classes`` ``[E, N]`` labels, ``support`` ``[E, N*K]`` and ``query`` ``[E, N*Q]`` image
        numbers, ``query_y`` ``[E, N*Q]`` in 0 ... N-1.

    Raises
    ------
    DataError
        The split has too few classes, or a class too few images.
    """
    ways, images = table.check(shape), shape.shots + shape.query_shots
    rows = choose(rng, np.full(count, len(table.classes)), ways).ravel()
    within = choose(rng, table.sizes[rows], images)
    drawn = table.members[table.starts[rows, None] + within]
    return _episodes(
        rng,
        table.classes[rows].reshape(count, ways),
        drawn.reshape(count, ways, images),
        shape.shots,
    )


def draw_disjoint(
    rng: np.random.Generator, table: ClassTable, shape: EpisodeShape, count: int
) -> Draw:
    """Draw `count` episodes of which no two share an image.

    Every class is shuffled and cut into chunks of K + Q images; each episode takes one chunk of the
    N classes that have most left, ties broken at random. Taking from the fullest wastes none: as
    many episodes as `most_disjoint` says can be drawn.

    Returns
    -------
    Draw
        As `draw_episodes`.

    Raises
    ------
    DataError
        As `draw_episodes`, and where there are not so many such episodes; says how many there are.
    """
    ways, images = table.check(shape), shape.shots + shape.query_shots
    if found := shortage(table.title, table.names, table.sizes, shape, count):
        raise DataError(found.why)
    shuffled = [
        table.members[start + rng.permutation(size)]
        for start, size in zip(table.starts, table.sizes, strict=True)
    ]
    left = table.sizes // images
    classes, drawn = (
        np.empty((count, ways), dtype=np.int64),
        np.empty((count, ways, images), dtype=np.int64),
    )
    for episode in range(count):
        fullest = np.lexsort((rng.random(len(left)), -left))[:ways]
        # or the place in the episode would tell large classes from small
        rows = rng.permutation(fullest)
        left[rows] -= 1
        classes[episode] = table.classes[rows]
        drawn[episode] = [
            shuffled[row][left[row] * images : (left[row] + 1) * images] for row in rows
        ]
    return _episodes(rng, classes, drawn, shape.shots)


def most_disjoint(sizes: Integers, shape: EpisodeShape) -> int:
    """Return how many episodes of `shape` can be had from classes of `sizes` images when no two may
    share an image.

    E episodes fit if and only if the classes' chunks, at most E of each class, fill their E * N
    places.
    """
    assert shape.ways is not None
    chunks = sizes // (shape.shots + shape.query_shots)
    low, high = 0, int(chunks.sum()) // shape.ways
    while low < high:
        middle = (low + high + 1) // 2
        fits = np.minimum(chunks, middle).sum() >= middle * shape.ways
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _episodes(rng: np.random.Generator, classes: Integers, drawn: Integers, shots: int) -> Draw:
    """Part ``[E, N, K + Q]`` image numbers into support and query, and shuffle the queries of each
    episode."""
    count, ways, images = drawn.shape
    queries = ways * (images - shots)
    order = rng.permuted(np.tile(np.arange(queries), (count, 1)), axis=1)
    return {
        "classes": classes,
        "support": drawn[:, :, :shots].reshape(count, ways * shots),
        "query": np.take_along_axis(drawn[:, :, shots:].reshape(count, queries), order, axis=1),
        "query_y": order // (images - shots),
    }
