"""Which project is meant, and which run folder by the name of a suite, a path to one, or a folder.
Without importing torch."""

from __future__ import annotations

import sys
from pathlib import Path

from metabench.errors import FolderError
from metabench.suite import find_suite
from metabench.suite.project import Project, load_project
from metabench.text import one_line


def current_project() -> Project:
    """The project that the current folder lies in; where that is another folder, a line on stderr
    says which.

    Raises
    ------
    ConfigError
        Its `benchmark.toml` says something impossible.
    """
    project = load_project()
    if project.root != Path.cwd():
        print(f"project: {one_line(project.root)}", file=sys.stderr)
    return project


def run_folder(named: str | None, project: Project, profile: str | None = None) -> Path:
    """Folder of the run that is meant.

    Parameters
    ----------
    named
        A run folder; or a suite by name or path, whose folder in the project's reports is meant;
        None means the project's default suite.

    Raises
    ------
    FolderError, ConfigError
        There is no such run, or no such suite.
    """
    if named == "":
        raise FolderError("'' names no run folder, nor a suite")
    if named is not None and profile is None:
        for folder in (Path(named), project.reports / named):
            if _is_run(folder):
                return folder.absolute()
    if named is not None and Path(named).is_dir():
        raise FolderError(
            f"{one_line(named)}: is no run folder: it has no cells.json. `metabench run` makes one"
        )
    stem = find_suite(named, project).stem
    name = stem if profile is None else f"{stem}-{profile}"
    if not _is_run(project.reports / name):
        command = " ".join(
            [
                "metabench run",
                *([named] if named else []),
                *(["--profile", profile] if profile else []),
            ]
        )
        raise FolderError(
            f"suite '{one_line(name)}' has not been run yet: {project.reports / name} holds no "
            f"run. `{command}` begins one"
        )
    return project.reports / name


def _is_run(folder: Path) -> bool:
    """Whether a folder has a `cells.json`, whatever that is: what is wrong with it is told by who
    reads it."""
    try:
        (folder / "cells.json").lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no path at all
        return False
    except OSError as error:  # without permission, or too long for a path
        raise FolderError(f"{one_line(folder)}: cannot be read: {error.strerror}") from error
    return True
