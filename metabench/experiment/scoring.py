"""All that the predictions of a test come to, at the step that counts: every metric for the kind of
task, and the counts that ROC curves and reliability diagrams are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.metrics import METRICS, Kind, calibration_sums, roc_counts


@dataclass(frozen=True)
class Scoring:
    """What predictions come to.

    Attributes
    ----------
    metrics
        ``[E]`` float64 by name (see `METRICS`).
    counts
        Of classification, summed over episodes: ``roc_counts`` ``[2, 100]`` int64 and
        ``reliability`` ``[3, 15]`` float64 (see `metabench.metrics`); 2 kB together.
    """

    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    counts: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


class Scores:
    """Scores the predictions of a test a few episodes at a time.

    Parameters
    ----------
    kind
        Of the task.
    """

    def __init__(self, kind: Kind) -> None:
        self._metrics = {name: metric for name, metric in METRICS.items() if metric.kind == kind}
        self._found: dict[str, list[Tensor]] = {name: [] for name in self._metrics}
        self._counts: dict[str, Tensor] = {}

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """Take the predictions ``[e, N*Q, C]`` for some episodes, and the truth about them."""
        for name, metric in self._metrics.items():
            score = metric.per_episode(predicted.unsqueeze(1), truth).squeeze(1)
            self._found[name].append(score.cpu())
        if not truth.is_floating_point():
            sums = calibration_sums(predicted.unsqueeze(1), truth).sum((0, 1))
            for name, counts in (
                ("roc_counts", roc_counts(predicted, truth)),
                ("reliability", sums),
            ):
                before = self._counts.get(name)
                self._counts[name] = counts if before is None else before + counts

    def all(self) -> Scoring:
        """What has been scored so far."""
        return Scoring(
            {name: torch.cat(parts).numpy() for name, parts in self._found.items()},
            {name: counts.cpu().numpy() for name, counts in self._counts.items()},
        )
