"""The console of rich's that tables and live displays are drawn with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from metabench.text import shown

WIDE = 200
"""Columns of a table that goes into a pipe or a file."""


class ShownConsole(Console):
    """Shows what is unprintable in texts; its own control characters, which move the cursor, are
    left."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render an object, as rich does, its texts as they are shown."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


def console(**options: Any) -> Console:
    """Return a console on stdout, past the stream that would show what draws; texts mean
    themselves, with no markup in them."""
    return ShownConsole(
        file=getattr(sys.stdout, "stream", sys.stdout),
        markup=False,
        emoji=False,
        highlight=False,
        **options,
    )


def table_console() -> Console:
    """Return a console for tables: a terminal has its own width, and a pipe none to keep to."""
    return console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
