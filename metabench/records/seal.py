"""The digests in the last line of a file: whoever reads it knows that it says what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

SEAL = "integrity"
_MARK = f',\n"{SEAL}": '.encode()


def sealed(lines: Iterable[str], own: str, **others: str | None) -> bytes:
    """Return a JSON object of these lines, one a top-level key, and a last one with digests.

    Parameters
    ----------
    own
        What the digest of the lines is called.
    others
        Digests of other files that belong to it.
    """
    before = ("{\n" + ",\n".join(lines)).encode()
    return before + _MARK + _last_line({own: hashlib.sha256(before).hexdigest(), **others})


def broken(seal: Any, own: str, content: bytes) -> str:
    """Say that a file is not what was written, by the `seal` that was read in it, or nothing."""
    before, _, last = content.rpartition(_MARK)
    whole = (
        isinstance(seal, dict)
        and seal.get(own) == hashlib.sha256(before).hexdigest()
        and last == _last_line(seal)
    )
    return "" if whole else "it is not what was written"


def _last_line(seal: Mapping[str, Any]) -> bytes:
    return json.dumps(seal).encode() + b"\n}\n"
