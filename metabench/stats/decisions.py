"""What comes of the declared comparisons of a family: paired tests, a guard against what is left of
a side, Holm's correction, and a verdict for each that its interval agrees with.

The one place where it is decided who is better: tables and `tools/simulate.py` come here alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from metabench.stats.comparison import PairedComparison
from metabench.stats.exact import ExactTest, sign_flip_test, wilcoxon_test
from metabench.stats.families import correct_family
from metabench.stats.paired import paired_t_test
from metabench.stats.results import DESCRIPTIVE, Interval, checked
from metabench.stats.scales import UNBOUNDED, Scale, to_scale

Comparing = Literal["better", "worse", "not separated", "incomplete", "descriptive", "untested"]
"""How first stands to second. `incomplete`: the side that is ahead lost seeds to failure or
divergence, so that nothing is decided in its favour."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Two sides over the seeds that both have, and what is known of both beforehand.

    Attributes
    ----------
    first, second
        ``[n]``, a number a seed, in the same order of seeds.
    first_lost, second_lost
        Whether seeds of that side did not complete. What is left of it is no fair sample: equal
        methods of which one loses its worst seeds come out "better" far too often.
    unit, higher_is_better, scale, bounds
        As in `paired_t_test`.
    """

    first: Sequence[float]
    second: Sequence[float]
    first_lost: bool = False
    second_lost: bool = False
    unit: str = ""
    higher_is_better: bool = True
    scale: Scale = "linear"
    bounds: Interval = UNBOUNDED

    def compared(self, confidence: float) -> PairedComparison:
        """Return the paired test of the two, as if nobody had lost anything."""
        return paired_t_test(
            self.first,
            self.second,
            confidence=confidence,
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            scale=self.scale,
            bounds=self.bounds,
        )

    def second_opinions(self, rng: np.random.Generator) -> tuple[ExactTest, ExactTest]:
        """Return sign flips and Wilcoxon's test of the same differences, on the scale of the
        t-test: to stand beside it, whatever they say."""
        sides = [to_scale(checked(side), self.scale) for side in (self.first, self.second)]
        first, second = (side.tolist() for side in sides)
        return sign_flip_test(first, second, rng=rng), wilcoxon_test(first, second)


@dataclass(frozen=True)
class Decision:
    """A comparison, corrected for its family, and what it comes to."""

    compared: PairedComparison
    verdict: Comparing


def decide(
    declared: Sequence[Contest | None], family: str, *, confidence: float = 0.95
) -> list[Decision | None]:
    """Decide on the declared comparisons of one family, in the order given.

    Where the side that is ahead lost seeds, nothing is tested, before Holm's correction: a p that
    nobody believes must not relax the levels of the others. Such a comparison keeps its place in
    the family, as does one that was declared and has no pairs (None, which stays None).

    Raises
    ------
    ValueError
        As `paired_t_test`.
    """
    tested = [_guarded(one, confidence) if one else None for one in declared]
    corrected = correct_family(tested, family)
    return [
        Decision(result, _verdict(one, result)) if one and result else None
        for one, result in zip(declared, corrected, strict=True)
    ]


def _guarded(contest: Contest, confidence: float) -> PairedComparison:
    result = contest.compared(confidence)
    return replace(result, statistic=None, p=None) if _is_selected(contest, result) else result


def _is_selected(contest: Contest, result: PairedComparison) -> bool:
    """Whether the side that is ahead is what is left of it."""
    advantage = result.advantage(higher_is_better=contest.higher_is_better)
    return (advantage > 0 and contest.first_lost) or (advantage < 0 and contest.second_lost)


def _verdict(contest: Contest, result: PairedComparison) -> Comparing:
    if result.interval is None:
        return "untested"
    if result.n <= DESCRIPTIVE:
        return "descriptive"
    if _is_selected(contest, result):
        return "incomplete"
    if not result.separated:
        return "not separated"
    ahead = result.advantage(higher_is_better=contest.higher_is_better) > 0
    return "better" if ahead else "worse"
