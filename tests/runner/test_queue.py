"""The order in which fits are started, and who was at work beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from few_shot import make_cell
from workshop import Workshop, records

from metabench.records import write_holder
from metabench.runner.job import Beside
from metabench.runner.plan import PlannedCell, ToRun
from metabench.runner.run import queued

RATES = [0.01 * (place + 1) for place in range(6)]


def fits(seeds: int, root_seed: int = 0) -> ToRun:
    """Six algorithms at each seed, as a suite lists them."""
    found = []
    for seed in range(seeds):
        for rate in RATES:
            cell = make_cell("maml", method={"inner_lr": rate})
            fit = replace(cell.fit, seed=seed, root_seed=root_seed)
            found.append((fit, [PlannedCell(replace(cell, fit=fit), "missing", cell.stem)]))
    return found


def orders(found: ToRun) -> list[list[float]]:
    """For each seed the rates of its fits, in the order of the queue."""
    seeds = [fit.seed for fit, _ in found]
    assert seeds == sorted(seeds)
    return [
        [fit.method.settings["inner_lr"] for fit, _ in found if fit.seed == seed]
        for seed in sorted(set(seeds))
    ]


def test_the_queue_goes_by_seed_in_an_order_drawn_anew_for_each() -> None:
    drawn = orders(queued(fits(20)))
    assert all(sorted(order) == RATES for order in drawn)
    assert len(set(map(tuple, drawn))) > 15  # of 720 orders
    beside = {
        rate: {order[order.index(rate) - 1] for order in drawn if order[0] != rate}
        for rate in RATES
    }
    assert all(len(others) > 2 for others in beside.values())


def test_the_order_follows_from_the_root_seed_and_not_from_the_order_of_the_suite() -> None:
    assert orders(queued(fits(5))) == orders(queued(fits(5)[::-1]))
    assert orders(queued(fits(5))) != orders(queued(fits(5, root_seed=1)))


def test_who_is_at_work_is_counted_whenever_somebody_looks(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.look()
    assert beside.mean is None  # nobody says it
    for fits_at_work in (["a", "b", "c"], ["a"], ["a", "b"], []):
        write_holder(tmp_path, "now", fits_at_work)
        beside.look()
    assert beside.mean == pytest.approx(2.0)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_record_says_how_many_ran_beside_it(tmp_path: Path, workers: int) -> None:
    workshop = Workshop(tmp_path)
    workshop.suite("beside", "none", "raise")
    folder = workshop.run("beside", workers=workers).folder
    told = [record["measured"].get("concurrent_fits") for record in records(folder).values()]
    known = [count for count in told if count is not None]
    assert known
    assert all(1 <= count <= workers for count in known)
