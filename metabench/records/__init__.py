"""Records: what one cell left on disk, the store that keeps them, and the `cells.json` that lists
them. Nothing here imports torch."""

from metabench.io.untrusted import plain
from metabench.records.folder import CHECKPOINTS, TABLES, WEIGHTS, refuse_links
from metabench.records.listing import CELLS_SCHEMA, read_cells
from metabench.records.store import FINISHED, SCHEMA, Found, Outcome, RecordStore, Scan

__all__ = [
    "CELLS_SCHEMA",
    "CHECKPOINTS",
    "FINISHED",
    "SCHEMA",
    "TABLES",
    "WEIGHTS",
    "Found",
    "Outcome",
    "RecordStore",
    "Scan",
    "plain",
    "read_cells",
    "refuse_links",
]
