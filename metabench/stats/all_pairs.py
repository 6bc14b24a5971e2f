"""Every algorithm against every other: a family of its own beside that with the reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from metabench.stats.comparison import PairedComparison
from metabench.stats.families import correct_family
from metabench.stats.letters import Pair, compact_letters, rank_intervals
from metabench.stats.paired import paired_t_test
from metabench.stats.results import Interval
from metabench.stats.scales import UNBOUNDED, Scale

FAMILY = "all pairs"


@dataclass(frozen=True)
class AllPairs:
    """What a family of all pairs says.

    Attributes
    ----------
    comparisons
        By places in the order given, the smaller first; Holm-corrected over all of them. None where
        a pair shares no seed.
    letters
        A letter a tie group; None where no pair was tested.
    ranks
        (best, worst) rank of each, at the family's level for all at once.
    caveats
        What was not tested, and whose lead was not counted.
    """

    comparisons: Mapping[Pair, PairedComparison | None]
    letters: Sequence[str] | None
    ranks: Sequence[Pair]
    caveats: tuple[str, ...] = ()


def all_pairs(
    samples: Sequence[Mapping[int, float]],
    *,
    confidence: float = 0.95,
    unit: str = "",
    higher_is_better: bool = True,
    scale: Scale = "linear",
    bounds: Interval = UNBOUNDED,
    incomplete: Collection[int] = (),
) -> AllPairs:
    """Compare all pairs by paired t-tests over the seeds that they share, Holm-corrected.

    Parameters
    ----------
    samples
        Scores by seed, of each algorithm.
    scale, bounds
        As in `paired_t_test`.
    incomplete
        Places of those with seeds that did not complete. What is left of them is no fair sample, so
        that they lead nobody: such a pair counts as not separated.

    Raises
    ------
    ValueError
        A score that is not finite, or that cannot be analysed.
    """
    places = list(combinations(range(len(samples)), 2))
    compared = [
        _compare(samples[first], samples[second], confidence, unit, higher_is_better, scale, bounds)
        for first, second in places
    ]
    corrected = dict(zip(places, correct_family(compared, FAMILY), strict=True))
    worse, withheld = [], 0
    for (first, second), result in corrected.items():
        if result is None or not result.separated:
            continue
        first_leads = result.advantage(higher_is_better=higher_is_better) > 0
        loser, winner = (second, first) if first_leads else (first, second)
        if winner in incomplete:
            withheld += 1
        else:
            worse.append((loser, winner))
    untested = sum(result is None or result.p is None for result in corrected.values())
    caveats = []
    if untested:
        caveats.append(f"{untested} of {len(places)} pairs were not tested")
    if withheld:
        caveats.append(f"{withheld} leads of what did not complete are not counted")
    return AllPairs(
        corrected,
        None if untested == len(places) else compact_letters(len(samples), worse),
        rank_intervals(len(samples), worse),
        tuple(caveats),
    )


def _compare(
    first: Mapping[int, float],
    second: Mapping[int, float],
    confidence: float,
    unit: str,
    higher_is_better: bool,
    scale: Scale,
    bounds: Interval,
) -> PairedComparison | None:
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    return paired_t_test(
        [first[seed] for seed in seeds],
        [second[seed] for seed in seeds],
        confidence=confidence,
        unit=unit,
        higher_is_better=higher_is_better,
        scale=scale,
        bounds=bounds,
    )
