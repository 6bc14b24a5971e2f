"""Ratios of what was timed alone, against answers worked out by hand, and claims held against
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from synthetic_run import Synthetic
from timed_alone import timings

from metabench.records import read_cells, write_timings
from metabench.report import render
from metabench.tables import Run, load

ALGORITHMS = ("maml", "fomaml", "reptile")
RATIOS = [0.60, 0.66, 0.64, 0.70, 0.62]
CLAIM = {
    **{"id": "cheap", "says": "Half", "source": "", "metric": "seconds_per_task", "of": "fomaml"},
    **{"against": "maml", "published": False, "where": {}, "versus_where": None},
    **{"bound": "ratio_below", "limits": [0.7]},
}


def rounds(ratios: Sequence[float], drift: float = 1.0) -> list[list[tuple[str, float]]]:
    """MAML at 20 ms, FOMAML by its ratio to it, on a machine that takes `drift` times as long with
    each pass."""
    found, now = [], 1.0
    for ratio in ratios:
        passes = []
        for name in ("maml", "fomaml", "fomaml", "maml"):
            passes.append((name, now * 0.02 * (ratio if name == "fomaml" else 1.0)))
            now *= drift
        found.append(passes)
    return found


def timed_run(
    folder: Path,
    passes: Sequence[Sequence[tuple[str, float]]],
    budgets: Mapping[str, int | None] = {"maml": 2000, "fomaml": 2000},
    **said: Any,
) -> Run:
    """A run of three algorithms whose first seeds of two were timed in turn."""
    said = {"algorithms": ALGORITHMS, "shots": (1,), **said}
    Synthetic(**said).write(folder)
    fits = {
        entry["labels"]["algorithm"]: entry["fit"]
        for entry in reversed(read_cells(folder)["cells"])
    }
    write_timings(folder, timings({name: {fits[name]: of} for name, of in budgets.items()}, passes))
    return load(folder)


def test_a_ratio_is_over_rounds_with_the_interval_of_its_family(tmp_path: Path) -> None:
    run = timed_run(tmp_path / "run", rounds(RATIOS))
    maml, fomaml = run.rows.timed
    logs = np.log(RATIOS)
    low, high = stats.t.interval(1 - 0.05 / 2, len(logs) - 1, logs.mean(), stats.sem(logs))
    assert (fomaml.group.algorithm, fomaml.rounds, fomaml.family_size) == ("fomaml", 5, 2)
    assert fomaml.ratio == pytest.approx(np.exp(logs.mean()))
    assert (fomaml.ratio_low, fomaml.ratio_high) == pytest.approx((np.exp(low), np.exp(high)))
    p = stats.ttest_1samp(logs, 0.0).pvalue
    assert (fomaml.p, fomaml.p_holm) == pytest.approx((p, 2 * p))
    assert maml.ratio is None
    assert maml.seconds_per_iteration == pytest.approx(0.02)
    assert maml.seconds_per_task == pytest.approx(0.005)
    assert maml.total_seconds == pytest.approx(0.02 * 1.1 * 2000)


def test_a_machine_that_drifts_leaves_ratios_alone(tmp_path: Path) -> None:
    steady, drifting = (
        timed_run(tmp_path / str(drift), rounds(RATIOS, drift)).rows.timed[1]
        for drift in (1.0, 1.05)
    )
    for end in ("ratio", "ratio_low", "ratio_high"):
        assert getattr(drifting, end) == pytest.approx(getattr(steady, end))
    assert drifting.seconds_per_task > 1.3 * steady.seconds_per_task


def test_few_rounds_decide_nothing(tmp_path: Path) -> None:
    (_, fomaml) = timed_run(tmp_path / "run", rounds(RATIOS[:3])).rows.timed
    assert (fomaml.p, fomaml.p_holm) == (None, None)
    assert fomaml.caveats == "3 rounds: descriptive, not tested"


def test_what_was_timed_the_other_way_than_the_run_was_made_does_not_speak_for_it(
    tmp_path: Path,
) -> None:
    """Steps of the one compiled, and as they are written of the other."""

    def compiled(record: dict[str, Any]) -> None:
        record["provenance"]["conditions"]["compiler"] = "c++ 1.2.3"

    change = {("fomaml", 1, seed): compiled for seed in range(10)}
    run = timed_run(tmp_path / "run", rounds(RATIOS), change=change)
    assert [row.group.algorithm for row in run.rows.timed] == ["maml"]


def test_a_budget_in_seconds_is_not_extrapolated(tmp_path: Path) -> None:
    run = timed_run(tmp_path / "run", rounds(RATIOS), {"maml": None, "fomaml": 5})
    maml, fomaml = run.rows.timed
    assert maml.total_seconds is None
    assert fomaml.total_seconds is not None


def test_claims_about_times_use_what_was_timed_alone_and_others_do_not(tmp_path: Path) -> None:
    """The run itself says 0.57 (see `SPEED`); of Reptile, and of whole trainings, nothing was timed
    alone."""
    slow = timed_run(
        tmp_path / "run",
        rounds([ratio + 0.3 for ratio in RATIOS]),
        claims=[
            CLAIM,
            {**CLAIM, "id": "whole", "metric": "training_seconds"},
            {**CLAIM, "id": "reptile", "of": "reptile", "limits": [1.5]},
            {**CLAIM, "id": "absolute", "against": 0.004, "bound": "difference_above"},
        ],
    )
    alone, whole, reptile, absolute = slow.rows.claims
    assert (alone.verdict, alone.seeds) == ("refuted", 5)
    assert alone.estimate == pytest.approx(stats.gmean([ratio + 0.3 for ratio in RATIOS]))
    assert "timed alone and in turn" in alone.caveats
    assert alone.method is not None
    assert alone.method.endswith("over 5 rounds")
    assert whole.verdict == "supported"
    for row in (whole, reptile):
        assert "timed alone" not in row.caveats
        assert row.method is not None
        assert row.method.endswith("over 5 seeds")
    assert absolute.estimate == pytest.approx(
        0.005 * np.mean([ratio + 0.3 for ratio in RATIOS]) - 0.004
    )


def test_a_difference_of_differences_takes_rounds_of_both_settings(tmp_path: Path) -> None:
    """At five shots FOMAML saves less: a ratio of ratios, round by round."""
    folder = Synthetic(
        algorithms=ALGORITHMS,
        claims=[
            {
                **CLAIM,
                "where": {"shots": 5},
                "versus_where": {"shots": 1},
                "bound": "ratio_above",
                "limits": [1.0],
            }
        ],
    ).write(tmp_path / "run")
    at: dict[int, dict[str, dict[str, int | None]]] = {1: {}, 5: {}}
    for entry in read_cells(folder)["cells"]:
        at[entry["group"]["shots"]].setdefault(entry["labels"]["algorithm"], {})[entry["fit"]] = 9
    less = [0.9, 0.85, 0.95, 0.8, 0.88]
    one, five = (
        timings({name: fits[name] for name in ("maml", "fomaml")}, rounds(ratios))
        for fits, ratios in ((at[1], RATIOS), (at[5], less))
    )
    there = replace(five.settings[0], key="there")
    blocks = [replace(block, setting="there") for block in five.blocks]
    write_timings(
        folder,
        replace(one, settings=(*one.settings, there), blocks=(*one.blocks, *blocks)),
    )
    (claim,) = load(folder).rows.claims
    assert claim.estimate == pytest.approx(stats.gmean(np.array(less) / RATIOS))
    assert (claim.verdict, claim.seeds) == ("supported", 5)


def test_a_run_that_was_not_timed_has_no_such_rows(tmp_path: Path) -> None:
    run = load(Synthetic(algorithms=ALGORITHMS, shots=(1,)).write(tmp_path / "run"))
    assert run.rows.timed == []
    assert run.timed.empty


def test_times_of_other_fits_are_passed_over(tmp_path: Path) -> None:
    folder = Synthetic(algorithms=ALGORITHMS, shots=(1,)).write(tmp_path / "run")
    write_timings(folder, timings({"maml": {"x": 1}, "fomaml": {"y": 1}}, rounds(RATIOS)))
    assert load(folder).rows.timed == []


def test_the_report_tells_them_and_the_csv_has_them(tmp_path: Path) -> None:
    run = timed_run(tmp_path / "run", rounds(RATIOS), claims=[CLAIM])
    page = render(run.folder).read_text()
    assert "Training steps timed alone" in page
    assert "Timed alone, a training task against that of maml: fomaml" in page
    assert "A processor; machine 012345; 1 thread on cpu" in page
    text = (run.folder / "tables" / "timed.csv").read_text()
    assert text.splitlines()[2].startswith(run.rows.timed[1].group.group)
