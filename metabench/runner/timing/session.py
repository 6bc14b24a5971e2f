"""One sitting: passes, load, and the blocks that come of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from metabench.errors import StartError
from metabench.provenance import environment
from metabench.records import RecordStore, TimedBlock, TimedSetting, Timings, write_timings
from metabench.runner.folder import RunFolder
from metabench.runner.forecast import duration
from metabench.runner.resources import Resources
from metabench.runner.shortened import run_shortened
from metabench.runner.timing.kinds import (
    Short,
    cut_short,
    name_of_setting,
    settings_of,
    words_of,
)

if TYPE_CHECKING:
    from metabench.suite import Suite
    from metabench.suite.project import Project

LOOK_SECONDS = 0.25
"""For which the machine is looked at between two passes, when nothing of ours runs."""

BUSY = 0.3
"""Cores that others keep busy, from which on it is told."""

Tell = Callable[[str], None]


@dataclass
class Session:
    """One sitting: passes, and the file that is written after every block."""

    suite: Suite
    project: Project
    using: Resources
    folder: RunFolder
    timings: Timings
    tell: Tell

    def run(self, shorts: Sequence[Short], blocks: int) -> tuple[int, int, list[str]]:
        """Time what is lacking; return how many blocks were timed, how many there were, and what
        could not be timed."""
        lacking = [
            short
            for setting, members in settings_of(shorts)
            if len(self.timings.blocks_of(setting)) < blocks
            for short in members
        ]
        began = time.monotonic()
        failed = dict(self._first(lacking))
        seconds = time.monotonic() - began
        settings = settings_of([short for short in shorts if short.kind not in failed])
        todo = list(self._todo(settings, blocks))
        kept = blocks * len(settings) - len(todo)
        for place, (number, setting, members) in enumerate(todo):
            left = duration(2 * seconds * (len(todo) - place) / len(settings_of(lacking)))
            told = name_of_setting(setting)
            self.tell(f"round {number + 1} of {blocks}, {told}; about {left} left")
            self._add(setting, self._block(number, setting, members))
        return len(todo), kept, list(failed.values())

    def _first(self, shorts: Sequence[Short]) -> Iterator[tuple[str, str]]:
        """A pass of each that does not count; yield the kinds that fail, and why."""
        for place, short in enumerate(shorts):
            self.tell(f"a first pass, {place + 1} of {len(shorts)}: {short.algorithm.algorithm}")
            found = self._once(short)
            if isinstance(found, str):
                why = f"{short.algorithm.algorithm} on {words_of(short.place)}: {found}"
                self.tell(f"warning: it cannot be timed: {why}")
                yield short.kind, why

    def _todo(
        self, settings: Sequence[tuple[TimedSetting, list[Short]]], blocks: int
    ) -> Iterator[tuple[int, TimedSetting, list[Short]]]:
        """Rounds that are lacking: a slow hour touches all settings alike."""
        for number in range(blocks):
            for setting, members in settings:
                there = {block.number for block in self.timings.blocks_of(setting)}
                if number not in there:
                    yield number, setting, members

    def _block(self, number: int, setting: TimedSetting, members: Sequence[Short]) -> TimedBlock:
        """One round: forth and back, another one first each time."""
        at = number % len(members)
        forth = [*members[at:], *members[:at]]
        started, load = _utc(), os.getloadavg()[0]
        passes, busy = [], []
        for short in (*forth, *reversed(forth)):
            busy.append(busy_cores())
            self.folder.tell_running([f"timing {short.algorithm.algorithm}"])
            found = self._once(short)
            if isinstance(found, str):
                raise StartError(
                    f"{short.algorithm.algorithm}: {found}, where it was timed before. What is "
                    "finished is kept; the same command goes on from there"
                )
            passes.append(found)
        if max(busy) > BUSY:
            self.tell(
                f"warning: others kept {max(busy):.1f} of {environment.cores()} cores busy: times "
                "come out longer and less certain"
            )
        return TimedBlock(
            setting=setting.key,
            number=number,
            started=started,
            ended=_utc(),
            boot_id=environment.boot_id(),
            commit=environment.commit(self.project.root)["commit"],
            busy_cores=max(busy),
            load=load,
            passes=passes,
        )

    def _add(self, setting: TimedSetting, block: TimedBlock) -> None:
        """Keep a block; the setting with all fits that it has ever stood for."""
        others = [one for one in self.timings.settings if one.key != setting.key]
        before = [one for one in self.timings.settings if one.key == setting.key]
        whole = setting.joined(before[0]) if before else setting
        self.timings = replace(
            self.timings, settings=(*others, whole), blocks=(*self.timings.blocks, block)
        )
        write_timings(self.folder.path, self.timings)

    def _once(self, short: Short) -> dict[str, Any] | str:
        """One short training in a process of its own: what it took, or why there is nothing."""
        cell = short.cell
        needed = [
            replace(one, fit=cut_short(one.fit, self.timings.iterations))
            for one in (*self.suite.cells, *self.suite.needed)
        ]
        # as its fit would be: a rule on the length of a training has none to go by here
        using = replace(self.using, compile="always" if short.algorithm.compiler else "never")
        with run_shortened(self.suite, self.project, using, [cell], needed) as summary:
            if summary.failed:
                return summary.failed[0].failure.line
            store = RecordStore(summary.folder)
            found = store.find(cell.id)
            if found.record is None or found.path is None:
                return "left no record"
            if found.record["result"]["outcome"] != "completed":
                return str(found.record["result"]["outcome"])
            seconds = np.asarray(store.arrays(found.path)["measured/iteration_seconds"])
            return {"kind": short.kind, **_measured(found.record, seconds)}


def _measured(record: Mapping[str, Any], seconds: np.ndarray) -> dict[str, Any]:
    """What a pass keeps of the record of its training. The mean is what a whole training takes of
    an iteration: where a schedule makes some of them dearer, the typical one is not."""
    measured, spent = record["measured"], record["result"]["spent"]
    warm = seconds[measured["warm_up_iterations"] :]
    evaluations = spent.get("gradient_evaluations")
    return {
        "seconds_per_iteration": measured["seconds_per_iteration"],
        "mean_seconds_per_iteration": float(warm.mean()),
        "seconds_per_task": measured["seconds_per_task"],
        "gradient_evaluations_per_task": evaluations / spent["tasks"]
        if evaluations is not None and spent.get("tasks")
        else None,
        **{
            name: (measured.get(name) or {}).get("training")
            for name in ("peak_resident_above_bytes", "peak_gpu_allocated_bytes")
        },
    }


def busy_cores() -> float:
    """Return how many cores are busy now, over a moment in which nothing of ours runs."""
    share: float = psutil.cpu_percent(interval=LOOK_SECONDS)
    return share / 100 * (psutil.cpu_count() or 1)


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
