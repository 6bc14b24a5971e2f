"""What a run folder keeps of its suite: `suite.toml`, of which comparisons read one table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict

from metabench.suite.document import read_document
from metabench.suite.parsing import parse
from metabench.suite.schema import CompareTable, Table

NAME = "suite.toml"


class _Kept(Table):
    """A suite as a run folder keeps it, of which this alone is read here."""

    model_config = ConfigDict(extra="ignore")

    compare: CompareTable = CompareTable()


def kept_margins(folder: Path) -> Mapping[str, float]:
    """Return what `[compare]` says in the suite that a run folder keeps; nothing where it keeps
    none.

    Raises
    ------
    ConfigError
        It cannot be read.
    """
    if not keeps_suite(folder):
        return {}
    return parse(read_document(folder / NAME), _Kept).compare.said()


def keeps_suite(folder: Path) -> bool:
    """Whether a run folder keeps its suite."""
    return os.path.lexists(folder / NAME)
