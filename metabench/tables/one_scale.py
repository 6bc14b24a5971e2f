"""What puts scores of several settings on one scale, and what nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metabench import stats
from metabench.tables.families import Entrant, Family

Unit = Literal["score", "above chance", "ratio"]
"""What scores of several settings are put on: themselves, where a guess scores the same everywhere;
the share of what lies between a guess and a faultless score; the error over that of the reference
at the same seed. None of it is taken from how the scores came out but the last."""

Scores = Sequence[Sequence[float]]
"""``[seeds][settings]``."""

LOST = "errors are set against those of the reference, and that did not complete everywhere"


@dataclass(frozen=True)
class OneScale:
    """The scale of a family.

    Attributes
    ----------
    unit
        None where there is none.
    refused
        Why not.
    """

    family: Family
    unit: Unit | None
    refused: str = ""

    @classmethod
    def of(cls, family: Family) -> OneScale:
        """Find the scale of a family."""
        if family.metric.unit == "fraction":
            return cls(family, *_of_fractions(family))
        return cls(family, *_of_errors(family))

    @property
    def bounds(self) -> stats.Interval:
        """Where an aggregate can lie, before it is taken from its logarithm."""
        if self.unit == "score":
            return stats.SHARE
        return stats.UNBOUNDED if self.unit == "ratio" else (stats.UNBOUNDED[0], 1.0)

    def scores(self, who: Entrant) -> Scores:
        """Scores of one that completed, on this scale; ratios as logarithms."""
        scores = np.asarray(who.scores(self.family.seeds))
        if self.unit == "above chance":
            chance = np.array([one or 0.0 for one in self.family.chances])
            scores = (scores - chance) / (1 - chance)
        if self.unit == "ratio":
            reference = self.family.reference_of(who) or who
            scores = np.log(scores) - np.log(reference.scores(self.family.seeds))
        told: Scores = scores.tolist()
        return told


def _of_fractions(family: Family) -> tuple[Unit | None, str]:
    chances, ways = {*family.chances}, {place.get("ways") for place in family.settings}
    if len(chances) == 1 and (chances != {None} or len(ways) == 1):
        return "score", ""
    known = [chance for chance in chances if chance is not None and chance < 1]
    if family.metric.higher_is_better and len(known) == len(chances):
        return "above chance", ""
    return None, "what a guess would score is not known everywhere"


def _of_errors(family: Family) -> tuple[Unit | None, str]:
    if family.metric.higher_is_better:
        return None, "the scores have neither a chance level nor a ceiling in common"
    completed = [who for who in family.entrants if not who.did_not_complete]
    references = [family.reference_of(who) or who for who in completed]
    if any(one.did_not_complete or not one.is_reference for one in references):
        return None, LOST
    every = [score for who in completed for row in who.scores(family.seeds) for score in row]
    if min(every) <= 0:
        return None, "errors that are not all above 0 have no ratios"
    return "ratio", ""
