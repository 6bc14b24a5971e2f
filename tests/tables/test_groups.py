"""Groups: what more stands beside a mean, so that it does not flatter."""

import math

import pytest
from scipy import stats
from synthetic_run import Synthetic

from metabench.tables import load, rows


def group(folder, change=None, scores=(0.90, 0.91, 0.92, 0.93, 0.94), **suite):
    """The row of MAML, alone with five seeds."""
    settings = {
        "algorithms": ("maml",),
        "shots": (1,),
        "scores": {("maml", 1): list(scores)},
        "change": {("maml", 1, seed): change for seed in range(5)} if change else {},
    }
    (row,) = rows(load(Synthetic(**(settings | suite)).write(folder / "run")).groups)
    return row


def with_interval(half_width):
    """Give a record this interval over its 600 episodes."""

    def change(record):
        score = record["result"]["score"]
        record["result"]["interval"] = [score - half_width, score + half_width]

    return change


def test_the_share_of_the_noise_of_episodes_by_hand(tmp_path):
    """The five scores have the variance 0.00025; with a standard error of 0.01 by the episodes, two
    fifths of that are theirs."""
    half = 0.01 * stats.t.isf(0.025, 599)
    row = group(tmp_path, with_interval(half))
    assert row["noise_share"] == pytest.approx(0.4)
    assert "noise of the test episodes" not in row["caveats"]


def test_the_noise_of_errors_is_measured_on_logarithms_as_their_interval_is(tmp_path):
    """A relative error of a tenth in each seed, beside a variance of the logarithms of 0.025."""
    logs = (0.1 * number for number in (-2, -1, 0, 1, 2))
    scores = [math.exp(one) for one in logs]

    def change(record):
        score = record["result"]["score"]
        half = 0.1 * score * stats.t.isf(0.025, 599)
        record["result"]["interval"] = [score - half, score + half]

    assert group(tmp_path, change, scores, ways=None)["noise_share"] == pytest.approx(0.4)


def test_where_noise_dominates_more_episodes_would_narrow_the_interval(tmp_path):
    row = group(tmp_path / "a", with_interval(0.03))
    assert row["noise_share"] > 0.5
    assert "more episodes, not more seeds, would narrow the interval" in row["caveats"]
    few = group(tmp_path / "b", with_interval(0.03), scores=(0.90, 0.91, 0.92), seeds=(0, 1, 2))
    assert "more episodes" not in few["caveats"]  # of three seeds nobody knows it


def searched(edges, trials=21):
    return lambda record: record["result"].update(search={"trials": trials, "at_edge": edges})


def test_a_choice_at_the_edge_of_what_was_tried_is_told(tmp_path):
    row = group(tmp_path / "edge", searched(["rates", "steps"]))
    assert row["budget_caveats"] == (
        "rates chosen at the edge of what was tried in 5 of 5 trainings; "
        "steps chosen at the edge of what was tried in 5 of 5 trainings"
    )
    assert row["trials"] == 21
    assert group(tmp_path / "inside", searched([]))["budget_caveats"] is None


@pytest.mark.parametrize(
    ("best", "select", "is_told"),
    [(2000, "best", True), (1800, "best", False), (2000, "last", False)],
)
def test_best_weights_that_are_the_last_are_told(tmp_path, best, select, is_told):
    """The validation curve of a synthetic record ends at 2,000 iterations."""

    def change(record):
        record["result"]["best_iteration"] = best
        record["config"]["fit"]["validate"] = {"select": select}

    told = group(tmp_path, change)["budget_caveats"]
    last = "the best weights are those of the last validation in 5 of 5 trainings"
    assert told == (f"{last}: training may not have converged" if is_told else None)


def test_a_method_that_does_not_train_has_no_training_time(tmp_path):
    (row,) = rows(
        load(Synthetic(algorithms=("scratch",), shots=(1,)).write(tmp_path / "run")).groups
    )
    assert (row["training_seconds"], row["iterations"]) == (None, 0)
    assert row["wall_seconds"] is not None
