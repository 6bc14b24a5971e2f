"""Trainings that are stopped and go on: the same bits, whatever stopped them and however often; and
files that nobody should go on from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from few_shot import ELSEWHERE, HERE, make_cell, reproducible
from few_shot import run as run_whole
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from metabench.cells import Cell
from metabench.datasets.sinusoid import Sinusoid
from metabench.experiment import tensor_files
from metabench.experiment.checkpoints import Checkpoint, Cost, Origin
from metabench.experiment.fit import CellOutcome, Progress, run_fit
from metabench.experiment.weights import Keeping

ALWAYS = 1e-9
"""Seconds between two checkpoints that are over after every iteration."""

CELLS: dict[str, dict[str, Any]] = {
    "maml": {"algorithm": "maml", "method": {"inner_lr": 0.1}},
    "fomaml": {
        "algorithm": "fomaml",
        "source": "omniglot",
        "method": {"inner_lr": 0.1, "clip": 0.01},
        "train": {"schedule": "cosine"},
    },
    "protonet": {
        "algorithm": "protonet",
        "source": "omniglot",
        "evaluate": {"batch_norm": "running"},
    },
    "reptile": {
        "algorithm": "reptile",
        "source": "omniglot",
        "method": {"inner_batch": 2, "test_steps": 2},
    },
    "pretrained": {
        "algorithm": "pretrained",
        "source": "omniglot",
        "method": {"steps": (0, 1)},
        "validate": {"select": "last"},
    },
    "patient": {
        "algorithm": "maml",
        "method": {"outer_lr": 1e-30},
        "train": {"iterations": 40},
        "validate": {"every": 1, "patience": 6},
    },
}
ITERATIONS = {"maml": 6, "patient": 6}
"""That each cell tells of; four where it is not said."""

every_cell = pytest.mark.parametrize("name", CELLS)


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def run(
    cell: Cell,
    data: Path,
    folder: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    **keeping: Any,
) -> CellOutcome:
    """Run a cell with a checkpoint after every iteration, in this process."""
    kept = Keeping(**{"checkpoints": folder, "every": ALWAYS, "provenance": HERE, **keeping})
    (outcome,) = run_fit(
        [cell], data=data, device="cpu", threads=1, workers=1, progress=progress, keeping=kept
    )
    return outcome


def run_until(iteration: int, cell: Cell, data: Path, folder: Path, **keeping: Any) -> bool:
    """Run a cell and stop it after an iteration of this number; return whether it came that far."""

    def stop(progress: Progress) -> None:
        if progress.phase == "train" and progress.iteration >= iteration:
            raise StoppedError

    try:
        run(cell, data, folder, stop, **keeping)
    except StoppedError:
        return True
    return False


def craft(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what a checkpoint says of a training, under a digest that is right."""
    found = tensor_files.read(path)
    assert found is not None
    facts, tensors = found
    snapshot = tensor_files.unpack(facts["snapshot"], tensors)
    change(snapshot)
    packed: dict[str, torch.Tensor] = {}
    facts["snapshot"] = tensor_files.pack(snapshot, "", packed)
    tensor_files.write(path, facts, packed)


@pytest.fixture(scope="module")
def whole(omniglot_folder: Path) -> dict[str, str]:
    """What each cell comes to without any interruption, or any checkpoint."""
    outcomes = {
        name: run_whole(make_cell(**made), data=omniglot_folder)[0] for name, made in CELLS.items()
    }
    assert (outcomes["patient"].result["stopped"], outcomes["patient"].result["iterations"]) == (
        "patience",
        7,
    )
    return {name: reproducible(outcome) for name, outcome in outcomes.items()}


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.slow
@every_cell
def test_writing_checkpoints_moves_no_bit(
    name: str, whole: dict[str, str], omniglot_folder: Path, tmp_path: Path
) -> None:
    outcome = run(make_cell(**CELLS[name]), omniglot_folder, tmp_path)
    assert reproducible(outcome) == whole[name]
    assert outcome.measured["interruptions"] == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{outcome.cell.fit.id}.safetensors"]


@pytest.mark.slow
@every_cell
@examples(max_examples=5)
@given(data=st.data())
def test_a_training_goes_on_to_the_same_bits(
    name: str,
    data: st.DataObject,
    whole: dict[str, str],
    omniglot_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Stopped at any iterations, also before the first checkpoint and twice at one place."""
    stops = sorted(
        data.draw(
            st.lists(st.integers(1, ITERATIONS.get(name, 4)), min_size=1, max_size=4), label="stops"
        )
    )
    folder = tmp_path_factory.mktemp("checkpoints")
    cell = make_cell(**CELLS[name])
    stopped = [stop for stop in stops if run_until(stop, cell, omniglot_folder, folder)]
    outcome = run(cell, omniglot_folder, folder)
    assert reproducible(outcome) == whole[name]
    # the first checkpoint comes after the first iteration
    assert outcome.measured["interruptions"] == sum(stop > 1 for stop in stopped)


@pytest.mark.slow
def test_none_is_written_where_none_is_wanted(omniglot_folder: Path, tmp_path: Path) -> None:
    run(make_cell(**CELLS["maml"]), omniglot_folder, tmp_path, every=0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_a_layer_draws_from_the_global_generator_goes_on_too(
    omniglot_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As dropout in somebody's own network does."""
    from metabench.methods.fomaml import FOMAML

    step = FOMAML.step
    monkeypatch.setattr(
        FOMAML,
        "step",
        lambda self, state, batch, moment: step(
            self, state, replace(batch, query_y=torch.randn_like(batch.query_y)), moment
        ),
    )
    cell = make_cell("fomaml")
    wanted = reproducible(run(cell, omniglot_folder, tmp_path / "whole"))
    assert run_until(4, cell, omniglot_folder, tmp_path)
    assert reproducible(run(cell, omniglot_folder, tmp_path)) == wanted


def test_a_divergence_is_the_same_divergence(omniglot_folder: Path, tmp_path: Path) -> None:
    cell = make_cell(
        "maml",
        method={"inner_lr": 1e4, "inner_steps": 5},
        train={"iterations": 30},
        validate={"every": 30},
    )
    (whole,) = run_whole(cell, data=omniglot_folder)
    assert whole.result["stopped"] == "diverged"
    run_until(max(2, whole.result["iterations"] - 1), cell, omniglot_folder, tmp_path)
    assert reproducible(run(cell, omniglot_folder, tmp_path)) == reproducible(whole)


# --- what is measured -----------------------------------------------------------------------------


@pytest.mark.slow
def test_times_and_peaks_of_all_attempts_count(omniglot_folder: Path, tmp_path: Path) -> None:
    cell = make_cell("maml", train={"iterations": 30}, validate={"every": 10})
    assert run_until(20, cell, omniglot_folder, tmp_path)
    (path,) = tmp_path.iterdir()
    facts = tensor_files.read_facts(path)
    assert facts is not None
    outcome = run(cell, omniglot_folder, tmp_path)
    measured = outcome.measured
    assert measured["interruptions"] == 1
    assert measured["warm_up_iterations"] == 20
    assert len(outcome.arrays["measured/iteration_seconds"]) == 30
    before = dict(facts["snapshot"]["dict"])["training"]["dict"]
    assert (
        measured["training_seconds"]
        > dict(before)["total_seconds"] - dict(before)["validation_seconds"]
        > 0
    )
    assert measured["wall_seconds"] > facts["cost"]["seconds"] + measured["test_seconds"]
    assert (
        measured["peak_resident_bytes"]["training"] >= facts["cost"]["peaks"]["peak_resident_bytes"]
    )


def test_costs_add_up_and_peaks_do_not() -> None:
    total = Cost(2.0, {"host": 5, "gpu": None}).after(Cost(3.0, {"host": 7, "gpu": None}))
    assert total == Cost(5.0, {"host": 7, "gpu": None})


def test_a_budget_in_seconds_goes_on_with_what_was_spent(
    omniglot_folder: Path, tmp_path: Path
) -> None:
    """A training that has spent more seconds than its budget does one iteration more: that which
    finds the budget spent."""
    cell = make_cell("maml", train={"iterations": None, "seconds": 50.0}, validate={"every": 10**6})
    assert run_until(3, cell, omniglot_folder, tmp_path)
    (path,) = tmp_path.iterdir()
    craft(path, lambda snapshot: snapshot["training"].update(total_seconds=100.0))
    outcome = run(cell, omniglot_folder, tmp_path)
    assert outcome.result["iterations"] == 2 + 1
    assert outcome.measured["training_seconds"] > 99


# --- what nobody should go on from ----------------------------------------------------------------


@pytest.fixture
def interrupted(omniglot_folder: Path, tmp_path: Path) -> tuple[Cell, Path]:
    """A cell that was stopped, and its checkpoint."""
    cell = make_cell(**CELLS["maml"])
    assert run_until(4, cell, omniglot_folder, tmp_path)
    (path,) = tmp_path.iterdir()
    return cell, path


def begins_anew(cell: Cell, path: Path, data: Path, **keeping: Any) -> bool:
    seen: list[int] = []
    outcome = run(
        cell,
        data,
        path.parent,
        lambda progress: seen.append(progress.iteration) if progress.phase == "train" else None,
        **keeping,
    )
    assert (outcome.measured["interruptions"] == 0) == (seen[0] == 1)
    return seen[0] == 1


@pytest.mark.slow
def test_under_the_same_conditions_it_goes_on(
    interrupted: tuple[Cell, Path], omniglot_folder: Path
) -> None:
    assert not begins_anew(*interrupted, omniglot_folder)


@pytest.mark.parametrize(
    "keeping",
    [{"provenance": ELSEWHERE}, {"provenance": ELSEWHERE, "stale": True}, {"provenance": {}}],
)
def test_under_other_conditions_it_begins_anew(
    keeping: dict[str, Any], interrupted: tuple[Cell, Path], omniglot_folder: Path
) -> None:
    assert begins_anew(*interrupted, omniglot_folder, **keeping)


def test_on_other_data_it_begins_anew(
    interrupted: tuple[Cell, Path], omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sinusoid, "content_digest", lambda _: "c" * 64)
    assert begins_anew(*interrupted, omniglot_folder)


def test_the_checkpoint_of_another_fit_is_none(
    interrupted: tuple[Cell, Path], omniglot_folder: Path
) -> None:
    cell, path = interrupted
    other = replace(cell, fit=replace(cell.fit, seed=1))
    path.rename(path.with_name(f"{other.fit.id}.safetensors"))
    assert begins_anew(other, path, omniglot_folder)


def truncated(content: bytes) -> bytes:
    return content[:-40]


def emptied(_: bytes) -> bytes:
    return b""


def no_safetensors(_: bytes) -> bytes:
    return b"x" * 4096


def flipped_in_a_tensor(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def flipped_in_the_text(content: bytes) -> bytes:
    return content.replace(b'best_iteration\\",3', b'best_iteration\\",2').replace(
        b'best_iteration\\", 3', b'best_iteration\\", 2'
    )


@pytest.mark.parametrize(
    "damage", [truncated, emptied, no_safetensors, flipped_in_a_tensor, flipped_in_the_text]
)
def test_a_damaged_checkpoint_is_not_used(
    damage: Callable[[bytes], bytes],
    interrupted: tuple[Cell, Path],
    whole: dict[str, str],
    omniglot_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cell, path = interrupted
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    assert begins_anew(cell, path, omniglot_folder)
    assert f"{path.name}: is damaged and not used" in caplog.text


CRAFTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no state": lambda saved: saved.pop("state"),
    "a state of other names": lambda saved: saved.update(state={"x": torch.zeros(3)}),
    "a state of other shapes": lambda saved: saved["state"].update(
        {name: torch.zeros(2) for name in saved["state"]}
    ),
    "no tensors for a state": lambda saved: saved.update(state="good"),
    "modes of fewer layers": lambda saved: saved.update(modes=[]),
    "no optimiser": lambda saved: saved.update(optimizer=None),
    "an optimiser of other groups": lambda saved: saved["optimizer"].update(param_groups=[]),
    "an optimiser with a rate in words": lambda saved: saved["optimizer"]["param_groups"][0].update(
        lr="fast"
    ),
    "an optimiser of other shapes": lambda saved: saved["optimizer"]["state"][0].update(
        exp_avg=torch.zeros(7)
    ),
    "global generators of nothing": lambda saved: saved.update({"global generators": {}}),
    "a global generator cut off": lambda saved: saved["global generators"].update(
        torch=torch.zeros(3, dtype=torch.uint8)
    ),
    "no training": lambda saved: saved.update(training={}),
    "more iterations than the recipe has": lambda saved: saved["training"].update(
        {name: torch.zeros(30, dtype=torch.float64) for name in ("loss", "score", "seconds")}
    ),
    "more iterations than losses": lambda saved: saved["training"].update(best_iteration=10**9),
    "losses that are none": lambda saved: saved["training"].update(loss=["low"]),
    "losses in a square": lambda saved: saved["training"].update(
        loss=torch.zeros(2, 2, dtype=torch.float64)
    ),
    "seconds below zero": lambda saved: saved["training"].update(total_seconds=-1.0),
    "seconds without end": lambda saved: saved["training"].update(total_seconds=float("inf")),
    "validations in words": lambda saved: saved["training"].update(validated=["one"]),
    "validations without scores": lambda saved: saved["training"].update(
        validated=torch.ones(7, dtype=torch.int64)
    ),
    "validations that were never": lambda saved: saved["training"].update(
        validated=torch.full((1,), 99),
        **{
            name: torch.zeros(1, dtype=torch.float64)
            for name in ("validation_score", "validation_loss")
        },
    ),
    "an end that nobody knows": lambda saved: saved["training"].update(stopped="bored"),
    "a selection of nothing": lambda saved: saved.update(selection={}),
    "a selection in words": lambda saved: saved["selection"].update(best="good"),
    "a selection of other weights": lambda saved: saved["selection"].update(
        weights={"x": torch.zeros(1)}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_checkpoint_with_the_right_digest_is_not_used(
    what: str,
    interrupted: tuple[Cell, Path],
    whole: dict[str, str],
    omniglot_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And leaves no trace in the training that begins anew."""
    cell, path = interrupted
    craft(path, CRAFTED[what])
    outcome = run(cell, omniglot_folder, path.parent)
    assert f"{path.name}: is damaged and not used" in caplog.text
    assert reproducible(outcome) == whole["maml"]
    assert outcome.measured["interruptions"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "facts",
    [
        {"snapshot": {"tensor": "nowhere", "strides": [1]}},
        {"snapshot": {"tensor": "state/model.body.layers.linear0.weight", "strides": [10**15, 1]}},
        {"snapshot": {"tensor": "state/model.body.layers.linear0.weight", "strides": [-1, -1]}},
        {"snapshot": {"dict": [[1]]}},
        {"snapshot": {"dict": [], "list": []}},
        {"snapshot": {"list": 5}},
        {"cost": {"seconds": "long", "peaks": {}}},
        {"cost": {"seconds": -1.0, "peaks": {}}},
        {"cost": {"seconds": 1.0, "peaks": {"host": "high"}}},
        {"cost": None},
    ],
)
def test_crafted_facts_are_not_used(
    facts: dict[str, Any],
    interrupted: tuple[Cell, Path],
    omniglot_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cell, path = interrupted
    found = tensor_files.read(path)
    assert found is not None
    tensor_files.write(path, found[0] | facts, found[1])
    assert begins_anew(cell, path, omniglot_folder)
    assert "is damaged and not used" in caplog.text


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), MemoryError()])
def test_a_checkpoint_that_cannot_be_read_now_is_not_lost(
    error: Exception,
    interrupted: tuple[Cell, Path],
    omniglot_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fit fails, and goes on another time."""
    cell, path = interrupted
    content = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.safe_open", fail)
        with pytest.raises(type(error)):
            run(cell, omniglot_folder, path.parent)
    assert path.read_bytes() == content
    assert not begins_anew(cell, path, omniglot_folder)


def test_it_is_time_once_so_many_seconds_have_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "file", Origin("f", None, HERE), 60.0, lambda: Cost(1.0, {}))
    due: Sequence[tuple[float, bool]] = [(59.0, False), (60.0, True)]
    for now[0], is_due in due:
        assert checkpoint.due == is_due
    checkpoint.write({})
    assert not checkpoint.due
    now[0] = 120.0
    assert checkpoint.due
