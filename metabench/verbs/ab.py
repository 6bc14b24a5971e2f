"""`metabench ab`: what became slower between two commits, timed in turn on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.errors import ConfigError, nearest, some
from metabench.suite import find_suite
from metabench.suite.document import read_document
from metabench.suite.finding import MANY
from metabench.suite.project import Project
from metabench.suite.restrictions import refuse_malformed
from metabench.text import one_line
from metabench.verbs.target import current_project

if TYPE_CHECKING:
    from metabench.compare import Checkout

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
    refuse_malformed(options.only)
    project = current_project()
    using = resources(options.device, 1, options.threads or project.threads)
    with room.checkouts(project, (options.base, options.head)) as (baseline, head):
        suite = _suite(options.suite, project, baseline)
        arguments = [str(suite), *_profile(options.profile, suite, baseline)]
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


def _suite(named: str, project: Project, baseline: Checkout) -> Path:
    """The suite's file as the baseline has it, if it does: that one both sides know, where head's
    may name methods that are new."""
    path = find_suite(named, project).absolute()
    if path.is_relative_to(project.root):
        earlier = baseline.folder / path.relative_to(project.root)
        if earlier.is_file():
            return earlier
        print(f"{baseline.said} has no {path.name}: both run that of here", file=sys.stderr)
    return path


def _profile(said: str | None, suite: Path, baseline: Checkout) -> list[str]:
    """Raises
    ------
    ConfigError
        The file has no such profile.
    """
    told = read_document(suite).data.get("profiles")
    profiles = told if isinstance(told, dict) else {}
    if said is None:
        return ["--profile", PROFILE] if PROFILE in profiles else []
    if said not in profiles:
        where = f", as {baseline.said} has it" if suite.is_relative_to(baseline.folder) else ""
        raise ConfigError(
            f"{suite.name}{one_line(where)}: there is no profile '{one_line(said)}'; there are "
            f"{one_line(some(profiles, MANY)) or 'none'}{nearest(said, profiles)}"
        )
    return ["--profile", said]
