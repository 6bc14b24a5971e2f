"""Comparisons: what must not flatter, and that interval, verdict and family agree."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from synthetic_run import Synthetic

from metabench.tables import load, rows
from metabench.tables.comparisons import comparison_rows

MAML = [0.80, 0.82, 0.84, 0.83, 0.81, 0.80, 0.82]
BETTER = [0.85, 0.88, 0.88, 0.88, 0.87, 0.85, 0.86]
SEEDS = tuple(range(7))
LOST = ("failed", "timeout", "killed", "out_of_memory", "damaged")


def compared(folder, first, second, change=None, **suite):
    """The comparison of FOMAML, with the first of these scores, and MAML, the reference; and the
    rows of both groups."""
    settings = {
        "algorithms": ("maml", "fomaml"),
        "shots": (1,),
        "seeds": tuple(range(len(first))),
        "scores": {("fomaml", 1): first, ("maml", 1): second},
        "change": change or {},
    }
    run = load(Synthetic(**(settings | suite)).write(folder / "run"))
    (row,) = rows(run.comparisons)
    maml, fomaml = rows(run.groups)
    return row, maml, fomaml


@pytest.mark.parametrize("outcome", LOST)
def test_a_side_that_lost_a_cell_is_not_better_and_does_not_lead(tmp_path, outcome):
    row, maml, fomaml = compared(tmp_path, BETTER, MAML, {("fomaml", 1, 6): outcome})
    assert (row["pairs"], row["verdict"], row["p"], row["p_holm"]) == (6, "incomplete", None, None)
    assert "fomaml lost 1 of 7 seeds: what is left is a selection" in row["caveats"]
    assert (maml["leads"], fomaml["leads"]) == (True, False)
    assert row["difference"] == pytest.approx(np.mean(np.subtract(BETTER, MAML)[:6]))


@pytest.mark.parametrize("outcome", LOST)
def test_nor_is_the_other_worse_than_a_reference_that_lost_a_cell(tmp_path, outcome):
    row, maml, fomaml = compared(tmp_path, MAML, BETTER, {("maml", 1, 6): outcome})
    assert row["verdict"] == "incomplete"
    assert (maml["leads"], fomaml["leads"]) == (False, True)


def test_a_side_that_lost_a_cell_may_well_be_worse(tmp_path):
    row, maml, _ = compared(tmp_path, MAML, BETTER, {("fomaml", 1, 6): "failed"})
    assert (row["verdict"], maml["leads"]) == ("worse", True)


def test_a_cell_that_has_not_run_yet_is_not_lost(tmp_path):
    row, _, fomaml = compared(tmp_path, BETTER, MAML, {("fomaml", 1, 6): "missing"})
    assert (row["verdict"], row["pairs"], fomaml["leads"]) == ("better", 6, True)


def test_a_regression_that_diverged_without_a_score_is_lost(tmp_path):
    """Of errors lower is better: the first would be better by far."""
    row, maml, fomaml = compared(tmp_path, MAML, BETTER, {("fomaml", 1, 6): "diverged"}, ways=None)
    assert (row["verdict"], maml["leads"], fomaml["leads"]) == ("incomplete", True, False)


def test_nobody_leads_where_all_lost_a_cell(tmp_path):
    change = {("fomaml", 1, 6): "failed", ("maml", 1, 0): "failed"}
    _, maml, fomaml = compared(tmp_path, BETTER, MAML, change)
    assert (maml["leads"], fomaml["leads"]) == (False, False)


def test_what_is_not_tested_relaxes_nothing_for_the_others_of_its_family(tmp_path):
    """The p of the side that lost a cell would be the least of the three: left in, Holm would test
    the others at a half of the level, where they now have a third."""
    scores = {
        ("maml", 1): MAML,
        ("fomaml", 1): BETTER,
        ("protonet", 1): [score + 0.001 * (-1) ** seed for seed, score in enumerate(MAML)],
        ("scratch", 1): [score - 0.01 - 0.01 * (seed % 3) for seed, score in enumerate(MAML)],
    }
    run = load(
        Synthetic(
            shots=(1,), seeds=SEEDS, scores=scores, change={("fomaml", 1, 6): "failed"}
        ).write(tmp_path / "run")
    )
    by_name = {row["algorithm"]: row for row in rows(run.comparisons)}
    scratch = by_name["scratch"]
    assert scratch["p_holm"] == pytest.approx(3 * scratch["p"])
    assert {row["family_size"] for row in by_name.values()} == {3}


def test_the_failure_rate_stands_beside_the_mean(tmp_path):
    change = {("fomaml", 1, 5): "failed", ("fomaml", 1, 6): "missing", ("fomaml", 1, 0): "diverged"}
    _, maml, fomaml = compared(tmp_path, BETTER, MAML, change)
    assert (maml["failure_rate"], maml["failure_rate_low"]) == (0.0, 0.0)
    assert maml["failure_rate_high"] == pytest.approx(1 - 0.025 ** (1 / 7))  # Clopper-Pearson of 0
    assert fomaml["failure_rate"] == pytest.approx(2 / 6)
    low, high = stats.beta.ppf([0.025, 0.975], [2, 3], [5, 4])
    assert (fomaml["failure_rate_low"], fomaml["failure_rate_high"]) == pytest.approx((low, high))
    assert "6 of 7 seeds have a score" not in fomaml["caveats"]
    assert "5 of 7 seeds have a score" in fomaml["caveats"]


def test_a_divergence_at_chance_is_told_with_the_comparison_of_the_others_beside_it(tmp_path):
    row, _, _ = compared(tmp_path, BETTER, MAML, {("fomaml", 1, 2): "diverged"})
    assert (
        "fomaml: 1 of 7 diverged and count at chance, which leaves little power" in row["caveats"]
    )
    gaps = np.delete(np.subtract(BETTER, MAML), 2)
    assert (row["pairs"], row["selective_pairs"]) == (7, 6)
    assert row["difference"] < 0 < row["selective_difference"] == pytest.approx(gaps.mean())
    expected = stats.t.interval(0.95, 5, gaps.mean(), stats.sem(gaps))
    assert (row["selective_low"], row["selective_high"]) == pytest.approx(expected)
    whole, _, _ = compared(tmp_path / "whole", BETTER, MAML)
    assert whole["selective_pairs"] is None


def of_conditions(**facts):
    return lambda record: record["provenance"]["conditions"].update(facts)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"torch": "2.14.0"}, "torch (2.14.0, 2.15.0)"),
        ({"device": "cuda"}, "device (cpu, cuda)"),
        ({"packages": {"helpful": "2"}}, "helpful (1, 2)"),
    ],
)
def test_unlike_conditions_are_told_and_times_refused(tmp_path, facts, told):
    alike = of_conditions(packages={"helpful": "1"})

    def unlike(record):
        alike(record)
        of_conditions(**facts)(record)

    change = {(name, 1, seed): alike for name in ("maml", "fomaml") for seed in SEEDS}
    row, _, _ = compared(tmp_path / "alike", BETTER, MAML, change)
    assert row["time_ratio"] is not None
    assert "unlike" not in row["caveats"]
    row, _, _ = compared(tmp_path, BETTER, MAML, change | {("fomaml", 1, 2): unlike})
    assert f"made under unlike conditions: {told}" in row["caveats"]
    assert (row["time_ratio"], row["verdict"]) == (None, "better")
    assert told in row["cost_caveats"] or "different machines" in row["cost_caveats"]


def test_sources_that_both_sides_use_and_found_changed_are_unlike_conditions(tmp_path):
    """Not the file of a method, which is another for each."""
    run = load(Synthetic(algorithms=("maml", "fomaml"), shots=(1,)).write(tmp_path / "run"))

    def found(shared):
        sources = {
            "maml": {"metabench/methods/maml.py": "ab", "metabench/experiment/fit.py": "cd"},
            "fomaml": {"metabench/methods/fomaml.py": "ef", "metabench/experiment/fit.py": shared},
        }
        cells = [
            replace(cell, conditions=frozenset(sources[cell.algorithm].items()))
            for cell in run.rows.cells
        ]
        (row,) = comparison_rows(cells, run.rows.groups, 0.95)
        return row

    assert found("cd").time_ratio is not None
    assert (found("xy").time_ratio, found("xy").caveats, found("xy").cost_caveats) == (
        None,
        "made under unlike conditions: metabench/experiment/fit.py",
        "made under unlike conditions: metabench/experiment/fit.py",
    )


@pytest.mark.parametrize("key", ["machine_id", "boot_id"])
def test_two_machines_of_one_make_are_two_and_so_is_one_started_again(tmp_path, key):
    def known(**facts):
        of_machine = {"machine_id": "1" * 12, "boot_id": "2" * 12} | facts
        return lambda record: record["provenance"].update(of_machine)

    change = {(name, 1, seed): known() for name in ("maml", "fomaml") for seed in SEEDS}
    row, _, _ = compared(tmp_path / "one", BETTER, MAML, change)
    assert row["time_ratio"] is not None
    change[("maml", 1, 3)] = known(**{key: "3" * 12})
    row, maml, _ = compared(tmp_path, BETTER, MAML, change)
    assert row["time_ratio"] is None
    assert row["cost_caveats"].startswith("made on different machines")
    assert maml["machine"] is None


def test_errors_are_compared_on_logarithms(tmp_path):
    mine = [0.40, 0.52, 0.44, 0.49, 0.41]
    theirs = [0.50, 0.61, 0.55, 0.58, 0.52]
    row, _, _ = compared(tmp_path, mine, theirs, ways=None)
    logs = np.log(mine) - np.log(theirs)
    expected = np.exp(stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs)))
    assert (row["scale"], row["verdict"]) == ("log", "better")
    assert row["ratio"] == pytest.approx(math.exp(logs.mean()))
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx(tuple(expected))
    assert (row["low"], row["high"], row["detectable_difference"]) == (None, None, None)
    assert row["difference"] == pytest.approx(np.mean(np.subtract(mine, theirs)))
    assert row["detectable_ratio"] > 1


def test_accuracies_near_the_ceiling_are_compared_as_error_rates(tmp_path):
    mine = [0.990, 0.991, 0.989, 0.992, 0.990]
    theirs = [0.980, 0.983, 0.978, 0.985, 0.979]
    row, _, _ = compared(tmp_path, mine, theirs)
    logs = np.log1p(-np.array(mine)) - np.log1p(-np.array(theirs))
    assert (row["scale"], row["verdict"], row["ahead"]) == ("error_rate", "better", 1.0)
    assert row["ratio"] == pytest.approx(math.exp(logs.mean()))  # about half the errors
    far, _, _ = compared(tmp_path / "far", BETTER, MAML)
    assert (far["scale"], far["ratio"]) == ("linear", None)


def test_interval_and_corrected_verdict_agree(tmp_path):
    """By itself the difference would be separated at 95 %; of a family of three it is not, and its
    interval holds zero."""
    barely = [0.83, 0.82, 0.86, 0.86, 0.80, 0.82, 0.84]
    noise = [score + 0.01 * (-1) ** seed for seed, score in enumerate(MAML)]
    scores = {("maml", 1): MAML, ("fomaml", 1): barely, ("protonet", 1): noise}
    scores[("scratch", 1)] = noise[::-1]
    run = load(Synthetic(shots=(1,), seeds=SEEDS, scores=scores).write(tmp_path / "run"))
    fomaml = rows(run.comparisons)[0]
    assert fomaml["p"] < 0.05 < fomaml["p_holm"]
    assert fomaml["low"] < 0 < fomaml["high"]
    assert fomaml["confidence"] == pytest.approx(1 - 0.05 / 3)
    for row in rows(run.comparisons):
        assert (row["low"] <= 0 <= row["high"]) == (row["verdict"] == "not separated")


def test_those_with_privileged_inputs_are_a_family_of_their_own(tmp_path):
    """They are a mark to measure by: no rival pays for their being there."""
    folder = Synthetic(algorithms=("maml", "fomaml", "protonet", "oracle"), shots=(1,)).write(
        tmp_path / "run"
    )
    described = json.loads((folder / "cells.json").read_text())
    for entry in described["cells"]:
        entry["privileged"] = entry["labels"]["algorithm"] == "oracle"
    (folder / "cells.json").write_text(json.dumps(described))
    sizes = [(row["algorithm"], row["family_size"]) for row in rows(load(folder).comparisons)]
    assert sizes == [("fomaml", 2), ("protonet", 2), ("oracle", 1)]


def test_what_could_not_be_compared_counts_for_its_family_too(tmp_path):
    change = {("fomaml", 1, seed): "failed" for seed in range(5)}
    run = load(Synthetic(shots=(1,), change=change).write(tmp_path / "run"))
    fomaml, *others = rows(run.comparisons)
    assert (fomaml["verdict"], fomaml["pairs"]) == ("untested", 0)
    assert [row["family_size"] for row in (fomaml, *others)] == [3, 3, 3]
    assert {row["family"] for row in (fomaml, *others)} == {"accuracy against maml"}


def test_second_opinions_stand_beside_the_t_test_from_six_pairs_on(tmp_path):
    """All seven differences are above 0: of 128 patterns of signs two are as extreme."""
    row, _, _ = compared(tmp_path / "seven", BETTER, MAML)
    assert (row["p_sign_flip"], row["p_wilcoxon"]) == (2 / 128, 2 / 128)
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(BETTER, MAML, method="exact").pvalue)
    row, _, _ = compared(tmp_path / "five", BETTER[:5], MAML[:5])
    assert row["p"] is not None
    assert (row["p_sign_flip"], row["p_wilcoxon"]) == (None, None)


def test_what_the_t_test_is_not_put_to_the_others_are_not_either(tmp_path):
    change = {("fomaml", 1, 6): "failed"}
    row, _, _ = compared(tmp_path, BETTER, MAML, change)
    assert (row["pairs"], row["verdict"]) == (6, "incomplete")
    assert (row["p_sign_flip"], row["p_wilcoxon"]) == (None, None)


def test_second_opinions_on_errors_are_on_logarithms(tmp_path):
    """Turned round by one bad seed, the mean of the errors and that of their logarithms differ."""
    mine, theirs = [1.4, 0.2, 0.21, 0.2, 0.22, 0.2], [0.9, 0.3, 0.3, 0.31, 0.3, 0.3]
    row, _, _ = compared(tmp_path, mine, theirs, ways=None)
    logs = np.log(mine), np.log(theirs)
    expected = stats.permutation_test(
        logs, lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert row["p_sign_flip"] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("said", "margin"), [("", 0.03), ("[compare]\nmargin = 0.01\n", 0.01)])
def test_the_seeds_that_would_find_the_margin_are_those_of_a_second_implementation(
    tmp_path, said, margin
):
    """With two comparisons the strictest level is 2.5 %."""
    gaps = np.array([0.04, -0.03, 0.02, -0.02, 0.05, -0.01, 0.0])
    scores = {
        ("maml", 1): MAML,
        ("fomaml", 1): (np.array(MAML) + gaps).tolist(),
        ("scratch", 1): (np.array(MAML) - 2 * gaps).tolist(),
    }
    folder = Synthetic(
        algorithms=("maml", "fomaml", "scratch"), shots=(1,), seeds=SEEDS, scores=scores
    ).write(tmp_path / "run")
    (folder / "suite.toml").write_text(said)
    run = load(folder)
    for row in rows(run.comparisons):
        needed = TTestPower().solve_power(margin / row["sd"], alpha=0.025, power=0.8)
        assert row["margin"] == margin
        assert row["seeds_for_margin"] == math.ceil(needed)
    assert {row["seeds_for_margin"] for row in rows(run.pairs)} == {None}


def test_no_number_of_seeds_is_told_with_which_nothing_would_be_tested(tmp_path):
    near = np.array(MAML) + 0.0001 * np.arange(7)
    row, _, _ = compared(tmp_path, near.tolist(), MAML)
    assert row["seeds_for_margin"] == 4


def test_of_errors_the_margin_is_a_ratio(tmp_path):
    mine = [0.40, 0.52, 0.44, 0.49, 0.41]
    theirs = [0.50, 0.61, 0.55, 0.78, 0.42]
    row, _, _ = compared(tmp_path, mine, theirs, ways=None)
    needed = TTestPower().solve_power(math.log(1.25) / row["sd"], alpha=0.05, power=0.8)
    assert (row["margin"], row["seeds_for_margin"]) == (1.25, math.ceil(needed))
