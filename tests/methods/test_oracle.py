"""The network whose inputs say amplitude and phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from few_shot import make_cell, make_method, part, reproducible, run, with_head

from metabench.datasets.sinusoid import Sinusoid, SinusoidSettings
from metabench.experiment.streams import EpisodeStream
from metabench.methods.method import Moment
from metabench.methods.oracle import Oracle
from metabench.models.mlp import MLP
from metabench.tasks.episodes import Episodes, EpisodeShape, Examples, Task

SHAPE: dict[str, Any] = {"shots": 10, "query_shots": 10}


def privileged_episodes(count: int) -> Episodes:
    stream = EpisodeStream(
        Sinusoid(SinusoidSettings()).privileged(),
        {},
        "test",
        EpisodeShape(None, 3, 5),
        root_seed=0,
        seed=0,
    )
    return stream.episodes(0, count, torch.device("cpu"))


TASK = Task("regression", (3,), 1)


def test_answers_with_what_the_network_makes_of_each_query_whatever_the_support_set() -> None:
    network, batch, method = (
        with_head(MLP(MLP.Settings(init="default"), TASK), TASK),
        privileged_episodes(4),
        make_method("oracle"),
    )
    scores = method.predict(
        method.init(network, None, torch.Generator()),
        batch.support_x + 1,
        batch.support_y + 1,
        batch.query_x,
        None,
    )
    torch.testing.assert_close(
        scores[:, 0], torch.stack([network(x) for x in batch.query_x]).detach()
    )
    assert scores.shape == (4, 1, 5, 1)
    assert not scores.requires_grad


def test_its_inputs_are_privileged_in_training_and_in_test(
    omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every y is the sine of the amplitude and phase beside x."""
    met: list[tuple[torch.Tensor, torch.Tensor]] = []
    step, predict = Oracle.step, Oracle.predict

    def watched_step(self: Oracle, state: Any, batch: Examples, moment: Moment) -> Any:
        met.append((batch.x, batch.y))
        return step(self, state, batch, moment)

    def watched_predict(
        self: Oracle, state: Any, support_x: torch.Tensor, support_y: torch.Tensor, *rest: Any
    ) -> Any:
        met.append((support_x, support_y))
        return predict(self, state, support_x, support_y, *rest)

    monkeypatch.setattr(Oracle, "step", watched_step)
    monkeypatch.setattr(Oracle, "predict", watched_predict)
    (outcome,) = run(make_cell("oracle"), data=omniglot_folder)
    assert outcome.result["outcome"] == "completed"
    assert [len(x) for x, _ in met[:3]] == [20] * 3  # 2 tasks of 5 + 5 points
    for inputs, y in met:
        x, amplitude, phase = inputs.split(1, -1)
        torch.testing.assert_close(y, amplitude * torch.sin(x - phase), rtol=1e-4, atol=1e-4)


def test_a_fit_comes_again_to_the_bit_and_says_what_it_took(omniglot_folder: Path) -> None:
    (first,), (second,) = (run(make_cell("oracle"), data=omniglot_folder) for _ in range(2))
    assert reproducible(first) == reproducible(second)
    assert first.result["spent"] == {"tasks": 0, "images": 6 * 20, "gradient_evaluations": 6}
    assert first.result["weights"] == {"trained": 8 * (3 + 1) + 8 + 1, "adapted": 0}
    assert first.result["adaptation"]["steps"] == [0]


def test_it_meets_the_same_waves_as_everybody(omniglot_folder: Path) -> None:
    (privileged,), (other,) = (
        run(make_cell(name), data=omniglot_folder) for name in ("oracle", "maml")
    )
    assert privileged.arrays["result/truth"].tobytes() == other.arrays["result/truth"].tobytes()


@pytest.mark.slow
def test_it_leaves_behind_who_has_no_privilege(omniglot_folder: Path) -> None:
    tables = {
        "train": {**SHAPE, "iterations": 500, "tasks_per_batch": 10},
        "validate": {**SHAPE, "every": 250, "episodes": 20},
    }
    tables |= {
        "evaluate": {**SHAPE, "episodes": 200},
        "model": {"hidden": (40, 40), "init": "default"},
    }
    scores = {
        name: run(make_cell(name, **tables), data=omniglot_folder)[0].result["adaptation"]["score"][
            0
        ]
        for name in ("oracle", "pretrained")
    }
    assert scores["oracle"] < 0.5 * scores["pretrained"]


def test_a_rate_without_reason_diverges(omniglot_folder: Path) -> None:
    (outcome,) = run(make_cell("oracle", method={"outer_lr": 1e38}), data=omniglot_folder)
    assert (outcome.result["outcome"], outcome.result["score"]) == ("diverged", None)


def test_settings_at_their_defaults_stay_out_of_the_identity() -> None:
    assert part("methods", "oracle", outer_lr=0.001).said == {}
    assert part("methods", "oracle", outer_lr=0.01).said == {"outer_lr": 0.01}
