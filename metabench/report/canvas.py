"""What all figures share: their style, their scales, and how numbers stand on axes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from metabench.report import svg, words
from metabench.report.palette import GRID, INK, MUTED

SIZE = (4.4, 3.0)
"""Inches of a panel. A unit of the drawing, a 72nd of an inch, is about a pixel of the page where
panels are shown three abreast or alone on a phone, so that its text is as large as small print."""

UNITS = 72
"""Units of an inch."""

STYLE = {
    **svg.STYLE,
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "text.color": INK[0],
    "axes.labelcolor": MUTED[0],
    "axes.edgecolor": GRID[0],
    "xtick.color": MUTED[0],
    "ytick.color": MUTED[0],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "axes.grid": True,
    "grid.color": GRID[0],
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "path.simplify": True,
}
"""rc settings of every figure, beside seaborn's."""

Panel = str
"""One `<svg>` element."""


@dataclass(frozen=True)
class Margins:
    """Units around the plots of a figure. They are told and not measured: letters are the
    browser's, which nobody knows here, and measuring takes as long as drawing."""

    left: float = 56
    right: float = 16
    top: float = 10
    bottom: float = 38
    between: float = 32


@contextmanager
def panel(
    width: float = SIZE[0], height: float = SIZE[1], margins: Margins | None = None
) -> Iterator[tuple[Figure, Axes]]:
    """A figure in the report's style, with one plot."""
    with grid(1, 1, width, height, margins or Margins()) as (figure, axes):
        yield figure, axes[0, 0]


@contextmanager
def grid(
    rows: int, columns: int, width: float, height: float, margins: Margins
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure in the report's style, with plots ``[rows, columns]``. No pyplot, so no state is
    left behind."""
    with mpl.rc_context(sns.axes_style("ticks") | STYLE):
        figure = Figure(figsize=(width, height))
        across, up = width * UNITS, height * UNITS
        plot = (
            (across - margins.left - margins.right) / columns,
            (up - margins.top - margins.bottom) / rows,
        )
        spacing = {
            "left": margins.left / across,
            "right": 1 - margins.right / across,
            "top": 1 - margins.top / up,
            "bottom": margins.bottom / up,
            "wspace": margins.between / (plot[0] - margins.between),
            "hspace": margins.between / (plot[1] - margins.between),
        }
        axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=spacing)
        for ax in axes.flat:
            ax.set_axisbelow(True)
        yield figure, axes
        figure.clear()


def scale(
    ax: Axes,
    which: Literal["x", "y"],
    log: bool,
    ticks: int = 5,
    limits: tuple[float, float] | None = None,
) -> None:
    """Few ticks and plain numbers; on a logarithmic scale at 1, 2 and 5 where decades are too far
    apart. `limits` are what is shown."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if log:
        ax.set(**{f"{which}scale": "log"})
    if limits is not None:
        ax.set(**{f"{which}lim": limits})
    if log:
        low, high = sorted(axis.get_view_interval())
        decades = math.log10(high / low) if low > 0 else 9.0
        axis.set_major_locator(
            LogLocator(subs=(1,) if decades > 2 else (1, 2, 5)) if decades > 0.8 else MaxNLocator(4)
        )
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(ticks))
    axis.set_major_formatter(FuncFormatter(number))


def number(value: float, _: int = 0) -> str:
    """A number at a tick."""
    return f"{value:,.10g}".replace(",", words.THIN).replace("-", words.MINUS)
