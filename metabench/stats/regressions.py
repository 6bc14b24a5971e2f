"""Whether scores got worse between two versions: a screen over a suite's seeds, and a confirmation
on fresh ones.

One look that asks for an estimate beyond the margin and a corrected test finds a true loss of just
that margin in half of the cases at best (a third at five seeds of 1.5 points' spread). So there are
two margins and two looks: the screen is quick to suspect, and what it suspects is decided by fresh
seeds alone, with a correction over the suspects. `make simulate` measures what that comes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any, Literal

import numpy as np

from metabench.stats.comparison import PairedComparison
from metabench.stats.families import holm
from metabench.stats.paired import paired_t_test
from metabench.stats.results import DESCRIPTIVE, Estimate, counted
from metabench.stats.scales import ON_SCALE, Scale
from metabench.stats.student import critical_value, upper_tail

Change = Literal["regressed", "fine", "inconclusive", "improved", "identical", "escalated"]
"""What became of something between two versions; `escalated` is the screen's alone, `identical`
what is equal to the bit and needs no statistics."""

SUSPICIOUS = 0.10
"""One-sided p for "worse" up to which the screen escalates, however narrow the interval is."""

CONFIDENCE = 0.95
"""Of the intervals; either end of one is a one-sided limit at 97.5 %."""

MOST = 1000
"""Where the search for a number of seeds that would settle something ends."""


@dataclass(frozen=True)
class Margins:
    """Which changes matter: in the unit of the score, or as ratios above 1 on the scale `log`.

    Attributes
    ----------
    unnoticed
        A loss of this size must not pass unnoticed.
    trivial
        A loss below this size is none that anyone would act on, however sure.
    """

    unnoticed: float = 0.03
    trivial: float = 0.01
    scale: Scale = "linear"
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        """Refuse margins that cannot be.

        Raises
        ------
        ValueError
            They are not in order.
        """
        if not (1 if self.scale != "linear" else 0) <= self.trivial < self.unnoticed:
            raise ValueError(
                f"expected a trivial margin below that which must not pass unnoticed, got "
                f"{self.trivial} and {self.unnoticed} on the scale {self.scale}"
            )

    @property
    def analysed(self) -> tuple[float, float]:
        """The two, on the scale of the analysis."""
        if self.scale == "linear":
            return self.unnoticed, self.trivial
        return log(self.unnoticed), log(self.trivial)


ACCURACY = Margins()
SQUARED_ERROR = Margins(1.25, 1.08, scale="log", higher_is_better=False)


@dataclass(frozen=True)
class Versions:
    """One group's scores under two versions, ``[n]`` each in the same order of seeds."""

    baseline: Sequence[float]
    head: Sequence[float]
    margins: Margins = ACCURACY


@dataclass(frozen=True, kw_only=True)
class Regression(Estimate):
    """What became of one group; `estimate` is head minus baseline, or their ratio.

    Attributes
    ----------
    verdict
        See `Change`.
    p
        One-sided, for "worse"; None where nothing was tested.
    p_adjusted, family_size
        Holm's, over those that were tested together.
    settled_by
        Number of seeds (or blocks) that would settle it, if mean and spread stay as observed; None
        where it is settled, or more than `MOST` would be needed.
    """

    verdict: Change
    p: float | None = None
    p_adjusted: float | None = None
    family_size: int | None = None
    settled_by: int | None = None


def screen(groups: Sequence[Versions], *, level: float = 0.05) -> list[Regression]:
    """Look at every group over the suite's own seeds: fine, improved, or escalated.

    Fine is where the one-sided 97.5 % lower limit of the change lies above the loss that must not
    pass unnoticed, and the one-sided p for "worse" is above `SUSPICIOUS`. Improved is what is fine
    and better by at least the trivial margin, by a one-sided test with Holm's correction over all
    groups. All else is escalated: to be decided by `confirm` on fresh seeds.

    With `DESCRIPTIVE` seeds or fewer, fine is a mean loss below the trivial margin.

    Raises
    ------
    ValueError
        Seeds that do not pair, or scores that cannot be analysed.
    """
    gains = [_Gain.of(group) for group in groups]
    found = []
    for gain, better in zip(gains, _improved(gains, len(gains), level), strict=True):
        suspicious = not gain.is_described and gain.p_worse <= SUSPICIOUS
        fine = gain.is_fine and not suspicious
        verdict: Change = "escalated" if not fine else "improved" if better else "fine"
        found.append(gain.told(verdict, "screened"))
    return found


def confirm(
    groups: Sequence[Versions], *, family_size: int | None = None, level: float = 0.05
) -> list[Regression]:
    """Decide on what the screen escalated, over fresh seeds alone: regressed, fine, improved or
    inconclusive.

    Regressed is where the one-sided paired t-test for "worse", with Holm's correction over the
    groups at `level`, rejects and the mean loss is at least the trivial margin. Fine is where the
    97.5 % lower limit lies above the loss that must not pass unnoticed.

    With `DESCRIPTIVE` seeds or fewer: regressed from the loss that must not pass unnoticed on, fine
    below the trivial one.

    Parameters
    ----------
    groups
        Scores of seeds that the screen has not seen. Where there are none, its own may be given if
        `family_size` is the number of all the groups that were screened: one look, valid and weak.

    Raises
    ------
    ValueError
        As `screen`; or a family smaller than the groups given.
    """
    size = len(groups) if family_size is None else family_size
    if size < len(groups):
        raise ValueError(f"expected a family of {len(groups)} groups at least, got {size}")
    gains = [_Gain.of(group) for group in groups]
    tested = [None if gain.is_described else gain.p_worse for gain in gains]
    adjusted = holm([*tested, *[None] * (size - len(groups))])
    found = []
    for gain, p, better in zip(gains, adjusted, _improved(gains, size, level), strict=False):
        if p is None:
            worse = gain.mean <= -gain.unnoticed
        else:
            worse = p <= level and gain.mean <= -gain.trivial
        fine: Change = "improved" if better else "fine"
        verdict = "regressed" if worse else fine if gain.is_fine else "inconclusive"
        told = gain.told(verdict, "confirmed")
        settled_by = gain.settled_by(level / size) if verdict == "inconclusive" else None
        found.append(replace(told, p_adjusted=p, family_size=size, settled_by=settled_by))
    return found


def confirmation_seeds(escalated: Sequence[Versions]) -> int:
    """Return how many fresh seeds to confirm with: 15, or 20 where the changes of a group spread
    over seeds by as much as the loss that must not pass unnoticed."""
    gains = [_Gain.of(group) for group in escalated]
    return 20 if any((gain.compared.sd or 0.0) >= gain.unnoticed for gain in gains) else 15


@dataclass(frozen=True)
class _Gain:
    """How much better head is than the baseline, on the analysed scale; negative is worse.

    Changes that do not spread at all are taken at their word: a loss that is the same in all seeds
    is no less of one.
    """

    compared: PairedComparison
    mean: float
    unnoticed: float
    trivial: float

    @classmethod
    def of(cls, group: Versions) -> _Gain:
        margins = group.margins
        compared = paired_t_test(
            group.head, group.baseline, confidence=CONFIDENCE, scale=margins.scale
        )
        mean = compared.advantage(higher_is_better=margins.higher_is_better)
        return cls(compared, mean, *margins.analysed)

    @property
    def is_described(self) -> bool:
        return self.compared.n <= DESCRIPTIVE

    @property
    def is_fine(self) -> bool:
        """Whether no loss that must not pass unnoticed is compatible with what was seen."""
        if self.is_described:
            return self.mean > -self.trivial
        n, error = self.compared.n, self.compared.standard_error or 0.0
        return bool(self.mean - _limit(n) * error > -self.unnoticed)

    @property
    def p_worse(self) -> float:
        return self._p(-self.mean)

    @property
    def p_better(self) -> float:
        return self._p(self.mean)

    def _p(self, towards: float) -> float:
        error = self.compared.standard_error
        if not error:
            return 0.0 if towards >= self.trivial else 1.0
        return upper_tail(towards / error, self.compared.n - 1)

    def settled_by(self, level: float) -> int | None:
        """The least number of seeds with a verdict, if mean and spread stay."""
        n = np.arange(max(self.compared.n, DESCRIPTIVE) + 1, MOST + 1)
        error = (self.compared.sd or 0.0) / np.sqrt(n)
        settled = self.mean - _limit(n) * error > -self.unnoticed
        if self.mean <= -self.trivial:
            settled |= -self.mean >= critical_value(level, n - 1) * error
        return int(n[settled.argmax()]) if settled.any() else None

    def told(self, verdict: Change, how: str) -> Regression:
        seen = self.compared
        thumb = f"{counted(seen.n, 'seed')}: an absolute tolerance, which is a rule of thumb"
        return Regression(
            seen.estimate,
            seen.interval,
            seen.confidence,
            seen.sd,
            seen.n,
            f"{how} by one-sided paired t-test{ON_SCALE[seen.scale]} over {counted(seen.n, 'seed')}"
            if not self.is_described
            else f"{how} by an absolute tolerance over {counted(seen.n, 'seed')}",
            seen.unit,
            (thumb,) if self.is_described else () if seen.sd else seen.caveats,
            verdict=verdict,
            p=None if self.is_described else self.p_worse,
        )


def _improved(gains: Sequence[_Gain], size: int, level: float) -> list[bool]:
    """Which of a family of `size` are better by the trivial margin at least, Holm-corrected."""
    tested = [None if gain.is_described else gain.p_better for gain in gains]
    adjusted = holm([*tested, *[None] * (size - len(gains))])
    return [
        p is not None and p <= level and gain.mean >= gain.trivial
        for gain, p in zip(gains, adjusted, strict=False)
    ]


def _limit(n: Any) -> Any:
    """Standard errors from the mean to a one-sided limit of n seeds."""
    return critical_value((1 - CONFIDENCE) / 2, n - 1)
