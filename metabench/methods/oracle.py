"""The network with privileged inputs: the floor of the error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metabench.cells import BatchNormMode
from metabench.methods.method import State
from metabench.methods.outputs import per_task, query_scores
from metabench.methods.supervised import SupervisedMethod
from metabench.registry.settings import Rate


class Oracle(SupervisedMethod):
    """One network for all tasks, whose inputs say which task it is (Finn, Abbeel & Levine 2017,
    "Model-agnostic meta-learning for fast adaptation of deep networks",
    https://arxiv.org/abs/1703.03400, section 5.1).

    It has nothing to learn from a support set, and does not adapt.
    """

    kinds = frozenset({"regression"})
    wants = frozenset({"examples", "privileged"})

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `oracle`.

        Attributes
        ----------
        outer_lr
            Rate of Adam.
        """

        outer_lr: Rate = 1e-3
        test_batch_norm: BatchNormMode = "running"

    settings: Settings

    @torch.no_grad()
    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        return query_scores(
            state.model, per_task(state.model, len(query_x)), support_x, query_x, batch_norm
        ).unsqueeze(1)
