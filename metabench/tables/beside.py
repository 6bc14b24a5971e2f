"""Published figures beside ours, of exactly the same setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from metabench import stats
from metabench.published import Published, Setting, find
from metabench.quantities import SCORE
from metabench.tables.streams import is_held
from metabench.tables.typed_rows import CellRow, GroupRow

MANY = 1.96
"""Standard errors in half of a 95 % interval over hundreds of episodes."""


@dataclass(frozen=True)
class Beside:
    """A published figure, and where one more training of ours would land.

    Attributes
    ----------
    low, high
        The prediction interval; None where there is no spread to make it of.
    verdict
        Where the published figure lies.
    differs
        What of the two recipes is known to differ, or not known, in words.
    """

    group: GroupRow
    figure: Published
    low: float | None
    high: float | None
    verdict: str
    differs: Sequence[str]


def beside(
    cells: Sequence[CellRow], groups: Sequence[GroupRow], confidence: float
) -> Iterator[Beside]:
    """Yield the published figures of the settings of these groups, the surest of each paper first;
    those that nobody has verified are left out."""
    for group in groups:
        scores = [
            score
            for cell in cells
            if cell.group == group.group and (score := cell[SCORE]) is not None
        ]
        if not scores or not is_as_in_papers(group):
            continue
        for figure in find(setting_of(group)):
            if figure.certainty != "unverified":
                yield _beside(group, figure, scores, confidence)


def setting_of(group: GroupRow) -> Setting:
    """Return what of a group's coordinates figures of the literature are known by."""
    at: list[Any] = [group.place.get(one.name) for one in fields(Setting)]
    return Setting(*at)


def is_as_in_papers(group: GroupRow) -> bool:
    """Whether a group was tested where it was trained, scored by the dataset's own metric, and its
    seeds are whole trainings, as of all figures of the literature."""
    at = group.place
    return at.get("on") in (None, "same") and not at.get("scored_by") and not is_held(group.over)


def _beside(
    group: GroupRow, figure: Published, scores: Sequence[float], confidence: float
) -> Beside:
    both = [*scores, figure.value]
    prediction = stats.prediction_interval(
        scores,
        figure.value,
        standard_error=_error(figure) or 0.0,
        confidence=confidence,
        unit=group.metric.unit,
        scale=group.metric.analysed(both),
        bounds=group.metric.scale(both),
    )
    low, high = prediction.interval or (None, None)
    return Beside(group, figure, low, high, prediction.verdict, _differs(group, figure))


def _error(figure: Published) -> float | None:
    """The standard error of a figure; None where what stands after its ± does not say it. Over
    hundreds of episodes half of a 95 % interval is 1.96 of them, over five seeds 2.78."""
    if figure.half_width is None:
        return None
    if figure.spread == "episodes":
        return figure.half_width / MANY
    if figure.seeds is None or figure.spread == "unknown":
        return None
    if figure.spread == "sd":
        return figure.half_width / float(figure.seeds**0.5)
    return stats.standard_error((-figure.half_width, figure.half_width), figure.seeds)


def _differs(group: GroupRow, figure: Published) -> list[str]:
    told = [figure.variant] if figure.variant else []
    if figure.transductive is None:
        told.append("the source does not say whether it is transductive")
    elif figure.transductive != group.transductive:
        told.append(
            f"published {'' if figure.transductive else 'not '}transductive, ours otherwise"
        )
    if figure.half_width is not None and _error(figure) is None:
        told.append(
            "what its ± is, nobody says"
            if figure.spread == "unknown"
            else "over how many seeds its ± is, nobody says: it is taken without an error"
        )
    return told
