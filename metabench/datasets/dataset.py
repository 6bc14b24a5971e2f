"""The interface of a dataset: what it is, and how it draws and gathers episodes. One file a
dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from metabench.errors import DataError
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples, Task

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Metric:
    """What a score is.

    Attributes
    ----------
    name
        ``accuracy`` (fraction 0 ... 1) or ``mse``.
    unit
        Unit of the score as stored: ``fraction``, or that of the squared target.
    higher_is_better
        Direction.
    """

    name: Literal["accuracy", "mse"]
    unit: str
    higher_is_better: bool

    def chance(self, ways: int | None) -> float | None:
        """Expected score of a guess; None where there is no such number."""
        return 1.0 / ways if self.name == "accuracy" and ways else None

    def per_episode(self, scores: Tensor, query_y: Tensor) -> Tensor:
        """Score of every episode at every point of the adaptation curve.

        Parameters
        ----------
        scores
            ``[E, P, N*Q, C]``.
        query_y
            ``[E, N*Q]`` labels or ``[E, Q, 1]`` values.

        Returns
        -------
        Tensor
            ``[E, P]`` float64.
        """
        if self.name == "accuracy":
            return (scores.argmax(-1) == query_y.unsqueeze(1)).double().mean(-1)
        return (scores.double() - query_y.double().unsqueeze(1)).square().mean((-1, -2))


class Dataset(ABC):
    """A source of episodes. Making one reads nothing from disk; `load` does, once, before the first
    draw.

    A subclass declares the class attributes and a frozen dataclass `Settings` (its fields are the
    keys of `[datasets.NAME]`), and is registered under the entry-point group `metabench.datasets`.

    Attributes
    ----------
    kind
        ``classification`` or ``regression``.
    metric
        How episodes are scored.
    default_model
        The model used where a grid names none.
    licence, source
        One line each, for `metabench data list` and the report.
    version
        Raised whenever the same settings come to mean other episodes.
    tells
        Whether `telling` gives a view whose inputs say what defines the task.
    """

    kind: ClassVar[Literal["classification", "regression"]]
    metric: ClassVar[Metric]
    default_model: ClassVar[str]
    licence: ClassVar[str] = "not said"
    source: ClassVar[str] = "not said"
    version: ClassVar[int] = 1
    tells: ClassVar[bool] = False
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def task(self, ways: int | None) -> Task:
        """What a model is built for; needs no data on disk."""

    def load(self, root: Path) -> None:  # noqa: B027 (optional, not forgotten)
        """Make ready to draw, reading from the data folder `root`. Not for a dataset that is made
        on the fly.

        Raises
        ------
        DataError
            The data is missing or damaged; says exactly which files to put where.
        """

    def content_digest(self) -> str | None:
        """SHA-256 of the loaded content (images, labels, class names), or None where nothing is
        loaded."""
        return None

    def class_sizes(self, root: Path) -> Mapping[Split, Mapping[str, int]] | None:
        """How many examples each class of each split has, by name: for the refusal of episodes that
        cannot be filled, before anything runs. Needs no `load`, and decodes nothing.

        Returns
        -------
        Mapping or None
            Of what lies in the data folder `root`; where nothing does, of what would be prepared.
            None where there are no classes, or nobody knows.

        Raises
        ------
        DataError
            What lies there cannot be used; `load` says so again.
        """
        return None

    @abstractmethod
    def draw(self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator) -> Draw:
        """Draw `count` episodes, vectorised, on the host.

        Raises
        ------
        DataError
            The split cannot fill an episode of this shape; says what it has.
        """

    def draw_disjoint(
        self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator
    ) -> Draw:
        """Draw `count` episodes of which no two share an example. A dataset that can offers it by
        overriding this.

        Raises
        ------
        DataError
            This dataset cannot, or not so many of them.
        """
        raise DataError(
            f"{type(self).__name__} cannot draw disjoint episodes; use sampling = "
            '"with_replacement"'
        )

    @abstractmethod
    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        """Turn drawn episodes (or a slice of them along the first axis) into tensors."""

    def training_task(self) -> Task:
        """What a network is built for that learns all of the training split at once: one output a
        training class, or the value. After `load`.

        Raises
        ------
        DataError
            This dataset offers episodes alone. One that overrides this overrides `draw_examples`
            and `gather_examples` with it.
        """
        raise DataError(
            f"{type(self).__name__} has no single examples, which methods that train outside of "
            "episodes need"
        )

    def draw_examples(self, count: int, rng: np.random.Generator) -> Draw:
        """Draw `count` examples of the training split, each anew."""
        raise NotImplementedError

    def gather_examples(self, draw: Draw, device: torch.device) -> Examples:
        """Turn drawn examples (or a slice of them along the first axis) into tensors."""
        raise NotImplementedError

    def telling(self) -> Dataset:
        """Return a view of this dataset with the same draws, each of whose inputs also says what
        defines the task. Only where it `tells`."""
        raise TypeError(f"{type(self).__name__} cannot say what defines its tasks")

    def figure(self, draw: Draw) -> Draw | None:
        """Return the few of these test episodes that a figure shows, with queries where it wants
        them; None when they are shown as they are."""
        return None

    def names(self, draw: Draw) -> dict[str, np.ndarray]:
        """Return what makes the numbers in `draw` readable (image numbers and their names), as
        arrays; nothing where they speak for themselves."""
        return {}

    def remarks(self, root: Path) -> Sequence[str]:
        """What a user should know of the data in the folder `root` that can be used all the same, a
        line each. Needs no `load`."""
        return ()

    def prepare(self, root: Path) -> str:
        """Download or generate what `load` needs, where possible; return one line on where it
        stands."""
        self.load(root)
        return "ready"
