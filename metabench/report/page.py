"""From the tables to the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from metabench.io.files import read_regular, write_text
from metabench.report import figures, palette, words
from metabench.report.answer import answer, cost, headline
from metabench.report.blocks import Block, blocks_of, memory_column, overview
from metabench.report.claims import claims_of, tally
from metabench.report.configuration import configurations
from metabench.report.sheets import sheets_of
from metabench.report.troubles import Trouble, incomplete, troubles
from metabench.tables import Run, curves, environment, load, rows
from metabench.tables.frames import Row, printable

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
    write_text(path, printable(_environment().get_template("page.html.j2").render(_content(run))))
    return path


def _content(run: Run) -> dict[str, Any]:
    blocks = blocks_of(run)
    reference = run.info["reference"]
    outcomes = run.cells["outcome"].value_counts().to_dict()
    found: Sequence[Trouble] = troubles(run)
    claims = claims_of(run, blocks)
    memory = memory_column(blocks)
    machines = sorted(
        {group["machine"] for block in blocks for group in block.groups if group["machine"]}
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
        "legend": figures.legend(blocks),
        "seeds_panels": {
            block.key: Markup(figures.seeds_panel(block, run.cells))
            for block in blocks
            if block.scored
        },
        "sections": _sections(run, blocks, memory),
        "cells": len(run.cells),
        "seeds": run.cells["seed"].nunique(),
        "finished": outcomes.get("completed", 0) + outcomes.get("diverged", 0),
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


def _sections(run: Run, blocks: Sequence[Block], memory: str) -> dict[str, list[Section]]:
    told = curves(run)
    band = (
        f"Lines are means over completed seeds, bands their {100 * run.confidence:g} % "
        "t intervals at each point, thin lines single seeds."
    )
    where = (
        "peak GPU memory in training (MiB)"
        if "gpu" in memory
        else "peak resident memory in training, above baseline (MiB)"
        if "above" in memory
        else "peak resident memory in training (MiB)"
    )
    kept = {
        "learning": [
            (
                "Validation",
                band,
                [
                    (block, figures.curve_panel(block, told, "validation", "iteration"))
                    for block in blocks
                ],
            ),
            (
                "Training loss",
                "Each method's own loss: its course can be read, its height cannot be compared "
                "between methods.",
                [
                    (block, figures.curve_panel(block, told, "loss", "iteration"))
                    for block in blocks
                ],
            ),
        ],
        "adaptation": [
            (
                "",
                band,
                [
                    (block, figures.curve_panel(block, told, "adaptation", "adaptation steps"))
                    for block in blocks
                ],
            )
        ],
        "cost": [
            (
                "Against time",
                "Seconds of training, mean over completed seeds.",
                [
                    (
                        block,
                        figures.cost_panel(
                            block, "training_seconds", "training time (s)", words.seconds, 1.0
                        ),
                    )
                    for block in blocks
                ],
            ),
            (
                "Against memory",
                "Highest peak of any completed seed.",
                [
                    (block, figures.cost_panel(block, memory, where, words.size, 2.0**-20))
                    for block in blocks
                ]
                if memory
                else [],
            ),
        ],
    }
    sections = {}
    for name, drawn in kept.items():
        all_of_it = [
            Section(
                title, caption, [(block.title, Markup(panel)) for block, panel in panels if panel]
            )
            for title, caption, panels in drawn
        ]
        sections[name] = [section for section in all_of_it if section.panels]
    return sections


def _facts(run: Run) -> list[Row]:
    """The environment with one entry a fact: its value, or all of its values with the number of
    cells that state each."""
    facts: dict[str, list[Row]] = {}
    for row in rows(environment(run)):
        facts.setdefault(row["key"], []).append(row)
    return [{"key": key, "values": values} for key, values in facts.items()]


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
        words.interval,
        words.half_width,
        words.p_value,
        words.plain,
        words.count,
        words.seconds,
        words.size,
        words.metric,
        words.span,
    )
    environment.globals["words"] = words
    environment.filters |= {function.__name__: function for function in formats}
    return environment
