"""A reproducible benchmark for meta-learning and few-shot learning.

The door for notebooks: `metabench.load("reports/quick")` gives the tables of a run, `metabench.run("quick")` makes one first. Importing this module
imports nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabench.tables import Run

__all__ = ["__version__", "load", "run"]


def load(folder: str | Path) -> Run:
    """Load the tables of a run folder.

    Raises
    ------
    FolderError : the folder is none of a run.
    """
    from metabench import tables

    return tables.load(Path(folder))


def run(suite: str | None = None, **options: Any) -> Run:
    """Run what a suite of the project in the current folder lacks, and load its tables.

    Parameters
    ----------
    suite : name or path; the project's default suite where none is named.
    options : `profile`, `seeds`, `only`, `workers`, `threads`, `device`, `timeout`, `fail_fast`, `stale`, `out`, as on the command line.

    Raises
    ------
    MetabenchError : as the command line would say it.
    """
    from metabench import tables
    from metabench.verbs.run import run_project

    return tables.load(run_project(suite, **options).folder)


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("metabench")
    raise AttributeError(f"module 'metabench' has no attribute '{name}'")
