"""Where the spread over seeds comes from: what follows the seed, as the tables tell it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from seeded_run import SCORES, seeded_run
from synthetic_run import Synthetic

from metabench import stats
from metabench.tables import load
from metabench.tables.streams import held_words


def test_what_follows_the_seed_alone_stands_beside_all_together(tmp_path: Path) -> None:
    rows = load(seeded_run(tmp_path / "run")).rows.spread
    assert [row.over for row in rows] == [
        ("init",),
        ("data",),
        ("test",),
        ("split",),
        ("init", "data", "test"),
    ]
    for row in rows:
        which = row.over[0] if len(row.over) == 1 else "all"
        expected = stats.spread_interval(SCORES[which])
        assert expected.interval is not None
        assert row.sd == pytest.approx(expected.estimate)
        assert row.low == pytest.approx(expected.interval[0])
        assert row.high == pytest.approx(min(expected.interval[1], 0.5 * (4 / 3) ** 0.5))
        assert row.seeds == 4
        assert "seeds.init" not in row.place
    assert rows[0].held == {"data": 0, "test": 0}


def test_the_spread_of_errors_is_that_of_their_logarithms(tmp_path: Path) -> None:
    rows = load(seeded_run(tmp_path / "run", dataset="sinusoid", ways=None)).rows.spread
    logarithms = [math.log(score) for score in SCORES["init"]]
    assert rows[0].scale == "log"
    assert rows[0].sd == pytest.approx(stats.spread_interval(logarithms).estimate)


def test_groups_say_what_their_seeds_do_not_change(tmp_path: Path) -> None:
    run = load(seeded_run(tmp_path / "run"))
    told = {group.over: group.caveats for group in run.rows.groups}
    assert (
        "over test episodes alone: initial weights and training data are the same"
        in (told["test",])
    )
    assert "are the same for every seed" not in told["init", "data", "test"]
    assert set(run.groups["over"]) == {"init data test", "init", "data", "test", "split"}
    assert (
        "over class split with its episodes alone: initial weights are the same" in (told["split",])
    )


def test_noise_of_test_episodes_is_unknown_where_all_seeds_met_the_same(tmp_path: Path) -> None:
    shares = {
        group.over: group.noise_share for group in load(seeded_run(tmp_path / "run")).rows.groups
    }
    assert shares["init",] is None
    assert shares["data",] is None
    assert shares["test",] is not None
    assert shares["split",] is not None


def test_a_training_that_is_tested_again_counts_once(tmp_path: Path) -> None:
    rates = {
        group.over: group.failure_rate_high
        for group in load(seeded_run(tmp_path / "run")).rows.groups
    }
    assert rates["test",] == pytest.approx(stats.failure_rate(1, 1).interval[1])
    assert rates["init",] == pytest.approx(stats.failure_rate(4, 4).interval[1])


def test_a_claim_that_says_nothing_of_seeds_is_about_whole_trainings(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        **dict.fromkeys(("source", "bound"), ""),
        **{"id": "a", "says": "more than a third", "metric": "score", "of": "maml"},
        **{"against": 0.33, "published": False, "where": {}, "versus_where": None},
        **{"bound": "difference_above", "limits": [0.0]},
    }
    rows = load(seeded_run(tmp_path / "run", claims=[said])).rows.claims
    assert [row.group.over for row in rows if row.group] == [("init", "data", "test")]
    run = load(
        seeded_run(tmp_path / "b", claims=[{**said, "where": {"seeds.init": 0, "seeds.test": 0}}])
    )
    assert {row.group.over for row in run.rows.claims if row.group} == {("data",), ("split",)}


def test_nothing_is_told_where_all_groups_let_the_same_follow(tmp_path: Path) -> None:
    run = load(Synthetic().write(tmp_path / "run"))
    assert run.rows.spread == []
    assert list(run.spread.columns)[-8:] == [
        "over",
        "held",
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
