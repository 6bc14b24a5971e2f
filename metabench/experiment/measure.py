"""Measurements that are never the same twice: time by iteration, and peaks of memory."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

WARM_UP_ITERATIONS = 10
"""First iterations of a fit, and first ones after an interruption: measured and kept, but left out
of the typical time."""

SAMPLE_SECONDS = 0.01
"""Between two looks at resident memory, where the kernel keeps no mark."""


class Stopwatch:
    """Seconds of each of many repetitions. On CUDA the device marks them by events, which are read
    afterwards: measuring waits for nothing.

    Parameters
    ----------
    device
        Whose time it is.
    earlier
        Seconds of repetitions before these, ``[I]``.
    apart
        Seconds so far that are none of a repetition, wherever they fell; none on CUDA.
    """

    def __init__(
        self,
        device: torch.device,
        earlier: NDArray[np.float64] | None = None,
        apart: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._apart = apart
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
            started, apart = time.perf_counter(), self._apart()
            yield
            self._host.append(time.perf_counter() - started - (self._apart() - apart))

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
    """Peak memory within a `with` block, in bytes: resident on the host, allocated and reserved on
    the GPU (None on a CPU).

    Parameters
    ----------
    device
        The GPU, or the CPU.
    before
        Resident memory that peaks are told above; by default what is resident as the block begins.

    Attributes
    ----------
    read_by
        Where peaks of resident memory come from: ``kernel`` (its own high-water mark, which misses
        nothing) or ``samples`` (a look every 10 ms, and the kernel's mark of the whole process
        where it rose).
    """

    def __init__(self, device: torch.device, before: int | None = None) -> None:
        self._device = device
        self._samples: _Samples | None = None
        self.before = before or 0
        self._given = before is not None
        self.read_by: Literal["kernel", "samples"] = "kernel"

    def __enter__(self) -> Self:
        if not self._given:
            self.before = _resident_bytes()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        if not _reset_high_water():
            self.read_by, self._samples = "samples", _Samples()
            self._samples.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._samples is not None:
            self._samples.stop()

    def read(self) -> dict[str, int | None]:
        """Peaks since the block began, under the names of the record's fields."""
        cuda, at = self._device.type == "cuda", self._device
        resident = self._samples.peak() if self._samples is not None else _high_water()
        return {
            "peak_gpu_allocated_bytes": torch.cuda.max_memory_allocated(at) if cuda else None,
            "peak_gpu_reserved_bytes": torch.cuda.max_memory_reserved(at) if cuda else None,
            "peak_resident_bytes": resident,
            "peak_resident_above_bytes": max(0, resident - self.before),
            "resident_before_bytes": self.before,
        }


class _Samples(threading.Thread):
    """Looks at resident memory over and over, where the kernel keeps no mark that can start
    anew."""

    def __init__(self) -> None:
        super().__init__(name="memory", daemon=True)
        self._mark = _process_high_water()
        self._highest = _resident_bytes()
        self._over = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.wait(SAMPLE_SECONDS):
            self._highest = max(self._highest, _resident_bytes())

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def peak(self) -> int:
        """The highest so far. Where the process as a whole has never had more, the kernel knows it
        exactly."""
        self._highest = max(self._highest, _resident_bytes())
        mark = _process_high_water()
        return max(self._highest, mark) if mark > self._mark else self._highest


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _reset_high_water() -> bool:
    """Let the kernel's mark of resident memory start anew; False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        _high_water()
    except (OSError, StopIteration):
        return False
    return True


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _process_high_water() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
