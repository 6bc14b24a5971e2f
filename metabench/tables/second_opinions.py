"""What stands beside the t-test of a declared comparison: tests without a normal law, and how many
seeds would find what must not pass unnoticed."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabench import stats
from metabench.tables.margins import MarginPair, on_scale
from metabench.tables.typed_rows import Metric

SIGNS = 0
"""Seed of the patterns of signs that are drawn where there are too many to go through: the same
records give the same p."""


def second_opinions(
    contest: stats.Contest | None,
    decision: stats.Decision | None,
    metric: Metric,
    margins: MarginPair,
) -> dict[str, Any]:
    """Return the columns `p_sign_flip`, `p_wilcoxon`, `margin` and `seeds_for_margin`. What the
    t-test was not put to, the others are not either."""
    if contest is None or decision is None:
        return {}
    told = _seeds_for_margin(decision.compared, metric, margins)
    if decision.compared.p is None:
        return told
    flips, ranks = contest.second_opinions(np.random.default_rng(SIGNS))
    return told | {"p_sign_flip": flips.p, "p_wilcoxon": ranks.p}


def _seeds_for_margin(
    compared: stats.PairedComparison, metric: Metric, margins: MarginPair
) -> dict[str, Any]:
    """At the family's strictest level and 80 % power, as the smallest detectable difference is;
    never so few that nothing would be tested."""
    margin, size = margins.unnoticed(metric, compared.scale), compared.family_size
    if margin is None or not compared.sd or size is None:
        return {}
    found = stats.seeds_needed(
        compared.sd, on_scale(margin, compared.scale), alpha=compared.level / size
    )
    seeds = None if found is None else max(found, stats.DESCRIPTIVE + 1)
    return {"margin": margin, "seeds_for_margin": seeds}
