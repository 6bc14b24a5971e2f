"""`metabench plan`: what is done, stale, failed and missing, and how long the rest will take."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from metabench.cells import Fit
from metabench.errors import FolderError, some
from metabench.provenance import environment
from metabench.provenance.conditions import Conditions, counted
from metabench.records import RecordStore
from metabench.runner.describe import name_of
from metabench.runner.forecast import History, duration
from metabench.runner.needs import trains
from metabench.runner.plan import (
    STATES,
    Plan,
    PlannedCell,
    ToRun,
    fits_with_weights,
    survey,
    with_needs,
)
from metabench.runner.probe import probe
from metabench.runner.resources import Resources
from metabench.suite import Suite
from metabench.suite.project import Project
from metabench.text import one_line
from metabench.verbs.freeze import departures
from metabench.verbs.options import of_command_line, settle
from metabench.verbs.target import current_project

SHOWN = 20
"""Causes of staleness that are listed; more are counted."""


def plan(options: argparse.Namespace) -> int:
    """The verb."""
    project = current_project()
    suite, using, folder = settle(of_command_line(options), project)
    conditions = Conditions(using.threads, using.device, project.root, using.compile)
    store = RecordStore(folder)
    found = survey(suite, store, conditions)
    pending = found.fits(("failed", "missing", "stale"))
    kept = fits_with_weights(suite, store, (fit for fit, _ in pending), conditions)
    pending = with_needs(suite, pending, kept)
    alone = [(fit, cells) for fit, cells in pending if cells[0].state == "needed"]
    history = History(
        _records(folder, project), conditions(found.cells[0].cell), environment.cpu_name()
    )
    expected = {
        fit.id: history.seconds(fit, cells, trains=fit.id not in kept) for fit, cells in pending
    }
    unknown = [(fit, cells) for fit, cells in pending if expected[fit.id] is None]
    failed: list[str] = []
    if options.probe and unknown:
        rates, failed = probe(suite, project, using, unknown)
        expected |= {
            fit.id: rates[fit.id].seconds(fit, cells, trains=fit.id not in kept)
            for fit, cells in unknown
            if fit.id in rates
        }
    facts = _facts(suite, folder, found, alone, kept, expected, using) | {"failed_probes": failed}
    facts["remarks"] += departures(suite, project)
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)
    return 0


def _records(folder: Path, project: Project) -> Iterator[dict[str, Any]]:
    """Every readable record of the run folder and of the project's other runs."""
    others = sorted(path.parent for path in project.reports.glob("*/cells.json"))
    for run in dict.fromkeys([folder, *others]):
        with suppress(FolderError):  # the folder of another run: this one's has been read by now
            yield from RecordStore(run).scan().records.values()


def _facts(
    suite: Suite,
    folder: Path,
    found: Plan,
    alone: ToRun,
    kept: frozenset[str],
    expected: Mapping[str, float | None],
    using: Resources,
) -> dict[str, Any]:
    seconds = [known for known in expected.values() if known is not None]
    all_known = len(seconds) == len(expected)
    at_once = max(1, min(len(using.devices), len(expected)))
    return {
        "suite": suite.name,
        "folder": str(folder),
        "using": str(using),
        "cells": found.counts,
        "fits": len(found.fits()),
        "fits_to_run": len(expected),
        "fits_to_train": sum(
            _action(fit, kept) == "train"
            for fit, _ in (*alone, *found.fits())
            if fit.id in expected
        ),
        "expected_seconds": max([sum(seconds) / at_once, *seconds]) if all_known else None,
        "damaged": list(found.damaged),
        "remarks": list(found.remarks),
        "differences": counted(planned.differences for planned in found.cells),
        "plan": [_fit_facts(fit, cells, kept, expected) for fit, cells in (*alone, *found.fits())],
    }


def _fit_facts(
    fit: Fit,
    cells: Sequence[PlannedCell],
    kept: frozenset[str],
    expected: Mapping[str, float | None],
) -> dict[str, Any]:
    states = Counter(planned.state for planned in cells)
    return {
        "fit": fit.id,
        "name": name_of(cells[0].cell),
        "seed": fit.seed,
        "init_seed": fit.seed if fit.init_seed is None else fit.init_seed,
        "cells": {state: states[state] for state in STATES if states[state]},
        "to_do": _action(fit, kept) if fit.id in expected else None,
        "expected_seconds": expected.get(fit.id),
    }


def _action(fit: Fit, kept: frozenset[str]) -> Literal["train", "evaluate"]:
    """What a run will do about a fit: nothing is trained where its weights are there, or where its
    method trains nothing."""
    return "train" if trains(fit) and fit.id not in kept else "evaluate"


def _show(facts: Mapping[str, Any]) -> None:
    from rich.table import Table

    from metabench.terminal.console import table_console

    table = Table(
        title=f"{facts['suite']}: {facts['fits']} fits, {sum(facts['cells'].values())} cells",
        title_justify="left",
    )
    table.add_column("fit", overflow="fold")
    states = [state for state in STATES if facts["cells"][state]]
    for state in states:
        table.add_column(state, justify="right")
    table.add_column("to do")
    table.add_column("expected", justify="right")
    for fit in facts["plan"]:
        counts = (str(fit["cells"].get(state, "")) for state in states)
        table.add_row(
            one_line(fit["name"]),
            *counts,
            fit["to_do"] or "",
            _expected(fit["expected_seconds"]) if fit["to_do"] else "",
        )
    screen = table_console()
    screen.print(table)
    for line in _lines(facts):
        screen.print(line)


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """What stands under the table."""
    for line in (*facts["damaged"], *facts["remarks"]):
        yield f"warning: {one_line(line)}"
    cells = ", ".join(f"{number} {state}" for state, number in facts["cells"].items() if number)
    yield f"cells: {cells}; {facts['using']}; in {one_line(facts['folder'])}"
    if facts["differences"]:
        yield (
            f"stale because: {some(facts['differences'], SHOWN)}. `metabench run` wants --stale "
            "keep or --stale rerun"
        )
    for line in facts["failed_probes"]:
        yield f"probe failed: {one_line(line)}"
    if facts["fits_to_run"]:
        expected, train = _expected(facts["expected_seconds"]), facts["fits_to_train"]
        yield (
            f"{facts['fits_to_run']} fits to run, {train} of them to train; expected time: "
            f"{expected}"
        )
    else:
        yield "nothing to run"


def _expected(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)
