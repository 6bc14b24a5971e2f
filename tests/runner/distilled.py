"""A student: the plugin of the tests of fits that need fits. Copied into their projects, not
collected."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from metabench.methods.fomaml import FOMAML
from metabench.methods.method import Method


class Distilled(FOMAML):
    """First-order MAML that learns what a teacher says of the queries, in place of what is true."""

    version = 1
    needs: ClassVar[Mapping[str, type[Any]]] = {"teacher": Method}

    def step(self, state: Any, batch: Any, *moment: Any) -> Any:
        teacher = state.needed["teacher"]
        assert not teacher.state.training
        assert not any(p.requires_grad for p in teacher.state.parameters())
        told = teacher.method.predict(
            teacher.state, batch.support_x, batch.support_y, batch.query_x, None
        )
        return super().step(state, replace(batch, query_y=told[:, -1].detach()), *moment)
