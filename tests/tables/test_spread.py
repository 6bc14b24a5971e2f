"""Where the spread over seeds comes from: what follows the seed, as the tables tell it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import Synthetic

from metabench import stats
from metabench.tables import load
from metabench.tables.streams import held_words

HELD: dict[str, dict[str, int]] = {
    "all": {},
    "init": {"data": 0, "test": 0},
    "data": {"init": 0, "test": 0},
    "test": {"init": 0, "data": 0},
}
SCORES = {"all": (0.5, 0.6, 0.7, 0.8), "init": (0.5, 0.6, 0.6, 0.5), "data": (0.5, 0.9, 0.8, 0.7)}
SCORES["test"] = (0.5, 0.51, 0.5, 0.52)


def folder_of(tmp_path: Path, **changes: Any) -> Path:
    """A run whose groups let one group of streams follow the seed, or all of them."""
    folder = Synthetic(
        algorithms=("maml",),
        shots=(1,),
        seeds=range(4),
        axes={"which": list(HELD)},
        **changes,
    ).write(tmp_path / "run")
    path = folder / "cells.json"
    told = json.loads(path.read_text())
    for entry in told["cells"]:
        which, seed = entry["group"].pop("which"), entry["seed"]
        held = HELD[which]
        entry["group"] |= {f"seeds.{name}": value for name, value in held.items()}
        entry["streams"] = {name: held.get(name, seed) for name in ("init", "data", "test")}
        record = next((folder / "records").glob(f"*{entry['cell'][:12]}.json"))
        content = json.loads(record.read_text())
        content["result"]["score"] = SCORES[which][seed]
        record.write_text(json.dumps(content))
    path.write_text(json.dumps(told))
    return folder


def test_what_follows_the_seed_alone_stands_beside_all_together(tmp_path: Path) -> None:
    rows = load(folder_of(tmp_path)).rows.spread
    assert [row.over for row in rows] == [
        ("init",),
        ("data",),
        ("test",),
        ("init", "data", "test"),
    ]
    for row in rows:
        which = row.over[0] if len(row.over) == 1 else "all"
        expected = stats.spread_interval(SCORES[which])
        assert expected.interval is not None
        assert row.sd == pytest.approx(expected.estimate)
        assert row.low == pytest.approx(expected.interval[0])
        assert row.high == pytest.approx(min(expected.interval[1], 0.5))
        assert row.seeds == 4
        assert "seeds.init" not in row.place


def test_the_spread_of_errors_is_that_of_their_logarithms(tmp_path: Path) -> None:
    rows = load(folder_of(tmp_path, dataset="sinusoid", ways=None)).rows.spread
    logarithms = [math.log(score) for score in SCORES["init"]]
    assert rows[0].scale == "log"
    assert rows[0].sd == pytest.approx(stats.spread_interval(logarithms).estimate)


def test_groups_say_what_their_seeds_do_not_change(tmp_path: Path) -> None:
    run = load(folder_of(tmp_path))
    told = {group.over: group.caveats for group in run.rows.groups}
    assert (
        "over test episodes alone: initial weights and training data are the same"
        in (told["test",])
    )
    assert "are the same for every seed" not in told["init", "data", "test"]
    assert set(run.groups["over"]) == {"init data test", "init", "data", "test"}


def test_noise_of_test_episodes_is_unknown_where_all_seeds_met_the_same(tmp_path: Path) -> None:
    shares = {group.over: group.noise_share for group in load(folder_of(tmp_path)).rows.groups}
    assert shares["init",] is None
    assert shares["data",] is None
    assert shares["test",] is not None


def test_nothing_is_told_where_all_groups_let_the_same_follow(tmp_path: Path) -> None:
    run = load(Synthetic().write(tmp_path / "run"))
    assert run.rows.spread == []
    assert list(run.spread.columns)[-7:] == [
        "over",
        "seeds",
        "sd",
        "low",
        "high",
        "scale",
        "caveats",
    ]


def test_older_runs_let_all_follow(tmp_path: Path) -> None:
    assert {group.over for group in load(Synthetic().write(tmp_path / "run")).rows.groups} == {
        ("init", "data", "test")
    }


def test_a_single_seed_says_nothing() -> None:
    assert held_words(()) == []
