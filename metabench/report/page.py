"""From the tables to the page."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from metabench import quantities
from metabench.io.files import read_regular, write_text
from metabench.quantities import PEAK_ABOVE, PEAK_RESIDENT, TABLE, Quantity
from metabench.report import citation, palette, words
from metabench.report.blocks import Block, Group, blocks_of
from metabench.report.choices import choices_of, still_improving
from metabench.report.claims import claims_of, tally
from metabench.report.configuration import configurations
from metabench.report.drawings import drawings
from metabench.report.exports import downloads
from metabench.report.first_screen import first_screen
from metabench.report.over_settings import (
    over_interval,
    over_score,
    overs_of,
    share,
    share_interval,
)
from metabench.report.pairs import squares_of
from metabench.report.spread import deviation, spreads_of
from metabench.report.svg import Pen
from metabench.report.timed import timed_of
from metabench.report.troubles import incomplete, troubles
from metabench.tables import Beside, Run, beside, environment, load
from metabench.tables.cost_ratios import RATIOS
from metabench.tables.environment import Fact
from metabench.tables.frames import printable
from metabench.tables.typed_rows import Summary

SUITE = 4 * 2**20
"""Bytes of a suite that is shown."""


def render(folder: Path, confidence: float | None = None) -> Path:
    """Write `index.html` and `tables/*.csv` into a run folder, each whole or not at all. The same
    records give the same bytes.

    Parameters
    ----------
    confidence
        Of all intervals and tests; by default that which the run declared.

    Returns
    -------
    Path
        The path of the page.

    Raises
    ------
    FolderError
        `folder` is none of a run, or cannot be written.
    """
    run = load(folder, confidence)
    run.write_csv()
    path = run.folder / "index.html"
    write_text(path, page(run))
    return path


def page(run: Run, trail: str = "") -> str:
    """Return the page of a run; `trail` is markup that stands above it, where it is one of
    several."""
    content = _content(run) | {"trail": Markup(trail)}
    return str(printable(_environment().get_template("page.html.j2").render(content)))


def _content(run: Run) -> dict[str, Any]:
    pen, blocks = Pen(), blocks_of(run)
    facts, chosen, claims = _facts(run), choices_of(run, blocks), claims_of(run, blocks)
    outcomes = Counter(cell.outcome for cell in run.rows.cells)
    content = {
        "info": run.info,
        "confidence": run.confidence,
        "blocks": blocks,
        "cells": len(run.rows.cells),
        "seeds": len({cell.seed for cell in run.rows.cells}),
        "finished": outcomes["completed"] + outcomes["diverged"],
        "claims": claims,
        "claims_tally": tally(claims),
        "choices": chosen,
        "squares": squares_of(run, blocks),
        "spreads": spreads_of(pen, run, blocks),
        "overs": overs_of(pen, run, blocks),
        "published": _published(run, blocks),
        "costs": _costs(blocks),
        "cost_ratios": list(RATIOS.values()),
        "timed": timed_of(run, blocks),
        "incomplete": incomplete(blocks),
        "troubles": troubles(run),
        "foreign": [path.name for path in run.foreign],
        "configurations": configurations(run),
        "toml": _kept_suite(run.folder),
        "environment": [(name, found) for name, found in facts.items() if "." not in name],
        "conditions": [(name, found) for name, found in facts.items() if "." in name],
        "paragraph": citation.paragraph(run, blocks, facts),
        "bibtex": citation.bibtex(run, facts),
        "downloads": downloads(run, blocks),
    }
    content |= first_screen(run, blocks, facts, still_improving(chosen))
    content |= drawings(pen, run, blocks)
    return content | {"contents": _contents(content)} | _look(pen)


CONTENTS = (
    ("overview", "At a glance"),
    ("comparisons", "Against the reference"),
    ("over_settings", "Over settings"),
    ("cost", "Cost"),
    ("results", "Results"),
    ("claims", "Claims"),
    ("learning", "Learning"),
    ("shots", "Shots"),
    ("spread", "Spread"),
    ("adaptation", "Adaptation"),
    ("predictions", "Predictions"),
    ("troubles", "What went wrong"),
    ("cite", "Cite and download"),
    ("environment", "Environment"),
    ("reproduce", "Reproduce"),
    ("words", "Words"),
)
"""The sections in their order, each a template of its name."""


def _contents(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The sections that this run has; what went wrong first, where anything has."""
    sections = content["sections"]
    has = {
        "overview": len(content["blocks"]) > 1,
        "claims": content["claims"] or content["info"]["withdrawn"],
        "learning": sections["learning"],
        "shots": content["shots"],
        "over_settings": content["overs"],
        "spread": content["spreads"],
        "adaptation": sections["adaptation"] or content["sheets"]["adaptation"],
        "predictions": content["sheets"]["predictions"],
    }
    found = [(name, title) for name, title in CONTENTS if has.get(name, True)]
    wrong = content["incomplete"] or content["troubles"]
    return sorted(found, key=lambda section: section[0] != "troubles") if wrong else found


def _look(pen: Pen) -> dict[str, Any]:
    """Colours, classes of the drawings, marks; the one script of the page, and the digest by which
    its policy knows it."""
    text = resources.files("metabench.report").joinpath("templates/page.js").read_text("utf-8")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return {
        "css_light": palette.css(0),
        "css_dark": palette.css(1),
        "drawing_css": Markup(pen.css),
        "shapes": [Markup(shape) for shape in palette.SHAPES],
        "script": Markup(text),
        "script_hash": f"sha256-{digest}",
    }


def _published(run: Run, blocks: Sequence[Block]) -> list[tuple[Block, list[tuple[Group, Beside]]]]:
    """Published figures beside ours, block by block where there are any."""
    found = list(beside(run.rows.cells, run.rows.groups, run.confidence))
    table = []
    for block in blocks:
        groups = {group.group: group for group in block.groups}
        rows = [(groups[row.group.group], row) for row in found if row.group.group in groups]
        table += [(block, rows)] if rows else []
    return table


def _costs(blocks: Sequence[Block]) -> list[tuple[Quantity, list[Quantity]]]:
    """The columns of the table of costs, each with what stands in small print in it: those that a
    group has a number for."""
    known = {
        quantity.name
        for quantity in TABLE
        for block in blocks
        for group in block.groups
        if group[quantity] != Summary()
    }
    if PEAK_ABOVE.name in known:
        known.discard(PEAK_RESIDENT.name)
    shown = [quantity for quantity in TABLE if quantity.heading and quantity.name in known]
    return [
        (quantity, [small for small in shown if small.under == quantity.name])
        for quantity in shown
        if not quantity.under
    ]


def _facts(run: Run) -> dict[str, list[Fact]]:
    """The environment with one entry a fact: its value, or all of its values with the number of
    cells that state each."""
    facts: dict[str, list[Fact]] = {}
    for fact in environment(run):
        facts.setdefault(fact.key, []).append(fact)
    return facts


def _kept_suite(folder: Path) -> str | None:
    try:
        return read_regular(folder / "suite.toml", SUITE).decode(errors="replace")
    except OSError:
        return None


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metabench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    formats = (
        words.score,
        words.difference,
        words.effect,
        words.effect_interval,
        words.least,
        words.least_seeds,
        words.second_opinions,
        words.failures,
        words.interval,
        words.half_width,
        words.p_value,
        words.plain,
        words.quantity,
        words.metric,
        words.fact_name,
        words.spread,
        deviation,
        over_score,
        over_interval,
        share,
        share_interval,
    )
    environment.globals |= {"words": words, "quantities": quantities}
    environment.filters |= {function.__name__: function for function in formats}
    return environment
