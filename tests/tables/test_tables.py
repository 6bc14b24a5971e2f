"""Tables against answers worked out by hand, and against what a folder may hold besides good
records."""

import csv
import json
import math

import numpy as np
import pytest
from scipy import stats
from synthetic_run import Synthetic, fail, reached, troubled

from metabench.errors import FolderError, RecordError, UnwritableError
from metabench.metrics import METRICS
from metabench.report.blocks import blocks_of
from metabench.report.headline import headline
from metabench.tables import curves, environment, load, rows
from metabench.tables.curves import align
from metabench.tables.frames import csv_text, frame, printable, read_csv


def one_block(**settings):
    return Synthetic(algorithms=("maml", "fomaml"), shots=(1,), **settings)


def test_group_and_comparison_by_hand(tmp_path):
    """Scores .90 .92 .94 .96 against .91 .94 .95 1.00: differences .01 .02 .01 .04."""
    scores = {("maml", 1): [0.90, 0.92, 0.94, 0.96], ("fomaml", 1): [0.91, 0.94, 0.95, 1.00]}
    run = load(one_block(seeds=(0, 1, 2, 3), scores=scores).write(tmp_path / "run"))
    maml, fomaml = rows(run.groups)
    assert maml["score"] == pytest.approx(0.93)
    assert maml["score_sd"] == pytest.approx(math.sqrt(0.002 / 3))
    half = 3.182446305284263 * math.sqrt(0.002 / 3) / 2  # t(3) at 97.5 %
    assert (maml["score_low"], maml["score_high"]) == pytest.approx((0.93 - half, 0.93 + half))
    assert (maml["is_reference"], maml["leads"], fomaml["leads"]) == (True, False, True)
    assert (maml["seeds"], maml["completed"], maml["scored"]) == (4, 4, 4)
    assert (maml["episode_low"], maml["episode_high"]) == pytest.approx((0.93 * 0.99, 0.93 * 1.01))

    (comparison,) = rows(run.comparisons)
    spread = math.sqrt(0.0006 / 3)  # mean .02, squares .0001 0 .0001 .0004
    assert comparison["difference"] == pytest.approx(0.02)
    assert comparison["t"] == pytest.approx(0.02 / (spread / 2))
    assert comparison["d_z"] == pytest.approx(0.02 / spread)
    assert comparison["d_z_corrected"] == pytest.approx(0.02 / spread * (1 - 3 / 11))
    assert comparison["ahead"] == 1.0
    assert comparison["detectable_difference"] == pytest.approx(2.12795 * spread, rel=1e-4)
    assert comparison["p_holm"] == pytest.approx(comparison["p"])  # a family of one
    assert (comparison["reference_algorithm"], comparison["family"], comparison["family_size"]) == (
        "maml",
        "accuracy against maml",
        1,
    )
    assert comparison["verdict"] == "not separated"


def test_lower_is_better_for_an_error(tmp_path):
    scores = {
        ("maml", 1): [0.50, 0.61, 0.55, 0.58, 0.52],
        ("fomaml", 1): [0.40, 0.52, 0.44, 0.49, 0.41],
    }
    run = load(one_block(ways=None, scores=scores).write(tmp_path / "run"))
    (comparison,) = rows(run.comparisons)
    assert comparison["difference"] < 0
    assert (comparison["ahead"], comparison["verdict"]) == (1.0, "better")
    assert [group["leads"] for group in rows(run.groups)] == [False, True]


def test_an_oracle_leads_nothing_and_is_in_no_tally(tmp_path):
    folder = Synthetic(algorithms=("maml", "fomaml", "oracle"), shots=(1,)).write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    for entry in described["cells"]:
        entry["privileged"] = entry["labels"]["algorithm"] == "oracle"
    (folder / "cells.json").write_text(json.dumps(described))
    run = load(folder)
    maml, fomaml, oracle = rows(run.groups)
    assert [maml["privileged"], oracle["privileged"]] == [False, True]
    assert [maml["leads"], fomaml["leads"], oracle["leads"]] == [
        maml["score"] > fomaml["score"],
        maml["score"] < fomaml["score"],
        False,
    ]
    (block,) = blocks_of(run)
    assert "oracle" not in " ".join(headline([block], "maml"))
    # in the table it stands all the same
    assert [row.group.algorithm for row in block.comparisons] == ["fomaml", "oracle"]


def test_families_are_blocks_and_size_is_as_declared(tmp_path):
    suite = Synthetic(change={("fomaml", 1, seed): "failed" for seed in range(5)})
    run = load(suite.write(tmp_path / "run"))
    table = rows(run.comparisons)
    assert [row["shots"] for row in table] == [1, 1, 1, 5, 5, 5]
    untested = table[0]
    assert (untested["algorithm"], untested["pairs"], untested["verdict"], untested["p_holm"]) == (
        "fomaml",
        0,
        "untested",
        None,
    )
    first_block = [row for row in table if row["shots"] == 1 and row["p"] is not None]
    least = min(first_block, key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(min(1.0, 3 * least["p"]))  # the failed one still counts


def test_pairs_are_the_seeds_that_both_have(tmp_path):
    scores = {("maml", 1): [0.5, 0.6, 0.7, 0.8, 0.9], ("fomaml", 1): [0.6, 0.7, 0.85, 0.9, 0.95]}
    change = {("maml", 1, 0): "missing", ("fomaml", 1, 4): "failed"}
    run = load(one_block(scores=scores, change=change).write(tmp_path / "run"))
    (comparison,) = rows(run.comparisons)
    assert comparison["pairs"] == 3
    assert comparison["difference"] == pytest.approx((0.1 + 0.15 + 0.1) / 3)
    assert (comparison["verdict"], comparison["p"]) == ("descriptive", None)
    assert comparison["caveats"].startswith("3 of 5 seeds have a score on both sides")


def test_reference_group_agrees_in_model_and_batch_norm(tmp_path):
    folder = Synthetic(shots=(1,), algorithms=("maml", "fomaml")).write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    twins = []
    for entry in described["cells"]:
        twin = json.loads(json.dumps(entry))
        twin["group"]["batch_norm"] = "support"
        twin["cell"] = twin["cell"][::-1]
        twins.append(twin)
    described["cells"] += twins
    (folder / "cells.json").write_text(json.dumps(described))
    run = load(folder)
    assert [(row["batch_norm"], row["reference_batch_norm"]) for row in rows(run.comparisons)] == [
        ("query", "query"),
        ("support", "support"),
    ]
    assert len(run.blocks) == 1


def test_axes_make_blocks(tmp_path):
    run = load(Synthetic(shots=(1,), axes={"train.iterations": [10, 20]}).write(tmp_path / "run"))
    assert [place["train.iterations"] for place in run.blocks.values()] == [10, 20]
    assert len(run.comparisons) == 6


def test_outcomes_are_told_apart(tmp_path):
    folder = troubled().write(tmp_path / "run")
    (folder / "records" / "foreign-0123456789ab.json").write_text("{}")
    (folder / "records" / "notes.json").write_text("no record")
    (folder / "records" / ".half.json.1.tmp").write_text("left by a kill")
    run = load(folder)
    outcomes = run.cells["outcome"].value_counts().to_dict()
    assert outcomes == {
        "completed": 34,
        "diverged": 1,
        "failed": 1,
        "out_of_memory": 1,
        "timeout": 1,
        "missing": 1,
        "damaged": 1,
    }
    assert [path.name for path in run.foreign] == ["foreign-0123456789ab.json", "notes.json"]
    damaged = run.cells[run.cells["outcome"] == "damaged"].iloc[0]
    assert "is damaged" in damaged["error_message"]
    assert str(tmp_path) not in damaged["error_message"]
    by_name = {(row["algorithm"], row["shots"]): row for row in rows(run.groups)}
    maml = by_name["maml", 1]
    assert (maml["completed"], maml["diverged"], maml["scored"]) == (4, 1, 5)
    assert "1 diverged, counted at chance" in maml["caveats"]
    assert "the interval ends where the scale does" in maml["caveats"]
    fomaml = by_name["fomaml", 1]
    assert (fomaml["completed"], fomaml["failed"], fomaml["missing"]) == (4, 1, 0)
    assert by_name["protonet", 5]["missing"] == 1
    assert by_name["scratch", 1]["failed"] == 1


def test_diverged_regression_has_no_score(tmp_path):
    run = load(one_block(ways=None, change={("maml", 1, 0): "diverged"}).write(tmp_path / "run"))
    maml = rows(run.groups)[0]
    assert (maml["diverged"], maml["scored"]) == (1, 4)
    assert "1 diverged, without a score" in maml["caveats"]
    assert rows(run.comparisons)[0]["pairs"] == 4


def test_costs_are_those_of_completed_cells(tmp_path):
    def slow(record):
        record["measured"]["training_seconds"] = 100.0
        record["measured"]["peak_resident_bytes"]["training"] = 7 * 2**30

    change = {("maml", 1, 0): slow, ("maml", 1, 1): "diverged"}
    run = load(one_block(change=change).write(tmp_path / "run"))
    cells = run.cells[(run.cells["algorithm"] == "maml") & (run.cells["outcome"] == "completed")]
    maml = rows(run.groups)[0]
    assert maml["training_seconds"] == pytest.approx(cells["training_seconds"].mean())
    assert maml["peak_resident_bytes_training"] == 7 * 2**30
    assert maml["peak_gpu_allocated_bytes_training"] is None


def test_every_metric_of_a_record_is_a_column(tmp_path):
    def scored(seed):
        told = {"mean": 0.1 * seed, "interval": None}
        unknown = {"mean": None, "interval": None}
        return lambda record: record["result"].update(metrics={"macro_f1": told, "mae": unknown})

    change = {("maml", 1, seed): scored(seed) for seed in range(5)}
    run = load(one_block(change=change).write(tmp_path / "run"))
    maml, fomaml = rows(run.groups)
    assert maml["macro_f1"] == pytest.approx(0.2)
    assert maml["macro_f1_low"] < 0.2 < maml["macro_f1_high"]
    assert maml["mae"] is None
    assert fomaml["macro_f1"] is None  # whose records are older
    assert {*METRICS} <= {*run.cells.columns}


def elsewhere(record):
    record["provenance"]["cpu"] = "Another"


def test_times_against_the_reference(tmp_path):
    def took(seconds):
        return lambda record: record["measured"].update(training_seconds=seconds)

    times = {
        ("maml", 1, seed): took(seconds)
        for seed, seconds in enumerate([10.0, 20.0, 10.0, 20.0, 10.0])
    }
    times |= {
        ("fomaml", 1, seed): took(seconds)
        for seed, seconds in enumerate([5.0, 11.0, 6.0, 9.0, 5.0])
    }
    (row,) = rows(load(one_block(change=times).write(tmp_path / "run")).comparisons)
    assert row["time_ratio"] == pytest.approx((0.5 * 0.55 * 0.6 * 0.45 * 0.5) ** 0.2)
    assert row["time_ratio_low"] < row["time_ratio"] < row["time_ratio_high"] < 1
    idle = rows(
        load(
            Synthetic(algorithms=("maml", "scratch"), shots=(1,)).write(tmp_path / "idle")
        ).comparisons
    )[0]
    assert (idle["time_ratio"], idle["cost_caveats"]) == (None, None)
    assert idle["fit_ratio_high"] < 1  # it validates and is tested all the same


def taking(**seconds):
    return lambda record: record["measured"].update(seconds)


def test_intervals_of_costs_are_corrected_for_the_family(tmp_path):
    """Holm decides on the surest of three at a third of 5 %, on the next at a half, on the last,
    which nothing tells from the reference, at 5 %."""
    noise = np.array([0.02, -0.03, 0.01, 0.04, -0.04])
    factors = {"fomaml": 2.0 * np.exp(noise), "protonet": 1.1 * np.exp(noise[::-1] / 2 - noise)}
    factors |= {"other": np.exp(noise)}
    change = {
        (name, 1, seed): taking(wall_seconds=60.0 * found[seed], seconds_per_episode=0.01)
        for name, found in (factors | {"maml": np.ones(5)}).items()
        for seed in range(5)
    }
    names = ("maml", *factors)
    run = load(Synthetic(algorithms=names, shots=(1,), change=change).write(tmp_path / "run"))
    for level, row in zip((0.05 / 3, 0.05 / 2, 0.05), rows(run.comparisons), strict=True):
        logs = np.log(factors[row["algorithm"]])
        ends = np.exp(stats.t.interval(1 - level, 4, logs.mean(), stats.sem(logs)))
        assert row["fit_ratio"] == pytest.approx(np.exp(logs.mean()))
        assert (row["fit_ratio_low"], row["fit_ratio_high"]) == pytest.approx(tuple(ends))
        assert (row["episode_ratio"], row["episode_ratio_low"]) == (1.0, None)  # nothing spreads


def test_intervals_of_costs_over_few_seeds_are_corrected_too(tmp_path):
    """Nothing is tested on three seeds, and the intervals are those of Bonferroni."""
    times = {"maml": (50.0, 52.0, 51.0), "fomaml": (60.0, 66.0, 61.0), "other": (40.0, 40.0, 44.0)}
    change = {
        (name, 1, seed): taking(wall_seconds=found[seed])
        for name, found in times.items()
        for seed in range(3)
    }
    suite = Synthetic(algorithms=tuple(times), shots=(1,), seeds=(0, 1, 2), change=change)
    for row in rows(load(suite.write(tmp_path / "run")).comparisons):
        logs = np.log(times[row["algorithm"]]) - np.log(times["maml"])
        ends = np.exp(stats.t.interval(0.975, 2, logs.mean(), stats.sem(logs)))
        assert (row["fit_ratio_low"], row["fit_ratio_high"]) == pytest.approx(tuple(ends))


def test_costs_of_several_machines_are_marked_and_not_compared(tmp_path):
    run = load(one_block(change={("maml", 1, 0): elsewhere}).write(tmp_path / "run"))
    maml, fomaml = rows(run.groups)
    assert maml["machine"] is None
    assert maml["cost_caveats"].startswith(
        "averaged over 2 machines or ways of using them: Another, cpu, 1 thread, 2 at once; "
        "Imaginary"
    )
    assert (fomaml["machine"], fomaml["cost_caveats"]) == (
        "Imaginary Epyc 9999, cpu, 1 thread, 2 at once",
        None,
    )
    (row,) = rows(run.comparisons)
    assert (row["time_ratio"], row["verdict"] != "untested") == (None, True)
    assert row["cost_caveats"].startswith("made on different machines")
    everywhere = {(algorithm, 1, 0): elsewhere for algorithm in ("maml", "fomaml")}
    (row,) = rows(load(one_block(change=everywhere).write(tmp_path / "pairs")).comparisons)
    assert row["time_ratio"] is not None  # every pair on one machine


def test_what_could_not_be_compiled_is_not_told_as_compiled(tmp_path):
    def asked(record):
        record["provenance"]["conditions"]["compiler"] = "c++ 1.2.3"

    def in_vain(record):
        asked(record)
        record["provenance"]["not_compiled"] = "it cannot be written down"

    change = {("maml", 1, 0): asked, ("fomaml", 1, 0): in_vain}
    cells = load(one_block(change=change).write(tmp_path / "run")).rows.cells
    told = {cell.algorithm: cell.machine for cell in cells if cell.seed == 0}
    assert told["maml"].endswith("2 at once, compiled by c++ 1.2.3")
    assert told["fomaml"].endswith("2 at once")


def test_errors_are_averaged_on_logarithms_and_never_below_zero(tmp_path):
    """On the scale itself the interval of the first would begin at -0.92."""
    skewed = [0.1, 0.1, 0.1, 0.1, 3.0]
    scores = {("maml", 1): skewed, ("fomaml", 1): [0.5, 0.6, 0.5, 0.6, 0.5]}
    maml, fomaml = rows(load(one_block(ways=None, scores=scores).write(tmp_path / "run")).groups)
    logs = np.log(skewed)
    half = 2.7764451051977987 * logs.std(ddof=1) / 5**0.5  # t(4) at 97.5 %
    assert maml["score"] == pytest.approx(math.exp(logs.mean()))
    assert (maml["score_low"], maml["score_high"]) == pytest.approx(
        (math.exp(logs.mean() - half), math.exp(logs.mean() + half))
    )
    assert maml["score_sd"] == pytest.approx(np.std(skewed, ddof=1))
    assert maml["estimator"] == "geometric mean with Student t interval over 5 seeds"
    assert fomaml["score"] == pytest.approx(math.exp(np.log(scores["fomaml", 1]).mean()))


def test_an_accuracy_near_one_has_an_interval_that_ends_there(tmp_path):
    scores = {("maml", 1): [0.97, 1.0, 1.0, 0.99, 1.0], ("fomaml", 1): [0.5, 0.6, 0.5, 0.6, 0.5]}
    maml, fomaml = rows(load(one_block(scores=scores).write(tmp_path / "run")).groups)
    assert (maml["score"], maml["score_high"]) == (pytest.approx(0.992), 1.0)
    assert "the interval ends where the scale does" in maml["caveats"]
    assert "scale" not in fomaml["caveats"]


def test_steps_of_the_test_make_rows_of_a_block(tmp_path):
    folder = one_block().write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    twins = json.loads(json.dumps(described["cells"]))
    for entry, twin in zip(described["cells"], twins, strict=True):
        entry["group"]["steps"], twin["group"]["steps"] = None, 5
        twin["cell"] = twin["cell"][::-1]
    (folder / "cells.json").write_text(
        json.dumps(described | {"cells": described["cells"] + twins})
    )
    run = load(folder)
    assert len(run.blocks) == 1
    assert [(row["steps"], row["reference_steps"]) for row in rows(run.comparisons)] == [
        (None, None),
        (5, 5),
    ]


def test_no_control_characters_reach_the_tables(tmp_path):
    folder = one_block().write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    described |= {"title": "\u202eback\u202c, half \ud800, tab\tand é"}
    for entry in described["cells"]:
        entry["metric"]["unit"] = "\x1b[31mred"
    (folder / "cells.json").write_text(json.dumps(described))
    run = load(folder)
    assert run.info["title"] == "back, half , tab\tand é"
    assert set(run.groups["unit"]) == {"[31mred"}
    run.write_csv()


def test_iterations_to_target_only_where_all_reached_it(tmp_path):
    everyone = {
        (algorithm, 1, seed): reached(500) for algorithm in ("maml", "fomaml") for seed in range(5)
    }
    run = load(
        one_block(change=everyone | {("fomaml", 1, 2): reached(None)}).write(tmp_path / "run")
    )
    maml, fomaml = rows(run.groups)
    assert (maml["iterations_to_target"], maml["target_reached"], maml["target_of"]) == (500, 5, 5)
    assert (maml["tasks_to_target"], maml["seconds_to_target"]) == (
        2000,
        pytest.approx(maml["training_seconds"] / 4),
    )
    assert fomaml["tasks_to_target"] is fomaml["seconds_to_target"] is None
    assert (fomaml["iterations_to_target"], fomaml["target_reached"], fomaml["target_of"]) == (
        None,
        4,
        5,
    )


def test_one_seed_and_nothing(tmp_path):
    run = load(one_block(seeds=(0,)).write(tmp_path / "one"))
    assert rows(run.groups)[0]["score_low"] is None
    assert [(row["verdict"], row["p"]) for row in rows(run.comparisons)] == [("untested", None)]
    nothing = one_block(
        change={
            (algorithm, 1, seed): "missing" for algorithm in ("maml", "fomaml") for seed in range(5)
        }
    )
    run = load(nothing.write(tmp_path / "nothing"))
    assert [row["score"] for row in rows(run.groups)] == [None, None]
    assert curves(run).bands.empty
    assert environment(run) == []


def test_curves(tmp_path):
    run = load(one_block(change={("maml", 1, 0): "diverged"}).write(tmp_path / "run"))
    told = curves(run)
    group = run.groups["group"][0]
    adaptation = told.bands[(told.bands["group"] == group) & (told.bands["curve"] == "adaptation")]
    assert list(adaptation["x"]) == [0, 1, 2, 3, 5, 10]
    assert adaptation["n"].unique() == [4]
    scores = run.cells[(run.cells["group"] == group) & (run.cells["outcome"] == "completed")][
        "score"
    ]
    assert adaptation["mean"].iloc[-1] == pytest.approx(
        np.mean(0.2 + (scores - 0.2) * (1 - 0.25**10))
    )
    validation = told.seeds[(told.seeds["group"] == group) & (told.seeds["curve"] == "validation")]
    assert validation["seed"].nunique() == 5  # the diverged fit as far as it went
    cell = next(cell for cell in run.rows.cells if cell.outcome == "completed")
    own = told.seeds[(told.seeds["cell"] == cell.cell) & (told.seeds["curve"] == "training")]
    assert list(own["y"]) == run.record(cell.cell)["result"]["training"]["score"]


def test_learning_curves_tell_the_tasks_images_and_seconds_that_they_took(tmp_path):
    """2,000 iterations of 8,000 tasks with 640,000 images."""

    def took(seconds):
        return lambda record: record["measured"].update(training_seconds=seconds)

    change = {("maml", 1, seed): took(10.0 * (seed + 1)) for seed in range(5)}
    run = load(one_block(change=change).write(tmp_path / "run"))
    group = run.groups["group"][0]
    for kind in ("validation", "loss"):
        for told in (curves(run).seeds, curves(run).bands):
            own = told[(told["group"] == group) & (told["curve"] == kind)]
            assert (own["tasks"] / own["x"]).unique() == pytest.approx([4.0])
            assert (own["images"] / own["x"]).unique() == pytest.approx([320.0])
        seeds = curves(run).seeds
        own = seeds[(seeds["group"] == group) & (seeds["curve"] == kind)]
        assert own.groupby("seed")["seconds"].max().tolist() == pytest.approx([10, 20, 30, 40, 50])
        assert told[(told["group"] == group) & (told["curve"] == kind)]["seconds"].max() == (
            pytest.approx(30)
        )
    adapting = seeds[seeds["curve"] == "adaptation"]
    assert adapting[["tasks", "images", "seconds"]].isna().all(axis=None)


def test_bands_of_errors_are_made_on_logarithms(tmp_path):
    run = load(one_block(ways=None).write(tmp_path / "run"))
    scores = [row["score"] for row in rows(run.cells) if row["algorithm"] == "maml"]
    bands = curves(run).bands
    group = run.groups["group"][0]
    (last,) = rows(bands[(bands["group"] == group) & (bands["curve"] == "adaptation")])[-1:]
    final = [4.2 + (score - 4.2) * (1 - 0.25**10) for score in scores]
    assert last["mean"] == pytest.approx(math.exp(np.log(final).mean()))
    assert 0 < last["low"] < last["mean"] < last["high"]


def test_bands_end_with_the_first_seed():
    long = (np.array([0.0, 10.0, 20.0, 30.0]), np.array([0.0, 1.0, 2.0, 3.0]))
    short = (np.array([5.0, 15.0]), np.array([9.0, 9.0]))
    x, y = align([long, short])
    assert x.tolist() == [5.0, 15.0]
    assert y.tolist() == [[0.5, 1.5], [9.0, 9.0]]


def test_environment_lists_every_value(tmp_path):
    def other_machine(record):
        record["provenance"]["cpu"] = "Another"

    run = load(one_block(change={("maml", 1, 0): other_machine}).write(tmp_path / "run"))
    facts = [(fact.value, fact.cells) for fact in environment(run) if fact.key == "cpu"]
    assert sorted(facts) == [("Another", 1), ("Imaginary Epyc 9999", 9)]


def test_access_to_records(tmp_path):
    run = load(one_block().write(tmp_path / "run"))
    cell = run.cells["cell"][0]
    assert run.record(cell)["cell"] == cell
    assert run.arrays(cell)["result/scores"].shape == (600,)
    with pytest.raises(KeyError):
        run.record("no such cell")
    run.records[cell].write_text("{")
    with pytest.raises(RecordError):
        run.record(cell)


def test_odd_records_are_damaged_not_a_crash(tmp_path):
    def of_another_cell(record):
        record["cell"] = "0" * 64

    def without_result(record):
        record["result"] = None

    run = load(
        one_block(change={("maml", 1, 0): of_another_cell, ("maml", 1, 1): without_result}).write(
            tmp_path / "run"
        )
    )
    assert run.cells["outcome"].value_counts()["damaged"] == 2


def redeclare(folder, **changes):
    described = json.loads((folder / "cells.json").read_text())
    (folder / "cells.json").write_text(json.dumps({**described, **changes}))
    return load(folder)


def test_what_changed_after_the_data_is_post_hoc(tmp_path):
    kept, dropped = {"id": "kept", "says": "one"}, {"id": "dropped", "says": "two"}
    folder = one_block(claims=[kept, dropped]).write(tmp_path / "run")
    info = load(folder).info
    assert (info["reference_post_hoc"], info["confidence_post_hoc"], info["withdrawn"]) == (
        False,
        False,
        [],
    )
    assert [claim["post_hoc"] for claim in info["claims"]] == [False, False]
    assert load(folder, 0.8).info["confidence_post_hoc"]
    info = redeclare(
        folder, reference="fomaml", confidence=0.9, claims=[kept, {"id": "new", "says": "three"}]
    ).info
    assert (info["reference_post_hoc"], info["confidence_post_hoc"], info["withdrawn"]) == (
        True,
        True,
        [dropped],
    )
    assert [(claim["id"], claim["post_hoc"]) for claim in info["claims"]] == [
        ("kept", False),
        ("new", True),
    ]
    info = redeclare(folder, declared_before_data=None).info
    assert (
        info["reference_post_hoc"],
        info["confidence_post_hoc"],
        {claim["post_hoc"] for claim in info["claims"]},
    ) == (True, True, {True})


@pytest.mark.parametrize("key", ["data_digest", "training_data_digest"])
def test_results_on_different_data_are_not_tested(tmp_path, key):
    def elsewhere(record):
        record["provenance"][key] = "ab" * 32

    suite = Synthetic(
        algorithms=("maml", "fomaml", "protonet"),
        shots=(1,),
        change={("fomaml", 1, seed): elsewhere for seed in (0, 1)},
    )
    run = load(suite.write(tmp_path / "run"))
    fomaml, protonet = rows(run.comparisons)
    assert (fomaml["verdict"], fomaml["p"], fomaml["caveats"]) == (
        "untested",
        None,
        "made on different data",
    )
    assert protonet["pairs"] == 5
    assert ["made on different data" in group["caveats"] for group in rows(run.groups)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("steps", "gain"), [([0, 1], 0.25), ([0, 5], None), ([1, 2], None), ([0], None)]
)
def test_the_gain_of_the_first_step_needs_the_first_step(tmp_path, steps, gain):
    def curve(record):
        record["result"]["adaptation"] = {"steps": steps, "score": [0.5, 0.75][: len(steps)]}

    run = load(one_block(seeds=(0,), change={("maml", 1, 0): curve}).write(tmp_path / "run"))
    assert rows(run.cells)[0]["gain_first_step"] == gain


def test_tables_that_cannot_be_written_are_told(tmp_path):
    run = load(one_block().write(tmp_path / "run"))
    (run.folder / "tables").write_text("in the way")
    with pytest.raises(UnwritableError, match="tables: cannot be written"):
        run.write_csv()


def test_not_a_run_folder(tmp_path):
    with pytest.raises(FolderError, match=r"cells\.json"):
        load(tmp_path)


def test_csv(tmp_path):
    run = load(one_block().write(tmp_path / "run"))
    run.write_csv()
    text = (run.folder / "tables" / "groups.csv").read_text()
    assert repr(float(run.groups["score"][0])) in text


def test_fail_makes_what_the_runner_writes():
    record = {"result": {"score": 0.5, "outcome": "completed"}, "measured": {"wall_seconds": 1.0}}
    fail(record, "killed")
    assert record["result"]["score"] is None


DANGEROUS = (
    "=1+1",
    "+maml",
    "-",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "''+1",
    "\0=1",
    "\u202e=1",
    "=a,b",
    '="',
    "it's",
    "'quoted'",
    "a=1",
    "",
)


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_spreadsheet_runs_nothing_of_a_table_and_it_reads_back_the_same(text, tmp_path):
    table = frame(
        [
            {"text": text, "number": -1.5, "+key": "plain"},
            {"text": "x", "number": 2.0, "+key": None},
        ],
        ["text", "number", "+key"],
    )
    path = tmp_path / "table.csv"
    path.write_text(csv_text(table))
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [
        cell
        for cell in cells
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and cell != "-1.5"
    ]
    again = read_csv(path)
    assert list(again.columns) == ["text", "number", "+key"]
    assert again["number"].tolist() == [-1.5, 2.0]
    assert again["text"].fillna("").tolist() == [printable(text), "x"]
