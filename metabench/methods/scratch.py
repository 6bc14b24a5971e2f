"""Training on the support set alone: the baseline that shows what meta-training is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from torch import nn

from metabench.cells import BatchNormMode
from metabench.methods.fine_tuning import FineTuningMethod
from metabench.methods.gradient_based import Steps
from metabench.methods.method import State
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Task


class Scratch(FineTuningMethod):
    """No meta-training: a fresh network trained on the support set, its rate and number of steps
    chosen on validation episodes."""

    trains = False

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `scratch`.

        Attributes
        ----------
        rates, steps
            What the rate of `optimizer` and the number of steps are chosen from, on validation
            episodes.
        """

        rates: Annotated[tuple[Rate, ...], MinLen(1)] = (0.001, 0.003, 0.01, 0.03)
        steps: Annotated[tuple[Steps, ...], MinLen(1)] = (0, 1, 2, 5, 10, 20, 50)
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "query"

    settings: Settings

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model)
