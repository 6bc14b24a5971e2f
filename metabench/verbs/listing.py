"""`metabench list`: suites, algorithms, datasets and models, one line each. Never imports torch."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from metabench import registry
from metabench.suite import suite_names
from metabench.suite.project import Project, load_project

Kind = Literal["suites"] | registry.Group
KINDS: tuple[Kind, ...] = ("suites", *registry.GROUPS)


def listing(options: argparse.Namespace) -> int:
    """The verb: one kind, or all of them under headings."""
    project = load_project()
    kinds: Sequence[Kind] = [options.kind] if options.kind else KINDS
    for kind in kinds:
        lines = _suites(project) if kind == "suites" else registry.describe(kind)
        if len(kinds) > 1:
            print(f"{kind}:")
        _print(lines, indent="  " if len(kinds) > 1 else "", none=f"none in {project.suites}" if kind == "suites" else "none")
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
    """Title of a suite, and its profiles; a file that is no TOML is listed as that."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"cannot be read: {str(error).partition(chr(10))[0]}"
    profiles = ", ".join(table["profiles"]) if isinstance(table.get("profiles"), dict) else ""
    return f"{table.get('title', '')}" + (f" (profiles: {profiles})" if profiles else "")
