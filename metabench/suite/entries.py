"""The entries of a suite, `[algorithms.X]`, `[models.X]` and `[datasets.X]`: whether what they name
is registered, and takes the settings that they give it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from metabench.registry import Group, checked, names, unknown_name
from metabench.suite.document import KeyPath
from metabench.suite.schema import TABLE_OF
from metabench.suite.written import Written

SEEDS_BELONG = (
    "what follows the seed is not said here: init, data and test stand in [seeds], in [[override]] "
    "(seeds.init = 0, with when = ... for a part of the grid), or on an axis"
)


def check_entries(written: Written) -> None:
    """Refuse entries for names that nobody registered, and settings that they do not take; entries
    that no grid uses included.

    Raises
    ------
    ConfigError
        With a line for each.
    """
    groups: tuple[Group, ...] = ("methods", "models", "datasets")
    problems: list[tuple[KeyPath, str]] = []
    for group in groups:
        for label, entry in getattr(written.table, TABLE_OF[group]).items():
            settings, registered = entry.settings(), written.labels[group][label]
            if registered not in names(group):
                problems.append(_unregistered(written, group, label, registered, settings))
                continue
            for key, value in settings.items():
                try:
                    checked(group, registered, key, value)
                except ValueError as error:
                    is_seeds = key == "seeds" and "unknown key" in str(error)
                    told = SEEDS_BELONG if is_seeds else str(error)
                    problems.append(((TABLE_OF[group], label, key), told))
    if problems:
        raise written.document.error(*problems)


def _unregistered(
    written: Written, group: Group, label: str, registered: str, settings: Mapping[str, Any]
) -> tuple[KeyPath, str]:
    key, table = group[:-1], TABLE_OF[group]
    if key in written.document.value((table, label)):
        return (table, label, key), unknown_name(group, registered)
    meant = get_close_matches(key, settings, n=1)
    return (
        (table, label),
        f"lacks '{key}'{f' (is {meant[0]!r} meant for it?)' if meant else ''}: "
        f"{unknown_name(group, registered)}",
    )
