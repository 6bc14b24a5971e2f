"""First-order MAML."""

from __future__ import annotations

from typing import ClassVar

from metabench.methods.maml import MAML


class FOMAML(MAML):
    """First-order MAML: the gradient at the adapted weights, not pulled back through the gradients
    of the inner loop (Finn, Abbeel & Levine 2017, "Model-agnostic meta-learning for fast adaptation
    of deep networks", https://arxiv.org/abs/1703.03400, section 5.2)."""

    second_order: ClassVar[bool] = False
