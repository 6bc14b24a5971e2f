"""`metabench doctor`: versions, devices, threads, folders and data, and what to do about what is wrong."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metabench import environment
from metabench.errors import ConfigError, MetabenchError
from metabench.suite.project import Project, load_project

LOW_DISK = 2 * 2**30
"""Free bytes under which a run folder's disk is worth a warning."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do, and is empty where all is well; `fatal` findings keep runs from working."""

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
            print(f"     {'':<{width}}  -> {finding.remedy}")
    return 2 if any(finding.fatal and finding.remedy for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """Look at everything a run needs."""
    python = platform.python_version()
    yield Finding("python", python, "" if python >= "3.11" else "metabench needs Python 3.11 or later", fatal=True)
    yield from _torch()
    yield Finding("cpu", f"{environment.cpu_name()}, {environment.cores()} cores to use, {environment.cpu_capability()}")
    try:
        project = load_project()
    except ConfigError as error:
        yield Finding("benchmark.toml", "is wrong", str(error), fatal=True)
        return
    yield _threads(project)
    yield _folder("reports", project.reports)
    yield _folder("temporary files", Path(tempfile.gettempdir()))
    yield from _suites(project)
    yield from _datasets(project)


def _torch() -> Iterator[Finding]:
    facts = environment.provenance("cpu", Path.cwd())
    yield Finding("metabench", f"{facts['metabench']}, commit {facts['commit'] or 'unknown'}{' (changed since)' if facts['dirty'] else ''}")
    try:
        import torch
    except Exception as error:  # a broken install may raise anything
        yield Finding("torch", f"cannot be imported: {error}", "install it again: pip install --force-reinstall torch", fatal=True)
        return
    yield Finding("torch", f"{torch.__version__}, built for {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'}")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    gpu = environment.gpu()
    if names:
        yield Finding("cuda", f"{', '.join(names)}; driver {gpu['driver']}")
    elif gpu["gpu"]:
        remedy = f"torch cannot use it: install a driver for CUDA {torch.version.cuda or '(torch here is built for CPU only)'} or later"
        yield Finding("cuda", f"{gpu['gpu']}, driver {gpu['driver']}", remedy)
    else:
        yield Finding("cuda", "no GPU; runs use the CPU")


def _threads(project: Project) -> Finding:
    workers = project.workers or max(1, environment.cores() // project.threads)
    found = f"{workers} fits at once, {project.threads} each"
    wanted = workers * project.threads
    if wanted > environment.cores():
        return Finding("threads", found, f"that is {wanted} threads on {environment.cores()} cores: set workers = 0 in benchmark.toml")
    chosen = os.environ.get("ATEN_CPU_CAPABILITY")
    return Finding("threads", found, f"ATEN_CPU_CAPABILITY={chosen} slows torch down: unset it" if chosen else "")


def _folder(what: str, folder: Path) -> Finding:
    """Whether a folder, or the nearest one above it that exists, can be written."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(what, str(folder), f"cannot be written: {error.strerror}; make it writable, or name another with --out", fatal=True)
    return Finding(what, f"{folder}, {free / 2**30:.0f} GiB free", "the disk is nearly full" if free < LOW_DISK else "")


def _suites(project: Project) -> Iterator[Finding]:
    from metabench.suite import load_suite, suite_names

    names = suite_names(project)
    if not names:
        yield Finding("suites", f"none in {project.suites}", "write one, or run one by its path: metabench run PATH")
    for name in names:
        try:
            suite = load_suite(name, project)
        except MetabenchError as error:
            yield Finding(f"suite {name}", "is wrong", str(error))
        else:
            yield Finding(f"suite {name}", f"{len({cell.fit.id for cell in suite.cells})} fits, {len(suite.cells)} cells")


def _datasets(project: Project) -> Iterator[Finding]:
    from metabench import registry
    from metabench.verbs.data import standing

    for name in registry.names("datasets"):
        problem = standing(name, project)
        yield Finding(f"data {name}", "not ready" if problem else "ready", problem)
