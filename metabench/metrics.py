"""Metrics: what the scores of an episode's queries come to.

`METRICS` is the one table of them, by name. Each is a pure function of scores ``[E, P, N*Q, C]``
(E episodes, P points of the adaptation curve, C one score a class or one dimension of the value)
and of the truth, labels ``[E, N*Q]`` or values ``[E, Q, C]``; it gives ``[E, P]`` float64, on the
device of the scores, and to the bit the same each time. Probabilities are the softmax of scores.

Coefficients of determination are not among them: over the few queries of one episode R² has no
lower end, and tasks of small amplitude would settle its mean.

Importing this module imports no torch: names and units are wanted where none is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["classification", "regression"]
MetricName = Literal[
    "accuracy",
    "macro_f1",
    "roc_auc",
    "log_loss",
    "brier_score",
    "expected_calibration_error",
    "mse",
    "mae",
]
"""The names in `METRICS`, for annotations."""

CALIBRATION_BINS = 15
ROC_BINS = 100
ROC_BIN_WIDTH = 0.25
"""Of `roc_counts`: in log-odds, for probabilities crowd at 0 and 1. Together they span ±12.5
(probabilities from 4e-6 to 1 - 4e-6); the outermost bins hold what is beyond."""


@dataclass(frozen=True)
class Metric:
    """How episodes are scored. A dataset names one of `METRICS`, or brings its own.

    Attributes
    ----------
    name
        What tables and reports call it.
    unit
        Unit of the score as stored; ``fraction`` (0 ... 1) is shown in percent.
    higher_is_better
        Direction.
    kind
        Kind of task that it is for.
    per_episode
        Scores ``[E, P, N*Q, C]`` and truth (``query_y`` of `Episodes`) to ``[E, P]`` float64.
    guess
        Number of queries of each class, ``[N]``, to the expected score of a guess; None where
        there is no such number.
    source
        Where the definition comes from.
    """

    name: str
    unit: str
    higher_is_better: bool
    kind: Kind
    per_episode: Callable[[Tensor, Tensor], Tensor]
    guess: Callable[[Sequence[int]], float] | None = None
    source: str = ""

    def chance(self, queries: Sequence[int]) -> float | None:
        """Expected score of a guess at an episode with so many queries of each class (none for
        regression).

        A guess is a label for each query, any as likely as any other; as probabilities, all equal.
        Which class has how many queries is drawn anew in each episode, so knowing the numbers
        helps no guess.
        """
        return self.guess(queries) if self.guess is not None and queries else None


def named_metric(metric: str | Metric) -> Metric:
    """The metric of this name, or the one that somebody brings along."""
    return metric if isinstance(metric, Metric) else METRICS[metric]


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Share of queries whose class has the highest score, the first of equal ones."""
    return (scores.argmax(-1) == labels.unsqueeze(1)).double().mean(-1)


def macro_f1(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean over classes of the harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); over
    those classes that occur in truth or prediction."""
    predicted = _one_hot(scores.argmax(-1), scores.shape[-1])
    true = _one_hot(labels, scores.shape[-1]).unsqueeze(1)
    hits = (predicted & true).sum(-2).double()
    met = predicted.sum(-2) + true.sum(-2)
    return (2 * hits / met.clamp(min=1)).sum(-1) / (met > 0).sum(-1)


def roc_auc(scores: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve, one class against the rest, averaged over classes.

    For each class the chance that a query of it has a higher probability of being one than a query
    of any other has, ties counting half: Mann-Whitney's U from midranks. Classes without queries,
    or without others beside them, are left out.
    """
    probability = scores.double().softmax(-1).transpose(-1, -2).contiguous()
    positive = _one_hot(labels, scores.shape[-1]).transpose(-1, -2).unsqueeze(1)
    positives = positive.sum(-1)
    ordered, order = probability.sort(-1)
    hits = positive.expand_as(order).gather(-1, order)
    ranks = (_midranks(ordered) * hits).sum(-1)
    pairs = positives * (labels.shape[-1] - positives)
    area = (ranks - positives * (positives + 1) / 2) / pairs.clamp(min=1)
    return (area * (pairs > 0)).sum(-1) / (pairs > 0).sum(-1)


def _midranks(ordered: Tensor) -> Tensor:
    """Ranks from 1 of values in rising order along the last axis; equal ones share the mean of
    theirs."""
    size = ordered.shape[-1]
    change = ordered.diff(dim=-1) != 0
    place = change.new_ones(ordered.shape).cumsum(-1)  # 1 ... size
    first = place.clone()
    first[..., 1:] *= change
    last = place.clone()
    last[..., :-1] = last[..., :-1].where(change, size)
    return (first.cummax(-1).values + last.flip(-1).cummin(-1).values.flip(-1)).double() / 2


def log_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean negative logarithm of the probability of the true class."""
    log_probability = scores.double().log_softmax(-1)
    true = labels.unsqueeze(1).unsqueeze(-1).expand(*scores.shape[:-1], 1)
    return -log_probability.gather(-1, true).squeeze(-1).mean(-1)


def brier_score(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean squared distance of the probabilities from the truth, summed over classes: 0 ... 2."""
    true = _one_hot(labels, scores.shape[-1]).unsqueeze(1)
    return (scores.double().softmax(-1) - true.double()).square().sum(-1).mean(-1)


def expected_calibration_error(scores: Tensor, labels: Tensor) -> Tensor:
    """Distance of confidence from accuracy, within 15 equal bins of confidence, weighted by how
    many queries each holds; of the predicted class alone (top-label).

    Of the few queries of an episode it is biased upwards (by noise within the bins): compare
    methods by it on episodes of one size. Sums over all episodes are in `reliability`.
    """
    _, confidence, correct = calibration_sums(scores, labels).unbind(-2)
    return (confidence - correct).abs().sum(-1) / labels.shape[-1]


def mse(scores: Tensor, values: Tensor) -> Tensor:
    """Mean squared error."""
    return (scores.double() - values.double().unsqueeze(1)).square().mean((-1, -2))


def mae(scores: Tensor, values: Tensor) -> Tensor:
    """Mean absolute error."""
    return (scores.double() - values.double().unsqueeze(1)).abs().mean((-1, -2))


def calibration_sums(scores: Tensor, labels: Tensor) -> Tensor:
    """How many queries fall into each bin of confidence ((m - 1) / 15, m / 15], the sum of their
    confidences, and how many of them are right.

    Returns
    -------
    Tensor
        ``[E, P, 3, 15]`` float64.
    """
    import torch

    probability = scores.double().softmax(-1)
    predicted = scores.argmax(-1, keepdim=True)
    confidence = probability.gather(-1, predicted).squeeze(-1)
    correct = (predicted.squeeze(-1) == labels.unsqueeze(1)).double()
    place = (confidence.nan_to_num() * CALIBRATION_BINS).ceil().long() - 1
    within = _one_hot(place.clamp(0, CALIBRATION_BINS - 1), CALIBRATION_BINS).double()
    summed = torch.stack((torch.ones_like(confidence), confidence, correct), -2)
    return summed @ within


def roc_counts(scores: Tensor, labels: Tensor) -> Tensor:
    """How many pairs of a query and a class belong together and how many do not, by the log-odds of
    the class's probability.

    A ROC curve of one class against the rest, pooled over classes and episodes, is drawn from it.

    Parameters
    ----------
    scores
        ``[E, N*Q, C]``, at one point of the curve.
    labels
        ``[E, N*Q]``.

    Returns
    -------
    Tensor
        ``[2, 100]`` int64: those that belong together, and the others, from the lowest
        probabilities to the highest.
    """
    odds = scores.double().softmax(-1).logit().nan_to_num(0.0)
    place = (odds / ROC_BIN_WIDTH).floor().clamp(-ROC_BINS // 2, ROC_BINS // 2 - 1).long()
    apart = ~_one_hot(labels, scores.shape[-1])
    code = place + ROC_BINS // 2 + ROC_BINS * apart
    return code.flatten().bincount(minlength=2 * ROC_BINS).view(2, ROC_BINS)


def _one_hot(index: Tensor, size: int) -> Tensor:
    """``[...]`` numbers to ``[..., size]``: True at the place of each."""
    return index.unsqueeze(-1) == index.new_tensor(range(size))


def _guessed_f1(queries: Sequence[int]) -> float:
    """Expected macro F1 of labels drawn at random.

    A query of a class is guessed right in one of N cases; F1 of the class is the sum of
    2 / (queries + guesses of it) over those that are, and of the other queries a binomial number
    is guessed to be of the class too.
    """
    ways, others = len(queries), sum(queries) - 1
    mean, reach = others / ways, 40 + 12 * math.sqrt(others / ways)  # beyond lies nothing
    low, high = max(0, int(mean - reach)), min(others, int(mean + reach))
    probability = {
        guessed: math.exp(
            math.lgamma(others + 1)
            - math.lgamma(guessed + 1)
            - math.lgamma(others - guessed + 1)
            - guessed * math.log(ways)
            + (others - guessed) * math.log1p(-1 / ways)
        )
        for guessed in range(low, high + 1)
    }
    f1 = {
        own: 2 * own / ways * math.fsum(p / (own + 1 + k) for k, p in probability.items())
        for own in set(queries)
    }
    return math.fsum(f1[own] for own in queries) / ways


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "fraction",
            True,
            "classification",
            accuracy,
            lambda queries: 1 / len(queries),
        ),
        Metric(
            "macro_f1",
            "fraction",
            True,
            "classification",
            macro_f1,
            _guessed_f1,
            "van Rijsbergen 1979, Information Retrieval, chapter 7; averaged over classes",
        ),
        Metric(
            "roc_auc",
            "fraction",
            True,
            "classification",
            roc_auc,
            lambda queries: 0.5,
            "Provost and Domingos 2001; Fawcett 2006, doi 10.1016/j.patrec.2005.10.010",
        ),
        Metric(
            "log_loss",
            "nats",
            False,
            "classification",
            log_loss,
            lambda queries: math.log(len(queries)),
            "Good 1952, Rational decisions",
        ),
        Metric(
            "brier_score",
            "squared probability",
            False,
            "classification",
            brier_score,
            lambda queries: 1 - 1 / len(queries),
            "Brier 1950, Verification of forecasts expressed in terms of probability",
        ),
        Metric(
            "expected_calibration_error",
            "fraction",
            False,
            "classification",
            expected_calibration_error,
            None,
            "Guo et al. 2017, arXiv 1706.04599, equation 3",
        ),
        Metric("mse", "squared units of y", False, "regression", mse),
        Metric("mae", "units of y", False, "regression", mae),
    )
}
"""Every metric by name, in the order in which they are shown."""
