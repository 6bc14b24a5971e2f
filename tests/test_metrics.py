"""Metrics against scikit-learn, answers worked out by hand, and what must not move them."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import Tensor

from metabench.metrics import (
    CALIBRATION_BINS,
    METRICS,
    MetricName,
    calibration_sums,
    named_metric,
    roc_counts,
)

CLASSIFICATION = [name for name, metric in METRICS.items() if metric.kind == "classification"]
UNBALANCED = (7, 2, 1)


def noise(
    queries: tuple[int, ...] = (4, 4, 4), *, seed: int = 0, episodes: int = 6, coarse: bool = False
) -> tuple[Tensor, Tensor]:
    """Scores ``[E, 2, M, C]`` that lean towards the truth, and labels ``[E, M]`` in any order;
    `coarse` ones have many ties."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(queries)).repeat_interleave(torch.tensor(queries))
    labels = torch.stack(
        [labels[torch.randperm(len(labels), generator=rng)] for _ in range(episodes)]
    )
    scores = torch.randn(episodes, 2, labels.shape[1], len(queries), generator=rng)
    scores = 2 * scores + torch.nn.functional.one_hot(labels).unsqueeze(1)
    return (scores.round() if coarse else scores), labels


def of(name: str, scores: Tensor, truth: Tensor) -> Tensor:
    return METRICS[name].per_episode(scores, truth)


def calibration_error(probability: np.ndarray, labels: np.ndarray) -> float:
    """As Guo et al. 2017 define it, query by query."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(probability, labels, strict=True):
        place = math.ceil(row.max() * 15) - 1
        bins.setdefault(place, []).append((row.max(), row.argmax() == label))
    return sum(
        abs(sum(right for _, right in members) - sum(confidence for confidence, _ in members))
        for members in bins.values()
    ) / len(labels)


REFERENCES = {
    "accuracy": lambda p, y: reference.accuracy_score(y, p.argmax(1)),
    "macro_f1": lambda p, y: reference.f1_score(y, p.argmax(1), average="macro"),
    "roc_auc": lambda p, y: reference.roc_auc_score(y, p, multi_class="ovr"),
    "log_loss": lambda p, y: reference.log_loss(y, p, labels=range(p.shape[1])),
    "brier_score": lambda p, y: ((p - np.eye(p.shape[1])[y]) ** 2).sum(1).mean(),
    "expected_calibration_error": calibration_error,
}


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("queries", [(4, 4, 4), UNBALANCED, (15,) * 5])
@pytest.mark.parametrize("coarse", [False, True], ids=["scores", "tied scores"])
def test_every_episode_and_point_agrees_with_a_reference(
    name: str, queries: tuple[int, ...], coarse: bool
) -> None:
    scores, labels = noise(queries, coarse=coarse)
    got = of(name, scores, labels)
    assert got.shape == scores.shape[:2]
    assert got.dtype == torch.float64
    for episode, point in np.ndindex(*got.shape):
        probability = scores[episode, point].double().softmax(-1).numpy()
        wanted = REFERENCES[name](probability, labels[episode].numpy())
        assert got[episode, point].item() == pytest.approx(wanted, abs=1e-12)


def test_the_brier_score_of_two_classes_is_twice_that_of_one() -> None:
    scores, labels = noise((5, 3))
    for episode in range(len(labels)):
        probability = scores[episode, 0].double().softmax(-1)[:, 1].numpy()
        half = reference.brier_score_loss(labels[episode].numpy(), probability)
        assert of("brier_score", scores, labels)[episode, 0].item() == pytest.approx(2 * half)


@pytest.mark.parametrize("name", ["mse", "mae"])
def test_errors_of_regression_agree_with_a_reference(name: str) -> None:
    rng = torch.Generator().manual_seed(1)
    scores, values = torch.randn(4, 3, 6, 2, generator=rng), torch.randn(4, 6, 2, generator=rng)
    error = {"mse": reference.mean_squared_error, "mae": reference.mean_absolute_error}[name]
    got = of(name, scores, values)
    assert got.dtype == torch.float64
    for episode, point in np.ndindex(*got.shape):
        wanted = error(values[episode].numpy(), scores[episode, point].numpy())
        assert got[episode, point].item() == pytest.approx(wanted, rel=1e-6)


def logits(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()[None, None]


HAND = {
    # a class has (.9, .4) against (.2, .4): of four pairs three are the right way round, one tied
    "roc_auc": 0.875,
    # right, tied (so called the first), wrong, right
    "accuracy": 0.5,
    "log_loss": -(math.log(0.9) + math.log(0.4) + math.log(0.8) + math.log(0.6)) / 4,
    "brier_score": (2 * 0.01 + 2 * 0.36 + 2 * 0.04 + 2 * 0.16) / 4,
}


def test_four_queries_by_hand() -> None:
    scores = logits((0.9, 0.1), (0.4, 0.6), (0.2, 0.8), (0.4, 0.6))
    labels = torch.tensor([[0, 0, 1, 1]])
    assert of("accuracy", scores, labels).item() == 0.75
    assert of("roc_auc", scores, labels).item() == pytest.approx(HAND["roc_auc"])
    assert of("log_loss", scores, labels).item() == pytest.approx(HAND["log_loss"])
    assert of("brier_score", scores, labels).item() == pytest.approx(HAND["brier_score"])
    # class 0: one of two found, nothing else taken for it (2/3); class 1: 2 * 2 / (2 * 2 + 1)
    assert of("macro_f1", scores, labels).item() == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_a_calibration_error_by_hand() -> None:
    """Nine tenths sure of four of which three are right, and a bin apart six tenths sure of one
    that is wrong."""
    scores = logits(*[(0.9, 0.1)] * 4, (0.4, 0.6))
    labels = torch.tensor([[0, 0, 0, 1, 0]])
    wanted = (4 * abs(0.75 - 0.9) + 0.6) / 5
    assert of("expected_calibration_error", scores, labels).item() == pytest.approx(wanted)


def test_who_is_sure_and_right_is_at_the_good_end_and_who_is_sure_and_wrong_at_the_bad() -> None:
    labels = torch.tensor([[0, 1, 2, 0, 1, 2]])
    right = 200 * torch.nn.functional.one_hot(labels).float().unsqueeze(1)
    best = {name: of(name, right, labels).item() for name in CLASSIFICATION}
    worst = {name: of(name, -right, labels).item() for name in CLASSIFICATION}
    for name in CLASSIFICATION:
        good = float(METRICS[name].higher_is_better)
        assert best[name] == pytest.approx(good, abs=1e-12), name
    assert worst["accuracy"] == worst["macro_f1"] == worst["roc_auc"] == 0
    assert worst["log_loss"] == pytest.approx(200 + math.log(2))
    assert worst["brier_score"] == pytest.approx(1.5)
    assert worst["expected_calibration_error"] == pytest.approx(0.5)


some_noise = st.builds(
    noise,
    st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple),
    seed=st.integers(0, 999),
    episodes=st.just(2),
    coarse=st.booleans(),
)
LARGEST = {"log_loss": math.inf, "brier_score": 2.0}


@pytest.mark.slow
@given(data=some_noise)
def test_every_metric_stays_on_its_scale(data: tuple[Tensor, Tensor]) -> None:
    for name in CLASSIFICATION:
        found = of(name, *data)
        assert (found >= 0).all(), name
        assert (found <= LARGEST.get(name, 1.0) + 1e-12).all(), name


@pytest.mark.slow
@given(data=some_noise, seed=st.integers(0, 99))
def test_the_order_of_queries_and_the_numbers_of_classes_move_nothing(
    data: tuple[Tensor, Tensor], seed: int
) -> None:
    scores, labels = data
    rng = torch.Generator().manual_seed(seed)
    queries = torch.randperm(labels.shape[1], generator=rng)
    classes = torch.randperm(scores.shape[-1], generator=rng)
    turned = scores[:, :, queries][..., classes]
    renamed = classes.argsort()[labels[:, queries]]
    tied = bool((scores == scores.round()).all())
    for name in CLASSIFICATION:
        if tied and name not in ("log_loss", "brier_score"):
            continue  # of equal ones the first is taken, and rounding of a sum may part others
        before, after = of(name, scores, labels), of(name, turned, renamed)
        assert torch.allclose(before, after, rtol=1e-12, atol=1e-12), name


@pytest.mark.slow
@given(data=some_noise, power=st.sampled_from([0.5, 2.0, 3.0]))
def test_the_area_under_the_curve_knows_ranks_alone(
    data: tuple[Tensor, Tensor], power: float
) -> None:
    """For two classes a rising function of their probability is any factor on the scores."""
    scores, labels = data[0][..., :2].double(), (data[1] > 0).long()
    before, after = of("roc_auc", scores, labels), of("roc_auc", scores * power, labels)
    assert torch.allclose(before, after)
    assert torch.allclose(before, of("roc_auc", -scores, 1 - labels))


@pytest.mark.slow
@given(data=some_noise)
def test_a_shift_of_all_scores_of_a_query_moves_nothing(data: tuple[Tensor, Tensor]) -> None:
    scores, labels = data[0].double(), data[1]
    for name in CLASSIFICATION:
        assert torch.allclose(of(name, scores, labels), of(name, scores + 8, labels)), name


@pytest.mark.slow
@pytest.mark.parametrize("queries", [(15,) * 5, (45, 5), UNBALANCED, (1, 1)])
def test_chance_is_what_guesses_score(queries: tuple[int, ...]) -> None:
    """Random labels for what goes by labels and ranks, equal probabilities for the others."""
    guessed, labels = noise(queries, episodes=20_000)
    guessed = torch.rand(guessed.shape, generator=torch.Generator().manual_seed(3))
    for name in ("accuracy", "macro_f1", "roc_auc"):
        scores = of(name, guessed, labels)[:, 0]
        error = scores.std() / math.sqrt(len(scores))
        assert METRICS[name].chance(queries) == pytest.approx(
            scores.mean().item(), abs=4 * error.item()
        ), name
    for name in ("log_loss", "brier_score", "roc_auc"):
        scores = of(name, torch.zeros_like(guessed[:3]), labels[:3])
        assert METRICS[name].chance(queries) == pytest.approx(scores[0, 0].item()), name


def test_chance_of_many_queries_takes_no_time_and_comes_to_its_limit() -> None:
    """With ever more queries precision is the share of the class, and recall one in N."""
    assert METRICS["macro_f1"].chance((10_000,) * 20) == pytest.approx(1 / 20, rel=1e-3)


@pytest.mark.parametrize("name", METRICS)
def test_there_is_no_chance_in_regression(name: str) -> None:
    assert METRICS[name].chance(()) is None


def test_a_class_without_queries_is_left_out() -> None:
    scores, labels = noise((4, 3))
    padded = torch.cat((scores, torch.full_like(scores[..., :1], -1e4)), -1)
    for name in CLASSIFICATION:
        assert torch.allclose(of(name, padded, labels), of(name, scores, labels)), name
    alone = of("roc_auc", scores, torch.zeros_like(labels))
    assert alone.isnan().all()  # nothing to tell apart


def test_scores_that_are_no_numbers_stop_nothing() -> None:
    scores, labels = noise()
    scores[:, :, 0] = math.nan
    for name in CLASSIFICATION:
        assert of(name, scores, labels).shape == scores.shape[:2]
    assert roc_counts(scores[:, 0], labels).sum() == labels.numel() * 3


def test_reliability_sums_give_the_calibration_error_of_all_queries_together() -> None:
    scores, labels = noise(UNBALANCED, episodes=50)
    count, confidence, correct = calibration_sums(scores, labels)[:, 0].sum(0)
    assert count.sum() == labels.numel()
    probability = scores[:, 0].double().softmax(-1).flatten(0, 1)
    assert correct.sum() == (probability.argmax(-1) == labels.flatten()).sum()
    inside = count > 0
    mean = confidence[inside] / count[inside]
    edges = torch.arange(CALIBRATION_BINS + 1) / CALIBRATION_BINS
    assert (mean > edges[:-1][inside]).all()
    assert (mean <= edges[1:][inside] + 1e-12).all()
    wanted = calibration_error(probability.numpy(), labels.flatten().numpy())
    assert ((confidence - correct).abs().sum() / count.sum()).item() == pytest.approx(wanted)


def test_a_curve_drawn_from_counts_has_the_area_of_the_whole() -> None:
    scores, labels = noise((15,) * 5, episodes=40)
    hits, others = roc_counts(scores[:, 0], labels)
    assert hits.sum() == labels.numel()
    assert others.sum() == 4 * labels.numel()
    true_rate, false_rate = (
        np.concatenate(([0], (counts.flip(0).cumsum(0) / counts.sum()).numpy()))
        for counts in (hits, others)
    )
    exact = reference.roc_auc_score(
        torch.nn.functional.one_hot(labels).flatten().numpy(),
        scores[:, 0].double().softmax(-1).flatten().numpy(),
    )
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(exact, abs=2e-3)


def test_names_for_annotations_are_those_of_the_table() -> None:
    assert get_args(MetricName) == tuple(METRICS)
    assert all(named_metric(name) is metric for name, metric in METRICS.items())
    assert named_metric(METRICS["mse"]) is METRICS["mse"]


def test_names_and_units_need_no_torch() -> None:
    code = "import sys, metabench.metrics; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
