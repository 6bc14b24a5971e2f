"""What the statistics come to when the truth is known: error rates, power and coverage.

    python tools/simulate.py [N]

draws N suites for each line (1,000 by default, ten times as many where draws are cheap), decides on
them by the functions of `metabench.stats` themselves, and prints the tables of docs/statistics.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metabench import stats

GROUPS, CORRELATION = 12, 0.3
"""Groups of a suite, and how their changes go together: by shared seeds and episodes."""

SEEDS, LOSS = 5, 0.03

Vector = NDArray[np.float64]


def main(n: int) -> None:
    """Print all tables."""
    rng = np.random.default_rng(0)
    coverage(rng, 10 * n)
    survivorship(rng, n)
    divergence(rng, n)
    scores(rng, n)
    times(rng, n)


def coverage(rng: np.random.Generator, n: int) -> None:
    """How often the interval over seeds holds the truth; skewed errors as they are and on logs."""
    rows = []
    for seeds in (3, 5, 10):
        normal = _covers(stats.t_band(rng.normal(0, 1, (seeds, n))), 0.0)
        logs = rng.normal(0, 0.7, (seeds, n))
        raw = _covers(stats.t_band(np.exp(logs)), float(np.exp(0.7**2 / 2)))
        rows.append([seeds, normal, raw, _covers(stats.t_band(logs), 0.0)])
    _table(
        f"Coverage of 95 % t intervals over seeds ({n:,} draws)",
        ["seeds", "normal scores", "log-normal errors, σ = .7, as they are", "on logarithms"],
        rows,
    )


def survivorship(rng: np.random.Generator, n: int) -> None:
    """Equal methods, one of which loses its worst seeds: how often it comes out ahead."""
    rows = []
    for seeds in (5, 10, 20):
        for share in (0.2, 0.4):
            found = {"bare": 0, "guarded": 0}
            for first, second in rng.normal(0.8, 0.02, (n, 2, seeds)):
                left = np.sort(np.argsort(second)[round(share * seeds) :])
                for guard, lost in (("bare", False), ("guarded", True)):
                    pair = stats.Contest(first=first[left], second=second[left], second_lost=lost)
                    (decision,) = stats.decide([pair], "the two")
                    found[guard] += decision is not None and decision.verdict == "worse"
            rows.append([seeds, f"{share:.0%}", found["bare"] / n, found["guarded"] / n])
    _table(
        f"False “better” of the one that lost its worst seeds, nominal 2.5 % ({n:,} draws)",
        ["seeds", "lost", "without the guard", "with it"],
        rows,
    )


def divergence(rng: np.random.Generator, n: int) -> None:
    """A true gain of 3 points, with divergences at chance (5 ways), and among what completed."""
    found = np.zeros(3)
    for first, second in rng.normal(0.6, 0.01, (n, 2, SEEDS)):
        first += LOSS
        lost = rng.random((2, SEEDS)) < 0.1
        at_chance = np.where(lost[0], 0.2, first), np.where(lost[1], 0.2, second)
        tests = (first, second), at_chance
        both = ~lost.any(0)
        completed = first[both], second[both]
        for place, pair in enumerate((*tests, completed)):
            p = stats.paired_t_test(*pair).p if len(pair[0]) else None
            found[place] += p is not None and p <= 0.05
    _table(
        f"Power for a gain of 3 points, {SEEDS} seeds of which 10 % a side diverge ({n:,} draws)",
        ["none diverge", "scored at chance", "completed seeds alone (selective)"],
        [list(found / n)],
    )


def scores(rng: np.random.Generator, n: int) -> None:
    """The check for regressions: nothing changed, and a loss of 3 points in one group."""
    rows = []
    for sd in (0.015, 0.02, 0.03, 0.04):
        alarms = sum("regressed" in _checked(rng, sd, 0.0) for _ in range(n)) / n
        lossy = [_checked(rng, sd, LOSS)[0] for _ in range(n)]
        told = [lossy.count(verdict) / n for verdict in ("regressed", "fine", "inconclusive")]
        rows.append([f"{100 * sd:g}", alarms, *told])
    _table(
        f"Check for regressions of accuracy, {GROUPS} groups, {SEEDS} seeds and 15 or 20 fresh "
        f"ones ({n:,} suites)",
        ["SD of a change", "false alarm in the suite", "loss of 3: regressed", "fine", "undecided"],
        rows,
    )


def times(rng: np.random.Generator, n: int) -> None:
    """The check for regressions of time, at 4 % noise of a repetition and 8 blocks."""
    rows = []
    for factor in (1.0, 1.1, 1.2, 1.3):
        found = []
        for _ in range(n // GROUPS):
            blocks = np.exp(rng.normal(0, 0.04, (GROUPS, stats.BLOCKS, 4)))
            blocks[..., 1:3] *= factor
            found.append([one.verdict for one in stats.time_regressed(blocks)])
        groups = [verdict for suite in found for verdict in suite]
        told = [groups.count(verdict) / len(groups) for verdict in ("regressed", "fine")]
        rows.append([f"{factor - 1:+.0%}", *told, np.mean(["regressed" in one for one in found])])
    _table(
        f"Check for regressions of time, {GROUPS} groups alike, {n // GROUPS:,} suites",
        ["true change", "group: regressed", "group: fine", "suite with one regressed or more"],
        rows,
    )


def _checked(rng: np.random.Generator, sd: float, loss: float) -> list[str]:
    """The final verdicts on a suite whose first group loses `loss`."""
    screened = [one.verdict for one in stats.screen(_suite(rng, SEEDS, sd, loss))]
    escalated = [place for place, verdict in enumerate(screened) if verdict == "escalated"]
    if escalated:
        seeds = 20 if sd >= LOSS else 15  # known from a run against itself
        fresh = _suite(rng, seeds, sd, loss)
        decided = stats.confirm([fresh[place] for place in escalated])
        for place, one in zip(escalated, decided, strict=True):
            screened[place] = one.verdict
    return screened


def _suite(rng: np.random.Generator, seeds: int, sd: float, loss: float) -> list[stats.Versions]:
    shared, own = rng.normal(size=(1, seeds)), rng.normal(size=(GROUPS, seeds))
    changes = sd * (CORRELATION**0.5 * shared + (1 - CORRELATION) ** 0.5 * own)
    changes[0] -= loss
    baseline = np.full(seeds, 0.6)
    return [stats.Versions(baseline, baseline + change) for change in changes]


def _covers(band: stats.Band, truth: float) -> float:
    assert band.low is not None
    assert band.high is not None
    return float(np.mean((band.low <= truth) & (truth <= band.high)))


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n**{title}**\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
