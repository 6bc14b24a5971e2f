"""Records, and the `cells.json` that lists them: the one author of what lies in a run folder. It is
written, read, checked and brought up to date here. Nothing here imports torch."""

from metabench.io.untrusted import plain
from metabench.records.bits import bits_of, digest_of_result, episodes_of
from metabench.records.contents import (
    data_digests,
    entry_of,
    failed_result,
    metric_of,
    record_of,
)
from metabench.records.folder import CHECKPOINTS, TABLES, TIMING, WEIGHTS, refuse_links
from metabench.records.format import FINISHED, SCHEMA, Outcome
from metabench.records.holder import delete_holder, read_holder, write_holder
from metabench.records.listing import CELLS_SCHEMA, read_cells, write_cells
from metabench.records.store import Found, RecordStore, Scan
from metabench.records.timing import (
    TimedAlgorithm,
    TimedBlock,
    TimedSetting,
    Timings,
    read_timings,
    write_timings,
)

__all__ = [
    "CELLS_SCHEMA",
    "CHECKPOINTS",
    "FINISHED",
    "SCHEMA",
    "TABLES",
    "TIMING",
    "WEIGHTS",
    "Found",
    "Outcome",
    "RecordStore",
    "Scan",
    "TimedAlgorithm",
    "TimedBlock",
    "TimedSetting",
    "Timings",
    "bits_of",
    "data_digests",
    "delete_holder",
    "digest_of_result",
    "entry_of",
    "episodes_of",
    "failed_result",
    "metric_of",
    "plain",
    "read_cells",
    "read_holder",
    "read_timings",
    "record_of",
    "refuse_links",
    "write_cells",
    "write_holder",
    "write_timings",
]
