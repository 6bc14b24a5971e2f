"""The table of quantities: whole, and light to import."""

import subprocess
import sys

import pytest
from synthetic_run import Synthetic

from metabench.claims import BETWEEN, BOUNDS, Claim
from metabench.quantities import (
    BY_NAME,
    CLAIMED,
    GAIN_AFTER,
    GRADIENTS_PER_TASK,
    ITERATIONS_TO_TARGET,
    SECONDS_TO_TARGET,
    TABLE,
    TASKS_TO_TARGET,
    Quantity,
    at,
    gain_after,
    gains_of,
)
from metabench.tables import load
from metabench.tables.typed_rows import CellRow, GroupRow


def test_no_two_quantities_share_a_name_or_a_column() -> None:
    columns = [column for one in TABLE for column in one.columns.values()]
    assert len(BY_NAME) == len(TABLE)
    assert len(set(columns)) == len(columns)


def test_whatever_a_claim_may_use_is_summed_up_by_groups_and_has_a_better_way() -> None:
    claimed = [gain_after(3) if name == GAIN_AFTER else BY_NAME[name] for name in CLAIMED]
    assert all(one.over and one.better for one in claimed)


def test_there_is_a_gain_for_every_point_of_the_curve_and_it_is_an_improvement() -> None:
    curve = {"steps": [0, 1, 5], "score": [0.5, 0.75, None]}
    record = {"result": {"adaptation": curve}, "metric": {"higher_is_better": True}}
    assert gains_of(record) == {gain_after(1).name: 0.25}
    assert gain_after(1).value(record | {"metric": {"higher_is_better": False}}) == -0.25
    assert gain_after(5).value(record) is gain_after(2).value(record) is None
    without = {"result": {"adaptation": {"steps": [1, 5], "score": [0.5, 0.75]}}}
    assert gains_of(record | without) == gains_of(record | {"result": {"adaptation": None}}) == {}


def reached(iteration: int | None) -> dict[str, object]:
    """A record of 20 iterations of 4 tasks, 30 seconds in all, whose score was above its target of
    0.5 at this iteration."""
    curve = {"iteration": [5, 10], "loss": [1.0, 1.0]}
    curve["score"] = [0.6 if iteration == at else 0.4 for at in curve["iteration"]]
    spent = {"tasks": 80, "gradient_evaluations": 880}
    return {
        "target": {"score": 0.5, "higher_is_better": True},
        "result": {"validation": curve, "iterations": 20, "spent": spent},
        "measured": {"training_seconds": 30.0},
    }


def test_what_it_took_to_the_target() -> None:
    quantities = (ITERATIONS_TO_TARGET, TASKS_TO_TARGET, SECONDS_TO_TARGET)
    assert [one.value(reached(5)) for one in quantities] == [5, 20, 7.5]
    assert [one.value(reached(10)) for one in quantities] == [10, 40, 15.0]
    assert [one.value(reached(None)) for one in quantities] == [None, None, None]
    without_tasks = reached(5)
    without_tasks["result"] |= {"spent": {"tasks": 0, "gradient_evaluations": 20}}
    assert [one.value(without_tasks) for one in quantities] == [5, None, 7.5]
    assert GRADIENTS_PER_TASK.value(without_tasks) is None
    assert GRADIENTS_PER_TASK.value(reached(5)) == 11


def test_what_stands_in_small_print_stands_under_something() -> None:
    assert all(BY_NAME[one.under].heading for one in TABLE if one.under)


@pytest.mark.slow
def test_neither_torch_nor_pandas_is_needed_to_know_them() -> None:
    script = (
        "import sys, metabench.quantities, metabench.claims, metabench.published, "
        "metabench.figures.waves, metabench.figures.images; "
        "sys.exit(str({'torch', 'pandas', 'matplotlib', 'PIL'} & {*sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stderr.strip() == "set()"


@pytest.mark.parametrize("there", [None, "7", True, [7], {"b": 7}])
def test_what_is_no_number_is_not_read(there: object) -> None:
    assert at("a.b")({"a": {"b": there}}) is None
    assert at("a.b")({"a": there}) == (7 if there == {"b": 7} else None)


def test_a_further_quantity_is_one_entry(tmp_path, monkeypatch) -> None:
    """Its columns stand in the tables, with mean and interval over seeds."""
    kappa = Quantity("kappa", "score", at("result.kappa"), "fraction", "higher", "interval")
    for module in ("typed_rows", "cells", "groups"):
        monkeypatch.setattr(f"metabench.tables.{module}.TABLE", (*TABLE, kappa))

    def scored(value):
        return lambda record: record["result"].update(kappa=value)

    change = {("maml", 1, seed): scored(0.1 * seed) for seed in range(5)}
    run = load(Synthetic(algorithms=("maml",), shots=(1,), change=change).write(tmp_path / "run"))
    assert run.cells["kappa"].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    (row,) = run.groups.to_dict("records")
    assert row["kappa"] == pytest.approx(0.2)
    assert row["kappa_low"] < 0.2 < row["kappa_high"]


def test_rows_have_the_columns_that_they_name(tmp_path) -> None:
    run = load(Synthetic(seeds=(0, 1), shots=(1,)).write(tmp_path / "run"))
    rows, data = run.rows, list(next(iter(run.blocks.values())))
    assert {*CellRow.names(run.places)} >= {*run.rows.cells[0].place}
    for found, names in (
        (rows.cells, CellRow.names(run.places)),
        (rows.groups, GroupRow.names(run.places)),
        (rows.comparisons, rows.comparisons[0].names(data)),
    ):
        assert len(names) == len(set(names))
        known = {key for row in found for key in row.columns()}
        # of a cell a quantity, of a place a coordinate, may be unknown
        assert {*names} - known <= {*BY_NAME, "steps", "reference_steps"}


def test_every_bound_is_a_region() -> None:
    for bound in BOUNDS:
        limits = (1.0, 2.0) if bound in BETWEEN else (1.0,)
        claim = Claim("c", "", "", "score", "maml", 0.5, False, {}, None, bound, limits)
        low, high = claim.region
        assert low < high
        assert claim.is_ratio == bound.startswith("ratio")
