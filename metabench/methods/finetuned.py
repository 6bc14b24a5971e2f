"""Fine-tuning of a network that another algorithm has trained: several ways to do it share one
pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import MinLen
from torch import nn

from metabench.cells import BatchNormMode
from metabench.methods.gradient_based import Adapted, Steps
from metabench.methods.method import Finished, State
from metabench.methods.pretrained import Pretrained
from metabench.methods.supervised import SupervisedMethod
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Task


class Finetuned(Pretrained):
    """The network of another fit, fine-tuned on each support set as `pretrained` does it.

    Its need `start` is a fit of a supervised method, such as `pretrained`. Over that, with the same
    settings, it scores the same: what one pre-training serves for is set apart from it (Chen et al.
    2019, "A closer look at few-shot classification", https://arxiv.org/abs/1904.04232).
    """

    trains = False
    needs: ClassVar[Mapping[str, type[Any]]] = {"start": SupervisedMethod}

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `finetuned`.

        Attributes
        ----------
        tune, rates, steps
            What is tuned (the `head` on fixed features, or `all` weights), the rate of
            `optimizer`, and the number of steps are chosen from these, on validation episodes.
        test_batch_norm
            `running` is evaluation mode.
        """

        tune: Annotated[tuple[Adapted, ...], MinLen(1)] = ("head", "all")
        rates: Annotated[tuple[Rate, ...], MinLen(1)] = (0.001, 0.01)
        steps: Annotated[tuple[Steps, ...], MinLen(1)] = (0, 1, 2, 5, 10, 20)
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "running"

    settings: Settings  # type: ignore[assignment]

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model)

    def take(self, state: State, needed: Mapping[str, Finished]) -> None:
        state.model.load_state_dict(needed["start"].state.model.state_dict())
