"""What comes of a comparison: a verdict for each group, and what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from metabench.compare.sides import Side
from metabench.stats import Regression
from metabench.tables.margins import MarginPair
from metabench.tables.typed_rows import Metric, Scalar

Verdict = Literal["regressed", "inconclusive", "refused", "improved", "fine", "identical"]
VERDICTS: tuple[Verdict, ...] = (
    "regressed",
    "inconclusive",
    "refused",
    "improved",
    "fine",
    "identical",
)
"""The graver first."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a group.

    Attributes
    ----------
    place, metric
        Its coordinates, and what its score is.
    verdict
        On outcomes and scores.
    score
        The change that decided; None where no statistics did.
    means
        Of baseline and head, over the pairs that decided; None where there are none.
    memory
        On peak memory; None where it is not compared, and `memory_means` are then None too.
    notes
        What decided where no number did, and what to know.
    confirmed
        Whether fresh seeds decided.
    """

    place: Mapping[str, Scalar]
    metric: Metric
    verdict: Verdict
    score: Regression | None = None
    means: tuple[float, float] | None = None
    memory: Regression | None = None
    memory_means: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    confirmed: bool = False

    @property
    def worst(self) -> Verdict:
        """The graver of the verdicts on scores and on memory."""
        gone = self.memory is not None and self.memory.verdict == "regressed"
        return "regressed" if gone else self.verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    baseline, head
        The two.
    margins
        What must not pass unnoticed, and what is trivial.
    groups
        In the order of the baseline.
    new
        Coordinates of groups that head alone has.
    fresh_seeds
        On how many fresh seeds was confirmed what looked worse; 0 where nothing was.
    notes
        What to know of all of it.
    """

    baseline: Side
    head: Side
    margins: MarginPair
    groups: Sequence[Judged]
    new: Sequence[Mapping[str, Scalar]] = ()
    fresh_seeds: int = 0
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        """How many groups there are of each verdict."""
        return Counter(group.worst for group in self.groups)
