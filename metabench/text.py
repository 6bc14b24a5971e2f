r"""Text as people meet it. Of text from outside what a terminal would obey rather than show is
written out, as `\x1b` or `\u202e`."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""Control characters other than tab and line feed: terminals obey them, and no XML can hold
them."""

UNPRINTABLE = re.compile(rf"[{CONTROL}\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""These, separators of lines that look like none, what turns the direction of writing, and halves
of surrogate pairs."""


def shown(text: str) -> str:
    """Return text as a terminal may have it: lines and tabs stay, what is unprintable is written
    out."""
    return UNPRINTABLE.sub(_written_out, text)


def one_line(text: object) -> str:
    r"""Return text as it is shown where one line is promised: a line feed is written out too, as
    `\n`."""
    return shown(str(text)).replace("\n", "\\n")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(number: int, name: str) -> str:
    """Return `1 image`, `2 images`."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
