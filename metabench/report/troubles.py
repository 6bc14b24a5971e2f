"""What did not go as planned: groups that are not whole, and cells that came to nothing, equal
errors told once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from metabench.errors import TRACEBACK, RecordError, shortened
from metabench.io.files import open_regular
from metabench.report.blocks import Block, Group
from metabench.tables import Run
from metabench.tables.typed_rows import CellRow

LOG_LINES, LOG_BYTES = 30, 20_000
"""How much of the end of a log is shown."""
QUIET = frozenset({"completed", "missing"})


@dataclass(frozen=True)
class Trouble:
    """Cells that ended in the same way.

    Attributes
    ----------
    outcome, message
        How, and why as far as it is known.
    stems
        Which cells.
    traceback, log
        Of the first of them; the log's last lines.
    """

    outcome: str
    message: str
    stems: list[str]
    traceback: str | None
    log: str | None


def troubles(run: Run) -> list[Trouble]:
    """Return every kind of failure, divergence and damage, in the suite's order."""
    kinds: dict[tuple[str, str, str], list[CellRow]] = {}
    for cell in run.rows.cells:
        if cell.outcome not in QUIET:
            message = ": ".join(part for part in (cell.error_type, cell.error_message) if part)
            kinds.setdefault(
                (cell.algorithm if not message else "", cell.outcome, message), []
            ).append(cell)
    return [
        _trouble(run, outcome, message, cells) for (_, outcome, message), cells in kinds.items()
    ]


def incomplete(blocks: Sequence[Block]) -> list[tuple[str, Group]]:
    """Return the groups that lack a completed cell, each after the title of its block."""
    return [
        (block.title, group)
        for block in blocks
        for group in block.groups
        if group.completed < group.seeds
    ]


def _trouble(run: Run, outcome: str, message: str, cells: list[CellRow]) -> Trouble:
    traceback, log_name = None, f"{cells[0].stem}.log"
    if cells[0].cell in run.records:
        try:
            record = run.record(cells[0].cell)
        except RecordError:
            record = {"result": {}, "provenance": {}}
        traceback = (
            shortened((record["result"].get("error") or {}).get("traceback") or "", TRACEBACK)
            or None
        )
        log_name = (record["provenance"] or {}).get("log") or log_name
    return Trouble(
        outcome.replace("_", " "),
        message,
        [cell.stem for cell in cells],
        traceback,
        _tail(run, log_name),
    )


def _tail(run: Run, name: str) -> str | None:
    """The last lines of a log beside the records; None where there is nothing, or where the name
    leads elsewhere."""
    if "/" in name:
        return None
    try:
        with open_regular(run.folder / "records" / name) as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_BYTES))
            lines = log.read(LOG_BYTES).decode(errors="replace").splitlines()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return None
    return "\n".join(lines[-LOG_LINES:]) or None
