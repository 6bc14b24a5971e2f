"""The shape of a line of the history: what a reader computes with or takes apart (see
`io.shapes`)."""

from __future__ import annotations

import re
from typing import Any

from metabench.io.shapes import NUMBER, TEXT
from metabench.records.bits import DIGITS

SCHEMA = 1
"""Raised when a line cannot be read as before. What later lines have besides, earlier versions pass
over, and later ones do without in earlier lines."""

DIGEST = re.compile(r"[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{12}")
COMMIT = re.compile(r"[0-9a-f]{40,64}")

_SUMMARY = dict.fromkeys(("value", "low", "high", "sd"), NUMBER) | {"reached": int, "of": int}
SEED = {
    "seed": int,
    "cell": TEXT,
    "outcome": TEXT,
    "score": NUMBER,
    **dict.fromkeys(("bits", "episodes"), re.compile(rf"[0-9a-f]{{{DIGITS}}}")),
    "peaks": {"*": NUMBER},
}
GROUP: dict[str, Any] = {
    "group": _SHORT,
    "block": _SHORT,
    "place": {"*": (str, int, float, bool)},
    "metric": {"name": TEXT, "unit": TEXT, "higher_is_better": bool, "chance": NUMBER},
    "summaries": {"*": _SUMMARY},
    "seeds": [SEED],
    "machine": TEXT,
    "commits": [(str,)],
    "data": DIGEST,
}
ENTRY = {
    "id": DIGEST,
    **dict.fromkeys(("suite", "title", "reference", "declaration_digest"), TEXT),
    **dict.fromkeys(("started", "ended"), TEXT),
    "root_seed": int,
    "confidence": NUMBER,
    "commit": COMMIT,
    "dirty": bool,
    **{key: [(str,)] for key in ("commits", "runs", "machines", "baseline")},
    "versions": {"*": TEXT},
    "groups": [GROUP],
    "margins": {"*": NUMBER},
    "verdicts": {"*": TEXT},
}

NEEDED = (
    *("id", "suite", "title", "reference", "confidence", "started", "ended", "dirty"),
    *("commits", "runs", "machines", "versions", "groups"),
)
NEEDED_GROUP = ("group", "block", "place", "metric", "summaries", "seeds")
NEEDED_SEED = ("seed", "cell", "outcome")
"""What no entry, group of it and cell of a group lacks."""
