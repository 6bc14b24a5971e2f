"""Measurements that are never the same twice: time by iteration, and peaks of memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

WARM_UP_ITERATIONS = 10
"""First iterations of a fit, and first ones after an interruption: measured and kept, but left out
of the typical time."""


class Stopwatch:
    """Seconds of each of many repetitions. On CUDA the device marks them by events, which are read
    afterwards: measuring waits for nothing.

    Parameters
    ----------
    device
        Whose time it is.
    earlier
        Seconds of repetitions before these, ``[I]``.
    """

    def __init__(self, device: torch.device, earlier: NDArray[np.float64] | None = None) -> None:
        self._cuda = device.type == "cuda"
        self._earlier = np.zeros(0) if earlier is None else earlier
        self._host: list[float] = []
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def lap(self) -> Iterator[None]:
        """Measure the block as one repetition."""
        if self._cuda:
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            yield
            end.record()
            self._events.append((start, end))
        else:
            started = time.perf_counter()
            yield
            self._host.append(time.perf_counter() - started)

    def seconds(self) -> NDArray[np.float64]:
        """Seconds of every repetition so far, ``[I]``."""
        if self._cuda:
            torch.cuda.synchronize()
        laps = (
            [start.elapsed_time(end) / 1e3 for start, end in self._events]
            if self._cuda
            else self._host
        )
        return np.concatenate((self._earlier, laps))


def warm_up(iterations: int, resumed: Iterable[int] = ()) -> NDArray[np.bool_]:
    """Which of these iterations belong to a warm-up, ``[I]``; `resumed` are the numbers of
    iterations after which a training went on anew."""
    cold = np.zeros(iterations, dtype=bool)
    for start in (0, *resumed):
        cold[start : start + WARM_UP_ITERATIONS] = True
    return cold


def typical(seconds: NDArray[np.float64], resumed: Iterable[int] = ()) -> float | None:
    """Median without the warm-up; with it where nothing else is there; None of nothing."""
    warm = seconds[~warm_up(len(seconds), resumed)]
    kept = warm if len(warm) else seconds
    return float(np.median(kept)) if len(kept) else None


class MemoryPeaks:
    """Peak memory of one phase of a fit, in bytes: resident on the host, allocated and reserved on
    the GPU (None on a CPU)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def start(self) -> None:
        """Forget earlier peaks."""
        with suppress(OSError):
            # Linux: the high-water mark of resident memory starts anew
            Path("/proc/self/clear_refs").write_text("5")
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def read(self) -> dict[str, int | None]:
        """Peaks since `start`, under the names of the record's fields."""
        cuda = self._device.type == "cuda"
        return {
            "peak_gpu_allocated_bytes": torch.cuda.max_memory_allocated(self._device)
            if cuda
            else None,
            "peak_gpu_reserved_bytes": torch.cuda.max_memory_reserved(self._device)
            if cuda
            else None,
            "peak_resident_bytes": _peak_resident_bytes(),
        }


def _peak_resident_bytes() -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # elsewhere the peak of the whole process
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
