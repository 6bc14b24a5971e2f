"""`metabench status`: what a run folder says of itself, from `cells.json` and the records alone.
Never imports torch."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from metabench.errors import some
from metabench.records import FINISHED, RecordStore, read_cells
from metabench.runner.folder import RunFolder
from metabench.text import one_line
from metabench.verbs.target import current_project, run_folder

SHOWN = 20
"""Kinds of failure, and damaged records, that are listed; more are counted."""


def status(options: argparse.Namespace) -> int:
    """The verb: 0 where every cell has a result, 3 where some failed or are missing."""
    folder = run_folder(options.suite, current_project(), options.profile)
    cells = read_cells(folder)["cells"]
    scan = RecordStore(folder).scan(entry["cell"] for entry in cells)
    outcomes = {entry["cell"]: _outcome(scan.records.get(entry["cell"])) for entry in cells}
    holder = RunFolder(folder).holder()
    counts = Counter(outcomes.values())
    done = sum(counts[outcome] for outcome in FINISHED)
    print(
        f"{one_line(folder)}: {done} of {len(cells)} cells done"
        + "".join(f", {counts[name]} {name}" for name in sorted(counts) if name != "completed")
    )
    if holder:
        fits = ", ".join(map(str, holder.get("fits") or [])) or "about to start"
        print(
            f"running since {holder.get('since')} (process {holder['pid']} on {holder['host']}): "
            f"{fits}"
        )
    alike: dict[str, list[str]] = {}
    for entry in cells:
        if outcomes[entry["cell"]] not in {*FINISHED, "missing"}:
            alike.setdefault(
                f"{outcomes[entry['cell']]}: {_error(scan.records[entry['cell']])}", []
            ).append(entry["stem"])
    _print_first(
        [
            f"{one_line(why)}\n    {len(stems)} cell{'s' * (len(stems) > 1)}: "
            f"{one_line(some(stems))}"
            for why, stems in alike.items()
        ]
    )
    _print_first([f"warning: {one_line(line)}" for line in (*scan.damaged, *scan.remarks)])
    return 0 if done == len(cells) else 3


def _print_first(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        print(line)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} more")


def _outcome(record: Mapping[str, Any] | None) -> str:
    return "missing" if record is None else str(record["result"].get("outcome"))


def _error(record: Mapping[str, Any]) -> str:
    error = record["result"].get("error") or {}
    return f"{error.get('type')}: {str(error.get('message', '')).strip().partition(chr(10))[0]}"
