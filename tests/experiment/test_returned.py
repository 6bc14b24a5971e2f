"""What comes back from methods, datasets and models is held against what they promise, before it
becomes a score."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from few_shot import CPU, make_cell, make_method, run
from torch import Tensor, nn

from metabench.datasets.dataset import Dataset
from metabench.errors import PluginError
from metabench.experiment.evaluation import evaluate
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.returned.datasets import checked_examples, checked_task
from metabench.experiment.streams import EpisodeStream
from metabench.methods.method import Method, Moment, State
from metabench.methods.protonet import PrototypicalNetworks
from metabench.models.conv4 import Conv4
from metabench.registry.promises import broken
from metabench.tasks.episodes import Episodes, EpisodeShape, Examples, Task

WAYS, SHOTS, QUERIES = 4, 2, 3


@pytest.fixture
def images(tiny_datasets: dict[str, Dataset]) -> EpisodeStream:
    return EpisodeStream(
        tiny_datasets["omniglot"],
        {},
        "test",
        EpisodeShape(WAYS, SHOTS, QUERIES),
        root_seed=0,
        seed=0,
    )


class Answers(Method):
    """Answers what it is told."""

    kinds = frozenset({"classification"})
    answer: Any

    def init(self, model: nn.Module, *_: Any) -> State:
        return State(model)

    def predict(self, *episode: Any) -> Tensor:
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (torch.zeros(5, 1, 12, 5), "of shape [5, 1, 12, 5]; expected [5, 1, 12, 4]"),
        (torch.zeros(5, 1, 12, 3), "of shape [5, 1, 12, 3]; expected"),
        (torch.zeros(5, 1, 12, 1), "of shape [5, 1, 12, 1]; expected"),
        (torch.zeros(5, 2, 12, 4), "of shape [5, 2, 12, 4]; expected"),
        (torch.zeros(1, 1, 12, 4), "of shape [1, 1, 12, 4]; expected"),
        (torch.zeros(5, 12, 4), "of shape [5, 12, 4]; expected"),
        (torch.zeros(5, 1, 12, 4, dtype=torch.int64), "of type int64; expected float32 or float64"),
        (torch.zeros(5, 1, 12, 4, dtype=torch.bool), "of type bool"),
        (torch.zeros(5, 1, 12, 4, dtype=torch.complex64), "of type complex64"),
        (torch.zeros(5, 1, 12, 4, dtype=torch.bfloat16), "of type bfloat16"),
        (torch.zeros(5, 1, 12, 4, device="meta"), "on meta; expected them on cpu"),
        (torch.zeros(5, 1, 12, 4).numpy(), "gave an array of float32 of shape [5, 1, 12, 4]"),
        (None, "gave None"),
    ],
)
def test_predictions_are_of_the_promised_shape_and_type(
    images: EpisodeStream, answer: Any, says: str
) -> None:
    method = Answers(None)
    method.answer = answer
    with pytest.raises(PluginError, match=re.escape(says)) as caught:
        evaluate(method, State(nn.Linear(1, 1)), EvaluationSet(images, 5, None, CPU), point=0)
    assert re.search(
        r"^Answers.predict gave .* \(.*test_returned.py, line \d+\)$", str(caught.value)
    )


def test_predictions_that_carry_a_gradient_are_scored(images: EpisodeStream) -> None:
    method = Answers(None)
    method.answer = torch.zeros(5, 1, 12, 4, requires_grad=True) + 1
    on = EvaluationSet(images, 5, None, CPU)
    assert evaluate(method, State(nn.Linear(1, 1)), on, point=0).scores.shape == (5, 1)


@pytest.mark.parametrize(
    ("hook", "answer", "says"),
    [
        (
            "compare",
            lambda *_: torch.zeros(5, 12, 5),
            "compare gave scores of shape [5, 12, 5]; expected [5, 12, 4]",
        ),
        ("compare", lambda *_: torch.zeros(5, 12, 4).long(), "compare gave scores of type int64"),
        ("compare", lambda *_: None, "compare gave None"),
        (
            "embed",
            lambda self, state, x: torch.zeros(1, 7),
            "embed gave a tensor of float32 of shape [1, 7] for",
        ),
        ("embed", lambda self, state, x: 5, "embed gave 5 for"),
    ],
)
def test_comparisons_of_embeddings_are_too(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch, hook: str, answer: Any, says: str
) -> None:
    method = make_method("protonet")
    state = method.init(
        Conv4(Conv4.Settings(filters=4), Task("classification", (1, 28, 28), WAYS)),
        None,
        torch.Generator(),
    )  # type: ignore[arg-type]
    monkeypatch.setattr(PrototypicalNetworks, hook, answer)
    with pytest.raises(PluginError, match=re.escape(f"PrototypicalNetworks.{says}")):
        evaluate(method, state, EvaluationSet(images, 5, "running", CPU), point=0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            lambda *_: torch.zeros(1, 12, 5),
            "compare gave a tensor of float32 of shape [1, 12, 5]; expected real numbers of shape "
            "[1, 12, 4]",
        ),
        (lambda *_: torch.zeros(1, 12, 4).long(), "compare gave a tensor of int64"),
        (lambda *_: None, "compare gave None"),
    ],
)
def test_comparisons_are_looked_at_before_a_loss_is_made_of_them(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    method = make_method("protonet")
    task = Task("classification", (1, 28, 28), WAYS)
    state = method.init(Conv4(Conv4.Settings(filters=4), task), task, torch.Generator())
    monkeypatch.setattr(PrototypicalNetworks, "compare", answer)
    with pytest.raises(PluginError, match=re.escape(f"PrototypicalNetworks.{says}")):
        method.step(state, images.episodes(0, 1, CPU), Moment())


def test_a_fault_is_told_with_the_class_where_the_hook_is_inherited() -> None:
    class Heir(PrototypicalNetworks):
        pass

    class Own(PrototypicalNetworks):
        def compare(self, *_: Any) -> Tensor:
            raise NotImplementedError

    here = f"{Path(__file__).name}, line "
    for made in (Heir, Own):
        said = str(broken(made(made.Settings()), "compare", "gave None"))
        assert said.startswith(f"{made.__name__}.compare gave None ("), said
        assert here in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"support_y": lambda y: y + 1}, "gave support_y with labels 1 ... 4; expected 0 ... 3"),
        ({"query_y": lambda y: y - 1}, "gave query_y with labels -1 ... 2"),
        (
            {"query_y": lambda y: y.int()},
            "gave query_y: a tensor of int32 of shape [5, 12]; expected int64 of shape [5, 12]",
        ),
        ({"query_y": lambda y: y[:, :-1]}, "gave query_y: a tensor of int64 of shape [5, 11]"),
        ({"support_x": lambda x: x.double()}, "gave support_x: a tensor of float64"),
        ({"support_x": lambda x: x[:, :-1]}, "expected float32 of shape [5, 8, ...]"),
        (
            {"query_x": lambda x: x[..., :-1]},
            "gave inputs of shape [1, 28, 28] to learn from, and of [1, 28, 27] to be asked",
        ),
        ({"query_x": lambda x: x.to("meta")}, "gave query_x on meta; expected it on cpu"),
        ({"support_x": lambda x: None}, "gave support_x: None"),
    ],
)
def test_episodes_are_looked_at_once_a_stream(
    images: EpisodeStream, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    dataset = type(images.dataset)
    gather = dataset.gather
    images.episodes(0, 5, CPU)

    def wrongly(self: Dataset, *arguments: Any) -> Episodes:
        episodes = gather(self, *arguments)
        return replace(
            episodes, **{part: how(getattr(episodes, part)) for part, how in change.items()}
        )

    monkeypatch.setattr(dataset, "gather", wrongly)
    images.episodes(0, 5, CPU)
    again = EpisodeStream(images.dataset, {}, "test", images.shape, root_seed=0, seed=0)
    with pytest.raises(PluginError, match=re.escape(says)):
        again.episodes(0, 5, CPU)


def test_tasks_and_examples(images: EpisodeStream) -> None:
    dataset = images.dataset
    assert checked_task(dataset, 5).outputs == 5
    dataset.task = lambda ways: Task("classification", (1, 28, 28), 7)  # type: ignore[method-assign]
    with pytest.raises(
        PluginError, match="gave 7 outputs for episodes of 5 ways; expected one a class"
    ):
        checked_task(dataset, 5)
    del dataset.task  # type: ignore[method-assign]
    with pytest.raises(
        PluginError, match=re.escape("gave y with labels 0 ... 3; expected 0 ... 2")
    ):
        checked_examples(dataset, Examples(torch.zeros(4, 1), torch.arange(4)), 3, 4, CPU)


def test_a_method_whose_predictions_change_its_state_gets_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in the first validation; and, of a method that trains nothing, before the cell that was
    scored with it is told."""
    for name in ("fomaml", "scratch"):
        method = type(make_method(name))
        predict = method.predict

        def learning(self: Method, state: State, *episode: Any, predict: Any = predict) -> Tensor:
            scores: Tensor = predict(self, state, *episode)
            with torch.no_grad():
                next(state.parameters()).mul_(1.001)
            return scores

        monkeypatch.setattr(method, "predict", learning)
        with pytest.raises(
            PluginError, match=f"method '{name}': .*predict changed the state that it was given"
        ):
            run(make_cell(name), data=tmp_path)
