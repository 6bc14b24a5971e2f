"""Contrasts over seeds, and hypotheses that bound them: what claims are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from metabench.stats.comparison import Comparison
from metabench.stats.intervals import t_interval
from metabench.stats.results import DESCRIPTIVE, Estimate, Matrix, checked, counted
from metabench.stats.scales import Scale, difference_from_scale, magnitude, to_scale

Verdict = Literal["supported", "refuted", "inconclusive", "not judged"]

_DIFFERENCE: Scale = "linear"
_RATIO: Scale = "log"


def contrast_interval(
    plus: Sequence[Sequence[float]],
    minus: Sequence[Sequence[float]],
    *,
    confidence: float = 0.95,
    unit: str = "",
    ratio: bool = False,
    over: str = "seed",
) -> Comparison:
    """Student's t interval of a contrast formed seed by seed: the sum of `plus` less the sum of
    `minus`, or product over product.

    One sample a side is the paired difference; two are a difference of differences. Ratios are
    estimated on the logarithms and told as ratios: the geometric mean, with an interval that is
    symmetric in factors. Nothing is tested: what bounds a contrast is a hypothesis (`judge`).

    Parameters
    ----------
    plus, minus
        Samples ``[n]`` each, all in the same order of seeds.
    ratio
        Multiply and divide instead of adding and subtracting.
    over
        What the samples have one value of each.

    Raises
    ------
    ValueError
        No samples or different lengths, a value that is not finite, or one of a ratio that is not
        positive.
    """
    signs = np.array([1.0] * len(plus) + [-1.0] * len(minus))
    values, scale = _stacked((*plus, *minus)), _RATIO if ratio else _DIFFERENCE
    if ratio and (values <= 0).any():
        raise ValueError(f"ratios need positive values, got {values.min()}")
    analysed = to_scale(values, scale)
    found = t_interval(
        (signs @ analysed).tolist(),
        confidence=confidence,
        scale=magnitude(analysed, scale),
        over=over,
    )
    kind = "difference of differences" if len(values) > 2 else "difference"
    what = (
        "geometric mean ratio with Student t interval of its logarithm"
        if ratio
        else f"mean {kind} with Student t interval"
    )
    return Comparison(
        difference_from_scale(found.estimate, scale),
        None,
        confidence,
        None if ratio else found.sd,  # that of the logarithms would be no number in the unit
        found.n,
        f"{what} over {counted(found.n, over)}",
        "ratio" if ratio else unit,
        found.caveats,
        difference=float((signs @ values).mean()),
        scale=scale,
        location=found.estimate,
        standard_error=found.sd / found.n**0.5 if found.sd else None,
        level=1 - confidence,
        df=found.n - 1,
    ).at(confidence)


def known_contrast(
    plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]], *, ratio: bool = False
) -> Estimate:
    """The same contrast of samples whose values `are_the_same`, because they were counted and no
    chance is in them: known without an error, from one seed on.

    Raises
    ------
    ValueError
        No samples or different lengths, or a value of a ratio that is not positive.
    """
    values = _stacked((*plus, *minus))
    if ratio and (values <= 0).any():
        raise ValueError(f"ratios need positive values, got {values.min()}")
    first, others = values[: len(plus), 0], values[len(plus) :, 0]
    known = float(first.prod() / others.prod() if ratio else first.sum() - others.sum())
    n = values.shape[1]
    return Estimate(known, (known, known), 1.0, 0.0, n, f"counted, alike in {counted(n, 'seed')}")


def are_the_same(*samples: Sequence[float]) -> bool:
    """Whether each sample has one and the same value throughout."""
    return all(len({*sample}) == 1 for sample in samples)


def _stacked(samples: Sequence[Sequence[float]]) -> Matrix:
    """``[samples, n]``."""
    known = [checked(sample) for sample in samples]
    if len({sample.size for sample in known}) != 1:
        raise ValueError(
            "a contrast needs samples of one length, got "
            f"{', '.join(str(sample.size) for sample in known)}"
        )
    return np.stack(known)


def judge(estimate: Comparison, low: float, high: float, *, settings: int = 1) -> Verdict:
    """Hold an interval against the hypothesis that the true value lies between `low` and `high`
    (either may be infinite).

    The whole interval inside: supported; the whole outside, on one side: refuted; else
    inconclusive. `DESCRIPTIVE` seeds or fewer, and no interval at all, are not judged. For a margin
    on both sides this is the interval form of two one-sided tests, each at half the level.

    A hypothesis about several settings is refuted by any of them, so that each has as many chances
    to be refuted falsely: there the interval of a refutation is at the level over `settings`
    (Bonferroni). Support needs all of them and no correction.

    Parameters
    ----------
    settings
        Number of settings that the hypothesis is about, this one included.

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
    if settings > 1:
        lower, upper = estimate.at(1 - (1 - estimate.confidence) / settings).interval or (low, high)
    if upper < low or lower > high:
        return "refuted"
    return "inconclusive"


def judge_all(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a hypothesis that is to hold everywhere: supported if it is everywhere,
    refuted if it is anywhere (each judged with all `settings`), else inconclusive.

    Nothing that was judged gives nothing to say: not judged.
    """
    found = set(verdicts)
    if "refuted" in found:
        return "refuted"
    if found <= {"not judged"}:
        return "not judged"
    return "supported" if found == {"supported"} else "inconclusive"
