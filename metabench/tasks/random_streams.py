"""Named random streams.

Every random number of a run comes from a stream with a name of its own, so that asking one for more
never moves another: the key of a stream is the SHA-256 of (root seed, purpose, whatever else tells
it apart), and the generator behind it is Philox, whose streams are independent by construction
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

The global generators of torch, NumPy and Python have no name, and nothing here draws from them.
Layers of torch (dropout) and code of plugins do: so each phase of a fit finds them at a place of
its own (`global_stream`), and checkpoints keep where they stand.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metabench.identity import digest


def generator(root_seed: int, purpose: str, **key: Any) -> np.random.Generator:
    """Return the NumPy generator of the stream named by `root_seed`, `purpose` and `key` (anything
    that JSON can hold)."""
    return np.random.Generator(np.random.Philox(key=_number(root_seed, purpose, key, bits=128)))


def torch_generator(root_seed: int, purpose: str, **key: Any) -> torch.Generator:
    """Return the CPU torch generator of the stream named by `root_seed`, `purpose` and `key`.

    torch's Mersenne twister takes 32 bits of a seed and drops the rest: enough for the few streams
    of a fit, not for streams by the million.
    """
    return torch.Generator().manual_seed(_number(root_seed, purpose, key, bits=32))


@contextmanager
def global_stream(root_seed: int, purpose: str, **key: Any) -> Iterator[None]:
    """Let the global generators of torch, NumPy and Python give the stream of this name within, and
    go on outside as if nothing had been drawn."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state(), _cuda_state()
    number = _number(root_seed, purpose, key, bits=32)
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)
    # torch.manual_seed would ask CUDA in any case, which takes a millisecond where there is none
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
        _set_cuda_state(before[3])


def global_states() -> dict[str, Any]:
    """Where the global generators stand, in tensors and plain values."""
    version, internal, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    return {
        "python": {"version": version, "internal": torch.tensor(internal), "gauss": gauss},
        "numpy": {
            **numpy,
            "state": {**numpy["state"], "key": torch.tensor(numpy["state"]["key"].tolist())},
        },
        "torch": torch.get_rng_state(),
        "cuda": _cuda_state(),
    }


def set_global_states(states: Mapping[str, Any]) -> None:
    """Let the global generators go on from what `global_states` told."""
    python, numpy = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["internal"].tolist()), python["gauss"]))
    np.random.set_state(
        {
            **numpy,
            "state": {**numpy["state"], "key": numpy["state"]["key"].numpy().astype(np.uint32)},
        }
    )
    torch.set_rng_state(states["torch"])
    _set_cuda_state(states["cuda"])


def _cuda_state() -> Tensor | None:
    return torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None


def _set_cuda_state(state: Tensor | None) -> None:
    if state is not None:
        torch.cuda.set_rng_state(state)


def _number(root_seed: int, purpose: str, key: dict[str, Any], *, bits: int) -> int:
    return int(digest({"root_seed": root_seed, "purpose": purpose, "key": key})[: bits // 4], 16)
