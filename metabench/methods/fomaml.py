"""First-order MAML."""

from __future__ import annotations

from typing import ClassVar

from metabench.methods.maml import MAML


class FOMAML(MAML):
    """First-order MAML: the gradient at the adapted weights, not pulled back through the inner loop
    (Finn et al. 2017, section 5.2)."""

    second_order: ClassVar[bool] = False
