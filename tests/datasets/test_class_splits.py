"""Class splits: no class in two of them, no alphabet straddling, the same for the same seed."""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.datasets.class_splits import SPLITS, Splits, by_group, published, shuffled
from metabench.errors import DataError

LISTS = json.loads((files("metabench.datasets") / "splits" / "omniglot-vinyals.json").read_text())
OMNIGLOT = sorted(
    f"{a}/character{n:02d}"
    for split in SPLITS
    for a, (first, last) in LISTS[split].items()
    for n in range(first, last + 1)
)
SMALL = [f"{alphabet}/character{n:02d}" for alphabet in "ABCDEFG" for n in range(1, 5)]


def assert_apart(splits: Splits) -> None:
    counts = Counter(int(number) for numbers in splits.values() for number in numbers)
    assert set(counts.values()) == {1}
    assert all((np.diff(numbers) > 0).all() for numbers in splits.values())


def test_the_published_split_has_its_published_sizes() -> None:
    splits = published("omniglot-vinyals.json", OMNIGLOT)
    assert_apart(splits)
    assert {split: len(numbers) for split, numbers in splits.items()} == {
        "train": 1028,
        "validation": 172,
        "test": 423,
    }
    assert len(set(OMNIGLOT)) == 1623
    assert len({name.split("/")[0] for name in OMNIGLOT}) == 50
    assert {OMNIGLOT[n].split("/")[0] for n in splits["validation"]} == {
        "Armenian",
        "Bengali",
        "Early_Aramaic",
        "Hebrew",
        "Mkhedruli_(Georgian)",
    }


def test_the_shipped_file_is_what_the_script_makes_of_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "vinyals_split.py"))
    splits = published("omniglot-vinyals.json", OMNIGLOT)
    for split, (name, _) in script["LISTS"].items():
        lines = [
            f"{OMNIGLOT[n]}/rot{angle:03d}" for n in splits[split] for angle in (0, 90, 180, 270)
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    shipped = script["TARGET"].read_bytes()
    monkeypatch.setattr(sys, "argv", ["vinyals_split.py", str(tmp_path)])
    monkeypatch.setitem(script["main"].__globals__, "TARGET", tmp_path / "made.json")
    script["main"]()
    assert (tmp_path / "made.json").read_bytes() == shipped


def test_what_the_published_split_lacks_is_told() -> None:
    with pytest.raises(DataError) as told:
        published(
            "omniglot-vinyals.json", [name for name in OMNIGLOT if not name.startswith("Korean")]
        )
    assert "1028 train + 172 validation + 423 test" in str(told.value)
    assert "40 of them are missing, from 1 alphabets: Korean" in str(told.value)
    assert "1583 classes" in str(told.value)


@given(there=st.integers(3, 300), seed=st.integers(0, 50))
def test_a_random_split_keeps_the_proportions(there: int, seed: int) -> None:
    splits = shuffled([f"x/{n}" for n in range(there)], (1100, 100, 423), seed, exact=False)
    assert_apart(splits)
    sizes = [len(splits[split]) for split in SPLITS]
    assert sum(sizes) == there
    assert all(size >= 1 for size in sizes)
    assert np.allclose(sizes, there * np.array([1100, 100, 423]) / 1623, atol=1.5)


def test_a_random_split_is_that_of_its_seed() -> None:
    full = shuffled(OMNIGLOT, (1100, 100, 423), 0, exact=False)
    assert [len(full[split]) for split in SPLITS] == [1100, 100, 423]
    again, other = (shuffled(OMNIGLOT, (1100, 100, 423), seed, exact=False) for seed in (0, 1))
    assert full["test"].tolist() == again["test"].tolist() != other["test"].tolist()


def test_sizes_that_are_said_are_kept_or_refused() -> None:
    splits = shuffled(SMALL, (10, 2, 3), 0, exact=True)
    assert_apart(splits)
    assert [len(splits[split]) for split in SPLITS] == [10, 2, 3]
    with pytest.raises(DataError, match="20/5/4 classes needs 29 classes; there are 28"):
        shuffled(SMALL, (20, 5, 4), 0, exact=True)
    with pytest.raises(DataError, match="there are 2"):
        shuffled(SMALL[:2], (1100, 100, 423), 0, exact=False)


@given(groups=st.integers(3, 50), seed=st.integers(0, 50))
def test_no_alphabet_straddles(groups: int, seed: int) -> None:
    names = [f"g{g:02d}/{n}" for g in range(groups) for n in range(1 + g % 3)]
    splits = by_group(names, {}, seed)
    assert_apart(splits)
    alphabets = {
        split: {names[n].split("/")[0] for n in numbers} for split, numbers in splits.items()
    }
    assert sum(map(len, alphabets.values())) == len(set.union(*alphabets.values())) == groups
    fifth = max(1, round(groups / 5))
    assert [len(alphabets[split]) for split in SPLITS] == [groups - 2 * fifth, fifth, fifth]


def test_named_alphabets_are_taken_and_no_others() -> None:
    splits = by_group(SMALL, {"train": ("B", "A"), "validation": ("G",), "test": ("C",)}, 0)
    assert {split: {SMALL[n][0] for n in numbers} for split, numbers in splits.items()} == {
        "train": {"A", "B"},
        "validation": {"G"},
        "test": {"C"},
    }


def test_alphabets_that_are_not_there_are_told() -> None:
    with pytest.raises(
        DataError,
        match=r"test_alphabets names 'Korea', which is not there \(did you mean 'Korean'\?\)",
    ):
        by_group(OMNIGLOT, {"train": ("Greek",), "validation": ("Latin",), "test": ("Korea",)}, 0)
    with pytest.raises(DataError, match="there are 2: A, B"):
        by_group(SMALL[:8], {}, 0)
