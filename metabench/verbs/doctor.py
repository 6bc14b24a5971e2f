"""`metabench doctor`: versions, devices, threads, folders and data, and what to do about what is
wrong."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metabench import registry
from metabench.cells import each_once
from metabench.errors import ConfigError, MetabenchError
from metabench.provenance import environment
from metabench.suite import Suite, every_suite
from metabench.suite.project import Project, find_root, load_project
from metabench.text import plural
from metabench.verbs.data import remarks, standing, uses

LOW_DISK = 2 * 2**30
"""Free bytes under which a run folder's disk is worth a warning."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do, and is empty where all is well;
    `fatal` findings keep runs from working."""

    what: str
    found: str
    remedy: str = ""
    fatal: bool = False


def doctor(options: argparse.Namespace) -> int:
    """The verb: 0 where runs can work, 2 where something keeps them from it."""
    findings = list(examine())
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = "ok" if not finding.remedy else "BAD" if finding.fatal else "note"
        print(f"{mark:<4} {finding.what:<{width}}  {finding.found}")
        if finding.remedy:
            print(
                f"     {'':<{width}}  -> "
                + finding.remedy.replace("\n", f"\n     {'':<{width}}     ")
            )
    return 2 if any(finding.fatal and finding.remedy for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """Look at everything a run needs."""
    yield Finding("python", platform.python_version())
    project = _project(find_root())
    yield from _torch(project.root if isinstance(project, Project) else environment.PACKAGE)
    yield Finding(
        "cpu",
        f"{environment.cpu_name()}, {environment.cores()} cores to use, "
        f"{environment.cpu_capability()}",
    )
    if not isinstance(project, Project):
        yield Finding("project", "is wrong", str(project), fatal=True)
        return
    without = "" if project.document.text else ", without a benchmark.toml: all as by default"
    yield Finding("project", f"{project.root}{without}")
    yield _threads(project)
    yield _folder("reports", project.reports)
    yield _folder("temporary files", Path(tempfile.gettempdir()))
    suites: dict[str, Suite | MetabenchError] = {}
    try:
        suites = every_suite(project)
    except ConfigError as error:
        yield Finding("suites", "cannot be read", str(error))
    else:
        yield from _suites(project, suites)
    yield from _datasets(project, [suite for suite in suites.values() if isinstance(suite, Suite)])


def _project(root: Path) -> Project | ConfigError:
    try:
        return load_project(root)
    except ConfigError as error:
        return error


def _torch(project: Path) -> Iterator[Finding]:
    facts = environment.provenance("cpu", project)
    yield Finding(
        "metabench",
        f"{facts['metabench']}, commit "
        f"{facts['commit'] or 'unknown'}{' (changed since)' if facts['dirty'] else ''}",
    )
    try:
        import torch
    except Exception as error:  # a broken install may raise anything
        yield Finding(
            "torch",
            f"cannot be imported: {error}",
            "install it again: pip install --force-reinstall torch",
            fatal=True,
        )
        return
    yield Finding(
        "torch",
        f"{torch.__version__}, built for "
        f"{f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'}",
    )
    names = (
        [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    gpu = environment.gpu()
    if names:
        yield Finding("cuda", f"{', '.join(names)}; driver {gpu['driver']}")
    elif gpu["gpu"]:
        remedy = (
            "torch cannot use it: install a driver for CUDA "
            f"{torch.version.cuda or '(torch here is built for CPU only)'} or later"
        )
        yield Finding("cuda", f"{gpu['gpu']}, driver {gpu['driver']}", remedy)
    else:
        yield Finding("cuda", "no GPU; runs use the CPU")


def _threads(project: Project) -> Finding:
    workers = project.workers or max(1, environment.cores() // project.threads)
    found = f"{plural(workers, 'fit')} at once, {plural(project.threads, 'thread')} each"
    wanted = workers * project.threads
    if wanted > environment.cores():
        return Finding(
            "threads",
            found,
            f"that is {wanted} threads on {environment.cores()} cores: set workers = 0 in "
            "benchmark.toml",
        )
    chosen = os.environ.get("ATEN_CPU_CAPABILITY")
    return Finding(
        "threads",
        found,
        f"ATEN_CPU_CAPABILITY={chosen} slows torch down: unset it" if chosen else "",
    )


def _folder(what: str, folder: Path) -> Finding:
    """Whether a folder, or the nearest one above it that exists, can be written."""
    try:
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.NamedTemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(
            what,
            str(folder),
            f"cannot be written: {error.strerror}; make it writable, or name another with --out",
            fatal=True,
        )
    return Finding(
        what,
        f"{folder}, {free / 2**30:.0f} GiB free",
        "the disk is nearly full" if free < LOW_DISK else "",
    )


def _suites(project: Project, suites: Mapping[str, Suite | MetabenchError]) -> Iterator[Finding]:
    if not suites:
        yield Finding(
            "suites",
            f"none in {project.suites}",
            "write one, or run one by its path: metabench run PATH",
        )
    for name, suite in suites.items():
        if isinstance(suite, Suite):
            cells = each_once(suite.cells)
            yield Finding(
                f"suite {name}", f"{len({cell.fit.id for cell in cells})} fits, {len(cells)} cells"
            )
        else:
            yield Finding(f"suite {name}", "is wrong", str(suite))


def _datasets(project: Project, suites: Sequence[Suite]) -> Iterator[Finding]:
    shown: set[str] = set()
    for name in registry.names("datasets"):
        try:
            found = uses(name, suites)
        except ConfigError as error:
            yield Finding(f"data {name}", "cannot be used", str(error))
            continue
        for use in found:
            problem = standing(use, project)
            ready = f"{'not ' if problem else ''}ready"
            yield Finding(
                f"data {name}",
                f"{ready}{use.title.removeprefix(name)}",
                "as above" if problem and problem in shown else problem,
            )
            shown.add(problem)
        for remark in remarks(name, suites, project):
            yield Finding(f"data {name}", remark)
