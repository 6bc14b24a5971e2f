"""What a suite declares before its first record: what counts, what changed and in what words, and
the file that holds it fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from suite_project import load

from metabench.cli import main
from metabench.errors import ConfigError
from metabench.suite.declaration import (
    changes,
    declaration_of,
    digest_of,
    freeze,
    frozen_path,
    read_frozen,
)

SUITE = """\
title = "Few"
reference = "maml"

[[grid]]
algorithms = ["maml", "oracle"]
datasets = ["sinusoid"]
shots = 5
seeds = [0, 1]

[train]
iterations = 10

[validate]
episodes = 5

[[claims]]
id = "known"
says = "Who knows the task is better"
metric = "score"
of = "oracle"
against = "maml"
ratio_below = 1.0
"""


def declared(folder: Path, text: str = SUITE, confidence: float = 0.95) -> dict[str, Any]:
    return declaration_of(load(folder, text), confidence, "c0ffee")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("iterations = 10", "iterations = 20", ["train.iterations 10 -> 20"]),
        ("seeds = [0, 1]", "seeds = [0, 1, 2]", ["grid[1].seeds [0, 1] -> [0, 1, 2]"]),
        ("shots = 5", "shots = [5, 10]", ["grid[1].shots 5 -> [5, 10]"]),
        ("[validate]\nepisodes = 5", "", ["validate.episodes 5 -> nothing"]),
        ("reference", "root_seed = 1\nreference", ["root_seed nothing -> 1"]),
        (
            "[train]",
            "[algorithms.maml]\ninner_lr = 0.5\n\n[train]",
            ["algorithms.maml.inner_lr nothing -> 0.5"],
        ),
    ],
)
def test_what_changed_is_named(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert old in SUITE
    before = declared(tmp_path)
    now = declared(tmp_path, SUITE.replace(old, new, 1))
    assert digest_of(before) != digest_of(now)
    assert changes(before, now) == says


def test_what_shapes_no_number_changes_nothing(tmp_path: Path) -> None:
    before = declared(tmp_path)
    reworded = SUITE.replace("Few", "Many").replace("[train]\niterations = 10\n\n", "")
    now = declared(tmp_path, reworded + "\n[train]\niterations = 10\n")
    assert (digest_of(before), changes(before, now)) == (digest_of(now), [])


def test_the_commit_is_kept_and_does_not_count(tmp_path: Path) -> None:
    suite = load(tmp_path, SUITE)
    first, second = (declaration_of(suite, 0.95, commit) for commit in ("a", None))
    assert (first["commit"], second["commit"]) == ("a", None)
    assert digest_of(first) == digest_of(second)


def test_a_default_that_changed_is_a_change_without_a_key(tmp_path: Path) -> None:
    before = declared(tmp_path)
    (told,) = changes(before | {"cells_digest": "0" * 64}, before) or ()
    assert "version of a method" in told


def test_of_an_older_declaration_nobody_knows_the_cells(tmp_path: Path) -> None:
    now = declared(tmp_path)
    assert changes({key: now[key] for key in ("claims", "reference", "confidence")}, now) is None


def test_a_frozen_declaration_is_read_as_it_was_written(tmp_path: Path) -> None:
    suite = load(tmp_path, SUITE)
    assert read_frozen(suite) is None
    before = declaration_of(suite, 0.95, "c0ffee")
    path = freeze(suite, before, 3)
    assert path == frozen_path(suite) == tmp_path / "suites" / "x.frozen.json"
    frozen = read_frozen(suite)
    assert frozen is not None
    assert (frozen.declaration, frozen.records_before) == (before, 3)
    assert frozen.departures(before) == []
    assert frozen.remarks(before) == ()


def test_all_that_is_not_as_frozen_is_told(tmp_path: Path) -> None:
    freeze(load(tmp_path, SUITE), declared(tmp_path), 0)
    changed = SUITE.replace('reference = "maml"', 'reference = "oracle"')
    changed = changed.replace('id = "known"', 'id = "other"').replace("= 10\n", "= 20\n")
    suite = load(tmp_path, changed)
    frozen = read_frozen(suite)
    assert frozen is not None
    assert frozen.departures(declaration_of(suite, 0.9, None)) == [
        'reference "maml" -> "oracle"',
        "confidence 0.95 -> 0.9",
        "claim 'other' is new",
        "claim 'known' is gone",
        "train.iterations 10 -> 20",
    ]


DAMAGED: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "is damaged: "),
    "another thing": ([1], "no frozen declaration"),
    "a later schema": ({"schema": 2}, "no frozen declaration"),
    "nothing declared": ({"declaration": None}, "declaration is not as it should be"),
    "another suite": ({"suite": "y"}, "is of suite 'y', not of 'x'"),
    "no claims": ({"declaration": {"claims": 1}}, "declaration.claims is not as it should be"),
    "an edit": ({"digest": "0" * 64}, "has been changed since it was written"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_told(tmp_path: Path, name: str) -> None:
    suite = load(tmp_path, SUITE)
    path = freeze(suite, declared(tmp_path), 0)
    change, says = DAMAGED[name]
    if isinstance(change, dict):
        change = json.loads(path.read_text()) | change
    path.write_text(change if isinstance(change, str) else json.dumps(change))
    with pytest.raises(ConfigError) as caught:
        read_frozen(suite)
    assert says in str(caught.value)
    assert "x.frozen.json" in str(caught.value)


def test_the_verb_freezes_once_and_tells_what_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load(tmp_path, SUITE)
    (tmp_path / "benchmark.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["freeze", "x"]) == 0
    assert "4 cells, 2 seeds, 1 claim; digest" in capsys.readouterr().out
    content = frozen_path(load(tmp_path, SUITE)).read_text()
    assert main(["freeze", "x"]) == 0
    assert "and as it was then" in capsys.readouterr().out

    load(tmp_path, SUITE.replace("iterations = 10", "iterations = 20"))
    assert main(["freeze", "x"]) == 2
    assert "train.iterations 10 -> 20" in capsys.readouterr().err
    assert main(["plan", "x", "--device", "cpu"]) == 0
    assert "not as frozen in x.frozen.json: train.iterations" in capsys.readouterr().out
    assert frozen_path(load(tmp_path, SUITE)).read_text() == content
    load(tmp_path, SUITE.replace("iterations = 10", "iterations = 20"))
    assert main(["freeze", "x", "--again"]) == 0
    capsys.readouterr()
    assert main(["plan", "x", "--device", "cpu"]) == 0
    assert "not as frozen" not in capsys.readouterr().out
