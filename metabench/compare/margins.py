"""Which changes of a score matter: options, else `[compare]` of the suite as the baseline keeps it,
else that of `benchmark.toml`, else 3 points and 1 point, or ratios of 1.25 and 1.08."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from metabench.errors import ConfigError
from metabench.stats import ACCURACY, SQUARED_ERROR, Margins
from metabench.suite.document import read_document
from metabench.suite.parsing import parse
from metabench.suite.project import Project
from metabench.suite.schema import CompareTable, Table
from metabench.tables.typed_rows import Metric


@dataclass(frozen=True)
class MarginPair:
    """The margins of both kinds of scores.

    Attributes
    ----------
    margin, trivial
        Of scores that are fractions: the loss that must not pass unnoticed, and below which none
        matters.
    margin_ratio, trivial_ratio
        The same of errors, which are compared as ratios.
    """

    margin: float = ACCURACY.unnoticed
    trivial: float = ACCURACY.trivial
    margin_ratio: float = SQUARED_ERROR.unnoticed
    trivial_ratio: float = SQUARED_ERROR.trivial

    def of(self, metric: Metric) -> Margins:
        """Those of one metric."""
        better = metric.higher_is_better
        if metric.unit == "fraction":
            return Margins(self.margin, self.trivial, "linear", better)
        return Margins(self.margin_ratio, self.trivial_ratio, "log", better)


class _Kept(Table):
    """A suite as a run folder keeps it, of which this alone is read here."""

    model_config = ConfigDict(extra="ignore")

    compare: CompareTable = CompareTable()


def margins_of(baseline: Path | None, project: Project, said: Mapping[str, Any]) -> MarginPair:
    """Return the margins that hold.

    Those of the baseline's suite count, and not of head's: whoever makes a change does not choose
    by which it is judged.

    Parameters
    ----------
    baseline
        Its run folder.
    said
        By options; None means nothing was.

    Raises
    ------
    ConfigError
        They are not in order, or the kept suite cannot be read.
    """
    kept = baseline / "suite.toml" if baseline is not None else None
    of_suite: dict[str, Any] = {}
    if kept is not None and os.path.lexists(kept):
        of_suite = parse(read_document(kept), _Kept).compare.said()
    options = {key: value for key, value in said.items() if value is not None}
    found = MarginPair(**{**project.compare, **of_suite, **options})
    for least, most in (("trivial", "margin"), ("trivial_ratio", "margin_ratio")):
        if not getattr(found, least) < getattr(found, most):
            raise ConfigError(
                f"{least} = {getattr(found, least):g}: expected less than {most} = "
                f"{getattr(found, most):g}, the loss that must not pass unnoticed"
            )
    return found
