"""What keeps the numbers of a fit from depending on what ran before it, or beside it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from metabench.cells import Cell
from metabench.methods.method import State
from metabench.tasks.random_streams import global_stream, torch_generator


def be_deterministic(threads: int) -> None:
    """Let torch use deterministic algorithms alone, and seed the global generators, which nothing
    here draws from."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # 10 bits of mantissa would be another experiment than a CPU's
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@contextmanager
def phase(
    state: State, root_seed: int, purpose: str, *, training: bool, **key: Any
) -> Iterator[None]:
    """A part of a fit that no number of another depends on but through `state`.

    What it draws from global generators is a stream of its own. Its layers are in the mode of
    training or evaluation throughout, adaptation included, and are left as they were found: of
    neither would an interrupted fit know.
    """
    modes = [(module, module.training) for module in state.modules()]
    state.train(training)
    with global_stream(root_seed, purpose, **key):
        yield
    for module, mode in modes:
        module.training = mode


def seed_noise(state: State, cell: Cell) -> None:
    """Let the method's own noise in the test of a cell not depend on how much of it the training
    took."""
    if state.generator is not None:
        state.generator.manual_seed(
            torch_generator(cell.fit.root_seed, "method in test", cell=cell.noise_id).initial_seed()
        )
