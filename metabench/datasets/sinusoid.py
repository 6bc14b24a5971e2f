"""Sinusoid regression (Finn, Abbeel, Levine 2017, "Model-agnostic meta-learning for fast adaptation
of deep networks", section 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from metabench.datasets.dataset import Dataset, Split
from metabench.figures import Figure
from metabench.figures.waves import Waves
from metabench.metrics import Metric
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples, Task, Want

FURTHEST = 1e6
"""No range goes beyond: errors are squared and averaged in 32 bits, and an x that is stored in them
still tells where in a wave it is."""


@dataclass(frozen=True)
class SinusoidSettings:
    """Ranges that tasks and points are drawn from, uniformly; the defaults are the paper's.

    Attributes
    ----------
    amplitude_low, amplitude_high
        A of a task.
    phase_low, phase_high
        Phase of a task, in radians.
    x_low, x_high
        X of a point, in radians.
    """

    amplitude_low: float = 0.1
    amplitude_high: float = 5.0
    phase_low: float = 0.0
    phase_high: float = math.pi
    x_low: float = -5.0
    x_high: float = 5.0

    def __post_init__(self) -> None:
        for name in ("amplitude", "phase", "x"):
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(
                    f"{name}_low is {low} and {name}_high is {high}; both must be finite, and the "
                    "first at most the second"
                )
            if max(-low, high) > FURTHEST:
                raise ValueError(
                    f"{name}_low is {low} and {name}_high is {high}; both must lie within "
                    f"-{FURTHEST:,.0f} ... {FURTHEST:,.0f}"
                )


class Sinusoid(Dataset):
    """Regression of y = A sin(x - phase), amplitude and phase drawn anew for each task.

    The splits are streams apart and nothing else: every task is new with probability one.
    """

    kind: ClassVar[Literal["classification", "regression"]] = "regression"
    metric: ClassVar[str | Metric] = "mse"
    default_model: ClassVar[str] = "mlp"
    licence: ClassVar[str] = "none needed: generated"
    source: ClassVar[str] = "Finn et al. 2017, arXiv 1703.03400"
    offers: ClassVar[frozenset[Want]] = frozenset({"episodes", "examples", "privileged"})
    Settings: ClassVar[type[SinusoidSettings]] = SinusoidSettings
    settings: SinusoidSettings

    def task(self, ways: int | None) -> Task:
        """One number in, one number out."""
        return Task("regression", (1,), 1)

    def draw(self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator) -> Draw:
        """Draw ``amplitude`` and ``phase`` ``[E]``, ``support_x`` ``[E, K, 1]`` and ``query_x``
        ``[E, Q, 1]``, in float64."""
        at = self.settings
        return {
            "amplitude": rng.uniform(at.amplitude_low, at.amplitude_high, count),
            "phase": rng.uniform(at.phase_low, at.phase_high, count),
            "support_x": rng.uniform(at.x_low, at.x_high, (count, shape.shots, 1)),
            "query_x": rng.uniform(at.x_low, at.x_high, (count, shape.queries, 1)),
        }

    def draw_disjoint(
        self, split: Split, shape: EpisodeShape, count: int, rng: np.random.Generator
    ) -> Draw:
        """As `draw`: episodes of a continuous distribution share nothing."""
        return self.draw(split, shape, count, rng)

    def training_task(self) -> Task:
        """The same as of any episode."""
        return self.task(None)

    def draw_examples(self, count: int, rng: np.random.Generator) -> Draw:
        """Draw single points, each of a wave of its own: ``amplitude``, ``phase`` and ``x``
        ``[n]``."""
        at = self.settings
        return {
            "amplitude": rng.uniform(at.amplitude_low, at.amplitude_high, count),
            "phase": rng.uniform(at.phase_low, at.phase_high, count),
            "x": rng.uniform(at.x_low, at.x_high, count),
        }

    def gather_examples(self, draw: Draw, device: torch.device) -> Examples:
        """Compute y in float64 and return float32 tensors ``[n, 1]``."""
        y = draw["amplitude"] * np.sin(draw["x"] - draw["phase"])
        return Examples(_tensor(draw["x"][:, None], device), _tensor(y[:, None], device))

    def privileged(self) -> Dataset:
        """The same waves, each input followed by amplitude and phase: what the oracle of Finn et
        al. 2017 is given."""
        return _PrivilegedSinusoid(self.settings)

    def figure(self) -> Figure:
        """Waves, over the whole range of x."""
        return Waves(self.settings.x_low, self.settings.x_high)

    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        """Compute y in float64 and return float32 tensors."""
        amplitude, phase = draw["amplitude"][:, None, None], draw["phase"][:, None, None]
        return Episodes(
            support_x=_tensor(draw["support_x"], device),
            support_y=_tensor(amplitude * np.sin(draw["support_x"] - phase), device),
            query_x=_tensor(draw["query_x"], device),
            query_y=_tensor(amplitude * np.sin(draw["query_x"] - phase), device),
        )


class _PrivilegedSinusoid(Sinusoid):
    """Sinusoids whose inputs are (x, amplitude, phase)."""

    def task(self, ways: int | None) -> Task:
        """Three numbers in, one number out."""
        return Task("regression", (3,), 1)

    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        """As without, with ``support_x`` ``[E, K, 3]`` and ``query_x`` ``[E, Q, 3]``."""
        plain = super().gather(draw, device)
        known = _tensor(np.stack((draw["amplitude"], draw["phase"]), -1)[:, None], device)
        inputs = [
            torch.cat((x, known.expand(-1, x.shape[1], -1)), -1)
            for x in (plain.support_x, plain.query_x)
        ]
        return Episodes(inputs[0], plain.support_y, inputs[1], plain.query_y)

    def gather_examples(self, draw: Draw, device: torch.device) -> Examples:
        """As without, with ``x`` ``[n, 3]``."""
        plain = super().gather_examples(draw, device)
        known = _tensor(np.stack((draw["amplitude"], draw["phase"]), -1), device)
        return Examples(torch.cat((plain.x, known), -1), plain.y)


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
