"""Synthetic runs of a suite at several commits, a day apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthetic_run import Synthetic

COMMITS = tuple(digit * 40 for digit in "abcdef")


def run_at(
    folder: Path,
    day: int,
    edit: Callable[[dict[str, Any]], None] = lambda record: None,
    *,
    commit: str | None = "",
    **said: Any,
) -> Path:
    """Write the run of the day with this number, at a commit of its own, and return its folder."""
    made = Synthetic(**{"arrays": False, "shots": (1,), "seeds": (0, 1, 2), **said})

    def dated(record: dict[str, Any]) -> None:
        provenance = record["provenance"]
        provenance["commit"] = COMMITS[day] if commit == "" else commit
        for key in ("started", "ended"):
            provenance[key] = provenance[key].replace("-04T", f"-{day + 4:02d}T")
        edit(record)

    made.change = {
        (algorithm, shots, seed): dated
        for algorithm in made.algorithms
        for shots in made.shots
        for seed in made.seeds
    } | dict(said.get("change", {}))
    return made.write(folder)
