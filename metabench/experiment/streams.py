"""The endless sequences that a dataset is met in: episodes, and examples of no episode in
particular, as they are or in augmented views.

Both are drawn whole blocks at a time, each block from a named stream of its own (see
`tasks.random_streams`): what is drawn does not depend on who asks, in what order, or in what
portions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from metabench.datasets.dataset import Dataset, Split
from metabench.experiment.returned.datasets import (
    checked_draw,
    checked_episodes,
    checked_examples,
    checked_views,
)
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples
from metabench.tasks.random_streams import generator, global_stream

BLOCK = 1024
"""Episodes drawn at once. A block is always drawn whole, so its first episodes do not depend on how
many are asked for."""

EXAMPLES_BLOCK = 65_536
"""The same for examples."""


class _Blocks(ABC):
    """A sequence drawn block by block."""

    size: int
    _root_seed: int
    _key: dict[str, Any]

    def __init__(self) -> None:
        self._looked_at = False
        # Training reads forwards and a batch may straddle two blocks; validation reads its first
        # block again and again.
        self._block = lru_cache(maxsize=2)(self._drawn)

    def draw(self, start: int, count: int) -> Draw:
        """Return the items `start` ... `start + count - 1` of the sequence, drawn but not
        gathered."""
        end, parts = start + count, []
        while start < end:
            number, offset = divmod(start, self.size)
            taken = min(end - start, self.size - offset)
            parts.append(
                {
                    name: values[offset : offset + taken]
                    for name, values in self._block(number).items()
                }
            )
            start += taken
        return (
            parts[0]
            if len(parts) == 1
            else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def _drawn(self, number: int) -> Draw:
        """A block, the same whenever it is drawn: again after an interruption, or earlier where
        less is asked for.

        Datasets that draw from the global generators find them at the same place each time, and
        whoever draws from them outside is not moved.
        """
        with global_stream(self._root_seed, "drawing", **self._key, block=number, size=self.size):
            return self._draw_block(number)

    @abstractmethod
    def _draw_block(self, number: int) -> Draw:
        """Draw one whole block."""


class EpisodeStream(_Blocks):
    """The endless sequence of episodes of one dataset, split, shape and seed: the same for whoever
    asks.

    Parameters
    ----------
    dataset
        Loaded, by the time of the first draw.
    identity
        What tells the dataset apart (`Part.identity()`).
    split, shape
        Which classes, and how large an episode is.
    root_seed, seed
        The suite's seed and the index of the run.
    sampling
        ``with_replacement`` draws every episode anew; ``disjoint`` is a sequence of exactly
        `episodes`, of which no two share an image.
    episodes
        Length of a disjoint sequence; not used else.

    Raises
    ------
    DataError
        On drawing, where the split cannot fill such an episode, or so many disjoint ones.
    """

    def __init__(
        self,
        dataset: Dataset,
        identity: dict[str, Any],
        split: Split,
        shape: EpisodeShape,
        *,
        root_seed: int,
        seed: int,
        sampling: Literal["with_replacement", "disjoint"] = "with_replacement",
        episodes: int | None = None,
    ) -> None:
        super().__init__()
        if sampling == "disjoint" and episodes is None:
            raise ValueError("a disjoint stream has a length: say how many episodes")
        self.dataset = dataset
        self.split: Split = split
        self.shape = shape
        self._root_seed = root_seed
        self._key = {
            "dataset": identity,
            "split": split,
            "ways": shape.ways,
            "shots": shape.shots,
            "query_shots": shape.query_shots,
            "seed": seed,
        }
        self._length = episodes if sampling == "disjoint" else None
        self.size = self._length or BLOCK

    def draw(self, start: int, count: int) -> Draw:
        """Return the episodes `start` ... `start + count - 1` of the sequence, drawn but not
        gathered."""
        if self._length is not None and start + count > self._length:
            raise ValueError(
                f"episodes {start} ... {start + count - 1} asked of a disjoint stream of "
                f"{self._length}"
            )
        return super().draw(start, count)

    def episodes(self, start: int, count: int, device: torch.device) -> Episodes:
        """Return the same episodes as tensors on `device`."""
        episodes = self.dataset.gather(self.draw(start, count), device)
        if not self._looked_at:
            checked_episodes(self.dataset, episodes, self.shape, count, device)
            self._looked_at = True
        return episodes

    def _draw_block(self, number: int) -> Draw:
        if self._length is None:
            rng = generator(self._root_seed, "episodes", **self._key, block=number)
            return checked_draw(
                self.dataset, "draw", self.dataset.draw(self.split, self.shape, BLOCK, rng), BLOCK
            )
        rng = generator(self._root_seed, "episodes", **self._key, sampling="disjoint")
        drawn = self.dataset.draw_disjoint(self.split, self.shape, self._length, rng)
        return checked_draw(self.dataset, "draw_disjoint", drawn, self._length)


class ExampleStream(_Blocks):
    """The endless sequence of single training examples of one dataset and seed, each drawn anew.

    Parameters
    ----------
    dataset, identity, root_seed, seed
        As for `EpisodeStream`.
    purpose
        ``examples`` or ``unlabelled``: sequences of their own.
    views
        Augmented views of each example that stand in its place; 1 for the example itself. The
        sequence of examples does not depend on it, nor a view on how many others there are.
    """

    def __init__(
        self,
        dataset: Dataset,
        identity: dict[str, Any],
        *,
        root_seed: int,
        seed: int,
        purpose: Literal["examples", "unlabelled"] = "examples",
        views: int = 1,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.size = EXAMPLES_BLOCK
        self._root_seed = root_seed
        self._purpose = purpose
        self._key = {"dataset": identity, "seed": seed}
        if purpose != "examples":
            self._key["of"] = purpose
        self._views = [
            _ViewStream(dataset, root_seed, {**self._key, "of": purpose, "view": view})
            for view in range(views if views > 1 else 0)
        ]

    def examples(self, start: int, count: int, device: torch.device) -> Examples:
        """Return the examples `start` ... `start + count - 1` as tensors on `device`."""
        examples = self.dataset.gather_examples(self.draw(start, count), device)
        if not self._looked_at:
            task = self.dataset.training_task()
            checked_examples(
                self.dataset,
                examples,
                task.outputs if task.kind == "classification" else None,
                count,
                device,
            )
            self._looked_at = True
        if not self._views:
            return examples
        views = [stream.views(examples.x, start) for stream in self._views]
        return Examples(torch.stack(views), examples.y)

    def _draw_block(self, number: int) -> Draw:
        rng = generator(self._root_seed, self._purpose, **self._key, block=number)
        drawn = self.dataset.draw_examples(EXAMPLES_BLOCK, rng)
        return checked_draw(self.dataset, "draw_examples", drawn, EXAMPLES_BLOCK)


class _ViewStream(_Blocks):
    """What is random in one view of each example of a sequence."""

    def __init__(self, dataset: Dataset, root_seed: int, key: dict[str, Any]) -> None:
        super().__init__()
        self.dataset = dataset
        self.size = EXAMPLES_BLOCK
        self._root_seed = root_seed
        self._key = key

    def views(self, x: Tensor, start: int) -> Tensor:
        """The view of each of the inputs `x`, the first of which is number `start`."""
        return checked_views(self.dataset, self.dataset.view(x, self.draw(start, len(x))), x)

    def _draw_block(self, number: int) -> Draw:
        rng = generator(self._root_seed, "views", **self._key, block=number)
        drawn = self.dataset.draw_views(EXAMPLES_BLOCK, rng)
        return checked_draw(self.dataset, "draw_views", drawn, EXAMPLES_BLOCK)
