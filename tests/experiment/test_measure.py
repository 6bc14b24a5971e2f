"""Times and peaks of memory on a CPU."""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import make_cell, run

from metabench.experiment import measure
from metabench.experiment.measure import (
    WARM_UP_ITERATIONS,
    MemoryPeaks,
    Stopwatch,
    typical,
    warm_up,
)
from metabench.methods.fomaml import FOMAML

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


@pytest.fixture(params=["kernel", "samples"])
def read_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to know a peak of resident memory; the second as where there is no other."""
    if request.param == "samples":
        monkeypatch.setattr(measure, "_reset_high_water", lambda: False)
    elif not measure._reset_high_water():
        pytest.skip("this kernel keeps no mark that can start anew")
    return str(request.param)


@contextmanager
def fresh_memory(megabytes: int) -> Iterator[None]:
    """Use so much memory within the block, from the system, whatever the process holds free."""
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, megabytes * MEGABYTE, flags=private) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        yield


def allocate(megabytes: int) -> None:
    """Use so much memory for a moment."""
    with fresh_memory(megabytes):
        time.sleep(0.2)


@pytest.mark.slow
def test_memory_peaks_rise_with_what_is_used_and_start_anew(read_by: str) -> None:
    with MemoryPeaks(CPU) as peaks:
        before = peaks.read()
        allocate(200)
        after = peaks.read()
    with MemoryPeaks(CPU) as anew:
        afterwards = anew.read()
    assert peaks.read_by == anew.read_by == read_by
    above = "peak_resident_above_bytes"
    assert before[above] < 20 * MEGABYTE
    assert 190 * MEGABYTE < after[above] < 230 * MEGABYTE
    assert after["peak_resident_bytes"] == after[above] + after["resident_before_bytes"]
    assert after["resident_before_bytes"] == before["resident_before_bytes"]
    assert afterwards[above] < 20 * MEGABYTE


def test_peaks_of_the_test_are_above_what_was_there_before_training(read_by: str) -> None:
    with (
        MemoryPeaks(CPU) as training,
        fresh_memory(100),
        MemoryPeaks(CPU, training.before) as test,
    ):
        read = test.read()
    assert read["resident_before_bytes"] == training.before
    assert 90 * MEGABYTE < read["peak_resident_above_bytes"] < 130 * MEGABYTE


@pytest.mark.parametrize("rises", [True, False])
def test_a_peak_between_two_looks_is_seen_where_the_process_never_had_more(
    rises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's mark of the whole process, which never falls, is of this block if it rose
    there."""
    marks = [2**40, 2**40 + MEGABYTE * rises]
    monkeypatch.setattr(measure, "_reset_high_water", lambda: False)
    monkeypatch.setattr(measure, "_process_high_water", lambda: marks.pop(0))
    with MemoryPeaks(CPU) as peaks:
        resident = peaks.read()["peak_resident_bytes"]
    assert (resident == 2**40 + MEGABYTE) == rises
    assert rises or resident < 2**38


@pytest.mark.slow
def test_what_a_method_takes_in_training_is_told(
    read_by: str, omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above what the process held before, and not as that of the test."""
    (plain,) = run(make_cell("fomaml"), data=omniglot_folder)
    step = FOMAML.step

    def hungry(self: FOMAML, *given: Any) -> Any:
        allocate(200)
        return step(self, *given)

    monkeypatch.setattr(FOMAML, "step", hungry)
    (outcome,) = run(make_cell("fomaml"), data=omniglot_folder)
    above, usual = (each.measured["peak_resident_above_bytes"] for each in (outcome, plain))
    assert outcome.measured["resident_read_by"] == read_by
    assert 170 * MEGABYTE < above["training"] - usual["training"] < 230 * MEGABYTE
    assert above["test"] < 100 * MEGABYTE
    before = outcome.measured["resident_before_bytes"]
    assert before["training"] == before["test"] > 50 * MEGABYTE


def test_no_thread_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_reset_high_water", lambda: False)
    threads = threading.active_count()
    with MemoryPeaks(CPU):
        assert threading.active_count() == threads + 1
    with pytest.raises(ZeroDivisionError), MemoryPeaks(CPU):
        raise ZeroDivisionError
    assert threading.active_count() == threads


def test_a_cpu_has_no_peaks_of_a_gpu() -> None:
    with MemoryPeaks(CPU) as peaks:
        read = peaks.read()
    assert read["peak_gpu_allocated_bytes"] is None
    assert read["peak_gpu_reserved_bytes"] is None
