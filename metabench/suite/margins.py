"""Whether the margins of a suite are in order, before a run keeps them for every later
comparison."""

from __future__ import annotations

from metabench.suite.document import Document
from metabench.suite.project import Project
from metabench.suite.schema import SuiteTable


def refuse_crossed_margins(document: Document, table: SuiteTable, project: Project) -> None:
    """Refuse a trivial loss that is not below the one that must not pass unnoticed.

    Raises
    ------
    ConfigError
        At the key of the suite that says so, with where the other one comes from.
    """
    if not (said := table.compare.said()):
        return
    held = {**_usual(), **project.compare, **said}
    for least, most in (("trivial", "margin"), ("trivial_ratio", "margin_ratio")):
        if held[least] >= held[most] and {least, most} & said.keys():
            key, other = (least, most) if least in said else (most, least)
            where = "" if other in said else " by default"
            where = " in benchmark.toml" if other in {*project.compare} - {*said} else where
            than = "less" if key == least else "more"
            why = f"expected {than} than {other}, which is {held[other]:g}{where}"
            raise document.error((("compare", key), why))


def _usual() -> dict[str, float]:
    """What holds where nobody says anything."""
    from metabench.stats import ACCURACY, SQUARED_ERROR  # which import numpy

    return {
        "margin": ACCURACY.unnoticed,
        "trivial": ACCURACY.trivial,
        "margin_ratio": SQUARED_ERROR.unnoticed,
        "trivial_ratio": SQUARED_ERROR.trivial,
    }
