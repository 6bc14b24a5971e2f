"""Metric-based methods that learn to compare: a small relation network on feature maps, and
embeddings that an LSTM puts into the context of the support set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from few_shot import (
    CPU,
    SHOTS,
    WAYS,
    fingerprint,
    make_cell,
    make_network,
    random_episodes,
    reproducible,
    run,
    some_episodes,
)
from torch import Tensor, nn

from metabench import registry
from metabench.datasets.dataset import Dataset
from metabench.experiment.evaluation import evaluate
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.streams import EpisodeStream
from metabench.methods.method import Method, Moment, State
from metabench.methods.metric_based import MetricMethod, MetricState, embedding_shape
from metabench.models.model import FeatureMaps, Model
from metabench.tasks.episodes import EpisodeShape, Task

TASK = Task("classification", (1, 16, 16), WAYS)


class Relations(MetricMethod):
    """After Sung et al. 2018, "Learning to compare: relation network for few-shot learning": a
    network relates the mean maps of each class to those of a query, in squared error."""

    def network(self, model: Model, task: Task) -> nn.Module:
        return FeatureMaps(model)

    def comparison(self, body: nn.Module, task: Task) -> nn.Module:
        channels, height, width = embedding_shape(body, task)
        like = next(body.parameters())
        return nn.Sequential(
            nn.Conv2d(2 * channels, 6, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(6 * height * width, 1),
            nn.Sigmoid(),
        ).to(like)

    def compare(
        self, state: MetricState, support_z: Tensor, support_y: Tensor, query_z: Tensor
    ) -> Tensor:
        member = F.one_hot(support_y).to(support_z.dtype)
        means = (member.mT @ support_z.flatten(2)).unflatten(2, support_z.shape[2:])
        means, queries = means.unsqueeze(1), query_z.unsqueeze(2)
        shape = (len(means), query_z.shape[1], means.shape[2], *query_z.shape[2:])
        pairs = torch.cat((means.expand(shape), queries.expand(shape)), 3)
        return state.comparison(pairs.flatten(0, 2)).view(shape[:3])

    def losses(self, scores: Tensor, y: Tensor) -> Tensor:
        return (scores - F.one_hot(y, scores.shape[-1])).square().mean((1, 2))


class Contexts(MetricMethod):
    """After Vinyals et al. 2016, "Matching networks for one shot learning": embeddings of a support
    set in the context of one another, by an LSTM both ways."""

    def comparison(self, body: nn.Module, task: Task) -> nn.Module:
        (features,) = embedding_shape(body, task)
        lstm = nn.LSTM(features, features, bidirectional=True, batch_first=True)
        return lstm.to(next(body.parameters()))

    def compare(
        self, state: MetricState, support_z: Tensor, support_y: Tensor, query_z: Tensor
    ) -> Tensor:
        there, back = state.comparison(support_z)[0].chunk(2, -1)
        near = F.normalize(query_z, dim=-1) @ F.normalize(support_z + there + back, dim=-1).mT
        attention = near.softmax(-1) @ F.one_hot(support_y).to(near.dtype)
        return attention.log()


METHODS: dict[str, type[MetricMethod]] = {"relations": Relations, "contexts": Contexts}
both = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    here = Path(__file__)
    monkeypatch.syspath_prepend(here.parent)
    plugins = {name: f"{here.stem}:{method.__name__}" for name, method in METHODS.items()}
    registry.use_plugins({"methods": plugins}, here.parent)
    yield
    registry.use_plugins({}, here.parent)


def begin(name: str) -> tuple[MetricMethod, Any]:
    method = METHODS[name](METHODS[name].Settings())
    torch.manual_seed(0)
    network = method.network(make_network("conv4 max", size=16).body, TASK)
    return method, method.init(network, TASK, torch.Generator())


@both
def test_gradients_reach_all_that_is_learned(name: str) -> None:
    method, state = begin(name)
    before = {key: p.detach().clone() for key, p in state.named_parameters()}
    method.step(state, random_episodes("conv4 max", 2), Moment())
    assert any(key.startswith("comparison.") for key in before)
    assert all(not torch.equal(p, before[key]) for key, p in state.named_parameters())


@both
def test_the_gradient_of_the_comparison_is_the_slope_of_the_methods_own_loss(name: str) -> None:
    batch, h = random_episodes("conv4 max", 2), 1e-6
    method, state = begin(name)
    learned = [*state.comparison.parameters()]
    direction = [torch.sin(torch.arange(p.numel()) * 1.7).to(p).view_as(p) for p in learned]

    def loss_at(offset: float) -> float:
        _, there = begin(name)
        with torch.no_grad():
            for p, d in zip(there.comparison.parameters(), direction, strict=True):
                p.add_(d, alpha=offset)
        scores = method.predict(there, batch.support_x, batch.support_y, batch.query_x, "joint")
        return float(method.losses(scores[:, 0], batch.query_y).mean())

    result = method.step(state, batch, Moment())
    slope = sum(
        float((state.optimizer.state[p]["exp_avg"] / 0.1 * d).sum())
        for p, d in zip(learned, direction, strict=True)
    )
    assert result.loss == pytest.approx(loss_at(0), rel=1e-12)
    assert slope == pytest.approx((loss_at(h) - loss_at(-h)) / (2 * h), rel=1e-6, abs=1e-9)


@both
def test_embedding_each_image_once_gives_the_same_scores(
    name: str, tiny_datasets: dict[str, Dataset]
) -> None:
    stream = EpisodeStream(
        tiny_datasets["omniglot"], {}, "test", EpisodeShape(3, 2, 2), root_seed=0, seed=0
    )
    method = METHODS[name](METHODS[name].Settings())
    task = Task("classification", (1, 28, 28), 3)
    network = method.network(make_network("conv4 max", size=28).float().body, task)
    state = method.init(network, task, torch.Generator())
    quick = evaluate(method, state, EvaluationSet(stream, 6, "running", CPU), point=0)
    method.embeds_images_alone = False  # type: ignore[misc]
    slow = evaluate(method, state, EvaluationSet(stream, 6, "running", CPU), point=0)
    assert quick.losses == pytest.approx(slow.losses, rel=1e-5)
    assert (quick.prediction == slow.prediction).all()


@both
def test_episodes_never_meet_and_nothing_is_changed(name: str) -> None:
    method, state = begin(name)
    batch, before = random_episodes("conv4 max", 3), fingerprint(state)

    def scores(episodes: Any) -> Tensor:
        return method.predict(
            state, episodes.support_x, episodes.support_y, episodes.query_x, "running"
        )

    together = scores(batch)
    alone = torch.cat([scores(some_episodes(batch, [i])) for i in range(3)])
    torch.testing.assert_close(together, alone)
    assert together.shape == (3, 1, batch.query_y.shape[1], WAYS)
    assert fingerprint(state) == before


def test_a_context_is_of_the_whole_support_set() -> None:
    """Or the LSTM would have nothing to do."""
    method, state = begin("contexts")
    z = torch.randn(1, WAYS * SHOTS + 1, 4, dtype=torch.float64)
    labels = torch.arange(WAYS).repeat_interleave(SHOTS).unsqueeze(0)
    scores = method.compare(state, z[:, :-1], labels, z[:, -1:])
    z[:, 0] += 1
    moved = method.compare(state, z[:, :-1], labels, z[:, -1:])
    others = [moved[0, 0, 1] - moved[0, 0, 2], scores[0, 0, 1] - scores[0, 0, 2]]
    assert (others[0] - others[1]).abs() > 1e-6


@pytest.mark.slow
@both
def test_a_fit_is_kept_and_tested_again_to_the_bit(
    name: str, omniglot_folder: Path, tmp_path: Path
) -> None:
    cell = make_cell(name, "omniglot", evaluate={"batch_norm": "running"})
    first, again = (run(cell, data=omniglot_folder, keep_weights=tmp_path)[0] for _ in range(2))
    assert again.provenance_extra["weights"] == "kept"
    assert first.result["outcome"] == "completed"
    assert reproducible(first) == reproducible(again)
    (other,) = run(cell, data=omniglot_folder)
    assert reproducible(first) == reproducible(other)


def test_a_method_that_embeds_no_image_alone_says_so() -> None:
    class Whole(Method):
        kinds = frozenset({"classification"})

        def init(self, model: nn.Module, *_: Any) -> State:
            return State(model)

        def predict(self, *_: Any) -> Tensor:
            raise NotImplementedError

    with pytest.raises(TypeError, match="embeds no images alone"):
        Whole(None).embed(State(nn.Identity()), torch.zeros(1))
    with pytest.raises(TypeError, match="compares no embeddings"):
        Whole(None).compare(None, torch.zeros(1), torch.zeros(1), torch.zeros(1))
