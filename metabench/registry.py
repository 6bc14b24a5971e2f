"""Names of methods, datasets and models, and the classes behind them.

Three groups: `algorithms`, `datasets`, `models`. A name comes from an installed package's entry points (`metabench.algorithms` and so on, the
built-ins among them) or from `[plugins.algorithms]` in `benchmark.toml`. Nothing is imported before it is used: listing all names with a line
on each reads source files only.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, get_args

from metabench.cells import Part
from metabench.errors import ConfigError, nearest
from metabench.settings import build

Group = Literal["algorithms", "datasets", "models"]
GROUPS: tuple[Group, ...] = get_args(Group)
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_plugins: dict[str, dict[str, str]] = {}


def use_plugins(plugins: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Make this process know a project's own plugins, in place of any it knew before.

    Parameters
    ----------
    plugins : group → name → `module:Class`, as in `benchmark.toml`.
    folder : the project's folder, from which their modules can be imported. A worker process must be told both before its first `get`.
    """
    _plugins.clear()
    _plugins.update({group: dict(names) for group, names in plugins.items()})
    if any(plugins.values()) and str(folder) not in sys.path:
        sys.path.append(str(folder))  # behind everything else: a json.py there must not stand in for the standard library's
    for group in GROUPS:
        _targets(group)  # refuses names that are taken


def names(group: Group) -> list[str]:
    """Return every name of a group, sorted."""
    return sorted(_targets(group))


def target(group: Group, name: str) -> str:
    """Return the `module:Class` behind a name.

    Raises
    ------
    ConfigError : the group has no such name.
    """
    targets = _targets(group)
    if name not in targets:
        raise ConfigError(unknown_name(group, name))
    return targets[name]


def unknown_name(group: Group, name: str) -> str:
    """Return the complaint about a name that the group does not have."""
    return f"no {group[:-1]} is called '{name}'; there are {', '.join(names(group)) or 'none'}{nearest(name, names(group))}"


def get(group: Group, name: str) -> type[Any]:
    """Import the class behind a name, and see that it keeps the contract (`version`, `Settings`).

    Raises
    ------
    ConfigError : no such name, its module cannot be imported, or the class breaks the contract.
    """
    where = target(group, name)
    module, _, attribute = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a plugin's module may raise anything at all
        raise ConfigError(f"{group[:-1]} '{name}' ({where}) cannot be imported: {type(error).__name__}: {error}") from error
    if broken := _broken_contract(group, found):
        raise ConfigError(f"{group[:-1]} '{name}' ({where}) {broken}")
    assert isinstance(found, type)
    return found


def make(group: Group, part: Part, *arguments: Any) -> Any:
    """Return an instance of the class behind a part of a cell, made from the part's settings and `arguments` (a model takes its task)."""
    found = get(group, part.name)
    return found(build(found.Settings, part.settings), *arguments)


def describe(group: Group) -> dict[str, str]:
    """Return name → first line of the class's docstring, read from the source without importing it (so without torch)."""
    return {name: _first_docstring_line(where) for name, where in sorted(_targets(group).items())}


def source_file(where: str) -> Path | None:
    """Return the file of the module of `module:Class`, without importing it; None where there is no source."""
    first, *rest = where.partition(":")[0].split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(first)
        name = first
        for part in rest:  # importlib.util.find_spec("a.b") would import a
            name = f"{name}.{part}"
            spec = PathFinder.find_spec(name, spec.submodule_search_locations) if spec and spec.submodule_search_locations else None
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _targets(group: Group) -> dict[str, str]:
    targets = dict(_installed(group))
    for name, where in _plugins.get(group, {}).items():
        if not _TARGET.fullmatch(where):
            raise ConfigError(f"benchmark.toml: [plugins.{group}] {name} = '{where}': expected 'module:Class'")
        if targets.get(name, where) != where:
            raise ConfigError(f"benchmark.toml: [plugins.{group}] {name}: the name is taken by {targets[name]}; choose another")
        targets[name] = where
    return targets


@cache
def _installed(group: Group) -> Mapping[str, str]:
    """Entry points of installed packages. Reading them takes milliseconds, and they do not change while a process runs."""
    targets: dict[str, str] = {}
    for point in entry_points(group=f"metabench.{group}"):
        if targets.get(point.name, point.value) != point.value:
            raise ConfigError(f"two installed packages call a {group[:-1]} '{point.name}': {targets[point.name]} and {point.value}; uninstall one")
        targets[point.name] = point.value
    return targets


def _broken_contract(group: Group, found: Any) -> str:
    """Say what keeps a class from being registered, or nothing."""
    if not isinstance(found, type):
        return "is not a class"
    wanted = {"algorithms": ("kinds",), "datasets": ("kind", "default_model", "metric"), "models": ("kinds", "has_batch_norm")}[group]
    if missing := [attribute for attribute in ("version", "Settings", *wanted) if not hasattr(found, attribute)]:
        return f"lacks {', '.join(missing)}"
    settings = found.Settings  # type: ignore[attr-defined]
    if not dataclasses.is_dataclass(settings):
        return "has Settings that are not a dataclass"
    empty = dataclasses.MISSING
    if bare := [field.name for field in dataclasses.fields(settings) if field.default is empty and field.default_factory is empty]:
        return f"has Settings without a default for {', '.join(bare)}"
    if group == "algorithms" and "test_batch_norm" not in {field.name for field in dataclasses.fields(settings)}:
        return "has Settings without test_batch_norm"
    return ""


def _first_docstring_line(where: str) -> str:
    file = source_file(where)
    try:
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    wanted = where.partition(":")[2]
    docstrings = (ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted)
    return next(((text or "").partition("\n")[0] for text in docstrings), "")
