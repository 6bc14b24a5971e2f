"""What a `timing.json` says, without timing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metabench.records import TimedAlgorithm, TimedBlock, TimedSetting, Timings

MACHINE = {
    "python": "3.11.7",
    "libraries": {"torch": "2.15.0"},
    "cpu": "A processor",
    "machine_id": "0123456789ab",
    "cores": 2,
    "device": "cpu",
    "threads": 1,
}


def a_pass(kind: str, seconds: float, **changes: Any) -> dict[str, Any]:
    """A training of four tasks an iteration that took so long an iteration."""
    return {
        "kind": kind,
        "seconds_per_iteration": seconds,
        "mean_seconds_per_iteration": 1.1 * seconds,
        "seconds_per_task": seconds / 4,
        "gradient_evaluations_per_task": 3.0,
        "peak_resident_above_bytes": 5 * 2**20,
        "peak_gpu_allocated_bytes": None,
        **changes,
    }


def a_block(number: int, passes: Sequence[tuple[str, float]], setting: str = "here") -> TimedBlock:
    return TimedBlock(
        setting=setting,
        number=number,
        started="2026-01-02T03:04:05+00:00",
        ended="2026-01-02T03:05:05+00:00",
        boot_id="b",
        commit="c" * 40,
        busy_cores=0.1 * number,
        load=1.0,
        passes=[a_pass(*one) for one in passes],
    )


def timings(
    fits: Mapping[str, Mapping[str, int | None]], rounds: Sequence[Sequence[tuple[str, float]]]
) -> Timings:
    """One setting: algorithm -> its fits with their budgets, and the passes of each round."""
    algorithms = tuple(TimedAlgorithm(name, name, of) for name, of in fits.items())
    setting = TimedSetting("here", {"dataset": "omniglot", "ways": 5, "shots": 1}, algorithms)
    blocks = tuple(a_block(number, passes) for number, passes in enumerate(rounds))
    return Timings("omniglot-small", 60, MACHINE, {"threads": 1}, (setting,), blocks)
