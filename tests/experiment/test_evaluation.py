"""Episodes to scores, and what is settled on validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import CPU, MODES, make_method
from torch import Tensor, nn

from metabench.datasets.dataset import Dataset
from metabench.errors import PluginError
from metabench.experiment import predictions
from metabench.experiment.evaluation import INSIDE, choose, evaluate, figures_of
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.streams import EpisodeStream
from metabench.figures import images as figured_images
from metabench.figures.images import Images
from metabench.methods.maml import MAML
from metabench.methods.method import Method, State
from metabench.metrics import METRICS, calibration_sums
from metabench.models.conv4 import Conv4
from metabench.tasks.episodes import Episodes, EpisodeShape, Task

WAYS = 4


@pytest.fixture
def images(tiny_datasets: dict[str, Dataset]) -> EpisodeStream:
    return EpisodeStream(
        tiny_datasets["omniglot"], {}, "test", EpisodeShape(WAYS, 2, 3), root_seed=0, seed=0
    )


@pytest.fixture
def waves(tiny_datasets: dict[str, Dataset]) -> EpisodeStream:
    return EpisodeStream(
        tiny_datasets["sinusoid"], {}, "validation", EpisodeShape(None, 3, 5), root_seed=0, seed=0
    )


def state_of(method: Method) -> State:
    torch.manual_seed(0)
    task = Task("classification", (1, 28, 28), WAYS)
    network = method.network(Conv4(Conv4.Settings(filters=4), task), task)
    for value in network.buffers():
        value.uniform_(0.5, 1.0)
    return method.init(network, None, torch.Generator())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maml", "protonet"])
@pytest.mark.parametrize("mode", MODES)
def test_scores_are_those_of_predictions_episode_by_episode(
    images: EpisodeStream, name: str, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedding each image once under running statistics included."""
    monkeypatch.setattr(predictions, "EPISODES_AT_ONCE", 4)
    monkeypatch.setattr(predictions, "EMBEDDED_EPISODES_AT_ONCE", 4)
    method = make_method(name)
    state, point = state_of(method), len(method.curve) - 1
    got = evaluate(method, state, EvaluationSet(images, 10, mode, CPU), point=point)
    for i in range(10):
        episode = images.episodes(i, 1, CPU)
        predicted = method.predict(
            state, episode.support_x, episode.support_y, episode.query_x, mode
        )[0]
        right = predicted.argmax(-1) == episode.query_y
        assert got.scores[i] == pytest.approx(right.double().mean(-1).numpy())
        losses = [
            torch.nn.functional.cross_entropy(scores, episode.query_y[0]) for scores in predicted
        ]
        assert got.losses[i] == pytest.approx(torch.stack(losses).numpy(), rel=1e-4)
        assert np.array_equal(got.truth[i], episode.query_y[0])
        assert np.array_equal(got.prediction[i], predicted[point].argmax(-1))
        assert got.confidence[i] == pytest.approx(
            predicted[point].softmax(-1).max(-1).values.numpy(), rel=1e-4
        )
    assert got.finite(point).all()
    assert np.array_equal(got.draw["query"], images.draw(0, 10)["query"])


def test_each_image_is_embedded_once_under_running_statistics(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method("protonet")
    embedded: list[int] = []
    embed = type(method).embed
    monkeypatch.setattr(
        type(method),
        "embed",
        lambda self, state, x: embedded.append(len(x)) or embed(self, state, x),
    )
    evaluate(method, state_of(method), EvaluationSet(images, 200, "running", CPU), point=0)
    draw = images.draw(0, 200)
    assert sum(embedded) == len({*draw["support"].ravel(), *draw["query"].ravel()})


def test_regression_is_scored_by_squared_error(waves: EpisodeStream) -> None:
    method = Constants(Constants.Settings(answers=(0.25,)))
    got, query_y = (
        evaluate(method, state_of(method), EvaluationSet(waves, 6, None, CPU), point=0),
        waves.episodes(0, 6, CPU).query_y,
    )
    assert got.scores[:, 0] == pytest.approx((query_y - 0.25).square().mean((1, 2)).numpy())
    assert got.confidence is None
    assert (got.prediction == 0.25).all()
    assert np.array_equal(got.truth, query_y[..., 0])


class Fixed(Method):
    """Scores every query alike."""

    kinds = frozenset({"classification"})
    scores: Tensor

    def init(self, model: nn.Module, *_: Any) -> State:
        return State(model)

    def predict(self, *episode: Any) -> Tensor:
        query_x = episode[3]
        return self.scores.expand(query_x.shape[0], 1, query_x.shape[1], WAYS)


def test_the_prediction_that_is_kept_is_the_one_that_is_scored(images: EpisodeStream) -> None:
    """Also where two scores differ by less than their probabilities can tell."""
    method = Fixed(None)
    method.scores = torch.tensor([0.0, 1e-9, 0.0, 0.0])
    got = evaluate(method, state_of(method), EvaluationSet(images, 5, None, CPU), point=0)
    assert (got.prediction == 1).all()
    assert got.scores[:, 0] == pytest.approx((got.prediction == got.truth).mean(1))


def test_a_score_that_is_no_number_is_seen_though_accuracy_is_one(images: EpisodeStream) -> None:
    method = Fixed(None)
    method.scores = torch.full((WAYS,), math.nan)
    got = evaluate(method, state_of(method), EvaluationSet(images, 5, None, CPU), point=0)
    assert not got.finite(0).any()


class Constants(Method):
    """Answers the same value to every query: one value a step, under each of several settings."""

    kinds = frozenset({"regression"})
    chooses_step = True

    @dataclass(frozen=True)
    class Settings:
        answers: tuple[float, ...] = ()
        others: tuple[tuple[float, ...], ...] = ()

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(range(len(self.settings.answers)))

    def candidates(self) -> list[Method]:
        return [
            Constants(replace(self.settings, answers=answers))
            for answers in (self.settings.answers, *self.settings.others)
        ]

    def init(self, model: nn.Module, *_: Any) -> State:
        return State(model)

    def predict(self, *episode: Any) -> Tensor:
        query_x = episode[3]
        return torch.tensor(self.settings.answers)[None, :, None, None].expand(
            query_x.shape[0], -1, query_x.shape[1], 1
        )


@pytest.mark.parametrize(
    ("candidates", "chosen", "step"),
    [
        ([(9.0, 0.0, 9.0)], 0, 1),
        ([(9.0, 8.0), (7.0, 0.0)], 1, 1),
        ([(9.0, 0.0, 0.0), (0.0, 9.0, 9.0)], 0, 1),
        ([(math.nan, 9.0)], 0, 1),
        ([(math.nan, math.inf), (9.0, math.nan)], 1, 0),
        ([(9.0, math.nan), (math.nan, math.nan)], 0, 0),
        ([(math.nan, math.nan), (math.inf, math.nan), (9.0, 8.0), (math.nan, math.nan)], 2, 1),
        ([(math.nan,), (math.inf,)], 0, 0),
    ],
    ids=[
        "best step",
        "best setting",
        "tie",
        "no number at a step",
        "no number under a setting",
        "no number under a later one",
        "under one alone",
        "none at all",
    ],
)
def test_the_best_setting_and_step_are_chosen(
    waves: EpisodeStream, candidates: list[tuple[float, ...]], chosen: int, step: int
) -> None:
    """Sinusoids are about zero: of the answers 0, 7, 8 and 9 the smaller is the better."""
    method = Constants(Constants.Settings(candidates[0], tuple(candidates[1:])))
    choice = choose(method, state_of(method), EvaluationSet(waves, 8, None, CPU))
    assert str(choice.method.settings.answers) == str(candidates[chosen])  # as text, nan equals nan
    assert choice.point == step
    assert math.isfinite(choice.loss) == math.isfinite(candidates[chosen][step])


def test_a_method_with_a_step_of_its_own_keeps_it(waves: EpisodeStream) -> None:
    class Settled(Constants):
        chooses_step = False

    method = Settled(Constants.Settings((0.0, 9.0)))
    method.candidates = lambda: [method]  # type: ignore[method-assign]
    on = EvaluationSet(waves, 8, None, CPU)
    choice = choose(method, state_of(method), on)
    assert (choice.method, choice.point) == (method, 1)
    got = evaluate(method, state_of(method), on, point=1)
    assert choice.score == pytest.approx(got.scores[:, 1].mean())


def test_the_metric_that_is_named_scores_and_chooses(waves: EpisodeStream) -> None:
    method = Constants(Constants.Settings((3.0, 0.0)))
    on = EvaluationSet(waves, 8, None, CPU, "mae")
    choice = choose(method, state_of(method), on)
    got = evaluate(method, state_of(method), on, point=1)
    query_y = waves.episodes(0, 8, CPU).query_y
    assert got.scores[:, 1] == pytest.approx(query_y.abs().mean((1, 2)).numpy())
    assert (choice.point, choice.score) == (1, got.scores[:, 1].mean())


@pytest.mark.slow
def test_a_metric_that_falls_is_chosen_downwards(images: EpisodeStream) -> None:
    method = make_method("scratch", rates=(1e-9, 0.03), steps=(0, 1, 10))
    on = EvaluationSet(images, 20, "query", CPU, "log_loss")
    choice = choose(method, state_of(method), on)
    scores = [
        evaluate(candidate, state_of(method), on, point=0).scores.mean(0).min()
        for candidate in method.candidates()
    ]
    assert choice.score == pytest.approx(min(scores))
    assert choice.score < math.log(WAYS)


@pytest.mark.parametrize("mode", ["query", "running"])
def test_every_metric_is_that_of_the_step_that_counts(
    images: EpisodeStream, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the portions in which the episodes are met; and asking for it moves nothing."""
    monkeypatch.setattr(predictions, "EPISODES_AT_ONCE", 4)
    monkeypatch.setattr(predictions, "EMBEDDED_EPISODES_AT_ONCE", 4)
    method = make_method("maml" if mode == "query" else "protonet")
    state, point = state_of(method), len(method.curve) // 2
    on = EvaluationSet(images, 10, mode, CPU)
    got = evaluate(method, state, on, point=point, every_metric=True)
    plain = evaluate(method, state, on, point=point)
    assert np.array_equal(got.scores, plain.scores)
    assert not plain.scoring.metrics
    batch = images.episodes(0, 10, CPU)
    predicted = method.predict(state, batch.support_x, batch.support_y, batch.query_x, mode)
    for name, scores in got.scoring.metrics.items():
        wanted = METRICS[name].per_episode(predicted, batch.query_y)[:, point].numpy()
        assert scores == pytest.approx(wanted, rel=1e-4, abs=1e-6), name
    sums = calibration_sums(predicted, batch.query_y)[:, point].sum(0).numpy()
    assert got.scoring.counts["reliability"] == pytest.approx(sums, rel=1e-4)
    assert got.scoring.counts["roc_counts"].sum(1).tolist() == [120, 360]


def test_figures_show_as_many_queries_of_each_class_as_the_smallest_has(
    tiny_datasets: dict[str, Dataset],
) -> None:
    shape = EpisodeShape(WAYS, 2, (3, 2, 2, 1))
    stream = EpisodeStream(tiny_datasets["omniglot"], {}, "test", shape, root_seed=0, seed=0)
    arrays, whole, _, _ = figures(stream, "protonet", "query")
    kept = {part: arrays[f"images/{part}"] for part in Images.parts}
    for e in range(2):
        first = [int(np.flatnonzero(whole.query_y[e] == c)[0]) for c in range(WAYS)]
        assert kept["query_y"][e].tolist() == list(range(WAYS))
        assert np.array_equal(
            kept["query_x"][e, :, :, :, 0], (255 * whole.query_x[e, first, 0]).round().byte()
        )


@pytest.mark.slow
def test_accuracy_is_chosen_upwards(images: EpisodeStream) -> None:
    method = make_method("scratch", rates=(1e-9, 0.03), steps=(0, 1, 10))
    on = EvaluationSet(images, 20, "query", CPU)
    choice = choose(method, state_of(method), on)
    scores = {
        (candidate.settings.rates, point): evaluate(candidate, state_of(method), on, point=0)
        .scores[:, point]
        .mean()
        for candidate in method.candidates()
        for point in range(3)
    }
    assert choice.score == pytest.approx(scores[choice.method.settings.rates, choice.point])
    assert choice.score == pytest.approx(max(scores.values()))
    assert choice.score > 1 / WAYS


def test_scores_of_a_wrong_shape_are_refused(images: EpisodeStream) -> None:
    """Broadcasting would score them all the same."""
    method = Fixed(None)
    method.scores = torch.zeros(WAYS)
    method.predict = lambda *episode: torch.zeros(1, 1, 1, WAYS)  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=r"Fixed.predict gave scores of shape \[1, 1, 1, "):
        evaluate(method, state_of(method), EvaluationSet(images, 5, None, CPU), point=0)


def figures(
    stream: EpisodeStream, name: str, mode: Any
) -> tuple[dict[str, Any], Any, Method, State]:
    method = make_method(name)
    state = state_of(method)
    return (
        figures_of(method, state, EvaluationSet(stream, 10, mode, CPU)),
        stream.episodes(0, 2, CPU),
        method,
        state,
    )


@pytest.mark.parametrize("name", ["maml", "protonet"])
def test_figures_of_images_are_the_first_queries_as_the_test_takes_them(
    images: EpisodeStream, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predicted among all queries of their episode, whose statistics normalise them, and kept class
    by class."""
    monkeypatch.setattr(figured_images, "QUERIES", 2)
    arrays, whole, method, state = figures(images, name, "query")
    kept = {part: arrays[f"images/{part}"] for part in Images.parts}
    assert not {name for name in arrays if not name.startswith(("images/", "way/"))}
    predicted = method.predict(
        state, whole.support_x, whole.support_y, whole.query_x, "query"
    ).argmax(-1)
    for e in range(2):
        chosen = [i for c in range(WAYS) for i in np.flatnonzero(whole.query_y[e] == c)[:2]]
        assert kept["query_y"][e].tolist() == whole.query_y[e][chosen].tolist()
        assert kept["prediction"][e].tolist() == predicted[e][:, chosen].tolist()
        assert np.array_equal(
            kept["query_x"][e, :, :, :, 0], (255 * whole.query_x[e, chosen, 0]).round().byte()
        )
        assert np.array_equal(
            kept["support_x"][e, :, :, :, 0], (255 * whole.support_x[e, :, 0]).round().byte()
        )
    assert kept["query_x"].dtype == kept["support_x"].dtype == np.uint8


class Sure(Images):
    """How sure a method was: a figure of its own."""

    name, parts = "sure", ("largest",)

    def keep(self, episodes: Episodes, predicted: Tensor) -> dict[str, np.ndarray]:
        return {"largest": predicted.softmax(-1).amax(-1).numpy()}


def test_a_method_may_keep_a_figure_of_its_own_beside_that_of_the_dataset(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MAML, "figure", lambda method: Sure())
    kept, whole, method, _ = figures(images, "maml", "query")
    shown = {name for name in kept if not name.startswith("way/")}
    assert shown == {*(f"images/{part}" for part in Images.parts), "sure/largest"}
    assert kept["sure/largest"].shape == (2, len(method.curve), whole.query_y.shape[1])


def test_what_a_method_keeps_of_itself_is_arrays_by_name(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        MAML, "inside", lambda method, *given: {"own/lengths": np.arange(len(given[1]))}
    )
    kept, *_ = figures(images, "maml", "query")
    assert kept["own/lengths"].tolist() == list(range(INSIDE))
    monkeypatch.setattr(MAML, "inside", lambda method, *given: [1])
    with pytest.raises(PluginError, match=r"MAML.inside gave \[1\]; expected arrays by name"):
        figures(images, "maml", "query")


def test_a_figure_that_is_none_is_told_as_the_fault_of_who_gave_it(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MAML, "figure", lambda method: "waves")
    with pytest.raises(PluginError, match=r"MAML.figure gave 'waves'; expected a Figure or None"):
        figures(images, "maml", "query")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "channels", "shots", "kept"),
    [(28, 1, 1, 2), (84, 3, 5, 1), (84, 3, 1, 2), (300, 3, 20, 1)],
)
def test_figures_of_large_images_stay_small(
    side: int, channels: int, shots: int, kept: int
) -> None:
    ways, queries = 5, 10
    shown = Episodes(
        torch.zeros(2, ways * shots, channels, side, side),
        torch.arange(ways).repeat_interleave(shots).repeat(2, 1),
        torch.ones(2, ways * queries, channels, side, side),
        torch.arange(ways).repeat(2, queries),
    )
    few = Images().keep(shown, torch.zeros(2, 3, ways * queries, ways))
    assert {len(array) for array in few.values()} == {kept}
    assert sum(array.nbytes for array in few.values()) < 160_000
    assert max(few["query_x"].shape[2:4]) <= figured_images.SIDE
    assert np.unique(few["query_x"]).tolist() == [255]
