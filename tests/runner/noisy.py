"""A method, a dataset and a model that draw from every global generator wherever they are asked for
anything. Copied into projects, not collected."""

import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from metabench.datasets.sinusoid import Sinusoid
from metabench.methods.fomaml import FOMAML
from metabench.methods.method import Method, Moment, State, StepResult
from metabench.models.mlp import MLP
from metabench.tasks.episodes import Draw, Episodes

KILLS = Path(__file__).with_name("kills")
"""A number a line: after so many steps of a process it is killed, and the line is gone."""


def noise(source: str) -> float:
    match source:
        case "python":
            return random.random() + random.gauss(0, 1)
        case "numpy":
            return float(np.random.rand() + np.random.standard_normal())
        case "torch":
            return float(torch.rand(()) + torch.randn(()))
    return 0.0


class Noisy(FOMAML):
    """First-order MAML on targets, and with answers, that are a little off. Forgets to put its
    layers back into the mode of training."""

    version = 1

    @dataclass(frozen=True)
    class Settings(FOMAML.Settings):
        source: Literal["python", "numpy", "torch", "own", "none"] = "python"

    _steps = 0

    def init(self, *arguments: Any) -> State:
        state = super().init(*arguments)
        state.generator = arguments[2]
        with torch.no_grad():
            next(state.parameters()).add_(0.1 * self._noise(state))
        return state

    def step(self, state: State, batch: Episodes, moment: Moment) -> StepResult:
        self._steps += 1
        kills = KILLS.read_text().split() if KILLS.exists() else []
        if kills and self._steps > int(kills[0]):
            KILLS.write_text("\n".join(kills[1:]))
            os.kill(os.getpid(), signal.SIGKILL)
        noisy = replace(batch, support_y=batch.support_y + 0.1 * self._noise(state))
        return super().step(state, noisy, moment)

    def candidates(self) -> Sequence[Method]:
        first, second = (
            replace(self.settings, inner_lr=0.01),
            replace(self.settings, inner_lr=0.01 + 0.001 * abs(noise(self.settings.source))),
        )
        return [Noisy(first), Noisy(second)]

    def predict(self, state: State, *arguments: Any) -> Tensor:
        state.eval()
        return super().predict(state, *arguments) + 0.1 * self._noise(state)

    def _noise(self, state: State) -> float:
        if self.settings.source == "own":
            return float(torch.rand((), generator=state.generator))
        return noise(self.settings.source)


class Shaky(Sinusoid):
    """Sinusoids that are off by what was drawn on loading, on drawing, and on gathering."""

    version = 1

    def load(self, root: Path) -> None:
        self.shift = sum(map(noise, ("python", "numpy", "torch")))

    def draw(self, *arguments: Any) -> Draw:
        drawn = super().draw(*arguments)
        off = sum(map(noise, ("python", "numpy", "torch")))
        return {**drawn, "phase": drawn["phase"] + off}

    def gather(self, draw: Draw, device: torch.device) -> Episodes:
        gathered = super().gather(draw, device)
        off = sum(map(noise, ("python", "numpy", "torch")))
        return replace(gathered, support_y=gathered.support_y + self.shift + 0.1 * off)


class Dropping(MLP):
    """With dropout, and weights that no stream knows of."""

    version = 1

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.layers.append(nn.Dropout(0.2))

    def initialise(self, network: nn.Module) -> None:
        super().initialise(network)
        with torch.no_grad():
            network.head.bias.add_(sum(map(noise, ("python", "numpy", "torch"))))
