"""Where suites are: by name in the project's folder, or by path."""

from __future__ import annotations

import os
from pathlib import Path

from metabench.errors import ConfigError, nearest, some
from metabench.suite.project import Project
from metabench.suite.value_types import is_name
from metabench.text import one_line

MANY = 20
"""Names that a message lists; more are counted."""


def find_suite(name_or_path: str | None, project: Project) -> Path:
    """Return the file of a suite.

    Raises
    ------
    ConfigError
        There is none; the message lists those that there are.
    """
    known = suite_names(project)
    wanted = name_or_path if name_or_path is not None else project.suite
    there = f"there are {some(known, MANY) or 'none'} in {project.suites.name}/"
    if wanted is None:
        raise ConfigError(f"which suite? Name one, or set suite in benchmark.toml; {there}")
    is_path = "/" in wanted or wanted.endswith(".toml")
    path = Path(wanted) if is_path else project.suites / f"{wanted}.toml"
    if name_or_path is None and is_path:
        path = project.root / path
    if not is_name(path.stem):
        raise ConfigError(
            f"'{one_line(wanted)}' cannot name a suite: use letters, digits and _ . + - only, at "
            "most 64, with no . or - in front"
        )
    try:
        found = path.is_file()
    except OSError as error:  # without permission, or too long
        raise ConfigError(f"'{one_line(wanted)}': cannot be read: {error.strerror}") from None
    if not found or path.suffix != ".toml":
        if is_path:
            why = _what_stands_at(path) or _no_such_file(path)
        elif what := _what_stands_at(path):
            why = f"{path.name} in {project.suites.name}/ {what}"
        else:
            why = f"no such suite; {there}{nearest(wanted, known)}"
        raise ConfigError(f"'{one_line(wanted)}': {one_line(why)}")
    return path


def suite_names(project: Project) -> list[str]:
    """Return the names of the project's suites, sorted.

    Raises
    ------
    ConfigError
        The folder of the suites cannot be read.
    """
    try:
        files = [Path(entry.name) for entry in os.scandir(project.suites) if _is_file(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"{project.suites}: the suites cannot be read: {error.strerror}"
        ) from None
    return sorted(file.stem for file in files if file.suffix == ".toml" and is_name(file.stem))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether this is a regular file; a link that leads nowhere, or round in a loop, is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _what_stands_at(path: Path) -> str:
    """Say what is in the place of a suite, or nothing where nothing is."""
    if path.exists():
        return f"is {'a folder' if path.is_dir() else 'another file'}, and a suite is a TOML file"
    if path.is_symlink():
        return f"is a link to {path.readlink()}, where no file is"
    return ""


def _no_such_file(path: Path) -> str:
    meant = path.with_name(f"{path.name}.toml")
    return "no such file" + (f" (did you mean '{meant}'?)" if meant.is_file() else "")
