"""`metabench report`: render again from the records."""

from __future__ import annotations

import argparse

from metabench.suite.project import load_project
from metabench.verbs.target import run_folder


def report(options: argparse.Namespace) -> int:
    """The verb."""
    project = load_project()
    folder = run_folder(options.suite, project, options.profile)
    from metabench.report import render

    print(render(folder, options.confidence))
    return 0
