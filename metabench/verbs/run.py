"""`metabench run`: run what is not done, then report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metabench.errors import some
from metabench.runner.following import Failed, RunSummary
from metabench.runner.forecast import duration
from metabench.runner.run import run_suite
from metabench.suite.project import Project
from metabench.text import plural
from metabench.verbs.options import Options, of_command_line, of_python, settle
from metabench.verbs.target import current_project


def run(options: argparse.Namespace) -> int:
    """The verb."""
    said, project = of_command_line(options), current_project()
    summary = _run(said, project)
    _tell(summary)
    status = summary.exit_status
    if options.repeat_timing:
        from metabench.verbs.timing import time_and_tell

        status = time_and_tell(*settle(said, project), project).exit_status or status
    if not options.no_report:
        from metabench.report import render

        print(f"report: {render(summary.folder)}")
    return status


def run_project(suite: str | Path | None = None, **said: Any) -> RunSummary:
    """Run a suite of the project that the current folder lies in.

    Parameters
    ----------
    said
        Fields of `Options`; what is not said is as `benchmark.toml` has it.

    Raises
    ------
    MetabenchError
        As the command line would say it.
    """
    return _run(of_python({"suite": suite, **said}), current_project())


def _run(options: Options, project: Project) -> RunSummary:
    suite, using, folder = settle(options, project)
    return run_suite(
        suite,
        project,
        using=using,
        timeout=options.timeout,
        fail_fast=options.fail_fast,
        stale=options.stale,
        out=folder,
    )


def _tell(summary: RunSummary) -> None:
    """The end of a run in words; failures last, where they are seen, those that are alike
    together."""
    counts = [
        f"{plural(summary.finished, 'cell')} finished",
        f"{summary.kept} done before",
    ]
    counts += [f"{summary.stale} stale ones kept"] if summary.stale else []
    counts += [f"{summary.missing} not run"] if summary.missing else []
    print(f"{', '.join(counts)}, in {duration(summary.seconds)}")
    alike: dict[tuple[str, str, str], list[Failed]] = {}
    for failed in summary.failed:
        alike.setdefault(
            (failed.failure.outcome, failed.failure.type, failed.failure.message.strip()), []
        ).append(failed)
    for (outcome, kind, message), fits in alike.items():
        _tell_failure(outcome, f"{kind}: {message}" if message else kind, fits)
    if summary.failed:
        print("`metabench run` runs them again, and nothing that is done")


def _tell_failure(outcome: str, why: str, fits: Sequence[Failed]) -> None:
    """One failure of one or several fits: all of its message, which may say which files to put
    where, and the log of the first."""
    cells = sum(failed.cells for failed in fits)
    who = f"{len(fits)} fits" if len(fits) > 1 else fits[0].name
    first, *more = why.splitlines()
    print(f"{outcome}: {who}{f' ({cells} cells)' if cells > 1 else ''}: {first}")
    for line in more:
        print(f"    {line}")
    if len(fits) > 1:
        print(f"    fits: {some(failed.name for failed in fits)}")
    if log := next((failed.log for failed in fits if failed.log), None):
        print(f"    log: {log}")
