"""The rows of the tables of cells and of groups: what each has, by name and type, and the columns
that users meet it in. Those of comparisons and claims stand on these (`comparison_row`,
`claim_row`).

All arithmetic happens on these; the data frames of a run, and its CSV files, are made of them last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metabench.quantities import SCORE, TABLE, Quantity
from metabench.stats import Scale, scale_of_accuracies

Scalar = str | int | float | bool | None
Columns = dict[str, Any]
"""A row as the data frames have it."""

Conditions = frozenset[tuple[str, str]]
"""Names and values."""

VARIANT = ("model", "batch_norm", "steps")
"""Coordinates in which several groups of one algorithm may differ on the same data, the weightier
first."""

METRIC = ("metric_name", "unit", "higher_is_better", "chance")
"""Columns that say what a score is."""


@dataclass(frozen=True)
class Metric:
    """What a score is: its name and unit, which way is better, and what a guess would score."""

    name: str
    unit: str
    higher_is_better: bool
    chance: float | None = None

    def scale(self, scores: Iterable[float]) -> tuple[float, float]:
        """Return the least and the greatest that a score can be: 0 and 1 of a fraction; 0 and no
        end of an error, unless one of these `scores` is below."""
        if self.unit == "fraction":
            return 0.0, 1.0
        is_error = not self.higher_is_better and min(scores, default=-1.0) >= 0
        return (0.0 if is_error else -math.inf), math.inf

    def analysed(self, *samples: Iterable[float]) -> Scale:
        """Return the scale that these samples are summed up and compared on: errors, which are
        skewed and know ratios, on their logarithms; two samples of fractions near the ceiling as
        error rates."""
        values = [list(sample) for sample in samples]
        every = [value for sample in values for value in sample]
        if self.unit == "fraction":
            near = len(values) == 2 and self.higher_is_better
            return scale_of_accuracies(*map(np.array, values)) if near else "linear"
        return "log" if self.scale(every)[0] == 0.0 < min(every) else "linear"

    def columns(self) -> Columns:
        """By the names of `METRIC`."""
        return dict(
            zip(METRIC, (self.name, self.unit, self.higher_is_better, self.chance), strict=True)
        )


@dataclass(frozen=True)
class Summary:
    """What a group makes of a number of its cells.

    Attributes
    ----------
    value
        Mean or highest (see `quantities.COLUMNS`); None where there is nothing to sum up.
    low, high
        The interval over seeds; None where there can be none.
    sd
        Standard deviation over seeds.
    reached, of
        How many of the finished cells have the number, where that can be an outcome.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    reached: int | None = None
    of: int | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a row stands in the grid.

    Attributes
    ----------
    group, block
        Digests of the coordinates without the seed, and of those of the data alone.
    place
        The coordinates that cells of a group share, by name; lists and tables as canonical text.
    metric
        What its score is.
    privileged
        Whether the inputs of its algorithm say what defines a task.
    """

    group: str
    block: str
    place: Mapping[str, Scalar]
    metric: Metric
    privileged: bool

    @property
    def algorithm(self) -> str:
        """The entry of the suite."""
        return str(self.place.get("algorithm"))

    def at(self, coordinates: Iterable[str]) -> Columns:
        """Return the values of these coordinates, None for one that it lacks."""
        return {key: self.place.get(key) for key in coordinates}


@dataclass(frozen=True, kw_only=True)
class CellRow(Placed):
    """One cell.

    Attributes
    ----------
    cell, fit, seed, stem
        As in `cells.json`.
    streams
        The seed of each group of random streams: `init`, `data`, `test`, `split`.
    outcome
        "missing" or "damaged" where there is no record to read; `error_type` and `error_message`
        say why.
    transductive
        Whether the queries of a test episode informed each other.
    stopped
        What ended the training.
    numbers
        The value of each quantity that its record has.
    made_on
        Digests of the data that it trained and was tested on; None without a record.
    machine
        What it ran on and how: all that costs depend on. None without a record.
    conditions
        What else its numbers depend on, by name: versions, and the sources that were used.
    at_edge
        What validation chose at the edge of what was tried: settings by their keys, `steps`, and
        `iterations` where the best weights are the last.
    """

    cell: str
    fit: str
    seed: int
    stem: str
    outcome: str
    error_type: str | None = None
    error_message: str | None = None
    transductive: bool | None = None
    stopped: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    made_on: tuple[str | None, str | None] | None = None
    machine: str | None = None
    conditions: Conditions = frozenset()
    at_edge: tuple[str, ...] = ()
    streams: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, quantity: Quantity) -> float | None:
        """Return what it has of a quantity."""
        return self.numbers.get(quantity.name)

    @staticmethod
    def names(places: Sequence[str]) -> list[str]:
        """Columns of the table."""
        return [
            *("cell", "fit", "group", "block", *places, "seed", *METRIC, "stem", "outcome"),
            *("transductive", "stopped"),
            *(quantity.name for quantity in TABLE),
            *("error_type", "error_message"),
        ]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        return {**vars(self), **self.place, **self.metric.columns(), **self.numbers}


@dataclass(frozen=True, kw_only=True)
class GroupRow(Placed):
    """Cells that differ in seed alone.

    Attributes
    ----------
    seeds, completed, diverged, failed, missing
        How many there are, and what became of them.
    scored
        How many have a score.
    failure_rate, failure_rate_low, failure_rate_high
        Share of the cells with an outcome that did not complete, with its exact interval.
    estimator
        How its score was summed up, in words.
    over
        The groups of random streams that are not the same in all of its cells.
    noise_share
        Share of the variance of its score over seeds (of errors, of their logarithms) that is noise
        of the test episodes; None where all seeds met the same ones.
    leads
        Whether it has the best mean of its block, among those without privileged inputs that lost
        no cell.
    letters
        The tie groups that it is in: groups of a block that share a letter are not separated.
    rank_best, rank_worst
        Within which ranks of its block it lies: behind all that were shown to be better, before all
        that were shown to be worse.
    is_reference
        Whether it is of the algorithm that the suite declared the others are tested against.
    transductive
        As of its cells.
    summaries
        What it makes of each quantity.
    machine
        What its completed cells ran on; None where that was not one and the same.
    caveats, cost_caveats, budget_caveats
        What to know before relying on scores, on times and memory, and on its budget having been
        enough.
    """

    seeds: int
    completed: int
    diverged: int
    failed: int
    missing: int
    scored: int
    failure_rate: float | None = None
    failure_rate_low: float | None = None
    failure_rate_high: float | None = None
    estimator: str | None = None
    over: tuple[str, ...] = ()
    noise_share: float | None = None
    leads: bool = False
    letters: str | None = None
    rank_best: int | None = None
    rank_worst: int | None = None
    is_reference: bool
    transductive: bool | None
    summaries: Mapping[str, Summary]
    machine: str | None
    caveats: str
    cost_caveats: str | None
    budget_caveats: str | None = None

    def __getitem__(self, quantity: Quantity) -> Summary:
        """Return what it makes of a quantity."""
        return self.summaries.get(quantity.name, Summary())

    @property
    def score(self) -> Summary:
        """Its score."""
        return self[SCORE]

    def lost(self, quantity: Quantity = SCORE) -> int:
        """Return how many of its cells came to an end without this number: failed, killed, out of
        time or memory, or diverged where that leaves none. What is left is a selection."""
        kept = self.scored if quantity is SCORE else self.completed
        return self.seeds - self.missing - kept

    @staticmethod
    def names(places: Sequence[str]) -> list[str]:
        """Columns of the table."""
        return [
            *("group", "block", *places, *METRIC),
            *("seeds", "completed", "diverged", "failed", "missing", "scored"),
            *("failure_rate", "failure_rate_low", "failure_rate_high"),
            *("leads", "letters", "rank_best", "rank_worst"),
            *("privileged", "is_reference", "transductive", "estimator"),
            *(column for quantity in TABLE for column in quantity.columns.values()),
            *("over", "noise_share", "machine", "caveats", "cost_caveats", "budget_caveats"),
        ]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        numbers = {
            column: getattr(self[quantity], part)
            for quantity in TABLE
            for part, column in quantity.columns.items()
        }
        over = {"over": " ".join(self.over)}
        return {**vars(self), **self.place, **self.metric.columns(), **numbers, **over}
