"""`data/index.json`: what a site holds. It is read before it is added to: runs that were published
before stay, wherever their records are now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from metabench.errors import FolderError
from metabench.history import Entry, label_of
from metabench.history.format import COMMIT, DIGEST
from metabench.io.shapes import NUMBER, TEXT, absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.site.target import MANIFEST, Target
from metabench.suite.value_types import is_name
from metabench.tables.frames import printable

SCHEMA = 1

_CARD = {
    "id": DIGEST,
    **dict.fromkeys(("title", "question", "ended", "claims", "folder"), TEXT),
    "answer": [(str,)],
    "commit": COMMIT,
    "dirty": bool,
    **dict.fromkeys(("cells", "finished", "completed", "regressed"), int),
}
_SUITE = {"latest": _CARD, "runs": [_CARD], "confidence": NUMBER}
_NEEDED = ("title", "question", "ended", "answer", "cells", "finished", "completed")


@dataclass(frozen=True)
class Card:
    """What the index tells of a run.

    Attributes
    ----------
    title, question, answer
        Of the suite, and what came of it in sentences.
    ended
        When its last record was made, in ISO 8601.
    cells, finished, completed
        How many there are; have a result; have one of their own, and not by divergence.
    id
        Of its entry in the history; None of a run that is not over.
    folder
        Its permanent place below that of its suite; None of a run that is not over.
    commit, dirty
        As of its entry.
    claims
        What came of its claims, in words.
    regressed
        How many groups a comparison found worse than before; None where nothing was compared.
    """

    title: str
    question: str
    answer: tuple[str, ...]
    ended: str
    cells: int
    finished: int
    completed: int
    id: str | None = None
    folder: str | None = None
    commit: str | None = None
    dirty: bool = False
    claims: str = ""
    regressed: int | None = None

    @property
    def date(self) -> str:
        """The day it ended on, in UTC of its record."""
        return self.ended[:10]

    @property
    def label(self) -> str:
        """Its commit for short, with a + where there were changes beside it."""
        return label_of(self.commit, self.dirty)

    @property
    def status(self) -> str:
        """How it stands, in words."""
        if self.finished < self.cells and self.id is None:
            return f"unfinished: {self.finished} of {self.cells} cells"
        lost = self.cells - self.completed
        return f"{self.cells} cells" + (f", {lost} of them did not complete" if lost else "")


@dataclass(frozen=True)
class SuiteCards:
    """The latest run of a suite, and all that are over, by their ends."""

    latest: Card
    runs: tuple[Card, ...] = ()

    def with_run(self, card: Card) -> SuiteCards:
        """Return it with one more run, or with what is now known of one."""
        runs = {one.id: one for one in self.runs} | ({card.id: card} if card.id else {})
        latest = max((self.latest, card), key=lambda one: (_time(one), one is card))
        return SuiteCards(latest, tuple(sorted(runs.values(), key=_time)))


@dataclass(frozen=True)
class Contents:
    """What a site holds, by suite."""

    suites: Mapping[str, SuiteCards] = field(default_factory=dict)

    def with_run(self, suite: str, card: Card) -> Contents:
        """Return it with one more run."""
        before = self.suites.get(suite, SuiteCards(card))
        return Contents(dict(sorted({**self.suites, suite: before.with_run(card)}.items())))

    def folder_for(self, entry: Entry) -> str:
        """Return the permanent folder of a run: named by its commit, and where another run of that
        commit has it, by both."""
        runs = self.suites[entry.suite].runs if entry.suite in self.suites else ()
        taken = {run.folder: run.id for run in runs}
        name = f"{entry.commit[:12]}{'-changed' * entry.dirty}" if entry.commit else "no-commit"
        return name if taken.get(name, entry.id) == entry.id else f"{name}-{entry.id[:8]}"

    def as_json(self) -> str:
        """For programs, and for the next publication."""
        suites = {name: asdict(suite) for name, suite in self.suites.items()}
        return json.dumps(plain({"schema": SCHEMA, "suites": suites}), indent=1) + "\n"


def read_contents(target: Target) -> Contents:
    """Read what a site holds.

    Raises
    ------
    FolderError
        Its `data/index.json` is not one.
    """
    path = target.inside(MANIFEST)
    again = "take it from an earlier copy of the site, or publish to a new folder"
    try:
        told, _ = read_json(path)
    except FileNotFoundError:
        return Contents()
    except (OSError, ValueError) as error:
        raise FolderError(f"{path}: cannot be read: {error}; {again}") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise FolderError(f"{path}: is of no site that this metabench can read (schema {SCHEMA})")
    wrong = absent(told, ("suites",)) or misshapen(told, {"suites": {"*": _SUITE}})
    if wrong:
        raise FolderError(f"{path}: is damaged: {wrong[:100]} is not as it should be; {again}")
    told = printable(told)
    try:
        suites = {name: _suite(name, suite) for name, suite in told["suites"].items()}
    except ValueError as error:
        raise FolderError(f"{path}: is damaged: {error}; {again}") from None
    return Contents(suites)


def _suite(name: str, told: Any) -> SuiteCards:
    if not is_name(name) or not isinstance(told, dict) or absent(told, ("latest",)):
        raise ValueError(f"{name[:80]!r} is no suite")
    return SuiteCards(_card(told["latest"]), tuple(_card(run) for run in told.get("runs") or ()))


def _card(told: Mapping[str, Any]) -> Card:
    folder = told.get("folder")
    if wrong := absent(told, _NEEDED):
        raise ValueError(f"a run lacks {wrong}")
    if folder is not None and not is_name(folder):
        raise ValueError(f"{folder[:80]!r} is no folder of a run")
    card = Card(
        **{key: told[key] for key in Card.__dataclass_fields__ if told.get(key) is not None}
        | {"answer": tuple(told["answer"])}
    )
    _time(card)
    return card


def _time(card: Card) -> datetime:
    time = datetime.fromisoformat(card.ended)
    if time.tzinfo is None:
        raise ValueError(f"{card.ended} has no time zone")
    return time
