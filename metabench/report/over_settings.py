"""Over settings: what an algorithm comes to over several of them, in a table, and as drawings of
improvements, profiles and ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from metabench.report import words
from metabench.report.axis import DOTTED, Axis
from metabench.report.blocks import Block, Group, Mark
from metabench.report.canvas import SIZE, Margins, panel, scale
from metabench.report.coordinates import variant_of
from metabench.report.marks import LETTER, interval, point, short
from metabench.report.palette import DASHES, INK, MARKERS, MUTED
from metabench.report.svg import Pen
from metabench.stats import FEWEST_DATASETS
from metabench.tables import Run
from metabench.tables.over_settings import OverRow, OverSettings

SHARE = (-2.0, 102.0)
"""What is shown of shares, in %."""


@dataclass(frozen=True)
class Line:
    """An entrant as a row of the table."""

    name: str
    mark: Mark
    row: OverRow

    @property
    def is_reference(self) -> bool:
        """Whether the others are set against it."""
        return self.row.entrant.is_reference

    @property
    def privileged(self) -> bool:
        """Whether its inputs say what defines a task."""
        return self.row.entrant.privileged


@dataclass(frozen=True)
class Over:
    """A family of settings: its title and words, its lines, the best first, and its drawings with
    what they show."""

    title: str
    about: Sequence[str]
    found: OverSettings
    lines: Sequence[Line]
    drawings: Sequence[tuple[str, Markup]]

    @property
    def unit(self) -> str:
        """What the interquartile means are."""
        name = words.metric(self.found.metric.name)
        if self.found.scale == "ratio":
            return f"{name}, × the reference’s"
        if self.found.scale == "above chance":
            return f"{name}, % above chance"
        return f"{name} (%)" if self.found.scale else name

    @property
    def references(self) -> str:
        """What improvements are over."""
        names = [line.row.reference.algorithm for line in self.lines if line.row.reference]
        return names[0] if names else "the reference"


def overs_of(pen: Pen, run: Run, blocks: Sequence[Block]) -> list[Over]:
    """Return the families of a run; none where it has too few settings."""
    groups = {group.group: (block, group) for block in blocks for group in block.groups}
    found = []
    for number, one in enumerate(run.rows.over_settings, start=1):
        titles = [groups[group.group][0].title for group in one.rows[0].entrant.groups]
        lines = sorted((_line(row, groups) for row in one.rows), key=_order(one))
        recipe = "".join(f" · {key} = {value}" for key, value in one.recipe.items())
        title = f"{words.metric(one.metric.name)} over {len(titles)} settings{recipe}"
        about = [f"{'; '.join(titles)}.", *_about(one, run.info["reference"])]
        key = f"over-{number}"
        made = (
            (
                "How likely a run is better than one of the reference",
                _improvements(pen, key, lines),
            ),
            (_profile_title(one), _profiles(pen, key, one, lines)),
            (_rank_title(one), _ranks(pen, key, one, lines)),
        )
        drawings = [(told, Markup(svg)) for told, svg in made if svg]
        found.append(Over(title, about, one, lines, drawings))
    return found


def over_score(row: OverRow, one: OverSettings) -> str:
    """An interquartile mean: `71.20`, `×0.53`."""
    if one.scale == "ratio" and row.score is not None:
        return f"×{words.THIN}{words.amount(row.score, 'ratio')}"
    return words.score(row.score, "fraction")


def over_interval(row: OverRow, one: OverSettings) -> str:
    """Its interval."""
    if one.scale == "ratio":
        return words.amounts(row.low, row.high, "ratio")
    return words.interval(row.low, row.high, "fraction") if row.low is not None else ""


def share(value: float | None) -> str:
    """A probability of improvement in whole per cent."""
    return words.DASH if value is None else f"{100 * value:.0f}{words.THIN}%"


def share_interval(row: OverRow) -> str:
    """Its interval: `[45, 96]`."""
    low, high = row.improvement_low, row.improvement_high
    return "" if low is None or high is None else f"[{100 * low:.0f}, {100 * high:.0f}]"


def _line(row: OverRow, groups: dict[str, tuple[Block, Group]]) -> Line:
    entrant = row.entrant
    apart = [variant_of(key, value) for key, value in entrant.variant.items()]
    mark = groups[entrant.groups[0].group][1].mark
    return Line(" · ".join([entrant.algorithm, *apart]), mark, row)


def _order(one: OverSettings) -> Callable[[Line], tuple[bool, bool, float]]:
    is_higher_better = one.metric.higher_is_better and one.scale != "ratio"

    def place(line: Line) -> tuple[bool, bool, float]:
        row = line.row
        value = row.score if one.scale else row.improvement
        sign = -1 if is_higher_better or not one.scale else 1
        return line.privileged, bool(row.did_not_complete), sign * (value or 0.0)

    return place


def _about(one: OverSettings, reference: str) -> list[str]:
    told = [_scale_words(one, reference)]
    if one.independent < len(one.settings):
        alone = f"{one.independent} group{'s' if one.independent > 1 else ''} of settings"
        told.append(
            f"Settings that share trainings count as one draw: {alone}, and the intervals are as "
            "wide as that makes them."
        )
    told.append(_rank_words(one))
    return told


def _scale_words(one: OverSettings, reference: str) -> str:
    chance = one.rows[0].entrant.groups[0].metric.chance
    if one.scale == "score":
        same = (
            "number of classes is the same" if chance is None else f"guess scores {share(chance)}"
        )
        return f"Scores stand as they are: {'the' if chance is None else 'a'} {same} everywhere."
    if one.scale == "above chance":
        return (
            "A guess scores differently from setting to setting, so scores are put on "
            "(score − chance) / (1 − chance): 0 % is a guess, 100 % faultless."
        )
    if one.scale == "ratio":
        return (
            "Errors of different settings have no common scale: each is divided by that of "
            f"{reference} at the same seed, and logarithms are averaged; below 1 is better."
        )
    return f"No mean over settings: {one.refused}. Who is better how often needs no common scale."


def _rank_words(one: OverSettings) -> str:
    names = "1 data set" if one.data_sets == 1 else f"{one.data_sets} data sets"
    if one.ranks is None:
        return (
            f"Average ranks are not tested: these settings are of {names}, and the test needs "
            f"{FEWEST_DATASETS} that share no source. Shapes of one data set are not independent."
        )
    p = words.p_phrase(one.ranks.p, one.ranks.level)
    told = (
        f"Ranks over {names} (averaged over the settings of each): Friedman’s test with Iman and "
        f"Davenport’s F, {p}. "
    )
    told += (
        f"Two are told apart where their ranks differ by {one.ranks.critical_difference:.2f} "
        "(Nemenyi)."
        if _differ(one)
        else "It tells none from another, so no critical difference is drawn."
    )
    return f"{told} Data sets count by name: two of one source would count twice."


def _differ(one: OverSettings) -> bool:
    ranks = one.ranks
    return ranks is not None and ranks.p is not None and ranks.p <= ranks.level


def _profile_title(one: OverSettings) -> str:
    if one.scale == "ratio":
        return "Share of runs below each multiple of the reference’s error"
    better = "above" if one.metric.higher_is_better else "below"
    return f"Share of runs {better} each score"


def _rank_title(one: OverSettings) -> str:
    if not _differ(one):
        return "Average rank, 1 being the best"
    return "Average rank, 1 being the best; told apart where whiskers do not meet"


def _improvements(pen: Pen, key: str, lines: Sequence[Line]) -> str | None:
    shown = [line for line in lines if line.row.improvement is not None]
    if not shown:
        return None
    with panel(SIZE[0], 0.75 + 0.3 * len(shown), _margins(shown)) as (figure, ax):
        scale(ax, "x", log=False, limits=SHARE)
        ax.axvline(50, color=MUTED[0], linewidth=0.9, linestyle=DOTTED)
        for place, line in enumerate(shown):
            row = line.row
            if row.improvement_low is not None and row.improvement_high is not None:
                ends = 100 * row.improvement_low, 100 * row.improvement_high
                interval(ax, place, *ends, SHARE, line.mark.colour)
            point(ax, 100 * (row.improvement or 0.0), place, line.mark)
        _name_rows(ax, shown)
        ax.set(xlabel="Better runs (%)", ylabel="")
        told = ", ".join(
            f"{line.name} {share(line.row.improvement)} {share_interval(line.row)}"
            for line in shown
        )
        return pen.inline(figure, f"{key}-improvement", "Improvement over the reference", told)


def _profiles(pen: Pen, key: str, one: OverSettings, lines: Sequence[Line]) -> str | None:
    shown = [line for line in lines if line.row.profile is not None]
    if one.at is None or not shown or np.ptp(one.at) == 0:
        return None
    log = one.scale == "ratio"
    at = np.exp(one.at) if log else 100 * one.at
    label = {"ratio": "Error, × the reference’s", "above chance": "Score above chance (%)"}
    with panel(SIZE[0], SIZE[1]) as (figure, ax):
        scale(ax, "x", log=log, limits=(float(at[0]), float(at[-1])))
        scale(ax, "y", log=False, limits=SHARE)
        for number, line in enumerate(shown):
            profile = np.asarray(line.row.profile)
            ax.plot(
                at,
                100 * profile,
                color=line.mark.colour,
                linewidth=1.7,
                drawstyle="steps-post",
                linestyle=DASHES[line.mark.dash % len(DASHES)],
                marker=MARKERS[line.mark.marker],
                markersize=5,
                markevery=(5 + 4 * number % 20, 25),
            )
        axis = Axis.of(one.metric, [])
        ax.set(xlabel=label.get(str(one.scale), axis.label), ylabel="Runs (%)")
        told = ", ".join(f"{line.name} {over_score(line.row, one)}" for line in shown)
        return pen.inline(
            figure, f"{key}-profile", _profile_title(one), f"Interquartile means: {told}"
        )


def _ranks(pen: Pen, key: str, one: OverSettings, lines: Sequence[Line]) -> str | None:
    if one.ranks is None:
        return None
    shown = sorted(
        (line for line in lines if line.row.rank is not None), key=lambda line: line.row.rank or 0.0
    )
    half = (one.ranks.critical_difference or 0.0) / 2 if _differ(one) else 0.0
    window = (min(1.0, (shown[0].row.rank or 1.0) - half) - 0.1, len(shown) + half + 0.1)
    with panel(SIZE[0], 0.75 + 0.3 * len(shown), _margins(shown)) as (figure, ax):
        scale(ax, "x", log=False, limits=window)
        ax.set_xticks(range(1, len(shown) + 1))
        for place, line in enumerate(shown):
            rank = line.row.rank or 0.0
            if half:
                interval(ax, place, rank - half, rank + half, window, line.mark.colour)
            point(ax, rank, place, line.mark)
        _name_rows(ax, shown)
        ax.set(xlabel="Average rank", ylabel="")
        told = ", ".join(f"{line.name} {line.row.rank:.2f}" for line in shown)
        return pen.inline(figure, f"{key}-ranks", _rank_title(one), told)


def _margins(lines: Sequence[Line]) -> Margins:
    return Margins(left=14 + LETTER * max(len(short(line.name)) for line in lines))


def _name_rows(ax: Axes, lines: Sequence[Line]) -> None:
    ax.set_yticks(range(len(lines)), [short(line.name) for line in lines], color=INK[0])
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
