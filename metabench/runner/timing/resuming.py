"""Where a `timing.json` begins, and what may be added to one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.errors import ConfigError, FolderError, StaleError, some
from metabench.identity import digest
from metabench.provenance import environment
from metabench.provenance.conditions import DIGEST, Conditions, differences
from metabench.records import TIMING, Timings
from metabench.runner.resources import Resources
from metabench.runner.timing.kinds import Short

if TYPE_CHECKING:
    from metabench.suite.project import Project

SAME = ("cpu", "gpu", "driver", "machine_id")
"""Facts about the machine that are the same for all blocks of a file."""


def begun(
    suite: str, shorts: Sequence[Short], using: Resources, project: Project, iterations: int
) -> Timings:
    """A file without blocks, as it would begin here and now."""
    device = using.devices[0]
    machine = {**environment.machine(device), "device": using.device, "threads": using.threads}
    of = Conditions(using.threads, using.device, project.root)
    conditions: dict[str, Any] = {"sources": {}, "packages": {}}
    for short in shorts:
        found = of.fit(short.cell.fit)
        conditions = {
            **{key: value for key, value in found.items() if key not in ("parts", DIGEST)},
            "sources": {**conditions["sources"], **found["sources"]},
            "packages": {**conditions["packages"], **found["packages"]},
        }
    return Timings(suite, iterations, machine, {**conditions, DIGEST: digest(conditions)})


def resumed(folder: Path, before: Timings, now: Timings) -> Timings:
    """The file that is there, after seeing that blocks of now belong into it."""
    name = folder / TIMING
    anew = "`metabench time --again` times all anew in its place"
    if before.suite != now.suite:
        raise FolderError(
            f"{name}: holds times of suite '{before.suite}', not of '{now.suite}'. {anew}"
        )
    if before.iterations != now.iterations:
        raise ConfigError(
            f"{name}: its trainings have {before.iterations} iterations each, not "
            f"{now.iterations}. Say --iterations {before.iterations}; {anew}"
        )
    changed = [
        f"{key} {before.machine.get(key)} -> {now.machine.get(key)}"
        for key in SAME
        if before.machine.get(key) != now.machine.get(key)
    ]
    changed += _changed(before.conditions, now.conditions)
    if changed:
        raise StaleError(
            f"{name}: its {len(before.blocks)} blocks were timed under other conditions "
            f"({some(changed)}), and times of two do not make one figure. {anew}"
        )
    conditions = {
        **before.conditions,
        **{
            key: {**before.conditions.get(key, {}), **now.conditions[key]}
            for key in ("sources", "packages")
        },
    }
    conditions.pop(DIGEST, None)
    return replace(before, conditions={**conditions, DIGEST: digest(conditions)})


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not as it was, of what both name: another selection of algorithms uses others."""

    def shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: {name: found for name, found in value.items() if name in (other.get(key) or {})}
            if isinstance(value, Mapping)
            else value
            for key, value in one.items()
            if key != DIGEST
        }

    sides = shared(before, now), shared(now, before)
    return (
        []
        if sides[0] == sides[1]
        else differences(*({**side, DIGEST: digest(side)} for side in sides))
    )
