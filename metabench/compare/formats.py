"""A page as text for a terminal, as Markdown for a job's summary, as JSON for programs, and as one
HTML file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from typing import Any, Literal

import jinja2
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from metabench.compare.pages import MEANINGS, Page, Table, page_of_comparison, page_of_timing
from metabench.compare.sides import Side
from metabench.compare.timing import Timed, Timing
from metabench.compare.verdicts import Comparison, Judged
from metabench.stats import Regression
from metabench.text import one_line, shown

SCHEMA = 1
"""Of the JSON."""

Format = Literal["text", "markdown", "json", "html"]
FORMATS: tuple[Format, ...] = ("text", "markdown", "json", "html")
SUFFIXES: Mapping[str, Format] = {
    ".txt": "text",
    ".md": "markdown",
    ".json": "json",
    ".html": "html",
}
"""The format of a file by how its name ends."""

STYLES = {"regressed": "bold red", "inconclusive": "yellow", "refused": "yellow"}
"""Of verdicts in a terminal."""

WIDE = 100
"""Columns of text that goes into a file."""


def written(found: Comparison | Timing, form: Format, status: int) -> str:
    """Return what was found in one of the formats.

    Parameters
    ----------
    status
        The exit status that it led to, for programs.
    """
    if form == "json":
        return shown(json.dumps(facts(found, status), indent=2, allow_nan=False)) + "\n"
    page = page_of_comparison(found) if isinstance(found, Comparison) else page_of_timing(found)
    if form == "text":
        return shown("\n".join(lines(page, WIDE))) + "\n"
    return shown(markdown(page) if form == "markdown" else html(page))


def print_page(page: Page, console: Console) -> None:
    """Print a page on a terminal, grave verdicts in colour."""
    for line in lines(page, console.width):
        text = Text(line)
        for verdict, style in STYLES.items():
            text.highlight_regex(rf"^  {verdict}\b", style)
        console.print(text, soft_wrap=True)


def lines(page: Page, width: int) -> list[str]:
    """Return a page as lines of text, however narrow they have to be."""
    found = [*_wrapped(page.summary, width), ""]
    names = max((len(name) for name, _ in page.facts), default=0)
    for name, fact in page.facts:
        found += _wrapped(fact, width, f"{name:{names}}  ")
    for table in page.tables:
        found += ["", *_wrapped(table.title, width), *_rows(table, width)]
        for row in table.rows:
            for note in row.notes:
                found += _wrapped(f"{row.name}: {note}", width, "    ")
        if table.identical:
            found += _wrapped(_identical(table), width, "  ")
    found += [""] if page.notes else []
    return [*found, *(line for note in page.notes for line in _wrapped(note, width, "note:  "))]


def markdown(page: Page) -> str:
    """Return a page as Markdown, for the summary of a CI job."""
    lines = [f"## {page.title}: {page.summary}", ""]
    lines += [f"- {name}: {_escaped(fact)}" for name, fact in page.facts]
    for table in page.tables:
        lines += ["", f"### {_escaped(table.title)}", ""]
        if table.rows:
            lines.append(f"| verdict | | {' | '.join(table.columns)} |")
            lines.append(f"|---|---|{'---:|' * len(table.columns)}")
        for row in table.rows:
            name = f"**{row.verdict}**" if row.verdict == "regressed" else row.verdict
            cells = " | ".join(map(_escaped, (row.name, *row.numbers)))
            lines.append(f"| {name} | {cells} |")
        notes = [f"- {_escaped(f'{row.name}: {n}')}" for row in table.rows for n in row.notes]
        lines += ["", *notes] if notes else []
        lines += ["", _escaped(_identical(table))] if table.identical else []
    lines += ["", *(f"- {_escaped(note)}" for note in page.notes)] if page.notes else []
    return "\n".join(lines) + "\n"


def html(page: Page) -> str:
    """Return a page as one HTML file that needs no other."""
    return _environment().get_template("page.html.j2").render(page=page, meanings=MEANINGS)


def facts(found: Comparison | Timing, status: int) -> dict[str, Any]:
    """Return what was found, for programs."""
    common = {
        "schema": SCHEMA,
        "exit_status": status,
        "counts": dict(found.counts),
        "notes": list(found.notes),
    }
    if isinstance(found, Timing):
        return {
            "kind": "ab",
            **common,
            "baseline": found.baseline.said,
            "head": found.head.said,
            "workload": list(found.workload.arguments),
            "blocks": found.blocks,
            "margin": found.margin,
            "groups": [_timed(group) for group in found.groups],
        }
    return {
        "kind": "compare",
        **common,
        "baseline": _side(found.baseline),
        "head": _side(found.head),
        "margins": asdict(found.margins),
        "fresh_seeds": found.fresh_seeds,
        "groups": [_judged(group) for group in found.groups],
        "new": [dict(place) for place in found.new],
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "suite": side.suite,
        "root_seed": side.root_seed,
        "seeds": side.seeds,
        "commits": side.commits,
    }


def _judged(group: Judged) -> dict[str, Any]:
    return {
        "coordinates": dict(group.place),
        "metric": asdict(group.metric),
        "verdict": group.worst,
        "score": _change(group.score),
        "means": _pair(group.means),
        "confirmed": group.confirmed,
        "memory": _change(group.memory),
        "memory_bytes": _pair(group.memory_means),
        "notes": list(group.notes),
    }


def _timed(group: Timed) -> dict[str, Any]:
    return {
        "coordinates": dict(group.place),
        "verdict": group.worst,
        "quantity": None if group.what is None else group.what.name,
        "time": _change(group.time),
        "seconds": _pair(group.seconds),
        "memory": _change(group.memory),
        "memory_bytes": _pair(group.bytes_),
        "notes": list(group.notes),
    }


def _change(change: Regression | None) -> dict[str, Any] | None:
    """A change with what JSON can hold of it: no end of an interval is infinite there."""
    if change is None:
        return None
    told = {field.name: getattr(change, field.name) for field in fields(change)}
    ends = change.interval and [end if abs(end) < float("inf") else None for end in change.interval]
    return told | {"interval": ends, "caveats": list(change.caveats)}


def _pair(values: tuple[float, float] | None) -> dict[str, float] | None:
    return None if values is None else {"baseline": values[0], "head": values[1]}


def _rows(table: Table, width: int) -> list[str]:
    """The rows of a table, numbers to the right; where there is no room for columns, one line for a
    name and one for each number."""
    if not table.rows:
        return []
    head = ("verdict", "", *table.columns)
    grid = [
        head,
        *(tuple(map(one_line, (row.verdict, row.name, *row.numbers))) for row in table.rows),
    ]
    widths = [max(map(cell_len, column)) for column in zip(*grid, strict=True)]
    if sum(widths) + 2 * len(widths) <= width:
        return ["".join(_cells(row, widths)) for row in grid]
    return [
        line
        for verdict, name, *numbers in grid[1:]
        for line in (
            *_wrapped(f"{verdict} {name}", width, "  "),
            *(
                wrapped
                for column, number in zip(table.columns, numbers, strict=True)
                for wrapped in _wrapped(f"{column}: {number}", width, "    ")
            ),
        )
    ]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (text, width) in enumerate(zip(row, widths, strict=True)):
        space = " " * (width - cell_len(text))
        yield f"  {text}{space}" if place < 2 else f"  {space}{text}"


def _wrapped(text: str, width: int, name: str = "") -> list[str]:
    """A text in lines of so many columns, behind a name below which nothing stands."""
    indent = " " * min(len(name), width // 2)
    wrapped = textwrap.wrap(
        shown(text),
        width,
        initial_indent=name[: width // 2],
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return wrapped or [name]


def _identical(table: Table) -> str:
    return f"identical to the bit: {', '.join(table.identical)}"


def _escaped(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for mark in "\\`*_{}[]<>#|":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("metabench.compare"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
