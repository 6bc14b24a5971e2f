"""`metabench plan`: what is done, stale, failed and missing, and how long the rest will take."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metabench import environment
from metabench.cells import Fit
from metabench.records import RecordStore
from metabench.runner.describe import name_of
from metabench.runner.forecast import History, duration
from metabench.runner.plan import STATES, Conditions, Plan, PlannedCell, survey
from metabench.runner.run import Resources, resources
from metabench.suite import Suite, load_suite, parse_seeds
from metabench.suite.project import Project, load_project


def plan(options: argparse.Namespace) -> int:
    """The verb."""
    project = load_project()
    seeds = parse_seeds(options.seeds) if options.seeds else None
    suite = load_suite(options.suite, project, profile=options.profile, seeds=seeds, only=options.only)
    using = resources(options.device, project.workers if options.workers is None else options.workers, options.threads or project.threads)
    folder = Path(options.out).absolute() if options.out else project.reports / suite.name
    conditions = Conditions(using.threads, using.device)
    found = survey(suite, RecordStore(folder), conditions)
    pending = found.fits(("failed", "missing", "stale"))
    history = History(_records(folder, project), conditions(found.cells[0].cell), environment.cpu_name())
    expected = {fit.id: history.seconds(fit, cells) for fit, cells in pending}
    facts = _facts(suite, folder, found, expected, using)
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)
    return 0


def _records(folder: Path, project: Project) -> Iterator[dict[str, Any]]:
    """Every readable record of the run folder and of the project's other runs."""
    others = sorted(path.parent for path in project.reports.glob("*/cells.json"))
    for run in dict.fromkeys([folder, *others]):
        yield from RecordStore(run).scan().records.values()


def _facts(suite: Suite, folder: Path, found: Plan, expected: Mapping[str, float | None], using: Resources) -> dict[str, Any]:
    seconds = [told for told in expected.values() if told is not None]
    known = len(seconds) == len(expected)
    at_once = max(1, min(len(using.devices), len(expected)))
    return {
        "suite": suite.name,
        "folder": str(folder),
        "using": str(using),
        "cells": found.counts,
        "fits": len(found.fits()),
        "fits_to_run": len(expected),
        "expected_seconds": max([sum(seconds) / at_once, *seconds]) if known else None,
        "damaged": list(found.damaged),
        "differences": sorted({difference for planned in found.cells for difference in planned.differences}),
        "plan": [_fit_facts(fit, cells, expected) for fit, cells in found.fits()],
    }


def _fit_facts(fit: Fit, cells: Sequence[PlannedCell], expected: Mapping[str, float | None]) -> dict[str, Any]:
    states = Counter(planned.state for planned in cells)
    return {
        "fit": fit.id,
        "name": name_of(cells[0].cell),
        "seed": fit.seed,
        "cells": {state: states[state] for state in STATES if states[state]},
        "expected_seconds": expected.get(fit.id),
    }


def _show(facts: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{facts['suite']}: {facts['fits']} fits, {sum(facts['cells'].values())} cells", title_justify="left")
    table.add_column("fit", overflow="fold")
    for state in (*STATES, "expected"):
        table.add_column(state, justify="right")
    for fit in facts["plan"]:
        to_run = set(fit["cells"]) != {"done"}
        counts = (str(fit["cells"].get(state, "")) for state in STATES)
        table.add_row(fit["name"], *counts, _expected(fit["expected_seconds"]) if to_run else "")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for line in facts["damaged"]:
        console.print(f"warning: {line}", markup=False)
    cells = ", ".join(f"{number} {state}" for state, number in facts["cells"].items() if number)
    console.print(f"cells: {cells}; {facts['using']}; in {facts['folder']}", markup=False)
    if facts["differences"]:
        console.print(f"stale because: {'; '.join(facts['differences'])}. `metabench run` wants --stale keep or --stale rerun", markup=False)
    if facts["fits_to_run"]:
        console.print(f"{facts['fits_to_run']} fits to run, expected time: {_expected(facts['expected_seconds'])}", markup=False)
    else:
        console.print("nothing to run")


def _expected(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)
