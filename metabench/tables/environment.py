"""Where the numbers come from: the provenance of all records, laid side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from metabench.tables.frames import Row, first_seen, frame
from metabench.tables.run import Run

PER_FIT = frozenset({"log"})


def environment(run: Run) -> pd.DataFrame:
    """Return columns key, value, cells: each fact that records state, and how many state it. A fact
    with two rows changed during the run.

    Times are not facts of this kind: of `started` there is the first, of `ended` the last.
    """
    counts: Counter[tuple[str, str]] = Counter()
    started, ended = [], []
    for _, record in run.each_record():
        provenance = dict(record["provenance"] or {})
        started.append(provenance.pop("started", None))
        ended.append(provenance.pop("ended", None))
        counts.update((key, value) for key, value in _flat(provenance) if key not in PER_FIT)
    order = first_seen(key for key, _ in counts)
    table: list[Row] = [
        {"key": key, "value": value, "cells": count} for (key, value), count in counts.items()
    ]
    table.sort(key=lambda row: order.index(row["key"]))
    for key, times, choose in (("started", started, min), ("ended", ended, max)):
        if told := [time for time in times if time]:
            table.append({"key": key, "value": choose(told), "cells": len(told)})
    return frame(table, ["key", "value", "cells"])


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", str(value)
