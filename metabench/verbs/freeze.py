"""`metabench freeze`: write what a suite declares into a file to be committed before the data."""

from __future__ import annotations

import argparse

from metabench.errors import ConfigError
from metabench.provenance import environment
from metabench.records import RecordStore
from metabench.suite import Suite, load_suite
from metabench.suite.declaration import (
    declaration_of,
    digest_of,
    freeze,
    frozen_path,
    read_frozen,
)
from metabench.suite.project import Project
from metabench.text import one_line, plural
from metabench.verbs.target import current_project


def freeze_suite(options: argparse.Namespace) -> int:
    """The verb."""
    project = current_project()
    suite = load_suite(options.suite, project, profile=options.profile)
    path = frozen_path(suite)
    shown = one_line(path.relative_to(project.root) if path.is_relative_to(project.root) else path)
    commit = environment.commit(project.root)
    declaration = declaration_of(suite, project.confidence, commit["commit"])
    frozen = None if options.again else read_frozen(suite)
    if frozen is not None:
        if departed := frozen.departures(declaration):
            raise ConfigError(
                f"{shown}: the suite was frozen {frozen.frozen} and is not as it was then: "
                f"{'; '.join(departed)}. Take that back, or freeze it anew with --again"
            )
        print(f"{shown}: frozen {frozen.frozen}, and as it was then")
        return 0
    records = len(RecordStore(project.reports / suite.name).index())
    freeze(suite, declaration, records)
    seeds = declaration["seeds"]
    print(
        f"{shown}: {plural(len(suite.cells), 'cell')}, {plural(len(seeds), 'seed')}, "
        f"{plural(len(suite.claims), 'claim')}; digest "
        f"{digest_of(declaration)[:12]}. Commit it before the first run"
    )
    if commit["dirty"]:
        print("warning: there are changes that are not committed: the commit in it lacks them")
    if records:
        print(
            f"warning: {plural(records, 'record')} of it are there already: this was "
            "not settled before the data, and the file says so"
        )
    return 0


def departures(suite: Suite, project: Project) -> tuple[str, ...]:
    """In a line, in what a suite is not as it was frozen; nothing where it is, or never was."""
    frozen = read_frozen(suite)
    return frozen.remarks(declaration_of(suite, project.confidence, None)) if frozen else ()
