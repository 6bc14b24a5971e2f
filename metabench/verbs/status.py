"""`metabench status`: what a run folder says of itself, from `cells.json` and the records alone.
Never imports torch."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metabench import registry
from metabench.errors import ConfigError, some
from metabench.provenance.compiler import cpp_compiler
from metabench.provenance.conditions import Conditions, counted, differing_conditions
from metabench.records import FINISHED, RecordStore, read_cells, read_holder
from metabench.text import one_line, plural
from metabench.verbs.target import current_project, run_folder

SHOWN = 20
"""Kinds of failure, and damaged records, that are listed; more are counted."""


def status(options: argparse.Namespace) -> int:
    """The verb: 0 where every cell has a result, 3 where some failed or are missing."""
    project = current_project()
    folder = run_folder(options.suite, project, options.profile)
    # of cells that are one under several labels one record is wanted
    cells = list({entry["cell"]: entry for entry in read_cells(folder)["cells"]}.values())
    scan = RecordStore(folder).scan(entry["cell"] for entry in cells)
    outcomes = {entry["cell"]: _outcome(scan.records.get(entry["cell"])) for entry in cells}
    holder = read_holder(folder)
    counts = Counter(outcomes.values())
    done = sum(counts[outcome] for outcome in FINISHED)
    stale = _stale(scan.records.values(), project.root)
    print(
        f"{one_line(folder)}: {done} of {len(cells)} cells done"
        + (f", {len(stale)} of them stale" if stale else "")
        + "".join(f", {counts[name]} {name}" for name in sorted(counts) if name != "completed")
    )
    if stale:
        print(f"stale because: {one_line(some(counted(stale), SHOWN))}")
    if holder:
        fits = ", ".join(map(str, holder.get("fits") or [])) or "about to start"
        print(
            f"running since {holder.get('since')} (process {holder['pid']} on {holder['host']}): "
            f"{fits}"
        )
    alike: dict[str, list[str]] = {}
    for entry in cells:
        record = scan.records.get(entry["cell"])
        for line in _remarks(record) if record else ():
            alike.setdefault(line, []).append(entry["stem"])
    _print_first(
        [
            f"{one_line(why)}\n    {plural(len(stems), 'cell')}: {one_line(some(stems))}"
            for why, stems in alike.items()
        ]
    )
    _print_first([f"warning: {one_line(line)}" for line in (*scan.damaged, *scan.remarks)])
    return 0 if done == len(cells) else 3


def _print_first(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        print(line)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} more")


def _outcome(record: Mapping[str, Any] | None) -> str:
    return "missing" if record is None else str(record["result"].get("outcome"))


def _remarks(record: Mapping[str, Any]) -> list[str]:
    """What people should know of a record: how it failed, or how it came to be."""
    if (outcome := _outcome(record)) in FINISHED:
        return [f"note: {remark}" for remark in record["provenance"].get("remarks") or ()]
    error = record["result"].get("error") or {}
    message = str(error.get("message", "")).strip().partition("\n")[0]
    return [f"{outcome}: {error.get('type')}: {message}"]


def _stale(records: Iterable[Mapping[str, Any]], project: Path) -> list[list[str]]:
    """Why records that are results would not be the same now, threads and kind of device being
    theirs; a list for each that is stale."""
    known: dict[tuple[int, str], Conditions] = {}
    found = []
    for record in records:
        recorded = record["provenance"].get("conditions") or {}
        if _outcome(record) not in FINISHED or not recorded:
            continue
        threads, device = recorded.get("threads") or 1, recorded.get("device") or "cpu"
        conditions = known.setdefault((threads, device), Conditions(threads, device, project))
        try:
            fit = record["config"].get("fit") or {}
            of_fit, compiler = _targets(fit), _compiler(recorded)
            of_cell = of_fit + _targets(record["config"].get("evaluate") or {})
            taken = record["provenance"].get("needs") or {}
            of_needs = {
                role: conditions.of(_targets(need), _compiler(taken.get(role) or {}))
                for role, need in _needs(fit)
            }
            causes = differing_conditions(
                record, conditions.of(of_cell, compiler), conditions.of(of_fit, compiler), of_needs
            )
        except ConfigError as error:
            causes = (str(error),)
        if causes:
            found.append(list(causes))
    return found


def _compiler(recorded: Mapping[str, Any]) -> str | None:
    """What would compile training steps now that were compiled then."""
    return (cpp_compiler() or "none") if recorded.get("compiler") else None


def _targets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The `module:Class` of each part that a configuration names, and of those that it needs."""
    groups: tuple[tuple[str, registry.Group], ...] = (
        ("method", "methods"),
        ("model", "models"),
        ("dataset", "datasets"),
        ("on", "datasets"),
    )
    own = tuple(
        registry.target(group, config[part]["name"]) for part, group in groups if config.get(part)
    )
    return own + tuple(target for _, need in _needs(config) for target in _targets(need))


def _needs(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the fit of a configuration needs, in whatever depth, by roles: `start.start`."""
    for role, need in (config.get("needs") or {}).items():
        yield f"{above}{role}", need
        yield from _needs(need, f"{above}{role}.")
