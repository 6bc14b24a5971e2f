"""Runs what a suite lacks: plan, refuse or go on, its fits on an engine, a record for every cell, a
summary."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.cells import Fit
from metabench.errors import ConfigError
from metabench.identity import digest
from metabench.provenance import environment
from metabench.provenance.conditions import Conditions
from metabench.runner.data import refuse_changed_data
from metabench.runner.describe import name_of
from metabench.runner.engine import Engine
from metabench.runner.folder import RunFolder
from metabench.runner.following import Following, RunSummary
from metabench.runner.forecast import Clock, History
from metabench.runner.inline import InlineEngine
from metabench.runner.messages import Job
from metabench.runner.needs import needed_by, wanted
from metabench.runner.plan import (
    Plan,
    PlannedCell,
    Stale,
    ToRun,
    fits_with_weights,
    survey,
    with_needs,
)
from metabench.runner.pool import ProcessEngine
from metabench.runner.progress import display_for
from metabench.runner.resources import Resources
from metabench.suite.declaration import declaration_of, digest_of, read_frozen

if TYPE_CHECKING:
    from metabench.suite import Suite
    from metabench.suite.project import Project


def run_suite(
    suite: Suite,
    project: Project,
    *,
    using: Resources,
    timeout: float | None = None,
    fail_fast: bool = False,
    stale: Stale | None = None,
    out: Path | None = None,
) -> RunSummary:
    """Run the selected cells of a suite that have no result yet.

    Parameters
    ----------
    timeout
        Seconds after which a fit is killed.
    fail_fast
        Stop at the first fit that fails.
    stale
        What to do about records made under other conditions; None refuses to go on where there are
        any.
    out
        The run folder, instead of the suite's own in the project.

    Raises
    ------
    FolderError, StaleError
        Nothing has been run.
    UnwritableError
        A record could not be written; what was finished before is safe.
    """
    began = time.monotonic()
    engine = engine_for(using, timeout)
    folder = RunFolder(out or project.reports / suite.name)
    commit, frozen = environment.commit(project.root), read_frozen(suite)
    declaration = declaration_of(suite, project.confidence, commit["commit"])
    with folder.locked():
        folder.refuse_other_suite(suite.name)
        conditions = Conditions(using.threads, using.device, project.root, using.compile)
        plan = survey(suite, folder.store, conditions)
        fits = plan.to_run(stale)
        refuse_changed_data(plan, fits, project.data)
        folder.describe(suite, declaration, frozen)
        departures = frozen.remarks(declaration) if frozen else ()
        for line in (*plan.damaged, *plan.remarks, *departures):
            print(f"warning: {line}")
        kept = fits_with_weights(
            suite,
            folder.store,
            (fit for fit, _ in fits),
            conditions,
            any_conditions=stale == "keep",
        )
        fits = with_needs(suite, queued(fits), kept)
        needs = needed_by(fit for fit, _ in fits)
        folder.sweep_checkpoints(plan, needs)
        known = {
            **commit,
            **environment.project_commit(project.root),
            "declaration_digest": digest_of(declaration),
        }
        jobs = _jobs(fits, kept, folder, suite, project, using, stale, known)
        summary = _summary(folder, plan, fits)
        print(_opening(suite, folder, plan, jobs, using), flush=True)
        if jobs:
            records = (planned.record for planned in (*plan.cells, *plan.others) if planned.record)
            history = History(records, conditions(jobs[0].cells[0][0]), environment.cpu_name())
            expected = {
                fit.id: history.seconds(fit, cells, trains=fit.id not in kept)
                for fit, cells in fits
            }
            clock = Clock(jobs, len(using.devices), expected)
            with display_for(len(jobs), clock) as display, engine:
                Following(folder, display, summary).follow(engine, jobs, fail_fast=fail_fast)
        if not suite.keep_weights:
            folder.drop_weights(needs)
    summary.seconds = time.monotonic() - began
    return summary


def queued(fits: ToRun) -> ToRun:
    """Return fits in the order in which they are started: by seed, so that a slow hour touches all
    algorithms alike, and within a seed in an order of its own, so that no algorithm always runs
    beside the same other. The order is a named stream of the suite's root seed, and keyed by digest
    alone: nobody needs torch to tell it."""

    def place(entry: tuple[Fit, list[PlannedCell]]) -> tuple[int, str]:
        fit, cells = entry
        first = min((planned.cell.seed for planned in cells), default=fit.seed)
        return first, digest({"root_seed": fit.root_seed, "purpose": "queue", "fit": fit.id})

    return sorted(fits, key=place)


def _jobs(
    fits: ToRun,
    kept: frozenset[str],
    folder: RunFolder,
    suite: Suite,
    project: Project,
    using: Resources,
    stale: Stale | None,
    known: Mapping[str, Any],
) -> list[Job]:
    needs = needed_by(fit for fit, _ in fits)
    run = f"{datetime.now(UTC).isoformat(timespec='milliseconds')}-{os.getpid()}"
    facts = {
        **known,
        "metabench": environment.version("metabench"),
        "run": run,
    }
    return [
        Job(
            fit=fit,
            cells=tuple((planned.cell, planned.stem) for planned in cells),
            name=name_of(cells[0].cell),
            folder=folder.path,
            log=folder.store.path(cells[0].stem).with_suffix(".log"),
            data=project.data,
            plugins=project.plugins,
            root=project.root,
            provenance=facts,
            threads=using.threads,
            compile=using.compile,
            workers=len(using.devices),
            keep_weights=suite.keep_weights or fit.id in needs,
            any_weights=stale == "keep",
            evaluates=fit.id in kept,
            checkpoint_seconds=project.checkpoint_seconds,
            tests=cells[0].state != "needed",
            needs={role: need.id for role, need in wanted(fit, kept)},
        )
        for fit, cells in fits
    ]


def _summary(folder: RunFolder, plan: Plan, fits: ToRun) -> RunSummary:
    """Before anything has run: all that is to be run is missing."""
    missing = sum(planned.state != "needed" for _, cells in fits for planned in cells)
    stale = (
        plan.counts["stale"]
        if not any(planned.state == "stale" for _, cells in fits for planned in cells)
        else 0
    )
    return RunSummary(folder.path, kept=plan.counts["done"], stale=stale, missing=missing)


def _opening(
    suite: Suite, folder: RunFolder, plan: Plan, jobs: Sequence[Job], using: Resources
) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in plan.counts.items() if number)
    kept = sum(job.evaluates for job in jobs)
    of_these = f" ({kept} of them from kept weights)" if kept else ""
    alone = sum(not job.tests for job in jobs)
    of_these += f" ({alone} of them for others)" if alone else ""
    return (
        f"{suite.name}: {len(plan.cells)} cells ({counts}); {len(jobs)} fits to "
        f"run{of_these}, {using}; in {folder.path}"
    )


def engine_for(using: Resources, timeout: float | None) -> Engine:
    """Return the engine that is asked for; `timeout` is in seconds, after which a fit is killed.

    Raises
    ------
    ConfigError
        It cannot do what is asked of it.
    """
    if using.engine == "inline":
        if timeout is not None:
            raise ConfigError(
                "a timeout needs fits in processes of their own, which can be killed: leave it "
                "out, or take the engine 'process'"
            )
        return InlineEngine(using.devices[0])
    return ProcessEngine(using.devices, using.threads, timeout)
