"""Names of methods, datasets and models, and the classes behind them.

Four groups: `methods`, `datasets`, `models`, `figures`. A name comes from an installed package's
entry points (`metabench.methods` and so on, the built-ins among them) or from `[plugins.methods]`
in `benchmark.toml`. Nothing is imported before it is used: listing all names with a line on each
reads source files only.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metabench.cells import Part
from metabench.errors import DataError, FolderError, PluginError, StartError, message_of
from metabench.registry.blame import fault, line_in, place, undisturbed
from metabench.registry.catalogue import (
    GROUPS,
    Group,
    class_line,
    describe,
    know_plugins,
    names,
    source_file,
    target,
    unknown_name,
)
from metabench.registry.contract import broken_contract, unwritable
from metabench.registry.settings import build, check, make_part
from metabench.terminal.signals import is_wanted
from metabench.text import one_line

__all__ = [
    "GROUPS",
    "Group",
    "accusation",
    "accused",
    "blamed",
    "checked",
    "configured",
    "describe",
    "get",
    "make",
    "names",
    "registered",
    "source_file",
    "target",
    "unknown_name",
    "use_plugins",
]

_classes: dict[tuple[Group, str], type[Any]] = {}
"""Those that were asked for and keep their contract."""


def use_plugins(plugins: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Make this process know a project's own plugins (see `know_plugins`), and forget the classes
    that it knew."""
    _classes.clear()
    know_plugins(plugins, folder)


def get(group: Group, name: str) -> type[Any]:
    """Import the class behind a name, and see that it keeps the contract (see `contract`).

    Raises
    ------
    ConfigError
        No such name; or, as a PluginError, its module cannot be imported, or the class breaks the
        contract.
    """
    if (found := _classes.get((group, name))) is not None:
        return found
    module, _, attribute = target(group, name).partition(":")
    _refuse_broken_torch()
    with blamed(group, name, doing="cannot be imported:"):
        found = getattr(importlib.import_module(module), attribute)
    with blamed(group, name):
        if broken := broken_contract(group, found, names("models")):
            raise accusation(group, name, broken)
    assert isinstance(found, type)
    _classes[group, name] = found
    return found


def _refuse_broken_torch() -> None:
    """Raise StartError where torch cannot be imported: it is no fault of the first method, dataset
    or model that imports it."""
    try:
        import torch  # noqa: F401
    except Exception as error:  # a broken install may raise anything
        raise StartError(
            f"torch cannot be imported: {one_line(message_of(error))}; `metabench doctor` says more"
        ) from error


@contextmanager
def blamed(
    group: Group, name: str, *passing: type[Exception], doing: str = "raised"
) -> Iterator[None]:
    """Tell whatever is raised within as the fault of the class behind a name; what it does to
    streams and working folder is undone.

    A DataError, which says what the user is to do, passes, and so do errors of the kinds `passing`,
    and Ctrl-C.

    Raises
    ------
    PluginError
        Anything else was raised, a SystemExit included.
    """
    try:
        with undisturbed():
            yield
    except PluginError as error:
        if error.group:
            raise
        raise PluginError(f"{_called(group, name)}: {error}", group, name) from error
    except BaseException as error:
        if is_wanted(error) or isinstance(error, (DataError, FolderError, *passing)):
            raise
        raise accusation(group, name, f"{doing} {fault(error)}", error) from error


def accusation(
    group: Group, name: str, what: str, error: BaseException | None = None
) -> PluginError:
    """The error that says what is wrong with the class behind a name, and where in its source:
    where `error` was raised, or the class begins."""
    where = target(group, name)
    file = source_file(where)
    at = (
        f" ({place(file, class_line(where) if error is None else line_in(error, file))})"
        if file
        else ""
    )
    return PluginError(f"{_called(group, name)} {what}{at}", group, name)


def _called(group: Group, name: str) -> str:
    return f"{group[:-1]} '{name}' ({target(group, name)})"


def accused(error: BaseException, parts: Iterable[tuple[Group, str]]) -> str:
    """Say which of these classes, those of this package left out, an error is the fault of: `raised
    by method 'odd' (odd.py, line 7)`.

    Frames of several may be in its traceback: the innermost counts. One of this package's own that
    breaks its contract does so because of the others.
    """
    foreign = {key: where for key in parts if not (where := target(*key)).startswith("metabench.")}
    files = {key: source_file(where) for key, where in foreign.items()}
    if isinstance(error, PluginError):
        others = [
            f"{group[:-1]} '{name}'{f' ({place(file)})' if file else ''}"
            for (group, name), file in files.items()
        ]
        return (
            f"together with {' and '.join(others)}"
            if others and (error.group, error.name) not in foreign
            else ""
        )
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        code = frame.f_code
        if there := [key for key, file in files.items() if file == Path(code.co_filename)]:
            # one file may hold several classes
            own = (
                key
                for key in there
                if code.co_qualname.startswith(f"{foreign[key].partition(':')[2]}.")
            )
            group, name = next(own, there[0])
            return f"raised by {group[:-1]} '{name}' ({place(Path(code.co_filename), line)})"
    return ""


def registered(found: type[Any]) -> tuple[Group, str] | None:
    """The group and name of a class that was asked for; None for any other."""
    return next((key for key, known in _classes.items() if known is found), None)


def configured(group: Group, name: str, values: Mapping[str, Any]) -> Part:
    """Return the part of a cell that the class behind a name plays with these settings, the others
    at their defaults.

    Raises
    ------
    ValueError
        A value does not fit its setting, or the settings refuse one another.
    PluginError
        The class breaks its contract.
    """
    found = get(group, name)
    with blamed(group, name, ValueError):
        part = make_part(name, found, values)
    for key, value in part.settings.items():
        if why := unwritable(value):
            raise accusation(group, name, f"has a setting {key} that {why}")
    return part


def checked(group: Group, name: str, key: str, value: Any) -> Any:
    """Return `value` as the class behind a name takes it for its setting `key`.

    Raises
    ------
    ValueError
        There is no such setting, or the value does not fit it; the message says what may stand
        there.
    PluginError
        The class breaks its contract.
    """
    settings = get(group, name).Settings
    with blamed(group, name, ValueError):
        return check(settings, name, key, value)


def make(group: Group, part: Part, *arguments: Any) -> Any:
    """Return an instance of the class behind a part of a cell, made from the part's settings and
    `arguments` (a model takes its task)."""
    found = get(group, part.name)
    return found(build(found.Settings, part.settings), *arguments)
