"""The checks for classes of one's own: the built-in ones pass, and what is broken does not."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench import registry
from metabench.datasets.glyphs import Glyphs
from metabench.methods.protonet import PrototypicalNetworks
from metabench.models.layers import Linear
from metabench.models.model import Model
from metabench.tasks.episodes import Task
from metabench.testing import check_dataset, check_method, check_model

FEW_STEPS = {
    "maml": {"inner_steps": 1, "test_steps": 2},
    "fomaml": {"inner_steps": 1, "test_steps": 2},
    "anil": {"inner_steps": 1, "test_steps": 2},
    "meta_sgd": {"inner_steps": 1, "test_steps": 2},
    "maml_pp": {"inner_steps": 2, "test_steps": 3},
    "reptile": {"inner_steps": 2, "test_steps": 2},
    "scratch": {"steps": (0, 2), "rates": (0.01,)},
    "pretrained": {"steps": (0, 2), "rates": (0.01,)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("methods"))
def test_every_built_in_method_passes(name: str) -> None:
    check_method(registry.get("methods", name), **FEW_STEPS.get(name, {}))


@pytest.mark.parametrize("name", ["sinusoid", "glyphs"])
def test_every_generated_dataset_passes(name: str) -> None:
    small = {"alphabets": 4, "characters": (6,), "drawers": 6, "split": "alphabet"}
    check_dataset(registry.get("datasets", name), **(small if name == "glyphs" else {}))


def test_omniglot_passes(omniglot_folder: Path) -> None:
    check_dataset(registry.get("datasets", "omniglot"), omniglot_folder, split="alphabet")


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("models"))
def test_every_built_in_model_passes(name: str) -> None:
    check_model(registry.get("models", name), **({"filters": 8} if name == "conv4" else {}))


class Odd(PrototypicalNetworks):
    """A method with a fault, which a subclass adds."""


class PeeksAtLabels(Odd):
    def predict(self, *arguments: Any) -> Tensor:
        caller = sys._getframe(1).f_locals
        scores = super().predict(*arguments)
        return scores + F.one_hot(caller["episodes"].query_y, scores.shape[-1]).unsqueeze(1)


class KnowsThePlace(Odd):
    def compare(self, state: Any, support_z: Tensor, support_y: Tensor, query_z: Tensor) -> Tensor:
        in_place = torch.arange(support_y.shape[1]) // 2  # all shots of a class stand together
        return super().compare(state, support_z, in_place.expand_as(support_y), query_z)


class LooksAtTheOthers(Odd):
    def compare(self, state: Any, support_z: Tensor, support_y: Tensor, query_z: Tensor) -> Tensor:
        others = query_z - query_z.mean(1, keepdim=True)
        return super().compare(state, support_z, support_y, query_z + others)


class LooksAtTheOrder(Odd):
    def compare(self, state: Any, support_z: Tensor, support_y: Tensor, query_z: Tensor) -> Tensor:
        rising = torch.linspace(1, 2, query_z.shape[1])[:, None]
        return super().compare(state, support_z, support_y, query_z * rising)


class MixesEpisodes(Odd):
    def predict(self, *arguments: Any) -> Tensor:
        scores = super().predict(*arguments)
        return scores + scores.mean(0)


class DrawsFromTheClock(Odd):
    def init(self, *arguments: Any) -> Any:
        state = super().init(*arguments)
        with torch.no_grad():
            next(state.parameters()).add_(time.perf_counter() % 1)
        return state


class ForgetsWhatItLearned(Odd):
    def step(self, state: Any, batch: Any, moment: Any) -> Any:
        state.steps = getattr(state, "steps", 0) + 1  # neither a parameter nor a buffer
        result = super().step(state, batch, moment)
        with torch.no_grad():
            next(state.parameters()).mul_(1 + 0.1 * state.steps)
        return result


class ChangesItsState(Odd):
    def predict(self, state: Any, *arguments: Any) -> Tensor:
        with torch.no_grad():
            next(state.parameters()).add_(1)
        return super().predict(state, *arguments)


class ChangesTheEpisodes(Odd):
    def predict(self, state: Any, support_x: Tensor, *arguments: Any) -> Tensor:
        return super().predict(state, support_x.mul_(0.5), *arguments)


class LearnsNothing(Odd):
    def step(self, state: Any, batch: Any, moment: Any) -> Any:
        before = copy.deepcopy(state.state_dict())
        result = super().step(state, batch, moment)
        state.load_state_dict(before)
        return result


class GivesNoNumber(Odd):
    def predict(self, *arguments: Any) -> Tensor:
        return super().predict(*arguments) * math.nan


class SaysNothing(Odd):
    kinds = frozenset()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("found", "says"),
    [
        (PeeksAtLabels, "depend on the labels of the queries"),
        (KnowsThePlace, "with random labels accuracy is"),
        (LooksAtTheOthers, "depends on the other queries"),
        (LooksAtTheOrder, "depend on the order of the queries"),
        (MixesEpisodes, "depend on the other episodes of its batch"),
        (DrawsFromTheClock, "led to other weights"),
        (ForgetsWhatItLearned, "saved and restored led elsewhere"),
        (ChangesItsState, "predict changed the state"),
        (ChangesTheEpisodes, "predict changed support_x"),
        (LearnsNothing, "changed nothing, and trains is True"),
        (GivesNoNumber, "scores that are no numbers"),
        (SaysNothing, "has kinds = frozenset()"),
    ],
)
def test_a_broken_method_does_not_pass(found: type[Odd], says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        check_method(found)


class KeepsItsOrder(Glyphs):
    def draw(self, *arguments: Any) -> Any:
        drawn = super().draw(*arguments)
        order = drawn["query_y"].argsort(1, kind="stable")
        return drawn | {
            part: np.take_along_axis(drawn[part], order, 1) for part in ("query", "query_y")
        }


class SharesAClass(Glyphs):
    def load(self, root: Path) -> None:
        super().load(root)
        splits = dict(self.pool.splits)
        splits["test"] = np.append(splits["test"], splits["train"][0])
        self.pool = dataclasses.replace(self.pool, splits=splits)


class AsksWhatItShowed(Glyphs):
    def draw(self, *arguments: Any) -> Any:
        drawn = super().draw(*arguments)
        drawn["query"][:, 0] = drawn["support"][:, 0]
        return drawn


class DrawsTheSame(Glyphs):
    def draw(self, split: Any, shape: Any, count: int, rng: Any) -> Any:
        return super().draw(split, shape, count, np.random.default_rng(0))


class SortsItsClasses(Glyphs):
    def gather(self, draw: Any, device: Any) -> Any:
        episodes = super().gather(draw, device)
        bright = 0.01 * episodes.support_y.view(*episodes.support_y.shape, 1, 1, 1)
        return dataclasses.replace(episodes, support_x=episodes.support_x + bright)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (KeepsItsOrder, "the place of a query tells its class"),
        (SharesAClass, "is in both train and test"),
        (AsksWhatItShowed, "stands in the support set of its own episode"),
        (DrawsTheSame, "the generator changes nothing"),
        (SortsItsClasses, "differ in the mean of their inputs"),
    ],
)
def test_a_broken_dataset_does_not_pass(found: type[Glyphs], says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        check_dataset(found, alphabets=4, characters=(6,), drawers=6, split="alphabet")


class MixesTasks(Model):
    """A model that promises to serve a task axis, and lets the tasks meet."""

    version = 1
    kinds = frozenset({"regression"})
    width = 4

    @dataclasses.dataclass(frozen=True)
    class Settings:
        """None."""

    def __init__(self, settings: Settings, task: Task) -> None:
        super().__init__()
        self.layer = Linear(task.input_shape[0], self.width)

    def features(self, x: Tensor) -> Tensor:
        features = self.layer(x)
        return features if x.dim() == 2 else features - features.mean(0)


class DrawsItsOwnWeights(MixesTasks):
    def __init__(self, settings: Any, task: Task) -> None:
        super().__init__(settings, task)
        nn.init.constant_(self.layer.bias, time.perf_counter() % 1)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (MixesTasks, "the scores of one are not what they are alone"),
        (DrawsItsOwnWeights, "has two values"),
    ],
)
def test_a_broken_model_does_not_pass(found: type[nn.Module], says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        check_model(found)
