"""`timing.json`: what the training steps of a suite's algorithms take alone on a machine.

It holds settings (what is compared in turn) and blocks: one round of a setting, its algorithms
forth and back, A B C C B A. A block stands in it whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from metabench.errors import FolderError
from metabench.io.files import write_bytes
from metabench.io.shapes import NUMBER, TEXT, absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.records.folder import TIMING, refuse_links
from metabench.records.format import CONDITIONS
from metabench.records.seal import SEAL, broken, sealed

SCHEMA = 1
SECONDS = ("seconds_per_iteration", "mean_seconds_per_iteration", "seconds_per_task")
OTHERS = (
    "gradient_evaluations_per_task",
    "peak_resident_above_bytes",
    "peak_gpu_allocated_bytes",
)
"""What a pass measures: the typical iteration (a median), the mean one, and the typical one over
its tasks; and beside those what belongs to the same training."""

_PASS = {"kind": str, **dict.fromkeys((*SECONDS, *OTHERS), NUMBER)}
_ALGORITHM = {"algorithm": TEXT, "kind": str, "fits": {"*": NUMBER}, "compiler": TEXT}
_SETTING = {"key": str, "place": {"*": (str, int, float, bool)}, "algorithms": [_ALGORITHM]}
_BLOCK = {
    "setting": str,
    "number": int,
    **dict.fromkeys(("started", "ended", "boot_id", "commit"), TEXT),
    **dict.fromkeys(("busy_cores", "load"), NUMBER),
    "passes": [_PASS],
}
_MACHINE = {
    **dict.fromkeys(("python", "cuda", "gpu", "driver", "cpu", "machine_id", "host"), TEXT),
    "libraries": {"*": TEXT},
    **dict.fromkeys(("cores", "memory_bytes", "threads"), int),
    "device": TEXT,
}
_FILE = {
    "suite": TEXT,
    "iterations": int,
    "machine": _MACHINE,
    "conditions": CONDITIONS,
    "settings": [_SETTING],
    "blocks": [_BLOCK],
}
"""The shape of the file."""


@dataclass(frozen=True)
class TimedAlgorithm:
    """An algorithm of a setting.

    Attributes
    ----------
    kind
        Digest of all that its speed depends on: of its fit without seed and length, and of what
        compiled it.
    fits
        Ids of the fits that it stands for, each with the iterations of its budget; None where that
        is in seconds.
    compiler
        What compiled its training steps; None where they ran as they are written.
    """

    algorithm: str
    kind: str
    fits: Mapping[str, int | None]
    compiler: str | None = None


@dataclass(frozen=True)
class TimedSetting:
    """Algorithms that are timed in turn: `place` has what they share, `key` is a digest of both."""

    key: str
    place: Mapping[str, Any]
    algorithms: Sequence[TimedAlgorithm]

    def algorithm_of(self, fit: str) -> TimedAlgorithm | None:
        """Return what stands for a fit; None where it is not of this setting."""
        return next((one for one in self.algorithms if fit in one.fits), None)

    def joined(self, other: TimedSetting) -> TimedSetting:
        """Return the same setting with the fits that it stands for in `other` too."""
        fits = {one.kind: one.fits for one in other.algorithms}
        algorithms = tuple(
            replace(one, fits={**fits.get(one.kind, {}), **one.fits}) for one in self.algorithms
        )
        return replace(self, algorithms=algorithms)


@dataclass(frozen=True)
class TimedBlock:
    """One round of a setting.

    Attributes
    ----------
    number
        Which round it is, from 0.
    busy_cores
        How many cores others kept busy between the passes, at most.
    load
        The machine's load average over a minute as it began.
    passes
        In their order: kind, and what was measured (`SECONDS`, `OTHERS`).
    """

    setting: str
    number: int
    started: str
    ended: str
    boot_id: str | None
    commit: str | None
    busy_cores: float | None
    load: float | None
    passes: Sequence[Mapping[str, Any]]

    def of(self, kind: str, what: str) -> float | None:
        """Return what a kind took: the geometric mean of its passes, whose middle is that of the
        block, so that even drift leaves ratios alone; None where one lacks it."""
        values = [one.get(what) for one in self.passes if one["kind"] == kind]
        known = [float(value) for value in values if value]
        return geometric_mean(known) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class Timings:
    """A `timing.json`.

    Attributes
    ----------
    iterations
        Of each short training.
    machine
        Where all of it was measured.
    conditions
        What was run there: sources, versions, device, threads.
    """

    suite: str
    iterations: int
    machine: Mapping[str, Any]
    conditions: Mapping[str, Any]
    settings: Sequence[TimedSetting] = ()
    blocks: Sequence[TimedBlock] = ()

    def blocks_of(self, setting: TimedSetting) -> list[TimedBlock]:
        """Return the blocks of a setting in the order of their numbers."""
        found = {block.number: block for block in self.blocks if block.setting == setting.key}
        return [found[number] for number in sorted(found)]


def read_timings(folder: Path) -> Timings | None:
    """Read the `timing.json` of a run folder; None where there is none.

    Raises
    ------
    FolderError
        It is damaged, a link, or of a later metabench.
    """
    path = folder / TIMING
    again = "`metabench time` begins a new one once it is moved away"
    try:
        refuse_links(folder)
        found, content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FolderError(f"{path}: is damaged: {error}. {again}") from error
    schema = found.pop("schema", None) if isinstance(found, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise FolderError(
            f"{path}: is not a timing.json that this metabench can read (up to schema {SCHEMA})"
        )
    if changed := broken(found.pop(SEAL, None), "timing", content):
        raise FolderError(f"{path}: is damaged: {changed}. {again}")
    if wrong := _wrong(found):
        raise FolderError(f"{path}: is damaged: {wrong} is not as it should be. {again}")
    return _made(found)


def write_timings(folder: Path, timings: Timings) -> None:
    """Write the `timing.json` of a run folder, whole or not at all.

    Raises
    ------
    UnwritableError
        The folder cannot be written.
    """
    table = plain(asdict(timings))
    blocks = ",\n".join(json.dumps(block) for block in table.pop("blocks"))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items()]
    lines = [f'"schema": {SCHEMA}', *lines, f'"blocks": [\n{blocks}\n]']
    write_bytes(folder / TIMING, sealed(lines, "timing"))


def _wrong(found: Mapping[str, Any]) -> str:
    """The first key that is not as it should be, or nothing."""
    if wrong := absent(found, _FILE) or misshapen(found, _FILE):
        return wrong
    for name, shape in (("settings", _SETTING), ("blocks", _BLOCK)):
        nullable = ("boot_id", "commit", "busy_cores", "load")
        for place, one in enumerate(found[name]):
            if wrong := absent(one, [key for key in shape if key not in nullable]):
                return f"{name}[{place}].{wrong}"
    algorithms = (one for setting in found["settings"] for one in setting["algorithms"])
    if wrong := next(
        (key for one in algorithms if (key := absent(one, ("algorithm", "kind", "fits")))), ""
    ):
        return f"settings.{wrong}"
    passes = (one for block in found["blocks"] for one in block["passes"])
    return next(
        (
            f"blocks.passes.{key}"
            for one in passes
            for key in ("kind", *SECONDS)
            if one.get(key) is None or (key != "kind" and not one[key] > 0)
        ),
        "",
    )


def _made(found: Mapping[str, Any]) -> Timings:
    settings = [
        TimedSetting(
            one["key"],
            one["place"],
            tuple(
                TimedAlgorithm(each["algorithm"], each["kind"], each["fits"], each.get("compiler"))
                for each in one["algorithms"]
            ),
        )
        for one in found["settings"]
    ]
    known = TimedBlock.__dataclass_fields__
    blocks = [TimedBlock(**{key: one.get(key) for key in known}) for one in found["blocks"]]
    facts = {key: found[key] for key in ("suite", "iterations", "machine", "conditions")}
    return Timings(**facts, settings=tuple(settings), blocks=tuple(blocks))
