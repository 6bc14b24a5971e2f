"""The outer loop, with a method whose weight counts its iterations and whose losses are written
down beforehand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import CPU
from torch import Tensor, nn

from metabench.cells import Train, Validate
from metabench.datasets.dataset import Dataset
from metabench.experiment import training
from metabench.experiment.evaluation import Choice
from metabench.experiment.streams import EpisodeStream
from metabench.experiment.training import train
from metabench.experiment.training_state import Training
from metabench.methods.method import Method, Moment, State, StepResult
from metabench.metrics import named_metric
from metabench.tasks.episodes import Episodes, EpisodeShape


class Scripted(Method):
    """Loss 1, 2, 3, ... or as told; the only weight is the number of iterations done."""

    kinds = frozenset({"regression"})

    def __init__(self, losses: dict[int, float] | None = None) -> None:
        super().__init__(None)
        self.losses = losses or {}
        self.moments: list[Moment] = []
        self.batches: list[Episodes] = []
        self.pause = 0.0

    @property
    def rates(self) -> list[float]:
        return [moment.rate for moment in self.moments]

    def init(self, model: nn.Module, *_: Any) -> State:
        return State(model)

    def step(self, state: State, batch: Episodes, moment: Moment) -> StepResult:
        time.sleep(self.pause)
        self.moments.append(moment)
        self.batches.append(batch)
        state.model.weight += 1
        done = int(state.model.weight)
        return StepResult(
            torch.tensor(self.losses.get(done, float(done))), torch.tensor(10.0 * done)
        )

    def predict(self, *_: Any) -> Tensor:
        raise NotImplementedError


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(()))


class Bench:
    """Everything that `train` wants, with validation scores written down beforehand."""

    def __init__(
        self, dataset: Dataset, scores: Iterable[float] = (), method: Scripted | None = None
    ) -> None:
        self.method = method or Scripted()
        self.state = self.method.init(Counter())
        shape = EpisodeShape(None, 2, 2) if dataset.kind == "regression" else EpisodeShape(2, 1, 1)
        self.stream = EpisodeStream(dataset, {}, "train", shape, root_seed=0, seed=0)
        self.scores = iter(scores)
        self.seen: list[int] = []
        self.progress: list[tuple[int, int | None, float | None]] = []
        self.validation_pause = 0.0

    def validate(self) -> Choice:
        time.sleep(self.validation_pause)
        self.seen.append(self.weight)
        return Choice(self.method, 0, next(self.scores, 0.0), 0.5)

    @property
    def weight(self) -> int:
        return int(self.state.model.weight)

    def run(self, recipe: Train, validate: Validate | None = None) -> Training:
        def told(*message: Any) -> None:
            self.progress.append(message)

        def batches(i: int) -> Episodes:
            return self.stream.episodes(i * recipe.tasks_per_batch, recipe.tasks_per_batch, CPU)

        better = named_metric(self.stream.dataset.metric).higher_is_better
        return train(
            self.method,
            self.state,
            batches,
            recipe,
            validate or Validate(every=1000),
            self.validate,
            better,
            CPU,
            told,
        )


@pytest.fixture
def bench(tiny_datasets: dict[str, Dataset]) -> Callable[..., Bench]:
    """Benches over sinusoids (lower is better), or over `omniglot` (higher is better)."""

    def make(
        scores: Iterable[float] = (),
        *,
        losses: dict[int, float] | None = None,
        dataset: str = "sinusoid",
    ) -> Bench:
        return Bench(tiny_datasets[dataset], scores, Scripted(losses))

    return make


@pytest.mark.parametrize(
    ("recipe", "iterations"),
    [
        ({"iterations": 7}, 7),
        ({"tasks": 20, "tasks_per_batch": 5}, 4),
        ({"tasks": 21, "tasks_per_batch": 5}, 5),
    ],
)
def test_a_budget_is_spent_to_the_iteration(
    bench: Callable[..., Bench], recipe: dict[str, int], iterations: int
) -> None:
    at = bench()
    result = at.run(Train(**recipe))
    assert result.loss == list(range(1, iterations + 1))
    assert result.score == [10.0 * loss for loss in result.loss]
    assert (result.iterations, result.stopped, at.weight) == (iterations, "budget", iterations)
    assert result.seconds.shape == (iterations,)


def test_a_budget_in_seconds_ends_with_the_iteration_that_spends_it(
    bench: Callable[..., Bench],
) -> None:
    at = bench()
    at.method.pause = 0.02
    result = at.run(Train(seconds=0.2, schedule="linear"))
    assert 2 <= result.iterations <= 11
    assert result.total_seconds >= 0.2
    assert result.validated == [result.iterations]
    assert at.method.rates == sorted(at.method.rates, reverse=True)
    assert at.progress[0][1] is None


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        ({}, [1, 1, 1, 1]),
        ({"schedule": "linear"}, [1, 0.75, 0.5, 0.25]),
        ({"schedule": "cosine"}, [(1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]),
        ({"schedule": "step", "step_every": 2, "step_factor": 0.1}, [1, 1, 0.1, 0.1]),
        ({"schedule": "linear", "schedule_floor": 0.2}, [1, 0.8, 0.6, 0.4]),
        (
            {"schedule": "cosine", "schedule_floor": 0.5},
            [0.5 + (1 + math.cos(math.pi * i / 4)) / 4 for i in range(4)],
        ),
        (
            {"schedule": "step", "step_every": 1, "step_factor": 0.5, "schedule_floor": 0.2},
            [1, 0.5, 0.25, 0.2],
        ),
        ({"warm_up": 2}, [0.5, 1, 1, 1]),
        ({"schedule": "linear", "warm_up": 3}, [1 / 3, 0.5, 0.5, 0.25]),
    ],
    ids=[
        "constant",
        "linear",
        "cosine",
        "step",
        "linear to a floor",
        "cosine to a floor",
        "steps to a floor",
        "warm-up",
        "warm-up to a line",
    ],
)
def test_schedules(bench: Callable[..., Bench], recipe: dict[str, Any], rates: list[float]) -> None:
    at = bench()
    at.run(Train(iterations=4, **recipe))
    assert at.method.rates == pytest.approx(rates)


def test_a_step_is_told_its_moment(bench: Callable[..., Bench]) -> None:
    at = bench()
    at.run(Train(tasks=20, tasks_per_batch=5, schedule="linear"))
    assert at.method.moments == [Moment(i, 4, i / 4, 1 - i / 4) for i in range(4)]


def test_a_moment_of_a_budget_in_seconds_knows_no_total(bench: Callable[..., Bench]) -> None:
    at = bench()
    at.method.pause = 0.02
    at.run(Train(seconds=0.1))
    assert {moment.total for moment in at.method.moments} == {None}
    spent = [moment.spent for moment in at.method.moments]
    assert spent == sorted(spent)
    assert 0 <= spent[0] < 1
    assert spent[-1] == 1


def test_batches_are_the_stream_in_its_order(bench: Callable[..., Bench]) -> None:
    at = bench()
    at.run(Train(iterations=5, tasks_per_batch=3))
    met = torch.cat([batch.support_x for batch in at.method.batches])
    assert torch.equal(met, at.stream.episodes(0, 15, CPU).support_x)


@pytest.mark.parametrize(
    ("every", "validated"), [(2, [2, 4, 6, 7]), (7, [7]), (100, [7]), (1, [1, 2, 3, 4, 5, 6, 7])]
)
def test_validation_comes_every_so_often_and_at_the_end(
    bench: Callable[..., Bench], every: int, validated: list[int]
) -> None:
    at = bench(scores=[float(n) for n in validated])
    result = at.run(Train(iterations=7), Validate(every=every))
    assert result.validated == at.seen == validated
    assert result.validation_score == validated
    assert result.validation_loss == [0.5] * len(validated)


@pytest.mark.parametrize(
    ("dataset", "scores", "select", "best"),
    [
        ("omniglot", [0.2, 0.9, 0.4, 0.9], "best", 4),
        ("sinusoid", [3.0, 2.0, 0.5, 1.0], "best", 6),
        ("omniglot", [0.2, 0.9, 0.4, 0.3], "last", 8),
        ("sinusoid", [math.nan, 2.0, math.nan, 3.0], "best", 4),
    ],
    ids=[
        "higher is better, first of a tie",
        "lower is better",
        "last",
        "not a number is never best",
    ],
)
def test_the_selected_weights_are_given_back(
    bench: Callable[..., Bench], dataset: str, scores: Sequence[float], select: Any, best: int
) -> None:
    at = bench(scores, dataset=dataset)
    result = at.run(Train(iterations=8), Validate(every=2, select=select))
    assert result.best_iteration == at.weight == best


def test_weights_whose_validation_loss_is_no_number_are_never_best(
    bench: Callable[..., Bench],
) -> None:
    """Accuracy is a number whatever the scores are: of nothing but nan it is the share of class
    0."""
    at, seen = bench(dataset="omniglot"), iter([(0.4, 1.0), (0.5, math.nan)])
    at.validate = lambda: Choice(at.method, 0, *next(seen))  # type: ignore[method-assign]
    assert at.run(Train(iterations=4), Validate(every=2)).best_iteration == at.weight == 2


def test_without_any_validation_that_is_a_number_the_last_weights_go_to_test(
    bench: Callable[..., Bench],
) -> None:
    at = bench([math.nan, math.nan])
    assert at.run(Train(iterations=4), Validate(every=2)).best_iteration == at.weight == 4


@pytest.mark.parametrize("select", ["best", "last"])
def test_patience_counts_validations_without_a_better_score(
    bench: Callable[..., Bench], select: Any
) -> None:
    at = bench([0.5, 0.6, 0.6, 0.7, 0.7, 0.1, 0.9], dataset="omniglot")
    result = at.run(Train(iterations=100), Validate(every=5, patience=2, select=select))
    assert (result.stopped, result.iterations, result.validated[-1]) == ("patience", 30, 30)
    assert at.weight == result.best_iteration == (20 if select == "best" else 30)


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("read_every", [1, 3, 50])
@pytest.mark.parametrize("at_iteration", [1, 4, 6, 10])
def test_divergence_is_dated_to_the_iteration(
    bench: Callable[..., Bench],
    loss: float,
    read_every: int,
    at_iteration: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Curves end there, however late the losses are read."""
    monkeypatch.setitem(training.READ_EVERY, "cpu", read_every)
    at = bench([0.5] * 9, losses={at_iteration: loss})
    result = at.run(Train(iterations=10), Validate(every=3))
    assert result.stopped == "diverged"
    assert result.iterations == at_iteration
    assert np.array_equal(result.loss, [*range(1, at_iteration), loss], equal_nan=True)
    assert len(result.score) == len(result.seconds) == at_iteration
    assert result.validated == [i for i in (3, 6, 9) if i < at_iteration]


def test_losses_that_are_read_late_are_the_same(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = bench().run(Train(iterations=10), Validate(every=4))
    monkeypatch.setitem(training.READ_EVERY, "cpu", 50)
    assert bench().run(Train(iterations=10), Validate(every=4)).loss == at_once.loss


def test_seconds_of_iterations_leave_validation_out(bench: Callable[..., Bench]) -> None:
    at = bench([0.0] * 9)
    at.validation_pause = 0.05
    result = at.run(Train(iterations=4), Validate(every=1))
    assert result.validation_seconds >= 0.2
    assert result.seconds.sum() <= result.total_seconds - result.validation_seconds


@pytest.mark.slow
def test_a_budget_in_seconds_is_not_spent_by_validation(bench: Callable[..., Bench]) -> None:
    """Or a method that is slow to validate would train less than another on the same budget."""
    at = bench([0.0] * 1000)
    at.method.pause, at.validation_pause = 0.01, 0.05
    result = at.run(Train(seconds=0.1), Validate(every=1))
    assert result.total_seconds - result.validation_seconds >= 0.1


def test_progress_is_told_after_every_iteration(bench: Callable[..., Bench]) -> None:
    at = bench()
    at.run(Train(tasks=12, tasks_per_batch=4))
    assert at.progress == [(1, 3, 1.0), (2, 3, 2.0), (3, 3, 3.0)]
