"""Class splits: which classes are for training, which for validation, which for test.

A class is known by its name, ``group/member`` (an alphabet and a character). Every function takes the names sorted, and returns class numbers
of the three splits, each ascending; no class stands in two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from metabench.errors import DataError, nearest
from metabench.streams import generator
from metabench.tasks.dataset import Split
from metabench.tasks.sampler import Integers

Splits = dict[Split, Integers]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def published(file: str, class_names: Sequence[str]) -> Splits:
    """Return the split listed in the data file `file` of this package (``{split: {alphabet: [first character, last character]}}``).

    Raises
    ------
    DataError : classes of the list are not there.
    """
    lists = json.loads((files("metabench.tasks") / "splits" / file).read_text(encoding="utf-8"))
    numbers = {name: number for number, name in enumerate(class_names)}
    wanted: dict[Split, list[str]] = {
        split: [f"{group}/character{n:02d}" for group, (first, last) in lists[split].items() for n in range(first, last + 1)] for split in SPLITS
    }
    if absent := sorted(name for names in wanted.values() for name in names if name not in numbers):
        needed = " + ".join(f"{len(wanted[split])} {split}" for split in SPLITS)
        groups = sorted({name.split("/")[0] for name in absent})
        raise DataError(
            f"the split needs {needed} classes; {len(absent)} of them are missing, from {len(groups)} alphabets: {_some(groups)}\n"
            f"what is there: {len(class_names)} classes of {_some(sorted({name.split('/')[0] for name in class_names}))}"
        )
    return {split: np.sort(np.array([numbers[name] for name in wanted[split]])) for split in SPLITS}


def shuffled(class_names: Sequence[str], proportions: Sequence[int], seed: int, *, exact: bool) -> Splits:
    """Shuffle all classes by `seed` and deal them out to train, validation and test.

    Parameters
    ----------
    proportions : the sizes of the three splits where `exact`; else in what proportion to each other all classes are dealt out (at least one each).

    Raises
    ------
    DataError : fewer classes than that.
    """
    there, whole = len(class_names), sum(proportions)
    if there < (needed := whole if exact else len(SPLITS)):
        raise DataError(f"a random split into {'/'.join(map(str, proportions))} classes needs {needed} classes; there are {there}")
    if exact:
        sizes = list(proportions)
    else:
        validation, test = (max(1, round(there * part / whole)) for part in proportions[1:])
        sizes = [there - validation - test, validation, test]
    order = generator(seed, "random class split").permutation(there)
    ends = np.cumsum(sizes)
    return {split: np.sort(order[end - size : end]) for split, size, end in zip(SPLITS, sizes, ends, strict=True)}


def by_group(class_names: Sequence[str], named: Mapping[Split, Sequence[str]], seed: int) -> Splits:
    """Give whole groups (alphabets) to train, validation and test, so that none straddles.

    Parameters
    ----------
    named : the groups of each split. Where no split names any, the groups are shuffled by `seed`: a fifth of them (rounded, at least one) to
        validation, as many to test, the others to train.

    Raises
    ------
    DataError : a named group is not there; fewer than three groups.
    """
    group_of = [name.split("/")[0] for name in class_names]
    there = sorted(set(group_of))
    if not any(named.values()):
        if len(there) < len(SPLITS):
            raise DataError(f"a split by alphabet needs an alphabet each for train, validation and test; there are {len(there)}: {_some(there)}")
        order = [there[n] for n in generator(seed, "class split by group").permutation(len(there))]
        part = max(1, round(len(there) / 5))
        named = {"validation": order[:part], "test": order[part : 2 * part], "train": order[2 * part :]}
    for split in SPLITS:
        for group in named[split]:
            if group not in there:
                raise DataError(f"{split}_alphabets names {group!r}, which is not there{nearest(group, there)}\nwhat is there: {', '.join(there)}")
    return {split: np.array([n for n, group in enumerate(group_of) if group in named[split]]) for split in SPLITS}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
