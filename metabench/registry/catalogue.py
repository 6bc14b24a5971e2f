"""Names of methods, datasets, models and figures, and where the classes behind them lie.

Nothing is imported: listing all names with a line on each reads source files only.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, get_args

from metabench.errors import ConfigError, no_such

Group = Literal["methods", "datasets", "models", "figures"]
GROUPS: tuple[Group, ...] = get_args(Group)
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_plugins: dict[str, dict[str, str]] = {}


def know_plugins(plugins: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Make this process know a project's own plugins, in place of any it knew before.

    Parameters
    ----------
    plugins
        Group → name → `module:Class`, as in `benchmark.toml`.
    folder
        The project's folder, from which their modules can be imported. A worker process must be
        told both before its first `get`.
    """
    _plugins.clear()
    _plugins.update({group: dict(names) for group, names in plugins.items()})
    if any(plugins.values()) and str(folder) not in sys.path:
        # behind everything else: a json.py there must not stand in for the standard library's
        sys.path.append(str(folder))
    for group in GROUPS:
        _targets(group)  # refuses names that are taken


def names(group: Group) -> list[str]:
    """Return every name of a group, sorted."""
    return sorted(_targets(group))


def target(group: Group, name: str) -> str:
    """Return the `module:Class` behind a name.

    Raises
    ------
    ConfigError
        The group has no such name.
    """
    targets = _targets(group)
    if name not in targets:
        raise ConfigError(unknown_name(group, name))
    return targets[name]


def unknown_name(group: Group, name: str) -> str:
    """Return the complaint about a name that the group does not have."""
    return no_such(group[:-1], name, names(group))


def describe(group: Group) -> dict[str, str]:
    """Return name → summary of the class's docstring, read from the source without importing it
    (so without torch)."""
    return {name: _summary(where) for name, where in sorted(_targets(group).items())}


def source_file(where: str) -> Path | None:
    """Return the file of the module of `module:Class`, without importing it; None where there is no
    source."""
    first, *rest = where.partition(":")[0].split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(first)
        name = first
        for part in rest:  # importlib.util.find_spec("a.b") would import a
            name = f"{name}.{part}"
            spec = (
                PathFinder.find_spec(name, spec.submodule_search_locations)
                if spec and spec.submodule_search_locations
                else None
            )
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def class_line(where: str) -> int | None:
    """Return the line at which `module:Class` begins; None where there is no source."""
    node = _class_node(where)
    return node.lineno if node else None


def _targets(group: Group) -> dict[str, str]:
    targets = dict(_installed(group))
    for name, where in _plugins.get(group, {}).items():
        if not _TARGET.fullmatch(where):
            raise ConfigError(
                f"benchmark.toml: [plugins.{group}] {name} = '{where}': expected 'module:Class'"
            )
        if targets.get(name, where) != where:
            raise ConfigError(
                f"benchmark.toml: [plugins.{group}] {name}: the name is taken by {targets[name]}; "
                "choose another"
            )
        targets[name] = where
    return targets


@cache
def _installed(group: Group) -> Mapping[str, str]:
    """Entry points of installed packages. Reading them takes milliseconds, and they do not change
    while a process runs."""
    targets: dict[str, str] = {}
    for point in entry_points(group=f"metabench.{group}"):
        if targets.get(point.name, point.value) != point.value:
            raise ConfigError(
                f"two installed packages call a {group[:-1]} '{point.name}': {targets[point.name]} "
                f"and {point.value}; uninstall one"
            )
        targets[point.name] = point.value
    return targets


def _summary(where: str) -> str:
    node = _class_node(where)
    summary = ((ast.get_docstring(node) if node else None) or "").partition("\n\n")[0]
    return " ".join(summary.split())


def _class_node(where: str) -> ast.ClassDef | None:
    """The class of `module:Class` in its source, which nobody has to be able to run."""
    file = source_file(where)
    try:
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    wanted = where.partition(":")[2]
    return next(
        (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted), None
    )
