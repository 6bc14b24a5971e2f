"""What a comparison says, as people read it: headings, facts, tables of words. How it is written,
in a terminal or on a page, is the matter of `formats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from metabench.compare import words
from metabench.compare.sides import Side
from metabench.compare.timing import Timed, Timing
from metabench.compare.verdicts import VERDICTS, Comparison, Judged, Verdict
from metabench.errors import some
from metabench.identity import canonical
from metabench.tables.cells import block_of
from metabench.tables.typed_rows import VARIANT, Metric, Scalar

MEANINGS: Mapping[Verdict, str] = {
    "regressed": "worse than by chance, and by more than what is trivial; or no longer completed",
    "inconclusive": "neither a loss that matters nor its absence is shown",
    "refused": "not comparable, for the reason given",
    "improved": "better than by chance, and by more than what is trivial",
    "fine": "a loss that matters is ruled out",
    "identical": "every bit of every result is the same",
}
"""Each verdict, in words."""

OFTEN = 3
"""A note on so many groups is said once."""

Place = Mapping[str, Scalar]


class Group(Protocol):
    """What is written of a group, whatever was compared."""

    @property
    def place(self) -> Place:
        """Its coordinates."""

    @property
    def metric(self) -> Metric:
        """What its score is."""

    @property
    def worst(self) -> Verdict:
        """Its verdict."""


G = TypeVar("G", Judged, Timed)


@dataclass(frozen=True)
class Row:
    """A group in a table: its verdict, its name, its numbers in words, and notes."""

    verdict: Verdict
    name: str
    numbers: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The groups that share their data; `identical` names those of which there is no more to
    say."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    identical: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """All of it.

    Attributes
    ----------
    title, summary
        What was compared, and what came of it in a line.
    facts
        What the sides are and by what they were judged: names with what stands there.
    tables
        One for each set of data.
    notes
        What to know of all of it.
    """

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        """Those that occur, the graver first."""
        there = {row.verdict for table in self.tables for row in table.rows}
        there |= {"identical"} if any(table.identical for table in self.tables) else set()
        return [verdict for verdict in VERDICTS if verdict in there]


def page_of_comparison(found: Comparison) -> Page:
    """Two runs side by side, in words."""
    margins = found.margins
    facts = [
        ("baseline", _side(found.baseline)),
        ("head", _side(found.head)),
        (
            "margins",
            f"a loss of {100 * margins.margin:g} points must not pass unnoticed, below "
            f"{100 * margins.trivial:g} it is trivial; for errors {words.TIMES}"
            f"{margins.margin_ratio:g} and {words.TIMES}{margins.trivial_ratio:g}",
        ),
    ]
    if found.fresh_seeds:
        facts.append(("confirmed", f"what looked worse, on {found.fresh_seeds} fresh seeds alone"))
    notes = list(found.notes)
    if found.new:
        notes.append(f"only in head: {some(_name_anywhere(place) for place in found.new)}")
    folders = found.baseline.folder is not None and found.head.folder is not None
    is_open = any(group.verdict == "inconclusive" for group in found.groups)
    if folders and is_open and not found.fresh_seeds:
        notes.append("`--confirm` runs fresh seeds of what looks worse, and decides by those")
    columns = ("baseline", "head", "change", "95 % interval", "memory")
    return _shortened(
        Page(
            title="Two runs compared",
            summary=_summary(found.counts),
            facts=tuple(facts),
            tables=_tables(found.groups, columns, _comparison_numbers),
            notes=tuple(notes),
        )
    )


def page_of_timing(found: Timing) -> Page:
    """Two checkouts timed in turn, in words."""
    suite, *restrictions = found.workload.arguments
    facts = (
        ("baseline", found.baseline.said),
        ("head", found.head.said),
        ("workload", " ".join((Path(suite).name, *restrictions))),
        (
            "timed",
            f"{found.blocks} blocks of baseline, head, head, baseline; a ratio of "
            f"{found.margin:g} is what matters",
        ),
    )
    columns = ("timed", "baseline", "head", "time", "90 % interval", "memory")
    return _shortened(
        Page(
            title="Two checkouts timed in turn",
            summary=_summary(found.counts),
            facts=facts,
            tables=_tables(found.groups, columns, _timing_numbers),
            notes=found.notes,
        )
    )


def _shortened(page: Page) -> Page:
    """The page with what is said of many groups said once."""
    counted = Counter(note for table in page.tables for row in table.rows for note in row.notes)
    often = {note: number for note, number in counted.items() if number >= OFTEN}
    tables = tuple(
        replace(
            table,
            rows=tuple(
                replace(row, notes=tuple(note for note in row.notes if note not in often))
                for row in table.rows
            ),
        )
        for table in page.tables
    )
    said = [f"{number} groups: {note}" for note, number in often.items()]
    return replace(page, tables=tables, notes=(*page.notes, *said))


def _summary(counts: Mapping[Verdict, int]) -> str:
    told = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts.get(verdict)]
    return ", ".join(told) or "there is nothing to compare"


def _side(side: Side) -> str:
    seeds = side.seeds_run
    if not seeds:
        return f"{side.name}: no cell of it has been run"
    numbers = (
        f"{seeds[0]}–{seeds[-1]}"
        if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
        else some(map(str, seeds))
    )
    commits = f"; {some(side.commits)}" if side.commits else ""
    return f"{side.name}: seed{'s' if len(seeds) > 1 else ''} {numbers}{commits}"


def _tables(
    groups: Sequence[G], columns: tuple[str, ...], numbers: Callable[[G], tuple[str, ...]]
) -> tuple[Table, ...]:
    """One table for each set of data, in the order of the groups; the graver verdicts first."""
    blocks: dict[str, list[G]] = {}
    for group in groups:
        blocks.setdefault(canonical(block_of(group.place)), []).append(group)
    usual: dict[str, list[Place]] = {}
    for members in blocks.values():
        usual.setdefault(_title(members[0], ()), []).append(block_of(members[0].place))
    return tuple(
        Table(
            title=_title(members[0], _telling(usual[_title(members[0], ())])),
            columns=columns,
            rows=tuple(
                Row(group.worst, _name(group.place, members), numbers(group), tuple(_notes(group)))
                for group in sorted(members, key=lambda group: VERDICTS.index(group.worst))
                if group.worst != "identical"
            ),
            identical=tuple(
                _name(group.place, members) for group in members if group.worst == "identical"
            ),
        )
        for members in blocks.values()
    )


def _comparison_numbers(group: Judged) -> tuple[str, ...]:
    means = group.means or (None, None)
    return (
        *(words.score(mean, group.metric) for mean in means),
        words.change(group.score, group.metric),
        words.interval(group.score, group.metric),
        words.growth(group.memory_means),
    )


def _timing_numbers(group: Timed) -> tuple[str, ...]:
    seconds = group.seconds or (None, None)
    what = "" if group.what is None else group.what.name.removeprefix("seconds_per_")
    ends = group.time.interval if group.time is not None else None
    return (
        what or words.DASH,
        *(words.seconds(one) for one in seconds),
        words.DASH if group.time is None else f"{words.TIMES}{group.time.estimate:.3f}",
        words.DASH if ends is None else f"[{ends[0]:.3f}, {ends[1]:.3f}]",
        words.growth(group.bytes_),
    )


def _notes(group: Judged | Timed) -> Iterator[str]:
    """Why a verdict is what it is, where numbers had a part in it; and what else there is to
    know."""
    change = group.score if isinstance(group, Judged) else group.time
    if change is not None and group.verdict in ("regressed", "inconclusive"):
        if change.p_adjusted is not None:
            of = f", Holm over {change.family_size}" if (change.family_size or 0) > 1 else ""
            yield f"{change.method}: p = {change.p_adjusted:.2g} for worse{of}"
        if change.settled_by is not None:
            unit = "blocks" if isinstance(group, Timed) else "seeds"
            yield f"about {change.settled_by} {unit} would settle it"
    if group.memory is not None and group.memory.verdict == "regressed":
        yield "takes more memory: the least of head is above the most of the baseline"
    yield from group.notes


def _telling(blocks: Sequence[Place]) -> list[str]:
    """Coordinates that tell blocks apart whose titles would be one."""
    keys = dict.fromkeys(key for block in blocks for key in block)
    return [key for key in keys if len({canonical(block.get(key)) for block in blocks}) > 1]


def _title(group: Group, telling: Sequence[str]) -> str:
    """`glyphs, 5-way 1-shot: accuracy in %`."""
    place, metric = group.place, group.metric
    on = f" tested on {place['on']}" if place.get("on") not in (None, "same") else ""
    ways = f"{place['ways']}-way " if place.get("ways") else ""
    more = [f"{key.rpartition('.')[2]} = {place.get(key)}" for key in telling]
    unit = " in %" if metric.unit == "fraction" else ""
    where = ", ".join([f"{place.get('dataset')}{on}", f"{ways}{place.get('shots')}-shot", *more])
    return f"{where}: {metric.name.replace('_', ' ')}{unit}"


def _name(place: Place, others: Iterable[Group]) -> str:
    """The algorithm, and what tells it from others of that name on the same data."""
    alike = [other.place for other in others if other.place["algorithm"] == place["algorithm"]]
    keys = (*VARIANT, "method", *(key for key in place if key.startswith("evaluate.")))
    more = [f"{place.get(key)}" for key in keys if len({other.get(key) for other in alike}) > 1]
    return " ".join([str(place["algorithm"]), *more])


def _name_anywhere(place: Place) -> str:
    return f"{place['algorithm']} on {place['dataset']}"
