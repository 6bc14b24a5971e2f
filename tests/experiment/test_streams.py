"""What a method may train on: batches that depend on nothing but their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import CPU, make_cell, part
from torch import Tensor, nn

from metabench.datasets.dataset import Dataset
from metabench.datasets.images import ImageDataset
from metabench.errors import DataError, PluginError
from metabench.experiment.streams import ExampleStream
from metabench.experiment.training_data import TrainingData
from metabench.methods.method import Method, State
from metabench.suite.wants import lacking
from metabench.tasks.episodes import Want

ALL = frozenset({"episodes", "examples", "unlabelled", "views"})
SIZE = 2 * 3 * (1 + 2)
"""Images of two tasks of three ways, one shot and two queries."""


class Wanting(Method):
    """Trains on whatever it is asked to want."""

    kinds = frozenset({"classification"})

    def __init__(self, *wants: Want) -> None:
        super().__init__(None)
        self.wants = frozenset(wants)  # type: ignore[misc]

    def init(self, model: nn.Module, *_: Any) -> State:
        return State(model)

    def predict(self, *_: Any) -> Tensor:
        raise NotImplementedError


@pytest.fixture
def source(tiny_datasets: dict[str, Dataset]) -> Callable[..., TrainingData]:
    """Sources of a small fit on characters."""

    def make(*wants: Want, seed: int = 0) -> TrainingData:
        fit = replace(make_cell("protonet", "omniglot").fit, seed=seed)
        return TrainingData(fit, Wanting(*(wants or ALL)), tiny_datasets["omniglot"], CPU)

    return make


def test_batches_are_as_large_as_the_episodes_of_the_recipe(
    source: Callable[..., TrainingData],
) -> None:
    at = source()
    assert len(at.episodes()(3)) == 2
    assert at.examples()(3).x.shape == (SIZE, 1, 28, 28)
    assert at.unlabelled()(3).x.shape == (SIZE, 1, 28, 28)
    for views in (at.examples(views=2)(3), at.unlabelled(views=2)(3)):
        assert views.x.shape == (2, SIZE, 1, 28, 28)
        assert len(views) == SIZE


def test_batches_come_again_and_depend_on_the_seed(source: Callable[..., TrainingData]) -> None:
    for ask in (
        lambda at: at.examples(views=2),
        lambda at: at.unlabelled(),
        lambda at: at.unlabelled(views=3),
    ):
        first, again, other = (ask(source(seed=seed)) for seed in (0, 0, 1))
        first(7)  # in another order
        assert torch.equal(first(2).x, again(2).x)
        assert not torch.equal(again(2).x, again(3).x)
        assert not torch.equal(again(2).x, other(2).x)


def test_asking_for_views_moves_no_example(source: Callable[..., TrainingData]) -> None:
    at = source()
    for i in range(3):
        assert torch.equal(at.examples()(i).y, at.examples(views=2)(i).y)
        two, three = at.unlabelled(views=2)(i).x, at.unlabelled(views=3)(i).x
        assert torch.equal(two, three[:2])
        assert not torch.equal(two[0], two[1])


def test_unlabelled_images_are_of_the_training_split_in_an_order_of_their_own(
    source: Callable[..., TrainingData], tiny_datasets: dict[str, Dataset]
) -> None:
    dataset = tiny_datasets["omniglot"]
    assert isinstance(dataset, ImageDataset)
    training = {x.numpy().tobytes() for x in dataset.images(dataset.split_images("train"), CPU)}
    at = source()
    unlabelled = at.unlabelled()(0).x
    assert {x.numpy().tobytes() for x in unlabelled} <= training
    assert not torch.equal(unlabelled, at.examples()(0).x)


def test_a_stream_does_not_depend_on_portions(tiny_datasets: dict[str, Dataset]) -> None:
    def stream() -> ExampleStream:
        return ExampleStream(tiny_datasets["omniglot"], {}, root_seed=0, seed=0, views=2)

    whole, parts = stream().examples(5, 10, CPU), stream()
    pieces = [parts.examples(start, 5, CPU).x for start in (10, 5)]
    torch.testing.assert_close(whole.x, torch.cat(pieces[::-1], 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("ask", "missing"),
    [
        (lambda at: at.examples(), "examples"),
        (lambda at: at.unlabelled(), "unlabelled"),
        (lambda at: at.episodes(), "episodes"),
    ],
)
def test_what_a_method_does_not_want_it_does_not_get(
    source: Callable[..., TrainingData], ask: Any, missing: str
) -> None:
    wants = ALL - {missing}
    with pytest.raises(PluginError, match=f"Wanting.batches asks for {missing}, which `wants`"):
        ask(source(*wants))


def test_views_are_wanted_too(source: Callable[..., TrainingData]) -> None:
    source("examples").examples(views=1)
    with pytest.raises(PluginError, match="asks for views"):
        source("examples").examples(views=2)


def test_a_dataset_that_offers_none_says_so(tiny_datasets: dict[str, Dataset]) -> None:
    waves = tiny_datasets["sinusoid"]
    with pytest.raises(DataError, match="Sinusoid offers no augmented views"):
        ExampleStream(waves, {}, root_seed=0, seed=0, views=2).examples(0, 4, CPU)
    with pytest.raises(DataError, match="offers no privileged inputs"):
        tiny_datasets["omniglot"].privileged()


def test_a_view_of_another_shape_is_refused(
    tiny_datasets: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tiny_datasets["omniglot"]
    monkeypatch.setattr(type(dataset), "view", lambda self, x, draw: x[..., :-1])
    stream = ExampleStream(dataset, {}, root_seed=0, seed=0, views=2)
    with pytest.raises(PluginError, match=r"view gave a tensor .* 27\]; expected .* 28\]"):
        stream.examples(0, 4, CPU)


def test_what_a_method_wants_is_held_against_what_a_dataset_offers() -> None:
    from metabench import registry

    sinusoid, glyphs = (registry.get("datasets", name) for name in ("sinusoid", "glyphs"))
    oracle, pretrained = (registry.get("methods", name) for name in ("oracle", "pretrained"))
    assert part("methods", "anil").name == "anil"
    assert lacking(oracle, sinusoid) == lacking(pretrained, glyphs) == ""
    assert lacking(oracle, glyphs) == "privileged inputs, which say what defines a task"
    assert lacking(Wanting("unlabelled", "views"), sinusoid) == (
        "unlabelled images and augmented views of images"
    )
    assert lacking(Wanting("unlabelled"), sinusoid, in_test=True) == ""
    assert lacking(oracle, glyphs, in_test=True) != ""


def test_examples_keep_the_stream_that_they_had(tiny_datasets: dict[str, Dataset]) -> None:
    """The key of the stream written out: no number of an earlier record moves."""
    from metabench.tasks.random_streams import generator

    dataset = tiny_datasets["omniglot"]
    key: dict[str, Any] = {"dataset": {}, "seed": 3}
    rng = generator(0, "examples", **key, block=0)
    wanted = dataset.draw_examples(65_536, rng)["image"][:9]
    drawn = ExampleStream(dataset, {}, root_seed=0, seed=3).draw(0, 9)["image"]
    assert np.array_equal(drawn, wanted)
