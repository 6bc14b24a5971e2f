"""What every dataset must do, whatever it holds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch

from metabench.datasets.class_splits import SPLITS
from metabench.datasets.dataset import Dataset, Split
from metabench.datasets.images import ImageDataset
from metabench.experiment.returned.datasets import (
    checked_content,
    checked_draw,
    checked_episodes,
    checked_task,
)
from metabench.registry import names
from metabench.registry.contract import broken_contract
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape
from metabench.testing.small import CPU, made

EPISODES = 200
SIGMAS = 6.0
"""Standard errors by which a mean may miss what it should be: by chance, never."""


def check_dataset(
    found: type[Dataset],
    root: str | Path = "data",
    *,
    ways: int = 3,
    shots: int = 2,
    query_shots: int = 2,
    **settings: object,
) -> None:
    """Try a dataset on episodes of one shape.

    Parameters
    ----------
    found
        The class.
    root
        The data folder. A test makes a small one in the format that the dataset reads.
    ways, shots, query_shots
        Of the episodes, which every split must be able to fill; regression has no ways.
    settings
        Those of its `Settings` that are not to be the defaults.

    Raises
    ------
    AssertionError
        Says what is wrong.
    DataError
        The data is not there, or cannot fill such episodes.
    """
    if broken := broken_contract("datasets", found, names("models")):
        raise AssertionError(f"{found.__name__} {broken}")
    dataset, again = (made(found, settings) for _ in range(2))
    dataset.load(Path(root))
    again.load(Path(root))
    shape = EpisodeShape(ways if dataset.kind == "classification" else None, shots, query_shots)
    checked_task(dataset, shape.ways)
    assert checked_content(dataset) == checked_content(again), (
        f"{found.__name__}: loaded twice, the content has two digests"
    )
    for split in SPLITS:
        draws_what_the_generator_says(dataset, again, split, shape)
        gathers_episodes(dataset, split, shape)
        tells_nothing_by_order(dataset, split, shape)
    shares_no_class_between_splits(dataset)


def draws_what_the_generator_says(
    dataset: Dataset, again: Dataset, split: Split, shape: EpisodeShape
) -> None:
    """What is drawn follows from the generator alone, and another one draws something else."""
    first, same, other = (
        checked_draw(which, "draw", which.draw(split, shape, 8, np.random.default_rng(seed)), 8)
        for which, seed in ((dataset, 0), (again, 0), (dataset, 1))
    )
    name = f"{type(dataset).__name__}, {split}"
    assert _equal(first, same), f"{name}: two draws with equal generators differ"
    assert not _equal(first, other), f"{name}: the generator changes nothing"


def gathers_episodes(dataset: Dataset, split: Split, shape: EpisodeShape) -> None:
    """Episodes have their shape, each class its number of examples, no query stands in the support
    set, and part of a draw gives part of the episodes."""
    name = f"{type(dataset).__name__}, {split}"
    draw = dataset.draw(split, shape, 8, np.random.default_rng(0))
    episodes = checked_episodes(dataset, dataset.gather(draw, CPU), shape, 8, CPU)
    part = dataset.gather({key: values[2:5] for key, values in draw.items()}, CPU)
    for key, tensor in vars(part).items():
        same = torch.equal(tensor, getattr(episodes, key)[2:5])
        assert same, f"{name}: {key} of some episodes is not that of all of them"
    if shape.ways is None:
        return
    shots = [shape.shots] * shape.ways
    for y, each in ((episodes.support_y, shots), (episodes.query_y, shape.class_queries)):
        counts = torch.nn.functional.one_hot(y, shape.ways).sum(1).sort(1).values
        as_drawn = bool((counts == torch.tensor(sorted(each))).all())
        assert as_drawn, f"{name}: not {each[0]} examples of every class"
    for numbers in [key for key in ("support", "query") if key in draw]:
        twice = any(len(np.unique(row)) < len(row) for row in draw[numbers])
        assert not twice, f"{name}: an example stands twice in a {numbers} set"
    if {"support", "query"} <= draw.keys():
        met = zip(draw["support"], draw["query"], strict=True)
        seen = any(np.intersect1d(*pair).size for pair in met)
        assert not seen, f"{name}: a query stands in the support set of its own episode"


def tells_nothing_by_order(dataset: Dataset, split: Split, shape: EpisodeShape) -> None:
    """Neither the label of a class nor the place of a query tells what is there: over episodes, no
    label looks different from the others, and no place has more of one label."""
    if shape.ways is None:
        return
    draw = dataset.draw(split, shape, EPISODES, np.random.default_rng(0))
    episodes: Episodes = dataset.gather(draw, CPU)
    name = f"{type(dataset).__name__}, {split}"
    brightness = episodes.support_x.flatten(2).double().mean(-1)
    labels = episodes.support_y
    by_class = torch.stack(
        [brightness[labels == c].view(EPISODES, -1).mean(1) for c in range(shape.ways)], 1
    )
    apart = by_class - by_class.mean(1, keepdim=True)
    error = apart.std(0) / EPISODES**0.5 + 1e-12
    assert bool((apart.mean(0).abs() < SIGMAS * error).all()), (
        f"{name}: the classes called {list(range(shape.ways))} differ in the mean of their inputs; "
        "which class is called 0 must be drawn anew for each episode"
    )
    share = torch.nn.functional.one_hot(episodes.query_y, shape.ways).double().mean(0)
    chance = 1 / shape.ways
    error = (chance * (1 - chance) / EPISODES) ** 0.5
    assert bool(((share - chance).abs() < SIGMAS * error).all()), (
        f"{name}: the place of a query tells its class; shuffle the queries of each episode"
    )


def shares_no_class_between_splits(dataset: Dataset) -> None:
    """No class of images is in two splits."""
    if not isinstance(dataset, ImageDataset):
        return
    splits = dataset.pool.splits
    for first, second in itertools.combinations(SPLITS, 2):
        shared = np.intersect1d(splits[first], splits[second])
        assert not shared.size, (
            f"{type(dataset).__name__}: {dataset.pool.class_names[int(shared[0])]!r} is in both "
            f"{first} and {second}"
        )


def _equal(one: Draw, other: Draw) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(values, other[name]) for name, values in one.items()
    )
