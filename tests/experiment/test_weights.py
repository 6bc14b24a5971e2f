"""Weights that are kept: with them further cells are tested as if they had been there from the
start, and nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from few_shot import ELSEWHERE, HERE, make_cell, reproducible
from few_shot import run as run_whole

from metabench import registry
from metabench.cells import Cell
from metabench.datasets.omniglot import Omniglot
from metabench.experiment import tensor_files
from metabench.experiment.fit import CellOutcome, run_fit
from metabench.experiment.weights import Keeping, has_weights, weights_path

METHODS: dict[str, dict[str, Any]] = {
    "maml": {"inner_lr": 0.1},
    "protonet": {},
    "anil": {"test_steps": 3},
    "meta_sgd": {"test_steps": 3},
    "maml_pp": {"inner_steps": 2, "multi_step_loss": 0.5},
    "reptile": {"inner_batch": 2, "test_steps": 3},
    "pretrained": {"steps": (0, 1), "tune": ("all",)},
}
OTHER_TESTS: dict[str, list[dict[str, Any]]] = {
    "maml": [
        {"shots": 3},
        {"batch_norm": "support"},
        {"steps": 0},
        {"steps": 4},
        {"query_shots": 4},
        {"sampling": "disjoint", "episodes": 2},
    ],
    "anil": [{"shots": 3}, {"batch_norm": "support"}, {"steps": 0}],
    "meta_sgd": [{"batch_norm": "running"}, {"steps": 0}],
    "maml_pp": [{"batch_norm": "running"}, {"steps": 0}, {"steps": 4}],
    "protonet": [{"ways": 5}, {"shots": 3}, {"batch_norm": "running"}],
    "reptile": [{"batch_norm": "support_plus_one"}, {"steps": 1}],
    "pretrained": [{"ways": 5}, {"steps": 2}],
}
EPISODES = {"episodes": 6}

every_method = pytest.mark.parametrize("algorithm", METHODS)


def cell_of(algorithm: str, **evaluate: Any) -> Cell:
    return make_cell(
        algorithm, "omniglot", method=METHODS[algorithm], evaluate={**EPISODES, **evaluate}
    )


def run(cells: list[Cell], data: Path, folder: Path, **keeping: Any) -> list[CellOutcome]:
    kept = Keeping(**{"weights": folder, "provenance": HERE, **keeping})
    return list(
        run_fit(
            cells,
            data=data,
            device="cpu",
            threads=1,
            workers=3,
            progress=lambda _: None,
            keeping=kept,
        )
    )


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every training iteration of any method from now on."""
    taken: list[str] = []
    for algorithm in METHODS:
        method = registry.get("methods", algorithm)
        step = method.step

        def watched(
            self: Any, *arguments: Any, step: Any = step, algorithm: str = algorithm
        ) -> Any:
            taken.append(algorithm)
            return step(self, *arguments)

        monkeypatch.setattr(method, "step", watched)
    return taken


@pytest.mark.slow
@every_method
def test_further_cells_train_nothing_and_come_to_the_same_bits(
    algorithm: str, omniglot_folder: Path, tmp_path: Path, steps: list[str]
) -> None:
    """As those that were trained and tested in one go."""
    first, *others = cells = [
        cell_of(algorithm),
        *(cell_of(algorithm, **test) for test in OTHER_TESTS[algorithm]),
    ]
    assert len({cell.fit.id for cell in cells}) == 1
    at_once = [reproducible(outcome) for outcome in run_whole(*cells, data=omniglot_folder)]
    run([first], omniglot_folder, tmp_path)
    steps.clear()
    later = run(others, omniglot_folder, tmp_path)
    assert steps == []
    assert [reproducible(outcome) for outcome in later] == at_once[1:]
    assert {outcome.provenance_extra["weights"] for outcome in later} == {"kept"}
    assert all(
        outcome.provenance_extra["training_conditions"] == HERE["conditions"] for outcome in later
    )


@pytest.mark.slow
def test_what_training_cost_stays_known(omniglot_folder: Path, tmp_path: Path) -> None:
    (made,) = run([cell_of("maml")], omniglot_folder, tmp_path)
    (later,) = run([cell_of("maml", shots=3)], omniglot_folder, tmp_path)
    same = (
        "seconds_per_iteration",
        "seconds_per_task",
        "training_seconds",
        "validation_seconds",
        "warm_up_iterations",
        "interruptions",
        "workers",
    )
    assert [later.measured[key] for key in same] == [made.measured[key] for key in same]
    assert later.measured["workers"] == 3
    assert (
        later.measured["peak_resident_bytes"]["training"]
        == made.measured["peak_resident_bytes"]["training"]
    )
    assert np.array_equal(
        later.arrays["measured/iteration_seconds"], made.arrays["measured/iteration_seconds"]
    )
    assert (
        later.measured["wall_seconds"]
        > made.measured["training_seconds"] + made.measured["validation_seconds"]
    )


def test_the_file_can_be_read_without_us(omniglot_folder: Path, tmp_path: Path) -> None:
    (outcome,) = run([cell_of("maml")], omniglot_folder, tmp_path)
    tensors = safetensors.torch.load_file(weights_path(tmp_path, outcome.cell.fit.id))
    curves = ("loss", "score", "seconds", "validated", "validation_score", "validation_loss")
    assert {name for name in tensors if "/" in name} == {f"training/{name}" for name in curves}
    assert tensors["training/loss"].tolist() == outcome.arrays["result/train_loss"].tolist()
    weights = [name for name in tensors if "/" not in name]
    assert weights
    assert all(name.startswith("model.") for name in weights)


# --- which weights are taken ----------------------------------------------------------------------


@pytest.fixture
def kept(omniglot_folder: Path, tmp_path: Path, steps: list[str]) -> Iterator[Path]:
    """A folder with the weights of `cell_of("maml")`; no step has been taken since."""
    run([cell_of("maml")], omniglot_folder, tmp_path)
    steps.clear()
    return tmp_path


def path_in(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keeping", "trains"),
    [
        ({}, False),
        ({"provenance": ELSEWHERE}, True),
        ({"provenance": ELSEWHERE, "stale": True}, False),
        ({"provenance": {}, "stale": True}, True),
        ({"weights": None}, True),
    ],
    ids=[
        "same conditions",
        "other conditions",
        "other conditions, on demand",
        "conditions unknown",
        "weights not kept",
    ],
)
def test_weights_of_other_conditions_are_taken_on_demand_alone(
    keeping: dict[str, Any], trains: bool, omniglot_folder: Path, kept: Path, steps: list[str]
) -> None:
    (outcome,) = run([cell_of("maml", shots=3)], omniglot_folder, kept, **keeping)
    assert bool(steps) == trains
    assert ("weights" in outcome.provenance_extra) != trains
    if not trains:
        assert outcome.provenance_extra["training_conditions"] == HERE["conditions"]


def test_weights_of_other_data_are_never_taken(
    omniglot_folder: Path, kept: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Omniglot, "content_digest", lambda _: "c" * 64)
    run([cell_of("maml", shots=3)], omniglot_folder, kept, stale=True)
    assert steps


@pytest.mark.slow
def test_damaged_weights_are_made_again(
    omniglot_folder: Path, kept: Path, steps: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = path_in(kept)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    run([cell_of("maml", shots=3)], omniglot_folder, kept)
    assert len(steps) == 4
    assert "is damaged and not used" in caplog.text
    steps.clear()
    run([cell_of("maml", shots=2)], omniglot_folder, kept)
    assert steps == []


@pytest.mark.parametrize(
    "change",
    [
        {"training": {}},
        {"training": {"dict": [["loss", 3]]}},
        {"cost": {"seconds": None}},
        {"workers": "many"},
        {"origin": {"provenance": {"cpu": 5}}},
        {"origin": {"provenance": {"conditions": {"torch": []}}}},
    ],
)
def test_crafted_weights_with_the_right_digest_are_made_again(
    change: dict[str, Any],
    omniglot_folder: Path,
    kept: Path,
    steps: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = path_in(kept)
    found = tensor_files.read(path)
    assert found is not None
    facts, tensors = found
    if "origin" in change:  # beside what makes it that of this fit
        provenance = {**facts["origin"]["provenance"], **change["origin"]["provenance"]}
        provenance["conditions"] = {
            **provenance["conditions"],
            **HERE["conditions"],
            **change["origin"]["provenance"].get("conditions", {}),
        }
        change = {"origin": {**facts["origin"], "provenance": provenance}}
    tensor_files.write(path, facts | change, tensors)
    run([cell_of("maml", shots=3)], omniglot_folder, kept)
    assert len(steps) == 4
    assert "is damaged and not used" in caplog.text


def test_weights_without_our_words_are_made_again(
    omniglot_folder: Path, kept: Path, steps: list[str]
) -> None:
    """As those that earlier versions kept, which say nothing of their training."""
    path = path_in(kept)
    path.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path)))
    run([cell_of("maml", shots=3)], omniglot_folder, kept)
    assert len(steps) == 4


def test_weights_are_known_by_their_first_bytes(omniglot_folder: Path, kept: Path) -> None:
    path, fit = path_in(kept), cell_of("maml").fit.id
    here, elsewhere = HERE["conditions"], ELSEWHERE["conditions"]
    assert has_weights(path, fit, here)
    assert not has_weights(path, fit, elsewhere)
    assert has_weights(path, fit, elsewhere, any_conditions=True)
    assert not has_weights(path, "f" * 64, here)
    assert not has_weights(path.with_name("none"), fit, here)
    path.write_bytes(b"{}")
    assert not has_weights(path, fit, here)


# --- numbers of steps -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["maml", "fomaml", "reptile"])
def test_a_test_after_some_steps_is_a_point_of_the_curve(
    algorithm: str, omniglot_folder: Path
) -> None:
    cell = make_cell(
        algorithm, "omniglot", method={"inner_lr": 0.1, "test_steps": 2}, evaluate=EPISODES
    )
    asked = [
        replace(cell, evaluate=replace(cell.evaluate, steps=steps)) for steps in (None, 0, 1, 2)
    ]
    own, *fixed = run_whole(*asked, data=omniglot_folder)
    curve = dict(
        zip(own.result["adaptation"]["steps"], own.result["adaptation"]["score"], strict=True)
    )
    assert [outcome.result["score"] for outcome in fixed] == [curve[0], curve[1], curve[2]]
    assert own.result["score"] == curve[2]
    assert [outcome.result["adaptation"]["steps"][-1] for outcome in fixed] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["scratch", "pretrained"])
def test_who_chooses_the_number_of_steps_can_be_told_one(
    algorithm: str, omniglot_folder: Path
) -> None:
    """The rest is still chosen on validation, at that number."""
    cell = make_cell(
        algorithm,
        "omniglot",
        method={"rates": (0.01, 0.1), "steps": (0, 1, 5)},
        evaluate={**EPISODES, "steps": 2},
    )
    (outcome,) = run_whole(cell, data=omniglot_folder)
    assert outcome.result["choice"]["step"] == 2
    assert outcome.result["adaptation"]["steps"] == [2]
    fixed = make_cell(
        algorithm, "omniglot", method={"rates": (0.01, 0.1), "steps": (2,)}, evaluate=EPISODES
    )
    (same,) = run_whole(fixed, data=omniglot_folder)
    assert same.result["choice"]["settings"] == outcome.result["choice"]["settings"]
    if algorithm == "scratch":  # the other is validated in training, at all of its numbers of steps
        assert same.result["score"] == outcome.result["score"]


def test_who_takes_no_steps_cannot_be_told_any(omniglot_folder: Path) -> None:
    with pytest.raises(TypeError, match="PrototypicalNetworks takes no steps in test"):
        run_whole(cell_of("protonet", steps=1), data=omniglot_folder)
