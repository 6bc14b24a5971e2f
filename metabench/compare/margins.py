"""Which changes of a score matter: options, else `[compare]` of the suite as the baseline keeps it,
else that of `benchmark.toml`, else 3 points and 1 point, or ratios of 1.25 and 1.08."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metabench.errors import ConfigError
from metabench.suite.project import Project
from metabench.tables.margins import MarginPair, said_margins


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
        of_suite = said_margins(kept)
    options = {key: value for key, value in said.items() if value is not None}
    found = MarginPair(**{**project.compare, **of_suite, **options})
    for least, most in (("trivial", "margin"), ("trivial_ratio", "margin_ratio")):
        if not getattr(found, least) < getattr(found, most):
            raise ConfigError(
                f"{least} = {getattr(found, least):g}: expected less than {most} = "
                f"{getattr(found, most):g}, the loss that must not pass unnoticed"
            )
    return found
