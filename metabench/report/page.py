"""From the tables to the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from metabench import quantities
from metabench.io.files import read_regular, write_text
from metabench.quantities import (
    PEAK_ABOVE,
    PEAK_GPU,
    PEAK_RESIDENT,
    TABLE,
    TRAINING_SECONDS,
    Quantity,
)
from metabench.report import palette, panels, words
from metabench.report.answer import answer, cost, headline
from metabench.report.blocks import Block, blocks_of, memory_of, overview
from metabench.report.claims import claims_of, tally
from metabench.report.configuration import configurations
from metabench.report.sheets import sheets_of
from metabench.report.troubles import Trouble, incomplete, troubles
from metabench.tables import Run, curves, environment, load
from metabench.tables.environment import Fact
from metabench.tables.frames import printable
from metabench.tables.typed_rows import Summary

SUITE = 4 * 2**20
"""Bytes of a suite that is shown."""


@dataclass(frozen=True)
class Section:
    """A row of panels under one heading: what they show, how to read them, and the panels
    themselves by the title of their block."""

    title: str
    caption: str
    panels: list[tuple[str, Markup]]


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
    blocks = blocks_of(run)
    reference = run.info["reference"]
    outcomes = Counter(cell.outcome for cell in run.rows.cells)
    found: Sequence[Trouble] = troubles(run)
    claims = claims_of(run, blocks)
    memory = memory_of(blocks)
    machines = sorted(
        {group.machine for block in blocks for group in block.groups if group.machine}
    )
    return {
        "info": run.info,
        "confidence": run.confidence,
        "blocks": blocks,
        "overview": overview(blocks, memory),
        "headline": [*headline(blocks, reference), *filter(None, [cost(blocks, reference)])],
        "memory": memory,
        "machines": machines,
        "costs_compare": len(machines) <= 1
        and all(block.costs_compare for block in blocks if block.scored),
        "claims": claims,
        "claims_tally": tally(claims),
        "sheets": sheets_of(run, blocks),
        "answers": {block.key: answer(block, reference) for block in blocks},
        "legend": panels.legend(blocks),
        "seeds_panels": {
            block.key: Markup(panels.seeds_panel(block, run.rows.cells))
            for block in blocks
            if block.scored
        },
        "sections": _sections(run, blocks, memory),
        "costs": _costs(blocks),
        "cells": len(run.rows.cells),
        "seeds": len({cell.seed for cell in run.rows.cells}),
        "finished": outcomes["completed"] + outcomes["diverged"],
        "outcomes": outcomes,
        "incomplete": incomplete(blocks),
        "troubles": found,
        "foreign": [path.name for path in run.foreign],
        "environment": _facts(run),
        "configurations": configurations(run),
        "toml": _kept_suite(run.folder),
        "css_light": palette.css(0),
        "css_dark": palette.css(1),
        "shapes": [Markup(shape) for shape in palette.SHAPES],
    }


def _sections(
    run: Run, blocks: Sequence[Block], memory: Quantity | None
) -> dict[str, list[Section]]:
    told = curves(run)
    band = (
        f"Lines are means over completed seeds, bands their {100 * run.confidence:g} % "
        "t intervals at each point, thin lines single seeds."
    )

    def curve(title: str, caption: str, kind: str, x_label: str) -> Section:
        drawn = ((block, panels.curve_panel(block, told, kind, x_label)) for block in blocks)
        return Section(title, caption, _titled(drawn))

    def cost(title: str, caption: str, quantity: Quantity, x_label: str) -> Section:
        drawn = ((block, panels.cost_panel(block, quantity, x_label)) for block in blocks)
        return Section(title, caption, _titled(drawn))

    own_loss = (
        "Each method's own loss: its course can be read, its height cannot be compared between "
        "methods."
    )
    seconds = "Seconds of training, mean over completed seeds."
    sections = {
        "learning": [
            curve("Validation", band, "validation", "iteration"),
            curve("Training loss", own_loss, "loss", "iteration"),
        ],
        "adaptation": [curve("", band, "adaptation", "adaptation steps")],
        "cost": [cost("Against time", seconds, TRAINING_SECONDS, "training time")],
    }
    if memory is not None:
        where = f"peak {'GPU' if memory is PEAK_GPU else 'resident'} memory in training"
        where += ", above baseline" if memory is PEAK_ABOVE else ""
        highest = "Highest peak of any completed seed."
        sections["cost"].append(cost("Against memory", highest, memory, where))
    return {
        name: [section for section in found if section.panels] for name, found in sections.items()
    }


def _titled(drawn: Iterable[tuple[Block, str | None]]) -> list[tuple[str, Markup]]:
    return [(block.title, Markup(panel)) for block, panel in drawn if panel]


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


def _facts(run: Run) -> list[tuple[str, list[Fact]]]:
    """The environment with one entry a fact: its value, or all of its values with the number of
    cells that state each."""
    facts: dict[str, list[Fact]] = {}
    for fact in environment(run):
        facts.setdefault(fact.key, []).append(fact)
    return list(facts.items())


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
        words.detectable,
        words.interval,
        words.half_width,
        words.p_value,
        words.plain,
        words.count,
        words.seconds,
        words.size,
        words.quantity,
        words.metric,
        words.span,
    )
    environment.globals |= {"words": words, "quantities": quantities}
    environment.filters |= {function.__name__: function for function in formats}
    return environment
