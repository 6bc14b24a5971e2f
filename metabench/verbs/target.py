"""Which run folder is meant by the name of a suite, a path to one, or a folder. Without importing torch."""

from __future__ import annotations

from pathlib import Path

from metabench.errors import FolderError
from metabench.suite import find_suite
from metabench.suite.project import Project


def run_folder(named: str | None, project: Project, profile: str | None = None) -> Path:
    """Folder of the run that is meant.

    Parameters
    ----------
    named : a run folder; or a suite by name or path, whose folder in the project's reports is meant; None means the project's default suite.

    Raises
    ------
    FolderError, ConfigError : there is no such run, or no such suite.
    """
    if named is not None and profile is None:
        for folder in (Path(named), project.reports / named):
            if (folder / "cells.json").is_file():
                return folder.absolute()
    if named is not None and Path(named).is_dir():
        raise FolderError(f"{named}: is no run folder: it has no cells.json. `metabench run` makes one")
    stem = find_suite(named, project).stem
    name = stem if profile is None else f"{stem}-{profile}"
    if not (project.reports / name / "cells.json").is_file():
        command = " ".join(["metabench run", *([named] if named else []), *(["--profile", profile] if profile else [])])
        raise FolderError(f"suite '{name}' has not been run yet: {project.reports / name} holds no run. `{command}` begins one")
    return project.reports / name
