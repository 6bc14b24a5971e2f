"""`benchmark.toml`: what holds for every suite of a project. The file is optional, and so is each
of its keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metabench.errors import ConfigError
from metabench.provenance.compiler import CompileMode
from metabench.registry import use_plugins
from metabench.suite.document import Document, read_document
from metabench.suite.parsing import parse
from metabench.suite.schema import ProjectTable

FILE_NAME = "benchmark.toml"
DATA_VARIABLE = "METABENCH_DATA"


@dataclass(frozen=True)
class Project:
    """The settings of a project; folders are absolute.

    Attributes
    ----------
    root
        The folder of `benchmark.toml`.
    suite
        Name or path of the suite that is meant where none is named.
    suites, reports, data
        Where suites are found, runs are written, datasets lie.
    workers
        Processes at once; 0 means as many as cores.
    threads
        Threads of each process.
    compile
        Which fits have their training steps compiled.
    confidence
        Of every interval.
    checkpoint_seconds
        Between two checkpoints of a training; 0 means none.
    train, validate, evaluate
        The project's own defaults of the recipe: keys that were said, nothing else.
    plugins
        Group → name → `module:Class`.
    compare
        Margins of comparisons that were said.
    document
        The file itself, for messages.
    """

    root: Path
    suite: str | None
    suites: Path
    reports: Path
    data: Path
    workers: int = 0
    threads: int = 1
    compile: CompileMode = "never"
    confidence: float = 0.95
    checkpoint_seconds: float = 60.0
    train: Mapping[str, Any] = field(default_factory=dict)
    validate: Mapping[str, Any] = field(default_factory=dict)
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    compare: Mapping[str, float] = field(default_factory=dict)
    document: Document = field(default_factory=lambda: Document(FILE_NAME))

    @property
    def recipe(self) -> dict[str, Mapping[str, Any]]:
        """Section → key → value."""
        return {"train": self.train, "validate": self.validate, "evaluate": self.evaluate}


def load_project(folder: Path | None = None) -> Project:
    """Read `benchmark.toml`, and make its plugins known to this process.

    Parameters
    ----------
    folder
        The project's. By default the nearest one with a `benchmark.toml`, from the current folder
        upwards, or else the current folder.

    Raises
    ------
    ConfigError
        The file says something impossible.
    """
    root = find_root() if folder is None else folder.absolute()
    path = root / FILE_NAME
    document = read_document(path) if os.path.lexists(path) else Document(FILE_NAME)
    table = parse(document, ProjectTable)
    plugins = {group: dict(names) for group, names in table.plugins if names}
    use_plugins(plugins, root)
    data = os.environ.get(DATA_VARIABLE)
    return Project(
        root=root,
        suite=table.suite,
        suites=root / home_expanded(table.suites),
        reports=root / home_expanded(table.reports),
        data=home_expanded(data).absolute() if data else root / home_expanded(table.data),
        workers=table.workers,
        threads=table.threads,
        compile=table.compile,
        confidence=table.confidence,
        checkpoint_seconds=table.checkpoint_seconds,
        plugins=plugins,
        compare=table.compare.said(),
        document=document,
        **table.sections(),
    )


def find_root() -> Path:
    """Return the folder of the project that the current folder lies in.

    A file of another user is passed over, unless it is in the current folder itself: its plugins
    are code that would run as this user.

    Raises
    ------
    ConfigError
        The current folder is gone.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder has been deleted; change to another one") from None
    if os.path.lexists(here / FILE_NAME):
        return here
    return next((folder for folder in here.parents if _has_own_file(folder)), here)


def home_expanded(path: str | Path) -> Path:
    """Return a path with the home folder in place of `~`, as a shell would.

    Raises
    ------
    ConfigError
        There is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: {error}") from None


def _has_own_file(folder: Path) -> bool:
    path = folder / FILE_NAME
    try:
        return path.is_file() and path.stat().st_uid in (0, os.getuid())
    except OSError:
        return False
