"""The report: one self-contained HTML file, and the tables as CSV beside it. Everything it says was
computed in `tables`; here it is only shown."""

from metabench.report.page import render

__all__ = ["render"]
