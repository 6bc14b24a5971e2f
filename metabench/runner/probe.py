"""How long fits of a kind that nobody has timed yet will take: a few iterations and one batch of
episodes of each, run as fits are."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metabench.cells import Cell, Evaluate, Fit
from metabench.identity import digest
from metabench.records import RecordStore
from metabench.runner.describe import name_of
from metabench.runner.forecast import iterations_of
from metabench.runner.plan import PlannedCell
from metabench.runner.shortened import run_shortened, shortened_fit

if TYPE_CHECKING:
    from metabench.runner.resources import Resources
    from metabench.suite import Suite
    from metabench.suite.project import Project

WARM_UP, TIMED = 3, 3
"""Iterations that are run, and then iterations that are timed. Validation comes after both."""

EPISODES = 32
"""Of a validation, and of a test: one batch."""

Fits = Sequence[tuple[Fit, Sequence[PlannedCell]]]


@dataclass(frozen=True)
class Rates:
    """Seconds of a kind of fit.

    Attributes
    ----------
    once
        For loading, and whatever else comes once a fit.
    iteration, validation
        Of an iteration, and of an episode of a validation within training.
    choice, test
        Of a validation episode of what is chosen for a cell, and of a test episode, by how the cell
        is evaluated.
    """

    once: float
    iteration: float
    validation: float
    choice: Mapping[str, float]
    test: Mapping[str, float]

    def seconds(self, fit: Fit, cells: Sequence[PlannedCell], *, trains: bool = True) -> float:
        """Expected seconds of a fit and the test of these cells. Patience may end a training
        earlier."""
        episodes = fit.validate.episodes
        total = self.once
        if trains and self.iteration:
            iterations = iterations_of(fit) or math.ceil(
                (fit.train.seconds or 0.0) / self.iteration
            )
            total += fit.train.seconds or self.iteration * iterations
            total += math.ceil(iterations / fit.validate.every) * episodes * self.validation
        for evaluate in (planned.cell.evaluate for planned in cells if planned.state != "needed"):
            total += (
                episodes * self.choice[_kind_of_test(evaluate)]
                + evaluate.episodes * self.test[_kind_of_test(evaluate)]
            )
        return total


def probe(
    suite: Suite, project: Project, using: Resources, fits: Fits
) -> tuple[dict[str, Rates], list[str]]:
    """Run a few iterations of each kind of these fits, and one batch of episodes of each way to
    test it.

    Nothing is left on disk, and no score is shown. As many run at once as will in earnest, where
    there are so many kinds.

    Returns
    -------
    tuple[dict[str, Rates], list[str]]
        The rates of each fit by its id, as far as there are any, and a line about each kind that
        failed.
    """
    kinds = _kinds(fits)
    probes = tuple(cell for cells in kinds.values() for cell in cells)
    needed = [replace(cell, fit=_shortened_fit(cell.fit)) for cell in (*suite.cells, *suite.needed)]
    print(f"trying {len(kinds)} kinds of fits", file=sys.stderr)
    with run_shortened(suite, project, using, probes, needed) as summary:
        rates = {kind: _rates(cells, RecordStore(summary.folder)) for kind, cells in kinds.items()}
    failed = [f"{failed.name}: {failed.failure.line}" for failed in summary.failed]
    lost = {failed.name for failed in summary.failed}
    failed += [
        f"{name}: diverged"
        for kind, cells in kinds.items()
        if rates[kind] is None and (name := name_of(cells[0])) not in lost
    ]
    return {fit.id: found for fit, _ in fits if (found := rates[_kind(fit)]) is not None}, failed


def _kinds(fits: Fits) -> dict[str, list[Cell]]:
    """One short fit of each kind, with a short cell for each way in which any of its kind is
    tested."""
    kinds: dict[str, dict[str, Cell]] = {}
    for fit, cells in fits:
        alike = kinds.setdefault(_kind(fit), {})
        for planned in cells:
            at = planned.cell.evaluate
            first = next(iter(alike.values())).fit if alike else _shortened_fit(fit)
            alike.setdefault(
                _kind_of_test(at),
                replace(
                    planned.cell,
                    fit=first,
                    evaluate=replace(at, episodes=min(EPISODES, at.episodes)),
                ),
            )
    return {kind: list(alike.values()) for kind, alike in kinds.items()}


def _shortened_fit(fit: Fit) -> Fit:
    return shortened_fit(fit, WARM_UP + TIMED, every=WARM_UP, episodes=EPISODES)


def _kind(fit: Fit) -> str:
    """What fits of one speed agree in: all but the seed and how long they go on."""
    return _shortened_fit(fit).at_seed(0).id


def _kind_of_test(evaluate: Evaluate) -> str:
    return digest(replace(evaluate, episodes=0))


def _rates(cells: Sequence[Cell], store: RecordStore) -> Rates | None:
    records = {
        cell.id: record
        for cell in cells
        if (record := store.read(cell.id)) is not None
        and record["result"]["outcome"] == "completed"
    }
    if len(records) < len(cells):
        return None
    first = records[cells[0].id]
    path = store.find(cells[0].id).path
    assert path is not None
    seconds = np.asarray(store.arrays(path)["measured/iteration_seconds"])
    validate = cells[0].fit.validate
    rounds = len(first["result"]["validation"]["iteration"])
    return Rates(
        once=max(0.0, first["measured"]["wall_seconds"] - _timed(first["measured"])),
        iteration=float(np.median(seconds[WARM_UP:])) if len(seconds) > WARM_UP else 0.0,
        validation=first["measured"]["validation_seconds"] / (rounds * validate.episodes)
        if rounds
        else 0.0,
        choice={
            _kind_of_test(cell.evaluate): records[cell.id]["measured"]["choice_seconds"]
            / validate.episodes
            for cell in cells
        },
        test={
            _kind_of_test(cell.evaluate): records[cell.id]["measured"]["seconds_per_episode"] or 0.0
            for cell in cells
        },
    )


def _timed(measured: Mapping[str, Any]) -> float:
    """What of the wall time is told apart in a record."""
    return sum(
        measured[name] or 0.0
        for name in ("training_seconds", "validation_seconds", "choice_seconds", "test_seconds")
    )
