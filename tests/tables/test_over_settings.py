"""One number over many settings: which settings, on which scale, and who has none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from settings_run import TUNED, ranked_run, settings_run
from synthetic_run import Synthetic

from metabench import stats
from metabench.tables import load, read_csv
from metabench.tables.over_settings import OverRow, OverSettings

SCORES = {
    ("maml", 1): (0.50, 0.52, 0.54, 0.56, 0.58),
    ("maml", 5): (0.70, 0.72, 0.74, 0.76, 0.78),
    ("protonet", 1): (0.60, 0.62, 0.64, 0.66, 0.68),
    ("protonet", 5): (0.71, 0.73, 0.75, 0.77, 0.79),
}


def two(**changes: object) -> Synthetic:
    return Synthetic(**{"algorithms": ("maml", "protonet"), "scores": SCORES, **changes})


def only(folder: Path) -> OverSettings:
    (found,) = load(folder).rows.over_settings
    return found


def row_of(found: OverSettings, algorithm: str) -> OverRow:
    (row,) = (row for row in found.rows if row.entrant.algorithm == algorithm)
    return row


def test_the_middle_half_and_the_improvement_by_hand(tmp_path: Path) -> None:
    found = only(two().write(tmp_path / "run"))
    assert (found.scale, found.refused, found.seeds, found.independent) == ("score", "", 5, 2)
    # of ten scores two go at either end
    expected = {"maml": (0.54 + 0.56 + 0.58 + 0.70 + 0.72 + 0.74) / 6}
    expected["protonet"] = (0.64 + 0.66 + 0.68 + 0.71 + 0.73 + 0.75) / 6
    for name, mean in expected.items():
        row = row_of(found, name)
        assert row.score == pytest.approx(mean)
        assert row.low is not None
        assert row.high is not None
        assert row.low < mean < row.high
    ahead = row_of(found, "protonet")
    # 1 shot: all 25 pairs; 5 shots: 15 of 25
    assert ahead.improvement == pytest.approx((1 + 15 / 25) / 2)
    assert ahead.leads == 2
    reference = row_of(found, "maml")
    assert (reference.leads, reference.improvement, reference.reference) == (0, None, None)


def test_intervals_of_improvements_hold_all_at_once(tmp_path: Path) -> None:
    found = only(Synthetic().write(tmp_path / "run"))
    rivals = [row for row in found.rows if not row.entrant.is_reference]
    row = row_of(found, "protonet")
    scores = [
        np.asarray(who.scores(range(5))) for who in (row.entrant, row_of(found, "maml").entrant)
    ]
    expected = stats.improvement_interval(*scores, confidence=1 - 0.05 / len(rivals))
    assert (row.improvement_low, row.improvement_high) == pytest.approx(expected.interval)


def test_one_cell_that_did_not_complete_leaves_no_number(tmp_path: Path) -> None:
    """Its mean would be the best by far: of what is left."""
    best = {("scratch", shots): (0.99,) * 5 for shots in (1, 5)}
    for outcome in ("diverged", "failed", "missing"):
        change = {("scratch", 5, 2): outcome}
        run = two(algorithms=("maml", "protonet", "scratch"), scores=SCORES | best, change=change)
        found = only(run.write(tmp_path / outcome))
        row = row_of(found, "scratch")
        assert (row.score, row.improvement, row.rank, row.profile) == (None,) * 4
        assert row.leads == 1
        assert row.caveats[0].startswith(f"1 of 10 cells did not complete (1 {outcome})")
        # the others stand as they do without it
        without = only(two().write(tmp_path / f"without-{outcome}"))
        assert row_of(found, "protonet").score == row_of(without, "protonet").score


def test_nothing_is_set_against_a_reference_that_did_not_complete(tmp_path: Path) -> None:
    found = only(Synthetic(change={("maml", 1, 0): "failed"}).write(tmp_path / "run"))
    assert [row.improvement for row in found.rows] == [None] * 4
    assert row_of(found, "protonet").score is not None
    lost = Synthetic(ways=None, dataset="sinusoid", change={("maml", 1, 0): "failed"})
    errors = only(lost.write(tmp_path / "errors"))
    assert errors.scale is None
    assert "did not complete" in errors.refused
    assert [row.score for row in errors.rows] == [None] * 4


def test_errors_are_ratios_to_those_of_the_reference_at_the_same_seed(tmp_path: Path) -> None:
    scores = {
        ("maml", 1): (2.0, 4.0),
        ("maml", 5): (1.0, 1.0),
        ("fomaml", 1): (1.0, 4.0),
        ("fomaml", 5): (2.0, 4.0),
    }
    run = Synthetic(
        algorithms=("maml", "fomaml"),
        ways=None,
        dataset="sinusoid",
        seeds=(0, 1),
        scores=scores,
    )
    found = only(run.write(tmp_path / "run"))
    assert found.scale == "ratio"
    row = row_of(found, "fomaml")
    # logarithms of 1/2, 1, 2, 4: the middle two
    assert row.score == pytest.approx(math.exp((0 + math.log(2)) / 2))
    # smaller errors are better: 1 shot 2.5 of 4 pairs, 5 shots none
    assert row.improvement == pytest.approx((2.5 / 4 + 0) / 2)
    reference = row_of(found, "maml")
    assert (reference.score, reference.low) == (1.0, None)


def test_accuracies_of_other_ways_are_told_above_chance(tmp_path: Path) -> None:
    parts = [
        two(shots=(1,), scores={("maml", 1): (0.2,) * 5, ("protonet", 1): (0.6,) * 5}),
        two(shots=(1,), ways=2, scores={("maml", 1): (0.5,) * 5, ("protonet", 1): (1.0,) * 5}),
    ]
    found = only(settings_run(tmp_path / "run", parts))
    assert found.scale == "above chance"
    assert row_of(found, "maml").score == pytest.approx(0.0)
    # (.6 - .2) / .8 and (1 - .5) / .5: of five and five, the middle six
    assert row_of(found, "protonet").score == pytest.approx((3 * 0.5 + 3 * 1.0) / 6)


def test_errors_and_accuracies_are_never_one_number(tmp_path: Path) -> None:
    parts = [two(shots=(1,)), two(shots=(1,), dataset="sinusoid", ways=None)]
    assert load(settings_run(tmp_path / "run", parts)).rows.over_settings == []
    parts = [Synthetic(), Synthetic(dataset="sinusoid", ways=None)]
    both = load(settings_run(tmp_path / "both", parts)).rows.over_settings
    assert [(one.metric.name, len(one.settings)) for one in both] == [("accuracy", 2), ("mse", 2)]


def test_a_sweep_is_no_further_setting(tmp_path: Path) -> None:
    axes = {"algorithm.inner_lr": [0.1, 0.4]}
    assert load(two(shots=(1,), axes=axes).write(tmp_path / "one")).rows.over_settings == []
    found = load(Synthetic(axes=axes).write(tmp_path / "two")).rows.over_settings
    assert [one.recipe for one in found] == [
        {"algorithm.inner_lr": 0.1},
        {"algorithm.inner_lr": 0.4},
    ]
    assert [len(one.settings) for one in found] == [2, 2]
    assert only(two(shots=(1,), axes={"dataset.split": ["a", "b"]}).write(tmp_path / "data"))


def test_settings_that_share_trainings_are_one_draw(tmp_path: Path) -> None:
    apart = only(two().write(tmp_path / "apart"))
    folder = two().write(tmp_path / "run")
    told = json.loads((folder / "cells.json").read_text())
    for entry in told["cells"]:
        entry["fit"] = f"{entry['labels']['algorithm']}-{entry['seed']}"
    (folder / "cells.json").write_text(json.dumps(told))
    found = only(folder)
    assert (found.independent, len(found.settings)) == (1, 2)
    ahead, before = row_of(found, "protonet"), row_of(apart, "protonet")
    assert ahead.improvement == before.improvement
    assert ahead.improvement_low is not None
    assert before.improvement_low is not None
    assert ahead.improvement_low < before.improvement_low


def test_too_little_is_not_told(tmp_path: Path) -> None:
    for number, one in enumerate((two(seeds=(0,)), two(shots=(1,)), two(algorithms=("maml",)))):
        assert load(one.write(tmp_path / str(number))).rows.over_settings == []
    lost = two(change={("protonet", 1, 0): "diverged"})
    assert load(lost.write(tmp_path / "lost")).rows.over_settings == []


def test_the_seeds_that_all_settings_share(tmp_path: Path) -> None:
    parts = [two(shots=(1,)), two(shots=(5,), seeds=(3, 4, 5, 6))]
    parts[1].scores = {key: value[:4] for key, value in SCORES.items()}
    found = only(settings_run(tmp_path / "run", parts))
    assert found.seeds == 2
    row = row_of(found, "maml")
    # seeds 3 and 4: .56 .58 and .70 .72, the middle two
    assert row.score == pytest.approx((0.58 + 0.70) / 2)
    assert row.caveats == (
        "over the 2 seeds that all settings share",
        "2 seeds: described, not tested",
    )


def test_ranks_over_fourteen_data_sets_are_demsars(tmp_path: Path) -> None:
    found = only(ranked_run(tmp_path / "run"))
    assert found.data_sets == 14
    assert found.ranks is not None
    assert [row.rank for row in found.rows] == pytest.approx([3.143, 2.0, 2.893, 1.964], abs=5e-4)
    assert found.ranks.p == pytest.approx(0.0198, abs=5e-5)
    assert found.ranks.critical_difference == pytest.approx(1.25, abs=5e-3)


def test_ranks_need_eight_data_sets_whatever_the_shapes(tmp_path: Path) -> None:
    found = only(ranked_run(tmp_path / "run", datasets=7))
    assert (found.ranks, [row.rank for row in found.rows]) == (None, [None] * 4)
    many = only(Synthetic(algorithms=TUNED, shots=range(1, 10)).write(tmp_path / "shots"))
    assert (len(many.settings), many.data_sets, many.ranks) == (9, 1, None)


def test_a_profile_is_the_share_of_runs_beyond(tmp_path: Path) -> None:
    found = only(two().write(tmp_path / "run"))
    assert found.at is not None
    assert (found.at[0], found.at[-1]) == pytest.approx((0.50, 0.79))
    profile = row_of(found, "protonet").profile
    assert profile is not None
    assert (profile[0], profile[-1]) == (1.0, 0.0)
    middle = int(np.searchsorted(found.at, 0.70))
    assert profile[middle] == pytest.approx(0.5)


def test_the_same_records_give_the_same_numbers_and_a_file(tmp_path: Path) -> None:
    folder = Synthetic().write(tmp_path / "run")
    first, second = load(folder), load(folder)
    assert first.over_settings.equals(second.over_settings)
    first.write_csv()
    table = read_csv(folder / "tables" / "over_settings.csv")
    assert list(table["algorithm"]) == ["maml", "fomaml", "protonet", "scratch"]
    assert table["score"].tolist() == pytest.approx(first.over_settings["score"].tolist())
