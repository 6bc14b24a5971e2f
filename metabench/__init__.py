"""A reproducible benchmark for meta-learning and few-shot learning.

The door for notebooks: `metabench.load("reports/quick")` gives the tables of a run,
`metabench.run("quick")` makes one first. Importing this module imports nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metabench.tables import Run

__all__ = ["__version__", "load", "run"]


def load(folder: str | Path) -> Run:
    """Load the tables of a run folder.

    Raises
    ------
    FolderError
        The folder is none of a run.
    """
    from metabench import tables
    from metabench.errors import FolderError
    from metabench.suite.project import home_expanded

    if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
        raise FolderError(
            f"folder = {folder!r}: expected the path of a run folder, such as 'reports/quick'"
        )
    return tables.load(home_expanded(folder))


def run(
    suite: str | Path | None = None,
    *,
    profile: str | None = None,
    seeds: str | Sequence[int] | None = None,
    only: str | Sequence[str] = (),
    workers: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    engine: Literal["process", "inline"] = "process",
    compile: Literal["never", "auto", "always"] | None = None,
    timeout: float | None = None,
    fail_fast: bool = False,
    stale: Literal["keep", "rerun"] | None = None,
    out: str | Path | None = None,
) -> Run:
    """Run what a suite of the project that the current folder lies in lacks, and load its tables.
    All is as `metabench run` has it.

    Parameters
    ----------
    suite
        Name or path; the project's default suite where none is named.
    profile
        One of the suite's profiles; it has a run folder of its own.
    seeds
        These of the suite's seeds only: a list, or text such as `0-4` or `0,2`.
    only
        These cells only: `algorithm=maml,fomaml`, or a list of such restrictions, all of which must
        hold.
    workers
        Fits at once; 0 for as many as cores, or one a GPU.
    threads
        Of each fit. Both are those of `benchmark.toml` unless said.
    device
        `auto` (CUDA where there is any), `cpu`, `cuda` or `cuda:N`.
    engine
        What fits run on: a `process` for each, or `inline`, one after another in this process.
    compile
        Whether the training steps of gradient-based methods are compiled: `never`, `always`, or
        `auto`, in long trainings of small networks; that of `benchmark.toml` unless said.
    timeout
        Seconds after which a fit is killed.
    fail_fast
        Stop at the first fit that fails.
    stale
        Records made under other conditions: `keep` lets them count, `rerun` makes them again;
        unsaid, they stop the run.
    out
        The run folder, instead of the suite's own in the project's reports.

    Raises
    ------
    ConfigError
        An option or the suite says something impossible. Nothing has been run or written.
    FolderError, StaleError
        The run folder cannot be used, or holds records made under other conditions.
    """
    from metabench import tables
    from metabench.verbs.run import run_project

    summary = run_project(
        suite,
        profile=profile,
        seeds=seeds,
        only=only,
        workers=workers,
        threads=threads,
        device=device,
        engine=engine,
        compile=compile,
        timeout=timeout,
        fail_fast=fail_fast,
        stale=stale,
        out=out,
    )
    return tables.load(summary.folder)


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("metabench")
    raise AttributeError(f"module 'metabench' has no attribute '{name}'")
