"""Contrasts over seeds, and hypotheses that bound them: what claims are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from metabench.stats.intervals import t_interval
from metabench.stats.results import DESCRIPTIVE, Estimate, checked, counted

Verdict = Literal["supported", "refuted", "inconclusive", "not judged"]


def contrast_interval(
    plus: Sequence[Sequence[float]],
    minus: Sequence[Sequence[float]],
    *,
    confidence: float = 0.95,
    unit: str = "",
    ratio: bool = False,
) -> Estimate:
    """Student's t interval of a contrast formed seed by seed: the sum of `plus` less the sum of
    `minus`, or product over product.

    One sample a side is the paired difference; two are a difference of differences. Ratios are
    estimated on the logarithms and told as ratios: the geometric mean, with an interval that is
    symmetric in factors.

    Parameters
    ----------
    plus, minus
        Samples ``[n]`` each, all in the same order of seeds.
    ratio
        Multiply and divide instead of adding and subtracting.

    Raises
    ------
    ValueError
        No samples or different lengths, a value that is not finite, or one of a ratio that is not
        positive.
    """
    signs = np.array([1.0] * len(plus) + [-1.0] * len(minus))
    samples = [checked(sample) for sample in (*plus, *minus)]
    if len({sample.size for sample in samples}) != 1:
        raise ValueError(
            "a contrast needs samples of one length, got "
            f"{', '.join(str(sample.size) for sample in samples)}"
        )
    values = np.stack(samples)
    n = values.shape[1]
    kind = "difference of differences" if len(samples) > 2 else "difference"
    if not ratio:
        estimate = t_interval(
            (signs @ values).tolist(),
            confidence=confidence,
            unit=unit,
            scale=float(np.abs(values).max()),
        )
        return replace(estimate, method=_method(f"mean {kind} with Student t interval", n))
    if (values <= 0).any():
        raise ValueError(f"ratios need positive values, got {values.min()}")
    logs = np.log(values)
    estimate = t_interval(
        (signs @ logs).tolist(), confidence=confidence, scale=max(1.0, float(np.abs(logs).max()))
    )
    with np.errstate(over="ignore"):  # an interval may well have no end that fits into a number
        interval = (
            None
            if estimate.interval is None
            else (float(np.exp(estimate.interval[0])), float(np.exp(estimate.interval[1])))
        )
    return replace(
        estimate,
        estimate=float(np.exp(estimate.estimate)),
        interval=interval,
        sd=None,  # that of the logarithms would be no number in the unit of the estimate
        method=_method("geometric mean ratio with Student t interval of its logarithm", n),
        unit="ratio",
    )


def judge(estimate: Estimate, low: float, high: float) -> Verdict:
    """Hold an interval against the hypothesis that the true value lies between `low` and `high`
    (either may be infinite).

    The whole interval inside: supported; the whole outside, on one side: refuted; else
    inconclusive. `DESCRIPTIVE` seeds or fewer, and no interval at all, are not judged. For a margin
    on both sides this is the interval form of two one-sided tests, each at half the level.

    Raises
    ------
    ValueError
        The bounds are the wrong way round.
    """
    if not low < high:
        raise ValueError(f"expected bounds with the smaller one first, got {low} and {high}")
    if estimate.interval is None or estimate.n <= DESCRIPTIVE:
        return "not judged"
    lower, upper = estimate.interval
    if low <= lower and upper <= high:
        return "supported"
    if upper < low or lower > high:
        return "refuted"
    return "inconclusive"


def judge_all(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a hypothesis that is to hold everywhere: supported if it is everywhere,
    refuted if it is anywhere, else inconclusive.

    Nothing that was judged gives nothing to say: not judged.
    """
    found = set(verdicts)
    if "refuted" in found:
        return "refuted"
    if found <= {"not judged"}:
        return "not judged"
    return "supported" if found == {"supported"} else "inconclusive"


def _method(what: str, n: int) -> str:
    return f"{what} over {counted(n, 'seed')}"
