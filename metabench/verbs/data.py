"""`metabench data`: where each dataset stands, and how to get it."""

from __future__ import annotations

import argparse

from metabench import registry
from metabench.cells import Part
from metabench.errors import ConfigError, MetabenchError, nearest
from metabench.files import make_folder
from metabench.runner.data import make_dataset
from metabench.settings import make_part
from metabench.suite import load_suite, suite_names
from metabench.suite.project import Project, load_project


def data(options: argparse.Namespace) -> int:
    """The verb: `list`, or `prepare` and `check` of one dataset."""
    project = load_project()
    if options.action == "list":
        return _list(project)
    dataset = make_dataset(_part(options.name, project))
    if options.action == "prepare":
        make_folder(project.data)
        print(f"{options.name}: {dataset.prepare(project.data)}")
    else:
        dataset.load(project.data)
        content = dataset.content_digest()
        print(f"{options.name}: ready" + (f", content {content}" if content else ", made on the fly"))
    return 0


def _list(project: Project) -> int:
    print(f"data folder: {project.data}")
    for name in registry.names("datasets"):
        registered = registry.get("datasets", name)
        problem = standing(name, project)
        print(f"{name}: {f'not ready: {problem}' if problem else 'ready'}")
        print(f"    {registered.kind}; source: {registered.source}; licence: {registered.licence}")
    return 0


def standing(name: str, project: Project) -> str:
    """What keeps a registered dataset, with its default settings, from being used; empty where nothing does."""
    try:
        make_dataset(_default(name)).load(project.data)
    except MetabenchError as error:
        return str(error)
    return ""


def _default(name: str) -> Part:
    return make_part(name, registry.get("datasets", name), {})


def _part(name: str, project: Project) -> Part:
    """A registered dataset with its default settings, or what a suite of the project calls by this name."""
    if name in registry.names("datasets"):
        return _default(name)
    entries: dict[str, Part] = {}
    for suite in suite_names(project):
        try:
            cells = load_suite(suite, project).cells
        except MetabenchError:  # a broken suite is the matter of those who run it
            continue
        entries |= {cell.labels["dataset"]: cell.fit.dataset for cell in cells}
    if name in entries:
        return entries[name]
    known = sorted({*registry.names("datasets"), *entries})
    raise ConfigError(f"no dataset, nor an entry of a suite, is called '{name}'; there are {', '.join(known)}{nearest(name, known)}")
