"""Colours and marks: one of each per algorithm, the same in every figure and legend, told apart
without colour vision too.

A figure is drawn in the light colours; each is then replaced by a CSS variable, so that the page
can darken it.
"""

from __future__ import annotations

SERIES = (
    ("#0a6ebd", "#58aef2"),  # blue
    ("#c2500a", "#f28e4b"),  # orange
    ("#00737d", "#35c2cc"),  # teal
    ("#b8348b", "#f08ac8"),  # magenta
    ("#27386f", "#a9b4f5"),  # navy
    ("#5f6b76", "#a5b4bc"),  # slate
    ("#7b3fa0", "#c79bf0"),  # purple
    ("#8a6d00", "#dcb843"),  # ochre
)
"""(light, dark) colours of the algorithms, with at least 4:1 of contrast to the paper that they
stand on. Red and green are none of them: those are for what is wrong and what is better."""

INK = ("#1d2329", "#e4e7ea")
MUTED = ("#5d6872", "#9ba6af")
GRID = ("#e1e5e9", "#343b42")
CARD = ("#f7f8f9", "#1b2025")
"""What figures stand on."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
SHAPES = (
    '<circle cx="6" cy="6" r="4.2"/>',
    '<path d="M2.2 2.2h7.6v7.6H2.2z"/>',
    '<path d="M6 1.3 10.9 10H1.1z"/>',
    '<path d="M6 .8 11.2 6 6 11.2.8 6z"/>',
    '<path d="M6 10.7 1.1 2h9.8z"/>',
    '<path d="M4 1h4v3h3v4H8v3H4V8H1V4h3z"/>',
    '<path d="m1 3 2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z"/>',
    '<path d="m6 1 5 3.7L9.1 11H2.9L1 4.7z"/>',
)
"""The markers once more, as drawn in a legend of 12 x 12."""

VARIABLES = {"ink": INK, "muted": MUTED, "grid": GRID, "card": CARD} | {
    f"series-{i + 1}": pair for i, pair in enumerate(SERIES)
}


def colour(index: int) -> str:
    """Light colour of the algorithm with this index; after eight they come round again, with other
    marks."""
    return SERIES[index % len(SERIES)][0]


def marker_index(index: int) -> int:
    """Index of an algorithm's mark."""
    return (index + index // len(SERIES)) % len(MARKERS)


def css(theme: int) -> str:
    """Return the declarations of all variables for the light (0) or dark (1) page."""
    return " ".join(f"--{name}: {pair[theme]};" for name, pair in VARIABLES.items())


def as_variables(style: str) -> str:
    """Replace the light colours in a CSS declaration by their variables."""
    for name, (light, _) in VARIABLES.items():
        style = style.replace(light, f"var(--{name})")
    return style
