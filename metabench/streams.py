"""Named random streams.

Every random number of a run comes from a stream with a name of its own, so that asking one for more never moves another: the key of a stream is the
SHA-256 of (root seed, purpose, whatever else tells it apart), and the generator behind it is Philox, whose streams are independent by construction
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from metabench.identity import digest


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
