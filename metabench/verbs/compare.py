"""`metabench compare`: what became worse between two runs, and with which certainty."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.errors import FolderError
from metabench.suite.project import Project
from metabench.text import one_line
from metabench.verbs.target import current_project, run_folder

if TYPE_CHECKING:
    from metabench.compare import Side


def compare(options: argparse.Namespace) -> int:
    """The verb: 0 where nothing regressed, 1 where something did, and with `--strict` 4 where
    something is open or refused."""
    from metabench import compare as room
    from metabench.runner.resources import resources
    from metabench.verbs.outcome import refuse_unwritable, show

    refuse_unwritable(options.out)
    project = current_project()
    baseline, head = (_side(named, project) for named in (options.baseline, options.head))
    margins = room.margins_of(
        baseline.margins,
        project,
        {
            key: getattr(options, key)
            for key in ("margin", "trivial", "margin_ratio", "trivial_ratio")
        },
    )
    run_fresh = None
    if options.confirm:
        workers = project.workers if options.workers is None else options.workers
        run_fresh = room.FreshSeeds(
            project,
            resources(options.device, workers, options.threads or project.threads),
            options.baseline_sources,
            options.head_sources,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        ).of(baseline, head)
    return show(room.compare(baseline, head, margins, run_fresh), options)


def _side(named: str, project: Project) -> Side:
    """The side that is meant: an entry of a history by its file, a run folder by its path, or by
    the name of its suite."""
    from metabench.compare import as_line, read_entry, read_side

    line = as_line(named)
    if line is not None and not os.path.lexists(Path(named, "cells.json")):
        return read_entry(line)
    if os.sep in named and not os.path.lexists(named):
        raise FolderError(f"{one_line(named)}: there is no such folder")
    return read_side(run_folder(named, project))
