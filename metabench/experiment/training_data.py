"""What the method of a fit is trained on: batches of the streams that it says it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from metabench.cells import Fit
from metabench.datasets.dataset import Dataset
from metabench.experiment.streams import EpisodeStream, ExampleStream
from metabench.methods.method import Method
from metabench.registry.promises import broken
from metabench.tasks.episodes import Episodes, EpisodeShape, Examples, Unlabelled, Want


class TrainingData:
    """What the method of a fit may train on: its `methods.method.Source`.

    Parameters
    ----------
    fit
        Says how large a batch is, and names the streams.
    method
        Gets what it declares to want, and nothing else.
    dataset
        Loaded.
    """

    def __init__(self, fit: Fit, method: Method, dataset: Dataset, device: torch.device) -> None:
        self._fit, self._method, self._dataset, self._device = fit, method, dataset, device

    def episodes(self) -> Callable[[int], Episodes]:
        """Batches of as many episodes as the recipe says."""
        self._allow("episodes")
        fit, tasks = self._fit, self._fit.train.tasks_per_batch
        stream = EpisodeStream(
            self._dataset,
            fit.dataset.identity(),
            "train",
            EpisodeShape.of(fit.train),
            root_seed=fit.root_seed,
            seed=fit.seed,
        )
        return lambda i: stream.episodes(i * tasks, tasks, self._device)

    def examples(self, views: int = 1) -> Callable[[int], Examples]:
        """Batches of as many examples as those episodes would hold."""
        return self._singles("examples", views)

    def unlabelled(self, views: int = 1) -> Callable[[int], Unlabelled]:
        """The same without their labels, in an order of their own."""
        batches = self._singles("unlabelled", views)
        return lambda i: Unlabelled(batches(i).x, views)

    def _singles(
        self, purpose: Literal["examples", "unlabelled"], views: int
    ) -> Callable[[int], Examples]:
        self._allow(purpose)
        if views > 1:
            self._allow("views")
        fit, shape = self._fit, EpisodeShape.of(self._fit.train)
        stream = ExampleStream(
            self._dataset,
            fit.dataset.identity(),
            root_seed=fit.root_seed,
            seed=fit.seed,
            purpose=purpose,
            views=views,
        )
        size = fit.train.tasks_per_batch * shape.examples
        return lambda i: stream.examples(i * size, size, self._device)

    def _allow(self, what: Want) -> None:
        if what not in self._method.wants:
            raise broken(self._method, "batches", f"asks for {what}, which `wants` does not say")
