"""What a suite declares: all that is to be settled before the data, what of it changed later, and
the file that holds it fast beside the suite (`metabench freeze`)."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.errors import ConfigError, some
from metabench.identity import canonical, digest
from metabench.io.files import write_text
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.records.format import DECLARATION

if TYPE_CHECKING:
    from metabench.suite import Suite

SCHEMA = 1
"""Schema of a frozen declaration."""

LARGEST = 8 * 2**20
"""Bytes of a frozen declaration."""

LONGEST = 60
"""Characters of a value in the words of a change."""

_FROZEN = {
    "suite": str,
    "digest": str,
    "frozen": str,
    "records_before": int,
    "declaration": DECLARATION,
}
_DECLARED = ("claims", "reference", "confidence", "cells_digest")
_WORDS = ("title", "description", "claims", "reference")
"""Keys of a suite that are declared apart, or that shape no number."""


def declaration_of(suite: Suite, confidence: float, commit: str | None) -> dict[str, Any]:
    """All of a suite that has to be settled before the data, as it goes to disk.

    Parameters
    ----------
    commit
        Of the checkout that the suite stands in; None outside of git.

    Returns
    -------
    dict
        `claims`, `reference` and `confidence`; `cells_digest` over the ids of all cells, which hold
        grid, seeds, recipes and budgets; `seeds`; `resolved`, the tables that say all this, by
        which a change can be named; and `commit`.
    """
    tables = tomllib.loads(suite.resolved)
    declared: dict[str, Any] = plain(
        {
            "claims": [claim.table() for claim in suite.claims],
            "reference": suite.reference,
            "confidence": confidence,
            "cells_digest": digest(sorted({cell.id for cell in suite.cells})),
            "seeds": sorted({cell.seed for cell in suite.cells}),
            "resolved": {key: value for key, value in tables.items() if key not in _WORDS},
            "commit": commit,
        }
    )
    return declared


def digest_of(declaration: Mapping[str, Any]) -> str:
    """Digest of what is declared; how a file puts it, and where that stood, do not count."""
    return digest({key: declaration.get(key) for key in _DECLARED})


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str] | None:
    """Name what of the cells is not as it was declared: `datasets.glyphs.train.iterations 2000 ->
    3000`; None where nobody knows what was declared of them."""
    if before.get("cells_digest") is None:
        return None
    if before["cells_digest"] == now.get("cells_digest"):
        return []
    return list(_changes(before.get("resolved"), now.get("resolved"))) or [
        "what names in the suite stand for: a default, or the version of a method, dataset or model"
    ]


def _changes(before: Any, now: Any, key: str = "") -> Iterator[str]:
    if canonical(before) == canonical(now):
        return
    if isinstance(before or now, dict) and isinstance(now or before, dict):
        then, here = before or {}, now or {}
        for name in {**then, **here}:
            yield from _changes(then.get(name), here.get(name), f"{key}.{name}" if key else name)
    elif _are_tables(before) and _are_tables(now) and len(before) == len(now):
        for place, pair in enumerate(zip(before, now, strict=True), start=1):
            yield from _changes(*pair, f"{key}[{place}]")
    else:
        yield f"{key} {_shown(before)} -> {_shown(now)}"


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A declaration that was frozen before.

    Attributes
    ----------
    path
        Its file.
    frozen
        When, in ISO 8601.
    records_before
        Records that the suite's run folder held by then.
    declaration
        As of `declaration_of`.
    """

    path: Path
    frozen: str
    records_before: int
    declaration: dict[str, Any]

    def departures(self, now: Mapping[str, Any]) -> list[str]:
        """Say in what a declaration of now differs."""
        told = [
            f"{key} {_shown(self.declaration.get(key))} -> {_shown(now[key])}"
            for key in ("reference", "confidence")
            if self.declaration.get(key) != now[key]
        ]
        then, here = self.declaration["claims"], now["claims"]
        told += [f"claim '{claim.get('id')}' is new" for claim in here if claim not in then]
        told += [f"claim '{claim.get('id')}' is gone" for claim in then if claim not in here]
        return told + (changes(self.declaration, now) or [])

    def remarks(self, now: Mapping[str, Any]) -> tuple[str, ...]:
        """Say in one line that a declaration of now differs, and in what; or nothing."""
        departures = self.departures(now)
        return (f"not as frozen in {self.path.name}: {some(departures)}",) if departures else ()

    def facts(self, now: Mapping[str, Any]) -> dict[str, Any]:
        """What a run folder keeps of it."""
        return {
            "commit": self.declaration.get("commit"),
            "frozen": self.frozen,
            "records_before": self.records_before,
            "departures": self.departures(now),
        }


def frozen_path(suite: Suite) -> Path:
    """Where the frozen declaration of a suite lies: beside it."""
    return suite.path.with_name(f"{suite.name}.frozen.json")


def read_frozen(suite: Suite) -> Frozen | None:
    """Read the frozen declaration of a suite; None where there is none.

    Raises
    ------
    ConfigError
        The file is no such declaration, or that of another suite.
    """
    path = frozen_path(suite)
    again = "take it from where it was committed, or delete it and freeze the suite anew"
    try:
        told, _ = read_json(path, LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is damaged: {error}; {again}") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise ConfigError(
            f"{path}: is no frozen declaration that this metabench can read (schema {SCHEMA})"
        )
    wrong = (
        absent(told, ("suite", "digest", "frozen", "declaration"))
        or misshapen(told, _FROZEN)
        or absent(told["declaration"], (*_DECLARED, "resolved"))
    )
    if wrong:
        raise ConfigError(f"{path}: is damaged: {wrong} is not as it should be; {again}")
    if told["suite"] != suite.name:
        raise ConfigError(f"{path}: is of suite '{told['suite']}', not of '{suite.name}'; {again}")
    if digest_of(told["declaration"]) != told["digest"]:
        raise ConfigError(f"{path}: has been changed since it was written; {again}")
    return Frozen(
        path,
        told["frozen"],
        told.get("records_before") or 0,
        told["declaration"],
    )


def freeze(suite: Suite, declaration: Mapping[str, Any], records_before: int) -> Path:
    """Write the declaration of a suite beside it.

    Parameters
    ----------
    records_before
        Records that its run folder holds by now.

    Raises
    ------
    UnwritableError
        The folder cannot be written.
    """
    facts = {
        "schema": SCHEMA,
        "suite": suite.name,
        "digest": digest_of(declaration),
        "frozen": datetime.now(UTC).isoformat(timespec="seconds"),
        "records_before": records_before,
        "declaration": declaration,
    }
    path = frozen_path(suite)
    write_text(path, json.dumps(facts, indent=1) + "\n")
    return path
