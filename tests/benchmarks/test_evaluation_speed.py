"""Evaluation by prototypes under running statistics, which embeds each test image once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from metabench.experiment.evaluation import evaluate
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.streams import EpisodeStream
from metabench.methods.protonet import PrototypicalNetworks
from metabench.models.conv4 import Conv4
from metabench.tasks.episodes import EpisodeShape
from tests.benchmarks.test_meta_gradient_speed import CPU, Characters


@pytest.mark.parametrize("threads", [2], indirect=True, ids=lambda n: f"{n} threads")
def test_ten_thousand_episodes(
    benchmark: BenchmarkFixture, pace: Callable[[str, str, str], None], threads: int
) -> None:
    dataset = Characters(None)
    dataset.load()
    method = PrototypicalNetworks(PrototypicalNetworks.Settings())
    state = method.init(
        Conv4(Conv4.Settings(), dataset.task(5)), dataset.task(5), torch.Generator()
    )

    def run() -> None:
        stream = EpisodeStream(dataset, {}, "test", EpisodeShape(5, 1, 15), root_seed=0, seed=0)
        evaluate(method, state, EvaluationSet(stream, 10_000, "running", CPU), point=0)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    pace(
        "10,000 episodes of prototypes, 5-way 1-shot, conv4-64",
        f"{benchmark.stats.stats.median:.2f} s",
        "under 5 s",
    )
