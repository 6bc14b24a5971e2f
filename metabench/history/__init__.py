"""What runs came to over time: a line a run in `history/<suite>.jsonl`, which is only ever added
to. It is written, read and checked here; trends are drawn of it, and a run can be compared with an
entry of it long after its records are gone."""

from metabench.history.entry import COSTS, Entry, GroupEntry, SeedEntry, label_of
from metabench.history.file import History, append, read_history
from metabench.history.making import entry_of, last_end
from metabench.history.verdicts import read_verdicts

__all__ = [
    "COSTS",
    "Entry",
    "GroupEntry",
    "History",
    "SeedEntry",
    "append",
    "entry_of",
    "label_of",
    "last_end",
    "read_history",
    "read_verdicts",
]
