"""All drawings of a page, in the sections that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from markupsafe import Markup

from metabench.figures import Section
from metabench.quantities import PEAK_ABOVE, PEAK_GPU, SECONDS_PER_EPISODE, WALL_SECONDS, Quantity
from metabench.report import panels
from metabench.report.blocks import Block, Mark, memory_of
from metabench.report.courses import NAMED, curve_panel, shots_panel
from metabench.report.sheets import Sheet, sheets_of
from metabench.report.svg import Pen
from metabench.tables import Run, curves

OWN_LOSS = (
    "Each method's own loss: its course can be read, its height cannot be compared between "
    "methods. Means over completed seeds."
)
ON_TRAINED = (
    "The same on the tasks of training, a mean over each small span of it: what is better here "
    "than in validation was learned of what was trained on, and does not carry over. Each method "
    "scores its own batches, in its own ways."
)
TRAINED_IN = ("accuracy", "mse")
"""What training is scored by, whatever a test is."""
OF_TIME = (
    "The same against what training had taken by then, as a mean over the seeds: what a budget of "
    "so many seconds buys."
)
WHOLE = "Seconds of a whole fit, choices and validation among them, mean over completed seeds."
EPISODE = "Seconds of a test episode, mean over completed seeds."


@dataclass(frozen=True)
class Row:
    """A row of panels under one heading: what they show, how to read them, and the panels
    themselves by the title of their block."""

    title: str
    caption: str
    panels: list[tuple[str, Markup]]


def drawings(pen: Pen, run: Run, blocks: Sequence[Block]) -> dict[str, Any]:
    """Return the drawings by the names that the templates know them by, and why figures are left
    out."""
    undrawn: dict[str, None] = {}
    return {
        "forests": {block.key: _drawn(panels.forest_panel(pen, block)) for block in blocks},
        "seeds_panels": {
            block.key: _drawn(panels.seeds_panel(pen, block, run.rows.cells))
            for block in blocks
            if block.scored
        },
        "sections": {
            name: [section for section in found if section.panels]
            for name, found in (*_curves(pen, run, blocks), _costs(pen, blocks))
        },
        "shots": _shots(pen, blocks),
        "sheets": _sheets(pen, run, blocks, undrawn.setdefault),
        "undrawn": undrawn,
        "legend": _legend(blocks) if any(len(one.groups) > NAMED for one in blocks) else [],
    }


def _curves(pen: Pen, run: Run, blocks: Sequence[Block]) -> list[tuple[str, list[Row]]]:
    told = curves(run)
    band = (
        f"Lines are means over completed seeds, bands their {100 * run.confidence:g} % "
        "intervals at each point, thin lines single seeds."
    )

    def section(title: str, caption: str, kind: str, x_label: str, over: str = "x") -> Row:
        panel = partial(curve_panel, pen, kind=kind, x_label=x_label, over=over)
        draw = partial(panel, curves=told, cells=run.rows.cells)
        alike = [block for block in blocks if block.metric.name in TRAINED_IN]
        return Row(title, caption, _titled(alike if kind == "training" else blocks, draw))

    seconds = "seconds of training"
    learning = [
        section("Validation", band, "validation", "iteration"),
        section("Validation against time", OF_TIME, "validation", seconds, "seconds"),
        section("Training", ON_TRAINED, "training", "iteration"),
        section("Training loss", OWN_LOSS, "loss", "iteration"),
    ]
    adaptation = [section("", band, "adaptation", "adaptation steps")]
    return [("learning", learning), ("adaptation", adaptation)]


def _costs(pen: Pen, blocks: Sequence[Block]) -> tuple[str, list[Row]]:
    def section(title: str, caption: str, cost: Quantity, x_label: str) -> Row:
        draw = partial(panels.cost_panel, pen, cost=cost, x_label=x_label)
        return Row(title, caption, _titled(blocks, draw))

    found = [
        section("Score against time", WHOLE, WALL_SECONDS, "whole fit"),
        section("Score against time of a test", EPISODE, SECONDS_PER_EPISODE, "test episode"),
    ]
    if memory := memory_of(blocks):
        where = "GPU memory" if memory is PEAK_GPU else "resident memory"
        highest = "Highest peak in training of any completed seed"
        highest += ", above what was resident before." if memory is PEAK_ABOVE else "."
        highest += " Not drawn where peaks hardly differ."
        found.append(section("Score against memory", highest, memory, where))
    return "cost", found


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


def _sheets(
    pen: Pen, run: Run, blocks: Sequence[Block], tell: Callable[[str], object]
) -> dict[Section, list[Sheet]]:
    """The sheets by the section that they stand in."""
    found = sheets_of(pen, run, blocks, tell)
    return {
        section: [one for one in found if one.section == section] for section in get_args(Section)
    }


def _drawn(svg: str | None) -> Markup | None:
    """A drawing as part of a page."""
    return Markup(svg) if svg else None


def _legend(blocks: Sequence[Block]) -> list[tuple[str, Mark]]:
    """Return the name and the mark of each algorithm."""
    entries = {
        group.algorithm: group.mark
        for block in reversed(blocks)
        for group in reversed(block.groups)
    }
    return sorted(entries.items(), key=lambda entry: entry[1].series)
