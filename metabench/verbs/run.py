"""`metabench run`: run what is not done, then report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from metabench.runner.forecast import duration
from metabench.runner.run import RunSummary, resources, run_suite
from metabench.suite import load_suite, parse_seeds
from metabench.suite.project import Project, load_project


def run(options: argparse.Namespace) -> int:
    """The verb."""
    project = load_project()
    summary = run_project(
        options.suite,
        project=project,
        profile=options.profile,
        seeds=parse_seeds(options.seeds) if options.seeds else None,
        only=options.only,
        workers=options.workers,
        threads=options.threads,
        device=options.device,
        timeout=options.timeout,
        fail_fast=options.fail_fast,
        stale=options.stale,
        out=options.out,
    )
    _tell(summary)
    if not options.no_report:
        from metabench.report import render

        print(f"report: {render(summary.folder)}")
    return summary.exit_status


def run_project(
    suite: str | None,
    *,
    project: Project | None = None,
    profile: str | None = None,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] = (),
    workers: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    timeout: float | None = None,
    fail_fast: bool = False,
    stale: Literal["keep", "rerun"] | None = None,
    out: str | Path | None = None,
) -> RunSummary:
    """Run a suite of a project (that of the current folder, where none is given); what is not said is as `benchmark.toml` has it."""
    project = project or load_project()
    loaded = load_suite(suite, project, profile=profile, seeds=seeds, only=only)
    using = resources(device, project.workers if workers is None else workers, threads or project.threads)
    folder = Path(out).absolute() if out else None
    return run_suite(loaded, project, using=using, timeout=timeout, fail_fast=fail_fast, stale=stale, out=folder)


def _tell(summary: RunSummary) -> None:
    """The end of a run in words; failures last, where they are seen."""
    counts = [f"{summary.finished} cells finished", f"{summary.kept} done before"]
    counts += [f"{summary.stale} stale ones kept"] if summary.stale else []
    counts += [f"{summary.missing} not run"] if summary.missing else []
    print(f"{', '.join(counts)}, in {duration(summary.seconds)}")
    for failed in summary.failed:
        cells = f" ({failed.cells} cells)" if failed.cells > 1 else ""
        print(f"{failed.failure.outcome}: {failed.name}{cells}: {failed.failure.line}" + (f"\n    log: {failed.log}" if failed.log else ""))
    if any(failed.failure.type == "DataError" for failed in summary.failed):
        print("`metabench data check NAME` says which files to put where")
    if summary.failed:
        print("`metabench run` runs them again, and nothing that is done")
