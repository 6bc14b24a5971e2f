"""The report: one self-contained HTML file, and the tables as CSV beside it. Everything it says was
computed in `tables`; here it is only shown."""

from metabench.report.page import page, render

__all__ = ["page", "render"]
