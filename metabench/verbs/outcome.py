"""What `compare` and `ab` end with: what they found, written wherever it is wanted, and an exit
status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from metabench.compare import (
    SUFFIXES,
    Comparison,
    Timing,
    page_of_comparison,
    page_of_timing,
    print_page,
    written,
)
from metabench.errors import FolderError, UnwritableError
from metabench.io.files import write_text
from metabench.terminal.console import console
from metabench.text import one_line

RUN_FOLDERS = ("records", "tables", "weights", "confirmation")

WIDE = 120
"""Columns of what goes into a pipe or a file."""


def show(found: Comparison | Timing, options: argparse.Namespace) -> int:
    """Print what was found, write the files that are wanted, and return the exit status."""
    counts = found.counts
    is_open = options.strict and (counts["inconclusive"] or counts["refused"])
    status = 1 if counts["regressed"] else 4 if is_open else 0
    if isinstance(found, Comparison) and all(one.verdict == "refused" for one in found.groups):
        status = 2  # a gate that compared nothing has not been passed
    for path in map(Path, options.out):
        form = SUFFIXES.get(path.suffix, options.format)
        try:
            write_text(path, written(found, form, status))
        except UnwritableError as error:
            raise FolderError(str(error)) from error
    if options.format != "text":
        sys.stdout.write(written(found, options.format, status))
        return status
    page = page_of_comparison(found) if isinstance(found, Comparison) else page_of_timing(found)
    print_page(page, console(width=None if sys.stdout.isatty() else WIDE))
    return status


def _is_of_a_run(path: Path) -> bool:
    """Whether what a run folder is made of would be written over."""
    inside = path.parent.name in RUN_FOLDERS and Path(path.parent.parent, "cells.json").exists()
    return inside or path.name in ("cells.json", ".run.json")


def refuse_unwritable(paths: Iterable[str]) -> None:
    """See that files can be written, before what is to be written takes hours.

    Raises
    ------
    FolderError
        One cannot.
    """
    for path in map(Path, paths):
        folder = path.parent
        why = (
            "is a folder"
            if path.is_dir()
            else f"its name ends in none of {', '.join(SUFFIXES)}"
            if path.suffix not in SUFFIXES
            else "belongs to a run folder"
            if _is_of_a_run(path)
            else f"there is no folder {one_line(folder)}"
            if not folder.is_dir()
            else ""
            if os.access(folder, os.W_OK | os.X_OK)
            else "its folder is read-only"
        )
        if why:
            raise FolderError(f"--out {one_line(path)}: {why}; choose another file")
