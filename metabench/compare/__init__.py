"""Two runs set side by side, and two checkouts timed in turn: what became worse, with which
certainty."""

from metabench.compare.checkouts import Checkout, checkouts
from metabench.compare.confirming import FreshSeeds
from metabench.compare.entries import Line, as_line, read_entry
from metabench.compare.formats import FORMATS, SUFFIXES, Format, print_page, written
from metabench.compare.judging import compare
from metabench.compare.margins import margins_of
from metabench.compare.pages import page_of_comparison, page_of_timing
from metabench.compare.sides import Side, read_side
from metabench.compare.timing import Timing, Workload, measure
from metabench.compare.verdicts import Comparison
from metabench.tables.margins import MarginPair

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Checkout",
    "Comparison",
    "Format",
    "FreshSeeds",
    "Line",
    "MarginPair",
    "Side",
    "Timing",
    "Workload",
    "as_line",
    "checkouts",
    "compare",
    "margins_of",
    "measure",
    "page_of_comparison",
    "page_of_timing",
    "print_page",
    "read_entry",
    "read_side",
    "written",
]
