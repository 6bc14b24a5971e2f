"""`metabench status`: what a run folder says of itself, from `cells.json` and the records alone. Never imports torch."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

from metabench.records import FINISHED, RecordStore, read_cells
from metabench.runner.folder import RunFolder
from metabench.suite.project import load_project
from metabench.verbs.target import run_folder

SHOWN = 20
"""Failures that are listed; more are counted."""


def status(options: argparse.Namespace) -> int:
    """The verb: 0 where every cell has a result, 3 where some failed or are missing."""
    folder = run_folder(options.suite, load_project(), options.profile)
    cells = read_cells(folder)["cells"]
    scan = RecordStore(folder).scan(entry["cell"] for entry in cells)
    outcomes = {entry["cell"]: _outcome(scan.records.get(entry["cell"])) for entry in cells}
    holder = RunFolder(folder).holder()
    counts = Counter(outcomes.values())
    done = sum(counts[outcome] for outcome in FINISHED)
    print(f"{folder}: {done} of {len(cells)} cells done" + "".join(f", {counts[name]} {name}" for name in sorted(counts) if name != "completed"))
    if holder:
        print(f"running since {holder['since']} (process {holder['pid']} on {holder['host']}): {', '.join(holder['fits']) or 'about to start'}")
    failed = [entry for entry in cells if outcomes[entry["cell"]] not in {*FINISHED, "missing"}]
    for entry in failed[:SHOWN]:
        print(f"{outcomes[entry['cell']]}: {entry['stem']}: {_error(scan.records[entry['cell']])}")
    if len(failed) > SHOWN:
        print(f"and {len(failed) - SHOWN} more")
    for line in scan.damaged:
        print(f"warning: {line}")
    return 0 if done == len(cells) else 3


def _outcome(record: Mapping[str, Any] | None) -> str:
    return "missing" if record is None else str(record["result"].get("outcome"))


def _error(record: Mapping[str, Any]) -> str:
    error = record["result"].get("error") or {}
    return f"{error.get('type')}: {str(error.get('message', '')).strip().partition(chr(10))[0]}"
