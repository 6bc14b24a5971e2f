"""`benchmark.toml`: what holds for every suite of a project. The file is optional, and so is each of its keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    root : the folder of `benchmark.toml`.
    suite : name or path of the suite that is meant where none is named.
    suites, reports, data : where suites are found, runs are written, datasets lie.
    workers : processes at once; 0 means as many as cores.
    threads : threads of each process.
    confidence : of every interval.
    train, validate, evaluate : the project's own defaults of the recipe: keys that were said, nothing else.
    plugins : group → name → `module:Class`.
    document : the file itself, for messages.
    """

    root: Path
    suite: str | None
    suites: Path
    reports: Path
    data: Path
    workers: int = 0
    threads: int = 1
    confidence: float = 0.95
    train: Mapping[str, Any] = field(default_factory=dict)
    validate: Mapping[str, Any] = field(default_factory=dict)
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    document: Document = field(default_factory=lambda: Document(FILE_NAME))

    @property
    def recipe(self) -> dict[str, Mapping[str, Any]]:
        """Section → key → value."""
        return {"train": self.train, "validate": self.validate, "evaluate": self.evaluate}


def load_project(folder: Path | None = None) -> Project:
    """Read `benchmark.toml` of a folder (the current one by default), and make its plugins known to this process.

    Raises
    ------
    ConfigError : the file says something impossible.
    """
    root = (folder or Path.cwd()).absolute()
    path = root / FILE_NAME
    document = read_document(path) if path.exists() else Document(FILE_NAME)
    table = parse(document, ProjectTable)
    plugins = {group: dict(names) for group, names in table.plugins if names}
    use_plugins(plugins, root)
    data = os.environ.get(DATA_VARIABLE)
    return Project(
        root=root,
        suite=table.suite,
        suites=root / table.suites,
        reports=root / table.reports,
        data=Path(data).absolute() if data else root / table.data,
        workers=table.workers,
        threads=table.threads,
        confidence=table.confidence,
        plugins=plugins,
        document=document,
        **table.sections(),
    )
