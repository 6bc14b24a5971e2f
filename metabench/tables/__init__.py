"""Records as tables: one row a cell, one row a group of seeds, one row a comparison. All of a
report's statistics are computed here."""

from metabench.tables.beside import Beside, beside
from metabench.tables.curves import Curves, curves
from metabench.tables.environment import environment
from metabench.tables.frames import read_csv, rows
from metabench.tables.kept import Shown, known_figures, shown
from metabench.tables.run import Run, load

__all__ = [
    "Beside",
    "Curves",
    "Run",
    "Shown",
    "beside",
    "curves",
    "environment",
    "known_figures",
    "load",
    "read_csv",
    "rows",
    "shown",
]
