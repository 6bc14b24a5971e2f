"""Verdicts on claims, against answers worked out by hand, and why some are not judged."""

import json
import math

import pandas as pd
import pytest
from scipy import stats
from synthetic_run import Synthetic, reached

from metabench.quantities import CLAIMED
from metabench.tables import load, rows

MAML = [0.90, 0.92, 0.94, 0.96, 0.93]
FOMAML = [0.86, 0.89, 0.90, 0.93, 0.88]
GAPS = [0.04, 0.03, 0.04, 0.03, 0.05]
RATIO = {"bound": "ratio_below"}


def claim(**said):
    """A claim as `cells.json` has it."""
    base = {
        "id": "c",
        "says": "MAML is better",
        "source": "",
        "metric": "score",
        "of": "maml",
        "against": "fomaml",
        "published": False,
    }
    return (
        base
        | {"where": {}, "versus_where": None, "bound": "difference_above", "limits": [0.0]}
        | said
    )


def judged(folder, *claims, **suite):
    """The rows of the table of claims of a run of MAML and FOMAML at one shot, unless said
    otherwise."""
    settings = {
        "algorithms": ("maml", "fomaml"),
        "shots": (1,),
        "scores": {("maml", 1): MAML, ("fomaml", 1): FOMAML},
    }
    return rows(load(Synthetic(**(settings | suite), claims=claims).write(folder / "run")).claims)


def t_interval(values):
    return stats.t.interval(0.95, len(values) - 1, pd.Series(values).mean(), stats.sem(values))


def costing(algorithm, column, values):
    """Changes that give the cells of an algorithm these measurements."""

    def change(value):
        return lambda record: record["measured"].update({column: value})

    return {(algorithm, 1, seed): change(value) for seed, value in enumerate(values)}


def spending(tasks, gradients):
    """A change that gives a record these tasks and gradient evaluations of its training."""
    spent = {"tasks": tasks, "gradient_evaluations": gradients}
    return lambda record: record["result"]["spent"].update(spent)


def adapting(*scores):
    """A change that gives a record these scores after 0, 1, 2 ... steps."""
    curve = {"steps": list(range(len(scores))), "score": list(scores)}
    return lambda record: record["result"].update(adaptation=curve)


@pytest.mark.parametrize(
    ("bound", "limits", "verdict"),
    [
        ("difference_above", [0.0], "supported"),
        ("difference_above", [0.02], "supported"),
        ("difference_above", [0.035], "inconclusive"),
        ("difference_above", [0.06], "refuted"),
        ("difference_below", [0.0], "refuted"),
        ("difference_below", [0.06], "supported"),
        ("between", [0.02, 0.06], "supported"),
        ("between", [0.039, 0.06], "inconclusive"),
        ("between", [-0.06, -0.02], "refuted"),
        ("equivalent_within", [0.06], "supported"),
        ("equivalent_within", [0.04], "inconclusive"),
        ("equivalent_within", [0.01], "refuted"),
        ("ratio_above", [1.0], "supported"),
        ("ratio_below", [1.04], "inconclusive"),
        ("ratio_below", [1.0], "refuted"),
        ("ratio_between", [1.02, 1.07], "supported"),
        ("ratio_between", [1.04, 1.07], "inconclusive"),
        ("ratio_between", [0.3, 0.5], "refuted"),
    ],
)
def test_a_claim_against_another_algorithm(tmp_path, bound, limits, verdict):
    (row,) = judged(tmp_path, claim(bound=bound, limits=limits))
    assert (row["verdict"], row["group_verdict"], row["seeds"]) == (verdict, verdict, 5)
    if not bound.startswith("ratio"):
        assert row["estimate"] == pytest.approx(0.038)
        assert (row["low"], row["high"]) == pytest.approx(t_interval(GAPS))
        assert row["unit"] == "fraction"
    else:
        logs = [math.log(a / b) for a, b in zip(MAML, FOMAML, strict=True)]
        assert (row["low"], row["high"]) == pytest.approx(tuple(map(math.exp, t_interval(logs))))
        assert row["unit"] == "ratio"


@pytest.mark.parametrize(
    ("against", "verdict"), [(0.89, "supported"), (0.92, "inconclusive"), (0.97, "refuted")]
)
def test_a_claim_against_a_number(tmp_path, against, verdict):
    (row,) = judged(tmp_path, claim(against=against))
    assert row["verdict"] == verdict
    assert (row["low"], row["high"]) == pytest.approx(
        t_interval([score - against for score in MAML])
    )


@pytest.mark.parametrize(
    ("bound", "limits", "verdict"),
    [("difference_below", [0.0], "supported"), ("equivalent_within", [0.02], "refuted")],
)
def test_a_claim_against_the_published_figure_of_the_setting(tmp_path, bound, limits, verdict):
    """98.7 % is what Finn et al. 2017 report for 5-way 1-shot Omniglot."""
    held = claim(published=True, against=None, bound=bound, limits=limits)
    (row,) = judged(tmp_path, held)
    assert (row["verdict"], row["estimate"]) == (verdict, pytest.approx(0.93 - 0.987))
    assert "0.987 ± 0.004 (Model-agnostic meta-learning" in row["caveats"]


def test_a_claim_about_several_settings(tmp_path):
    """At one shot it holds, at five the scores are the other way round."""
    scores = {("maml", 1): MAML, ("fomaml", 1): FOMAML, ("maml", 5): FOMAML, ("fomaml", 5): MAML}
    table = judged(tmp_path / "all", claim(), shots=(1, 5), scores=scores)
    assert [(row["shots"], row["group_verdict"], row["verdict"]) for row in table] == [
        (1, "supported", "refuted"),
        (5, "refuted", "refuted"),
    ]
    (row,) = judged(
        tmp_path / "one",
        claim(where={"shots": 1, "dataset": ["omniglot", "glyphs"]}),
        shots=(1, 5),
        scores=scores,
    )
    assert (row["shots"], row["verdict"]) == (1, "supported")
    missing = {("fomaml", 5, seed): "missing" for seed in (0, 1)}
    table = judged(tmp_path / "few", claim(), shots=(1, 5), scores=scores, change=missing)
    assert [row["group_verdict"] for row in table] == ["supported", "not judged"]
    assert {row["verdict"] for row in table} == {"inconclusive"}


def test_a_difference_of_differences(tmp_path):
    level = [0.97, 0.98, 0.97, 0.99, 0.96]
    lead = [0.010, 0.012, 0.008, 0.010, 0.011]
    scores = {
        ("maml", 1): MAML,
        ("fomaml", 1): FOMAML,
        ("maml", 5): level,
        ("fomaml", 5): [a - b for a, b in zip(level, lead, strict=True)],
    }
    shrinks = claim(where={"shots": 5}, versus_where={"shots": 1}, bound="difference_below")
    (row,) = judged(tmp_path, shrinks, shots=(1, 5), scores=scores)
    assert (row["shots"], row["verdict"]) == (5, "supported")
    assert (row["low"], row["high"]) == pytest.approx(
        t_interval([a - b for a, b in zip(lead, GAPS, strict=True)])
    )
    assert row["method"] == "mean difference of differences with Student t interval over 5 seeds"


def test_versus_where_keeps_the_other_coordinates(tmp_path):
    """Of several groups it takes the one that differs in nothing else."""
    shrinks = claim(where={"shots": 5}, versus_where={"shots": 1})
    table = judged(tmp_path, shrinks, shots=(1, 5), scores={}, axes={"train.iterations": [10, 20]})
    assert [row["train.iterations"] for row in table] == [10, 20]
    assert all(row["estimate"] is not None for row in table)
    (row, _) = judged(
        tmp_path / "b",
        claim(versus_where={"train.iterations": [10, 20]}),
        scores={},
        axes={"train.iterations": [10, 20]},
    )
    assert row["caveats"] == "versus_where matches several groups alike"


@pytest.mark.parametrize(
    ("said", "suite", "why"),
    [
        ({}, {"seeds": (0, 1, 2)}, "3 seeds: descriptive"),
        ({}, {"seeds": (0,)}, "one seed: no interval over seeds"),
        (
            {"published": True, "against": None},
            {"shots": (2,), "scores": {}},
            "no published figure is known of maml on omniglot, 5-way 2-shot, conv4",
        ),
        (
            {"published": True, "against": None},
            {"ways": None, "dataset": "sinusoid", "shots": (5,), "scores": {}},
            "the published figure of maml on sinusoid, 5 points, mlp is unverified: 1.13 ± 0.18",
        ),
        (
            {},
            {"change": {("fomaml", 1, seed): "failed" for seed in range(5)}},
            "no seed has a value on every side",
        ),
        ({"against": 0.5}, {"scores": {("maml", 1): [0.9] * 5}}, "all 5 seeds gave the same value"),
        (
            {"metric": "training_seconds", "of": "scratch"} | RATIO,
            {"algorithms": ("fomaml", "scratch")},
            "no seed has a value on every side",
        ),
        (
            {"metric": "gain_first_step"} | RATIO,
            {"scores": {("maml", 1): [0.1] * 5, ("fomaml", 1): FOMAML}},
            "a ratio needs positive values",
        ),
        (
            {"metric": "iterations_to_target"},
            {
                "change": {
                    ("fomaml", 1, seed): reached(None if seed in (2, 4) else 500)
                    for seed in range(5)
                }
            },
            "3 of 5 seeds",
        ),
        ({"metric": "iterations_to_target"}, {"ways": None, "scores": {}}, "maml has no target"),
        *(
            (
                {"metric": metric},
                {"change": {("maml", 1, 3): reached(None)}},
                "maml reached the target with 4 of 5 seeds",
            )
            for metric in ("tasks_to_target", "seconds_to_target")
        ),
        ({"metric": "tasks_to_target"}, {"ways": None, "scores": {}}, "maml has no target"),
        ({"metric": "gain", "after": 4}, {}, "no seed has a value on every side"),
        (
            {"metric": "gradients_per_task", "of": "scratch"},
            {
                "algorithms": ("scratch", "fomaml"),
                "change": {("scratch", 1, seed): spending(0, 0) for seed in range(5)},
            },
            "no seed has a value on every side",
        ),
        ({"of": "protonet"}, {}, "no group of the suite is as it says"),
        ({"against": "protonet"}, {}, "maml and protonet share no setting"),
        ({"versus_where": {"shots": 5}}, {}, "no group of the suite is as it says"),
    ],
)
def test_not_judged(tmp_path, said, suite, why):
    (row,) = judged(tmp_path, claim(**said), **suite)
    assert row["verdict"] == row["group_verdict"] == "not judged"
    assert why in row["caveats"]


@pytest.mark.parametrize(
    "change",
    [
        {"metric": None},
        {"metric": "beauty"},
        {"bound": "at_best"},
        {"limits": []},
        {"limits": None},
        {"limits": [None]},
        {"bound": "between", "limits": [2, 1]},
        {"bound": "between", "limits": [1]},
        {"bound": "ratio_between", "limits": [2, 1]},
        {"metric": "gain"},
        {"metric": "gain", "after": 0},
        {"after": 1},
        {"where": None},
        {"against": None},
        {"against": ["fomaml"]},
    ],
)
def test_what_is_no_claim_is_not_judged(tmp_path, change):
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,)).write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    (folder / "cells.json").write_text(json.dumps(described | {"claims": [claim(**change)]}))
    (row,) = rows(load(folder).claims)
    assert (row["verdict"], row["estimate"]) == ("not judged", None)
    assert row["caveats"] == "what stands in cells.json is no claim that this metabench knows"


def test_costs_are_those_of_completed_cells_on_one_machine_a_seed(tmp_path):
    """First-order steps take half the time: 0.5 to 0.54 of it, seed by seed."""
    cheaper = claim(
        of="fomaml", against="maml", metric="seconds_per_task", bound="ratio_below", limits=[0.7]
    )
    times = costing("maml", "seconds_per_task", [1.0, 2.0, 1.0, 2.0, 1.0]) | costing(
        "fomaml", "seconds_per_task", [0.5, 1.04, 0.51, 1.08, 0.54]
    )
    (row,) = judged(tmp_path / "whole", cheaper, change=times)
    logs = [math.log(ratio) for ratio in (0.5, 0.52, 0.51, 0.54, 0.54)]
    assert row["verdict"] == "supported"
    assert (row["low"], row["high"]) == pytest.approx(tuple(map(math.exp, t_interval(logs))))

    (row,) = judged(tmp_path / "diverged", cheaper, change=times | {("maml", 1, 0): "diverged"})
    assert (row["seeds"], row["verdict"]) == (4, "supported")
    assert "4 of 5 seeds have a value on every side" in row["caveats"]
    assert "maml: 1 diverged, left out" in row["caveats"]


LOST = ("failed", "timeout", "killed", "out_of_memory")


@pytest.mark.parametrize("outcome", LOST)
@pytest.mark.parametrize(
    ("loser", "bound", "limits", "verdict"),
    [
        ("maml", "difference_above", [0.0], "inconclusive"),
        ("maml", "ratio_above", [1.0], "inconclusive"),
        ("maml", "difference_below", [0.0], "inconclusive"),  # refuted, were it not for the loss
        ("maml", "between", [0.0, 0.1], "inconclusive"),
        ("maml", "equivalent_within", [0.01], "inconclusive"),  # refuted, in favour of MAML
        ("fomaml", "difference_above", [0.0], "supported"),
        ("fomaml", "difference_below", [0.0], "refuted"),
        ("fomaml", "equivalent_within", [0.01], "refuted"),
        ("fomaml", "between", [0.0, 0.1], "inconclusive"),
    ],
)
def test_nothing_is_decided_in_favour_of_a_side_that_lost_a_cell(
    tmp_path, outcome, loser, bound, limits, verdict
):
    """MAML is better in all seeds; that may be because of what was lost, if that was MAML's."""
    (row,) = judged(tmp_path, claim(bound=bound, limits=limits), change={(loser, 1, 0): outcome})
    assert (row["seeds"], row["verdict"], row["group_verdict"]) == (4, verdict, verdict)
    assert f"{loser} lost 1 of 5 seeds: what is left is a selection" in row["caveats"]
    decided = verdict != "inconclusive"
    assert (f"nothing is decided in favour of {loser}" in row["caveats"]) == (not decided)


@pytest.mark.parametrize("metric", ["macro_f1", "gain_first_step", "gain", "seconds_per_task"])
def test_the_guard_holds_for_every_metric_of_a_claim(tmp_path, metric):
    """A cell at chance has a score, and nothing else."""

    def scored(value):
        def change(record):
            record["result"]["metrics"] = {"macro_f1": {"mean": value, "interval": None}}
            record["result"]["adaptation"] = {"steps": [0, 1], "score": [0.2, value]}
            record["measured"]["seconds_per_task"] = 1 - value

        return change

    change = {("maml", 1, seed): scored(value) for seed, value in enumerate(MAML)}
    change |= {("fomaml", 1, seed): scored(value) for seed, value in enumerate(FOMAML)}
    held = claim(metric=metric) | ({"after": 1} if metric == "gain" else {})
    if metric == "seconds_per_task":
        held |= {"bound": "difference_below"}
    assert judged(tmp_path / "whole", held, change=change)[0]["verdict"] == "supported"
    change[("maml", 1, 3)] = "diverged"
    (row,) = judged(tmp_path / "lost", held, change=change)
    assert (row["verdict"], row["seeds"]) == ("inconclusive", 4)
    assert "maml: 1 diverged, left out" in row["caveats"]
    assert "nothing is decided in favour of maml" in row["caveats"]


def test_a_difference_of_differences_is_not_decided_where_any_side_lost_a_cell(tmp_path):
    scores = {("maml", 1): MAML, ("fomaml", 1): FOMAML, ("maml", 5): MAML, ("fomaml", 5): MAML}
    scores[("maml", 5)] = [score + 0.001 * seed for seed, score in enumerate(MAML)]
    shrinks = claim(where={"shots": 5}, versus_where={"shots": 1}, bound="difference_below")
    (row,) = judged(tmp_path / "whole", shrinks, shots=(1, 5), scores=scores)
    assert row["verdict"] == "supported"
    for side in (("maml", 1, 0), ("fomaml", 1, 0), ("maml", 5, 0), ("fomaml", 5, 0)):
        (row,) = judged(
            tmp_path / f"{side}", shrinks, shots=(1, 5), scores=scores, change={side: "failed"}
        )
        assert row["verdict"] == "inconclusive"


def test_several_settings_may_refute_a_claim_only_at_a_share_of_the_level(tmp_path):
    """Twenty settings of equal algorithms: each refutes by chance in one of forty runs, one of them
    in two of five."""
    gaps = [-0.02, -0.01, -0.03, -0.002, -0.01]
    near = [a + gap for a, gap in zip(FOMAML, gaps, strict=True)]
    assert t_interval(gaps)[1] < 0
    both = {("maml", 1): near, ("fomaml", 1): FOMAML}
    (row,) = judged(tmp_path / "one", claim(), scores=both)
    assert (row["verdict"], row["confidence"]) == ("refuted", 0.95)
    both |= {("maml", 5): MAML, ("fomaml", 5): FOMAML}
    refuting, supporting = judged(tmp_path / "two", claim(), shots=(1, 5), scores=both)
    assert (refuting["group_verdict"], refuting["verdict"]) == ("inconclusive", "inconclusive")
    assert (refuting["confidence"], refuting["high"] > 0) == (pytest.approx(0.975), True)
    assert (supporting["group_verdict"], supporting["confidence"]) == ("supported", 0.95)


def test_the_interval_of_a_difference_of_accuracies_ends_where_there_are_no_more(tmp_path):
    scores = {("maml", 1): [1.0, 1.0, 1.0, 1.0, 0.2], ("fomaml", 1): [0.0, 0.0, 0.1, 0.0, 0.0]}
    (row,) = judged(tmp_path, claim(), scores=scores)
    assert (row["high"], row["verdict"]) == (1.0, "supported")


def elsewhere(record):
    record["provenance"]["cpu"] = "Another"


def test_hardware_counts_for_costs_alone(tmp_path):
    """Seeds on machines of their own are pairs all the same; pairs across machines are none."""
    faster = claim(metric="seconds_per_task", bound="ratio_above", limits=[1.0])
    apart = {("maml", 1, 0): elsewhere}
    score, time = judged(tmp_path / "apart", claim(), faster, change=apart)
    assert (score["verdict"], time["verdict"]) == ("supported", "not judged")
    assert "made on different machines" in time["caveats"]
    together = apart | {("fomaml", 1, 0): elsewhere}
    (time,) = judged(tmp_path / "together", faster, change=together)
    assert time["verdict"] == "supported"
    assert "over 2 machines" in time["caveats"]


def test_scores_on_different_data_are_not_compared(tmp_path):
    def other_data(record):
        record["provenance"]["data_digest"] = "ab" * 32

    (row,) = judged(tmp_path, claim(), change={("maml", 1, 0): other_data})
    assert (row["verdict"], row["caveats"]) == ("not judged", "made on different data")


def test_costs_under_unlike_conditions_are_not_judged_and_scores_are_with_a_caveat(tmp_path):
    def weighed(torch):
        def change(record):
            peak = {"training": 2**20 + record["seed"], "test": 2**20}
            record["measured"]["peak_resident_above_bytes"] = peak
            record["provenance"]["conditions"]["torch"] = torch

        return change

    faster = claim(metric="seconds_per_task", bound="ratio_above", limits=[1.0])
    memory = claim(metric="peak_resident_above_bytes_training", bound="ratio_above", limits=[0.5])
    change = {(name, 1, at): weighed("2.15.0") for name in ("maml", "fomaml") for at in range(5)}
    claims = (claim(), faster, memory)
    known = judged(tmp_path / "alike", *claims, change=change)
    assert "not judged" not in {row["verdict"] for row in known[:2]}
    score, *costs = judged(
        tmp_path / "unlike", *claims, change=change | {("maml", 1, 1): weighed("2.14.0")}
    )
    unlike = "made under unlike conditions: torch (2.14.0, 2.15.0)"
    assert (score["verdict"], score["caveats"]) == ("supported", unlike)
    assert [(row["verdict"], row["caveats"]) for row in costs] == [("not judged", unlike)] * 2


def test_no_claim_is_about_memory_with_its_floor():
    assert "peak_resident_bytes_training" not in CLAIMED
    assert "peak_resident_above_bytes_training" in CLAIMED


def test_divergence_at_chance_is_told(tmp_path):
    (row,) = judged(tmp_path, claim(), change={("fomaml", 1, 2): "diverged"})
    assert (row["seeds"], row["verdict"]) == (5, "inconclusive")
    assert row["caveats"] == "fomaml: 1 diverged, counted at chance"


def test_iterations_to_target_where_all_reached_it(tmp_path):
    change = {("maml", 1, seed): reached(at) for seed, at in enumerate((300, 400, 300, 400, 500))}
    change |= {
        ("fomaml", 1, seed): reached(at) for seed, at in enumerate((700, 900, 800, 900, 900))
    }
    (row,) = judged(
        tmp_path,
        claim(metric="iterations_to_target", bound="difference_below", limits=[-200]),
        change=change,
    )
    assert (row["verdict"], row["unit"], row["estimate"]) == (
        "supported",
        "iterations",
        pytest.approx(-460),
    )


@pytest.mark.parametrize(("metric", "tasks"), [("tasks_to_target", 4), ("seconds_to_target", None)])
def test_what_it_took_to_the_target_where_all_reached_it(tmp_path, metric, tasks):
    """A training of MAML is 2000 iterations of 4 tasks; its seconds are in the record."""
    at = {"maml": (300, 400, 300, 400, 500), "fomaml": (700, 900, 800, 900, 900)}
    change = {
        (name, 1, seed): reached(n) for name, all_of in at.items() for seed, n in enumerate(all_of)
    }
    held = claim(metric=metric, bound="ratio_below", limits=[1.0])
    (row,) = judged(tmp_path, held, change=change)
    cells = load(tmp_path / "run").cells.set_index(["algorithm", "seed"])
    took = {
        name: [
            n * (tasks or cells.loc[(name, seed), "training_seconds"] / 2000)
            for seed, n in enumerate(all_of)
        ]
        for name, all_of in at.items()
    }
    logs = [math.log(a / b) for a, b in zip(took["maml"], took["fomaml"], strict=True)]
    assert (row["verdict"], row["unit"]) == ("supported", "ratio")
    assert (row["low"], row["high"]) == pytest.approx(tuple(map(math.exp, t_interval(logs))))
    assert cells.loc[("maml", 1), metric] == pytest.approx(took["maml"][1])


def test_seconds_to_target_compare_on_one_machine_alone(tmp_path):
    change = {
        (name, 1, seed): reached(300 + seed) for name in ("maml", "fomaml") for seed in range(5)
    }

    def there(record):
        reached(320)(record)
        elsewhere(record)

    claims = [claim(metric=f"{what}_to_target") for what in ("tasks", "seconds")]
    tasks, seconds = judged(tmp_path, *claims, change=change | {("maml", 1, 0): there})
    assert tasks["verdict"] != "not judged"
    assert "made on different machines" in seconds["caveats"]


def test_gradients_are_counted_and_a_single_seed_decides(tmp_path):
    """Five steps: 11 of MAML, two a step and one of the queries; 6 of FOMAML."""
    change = {("maml", 1, 0): spending(8000, 88_000), ("fomaml", 1, 0): spending(8000, 48_000)}
    share = claim(metric="gradients_per_task", of="fomaml", against="maml")
    within, below, six, beyond = judged(
        tmp_path,
        share | {"bound": "ratio_between", "limits": [0.54, 0.55]},
        share | {"bound": "ratio_below", "limits": [0.5]},
        share | {"against": 6, "bound": "equivalent_within", "limits": [0.1]},
        share | {"bound": "difference_below", "limits": [-5]},
        seeds=(0,),
        scores={},
        change=change,
    )
    assert [row["verdict"] for row in (within, below, six, beyond)] == [
        "supported",
        "refuted",
        "supported",
        "supported",
    ]
    assert within["estimate"] == within["low"] == within["high"] == pytest.approx(6 / 11)
    assert (six["estimate"], beyond["estimate"], beyond["unit"]) == (0, -5, "evaluations")
    assert within["method"] == "counted, alike in 1 seed"


def test_gradients_that_differ_between_seeds_are_no_known_number(tmp_path):
    change = {("maml", 1, seed): spending(10, 100 + seed) for seed in range(5)}
    change |= {("fomaml", 1, seed): spending(10, 60) for seed in range(5)}
    held = claim(metric="gradients_per_task", bound="difference_above", limits=[4.0])
    (row,) = judged(tmp_path, held, change=change)
    assert (row["low"], row["high"]) == pytest.approx(t_interval([4.0, 4.1, 4.2, 4.3, 4.4]))


def test_gradients_of_a_side_that_lost_a_cell_are_not_decided_in_its_favour(tmp_path):
    change = {("maml", 1, seed): spending(10, 110) for seed in range(5)}
    change |= {("fomaml", 1, seed): spending(10, 60) for seed in range(4)}
    held = claim(metric="gradients_per_task", bound="ratio_above", limits=[1.5])
    (row,) = judged(tmp_path, held, change=change | {("fomaml", 1, 4): "failed"})
    assert (row["verdict"], row["estimate"]) == ("inconclusive", pytest.approx(11 / 6))


@pytest.mark.parametrize("dataset", ["omniglot", "sinusoid"])
def test_the_gain_after_some_steps_is_an_improvement(tmp_path, dataset):
    """Accuracy rises by 0.4 to 0.44 in two steps, an error falls by as much: more is better."""
    sign = 1 if dataset == "omniglot" else -1
    change = {
        ("maml", 1, seed): adapting(0.5, 0.6, 0.5 + sign * (0.40 + seed / 100)) for seed in range(5)
    }
    change |= {("fomaml", 1, seed): adapting(0.5, 0.6, 0.5 + sign * 0.3) for seed in range(5)}
    suite = {"dataset": dataset, "ways": 5 if dataset == "omniglot" else None, "scores": {}}
    more, less = judged(
        tmp_path,
        claim(metric="gain", after=2),
        claim(metric="gain", after=2, of="fomaml", against="maml", bound="ratio_above", limits=[1]),
        change=change,
        **suite,
    )
    assert (more["verdict"], less["verdict"]) == ("supported", "refuted")
    assert (more["low"], more["high"]) == pytest.approx(t_interval([0.1, 0.11, 0.12, 0.13, 0.14]))
    assert (more["metric"], more["after"]) == ("gain", 2)
    assert more["unit"] == ("fraction" if dataset == "omniglot" else "squared amplitude")


def test_a_claim_of_after_the_data_says_so(tmp_path):
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), claims=[claim()]).write(
        tmp_path / "run"
    )
    assert rows(load(folder).claims)[0]["post_hoc"] is False
    described = json.loads((folder / "cells.json").read_text())
    (folder / "cells.json").write_text(json.dumps(described | {"claims": [claim(limits=[0.001])]}))
    assert rows(load(folder).claims)[0]["post_hoc"] is True


def test_claims_are_written_as_csv(tmp_path):
    run = load(
        Synthetic(algorithms=("maml", "fomaml"), shots=(1,), claims=[claim()]).write(
            tmp_path / "run"
        )
    )
    run.write_csv()
    table = pd.read_csv(run.folder / "tables" / "claims.csv")
    assert (table["verdict"][0], table["estimate"][0]) == (
        run.claims["verdict"][0],
        run.claims["estimate"][0],
    )
