"""`metabench list`: suites, methods, datasets and models, one line each. Never imports torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from metabench import registry
from metabench.errors import ConfigError
from metabench.suite import suite_names
from metabench.suite.document import read_document
from metabench.suite.project import Project
from metabench.verbs.target import current_project

Kind = Literal["suites"] | registry.Group
KINDS: tuple[Kind, ...] = ("suites", *registry.GROUPS)


def listing(options: argparse.Namespace) -> int:
    """The verb: one kind, or all of them under headings."""
    project = current_project()
    kinds: Sequence[Kind] = [options.kind] if options.kind else KINDS
    for kind in kinds:
        lines = _suites(project) if kind == "suites" else registry.describe(kind)
        if len(kinds) > 1:
            print(f"{kind}:")
        _print(
            lines,
            indent="  " if len(kinds) > 1 else "",
            none=f"none in {project.suites}" if kind == "suites" else "none",
        )
    return 0


def _print(lines: Mapping[str, str], indent: str, none: str) -> None:
    width = max((len(name) for name in lines), default=0)
    for name, line in lines.items():
        print(f"{indent}{name:<{width}}  {line}".rstrip())
    if not lines:
        print(f"{indent}{none}")


def _suites(project: Project) -> dict[str, str]:
    return {name: _title(project.suites / f"{name}.toml") for name in suite_names(project)}


def _title(path: Path) -> str:
    """Title of a suite in one line, and its profiles; of a file that is no TOML, what is wrong with
    it."""
    try:
        table = read_document(path).data
    except ConfigError as error:
        return str(error).partition("\n")[0]
    title = "".join(
        letter if letter.isprintable() else " " for letter in str(table.get("title", ""))
    )
    profiles = ", ".join(table["profiles"]) if isinstance(table.get("profiles"), dict) else ""
    return title + (f" (profiles: {profiles})" if profiles else "")
