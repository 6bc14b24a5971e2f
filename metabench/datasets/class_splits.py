"""Class splits: which classes are for training, which for validation, which for test.

A class is known by its name, ``group/member`` (an alphabet and a character). Every function takes
the names sorted, and returns class numbers of the three splits, each ascending; no class stands in
two.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from metabench.cells import PER_SEED
from metabench.datasets.dataset import Split
from metabench.errors import DataError, nearest, some
from metabench.tasks.random_streams import generator
from metabench.tasks.sampler import Integers

Splits = dict[Split, Integers]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

ROTATED: dict[str, tuple[Split, ...]] = {"none": (), "train": ("train",), "all": SPLITS}
"""The splits whose classes each value of the setting `rotations` turns."""

TURNED = ("/rot090", "/rot180", "/rot270")
"""What the name of a class ends in that is another, turned by so many degrees."""

MAML_SPLIT = (1100, 100, 423)
"""Training, validation and test characters of Finn et al. 2017."""


@dataclass(frozen=True)
class SplitSettings:
    """The settings of a dataset of characters that say which of them are in which split. A subclass
    says what `split` may be.

    Attributes
    ----------
    split
        ``random``, all characters shuffled (in the proportion 1100/100/423, unless sizes are said);
        ``alphabet``, whole alphabets (those said, or else a fifth each to validation and test,
        shuffled); or whatever else a subclass offers, which then says it all.
    split_seed
        Of the shuffling. A suite may say `per_seed`: each seed of its grids then has a split of its
        own, so that what is found over seeds does not hang on one of them.
    train_classes, validation_classes, test_classes
        Sizes of a random split, before rotations; all three or none.
    train_alphabets, validation_alphabets, test_alphabets
        The alphabets of an alphabet split; all three or none.
    """

    split: str = "random"
    split_seed: Annotated[int, Ge(0)] | Literal["per_seed"] = 0
    train_classes: Annotated[int, Ge(1)] | None = None
    validation_classes: Annotated[int, Ge(1)] | None = None
    test_classes: Annotated[int, Ge(1)] | None = None
    train_alphabets: tuple[str, ...] = ()
    validation_alphabets: tuple[str, ...] = ()
    test_alphabets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for use, needed in (("classes", "random"), ("alphabets", "alphabet")):
            keys = [f"{split}_{use}" for split in SPLITS]
            said = [key for key in keys if getattr(self, key)]
            if said and self.split != needed:
                raise ValueError(
                    f"{said[0]} is for split = '{needed}', and split is '{self.split}'"
                )
            if said and said != keys:
                raise ValueError(
                    f"{', '.join(said)} without "
                    f"{', '.join(key for key in keys if key not in said)}: say all three, or none"
                )
        counts = Counter((*self.train_alphabets, *self.validation_alphabets, *self.test_alphabets))
        if twice := [alphabet for alphabet, count in counts.items() if count > 1]:
            raise ValueError(
                f"the alphabet {twice[0]!r} is named twice; an alphabet is in one split, once"
            )
        if self.split_seed and (self.split not in ("random", "alphabet") or counts):
            raise ValueError(
                "split_seed shuffles nothing where the split is published or its alphabets are "
                "named; leave it out"
            )

    def splits_of(self, class_names: Sequence[str]) -> Splits:
        """Split the classes at random or by alphabet.

        Raises
        ------
        DataError
            There are too few, or a named alphabet is not there.
        ValueError
            The seed of the split is left to whoever runs a suite.
        """
        if not isinstance(self.split_seed, int):
            raise ValueError(f"split_seed = '{PER_SEED}' is for suites; say which seed is meant")
        if self.split == "random":
            said = [
                size
                for size in (self.train_classes, self.validation_classes, self.test_classes)
                if size is not None
            ]
            return shuffled(class_names, said or MAML_SPLIT, self.split_seed, exact=bool(said))
        named: dict[Split, Sequence[str]] = {
            "train": self.train_alphabets,
            "validation": self.validation_alphabets,
            "test": self.test_alphabets,
        }
        return by_group(class_names, named, self.split_seed)


def published(file: str, class_names: Sequence[str]) -> Splits:
    """Return the split listed in the data file `file` of this package (``{split: {alphabet: [first
    character, last character]}}``).

    Raises
    ------
    DataError
        Classes of the list are not there.
    """
    lists = _lists(file)
    numbers = {name: number for number, name in enumerate(class_names)}
    wanted: dict[Split, list[str]] = {split: _members(lists[split]) for split in SPLITS}
    if absent := sorted(name for names in wanted.values() for name in names if name not in numbers):
        needed = " + ".join(f"{len(wanted[split])} {split}" for split in SPLITS)
        groups = sorted({name.split("/")[0] for name in absent})
        raise DataError(
            f"the split needs {needed} classes; {len(absent)} of them are missing, from "
            f"{len(groups)} alphabets: {some(groups, 8)}\n"
            f"what is there: {len(class_names)} classes of "
            f"{some(sorted({name.split('/')[0] for name in class_names}), 8)}"
        )
    return {split: np.sort(np.array([numbers[name] for name in wanted[split]])) for split in SPLITS}


def published_sizes(file: str) -> dict[str, int]:
    """How many members each group has in the split listed in a data file, all splits together."""
    sizes: Counter[str] = Counter()
    for groups in _lists(file).values():
        sizes.update({group: last - first + 1 for group, (first, last) in groups.items()})
    return dict(sizes)


def published_names(file: str) -> list[str]:
    """The classes of the split listed in a data file, all splits together, sorted."""
    lists = _lists(file)
    return sorted(name for split in SPLITS for name in _members(lists[split]))


def sizes_of(
    images: Mapping[str, int], splits: Splits, rotated: Sequence[Split]
) -> dict[Split, dict[str, int]]:
    """How many images each class of each split has.

    Parameters
    ----------
    images
        Of each class, before rotations.
    splits
        The numbers of the classes of each split.
    rotated
        The splits whose classes are also there turned.
    """
    names = list(images)
    return {
        split: {
            names[number] + turn: images[names[number]]
            for turn in ("", *(TURNED if split in rotated else ()))
            for number in numbers.tolist()
        }
        for split, numbers in splits.items()
    }


def _members(groups: Mapping[str, tuple[int, int]]) -> list[str]:
    return [
        f"{group}/character{n:02d}"
        for group, (first, last) in groups.items()
        for n in range(first, last + 1)
    ]


def _lists(file: str) -> dict[Split, dict[str, tuple[int, int]]]:
    lists = json.loads((files("metabench.datasets") / "splits" / file).read_text(encoding="utf-8"))
    return {split: lists[split] for split in SPLITS}


def shuffled(
    class_names: Sequence[str], proportions: Sequence[int], seed: int, *, exact: bool
) -> Splits:
    """Shuffle all classes by `seed` and deal them out to train, validation and test.

    Parameters
    ----------
    proportions
        The sizes of the three splits where `exact`; else in what proportion to each other all
        classes are dealt out (at least one each).

    Raises
    ------
    DataError
        Fewer classes than that.
    """
    there, whole = len(class_names), sum(proportions)
    if there < (needed := whole if exact else len(SPLITS)):
        raise DataError(
            f"a random split into {'/'.join(map(str, proportions))} classes needs {needed} "
            f"classes; there are {there}"
        )
    if exact:
        sizes = list(proportions)
    else:
        validation, test = (max(1, round(there * part / whole)) for part in proportions[1:])
        sizes = [there - validation - test, validation, test]
    order = generator(seed, "random class split").permutation(there)
    ends = np.cumsum(sizes)
    return {
        split: np.sort(order[end - size : end])
        for split, size, end in zip(SPLITS, sizes, ends, strict=True)
    }


def by_group(class_names: Sequence[str], named: Mapping[Split, Sequence[str]], seed: int) -> Splits:
    """Give whole groups (alphabets) to train, validation and test, so that none straddles.

    Parameters
    ----------
    named
        The groups of each split. Where no split names any, the groups are shuffled by `seed`: a
        fifth of them (rounded, at least one) to validation, as many to test, the others to train.

    Raises
    ------
    DataError
        A named group is not there; fewer than three groups.
    """
    group_of = [name.split("/")[0] for name in class_names]
    there = sorted(set(group_of))
    if not any(named.values()):
        if len(there) < len(SPLITS):
            raise DataError(
                "a split by alphabet needs an alphabet each for train, validation and test; there "
                f"are {len(there)}: {some(there, 8)}"
            )
        order = [there[n] for n in generator(seed, "class split by group").permutation(len(there))]
        part = max(1, round(len(there) / 5))
        named = {
            "validation": order[:part],
            "test": order[part : 2 * part],
            "train": order[2 * part :],
        }
    for split in SPLITS:
        for group in named[split]:
            if group not in there:
                raise DataError(
                    f"{split}_alphabets names {group!r}, which is not "
                    f"there{nearest(group, there)}\nwhat is there: {', '.join(there)}"
                )
    return {
        split: np.array([n for n, group in enumerate(group_of) if group in named[split]])
        for split in SPLITS
    }
