"""A dataset of one's own: straight lines, to be told from a few of their points."""

from dataclasses import dataclass

import numpy as np
import torch

from metabench.plugins import Dataset, Draw, Episodes, EpisodeShape, Split, Task


class Lines(Dataset):
    """Regression of y = slope x + offset, slope and offset drawn anew for each task."""

    kind = "regression"
    metric = "mse"
    default_model = "mlp"
    licence, source = "none needed: generated", "this file"
    version = 1  # raise it whenever the same settings come to mean other episodes

    @dataclass(frozen=True)
    class Settings:
        """`steepest`: slopes are uniform between minus and plus this."""

        steepest: float = 2.0

    settings: Settings

    def task(self, ways: int | None) -> Task:
        return Task("regression", (1,), 1)

    def draw(self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator) -> Draw:
        """All that is random, `count` episodes at once; arrays whose first axis is the episode."""
        return {
            "slope": rng.uniform(-self.settings.steepest, self.settings.steepest, (count, 1, 1)),
            "offset": rng.uniform(-1, 1, (count, 1, 1)),
            "support": rng.uniform(-5, 5, (count, shape.shots, 1)),
            "query": rng.uniform(-5, 5, (count, shape.queries, 1)),
        }

    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        """From draws to tensors; no randomness here."""
        slope, offset, support, query = (
            torch.from_numpy(draw[part]).float().to(device)
            for part in ("slope", "offset", "support", "query")
        )
        return Episodes(support, slope * support + offset, query, slope * query + offset)
