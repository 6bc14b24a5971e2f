"""Streams: the same key gives the same numbers, another key others, and asking for more moves
nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metabench.datasets.dataset import Dataset
from metabench.experiment.streams import BLOCK, EpisodeStream
from metabench.tasks.episodes import Draw, EpisodeShape
from metabench.tasks.random_streams import generator, torch_generator

SHAPES = {"sinusoid": EpisodeShape(None, 5, 10), "omniglot": EpisodeShape(5, 1, 3)}
IDENTITY = {"name": "some", "version": 1, "settings": {}}
KEY = {"root_seed": 0, "seed": 0, "split": "test"}


def stream(dataset: Dataset, shape: EpisodeShape, **changes: object) -> EpisodeStream:
    said = {"identity": IDENTITY, **KEY, **changes}
    return EpisodeStream(dataset, shape=shape, **said)  # type: ignore[arg-type]


def same(one: Draw, other: Draw) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture(params=["sinusoid", "omniglot"])
def source(
    request: pytest.FixtureRequest, tiny_datasets: dict[str, Dataset]
) -> tuple[Dataset, EpisodeShape]:
    return tiny_datasets[request.param], SHAPES[request.param]


def test_generators_are_keyed_by_everything_said() -> None:
    first = {
        generator(*key[:2], **key[2]).integers(2**63)
        for key in [
            (0, "a", {}),
            (1, "a", {}),
            (0, "b", {}),
            (0, "a", {"x": 1}),
            (0, "a", {"x": 2}),
            (0, "a", {"y": 1}),
        ]
    }
    assert len(first) == 6
    assert generator(3, "a", x=1, y=[2]).integers(2**63) == generator(3, "a", y=[2], x=1).integers(
        2**63
    )


def test_the_numbers_themselves_are_pinned() -> None:
    """A change here changes every result there is: raise identity.PROTOCOL with it."""
    assert generator(0, "episodes", block=0).integers(1000, size=4).tolist() == [39, 985, 817, 1]
    assert torch.randint(1000, (4,), generator=torch_generator(0, "weights", seed=1)).tolist() == [
        970,
        876,
        969,
        37,
    ]


def test_torch_generators_agree_with_their_key() -> None:
    draws = [
        torch.rand(3, generator=torch_generator(0, "weights", seed=seed)).tolist()
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.slow
@given(start=st.integers(0, 2 * BLOCK + 50), count=st.integers(1, BLOCK + 50))
def test_any_portion_is_a_slice_of_the_same_sequence(
    tiny_datasets: dict[str, Dataset], start: int, count: int
) -> None:
    dataset, shape = tiny_datasets["sinusoid"], SHAPES["sinusoid"]
    blocks = [dataset.draw("test", shape, BLOCK, _block_generator(number)) for number in range(4)]
    portion = stream(dataset, shape).draw(start, count)
    for name, values in portion.items():
        assert np.array_equal(
            values, np.concatenate([block[name] for block in blocks])[start : start + count]
        )


def _block_generator(number: int) -> np.random.Generator:
    key = {
        "dataset": IDENTITY,
        "split": "test",
        "ways": None,
        "shots": 5,
        "query_shots": 10,
        "seed": 0,
    }
    return generator(0, "episodes", **key, block=number)


def test_the_first_episodes_do_not_depend_on_how_many_are_asked_for(
    source: tuple[Dataset, EpisodeShape],
) -> None:
    few, many = stream(*source).draw(0, 3), stream(*source).draw(0, BLOCK + 200)
    assert same(few, {name: values[:3] for name, values in many.items()})


def test_order_of_asking_does_not_matter(source: tuple[Dataset, EpisodeShape]) -> None:
    backwards, straight = stream(*source), stream(*source)
    last, first = backwards.draw(3 * BLOCK, 5), backwards.draw(0, 5)
    assert same(straight.draw(0, 5), first)
    assert same(straight.draw(3 * BLOCK, 5), last)


@pytest.mark.parametrize(
    "change",
    [
        {"root_seed": 1},
        {"seed": 1},
        {"split": "train"},
        {"identity": {**IDENTITY, "version": 2}},
        {"identity": {**IDENTITY, "settings": {"x": 1}}},
    ],
)
def test_each_part_of_the_key_moves_the_episodes(
    source: tuple[Dataset, EpisodeShape], change: dict[str, object]
) -> None:
    dataset, shape = source
    assert not same(
        stream(dataset, shape).draw(0, 20), stream(dataset, shape, **change).draw(0, 20)
    )


def test_a_shape_has_episodes_of_its_own(tiny_datasets: dict[str, Dataset]) -> None:
    classes = [
        stream(tiny_datasets["omniglot"], EpisodeShape(5, 1, queries)).draw(0, 50)["classes"]
        for queries in (3, 4)
    ]
    assert not np.array_equal(*classes)


def test_episodes_are_the_gathered_draw(source: tuple[Dataset, EpisodeShape]) -> None:
    asked, cpu = stream(*source), torch.device("cpu")
    gathered, by_hand = asked.episodes(2, 4, cpu), source[0].gather(asked.draw(2, 4), cpu)
    assert len(gathered) == 4
    assert torch.equal(gathered.support_x, by_hand.support_x)
    assert torch.equal(gathered.query_y, by_hand.query_y)


def test_a_disjoint_stream_ends(tiny_datasets: dict[str, Dataset]) -> None:
    disjoint = stream(
        tiny_datasets["omniglot"], SHAPES["omniglot"], sampling="disjoint", episodes=4
    )
    whole = disjoint.draw(0, 4)
    assert same(disjoint.draw(1, 2), {name: values[1:3] for name, values in whole.items()})
    with pytest.raises(ValueError, match="disjoint stream of 4"):
        disjoint.draw(2, 3)
    with pytest.raises(ValueError, match="how many"):
        stream(tiny_datasets["omniglot"], SHAPES["omniglot"], sampling="disjoint")


def test_disjoint_episodes_have_a_key_of_their_own(tiny_datasets: dict[str, Dataset]) -> None:
    disjoint = stream(
        tiny_datasets["sinusoid"], SHAPES["sinusoid"], sampling="disjoint", episodes=4
    )
    assert not same(
        disjoint.draw(0, 4), stream(tiny_datasets["sinusoid"], SHAPES["sinusoid"]).draw(0, 4)
    )
