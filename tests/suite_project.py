"""A small project on disk for the tests of suites: a good suite, and plugins that are a little
odd."""

from __future__ import annotations

from pathlib import Path

from metabench.suite import Suite, load_suite
from metabench.suite.project import load_project

GOOD = """\
title = "A good suite"
reference = "maml"

[[grid]]
algorithms = ["maml", "maml_5", "scratch"]
datasets = ["sinusoid"]
shots = [5, 10]
seeds = 2

[[grid]]
algorithms = ["maml", "protonet"]
datasets = ["omniglot"]
ways = [5, 20]
shots = 1
seeds = 2
axes = { "train.tasks_per_batch" = [4, 8] }

[train]
iterations = 1000
query_shots = 10

[validate]
every = 100
episodes = 50

[evaluate]
episodes = 200
batch_norm = "default"

[algorithms.maml_5]
method = "maml"
inner_steps = 5

[models.conv4]
filters = 32

[datasets.omniglot]
rotations = "train"

[[override]]
when = { method = "maml", dataset = "omniglot", ways = 20 }
algorithm.inner_lr = 0.1
train.iterations = 2000

[profiles.short]
train.iterations = 10

[[claims]]
id = "cheaper"
says = "Five steps cost more than one"
metric = "seconds_per_task"
of = "maml_5"
against = "maml"
where = { dataset = "sinusoid" }
ratio_above = 1.5
"""

PLUGINS = '''\
"""Classes that keep the contract for plugins, and some that do not.

Importing this must never be needed to list them.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Gt

from metabench.methods.method import Method, State


@dataclass(frozen=True)
class Settings:
    rate: Annotated[float, Gt(0)] = 0.1
    steps: tuple[int, ...] = (1,)
    mode: Literal["slow", "fast"] = "slow"
    low: int = 0
    high: int = 10
    test_batch_norm: Literal["query", "running"] = "query"

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")


class Odd(Method):
    """An odd method.

    And more about it.
    """

    version = 1
    kinds = frozenset({"classification", "regression"})
    trains = False
    fixed_ways = False
    Settings = Settings

    def init(self, model, task, generator):
        return State(model)

    def predict(self, state, support_x, support_y, query_x, batch_norm):
        return state.model(query_x)


class Narrow(torch.nn.Module):
    """A model made for narrow inputs alone, one of whose settings wants weights with values."""

    version = 1
    kinds = frozenset({"classification", "regression"})

    @dataclass(frozen=True)
    class Settings:
        width: int = 100
        widens: bool = False
        looks: bool = False

    def __init__(self, settings, task):
        super().__init__()
        if settings.looks:
            torch.ones(1).item()
        if task.input_shape[-1] > settings.width or settings.widens:
            width = task.input_shape[-1]
            raise ValueError(f"narrow takes inputs up to {settings.width} wide, not {width}")

    @classmethod
    def has_batch_norm(cls, settings):
        return False

    def forward(self, x):
        return x


class NoVersion:
    Settings = Settings


class BareSettings(Odd):
    @dataclass(frozen=True)
    class Settings:
        rate: float


not_a_class = Odd(None)
'''


def write_suite(folder: Path, text: str | bytes, name: str = "x") -> Path:
    """Write a suite into `folder/suites`, and the plugins' module beside it."""
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "oddities.py").write_text(PLUGINS)
    path = folder / "suites" / f"{name}.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes, **options: object) -> Suite:
    """Write a suite and load it."""
    write_suite(folder, text)
    return load_suite("x", load_project(folder), **options)  # type: ignore[arg-type]
