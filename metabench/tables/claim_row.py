"""A row of the table of claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from metabench.stats import Verdict
from metabench.tables.typed_rows import VARIANT, Columns, GroupRow


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """A claim of the suite in one of the settings that it is about.

    Attributes
    ----------
    id, says, source, post_hoc, metric, after, of, against, bound
        What it says, as `cells.json` has it.
    verdict
        What came of the whole claim.
    group
        The group of its algorithm; None where the claim is about none.
    estimate, low, high, unit, confidence
        The ratio or difference found, with its interval and the level of that.
    bound_low, bound_high
        Where it should lie; None for no end.
    seeds
        How many went in; of what was timed alone, how many rounds.
    group_verdict
        What came of it here.
    method, caveats
        What was computed, and what to know; why, where nothing was judged.
    """

    id: str | None = None
    says: str | None = None
    source: str | None = None
    post_hoc: bool | None = None
    verdict: Verdict = "not judged"
    metric: str | None = None
    after: int | None = None
    of: str | None = None
    against: str | float | None = None
    bound: str | None = None
    group: GroupRow | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    confidence: float | None = None
    bound_low: float | None = None
    bound_high: float | None = None
    seeds: int | None = None
    group_verdict: Verdict
    method: str | None = None
    caveats: str

    @staticmethod
    def names(data: Sequence[str]) -> list[str]:
        """Columns of the table; `data` are the coordinates of the data."""
        all_of_it = [one.name for one in fields(ClaimRow)]
        at = all_of_it.index("group")
        return [*all_of_it[:at], "group", "block", *VARIANT, *data, *all_of_it[at + 1 :]]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        if self.group is None:
            return vars(self)
        return {
            **self.group.place,
            **vars(self),
            "group": self.group.group,
            "block": self.group.block,
        }
