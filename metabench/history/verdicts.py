"""What came of comparing a run with an earlier one, where that was kept beside its records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from metabench.errors import FolderError
from metabench.history.entry import Entry
from metabench.identity import digest
from metabench.io.shapes import TEXT, absent, misshapen
from metabench.io.untrusted import read_json

NAME = "compare.json"
"""Where `metabench compare BASELINE RUN --out RUN/compare.json` leaves it."""

SIZE = 32 * 2**20
"""Bytes of the file."""

_SIDE = {"suite": TEXT, "commits": [(str,)]}
_COMPARISON = {
    "kind": TEXT,
    "baseline": _SIDE,
    "head": _SIDE,
    "groups": [{"coordinates": {}, "verdict": TEXT}],
}


def read_verdicts(folder: Path, entry: Entry) -> Entry:
    """Return an entry with the verdicts that lie in its run folder, or as it is where there are
    none against another commit.

    Raises
    ------
    FolderError
        What lies there is no comparison, or is about another run.
    """
    path = folder / NAME
    try:
        told, _ = read_json(path, SIZE)
    except FileNotFoundError:
        return entry
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise FolderError(f"{path}: cannot be read: {why or error}") from None
    if (
        misshapen(told, _COMPARISON)
        or absent(told, _COMPARISON)
        or told["kind"] != "compare"
        or absent(told["head"], _SIDE)
        or any(absent(group, ("coordinates", "verdict")) for group in told["groups"])
    ):
        raise FolderError(f"{path}: is no comparison that `metabench compare` has written as JSON")
    head = {commit.split()[0] for commit in told["head"]["commits"] if commit}
    if told["head"]["suite"] != entry.suite or head != {name[:12] for name in entry.commits}:
        raise FolderError(f"{path}: is about another run than the one that it lies in")
    baseline = tuple(told["baseline"].get("commits") or ())
    if baseline == tuple(told["head"]["commits"]):  # of records with themselves
        return entry
    return replace(
        entry,
        baseline=baseline,
        verdicts={digest(one["coordinates"])[:12]: one["verdict"] for one in told["groups"]},
    )
