"""Almost no inner loop."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from metabench.methods.gradient_based import Adapted, part
from metabench.methods.inner_loop import support_loss
from metabench.methods.maml import MAML
from metabench.methods.method import Moment, State
from metabench.methods.outputs import Weights, support_outputs


class ANIL(MAML):
    """MAML whose inner loop moves the head alone, in training and in test (Raghu, Raghu, Bengio &
    Vinyals 2020, "Rapid learning or feature reuse? Towards understanding the effectiveness of
    MAML", https://arxiv.org/abs/1909.09157).

    The body is learned by the outer loop, through the features that heads adapt to; so one pass
    through it serves all steps.
    """

    @property
    def adapted(self) -> Adapted:
        return "head"

    def adapt_in_training(
        self, state: State, weights: Weights, x: Tensor, y: Tensor, moment: Moment
    ) -> Iterator[Weights]:
        body, head = (
            {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
            for prefix in ("body.", "head.")
        )
        features = support_outputs(part(state, "body"), body, x, self.settings.train_batch_norm)
        loss = support_loss(part(state, "head"), features, y, None)
        for adapted in self.descend_in_training(state, head, loss, moment, through=(features,)):
            yield weights | {f"head.{name}": w for name, w in adapted.items()}
