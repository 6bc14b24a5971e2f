"""`metabench verify`: run cells of a run folder again, elsewhere, and hold them bit for bit against
their records. The folder is only read."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from metabench.cells import Fit
from metabench.errors import FolderError, RecordError, StaleError
from metabench.provenance.conditions import Conditions
from metabench.records import Found, RecordStore, read_cells
from metabench.runner.agreement import VERDICTS, Agreement, agreement
from metabench.runner.data import changed_data
from metabench.runner.needs import trains
from metabench.runner.plan import PlannedCell, survey
from metabench.runner.resources import Resources
from metabench.runner.run import run_suite
from metabench.suite import Suite
from metabench.suite.project import Project
from metabench.text import one_line
from metabench.verbs.options import of_command_line, settle
from metabench.verbs.target import current_project, run_folder

IN_SECONDS = "trained for a budget in seconds, of which no two trainings make the same"

Fits = Sequence[tuple[Fit, Sequence[PlannedCell]]]


def verify(options: argparse.Namespace) -> int:
    """The verb: 0 where all agree, 1 where something differs, 3 where cells could not be run
    again."""
    project = current_project()
    folder = run_folder(options.folder, project, options.profile)
    suite, using = _suite_of(folder, options, project)
    conditions = Conditions(using.threads, using.device, project.root, using.compile)
    found = survey(suite, RecordStore(folder), conditions)
    fits: Fits = found.fits(("done", "stale"))
    if options.sample is not None:
        fits = sample(fits, options.sample)
    cells = [planned for _, members in fits for planned in members]
    # now already: running the others again may take hours
    for line in (*found.damaged, *found.remarks):
        print(f"warning: {line}", file=sys.stderr)
    if not cells:
        raise FolderError(
            f"{folder}: has no finished record of these cells, as this metabench and its plugins "
            "name them; nothing to verify"
        )
    if changed := changed_data(cells, project.data):
        raise StaleError(f"{changed}. Put the former data back to verify them")
    agreements = _run_again(suite, project, using, RecordStore(folder), cells, quiet=options.json)
    facts = _facts(folder, using, agreements) | {
        "damaged": list(found.damaged),
        "remarks": list(found.remarks),
    }
    if found.damaged:  # a record that cannot be read agrees with nothing
        facts["exit_status"] = 1
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)
    return int(facts["exit_status"])


def sample(fits: Fits, wanted: int) -> Fits:
    """Return so many of the fits, as evenly over the algorithms as can be, and over the fits of
    each; all where there are no more."""
    algorithms: dict[str, list[int]] = {}
    for place, (fit, _) in enumerate(fits):
        algorithms.setdefault(fit.algorithm, []).append(place)
    shares = dict.fromkeys(algorithms, 0)
    for _ in range(min(wanted, len(fits))):
        shares[
            min(
                (name for name in shares if shares[name] < len(algorithms[name])),
                key=shares.__getitem__,
            )
        ] += 1
    chosen = {
        places[i * len(places) // shares[name]]
        for name, places in algorithms.items()
        for i in range(shares[name])
    }
    return [fit for place, fit in enumerate(fits) if place in chosen]


def _suite_of(
    folder: Path, options: argparse.Namespace, project: Project
) -> tuple[Suite, Resources]:
    """The suite as the folder keeps it, into which the project's recipe has been worked already:
    that of today is left out."""
    described, kept = read_cells(folder), folder / "suite.toml"
    if not kept.is_file():
        raise FolderError(
            f"{folder}: has no suite.toml, so nobody knows how its cells were made. `metabench "
            "run` writes it"
        )
    bare = replace(project, train={}, validate={}, evaluate={})
    as_kept = {**vars(options), "suite": str(kept), "profile": None, "out": None}
    suite, using, _ = settle(of_command_line(argparse.Namespace(**as_kept)), bare)
    return replace(suite, name=described["suite"], keep_weights=False), using


def _run_again(
    suite: Suite,
    project: Project,
    using: Resources,
    store: RecordStore,
    cells: Iterable[PlannedCell],
    *,
    quiet: bool,
) -> list[tuple[PlannedCell, Agreement]]:
    """Run the cells in a folder of their own, training included, and compare. What the run says
    goes to stderr where stdout is for a program."""
    chosen = replace(suite, selected=frozenset(planned.cell.id for planned in cells))
    output = contextlib.redirect_stdout(sys.stderr) if quiet else contextlib.nullcontext()
    with tempfile.TemporaryDirectory(prefix="metabench-verify-") as temporary:
        with output:
            again = RecordStore(
                run_suite(
                    chosen,
                    replace(project, checkpoint_seconds=0.0),
                    using=using,
                    out=Path(temporary) / "run",
                ).folder
            )
        now = again.index()
        return [
            (planned, _compare(planned, store, again, again.find(planned.cell.id, index=now)))
            for planned in cells
        ]


def _compare(planned: PlannedCell, store: RecordStore, again: RecordStore, now: Found) -> Agreement:
    fit = planned.cell.fit
    in_seconds = fit.train.seconds is not None and trains(fit)
    differences = (*planned.differences, *((IN_SECONDS,) if in_seconds else ()))
    then = store.path(planned.stem)
    record = store.load(then)
    try:
        return agreement(
            record,
            store.arrays(then),
            now.record,
            again.arrays(now.path) if now.path else {},
            differences,
        )
    except RecordError as damage:
        return Agreement("differs", differences, str(damage), record["result"]["score"], None)


def _facts(
    folder: Path, using: Resources, agreements: Sequence[tuple[PlannedCell, Agreement]]
) -> dict[str, Any]:
    verdicts = Counter(result.verdict for _, result in agreements)
    apart = [result.difference for _, result in agreements if result.difference is not None]
    return {
        "folder": str(folder),
        "using": str(using),
        "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS if verdicts[verdict]},
        "differences": sorted(
            {difference for _, result in agreements for difference in result.differences}
        ),
        "largest_difference": max(apart, default=None),
        "exit_status": 1 if verdicts["differs"] else 3 if verdicts["failed"] else 0,
        "cells": [
            {
                "cell": planned.cell.id,
                "stem": planned.stem,
                "verdict": result.verdict,
                "differences": list(result.differences),
                "detail": result.detail or None,
                "score_then": result.then,
                "score_now": result.now,
                "difference": result.difference,
                "interval": list(result.interval) if result.interval else None,
            }
            for planned, result in agreements
        ],
    }


def _show(facts: Mapping[str, Any]) -> None:
    from rich.table import Table

    from metabench.terminal.console import table_console

    table = Table(
        title=f"{one_line(facts['folder'])}: {len(facts['cells'])} cells run again",
        title_justify="left",
    )
    table.add_column("record", overflow="fold")
    for column in ("score then", "score now", "apart"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for cell in facts["cells"]:
        table.add_row(
            one_line(cell["stem"]),
            *(_number(cell[key]) for key in ("score_then", "score_now", "difference")),
            VERDICTS[cell["verdict"]],
        )
    screen = table_console()
    screen.print(table)
    for line in (*facts["damaged"], *facts["remarks"]):
        screen.print(f"warning: {one_line(line)}")
    for cell in facts["cells"]:
        if cell["verdict"] in ("differs", "failed"):
            screen.print(f"{cell['verdict']}: {cell['stem']}: {one_line(cell['detail'])}")
    if facts["differences"]:
        screen.print(f"not as it was: {'; '.join(facts['differences'])}")
        if facts["verdicts"].keys() & {"within", "differs"}:
            screen.print(
                "so other bits are no fault, and scores are compared episode by episode: within "
                "means that 99 % intervals of the difference hold zero"
            )
    screen.print(
        "; ".join(f"{number} {VERDICTS[verdict]}" for verdict, number in facts["verdicts"].items())
    )
    if facts["largest_difference"]:
        screen.print(f"the largest difference in score is {_number(facts['largest_difference'])}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
