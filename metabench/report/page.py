"""From the tables to the page."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from metabench import quantities
from metabench.io.files import read_regular, write_text
from metabench.quantities import (
    BY_NAME,
    PEAK_ABOVE,
    PEAK_GPU,
    PEAK_RESIDENT,
    TABLE,
    Quantity,
)
from metabench.report import citation, palette, panels, words
from metabench.report.answer import answer, cost, few_seeds, headline
from metabench.report.blocks import Block, Group, Mark, blocks_of, memory_of, names_of
from metabench.report.choices import choices_of, still_improving
from metabench.report.claims import claims_of, tally
from metabench.report.configuration import configurations
from metabench.report.courses import NAMED, curve_panel, shots_panel
from metabench.report.exports import downloads
from metabench.report.pairs import squares_of
from metabench.report.sheets import sheets_of
from metabench.report.svg import Pen
from metabench.report.troubles import incomplete, troubles
from metabench.tables import Beside, Run, beside, curves, environment, load
from metabench.tables.environment import Fact
from metabench.tables.frames import printable
from metabench.tables.typed_rows import Summary

WALL_SECONDS, SECONDS_PER_EPISODE = BY_NAME["wall_seconds"], BY_NAME["seconds_per_episode"]

CARDS = 4
"""Settings up to which each has a card on the first screen; more are told together."""

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
    pen = Pen()
    blocks = blocks_of(run)
    reference = run.info["reference"]
    outcomes = Counter(cell.outcome for cell in run.rows.cells)
    claims = claims_of(run, blocks)
    machines = sorted(
        {group.machine for block in blocks for group in block.groups if group.machine}
    )
    facts = _facts(run)
    chosen = choices_of(run, blocks)
    told = {block.key: answer(block, reference) for block in blocks}
    content = {
        "info": run.info,
        "confidence": run.confidence,
        "blocks": blocks,
        "cards": len(blocks) <= CARDS,
        "silent": bool(few_seeds(blocks)),
        "firsts": {
            name: next(one.by_name[name] for one in blocks if name in one.by_name)
            for name in names_of(blocks)
        },
        "headline": headline(blocks, reference),
        "cost_told": cost(blocks, reference),
        "answers": told,
        "summary": " ".join(headline(blocks, reference)),
        "kicker": _kicker(facts),
        "warnings": [*still_improving(chosen), *_unlike(blocks)],
        "machines": machines,
        "claims": claims,
        "claims_tally": tally(claims),
        "legend": legend(blocks) if any(len(block.groups) > NAMED for block in blocks) else [],
        "sections": _sections(pen, run, blocks),
        "shots": _shots(pen, blocks),
        "choices": chosen,
        "forests": {block.key: drawn(panels.forest_panel(pen, block)) for block in blocks},
        "seeds_panels": {
            block.key: drawn(panels.seeds_panel(pen, block, run.rows.cells))
            for block in blocks
            if block.scored
        },
        "squares": squares_of(run, blocks),
        "sheets": sheets_of(pen, run, blocks),
        "published": _published(run, blocks),
        "costs": _costs(blocks),
        "cells": len(run.rows.cells),
        "seeds": len({cell.seed for cell in run.rows.cells}),
        "finished": outcomes["completed"] + outcomes["diverged"],
        "incomplete": incomplete(blocks),
        "troubles": troubles(run),
        "foreign": [path.name for path in run.foreign],
        "environment": [(name, found) for name, found in facts.items() if "." not in name],
        "conditions": [(name, found) for name, found in facts.items() if "." in name],
        "configurations": configurations(run),
        "toml": _kept_suite(run.folder),
        "paragraph": citation.paragraph(run, blocks, facts),
        "bibtex": citation.bibtex(run, facts),
        "downloads": downloads(run, blocks),
        "css_light": palette.css(0),
        "css_dark": palette.css(1),
        "drawing_css": Markup(pen.css),
        "shapes": [Markup(shape) for shape in palette.SHAPES],
    }
    return content | {"contents": _contents(content)} | _script()


CONTENTS = (
    ("overview", "At a glance"),
    ("comparisons", "Against the reference"),
    ("cost", "Cost"),
    ("results", "Results"),
    ("claims", "Claims"),
    ("learning", "Learning"),
    ("shots", "Shots"),
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
        "adaptation": sections["adaptation"],
        "predictions": content["sheets"],
    }
    found = [(name, title) for name, title in CONTENTS if has.get(name, True)]
    wrong = content["incomplete"] or content["troubles"]
    return sorted(found, key=lambda section: section[0] != "troubles") if wrong else found


def _script() -> dict[str, Any]:
    """The one script of the page, and the digest by which its policy knows it."""
    text = resources.files("metabench.report").joinpath("templates/page.js").read_text("utf-8")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return {"script": Markup(text), "script_hash": f"sha256-{digest}"}


def _kicker(facts: Mapping[str, Sequence[Fact]]) -> list[str]:
    """Commit, date and machine of the records."""
    commits, cpus = facts.get("commit", ()), facts.get("gpu") or facts.get("cpu", ())
    told = []
    if commits:
        more = f" and {len(commits) - 1} more" if len(commits) > 1 else ""
        dirty = ", with uncommitted changes" if _values(facts, "dirty") != ["False"] else ""
        told.append(f"commit {commits[0].value[:12]}{more}{dirty}")
    told += [ended[:10] for ended in _values(facts, "ended")]
    if cpus:
        told.append(cpus[0].value if len(cpus) == 1 else f"{len(cpus)} machines")
    return told


def _values(facts: Mapping[str, Sequence[Fact]], key: str) -> list[str]:
    return [fact.value for fact in facts.get(key, ())]


def _unlike(blocks: Sequence[Block]) -> list[str]:
    """Say of which blocks the costs cannot be compared."""
    found = [block.title for block in blocks if block.scored and not block.costs_compare]
    if not found:
        return []
    told = found[0] if len(found) == 1 else f"{len(found)} settings"
    return [
        f"Times and memory of {told} were measured on different machines, or with other numbers of "
        "threads or of cells at once, and are not set side by side."
    ]


def _sections(pen: Pen, run: Run, blocks: Sequence[Block]) -> dict[str, list[Section]]:
    told = curves(run)
    band = (
        f"Lines are means over completed seeds, bands their {100 * run.confidence:g} % "
        "intervals at each point, thin lines single seeds."
    )
    own_loss = (
        "Each method's own loss: its course can be read, its height cannot be compared between "
        "methods. Means over completed seeds."
    )

    of_time = (
        "The same against what training had taken by then, as a mean over the seeds: what a budget "
        "of so many seconds buys."
    )

    def curve(title: str, caption: str, kind: str, x_label: str, over: str = "x") -> Section:
        panel = partial(
            curve_panel, pen, kind=kind, x_label=x_label, cells=run.rows.cells, over=over
        )
        return Section(title, caption, _titled(blocks, lambda block: panel(block, told)))

    def cost(title: str, caption: str, quantity: Quantity, x_label: str) -> Section:
        def panel(block: Block) -> str | None:
            return panels.cost_panel(pen, block, quantity, x_label)

        return Section(title, caption, _titled(blocks, panel))

    whole = "Seconds of a whole fit, choices and validation among them, mean over completed seeds."
    episode = "Seconds of a test episode, mean over completed seeds."
    sections = {
        "learning": [
            curve("Validation", band, "validation", "iteration"),
            curve(
                "Validation against time", of_time, "validation", "seconds of training", "seconds"
            ),
            curve("Training loss", own_loss, "loss", "iteration"),
        ],
        "adaptation": [curve("", band, "adaptation", "adaptation steps")],
        "cost": [
            cost("Score against time", whole, WALL_SECONDS, "whole fit"),
            cost("Score against time of a test", episode, SECONDS_PER_EPISODE, "test episode"),
        ],
    }
    memory = memory_of(blocks)
    if memory is not None:
        where = "GPU memory" if memory is PEAK_GPU else "resident memory"
        highest = "Highest peak in training of any completed seed"
        highest += ", above what was resident before." if memory is PEAK_ABOVE else "."
        highest += " Not drawn where peaks hardly differ."
        sections["cost"].append(cost("Score against memory", highest, memory, where))
    return {
        name: [section for section in found if section.panels] for name, found in sections.items()
    }


def _titled(
    blocks: Sequence[Block], panel: Callable[[Block], str | None]
) -> list[tuple[str, Markup]]:
    made = ((block.title, panel(block)) for block in blocks)
    return [(title, Markup(svg)) for title, svg in made if svg]


def _shots(pen: Pen, blocks: Sequence[Block]) -> list[tuple[str, Markup]]:
    """The panels over shots: blocks that differ in nothing else, together."""
    alike: dict[str, list[Block]] = {}
    for block in blocks:
        alike.setdefault(block.besides_shots, []).append(block)
    found = []
    for members in alike.values():
        title = f"{members[0].dataset}{f' · {members[0].ways}-way' if members[0].ways else ''}"
        if svg := shots_panel(pen, title, members):
            found.append((title, Markup(svg)))
    return found


def _published(run: Run, blocks: Sequence[Block]) -> list[tuple[Block, list[tuple[Group, Beside]]]]:
    """Published figures beside ours, block by block where there are any."""
    found = list(beside(run.rows.cells, run.rows.groups, run.confidence))
    table = []
    for block in blocks:
        groups = {group.group: group for group in block.groups}
        rows = [(groups[row.group.group], row) for row in found if row.group.group in groups]
        table += [(block, rows)] if rows else []
    return table


def drawn(svg: str | None) -> Markup | None:
    """A drawing as part of a page."""
    return Markup(svg) if svg else None


def legend(blocks: Sequence[Block]) -> list[tuple[str, Mark]]:
    """Return the name and the mark of each algorithm."""
    entries = {
        group.algorithm: group.mark
        for block in reversed(blocks)
        for group in reversed(block.groups)
    }
    return sorted(entries.items(), key=lambda entry: entry[1].series)


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
        words.compared,
        words.least,
        words.failures,
        words.interval,
        words.half_width,
        words.p_value,
        words.plain,
        words.count,
        words.seconds,
        words.size,
        words.quantity,
        words.metric,
        words.spread,
    )
    environment.globals |= {"words": words, "quantities": quantities}
    environment.filters |= {function.__name__: function for function in formats}
    return environment
