"""`metabench report`: render again from the records."""

from __future__ import annotations

import argparse

from metabench.verbs.target import current_project, run_folder


def report(options: argparse.Namespace) -> int:
    """The verb."""
    folder = run_folder(options.suite, current_project(), options.profile)
    from metabench.report import render

    print(render(folder, options.confidence))
    return 0
