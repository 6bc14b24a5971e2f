"""`metabench publish`: a static site over run folders, with their history."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from metabench.errors import FolderError
from metabench.suite.project import Project, home_expanded
from metabench.text import one_line, plural, shown
from metabench.verbs.target import current_project, run_folder

HISTORY = "history"
"""Folder of the history in a project."""


def publish(options: argparse.Namespace) -> int:
    """The verb: 0 where every folder was published, 3 where some could not be read."""
    project = current_project()
    folders = [run_folder(named, project) for named in options.folders] or _runs(project)
    kept = home_expanded(options.history).absolute() if options.history else project.root / HISTORY
    from metabench import site

    done = site.publish(folders, home_expanded(options.to).absolute(), kept)
    for line in done.remarks:
        print(f"note: {one_line(line)}", file=sys.stderr)
    for line in done.problems:
        print(f"not published: {shown(line)}", file=sys.stderr)
    runs = plural(done.added, "run")
    print(f"{', '.join(done.suites)}: {one_line(done.index)}; {runs} added to the history")
    return 3 if done.problems else 0


def _runs(project: Project) -> list[Path]:
    """Every run folder among the project's reports."""
    try:
        inside = sorted(project.reports.iterdir())
    except OSError:
        inside = []
    found = [folder for folder in inside if (folder / "cells.json").is_file()]
    if not found:
        raise FolderError(
            f"{one_line(project.reports)}: holds no run folder. `metabench run` makes one"
        )
    return found
