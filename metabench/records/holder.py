"""`.run.json`: who is at work in a run folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from metabench.io.files import write_text
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import read_json
from metabench.records.format import HOLDER

NAME = ".run.json"
_SIZE = 2**20
"""Bytes of the file."""


def write_holder(folder: Path, since: str, fits: Sequence[str]) -> None:
    """Note that this process is at work, since when and on what. After a loss of power nobody asks,
    so nothing is flushed to disk.

    Raises
    ------
    UnwritableError
        The folder cannot be written.
    """
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "fits": fits}
    write_text(folder / NAME, json.dumps(holder), durable=False)


def read_holder(folder: Path) -> dict[str, Any] | None:
    """Who is at work: pid, host, since, fits. None where nobody is, or where a run on this host has
    died."""
    try:
        holder, _ = read_json(folder / NAME, _SIZE)
        if misshapen(holder, HOLDER) or absent(holder, HOLDER) or holder["pid"] < 1:
            return None
        if holder["host"] == socket.gethostname():
            os.kill(holder["pid"], 0)
    except PermissionError:  # it lives, and is another user's
        pass
    except (OSError, ValueError, OverflowError):
        return None
    return dict(holder)


def delete_holder(folder: Path) -> None:
    """Nobody is at work any more."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)
