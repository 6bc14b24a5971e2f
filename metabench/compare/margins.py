"""Which changes of a score matter: options, else `[compare]` of the suite as the baseline keeps it,
else that of `benchmark.toml`, else 3 points and 1 point, or ratios of 1.25 and 1.08."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metabench.errors import ConfigError
from metabench.suite.project import Project
from metabench.tables.margins import MarginPair


def margins_of(
    baseline: Mapping[str, float], project: Project, said: Mapping[str, Any]
) -> MarginPair:
    """Return the margins that hold.

    Those of the baseline's suite count, and not of head's: whoever makes a change does not choose
    by which it is judged.

    Parameters
    ----------
    baseline
        Those of its suite (see `suite.kept`).
    said
        By options; None means nothing was.

    Raises
    ------
    ConfigError
        They are not in order.
    """
    options = {key: value for key, value in said.items() if value is not None}
    found = MarginPair(**{**project.compare, **baseline, **options})
    for least, most in (("trivial", "margin"), ("trivial_ratio", "margin_ratio")):
        if not getattr(found, least) < getattr(found, most):
            raise ConfigError(
                f"{least} = {getattr(found, least):g}: expected less than {most} = "
                f"{getattr(found, most):g}, the loss that must not pass unnoticed"
            )
    return found
