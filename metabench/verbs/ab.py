"""`metabench ab`: what became slower between two commits, timed in turn on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from metabench.suite import find_suite
from metabench.suite.document import read_document
from metabench.suite.project import Project
from metabench.verbs.target import current_project

PROFILE = "ab"
"""Of the suite, where nothing is said and it has one of that name."""


def ab(options: argparse.Namespace) -> int:
    """The verb: as `compare`."""
    try:
        return _ab(options)
    except KeyboardInterrupt:  # unlike a run, it keeps nothing: times of two sittings do not pair
        print("\nmetabench: stopped; a timing begins anew each time", file=sys.stderr)
        return 130


def _ab(options: argparse.Namespace) -> int:
    from metabench import compare as room
    from metabench.runner.resources import resources
    from metabench.verbs.outcome import refuse_unwritable, show

    refuse_unwritable(options.out)
    project = current_project()
    using = resources(options.device, 1, options.threads or project.threads)
    with room.checkouts(project, (options.base, options.head)) as (baseline, head):
        suite = _suite(options.suite, project, baseline.folder)
        arguments = [str(suite), *_profile(options.profile, suite)]
        arguments += [part for pattern in options.only for part in ("--only", pattern)]
        arguments += ["--device", using.devices[0], "--threads", str(using.threads)]
        found = room.measure(
            baseline,
            head,
            room.Workload(tuple(arguments), project.data),
            blocks=options.blocks,
            margin=options.margin,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
    return show(found, options)


def _suite(named: str, project: Project, baseline: Path) -> Path:
    """The suite's file as the baseline has it, if it does: that one both sides know, where head's
    may name methods that are new."""
    path = find_suite(named, project).absolute()
    if path.is_relative_to(project.root):
        earlier = baseline / path.relative_to(project.root)
        return earlier if earlier.is_file() else path
    return path


def _profile(said: str | None, suite: Path) -> list[str]:
    if said is None:
        profiles = read_document(suite).data.get("profiles")
        said = PROFILE if isinstance(profiles, dict) and PROFILE in profiles else None
    return ["--profile", said] if said else []
