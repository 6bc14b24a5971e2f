"""How a step of an inner loop moves weights: the rules that `inner_loop.descend` follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from metabench.methods.method import adam
from metabench.methods.outputs import Weights

Rate = float | Tensor
"""A number, or a tensor that broadcasts against one weight tensor ``[T, ...]``. One that is learned
gets a meta-gradient."""


class Rule(ABC):
    """How a step moves the weights of T tasks. One object a descent: it may keep moments of its
    own.

    Attributes
    ----------
    in_place
        Whether weights are written over: faster, and nothing can be differentiated through.
    """

    in_place: ClassVar[bool] = False

    def moves(self, name: str) -> bool:
        """Whether the weight of this name moves at all."""
        return True

    def differentiates(self, step: int) -> bool:
        """Whether a meta-gradient goes through the gradient of this step, counted from 0. Where it
        does not, that gradient is a constant (first order)."""
        return False

    @abstractmethod
    def move(self, step: int, weights: Weights, gradients: Weights) -> Weights:
        """The weights after this step; both are of those that move, ``[T, ...]`` each."""


class GradientDescent(Rule):
    """Plain gradient descent (Finn et al. 2017, equation 1), at any kind of rate.

    Parameters
    ----------
    rate
        One for all; or the rate of a step and a weight by name, such as one a layer and step
        (Antoniou et al. 2019) or one a weight (Li et al. 2017).
    second_order_from
        The first step whose gradient is differentiated through; None for no step (first order).
    """

    def __init__(
        self, rate: Rate | Callable[[int, str], Rate], *, second_order_from: int | None
    ) -> None:
        self._rate = rate
        self._second_order_from = second_order_from

    def differentiates(self, step: int) -> bool:
        return self._second_order_from is not None and step >= self._second_order_from

    def move(self, step: int, weights: Weights, gradients: Weights) -> Weights:
        rate = self._rate if callable(self._rate) else lambda step, name: self._rate
        return {name: w - rate(step, name) * gradients[name] for name, w in weights.items()}


class PlainSGD(Rule):
    """Gradient descent in place: for adaptation that nothing is differentiated through."""

    in_place = True

    def __init__(self, lr: float) -> None:
        self._lr = lr

    def move(self, step: int, weights: Weights, gradients: Weights) -> Weights:
        with torch.no_grad():
            for name, w in weights.items():
                w.sub_(gradients[name], alpha=self._lr)
        return weights


class PlainAdam(Rule):
    """torch's Adam in place, its moments made anew for each descent. It acts element by element, so
    tasks do not meet."""

    in_place = True

    def __init__(self, lr: float) -> None:
        self._lr = lr
        self._optimizer: torch.optim.Adam | None = None

    def move(self, step: int, weights: Weights, gradients: Weights) -> Weights:
        if self._optimizer is None:
            self._optimizer = adam(weights.values(), self._lr)
        for name, w in weights.items():
            w.grad = gradients[name].contiguous()  # the fused kernel wants both to lie alike
        self._optimizer.step()
        return weights
