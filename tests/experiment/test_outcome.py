"""What a fit comes to, in the parts of a record: complete, in JSON, and counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few_shot import make_cell, run
from hypothesis import given
from hypothesis import strategies as st

from metabench.experiment import outcome
from metabench.experiment.evaluation import Choice
from metabench.experiment.fit import CellOutcome
from metabench.experiment.training_result import Training
from metabench.methods.maml import MAML
from metabench.methods.method import Method
from metabench.methods.pretrained import Pretrained
from metabench.methods.scratch import Scratch
from metabench.metrics import METRICS
from metabench.quantities import TABLE
from metabench.records import plain
from metabench.stats.intervals import t_interval

RESULT = {
    *(
        "outcome",
        "score",
        "interval",
        "metrics",
        "episodes",
        "iterations",
        "stopped",
        "best_iteration",
        "validation",
    ),
    *("training", "adaptation", "choice", "search", "spent", "weights", "transductive", "error"),
}
MEASURED = {
    *(
        "seconds_per_iteration",
        "seconds_per_task",
        "seconds_per_episode",
        "training_seconds",
        "validation_seconds",
        "test_seconds",
        "wall_seconds",
    ),
    *("choice_seconds", "warm_up_iterations", "interruptions", "workers"),
    *("peak_gpu_allocated_bytes", "peak_gpu_reserved_bytes", "peak_resident_bytes"),
    *("peak_resident_above_bytes", "resident_before_bytes", "resident_read_by"),
}
CELLS: dict[str, dict[str, Any]] = {
    "maml on sinusoid": {"algorithm": "maml"},
    "scratch on sinusoid": {"algorithm": "scratch", "method": {"steps": (0, 2)}},
    "maml on omniglot": {
        "algorithm": "maml",
        "source": "omniglot",
        "method": {"inner_lr": 0.1, "test_steps": 2},
    },
    "protonet on omniglot": {
        "algorithm": "protonet",
        "source": "omniglot",
        "evaluate": {"batch_norm": "running"},
    },
    "scratch on omniglot": {
        "algorithm": "scratch",
        "source": "omniglot",
        "method": {"steps": (0, 2)},
    },
    "diverged on sinusoid": {"algorithm": "maml", "method": {"inner_lr": 1e38, "inner_steps": 3}},
    "diverged on omniglot": {
        "algorithm": "maml",
        "source": "omniglot",
        "method": {"inner_lr": 1e38, "inner_steps": 3},
    },
    "diverged in test": {
        "algorithm": "maml",
        "method": {"inner_lr": 50.0, "test_steps": 60, "curve": (0, 60)},
        "train": {"iterations": 1},
    },
}

every_cell = pytest.mark.parametrize("name", CELLS)


@pytest.fixture(scope="session")
def outcomes(omniglot_folder: Path) -> dict[str, CellOutcome]:
    """One outcome of each kind."""
    return {name: run(make_cell(**said), data=omniglot_folder)[0] for name, said in CELLS.items()}


@pytest.mark.slow
@every_cell
def test_every_field_of_a_record_is_there(outcomes: dict[str, CellOutcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.result.keys() == RESULT
    assert outcome.measured.keys() == MEASURED
    assert outcome.result["outcome"] == ("diverged" if "diverged" in name else "completed")


@every_cell
def test_a_record_holds_it_as_json(outcomes: dict[str, CellOutcome], name: str) -> None:
    outcome = outcomes[name]
    for table in (outcome.result, outcome.measured, outcome.provenance_extra):
        assert json.loads(json.dumps(plain(table), allow_nan=False)).keys() == table.keys()
    if outcome.result["outcome"] == "completed":
        assert json.loads(json.dumps(outcome.result, allow_nan=False)).keys() == RESULT


@pytest.mark.parametrize("name", [name for name in CELLS if "diverged" not in name])
def test_a_completed_cell_is_summed_up_from_its_arrays(
    outcomes: dict[str, CellOutcome], name: str
) -> None:
    result, arrays = outcomes[name].result, outcomes[name].arrays
    scores = arrays["result/scores"]
    assert scores.shape == (result["episodes"],) == (40,)
    assert result["score"] == pytest.approx(scores.mean(), rel=1e-12)
    assert result["interval"] == pytest.approx(t_interval(scores).interval)
    curve = result["adaptation"]
    assert curve["score"] == pytest.approx(arrays["result/adaptation"].mean(0))
    step = result["choice"]["step"] if result["choice"] else curve["steps"][-1]
    # one number, not two that differ in the last bit
    assert result["score"] == curve["score"][curve["steps"].index(step)]
    assert np.array_equal(scores, arrays["result/adaptation"][:, curve["steps"].index(step)])


@pytest.mark.parametrize(
    "name", [name for name in CELLS if "on omniglot" in name and "diverged" not in name]
)
def test_arrays_of_classification(outcomes: dict[str, CellOutcome], name: str) -> None:
    arrays = outcomes[name].arrays
    shapes = {
        key: arrays[f"result/{key}"].shape
        for key in ("truth", "prediction", "confidence", "query_ids", "support_ids")
    }
    assert shapes == {
        "truth": (40, 6),
        "prediction": (40, 6),
        "confidence": (40, 6),
        "query_ids": (40, 6),
        "support_ids": (40, 3),
    }
    assert arrays["result/scores"] == pytest.approx(
        (arrays["result/truth"] == arrays["result/prediction"]).mean(1)
    )
    assert (
        (arrays["result/confidence"] >= 1 / 3 - 1e-6) & (arrays["result/confidence"] <= 1)
    ).all()
    assert arrays["result/confidence"].dtype == np.float32
    assert arrays["result/scores"].dtype == np.float64


def test_arrays_of_regression(outcomes: dict[str, CellOutcome]) -> None:
    arrays = outcomes["maml on sinusoid"].arrays
    error = (arrays["result/truth"] - arrays["result/prediction"]).astype(np.float64) ** 2
    assert arrays["result/scores"] == pytest.approx(error.mean(1), rel=1e-5)
    assert not {"result/confidence", "result/query_ids"} & arrays.keys()


def choice_of(method: Method, rate: float, step: int) -> Choice:
    chosen = next(one for one in method.candidates() if one.settings.rates == (rate,))
    return Choice(chosen, chosen.curve.index(step), 0.5, 0.5)


@pytest.mark.parametrize(
    ("rate", "step", "edges"),
    [
        (0.03, 5, []),
        (0.01, 5, ["rates"]),
        (0.1, 5, ["rates"]),
        (0.03, 10, ["steps"]),
        (0.03, 0, []),  # fewer there are not
        (0.1, 10, ["rates", "steps"]),
    ],
)
def test_a_choice_at_the_edge_of_what_was_tried_is_told(
    rate: float, step: int, edges: list[str]
) -> None:
    method = Scratch(Scratch.Settings(rates=(0.01, 0.1, 0.03), steps=(0, 5, 10)))
    found = outcome._search(method, choice_of(method, rate, step))
    assert found == {"trials": 9, "at_edge": edges}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"rates": (0.01,), "steps": (5,)}, {"trials": 1, "at_edge": []}),
        ({"rates": (0.01, 0.1), "steps": (5,)}, {"trials": 2, "at_edge": ["rates"]}),
    ],
)
def test_one_value_has_no_edge_and_two_are_nothing_else(
    settings: dict[str, Any], found: dict[str, Any]
) -> None:
    method = Scratch(Scratch.Settings(**settings))
    assert outcome._search(method, choice_of(method, 0.01, 5)) == found


def test_what_has_no_order_has_no_edge() -> None:
    """The head or all of the network: neither is beyond the other."""
    method = Pretrained(Pretrained.Settings(tune=("head", "all"), rates=(0.1,), steps=(0, 5, 10)))
    found = outcome._search(method, choice_of(method, 0.1, 5))
    assert found == {"trials": 6, "at_edge": []}


def test_where_nothing_was_open_nothing_was_tried() -> None:
    method = MAML(MAML.Settings())
    choice = Choice(method, method.curve.index(method.test_steps), 0.5, 0.5)
    assert outcome._search(method, choice) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "method", "gradients"),
    [
        ("maml", {"inner_steps": 3}, 3 + 1 + 3),
        ("fomaml", {"inner_steps": 3}, 3 + 1),
        ("protonet", {}, 1),
        ("scratch", {}, None),
    ],
)
def test_what_was_spent_by_hand(
    omniglot_folder: Path, algorithm: str, method: dict[str, Any], gradients: int | None
) -> None:
    """4 iterations of 2 tasks of 3 ways, 1 + 2 images each; a Hessian-vector product counts as a
    gradient."""
    (outcome,) = run(make_cell(algorithm, "omniglot", method=method), data=omniglot_folder)
    tasks = 4 * 2 if gradients else 0
    assert outcome.result["spent"] == {
        "tasks": tasks,
        "images": tasks * 3 * 3,
        "gradient_evaluations": tasks * (gradients or 0),
    }
    assert outcome.result["iterations"] == (4 if gradients else 0)


def test_what_was_spent_on_sinusoids_by_hand(outcomes: dict[str, CellOutcome]) -> None:
    assert outcomes["maml on sinusoid"].result["spent"] == {
        "tasks": 12,
        "images": 120,
        "gradient_evaluations": 36,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "trained", "adapted"),
    [
        ("maml", "all", "all"),
        ("fomaml", "all", "all"),
        ("protonet", "body", 0),
        ("scratch", 0, "all"),
    ],
)
def test_numbers_of_weights_by_hand(
    omniglot_folder: Path, algorithm: str, trained: str | int, adapted: str | int
) -> None:
    """16 x 16 images, 4 filters: 4 features for the head of 3 classes."""
    body = 9 * 4 * (1 + 3 * 4) + 4 * 2 * 4
    numbers = {"body": body, "all": body + 3 * (4 + 1), 0: 0}
    (outcome,) = run(make_cell(algorithm, "omniglot"), data=omniglot_folder)
    assert outcome.result["weights"] == {"trained": numbers[trained], "adapted": numbers[adapted]}


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("diverged on sinusoid", None),
        ("diverged on omniglot", pytest.approx(1 / 3)),
        ("diverged in test", None),
    ],
)
def test_a_diverged_cell_scores_as_a_guess_would(
    outcomes: dict[str, CellOutcome], name: str, score: Any
) -> None:
    result = outcomes[name].result
    assert result["score"] == score
    assert result["interval"] is result["adaptation"] is None
    assert result["error"]["type"] == "Diverged"
    assert ("test episodes gave" if name == "diverged in test" else "at iteration 1") in result[
        "error"
    ]["message"]
    assert result["stopped"] == ("budget" if name == "diverged in test" else "diverged")


def test_a_fit_that_diverged_in_training_keeps_no_weights_and_meets_no_test(
    omniglot_folder: Path, tmp_path: Path
) -> None:
    (outcome,) = run(
        make_cell(**CELLS["diverged on sinusoid"]), data=omniglot_folder, keep_weights=tmp_path
    )
    assert not list(tmp_path.iterdir())
    assert not {"result/scores", "result/truth"} & outcome.arrays.keys()
    assert outcome.measured["seconds_per_episode"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("iterations", "bins"), [(1, 1), (199, 199), (200, 200), (201, 200), (450, 200)]
)
def test_the_training_curve_is_binned_without_losing_an_iteration(
    omniglot_folder: Path, iterations: int, bins: int
) -> None:
    cell = make_cell(
        "fomaml", train={"iterations": iterations, "tasks_per_batch": 1}, validate={"every": 1000}
    )
    (outcome,) = run(cell, data=omniglot_folder)
    curve, loss = outcome.result["training"], outcome.arrays["result/train_loss"]
    ends = curve["iteration"]
    assert len(ends) == len(curve["loss"]) == len(curve["score"]) == bins
    assert (ends[-1], len(loss)) == (iterations, iterations)
    assert max(np.diff([0, *ends])) - min(np.diff([0, *ends])) <= 1
    assert np.average(curve["loss"], weights=np.diff([0, *ends])) == pytest.approx(loss.mean())


@every_cell
def test_times_are_plausible_and_add_up(outcomes: dict[str, CellOutcome], name: str) -> None:
    measured, result = outcomes[name].measured, outcomes[name].result
    assert measured["wall_seconds"] >= measured["training_seconds"] + measured[
        "validation_seconds"
    ] + (measured["test_seconds"] or 0)
    assert len(outcomes[name].arrays["measured/iteration_seconds"]) == result["iterations"]
    assert measured["warm_up_iterations"] == min(10, result["iterations"])
    if result["iterations"]:
        assert measured["seconds_per_task"] == pytest.approx(measured["seconds_per_iteration"] / 2)
    else:
        assert measured["seconds_per_iteration"] is None
    assert measured["peak_resident_bytes"]["training"] > 50e6
    assert measured["peak_resident_bytes"]["test"] > 50e6
    assert measured["peak_gpu_allocated_bytes"] == {"training": None, "test": None}


@every_cell
def test_every_metric_of_the_kind_of_task_is_in_the_record(
    outcomes: dict[str, CellOutcome], name: str
) -> None:
    result, arrays = outcomes[name].result, outcomes[name].arrays
    if result["outcome"] != "completed":
        assert result["metrics"] is None
        return
    kind = "classification" if "omniglot" in name else "regression"
    assert list(result["metrics"]) == [n for n, m in METRICS.items() if m.kind == kind]
    for metric, told in result["metrics"].items():
        scores = arrays[f"result/metrics/{metric}"]
        assert (scores.shape, scores.dtype) == ((40,), np.float64)
        assert told["mean"] == scores.mean()
        assert told["interval"] == list(t_interval(scores.tolist()).interval)
    primary = "accuracy" if kind == "classification" else "mse"
    assert np.array_equal(arrays[f"result/metrics/{primary}"], arrays["result/scores"])
    assert ("result/roc_counts" in arrays) == (kind == "classification")


@pytest.mark.parametrize("name", ["maml on omniglot", "protonet on omniglot"])
def test_counts_for_curves_and_diagrams_are_of_all_queries(
    outcomes: dict[str, CellOutcome], name: str
) -> None:
    arrays = outcomes[name].arrays
    truth, prediction = arrays["result/truth"], arrays["result/prediction"]
    count, confidence, correct = arrays["result/reliability"]
    assert count.sum() == truth.size
    assert correct.sum() == (truth == prediction).sum()
    assert confidence.sum() == pytest.approx(arrays["result/confidence"].sum(), rel=1e-5)
    assert arrays["result/roc_counts"].sum(1).tolist() == [truth.size, 2 * truth.size]
    assert arrays["result/roc_counts"].nbytes + arrays["result/reliability"].nbytes < 2_000


def test_every_quantity_comes_from_what_a_fit_leaves(outcomes: dict[str, CellOutcome]) -> None:
    """Some fit has each of the numbers that the tables know."""
    known = set()
    for found in outcomes.values():
        record = {"result": plain(found.result), "measured": plain(found.measured)}
        known |= {one.name for one in TABLE if one.value(record) is not None}
    # without a GPU, a target, a compiler, and a run in which others are at work
    lacking = {one.name for one in TABLE if "gpu" in one.name}
    lacking |= {one.name for one in TABLE if one.needs_target}
    lacking |= {"target", "compile_seconds", "concurrent_fits"}
    assert {one.name for one in TABLE} - known == lacking


def test_waves_are_kept_for_the_figures(outcomes: dict[str, CellOutcome]) -> None:
    """Four of them, their points and the fit after each number of steps."""
    outcome = outcomes["maml on sinusoid"]
    steps = len(outcome.result["adaptation"]["steps"])
    shapes = {
        name.rpartition("/")[2]: array.shape
        for name, array in outcome.arrays.items()
        if name.startswith("figures/waves/")
    }
    assert shapes["prediction"] == (4, steps, 101, 1)
    assert shapes["query_x"] == shapes["query_y"] == (4, 101, 1)
    assert shapes["support_x"][0] == 4


def test_a_far_point_of_the_curve_condemns_no_score(omniglot_folder: Path) -> None:
    """Steps that do not count may overflow."""
    (outcome,) = run(
        make_cell(
            "maml",
            method={"inner_lr": 50.0, "test_steps": 0, "curve": (0, 60)},
            train={"iterations": 1},
        ),
        data=omniglot_folder,
    )
    assert outcome.result["outcome"] == "completed"
    assert np.isfinite(outcome.result["score"])
    assert plain(outcome.result["adaptation"]["score"])[1] is None


def test_image_numbers_can_be_read(outcomes: dict[str, CellOutcome]) -> None:
    arrays = outcomes["maml on omniglot"].arrays
    met = {*arrays["result/support_ids"].ravel(), *arrays["result/query_ids"].ravel()}
    assert {*arrays["figures/image_numbers"]} == met
    assert all(name.decode().count("/") == 2 for name in arrays["figures/image_names"])


def test_a_long_validation_curve_is_thinned_and_keeps_its_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record of any number of validations can be read again; one of fewer stays whole."""
    training = Training(
        validated=list(range(1, 101)),
        validation_score=[0.5] * 99 + [0.9],
        validation_loss=[1.0] * 100,
    )
    assert outcome._thinned(training, True)["iteration"] == training.validated
    monkeypatch.setattr(outcome, "VALIDATIONS", 10)
    thinned = outcome._thinned(training, True)
    assert len(thinned["iteration"]) == len(thinned["loss"]) == 10
    assert (thinned["iteration"][0], thinned["iteration"][-1], thinned["score"][-1]) == (
        1,
        100,
        0.9,
    )
    assert outcome._thinned(Training(), True) == {"iteration": [], "score": [], "loss": []}


def reaches(curve: dict[str, list[Any]], target: float, sign: int) -> int | None:
    """The first iteration of a validation curve at which a target is reached."""
    points = zip(curve["iteration"], curve["score"], curve["loss"], strict=True)
    return next(
        (
            iteration
            for iteration, score, loss in points
            if np.isfinite(score) and np.isfinite(loss) and sign * score >= sign * target
        ),
        None,
    )


@given(
    st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, np.nan, np.inf]), max_size=30),
    st.sampled_from([0.2, 0.5, 0.8]),
    st.booleans(),
    st.sets(st.integers(0, 29)),
)
def test_a_thinned_curve_reaches_every_target_when_the_whole_one_does(
    scores: list[float], target: float, higher: bool, without_loss: set[int]
) -> None:
    iterations = list(range(1, len(scores) + 1))
    losses = [np.nan if place in without_loss else 1.0 for place in range(len(scores))]
    training = Training(validated=iterations, validation_score=scores, validation_loss=losses)
    whole = {"iteration": iterations, "score": scores, "loss": losses}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome, "VALIDATIONS", 2)
        thinned = outcome._thinned(training, higher)
    sign = 1 if higher else -1
    assert reaches(thinned, target, sign) == reaches(whole, target, sign)
