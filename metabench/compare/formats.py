"""A page as text for a terminal, as Markdown for a job's summary, as JSON for programs, and as one
HTML file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import Any, Literal

import jinja2
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from metabench.compare.judging import Comparison, Judged
from metabench.compare.pages import MEANINGS, Page, Table, page_of_comparison, page_of_timing
from metabench.compare.sides import Side
from metabench.compare.timing import Timed, Timing
from metabench.stats import Regression
from metabench.text import shown

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

NARROW = 60
"""Columns of a terminal below which a row of numbers stands below its name."""


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
        console = Console(file=io.StringIO(), width=100, no_color=True, markup=False, emoji=False)
        print_page(page, console)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
    return shown(markdown(page) if form == "markdown" else html(page))


def print_page(page: Page, console: Console) -> None:
    """Print a page on a terminal, however narrow."""
    console.print(Text(page.summary, style="bold"))
    console.print()
    width = max((len(name) for name, _ in page.facts), default=0)
    for name, fact in page.facts:
        console.print(_hanging(name.ljust(width), fact))
    for table in page.tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        if table.rows:
            console.print(_grid(table, console.width))
        for row in table.rows:
            for note in row.notes:
                console.print(Padding(Text(f"{row.name}: {note}"), (0, 0, 0, 4), expand=False))
        if table.identical:
            console.print(Padding(Text(_identical(table)), (0, 0, 0, 2), expand=False))
    if page.notes:
        console.print()
    for note in page.notes:
        console.print(_hanging("note:", note))


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


def _grid(table: Table, width: int) -> Grid | Padding:
    """The rows of a table, numbers to the right; where there is no room for columns, one line for a
    name and one for each number."""
    if width < NARROW:
        lines = [
            line
            for row in table.rows
            for line in (
                Text.assemble((row.verdict, STYLES.get(row.verdict, "")), f" {row.name}"),
                *(
                    Text(f"    {column}: {number}")
                    for column, number in zip(table.columns, row.numbers, strict=True)
                ),
            )
        ]
        return Padding(Text("\n").join(lines), (0, 0, 0, 2))
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("  verdict", no_wrap=True)
    grid.add_column("", overflow="fold")
    for column in table.columns:
        grid.add_column(column, justify="right", overflow="fold")
    for row in table.rows:
        verdict = Text(f"  {row.verdict}", style=STYLES.get(row.verdict, ""))
        grid.add_row(verdict, row.name, *row.numbers)
    return grid


def _hanging(name: str, text: str) -> Grid:
    """A name, and beside it a text whose further lines stand below its first."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(name, text)
    return grid


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
