"""The sampler: no repeats, no overlap, no information in any order, and disjoint episodes up to
their maximum."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from metabench.errors import DataError
from metabench.tasks.episodes import Draw, EpisodeShape
from metabench.tasks.sampler import ClassTable, choose, draw_disjoint, draw_episodes, most_disjoint

SURELY = 1e-3
"""A test of fixed seed, so nothing rejects by chance from one run to the next."""


def table_of(sizes: list[int], seed: int = 0) -> ClassTable:
    """Classes 0, 10, 20 ... of these sizes, their images scattered over the pool."""
    labels = np.random.default_rng(seed).permutation(np.repeat(10 * np.arange(len(sizes)), sizes))
    return ClassTable.from_labels(
        "the split",
        labels,
        [f"class {n}" for n in range(10 * len(sizes))],
        10 * np.arange(len(sizes)),
    )


def image_classes(table: ClassTable) -> dict[int, int]:
    return {
        int(image): int(label)
        for label, start, size in zip(table.classes, table.starts, table.sizes, strict=True)
        for image in table.members[start : start + size]
    }


def assert_well_formed(draw: Draw, table: ClassTable, shape: EpisodeShape) -> None:
    """Every image is of the class its place says, and none is met twice in an episode."""
    ways, label_of = shape.ways or 0, image_classes(table)
    for classes, support, query, query_y in zip(
        draw["classes"], draw["support"], draw["query"], draw["query_y"], strict=True
    ):
        assert len(set(classes)) == ways
        assert len({*support, *query}) == ways * (shape.shots + shape.query_shots)
        assert [label_of[image] for image in support] == np.repeat(classes, shape.shots).tolist()
        assert [label_of[image] for image in query] == classes[query_y].tolist()
        assert np.bincount(query_y, minlength=ways).tolist() == [shape.query_shots] * ways


@given(
    sizes=st.lists(st.integers(4, 30), min_size=1, max_size=40),
    k=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_choose_takes_distinct_numbers_below_each_size(sizes: list[int], k: int, seed: int) -> None:
    chosen = choose(np.random.default_rng(seed), np.array(sizes), k)
    assert chosen.shape == (len(sizes), k)
    assert (chosen >= 0).all()
    assert (chosen < np.array(sizes)[:, None]).all()
    assert all(len(set(row)) == k for row in chosen)


@pytest.mark.parametrize(("n", "k"), [(4, 1), (4, 2), (5, 3), (4, 4)])
def test_every_ordered_choice_is_equally_likely(n: int, k: int) -> None:
    rows = choose(np.random.default_rng(7), np.full(60_000, n), k)
    codes, expected = (
        rows @ n ** np.arange(k),
        [np.dot(p, n ** np.arange(k)) for p in itertools.permutations(range(n), k)],
    )
    counts = np.bincount(codes, minlength=n**k)[expected]
    assert counts.sum() == len(rows)
    assert chisquare(counts).pvalue > SURELY


def test_choose_refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="low >= high"):
        choose(np.random.default_rng(0), np.array([5, 2]), 3)


@given(
    sizes=st.lists(st.integers(6, 15), min_size=4, max_size=12),
    ways=st.integers(1, 4),
    shots=st.integers(1, 3),
    queries=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_episodes_are_well_formed(
    sizes: list[int], ways: int, shots: int, queries: int, seed: int
) -> None:
    table, shape = table_of(sizes, seed), EpisodeShape(ways, shots, queries)
    assert_well_formed(draw_episodes(np.random.default_rng(seed), table, shape, 20), table, shape)


def test_no_order_carries_information() -> None:
    """Place of a class, place of a query, image within its class: all uniform, whatever the size of
    the class."""
    table, shape = table_of([6, 8, 12, 20, 6, 9]), EpisodeShape(3, 2, 3)
    draw = draw_episodes(np.random.default_rng(11), table, shape, 20_000)
    for place in range(3):
        assert chisquare(np.bincount(draw["classes"][:, place] // 10)).pvalue > SURELY
    for place in range(9):
        assert chisquare(np.bincount(draw["query_y"][:, place])).pvalue > SURELY
    for part in ("support", "query"):
        counts = np.bincount(draw[part].ravel(), minlength=table.sizes.sum())
        for start, size in zip(table.starts, table.sizes, strict=True):
            assert chisquare(counts[table.members[start : start + size]]).pvalue > SURELY


def test_too_few_classes_or_images_are_told() -> None:
    rng, table = np.random.default_rng(0), table_of([20, 12, 20])
    with pytest.raises(DataError, match=r"the split has 3 classes, too few for 5-way"):
        draw_episodes(rng, table, EpisodeShape(5, 1, 1), 1)
    with pytest.raises(
        DataError,
        match=r"'class 10' has 12 images.*1-shot episodes with 15 queries a class \(16 images\)",
    ):
        draw_episodes(rng, table, EpisodeShape(3, 1, 15), 1)


@given(
    sizes=st.lists(st.integers(3, 25), min_size=3, max_size=10),
    ways=st.integers(1, 3),
    queries=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_disjoint_episodes_share_no_image_and_reach_their_maximum(
    sizes: list[int], ways: int, queries: int, seed: int
) -> None:
    table, shape = table_of(sizes, seed), EpisodeShape(ways, 1, queries)
    most = most_disjoint(table.sizes, shape)
    draw = draw_disjoint(np.random.default_rng(seed), table, shape, most)
    assert_well_formed(draw, table, shape)
    images = np.concatenate([draw["support"].ravel(), draw["query"].ravel()])
    assert len(set(images)) == images.size == most * ways * (1 + queries)
    with pytest.raises(DataError, match=rf"at most {most} disjoint .* {most + 1} were asked for"):
        draw_disjoint(np.random.default_rng(seed), table, shape, most + 1)


@given(chunks=st.lists(st.integers(0, 4), min_size=1, max_size=5), ways=st.integers(1, 3))
def test_the_maximum_is_that_of_an_exhaustive_search(chunks: list[int], ways: int) -> None:
    @functools.cache
    def search(left: tuple[int, ...]) -> int:
        takes = itertools.combinations([n for n, amount in enumerate(left) if amount], ways)
        return max(
            (
                1 + search(tuple(sorted(amount - (n in take) for n, amount in enumerate(left))))
                for take in takes
            ),
            default=0,
        )

    assert most_disjoint(2 * np.array(chunks), EpisodeShape(ways, 1, 1)) == search(
        tuple(sorted(chunks))
    )


def test_a_known_maximum() -> None:
    """423 test characters of 20 drawings, 1 shot and 15 queries: 84 episodes of 5 ways (design,
    statistics)."""
    assert most_disjoint(np.full(423, 20), EpisodeShape(5, 1, 15)) == 84


def test_disjoint_class_order_does_not_tell_large_classes_from_small() -> None:
    table, shape, first = table_of([40, 8, 8, 8, 8, 8]), EpisodeShape(3, 1, 1), []
    for seed in range(1500):
        classes = draw_disjoint(np.random.default_rng(seed), table, shape, 2)["classes"]
        first += [int(np.flatnonzero(row == 0)[0]) for row in classes]
    assert chisquare(np.bincount(first, minlength=3)).pvalue > SURELY
