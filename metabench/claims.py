"""Claims: hypotheses about the group table that a suite fixes before there is any data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metabench.identity import canonical
from metabench.quantities import BY_NAME, CLAIMED, GAIN_AFTER, Quantity, gain_after

Region = tuple[float, float]

BOUNDS: Mapping[str, Callable[..., Region]] = {
    "ratio_below": lambda limit: (-math.inf, limit),
    "ratio_above": lambda limit: (limit, math.inf),
    "ratio_between": lambda low, high: (low, high),
    "difference_above": lambda limit: (limit, math.inf),
    "difference_below": lambda limit: (-math.inf, limit),
    "between": lambda low, high: (low, high),
    "equivalent_within": lambda margin: (-margin, margin),
}
"""Bound -> the region that the ratio or the difference lies in if the claim is true."""

BETWEEN = ("between", "ratio_between")
"""Bounds that have two numbers."""


@dataclass(frozen=True)
class Claim:
    """A hypothesis about the group table: `metric` of the algorithm `of`, against something, within
    a bound.

    Attributes
    ----------
    id, says, source
        A short name, the hypothesis in words, and where it comes from.
    metric
        The name of a quantity that claims may use.
    of
        The algorithm that the claim is about.
    against
        Another algorithm, or a number; None for the published figure (`published`).
    where
        Coordinates of the groups that it is about; without any it must hold in every group.
    versus_where
        The claim is that the difference where `where` holds, less that where `versus_where` holds
        too, is within the bound.
    bound, limits
        One of `BOUNDS`, and its number (of `BETWEEN`: both).
    after
        The number of steps of adaptation whose gain it is about; None where it is about another
        metric.
    """

    id: str
    says: str
    source: str
    metric: str
    of: str
    against: str | float | None
    published: bool
    where: Mapping[str, Any]
    versus_where: Mapping[str, Any] | None
    bound: str
    limits: tuple[float, ...]
    after: int | None = None

    @property
    def quantity(self) -> Quantity:
        """What it is about."""
        return BY_NAME[self.metric] if self.after is None else gain_after(self.after)

    def table(self) -> dict[str, Any]:
        """What it says, by the names of its fields; what it does not say stays out, so that a
        further field changes no claim that was declared before."""
        told = dataclasses.asdict(self)
        return told if self.after is not None else {k: v for k, v in told.items() if k != "after"}

    @property
    def is_ratio(self) -> bool:
        """Whether the bound is on a ratio, and not on a difference."""
        return self.bound.startswith("ratio")

    @property
    def region(self) -> Region:
        """Where the ratio or the difference lies if the claim is true."""
        return BOUNDS[self.bound](*self.limits)


def read_claim(table: Mapping[str, Any]) -> Claim | None:
    """Return the claim that a table of a `cells.json` makes, which may have been edited by hand or
    come from a later metabench; None where it is no claim that is known here."""
    try:
        claim = Claim(
            id=str(table.get("id")),
            says=str(table.get("says")),
            source=str(table.get("source") or ""),
            metric=table["metric"],
            of=table["of"],
            against=table.get("against"),
            published=bool(table.get("published")),
            where=table["where"],
            versus_where=table.get("versus_where"),
            bound=table["bound"],
            limits=tuple(map(float, table["limits"])),
            after=table.get("after"),
        )
        low, high = claim.region
        whole = (
            low < high
            and bool(canonical(dict(table)))
            and isinstance(claim.where, dict)
            and isinstance(claim.versus_where, dict | None)
            and isinstance(claim.of, str)
            and (claim.published or isinstance(claim.against, str | int | float))
            and claim.metric in CLAIMED
            and (claim.metric == GAIN_AFTER) == (type(claim.after) is int)
            and (claim.after is None or claim.after > 0)
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return claim if whole else None
