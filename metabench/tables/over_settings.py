"""One number over many settings: interquartile means, improvements over the reference, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metabench import stats
from metabench.identity import digest
from metabench.tables.families import FEWEST, Entrant, Family, Place, families_of
from metabench.tables.one_scale import OneScale, Scores, Unit
from metabench.tables.typed_rows import METRIC, VARIANT, CellRow, Columns, GroupRow, Metric
from metabench.text import listed

POINTS = 101
"""Of a performance profile."""


@dataclass(frozen=True, kw_only=True)
class OverRow:
    """What an entrant comes to over the settings of a family.

    Attributes
    ----------
    entrant
        Algorithm, variant, groups by setting.
    did_not_complete, cells
        How many of its cells did not complete, of how many. One is enough for it to have no number
        here: what is left is a selection, and a mean without the worst quarter would hide it.
    leads
        In how many settings it has the best mean (see `GroupRow.leads`) and completed every cell.
    score, low, high
        Interquartile mean over seeds and settings on the family's scale, with its interval over
        seeds.
    reference
        The entrant that it is set against.
    improvement, improvement_low, improvement_high
        How likely a run of it is better than one of the reference in the same setting, averaged
        over settings; the intervals of a family hold all at once (Bonferroni).
    rank
        Its average rank over data sets, 1 being the best; None where ranks are not tested.
    profile
        ``[X]`` share of its runs beyond each of the family's `at`.
    caveats
        What to know before relying on it.
    """

    entrant: Entrant
    did_not_complete: int
    cells: int
    leads: int
    score: float | None = None
    low: float | None = None
    high: float | None = None
    reference: Entrant | None = None
    improvement: float | None = None
    improvement_low: float | None = None
    improvement_high: float | None = None
    rank: float | None = None
    profile: NDArray[np.float64] | None = None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class OverSettings:
    """A family of settings, and what its entrants come to over them.

    Attributes
    ----------
    metric
        What the scores are.
    settings, recipe
        As of the family.
    seeds
        How many went in of each setting.
    independent
        How many of the settings share no training with another.
    data_sets
        How many of them share no data set with another.
    scale
        What the scores were put on; None where nothing puts them on one scale, and `refused` says
        why.
    at
        ``[X]`` where profiles are told.
    ranks
        Over data sets; None below `stats.FEWEST_DATASETS`.
    confidence
        Of the intervals; those of improvements hold all at once at this level.
    """

    metric: Metric
    settings: Sequence[Place]
    recipe: Place
    rows: Sequence[OverRow]
    seeds: int
    independent: int
    data_sets: int
    scale: Unit | None
    refused: str
    at: NDArray[np.float64] | None
    ranks: stats.RankAnalysis | None
    confidence: float

    @staticmethod
    def names() -> list[str]:
        """Columns of the table."""
        return [
            *("family", *METRIC[:3], "recipe", "algorithm", *VARIANT, "privileged"),
            *("settings", "independent", "data_sets", "seeds", "cells", "did_not_complete"),
            *("leads", "scale", "score", "low", "high", "confidence"),
            *("reference", "improvement", "improvement_low", "improvement_high"),
            *("rank", "friedman_p", "critical_difference", "caveats"),
        ]

    def columns(self, family: int) -> list[Columns]:
        """By the names of the table's columns, a row an entrant."""
        counts = {"settings": len(self.settings), "family": family}
        recipe = ", ".join(f"{key} = {value}" for key, value in self.recipe.items())
        tested = {
            "friedman_p": self.ranks.p if self.ranks else None,
            "critical_difference": self.ranks.critical_difference if self.ranks else None,
        }
        shared = {**vars(self), **self.metric.columns(), **counts, **tested, "recipe": recipe}
        return [
            {
                **shared,
                **vars(row),
                **row.entrant.variant,
                "algorithm": row.entrant.algorithm,
                "privileged": row.entrant.privileged,
                "reference": row.reference and row.reference.algorithm,
                "caveats": "; ".join(row.caveats),
            }
            for row in self.rows
        ]


def over_settings(
    cells: Sequence[CellRow], groups: Sequence[GroupRow], confidence: float, root_seed: int
) -> list[OverSettings]:
    """Return what a run comes to over its settings, a family each; none where there are not enough
    settings in which at least two entrants completed every cell.

    Aggregates are those of Agarwal et al. 2021, "Deep reinforcement learning at the edge of the
    statistical precipice" (https://arxiv.org/abs/2108.13264); ranks those of Demšar 2006.
    Resampling draws from a stream of its own, so that the same records give the same numbers.
    """
    found = []
    for family in families_of(cells, groups):
        rivals = [who for who in family.entrants if not who.did_not_complete and not who.privileged]
        if len(rivals) >= FEWEST:
            found.append(_OfFamily(family, rivals, confidence, root_seed).told())
    return found


class _OfFamily:
    """The numbers of one family."""

    def __init__(
        self, family: Family, rivals: Sequence[Entrant], confidence: float, root_seed: int
    ) -> None:
        self.family, self.rivals = family, rivals
        self.confidence, self.root_seed = confidence, root_seed
        self.sign = 1.0 if family.metric.higher_is_better else -1.0
        self.scale = OneScale.of(family)
        self.ranks = self._ranks()

    def told(self) -> OverSettings:
        """All of it."""
        scores = {
            id(who): self.scale.scores(who)
            for who in self.family.entrants
            if self.scale.unit and not who.did_not_complete
        }
        at = self._at([score for table in scores.values() for row in table for score in row])
        return OverSettings(
            metric=self.family.metric,
            settings=self.family.settings,
            recipe=self.family.recipe,
            rows=[self._row(who, scores.get(id(who)), at) for who in self.family.entrants],
            seeds=len(self.family.seeds),
            independent=len({*self.family.strata}),
            data_sets=len({*self.family.sources}),
            scale=self.scale.unit,
            refused=self.scale.refused,
            at=at,
            ranks=self.ranks,
            confidence=self.confidence,
        )

    def _row(self, who: Entrant, scores: Scores | None, at: NDArray[np.float64] | None) -> OverRow:
        cells = sum(map(len, who.cells))
        row = OverRow(
            entrant=who,
            did_not_complete=who.did_not_complete,
            cells=cells,
            leads=sum(one.leads and one.completed == one.seeds for one in who.groups),
            reference=self.family.reference_of(who),
            rank=self._rank(who),
            caveats=tuple(self._caveats(who, cells)),
        )
        if who.did_not_complete:
            return row
        row = replace(row, **self._improvement(who))
        return row if scores is None else replace(row, **self._aggregate(who, scores, at))

    def _caveats(self, who: Entrant, cells: int) -> list[str]:
        seeds = len(self.family.seeds)
        told = []
        if lost := who.did_not_complete:
            outcomes = [cell.outcome for inside in who.cells for cell in inside]
            kinds = dict.fromkeys(one for one in outcomes if one != "completed")
            named = listed([f"{outcomes.count(kind)} {kind.replace('_', ' ')}" for kind in kinds])
            told.append(
                f"{lost} of {cells} cells did not complete ({named}): no number over settings"
            )
        elif any(len(inside) > seeds for inside in who.cells):
            told.append(f"over the {seeds} seeds that all settings share")
        if seeds <= stats.DESCRIPTIVE:
            told.append(f"{seeds} seeds: described, not tested")
        return told

    def _aggregate(
        self, who: Entrant, scores: Scores, at: NDArray[np.float64] | None
    ) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if at is not None:
            told["profile"] = stats.performance_profile(
                (self.sign * np.asarray(scores)).tolist(), (self.sign * at).tolist()
            )
        if self.scale.unit == "ratio" and self.family.reference_of(who) is None:
            return told | {"score": 1.0}  # in terms of itself
        found = stats.stratified_bootstrap(
            stats.interquartile_mean,
            scores,
            rng=self._rng(who),
            confidence=self.confidence,
            strata=self.family.strata,
            bounds=self.scale.bounds,
        )
        ends = (found.estimate, *(found.interval or (None, None)))
        if self.scale.unit == "ratio":
            ends = tuple(None if end is None else float(np.exp(end)) for end in ends)
        return told | dict(zip(("score", "low", "high"), ends, strict=True))

    def _improvement(self, who: Entrant) -> dict[str, Any]:
        reference = self.family.reference_of(who)
        if reference is None or reference.did_not_complete:
            return {}
        mine, theirs = (
            (self.sign * np.asarray(side.scores(self.family.seeds))).tolist()
            for side in (who, reference)
        )
        rivals = [one for one in self.family.entrants if self.family.reference_of(one)]
        found = stats.improvement_interval(
            mine,
            theirs,
            confidence=1 - (1 - self.confidence) / len(rivals),
            strata=self.family.strata,
        )
        low, high = found.interval or (None, None)
        return {
            "improvement": found.estimate,
            "improvement_low": low,
            "improvement_high": high,
        }

    def _at(self, scores: Sequence[float]) -> NDArray[np.float64] | None:
        """Where profiles are told: from the least of all scores to the greatest."""
        if not scores:
            return None
        return np.linspace(min(scores), max(scores), POINTS)

    def _ranks(self) -> stats.RankAnalysis | None:
        """Ranks within each setting, averaged over the settings that share a data set, then over
        data sets. Means over seeds are ranked, as Demšar ranks them."""
        means = np.array(
            [[group.score.value or 0.0 for group in who.groups] for who in self.rivals]
        )
        ranks = stats.ranks_of(means.T.tolist(), higher_is_better=self.sign > 0)
        sources = np.asarray(self.family.sources)
        table = [ranks[sources == source].mean(0).tolist() for source in dict.fromkeys(sources)]
        if len(table) < stats.FEWEST_DATASETS:
            return None
        return stats.rank_analysis(table, higher_is_better=False, level=1 - self.confidence)

    def _rank(self, who: Entrant) -> float | None:
        if self.ranks is None or not any(who is rival for rival in self.rivals):
            return None
        return float(self.ranks.average_ranks[[who is one for one in self.rivals].index(True)])

    def _rng(self, who: Entrant) -> np.random.Generator:
        key = [self.root_seed, "over settings", [group.group for group in who.groups]]
        return np.random.default_rng(int(digest(key)[:16], 16))
