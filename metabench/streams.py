"""Named random streams, and the episodes drawn from them.

Every random number of a run comes from a stream with a name of its own, so that asking one for more never moves another: the key of a stream is the
SHA-256 of (root seed, purpose, whatever else tells it apart), and the generator behind it is Philox, whose streams are independent by construction
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch

from metabench.identity import digest
from metabench.tasks.dataset import Dataset, Draw, Split
from metabench.tasks.episodes import Episodes, EpisodeShape

BLOCK = 1024
"""Episodes drawn at once. A block is always drawn whole, so its first episodes do not depend on how many are asked for."""


def generator(root_seed: int, purpose: str, **key: Any) -> np.random.Generator:
    """Return the NumPy generator of the stream named by `root_seed`, `purpose` and `key` (anything that JSON can hold)."""
    return np.random.Generator(np.random.Philox(key=_number(root_seed, purpose, key, bits=128)))


def torch_generator(root_seed: int, purpose: str, **key: Any) -> torch.Generator:
    """Return the CPU torch generator of the stream named by `root_seed`, `purpose` and `key`.

    torch's Mersenne twister takes 32 bits of a seed and drops the rest: enough for the few streams of a fit, not for streams by the million.
    """
    return torch.Generator().manual_seed(_number(root_seed, purpose, key, bits=32))


def _number(root_seed: int, purpose: str, key: dict[str, Any], *, bits: int) -> int:
    return int(digest({"root_seed": root_seed, "purpose": purpose, "key": key})[: bits // 4], 16)


class EpisodeStream:
    """The endless sequence of episodes of one dataset, split, shape and seed: the same for whoever asks, in whatever portions.

    Parameters
    ----------
    dataset : loaded, by the time of the first draw.
    identity : what tells the dataset apart (`Part.identity()`).
    split, shape : which classes, and how large an episode is.
    root_seed, seed : the suite's seed and the index of the run.
    sampling : ``with_replacement`` draws every episode anew; ``disjoint`` is a sequence of exactly `episodes`, of which no two share an image.
    episodes : length of a disjoint sequence; not used else.

    Raises
    ------
    DataError : on drawing, where the split cannot fill such an episode, or so many disjoint ones.
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
        if sampling == "disjoint" and episodes is None:
            raise ValueError("a disjoint stream has a length: say how many episodes")
        self.dataset = dataset
        self.split: Split = split
        self.shape = shape
        self._root_seed = root_seed
        self._key = {"dataset": identity, "split": split, "ways": shape.ways, "shots": shape.shots, "query_shots": shape.query_shots, "seed": seed}
        self._length = episodes if sampling == "disjoint" else None
        # Training reads forwards and a batch may straddle two blocks; validation reads its first block again and again.
        self._block = lru_cache(maxsize=2)(self._draw_block)

    def draw(self, start: int, count: int) -> Draw:
        """Return the episodes `start` ... `start + count - 1` of the sequence, drawn but not gathered."""
        if self._length is not None and start + count > self._length:
            raise ValueError(f"episodes {start} ... {start + count - 1} asked of a disjoint stream of {self._length}")
        size = self._length or BLOCK
        end, parts = start + count, []
        while start < end:
            number, offset = divmod(start, size)
            taken = min(end - start, size - offset)
            parts.append({name: values[offset : offset + taken] for name, values in self._block(number).items()})
            start += taken
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def episodes(self, start: int, count: int, device: torch.device) -> Episodes:
        """Return the same episodes as tensors on `device`."""
        return self.dataset.gather(self.draw(start, count), device)

    def _draw_block(self, number: int) -> Draw:
        if self._length is None:
            rng = generator(self._root_seed, "episodes", **self._key, block=number)
            return self.dataset.draw(self.split, self.shape, BLOCK, rng)
        rng = generator(self._root_seed, "episodes", **self._key, sampling="disjoint")
        return self.dataset.draw_disjoint(self.split, self.shape, self._length, rng)
