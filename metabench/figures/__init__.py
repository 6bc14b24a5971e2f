"""Figures of a test: what is kept of it to be looked at, and how it is drawn, in one object.

One of test episodes is named by a dataset or a method (`figure()`), one of what a method is like
inside is kept by the method itself (`Method.inside`); the entry-point group `metabench.figures`
says which class draws what a record keeps under its name. Keeping happens where a fit runs and may
use torch; drawing happens where a report is made and may use what the canvas lends. A module of
this folder imports neither before it is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from metabench.tasks.episodes import Draw, Episodes

Array = NDArray[np.generic]

Section = Literal["predictions", "adaptation"]

LARGEST = 10_000
"""Most examples of an array that a figure will take from a record."""


@dataclass(frozen=True)
class Kept:
    """What one cell made of the episodes that a figure shows.

    Attributes
    ----------
    group, seed
        Which cell.
    steps
        Numbers of adaptation steps after which there are predictions; `final` is the index of the
        one that counts.
    arrays
        As the figure kept them, by the names of its `parts`.
    """

    group: str
    seed: int
    steps: tuple[int, ...]
    final: int
    arrays: Mapping[str, Array]

    def __getitem__(self, part: str) -> Array:
        return self.arrays[part]


@dataclass(frozen=True)
class Drawing:
    """One drawing of a sheet.

    Attributes
    ----------
    group
        Whose it is; None for what all share, which has a `title` instead.
    caption
        What to know about it.
    svg
        One ``<svg>`` element.
    """

    group: str | None
    caption: str
    svg: str
    title: str = ""


class Canvas(Protocol):
    """What a report lends a figure: the look of one block of the results.

    Attributes
    ----------
    key
        Begins every id within the drawings.
    title
        What the block is called.
    ink
        The colour of what belongs to nobody.
    """

    key: str
    title: str
    ink: str

    def name(self, group: str) -> str:
        """What a group is called."""

    def colour(self, group: str) -> str:
        """The colour of a group."""

    def plots(
        self, rows: int, columns: int, *, tall: float = 1.0, left: float = 30
    ) -> AbstractContextManager[tuple[Any, NDArray[Any]]]:
        """A matplotlib figure of a panel's width, so many times as `tall` as usual, and its axes
        ``[rows, columns]``; `left` of them is room for names, in 72nds of an inch."""

    def scale(self, ax: Any, which: Literal["x", "y"], log: bool, ticks: int = 5) -> None:
        """Few ticks and plain numbers on an axis."""

    def svg(self, figure: Any, key: str, title: str, description: str) -> str:
        """A matplotlib figure as an ``<svg>`` with a text alternative; `key` tells it from the
        others of the block."""

    def line(self, dashes: str = "", width: float = 1.6) -> str:
        """A line for a legend, as HTML."""

    def symbol(self, path: str, *, bad: bool = False) -> str:
        """A shape of 12 x 12 for a legend, as HTML: filled, or in strokes that say `bad`."""


class Figure(ABC):
    """What is kept of a test to be looked at, and how it is drawn.

    A subclass is made without arguments, or with what its dataset knows, where it keeps; and
    without, where it draws.

    Attributes
    ----------
    name
        Its entry in the group `metabench.figures`; its arrays are kept as ``figures/NAME/PART``.
    parts
        Names of the arrays that it keeps.
    wide
        Whether its drawings are as wide as they need, side by side; else they fill a grid.
    section, heading
        Of the report: ``predictions`` or ``adaptation``, and what stands above the drawings there
        beside the name of the block.
    """

    name: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]
    wide: ClassVar[bool] = False
    section: ClassVar[Section] = "predictions"
    heading: ClassVar[str] = ""

    def select(self, draw: Draw) -> Draw:
        """Return the few of these test episodes that are shown, with queries where it wants them.
        Only one that a dataset or a method names."""
        raise TypeError(f"{type(self).__name__} shows no episodes")

    def keep(self, episodes: Episodes, predicted: Tensor) -> dict[str, Array]:
        """Return what is kept of these episodes, by the names of `parts`; small, for it goes into
        every record.

        Parameters
        ----------
        episodes
            Those selected, ``E`` of them.
        predicted
            ``[E, P, N*Q, C]``, after each number of steps of the method's curve.
        """
        raise TypeError(f"{type(self).__name__} shows no episodes")

    @abstractmethod
    def fits(self, kept: Kept) -> bool:
        """Whether these arrays can be drawn. They may be anything: a stranger may have written
        them."""

    @abstractmethod
    def alike(self, one: Kept, other: Kept) -> bool:
        """Whether both can stand on one sheet: they show the same episodes."""

    @abstractmethod
    def legend(self, canvas: Canvas) -> str:
        """How to read it, as HTML."""

    @abstractmethod
    def draw(self, canvas: Canvas, kept: Sequence[Kept]) -> Iterator[Drawing]:
        """Draw what the groups of a block made of the same episodes."""
