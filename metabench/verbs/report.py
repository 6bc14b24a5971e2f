"""`metabench report`: render again from the records."""

from __future__ import annotations

import argparse
import sys

from metabench.records import RecordStore, read_cells
from metabench.verbs.target import current_project, run_folder


def report(options: argparse.Namespace) -> int:
    """The verb."""
    folder = run_folder(options.suite, current_project(), options.profile)
    from metabench.report import render

    scan = RecordStore(folder).scan(entry["cell"] for entry in read_cells(folder)["cells"])
    for line in (*scan.damaged, *scan.remarks):
        print(f"warning: {line}", file=sys.stderr)
    print(render(folder, options.confidence))
    return 0
