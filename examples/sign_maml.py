"""A gradient-based method of one's own: MAML whose inner loop looks at the signs of gradients."""

from collections.abc import Mapping

from torch import Tensor

from metabench.plugins import MAML, Moment, Rule, State, Weights


class SignDescent(Rule):
    """Each weight moves by the same amount, in the direction that lowers the loss."""

    def __init__(self, lr: float) -> None:
        self._lr = lr

    def move(self, step: int, weights: Weights, gradients: Mapping[str, Tensor]) -> Weights:
        return {name: w - self._lr * gradients[name].sign() for name, w in weights.items()}


class SignMAML(MAML):
    """MAML by signs (Fan, Ram & Liu 2021, "Sign-MAML: Efficient model-agnostic meta-learning by
    SignSGD", https://arxiv.org/abs/2109.07497).

    A sign has no slope, so there are no second derivatives to leave out.
    """

    version = 1  # raise it whenever the same settings come to mean other numbers
    second_order = False

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        return SignDescent(self.settings.inner_lr)
