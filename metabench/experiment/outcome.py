"""What a training and a test come to, in the shape of a record: `result`, which a re-run gives
again to the bit, and `measured`, which none does."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metabench.cells import TRANSDUCTIVE, Cell, Fit
from metabench.experiment.evaluation import Choice, Evaluation
from metabench.experiment.measure import typical, warm_up
from metabench.experiment.returned.methods import checked_candidates, checked_weights
from metabench.experiment.training_result import Training
from metabench.methods.method import Method, State
from metabench.metrics import Metric
from metabench.stats.intervals import t_interval
from metabench.tasks.episodes import EpisodeShape

VALIDATIONS = 50_000
"""Most points of the validation curve in the JSON."""

CURVE_BINS = 200
"""Points of the training curve in the JSON; every iteration is in the arrays."""


def result_of(
    cell: Cell,
    method: Method,
    state: State,
    training: Training,
    choice: Choice | None,
    tested: Evaluation | None,
    metric: Metric,
    *,
    higher_is_better: bool,
) -> dict[str, Any]:
    """The reproducible part. A fit that diverged, or a test with scores that are no numbers, scores
    what a guess would (regression: nothing).

    Parameters
    ----------
    metric
        That of the test.
    higher_is_better
        Which way validation goes.
    """
    fit, at = cell.fit, cell.evaluate
    result: dict[str, Any] = {
        "outcome": "diverged",
        "score": metric.chance(EpisodeShape.of(at).class_queries),
        "interval": None,
        "metrics": None,
        "episodes": at.episodes,
        "iterations": training.iterations,
        "stopped": training.stopped,
        "best_iteration": training.best_iteration,
        "validation": _thinned(training, higher_is_better),
        "training": _binned(training),
        "adaptation": None,
        "choice": _chosen(method, choice) if choice else None,
        "search": _search(method, choice) if choice else None,
        "spent": _spent(fit, method, training),
        "weights": {
            "trained": sum(p.numel() for p in state.parameters()) if method.trains else 0,
            "adapted": checked_weights(choice.method if choice else method, state, at.ways),
        },
        "transductive": at.batch_norm in TRANSDUCTIVE,
        "error": None,
    }
    if choice is None or tested is None:
        return result | {"error": _diverged(diverged_words(training))}
    finite = tested.finite(choice.point)
    if not finite.all():
        return result | {
            "error": _diverged(
                f"{(~finite).sum()} of {len(finite)} test episodes gave scores or losses that are "
                "no numbers"
            )
        }
    curve = tested.scores.mean(0)
    return result | {
        "outcome": "completed",
        "score": float(curve[choice.point]),
        "interval": _episode_interval(tested.scores[:, choice.point]),
        "metrics": {name: _summary(scores) for name, scores in tested.scoring.metrics.items()},
        "adaptation": {"steps": list(choice.method.curve), "score": curve.tolist()},
    }


def measured_of(fit: Fit, training: Training, tested: Evaluation | None) -> dict[str, Any]:
    """Times. The typical iteration is the median after the warm-up, drawing its episodes
    included; compiling counts to the whole fit, and not to its training."""
    iteration = typical(training.seconds, training.resumed)
    return {
        "seconds_per_iteration": iteration,
        "seconds_per_task": None if iteration is None else iteration / fit.train.tasks_per_batch,
        "seconds_per_episode": tested.seconds if tested else None,
        "training_seconds": training.total_seconds
        - training.validation_seconds
        - training.compile_seconds,
        "validation_seconds": training.validation_seconds,
        "test_seconds": tested.seconds * len(tested.scores) if tested else None,
        "warm_up_iterations": int(warm_up(training.iterations, training.resumed).sum()),
        "interruptions": len(training.resumed),
        **({"compile_seconds": training.compile_seconds} if training.compile_seconds else {}),
    }


def arrays_of(
    training: Training, choice: Choice | None, tested: Evaluation | None
) -> dict[str, np.ndarray]:
    """What is too long for the JSON: every iteration, every test episode, every query."""
    arrays: dict[str, np.ndarray] = {
        "result/train_loss": np.array(training.loss),
        "result/train_score": np.array(training.score),
        "measured/iteration_seconds": training.seconds,
    }
    if tested is None or choice is None:
        return arrays
    arrays |= {
        "result/scores": tested.scores[:, choice.point],
        "result/adaptation": tested.scores,
        "result/truth": tested.truth,
        "result/prediction": tested.prediction,
    }
    arrays |= {f"result/metrics/{name}": each for name, each in tested.scoring.metrics.items()}
    arrays |= {f"result/{name}": counts for name, counts in tested.scoring.counts.items()}
    if tested.confidence is not None:
        arrays["result/confidence"] = tested.confidence
    for part, name in {
        "support": "support_ids",
        "query": "query_ids",
        "classes": "classes",
    }.items():
        if part in tested.draw:
            arrays[f"result/{name}"] = tested.draw[part].astype(np.int32)
    return arrays | {f"figures/{name}": values for name, values in tested.figures.items()}


def _spent(fit: Fit, method: Method, training: Training) -> dict[str, int]:
    """What training took. A method that trains on single examples meets no tasks, and takes its
    gradients of a whole batch of them. Views of an image are one image."""
    tasks = training.iterations * fit.train.tasks_per_batch
    in_tasks = "episodes" in method.wants
    images = tasks * EpisodeShape.of(fit.train).examples if tasks else 0
    return {
        "tasks": tasks if in_tasks else 0,
        "images": images * len(method.wants & {"episodes", "examples", "unlabelled"}),
        "gradient_evaluations": (tasks if in_tasks else training.iterations)
        * method.gradients_per_task,
    }


def _summary(scores: np.ndarray) -> dict[str, Any]:
    """Mean of a metric over the episodes, with its interval; nothing where it is not defined in
    some."""
    if not np.isfinite(scores).all():
        return {"mean": None, "interval": None}
    return {"mean": float(scores.mean()), "interval": _episode_interval(scores)}


def _episode_interval(scores: np.ndarray) -> list[float] | None:
    """95 % t interval over the episodes of this one model: what the literature's ± mostly is."""
    interval = t_interval(scores.tolist()).interval
    return list(interval) if interval else None


def _binned(training: Training) -> dict[str, list[float]]:
    """Mean loss and score over at most `CURVE_BINS` equal spans of iterations, each named by its
    last."""
    ends = np.unique(
        np.linspace(0, training.iterations, min(CURVE_BINS, training.iterations) + 1).astype(int)
    )[1:]
    starts = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    spans = list(zip(starts, ends, strict=True))
    return {
        "iteration": ends.tolist(),
        "loss": [float(np.mean(training.loss[a:b])) for a, b in spans],
        "score": [float(np.mean(training.score[a:b])) for a, b in spans],
    }


def _thinned(training: Training, higher_is_better: bool) -> dict[str, list[Any]]:
    """The validation curve; of more points than a record can hold, so many of them, the first and
    the last included, and every one that is the best so far: the first to reach a target is."""
    count = len(training.validated)
    even = np.linspace(0, count - 1, min(count, VALIDATIONS)).astype(int)
    kept = np.unique(np.concatenate((even, _improvements(training, higher_is_better)))).tolist()
    curves: dict[str, list[Any]] = {
        "iteration": training.validated,
        "score": training.validation_score,
        "loss": training.validation_loss,
    }
    return {name: [curve[place] for place in kept] for name, curve in curves.items()}


def _improvements(training: Training, higher_is_better: bool) -> NDArray[np.int64]:
    """Places in the validation curve at which the score is better than at all before."""
    scores, losses = np.array(training.validation_score), np.array(training.validation_loss)
    sign = 1.0 if higher_is_better else -1.0
    heights = np.where(np.isfinite(scores) & np.isfinite(losses), sign * scores, -np.inf)
    best = np.maximum.accumulate(np.concatenate(([-np.inf], heights)))
    return np.flatnonzero(best[1:] > best[:-1])


def _chosen(method: Method, choice: Choice) -> dict[str, Any] | None:
    """What validation chose for this cell: the number of steps, and settings other than the
    algorithm's own. None where nothing was open."""
    if choice.method is method and not method.chooses_step:
        return None
    changed = {
        key: value
        for key, value in _settings_of(choice.method).items()
        if value != getattr(method.settings, key)
    }
    return {
        "step": choice.method.curve[choice.point],
        "settings": changed,
        "validation_score": choice.score,
    }


def _search(method: Method, choice: Choice) -> dict[str, Any] | None:
    """How many settings were tried, and which of the chosen ones are the least or the greatest of
    those tried, so that a better one may lie beyond. None where nothing was open."""
    candidates = [_settings_of(candidate) for candidate in checked_candidates(method)]
    if len(candidates) == 1 and not method.chooses_step:
        return None
    chosen, curve = _settings_of(choice.method), choice.method.curve
    edges = [
        key
        for key in chosen
        if _is_edge(_number(chosen[key]), {_number(settings[key]) for settings in candidates})
    ]
    if method.chooses_step and curve[choice.point] > 0:  # fewer than none there are not
        edges += ["steps"] if _is_edge(curve[choice.point], set(curve)) else []
    trials = len(candidates) * (len(curve) if method.chooses_step else 1)
    return {"trials": trials, "at_edge": edges}


def _is_edge(chosen: float | None, tried: set[Any]) -> bool:
    """Whether a number is the first or the last of several; what is no number has no order."""
    return len(tried) > 1 and None not in tried and chosen in (min(tried), max(tried))


def _number(value: Any) -> float | None:
    """A setting as a number: one of a tuple of one too, as candidates have theirs."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _settings_of(method: Method) -> dict[str, Any]:
    return {
        field.name: getattr(method.settings, field.name)
        for field in dataclasses.fields(method.settings)
    }


def _diverged(message: str) -> dict[str, Any]:
    return {"type": "Diverged", "message": message, "traceback": None}


def diverged_words(training: Training) -> str:
    """How a training diverged."""
    last = training.loss[-1] if training.loss else math.nan
    loss = "not a number" if math.isnan(last) else "infinite"
    return f"the training loss was {loss} at iteration {training.iterations}"
