"""Steps that are computed a second time for the meta-gradient: the same numbers, and less kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from few_shot import make_method, make_network, random_episodes, relative_error
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from metabench.methods.method import Moment, State

ROUNDING = 1e-12
"""Relative, in float64."""
METHODS: dict[str, dict[str, Any]] = {
    "maml": {},
    "fomaml": {},
    "anil": {},
    "meta_sgd": {},
    "maml_pp": {"multi_step_loss": 0.5, "derivative_order_annealing": 0.2},
}


def after_an_iteration(
    method: str, network: nn.Module, kind: str, *, spent: float = 0.3, **said: Any
) -> State:
    """A state, its gradients as they were handed to Adam."""
    taken = make_method(method, **{"inner_lr": 0.05, "inner_steps": 4, **METHODS[method], **said})
    state = taken.init(network, None, torch.Generator())
    taken.step(state, random_episodes(kind, 3), Moment(3, 10, spent=spent))
    return state


def gradients(state: State) -> dict[str, Tensor]:
    assert state.optimizer is not None
    named = state.named_parameters()
    return {name: state.optimizer.state[p]["exp_avg"] / 0.1 for name, p in named}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spent", [0.1, 0.3], ids=["early", "later"])
@pytest.mark.parametrize(
    ("kind", "mode"), [("mlp", "query"), ("conv4 max", "query"), ("conv4 max", "running")]
)
def test_the_numbers_are_those_of_steps_that_are_kept(
    method: str, spent: float, kind: str, mode: str
) -> None:
    said = {"spent": spent, "train_batch_norm": mode}
    kept, recomputed = (
        after_an_iteration(method, make_network(kind), kind, recompute=which, **said)
        for which in (False, True)
    )
    assert relative_error(gradients(recomputed), gradients(kept)) < ROUNDING
    for (name, theirs), ours in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(ours, theirs), name  # running statistics moved once


def test_of_maml_even_the_bits() -> None:
    kept, recomputed = (
        gradients(after_an_iteration("maml", make_network("mlp"), "mlp", recompute=which))
        for which in (False, True)
    )
    assert all(torch.equal(recomputed[name], g) for name, g in kept.items())


def test_what_a_network_draws_is_drawn_again() -> None:
    found = []
    for which in (False, True):
        network = make_network("mlp")
        network.body = nn.Sequential(network.body, nn.Dropout(0.5)).double()
        torch.manual_seed(7)
        state = after_an_iteration("maml", network, "mlp", recompute=which)
        found.append((gradients(state), torch.rand(())))
    (kept, next_kept), (recomputed, next_recomputed) = found
    assert relative_error(recomputed, kept) < ROUNDING
    assert next_recomputed == next_kept


@pytest.mark.parametrize(("method", "gradients"), [("maml", 3 * 4 + 1), ("fomaml", 4 + 1)])
def test_what_is_computed_twice_counts_twice(method: str, gradients: int) -> None:
    """A gradient, the same once more, and what goes through it; of the first order nothing does."""
    assert make_method(method, inner_steps=4, recompute=True).gradients_per_task == gradients


class Kept:
    """Bytes that graphs hold at once, and the most that they ever held."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def pack(self, tensor: Tensor) -> Any:
        kept, size = self, tensor.numel() * tensor.element_size()

        class Held:
            def __del__(self) -> None:
                kept.now -= size

        held = Held()
        held.tensor = tensor  # type: ignore[attr-defined]
        self.now += size
        self.most = max(self.most, self.now)
        return held


def most_kept(steps: int, *, recompute: bool) -> int:
    kept = Kept()
    with saved_tensors_hooks(kept.pack, lambda held: held.tensor):
        after_an_iteration(
            "maml", make_network("conv4 max"), "conv4 max", inner_steps=steps, recompute=recompute
        )
    return kept.most


def test_memory_hardly_grows_with_the_steps() -> None:
    assert most_kept(8, recompute=False) > 3 * most_kept(2, recompute=False)
    assert most_kept(8, recompute=True) < 1.5 * most_kept(2, recompute=True)
