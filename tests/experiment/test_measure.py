"""Times and peaks of memory on a CPU."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from metabench.experiment.measure import (
    WARM_UP_ITERATIONS,
    MemoryPeaks,
    Stopwatch,
    typical,
    warm_up,
)

CPU = torch.device("cpu")
MEGABYTE = 2**20


def test_a_stopwatch_keeps_every_lap_and_nothing_between() -> None:
    watch = Stopwatch(CPU)
    for seconds in (0.03, 0.0, 0.06):
        with watch.lap():
            time.sleep(seconds)
        time.sleep(0.02)
    laps = watch.seconds()
    assert laps.shape == (3,)
    assert laps[0] >= 0.03
    assert laps[2] >= 0.06
    assert (laps >= 0).all()


def test_a_stopwatch_can_be_read_before_any_lap() -> None:
    assert Stopwatch(CPU).seconds().tolist() == []


def test_a_lap_that_raised_is_no_lap() -> None:
    watch = Stopwatch(CPU)
    with pytest.raises(ZeroDivisionError), watch.lap():
        raise ZeroDivisionError
    assert watch.seconds().tolist() == []


def test_the_typical_time_is_the_median_after_the_warm_up() -> None:
    warm_up = np.full(WARM_UP_ITERATIONS, 9.0)
    assert typical(np.append(warm_up, [1.0, 2.0, 6.0])) == 2.0
    assert typical(warm_up) == 9.0
    assert typical(np.array([])) is None


def test_the_first_iterations_after_an_interruption_are_warm_up_too() -> None:
    seconds = np.array([9.0] * 10 + [1.0] * 5 + [8.0] * 10 + [2.0] * 3 + [7.0] * 2)
    assert typical(seconds, resumed=[15, 28]) == 1.0
    assert warm_up(len(seconds), [15, 28]).sum() == 10 + 10 + 2
    assert warm_up(30, [5, 5]).sum() == 15  # what belongs to two of them counts once
    assert typical(seconds[:20], resumed=[5, 12]) == np.median(seconds[:20])


def test_a_stopwatch_goes_on_from_earlier_laps() -> None:
    watch = Stopwatch(CPU, np.array([1.0, 2.0]))
    with watch.lap():
        pass
    assert watch.seconds()[:2].tolist() == [1.0, 2.0]
    assert watch.seconds().shape == (3,)


def test_memory_peaks_rise_with_what_is_used_and_start_anew() -> None:
    peaks = MemoryPeaks(CPU)
    peaks.start()
    before = peaks.read()["peak_resident_bytes"]
    block = np.ones(200 * MEGABYTE, dtype=np.uint8)
    during = peaks.read()["peak_resident_bytes"]
    del block
    after = peaks.read()["peak_resident_bytes"]
    peaks.start()
    anew = peaks.read()["peak_resident_bytes"]
    assert before + 190 * MEGABYTE < during < before + 400 * MEGABYTE
    # a peak does not go down by itself; the kernel counts resident pages in batches
    assert after > during - 8 * MEGABYTE
    assert anew < during - 150 * MEGABYTE


def test_a_cpu_has_no_peaks_of_a_gpu() -> None:
    read = MemoryPeaks(CPU).read()
    assert read["peak_gpu_allocated_bytes"] is None
    assert read["peak_gpu_reserved_bytes"] is None
