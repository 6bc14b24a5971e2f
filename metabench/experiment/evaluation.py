"""Test and validation episodes to scores: every number that says how good a method is passes
through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.experiment.predictions import EvaluationSet, predict_episodes
from metabench.experiment.returned.both import checked_arrays, checked_figure
from metabench.experiment.returned.datasets import checked_gathered, checked_metric
from metabench.experiment.returned.methods import checked_candidates, checked_scores
from metabench.experiment.scoring import Scores, Scoring
from metabench.methods.method import Method, State, task_losses
from metabench.tasks.episodes import Draw

INSIDE = 8
"""Test episodes whose support sets a method keeps something of itself for."""


@dataclass(frozen=True)
class Evaluation:
    """What a method made of E episodes.

    Attributes
    ----------
    scores, losses
        ``[E, P]`` float64, after each number of steps in the method's curve.
    truth, prediction
        ``[E, N*Q]`` labels (``[E, Q]`` values) at the step that counts.
    confidence
        ``[E, N*Q]`` float32, probability of the predicted class; None for regression.
    draw
        The episodes as drawn.
    figures
        What is kept for figures and to read the numbers by, by name.
    seconds
        Per episode, data included; without what `scoring` took.
    scoring
        Every metric at the step that counts, where it was asked for.
    """

    scores: NDArray[np.float64]
    losses: NDArray[np.float64]
    truth: NDArray[np.generic]
    prediction: NDArray[np.generic]
    confidence: NDArray[np.float32] | None
    draw: Draw
    seconds: float
    figures: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    scoring: Scoring = field(default_factory=Scoring)

    def finite(self, point: int) -> NDArray[np.bool_]:
        """Which episodes, ``[E]``, have a score and a loss that are numbers at this point of the
        curve."""
        return np.isfinite(self.scores[:, point]) & np.isfinite(self.losses[:, point])


@dataclass(frozen=True)
class Choice:
    """What validation settled: the method under the setting that did best, and the index in its
    curve of the step that counts.

    `score` and `loss` are the mean validation score and loss there.
    """

    method: Method
    point: int
    score: float
    loss: float


def evaluate(
    method: Method,
    state: State,
    on: EvaluationSet,
    *,
    point: int,
    every_metric: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Score a method.

    Parameters
    ----------
    point
        Index in the method's curve of the step that counts, whose predictions are kept.
    every_metric
        Whether to score those by every metric for the kind of task.
    progress
        Takes how many episodes are done.
    """
    started, scoring = time.perf_counter(), 0.0
    dataset, primary = on.stream.dataset, on.scored_by
    further = Scores(dataset.kind) if every_metric else None
    scores, losses, truths, predictions, confidences = [], [], [], [], []
    done = 0
    for predicted, query_y in predict_episodes(method, state, on):
        per_episode = primary.per_episode(predicted, query_y)
        scores.append(checked_metric(dataset, per_episode, predicted.shape[:2]).cpu())
        at_points = [task_losses(each, query_y) for each in predicted.unbind(1)]
        losses.append(torch.stack(at_points, 1).double().cpu())
        at_point = predicted[:, point]
        prediction, truth, confidence = _answers(at_point, query_y)
        predictions.append(prediction.cpu())
        truths.append(truth.cpu())
        confidences += [] if confidence is None else [confidence.cpu()]
        if further is not None:
            before = time.perf_counter()
            further.add(at_point, query_y)
            scoring += time.perf_counter() - before
        done += len(query_y)
        progress(done)
    return Evaluation(
        scores=torch.cat(scores).numpy(),
        losses=torch.cat(losses).numpy(),
        truth=torch.cat(truths).numpy(),
        prediction=torch.cat(predictions).numpy(),
        confidence=torch.cat(confidences).numpy() if confidences else None,
        draw=on.stream.draw(0, on.episodes),
        seconds=(time.perf_counter() - started - scoring) / on.episodes,
        scoring=further.all() if further is not None else Scoring(),
    )


def _answers(scores: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Predictions and truths, ``[e, N*Q]`` each, from scores ``[e, N*Q, C]``; and, of labels, the
    probabilities of those that are predicted."""
    if y.is_floating_point():
        return scores.flatten(1), y.flatten(1), None
    label = scores.argmax(-1, keepdim=True)
    confidence = scores.softmax(-1).gather(-1, label).squeeze(-1)
    return label.squeeze(-1).to(torch.int32), y.to(torch.int32), confidence


def figures_of(method: Method, state: State, on: EvaluationSet) -> dict[str, NDArray[np.generic]]:
    """Return what is kept of the test to be looked at, as ``FIGURE/PART``: for the figures that the
    dataset and the method name, predictions for a few of the episodes, after each number of steps;
    and what the method keeps of itself."""
    kept: dict[str, NDArray[np.generic]] = {}
    dataset = on.stream.dataset
    for owner in (dataset, method):
        figure = checked_figure(owner, owner.figure())
        if figure is None:
            continue
        wanted = checked_arrays(owner, "figure", figure.select(on.stream.draw(0, on.episodes)))
        # not `checked_episodes`: they may have more queries than those of the stream
        shown = checked_gathered(dataset, dataset.gather(wanted, on.device))
        outputs = on.stream.shape.ways or shown.query_y.shape[-1]
        expected = (len(shown), len(method.curve), shown.query_y.shape[1], outputs)
        predicted = method.predict(
            state, shown.support_x, shown.support_y, shown.query_x, on.batch_norm
        )
        checked_scores(method, "predict", predicted, expected, shown.query_y.device)
        arrays = checked_arrays(owner, "figure", figure.keep(shown, predicted))
        kept |= {f"{figure.name}/{part}": array for part, array in arrays.items()}
    first = {name: values[:INSIDE] for name, values in on.stream.draw(0, on.episodes).items()}
    seen = checked_gathered(dataset, dataset.gather(first, on.device))
    inside = method.inside(state, seen.support_x, seen.support_y, on.batch_norm)
    return kept | checked_arrays(method, "inside", inside)


def choose(method: Method, state: State, on: EvaluationSet) -> Choice:
    """Settle on validation episodes what a method leaves open: its setting among `candidates`, and
    the number of steps. Ties go to the first."""
    sign = 1.0 if on.scored_by.higher_is_better else -1.0
    best, best_value = None, -np.inf
    for candidate in checked_candidates(method):
        fixed = candidate.curve.index(candidate.test_steps)
        result = evaluate(candidate, state, on, point=fixed)
        scores, losses = result.scores.mean(0), result.losses.mean(0)
        usable = np.where(np.isfinite(scores) & np.isfinite(losses), sign * scores, -np.inf)
        point = int(usable.argmax()) if candidate.chooses_step else fixed
        if best is None or usable[point] > best_value:
            best_value = usable[point]
            best = Choice(candidate, point, float(scores[point]), float(losses[point]))
    assert best is not None
    return best
