"""`metabench time`: what a training step of each algorithm takes alone on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from metabench.runner.forecast import duration
from metabench.runner.resources import Resources
from metabench.runner.timing import BLOCKS, ITERATIONS, TimingSummary, time_suite
from metabench.suite import Suite
from metabench.suite.project import Project
from metabench.text import plural
from metabench.verbs.options import of_command_line, settle
from metabench.verbs.target import current_project


def timing(options: argparse.Namespace) -> int:
    """The verb."""
    project = current_project()
    suite, using, folder = settle(of_command_line(options), project)
    summary = time_and_tell(
        suite,
        using,
        folder,
        project,
        blocks=options.blocks,
        iterations=options.iterations,
        again=options.again,
    )
    if not options.no_report:
        from metabench.report import render

        print(f"report: {render(summary.folder)}")
    return summary.exit_status


def time_and_tell(
    suite: Suite,
    using: Resources,
    folder: Path,
    project: Project,
    *,
    blocks: int = BLOCKS,
    iterations: int = ITERATIONS,
    again: bool = False,
) -> TimingSummary:
    """Time the algorithms of a run (see `time_suite`), and say what came of it."""
    summary = time_suite(
        suite,
        project,
        using=using,
        out=folder,
        blocks=blocks,
        iterations=iterations,
        again=again,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(
        f"{plural(summary.timed, 'round')} timed, {summary.kept} timed before, in "
        f"{duration(summary.seconds)}"
    )
    return summary
