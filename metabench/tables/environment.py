"""Where the numbers come from: the provenance of all records, laid side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from metabench.tables.frames import first_seen
from metabench.tables.run import Run

PER_FIT = frozenset({"log"})


class Fact(NamedTuple):
    """A fact that records state, and in how many cells."""

    key: str
    value: str
    cells: int


def environment(run: Run) -> list[Fact]:
    """Return each fact that records state, in their order. A fact with two values changed during
    the run.

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
    facts = [Fact(key, value, count) for (key, value), count in counts.items()]
    facts.sort(key=lambda fact: order.index(fact.key))
    for key, times, choose in (("started", started, min), ("ended", ended, max)):
        if told := [time for time in times if time]:
            facts.append(Fact(key, choose(told), len(told)))
    return facts


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", str(value)
