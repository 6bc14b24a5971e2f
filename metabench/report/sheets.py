"""Test episodes to look at: what each algorithm made of the same few waves, or of the same few
images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from metabench.report import svg
from metabench.report.blocks import Block, Mark
from metabench.report.canvas import SIZE, grid, scale
from metabench.report.palette import INK
from metabench.tables import Run, Shown, shown
from metabench.tables.frames import Row

BLOCKS = 6
"""Settings of a run that get a sheet: they are to look at, and more of them show nothing new."""

WAVES = 4
BEFORE, FIRST, LAST = (0, (1, 1.6)), (0, (4, 2)), "-"
"""Dashes of a prediction before adaptation, after one step, and after the last."""

FAR = 1e6
"""What is further away than this is not drawn: no number, or one that no drawing holds."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TILE, GAP, MARGIN, BETWEEN = 28, 3, 13, 12
"""Width of a tile, room between tiles, left of a row for its letter, and between episodes."""
MAGNIFIED = 1.2
"""Pixels of the page that one of those units takes."""

Pixels = NDArray[np.uint8]
Labels = NDArray[np.generic]


@dataclass(frozen=True)
class Panel:
    """One drawing of a sheet: whose it is (no mark: the examples that all learn from), what to know
    about it, and the `<svg>`."""

    name: str
    mark: Mark | None
    caption: str
    drawing: Markup


@dataclass(frozen=True)
class Sheet:
    """The panels of one block, all of the same episodes, of one seed."""

    title: str
    seed: int
    images: bool
    panels: list[Panel]


def sheets_of(run: Run, blocks: Sequence[Block]) -> list[Sheet]:
    """Return the sheets of the first blocks whose records keep episodes for figures."""
    sheets: list[Sheet] = []
    for block in blocks:
        found = shown(run, block.data) if len(sheets) < BLOCKS else []
        if panels := list(_panels(block, found)):
            sheets.append(Sheet(block.title, found[0].seed, found[0].images, panels))
    return sheets


def _panels(block: Block, found: Sequence[Shown]) -> Iterator[Panel]:
    groups = {group["group"]: group for group in block.groups}
    if not found:
        return
    if found[0].images:
        yield from _image_panels(block.key, found, groups)
    elif plain := [one for one in found if one.query_x.shape[2] == 1]:
        # a method that is told more has further columns after the one that all have
        for one in found:
            if np.array_equal(one.query_x[:, :, 0], plain[0].query_x[:, :, 0]):
                yield _waves_panel(block, one, groups[one.group], _limits(found))


def _waves_panel(
    block: Block, one: Shown, group: Row, limits: Sequence[tuple[float, float]]
) -> Panel:
    """Up to four waves in a square: the true curve, the points that were given, and the prediction
    before, during and after adaptation."""
    steps: list[tuple[int, Any]] = [(one.final, LAST)]
    steps += [(one.steps.index(1), FIRST)] if 1 in one.steps[: one.final] else []
    steps += [(0, BEFORE)] if one.steps[0] == 0 and one.final > 0 else []
    with grid(2, 2, SIZE[0], SIZE[1] * 1.1) as (figure, axes):
        for wave, ax in enumerate(axes.flat):
            if wave >= min(WAVES, len(limits)):
                ax.set_axis_off()
                continue
            _wave(ax, one, wave, steps, group["mark"].colour)
            ax.set_ylim(*limits[wave])
            scale(ax, "x", False, 3)
            scale(ax, "y", False, 3)
        told = _steps_told([one.steps[at] for at, _ in reversed(steps)])
        described = (
            f"{min(WAVES, len(limits))} test episodes: the true curve, "
            f"{one.support_x.shape[1]} given points, and the prediction {told}"
        )
        drawing = Markup(
            svg.inline(
                figure,
                f"{block.key}-waves-{group['group']}",
                f"Predictions of {group['name']}, {block.title}",
                described,
            )
        )
    return Panel(group["name"], group["mark"], told, drawing)


def _wave(ax: Axes, one: Shown, wave: int, steps: Sequence[tuple[int, Any]], colour: str) -> None:
    x = one.query_x[wave, :, 0].astype(np.float64)
    order = np.argsort(x, kind="stable")
    ax.plot(x[order], one.query_y[wave, order, 0], color=INK[0], linewidth=1.0, alpha=0.75)
    for at, dashes in steps:
        predicted = one.prediction[wave, at, order, 0].astype(np.float64)
        near = np.where(np.abs(predicted) < FAR, predicted, np.nan)
        ax.plot(
            x[order], near, color=colour, linewidth=1.6 if dashes == LAST else 1.1, linestyle=dashes
        )
    ax.plot(
        one.support_x[wave, :, 0],
        one.support_y[wave, :, 0],
        linestyle="",
        marker="o",
        markersize=3.4,
        color=INK[0],
        markeredgewidth=0,
    )


def _limits(found: Sequence[Shown]) -> list[tuple[float, float]]:
    """The range of y of each wave, the same for all algorithms: that of the truth with room around,
    so that one wild prediction hides nothing."""
    limits = []
    for wave in range(len(found[0].query_y)):
        true = found[0].query_y[wave].astype(np.float64)
        room = 0.35 * float(np.ptp(true)) or 1.0
        limits.append((float(true.min()) - room, float(true.max()) + room))
    return limits


def _steps_told(steps: Sequence[int]) -> str:
    if len(steps) == 1:
        return f"after {_step(steps[0])}" if steps[0] else "without adaptation"
    *first, last = (str(step) for step in steps)
    return f"after {', '.join(first)} and {last} steps"


def _step(step: int) -> str:
    return f"{step} step{'s' if step != 1 else ''}"


def _image_panels(key: str, found: Sequence[Shown], groups: Mapping[str, Row]) -> Iterator[Panel]:
    """The support images, then for each algorithm the queries with what they were taken for, class
    by class in rows."""
    first = found[0]
    support, query = (
        _by_class(first.support_x, first.support_y),
        _by_class(first.query_x, first.query_y),
    )
    if support is None or query is None or len(support[0]) != len(query[0]):
        return
    sprite = _Sprite(f"{key}-pixels", np.concatenate((support, query), axis=2).astype(np.uint8))
    shots = support.shape[2]
    tiles = sprite.panel(range(shots), None)
    described = f"{len(support)} episodes of {support.shape[1]} classes, {shots} images of each"
    drawing = _svg(
        f"{key}-support", sprite, shots, sprite.definition() + tiles, "Support images", described
    )
    yield Panel("Support images", None, "what all learn from", drawing)
    for one in found:
        group, taken = groups[one.group], _by_class(one.prediction[:, one.final], one.query_y)
        if taken is None or not np.array_equal(one.query_x, first.query_x):
            continue
        right = int((taken == np.arange(taken.shape[1])[None, :, None]).sum())
        caption = f"{right} of {taken.size} shown are right"
        title = f"Queries as {group['name']} takes them: {caption}"
        tiles = sprite.panel(range(shots, sprite.columns), taken)
        drawing = _svg(
            f"{key}-{one.group}", sprite, sprite.columns - shots, tiles, title, _mistakes(taken)
        )
        yield Panel(group["name"], group["mark"], caption, drawing)


def _mistakes(taken: Labels) -> str:
    wrong = [(at, int(label)) for at, label in np.ndenumerate(taken) if label != at[1]]
    return "; ".join(
        f"episode {at[0] + 1}, class {_letter(at[1])}: query {at[2] + 1} taken for {_letter(label)}"
        for at, label in wrong
    )


def _by_class(values: Labels, labels: Labels) -> Labels | None:
    """Values ``[e, n, ...]`` as ``[e, classes, n / classes, ...]``, where every class of every
    episode has as many; else None."""
    classes = int(labels.max()) + 1
    if labels.shape[1] % classes or any(
        (np.bincount(episode, minlength=classes) != labels.shape[1] // classes).any()
        for episode in labels
    ):
        return None
    order = np.argsort(labels, axis=1, kind="stable")
    chosen = np.stack([value[at] for value, at in zip(values, order, strict=True)])
    return chosen.reshape(len(values), classes, -1, *values.shape[2:])


class _Sprite:
    """All images of a sheet as one picture, which is put into the page once and shown piece by
    piece."""

    def __init__(self, key: str, tiles: Pixels) -> None:
        """Take tiles ``[e, classes, columns, H, W, C]``."""
        self.key = key
        self.tiles = tiles
        self.columns = tiles.shape[2]
        self.height = TILE * tiles.shape[3] // tiles.shape[4]

    @property
    def rows(self) -> int:
        """Rows of tiles, of all episodes."""
        return int(self.tiles.shape[0] * self.tiles.shape[1])

    def definition(self) -> str:
        """The picture, to be referred to and not shown itself."""
        episodes, classes, columns, height, width, _ = self.tiles.shape
        whole = self.tiles.transpose(0, 1, 3, 2, 4, 5).reshape(
            episodes * classes * height, columns * width, -1
        )
        file = io.BytesIO()
        Image.fromarray(whole.squeeze(-1) if whole.shape[-1] == 1 else whole).save(
            file, format="PNG", optimize=True
        )
        address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        size = (
            f'width="{self.columns * TILE}" height="{self.rows * self.height}" '
            'preserveAspectRatio="none"'
        )
        return (
            f'<defs><image id="{self.key}" {size} style="image-rendering: pixelated" '
            f'href="{address}"/></defs>'
        )

    def panel(self, columns: range, taken: Labels | None) -> str:
        """The tiles of these columns, and what those that were taken for another class were taken
        for."""
        drawn = []
        for episode in range(self.tiles.shape[0]):
            for c in range(self.tiles.shape[1]):
                row = episode * self.tiles.shape[1] + c
                y = row * (self.height + GAP) + episode * BETWEEN
                drawn.append(
                    f'<text class="class" x="{MARGIN - 4}" '
                    f'y="{y + self.height / 2:g}">{_letter(c)}</text>'
                )
                for place, column in enumerate(columns):
                    x = MARGIN + place * (TILE + GAP)
                    drawn.append(self._tile(x, y, column, row))
                    if taken is not None and taken[episode, c, place] != c:
                        drawn.append(self._wrong(x, y, _letter(int(taken[episode, c, place]))))
        return "".join(drawn)

    def _tile(self, x: int, y: int, column: int, row: int) -> str:
        part = f"{column * TILE} {row * self.height} {TILE} {self.height}"
        return (
            f'<svg x="{x}" y="{y}" width="{TILE}" height="{self.height}" '
            f'viewBox="{part}" aria-hidden="true"><use href="#{self.key}"/></svg>'
        )

    def _wrong(self, x: int, y: int, letter: str) -> str:
        """A frame, and a cross with the letter of the wrong class."""
        right, bottom = x + TILE, y + self.height
        return (
            f'<g class="wrong"><rect x="{x}" y="{y}" width="{TILE}" height="{self.height}"/>'
            f'<path class="flag" d="M{right - 17} {bottom - 10}h17v10h-17z"/><path '
            f'd="m{right - 14.5} {bottom - 7.2} 4.4 4.4m0-4.4-4.4 4.4"/>'
            f'<text x="{right - 5}" y="{bottom - 5}">{letter}</text></g>'
        )


def _svg(
    key: str, sprite: _Sprite, columns: int, content: str, title: str, description: str
) -> Markup:
    width = MARGIN + columns * (TILE + GAP)
    height = sprite.rows * (sprite.height + GAP) + (sprite.tiles.shape[0] - 1) * BETWEEN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tiles" viewBox="0 0 {width} '
        f'{height}" style="width: {MAGNIFIED * width:g}px" role="img"'
    )
    named = (
        f'<title id="{key}-title">{escape(title)}</title><desc '
        f'id="{key}-desc">{escape(description)}</desc>'
    )
    return Markup(f'{head} aria-labelledby="{key}-title {key}-desc">{named}{content}</svg>')


def _letter(number: int) -> str:
    """A class as the sheet calls it: a letter, and beyond those a number."""
    return LETTERS[number] if number < len(LETTERS) else str(number + 1)
