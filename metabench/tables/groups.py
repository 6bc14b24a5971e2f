"""One row a group: cells that differ in seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from metabench import stats
from metabench.records import FINISHED
from metabench.tables.cells import (
    DIFFERENT_DATA,
    MEASURED,
    PEAKS,
    SPENT,
    machines_of,
    on_different_data,
)
from metabench.tables.frames import Row

SUMMARY = (
    "seeds",
    "completed",
    "diverged",
    "failed",
    "missing",
    "scored",
    "score",
    "score_sd",
    "score_low",
    "score_high",
    "episode_low",
    "episode_high",
    "leads",
    "privileged",
    "is_reference",
    "transductive",
    "gain_first_step",
    "gain_first_step_low",
    "gain_first_step_high",
    "target",
    "target_reached",
    "target_of",
    "iterations",
    "iterations_to_target",
    "weights_trained",
    "weights_adapted",
    *(f"{name}_spent" for name in SPENT),
    *MEASURED,
    *PEAKS,
    "machine",
    "caveats",
    "cost_caveats",
)
"""Columns of a group besides its coordinates and metric."""


def group_rows(
    cells: Sequence[Row], places: Sequence[str], reference: str, confidence: float
) -> list[Row]:
    """Return one row a group, in order of first appearance.

    Scores are taken over the cells that have one: completed, and diverged classification at chance.
    Costs are means over completed cells, peaks the highest of them; a divergence ends early and
    would look cheap. `machine` is what they ran on, and None where that was not one and the same.
    `iterations_to_target` is the mean only where every scored cell reached the target: leaving out
    those that did not would flatter. `leads` marks the best mean of a block (several on a tie), and
    says nothing about separation. Algorithms that are told what defines a task (oracles) are a mark
    to measure by, and lead nothing.

    Parameters
    ----------
    cells
        Rows of the cell table.
    places
        The columns that hold coordinates; each row also has them together, as `place`.
    """
    groups: dict[str, list[Row]] = {}
    for cell in cells:
        groups.setdefault(cell["group"], []).append(cell)
    table = [_group_row(members, places, reference, confidence) for members in groups.values()]
    for block in dict.fromkeys(row["block"] for row in table):
        scored = [row for row in table if row["block"] == block and row["score"] is not None]
        rivals = [row for row in scored if not row["privileged"]] or scored
        best = max((_height(row) for row in rivals), default=None)
        for row in rivals:
            row["leads"] = len(scored) > 1 and _height(row) == best
    return table


def _height(row: Row) -> float:
    return float(row["score"]) if row["higher_is_better"] else -float(row["score"])


def _group_row(members: list[Row], places: Sequence[str], reference: str, confidence: float) -> Row:
    head = members[0]
    shared = ("group", "block", *places, "metric_name", "unit", "higher_is_better", "chance")
    completed = [cell for cell in members if cell["outcome"] == "completed"]
    finished = [cell for cell in members if cell["outcome"] in FINISHED]
    row: Row = {key: head.get(key) for key in shared} | {
        "place": {key: head.get(key) for key in places}
    }
    row |= {
        "seeds": len(members),
        "completed": len(completed),
        "diverged": len(finished) - len(completed),
        "missing": sum(cell["outcome"] == "missing" for cell in members),
        "leads": False,
        "privileged": head["privileged"],
        "is_reference": head.get("algorithm") == reference,
        "transductive": next(iter(_known(finished, "transductive")), None),
        **_scores(members, head, confidence),
        **_gain(completed, confidence),
        **_target(finished),
        **{
            key: _mean(_known(completed, key))
            for key in ("iterations", *(f"{name}_spent" for name in SPENT), *MEASURED)
        },
        **{
            key: max(_known(completed, key), default=None)
            for key in ("weights_trained", "weights_adapted", *PEAKS)
        },
        **_machine(completed),
    }
    row["failed"] = row["seeds"] - row["completed"] - row["diverged"] - row["missing"]
    return row


def _scores(members: list[Row], head: Row, confidence: float) -> Row:
    scored = [cell for cell in members if cell.get("score") is not None]
    caveats = (
        [f"{len(scored)} of {len(members)} seeds have a score"]
        if len(scored) < len(members)
        else []
    )
    caveats += [DIFFERENT_DATA] if on_different_data(scored) else []
    row: Row = {"scored": len(scored), "score": None}
    if scored:
        estimate = stats.t_interval(
            [cell["score"] for cell in scored], confidence=confidence, unit=head["unit"]
        )
        low, high = estimate.interval or (None, None)
        caveats += estimate.caveats
        if low is not None and high is not None:
            if head["unit"] == "fraction" and (low < 0 or high > 1):
                caveats.append(
                    "the interval passes the end of the scale, where Student's t is a poor "
                    "approximation"
                )
            elif not head["higher_is_better"] and low < 0 <= min(cell["score"] for cell in scored):
                caveats.append(
                    "the interval reaches below 0, where no error can lie: Student's t is a poor "
                    "approximation"
                )
        row |= {
            "score": estimate.estimate,
            "score_sd": estimate.sd,
            "score_low": low,
            "score_high": high,
        }
    if diverged := sum(cell["outcome"] == "diverged" for cell in members):
        how = (
            "counted at chance"
            if any(cell["outcome"] == "diverged" for cell in scored)
            else "without a score"
        )
        caveats.append(f"{diverged} diverged, {how}")
    intervals = [
        (cell["episode_low"], cell["episode_high"])
        for cell in scored
        if cell.get("episode_low") is not None
    ]
    if intervals:
        row["episode_low"], row["episode_high"] = stats.mean_interval(intervals)
    return row | {"caveats": "; ".join(caveats)}


def _gain(completed: list[Row], confidence: float) -> Row:
    gains = _known(completed, "gain_first_step")
    if not gains:
        return {}
    estimate = stats.t_interval(gains, confidence=confidence)
    low, high = estimate.interval or (None, None)
    return {
        "gain_first_step": estimate.estimate,
        "gain_first_step_low": low,
        "gain_first_step_high": high,
    }


def _target(finished: list[Row]) -> Row:
    targets = _known(finished, "target")
    if not targets:
        return {}
    reached = _known(finished, "iterations_to_target")
    mean = _mean(reached) if len(reached) == len(finished) else None
    return {
        "target": targets[0],
        "target_reached": len(reached),
        "target_of": len(finished),
        "iterations_to_target": mean,
    }


def _machine(completed: list[Row]) -> Row:
    machines = machines_of(completed)
    if len(machines) > 1:
        return {
            "cost_caveats": f"averaged over {len(machines)} machines or ways of using them: "
            f"{'; '.join(machines)}"
        }
    return {"machine": machines[0] if machines else None}


def _known(cells: Iterable[Row], key: str) -> list[Any]:
    return [cell[key] for cell in cells if cell.get(key) is not None]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
