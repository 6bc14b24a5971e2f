"""A step that is written down once, and run as a graph from then on, against the step itself."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from few_shot import make_method, make_network, random_episodes, relative_error
from torch import Tensor, nn

from metabench.methods import outputs
from metabench.methods.graphs import Graphs
from metabench.methods.maml import MAML
from metabench.methods.method import Method, Moment, State
from metabench.methods.update_rules import GradientDescent, Rule
from metabench.tasks.episodes import Examples

TASKS = 3
ROUNDING = 1e-8
"""Relative, in float64, after a few steps."""
SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"inner_steps": 2, "clip": 10.0},
    "fomaml": {"inner_steps": 2},
    "anil": {"inner_steps": 2},
    "meta_sgd": {"inner_steps": 2, "inner_lr": 0.05},
    "maml_pp": {"inner_steps": 2, "multi_step_loss": 0.5, "derivative_order_annealing": 0.25},
}


def as_it_is(graph: torch.fx.GraphModule, example: Sequence[Tensor]) -> Callable[..., Any]:
    """What runs a graph, operation by operation: no compiler, and no seconds."""
    return graph


@pytest.fixture
def warnings() -> list[str]:
    return []


def two_states(
    method: Method, network: nn.Module, warn: Callable[[str], None]
) -> tuple[State, State]:
    """The state of an eager training, and of one by graphs."""
    eager, by_graphs = (
        method.init(copy.deepcopy(network), None, torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    by_graphs.graphs = Graphs(as_it_is, warn)
    return eager, by_graphs


def moments(number: int) -> Iterator[Moment]:
    return (Moment(i, number, i / number, 1 - i / number / 2) for i in range(number))


def assert_same(by_graphs: State, eager: State) -> None:
    """Weights, whatever else is learned, and buffers."""
    after, before = by_graphs.state_dict(), eager.state_dict()
    for name, tensor in before.items():
        difference = (after[name] - tensor).double().norm()
        assert difference <= ROUNDING * tensor.double().norm(), name


CASES = [
    *((method, "mlp", None) for method in SETTINGS),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("maml", "conv4 max", "query"),
            ("maml", "conv4 stride", "joint"),
            ("fomaml", "conv4 max", "support"),
            ("anil", "conv4 max", "query"),
            ("meta_sgd", "conv4 max", "query"),
            ("maml_pp", "conv4 max", "running"),
        )
    ),
]


@pytest.mark.parametrize(("method", "name", "mode"), CASES)
def test_trains_as_the_step_itself(method: str, name: str, mode: Any, warnings: list[str]) -> None:
    """Weights, rates, running statistics, loss and score, through every phase of MAML++."""
    batch_norm = {} if mode is None else {"train_batch_norm": mode}
    made = make_method(method, **SETTINGS[method], **batch_norm)
    eager, by_graphs = two_states(made, make_network(name), warnings.append)
    for moment in moments(4):
        batch = random_episodes(name, TASKS, seed=moment.iteration)
        ours, theirs = (made.step(s, batch, moment) for s in (by_graphs, eager))
        assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=ROUNDING)
        assert float(ours.score) == pytest.approx(float(theirs.score), rel=ROUNDING)
    assert not warnings
    assert len(by_graphs.graphs) == (3 if method == "maml_pp" else 1)
    assert_same(by_graphs, eager)


def test_a_batch_in_parts_has_one_graph_for_all(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six tasks, four of which would fit together: three at a time, so that parts are alike."""
    method, tasks = MAML(MAML.Settings()), 6
    eager, by_graphs = two_states(method, make_network("mlp"), warnings.append)
    batch = random_episodes("mlp", tasks)
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", 4 * batch.query_x[0].numel())
    parts = [part.stop - part.start for part in outputs.equal_chunks(batch.query_x)]
    assert parts == [3, 3]
    ours, theirs = (method.step(s, batch, Moment()) for s in (by_graphs, eager))
    assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=ROUNDING)
    assert float(ours.score) == pytest.approx(float(theirs.score), rel=ROUNDING)
    assert_same(by_graphs, eager)
    assert len(by_graphs.graphs) == 1
    assert not warnings


def examples(name: str, tasks: int, *, seed: int) -> Examples:
    """Points or images of no task in particular."""
    batch = random_episodes(name, tasks, seed=seed)
    return Examples(batch.query_x.flatten(0, 1), batch.query_y.flatten(0, 1))


@pytest.mark.parametrize("name", ["mlp", "conv4 max"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", None], ids=["adam", "sgd", "supervised"])
def test_training_without_a_meta_gradient_is_the_same(
    optimizer: str | None, name: str, warnings: list[str]
) -> None:
    """Reptile, whose second moments go on from task to task, and supervised training."""
    made = (
        make_method("reptile", inner_optimizer=optimizer, inner_batch=4, inner_steps=3)
        if optimizer
        else make_method("pretrained")
    )
    eager, by_graphs = two_states(made, make_network(name), warnings.append)
    for moment in moments(3):
        batch = (random_episodes if optimizer else examples)(name, TASKS, seed=moment.iteration)
        ours, theirs = (made.step(s, batch, moment) for s in (by_graphs, eager))
        assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=ROUNDING)
        assert float(ours.score) == pytest.approx(float(theirs.score), rel=ROUNDING)
    assert not warnings
    assert len(by_graphs.graphs) == 1
    assert_same(by_graphs, eager)


def one_step(method: MAML, network: nn.Module, warn: Callable[[str], None]) -> float:
    """How far weights are apart after a step, eager and by graphs."""
    eager, by_graphs = two_states(method, network, warn)
    for state in (eager, by_graphs):
        method.step(state, random_episodes("mlp", TASKS), Moment(3, 10, 0.3, 1.0))
    return relative_error(list(by_graphs.parameters()), list(eager.parameters()))


class Fading(MAML):
    """MAML whose inner rate falls in training."""

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        share = 1.0 if moment is None else 1 - moment.spent
        return GradientDescent(self.settings.inner_lr * share, second_order_from=0)


class SaidToFade(Fading):
    """The same, which says so: a graph for each rate."""

    def phase(self, moment: Moment) -> Any:
        return moment.spent


def test_what_depends_on_a_moment_without_saying_so_is_not_compiled(warnings: list[str]) -> None:
    assert one_step(Fading(MAML.Settings()), make_network("mlp"), warnings.append) == 0
    (warning,) = warnings
    assert "spent of the moment" in warning
    assert "phase" in warning


def test_what_says_how_it_depends_on_a_moment_is_compiled(warnings: list[str]) -> None:
    assert one_step(SaidToFade(MAML.Settings()), make_network("mlp"), warnings.append) < ROUNDING
    assert not warnings


class ByItsValues(nn.Module):
    """A layer that looks at its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class ByChance(nn.Module):
    """A layer that draws from Python's own generator."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + random.random())


class ByItsMean(nn.Module):
    """A layer that takes from its input a mean that it puts anew in the place of the last."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return x - self.mean


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (ByItsValues(), "data-dependent"),
        (ByChance(), "Python's or NumPy's global generator"),
        (ByItsMean(), "must be changed in place"),
    ],
)
def test_a_network_that_cannot_be_written_down_runs_as_it_is(
    layer: nn.Module, why: str, warnings: list[str]
) -> None:
    network = make_network("mlp")
    network.body.layers.append(layer)
    method = MAML(MAML.Settings())
    eager, by_graphs = two_states(method, network, warnings.append)
    for state in (eager, by_graphs):
        random.seed(1)
        for i in range(2):
            method.step(state, random_episodes("mlp", TASKS, seed=i), Moment())
    assert relative_error(list(by_graphs.parameters()), list(eager.parameters())) == 0
    (warning,) = warnings
    assert why in warning


@dataclass(frozen=True)
class Number:
    """What the pieces below give."""

    value: Tensor


def test_each_piece_of_a_step_has_a_graph_of_its_own(warnings: list[str]) -> None:
    """Of one shape and phase, and made anew at each step."""
    _, state = two_states(make_method("maml"), make_network("mlp"), warnings.append)
    assert state.graphs is not None
    x = torch.ones(2)
    for _ in range(2):

        def double(moment: Moment, x: Tensor) -> Number:
            return Number(2 * x.sum())

        def triple(moment: Moment, x: Tensor) -> Number:
            return Number(3 * x.sum())

        for piece, value in ((double, 4.0), (triple, 6.0)):
            found = state.graphs.run(piece, state, Moment(), lambda moment: None, (x,))
            assert float(found.value) == value
    assert len(state.graphs) == 2
