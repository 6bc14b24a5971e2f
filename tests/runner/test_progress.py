"""What a run shows, and how long it thinks that it will take."""

from __future__ import annotations

import dataclasses
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from workshop import Workshop

from metabench.cells import Cell
from metabench.runner.forecast import Clock, History, duration
from metabench.runner.messages import Advanced, Ended, Failure, Job
from metabench.runner.plan import PlannedCell
from metabench.runner.progress import Lines, Live
from metabench.suite import load_suite
from metabench.suite.project import load_project


@pytest.fixture
def jobs(workshop: Workshop) -> list[Job]:
    workshop.suite("four", "none", seeds=4)
    suite = load_suite("four", load_project(workshop.folder))
    cells = [cell for cell in suite.cells if cell.evaluate.episodes == 8]
    return [a_job(cell, workshop.folder) for cell in cells]


def a_job(cell, folder: Path) -> Job:  # type: ignore[no-untyped-def]
    return Job(
        cell.fit,
        ((cell, cell.stem),),
        f"fit-{cell.fit.seed}",
        folder,
        folder / "log",
        folder,
        {},
        folder,
        {},
        {},
        1,
        2,
    )


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that moves when a test moves it."""
    moment = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    return moment


def test_time_left_comes_from_history_then_progress_then_finished_fits(
    jobs: list[Job], now: list[float]
) -> None:
    clock = Clock(jobs, 2, {job.fit.id: 30.0 for job in jobs})
    assert clock.left() == 60.0  # four of 30 s, two at once
    clock.start(jobs[0])
    clock.start(jobs[1])
    clock.advance(jobs[0], Advanced("train", 1, 100, None))
    now[0] = 5.0
    clock.advance(jobs[0], Advanced("train", 50, 100, None))  # 10 s in all
    assert clock.left() == pytest.approx((5 + 5 + 10 + 10) / 2)
    now[0] = 8.0
    clock.end(jobs[0], 8.0, finished=True)
    assert clock.left() == pytest.approx((0 + 8 + 8) / 2)


def test_a_training_that_goes_on_is_judged_by_what_it_does_now(
    jobs: list[Job], now: list[float]
) -> None:
    """Begun at 800 of 1,000, it has half of the rest behind it; and its duration tells nothing
    about fits that begin at 0."""
    clock = Clock(jobs, 1, {})
    clock.start(jobs[0])
    clock.advance(jobs[0], Advanced("train", 801, 1000, None))
    now[0] = 5.0
    clock.advance(jobs[0], Advanced("train", 900, 1000, None))
    clock.end(jobs[0], 10.0, finished=True)
    assert clock.left() is None
    clock.start(jobs[1])
    clock.advance(jobs[1], Advanced("train", 801, 1000, None))
    now[0] = 10.0
    clock.advance(jobs[1], Advanced("train", 900, 1000, None))
    assert clock.left() == pytest.approx(5 + 2 * 10)  # both that wait are taken to be alike


def test_a_fit_that_only_tests_tells_nothing_about_those_that_train(
    jobs: list[Job], now: list[float]
) -> None:
    first, *others = jobs
    clock = Clock([dataclasses.replace(first, evaluates=True), *others], 1, {})
    clock.start(first)
    clock.end(first, 1.0, finished=True)
    assert clock.left() is None


def test_history_asks_nothing_for_training_where_there_is_none(jobs: list[Job]) -> None:
    cell = jobs[0].cells[0][0]
    history = History([a_record(cell, 10, training_seconds=20.0, test_seconds=1.0)], {}, "a cpu")
    assert history.seconds(
        cell.fit, [PlannedCell(cell, "missing", cell.stem)], trains=False
    ) == pytest.approx(0.1 * 8)


def test_nothing_known_is_said_to_be_unknown(jobs: list[Job]) -> None:
    assert Clock(jobs, 2, {}).left() is None


def a_record(cell: Cell, iterations: int, **measured: float) -> dict[str, Any]:
    evaluate = {"ways": cell.evaluate.ways, "shots": cell.evaluate.shots}
    result = {"outcome": "completed", "iterations": iterations, "episodes": 10}
    provenance = {"cpu": "a cpu", "conditions": {}}
    return {
        "labels": cell.labels,
        "config": {"evaluate": evaluate},
        "result": result,
        "measured": measured,
        "provenance": provenance,
    }


def test_history_knows_untrained_fits_by_their_wall_time(jobs: list[Job]) -> None:
    cell = jobs[0].cells[0][0]
    history = History([a_record(cell, 0, wall_seconds=5.0, test_seconds=1.0)], {}, "a cpu")
    # although the recipe has iterations
    assert history.seconds(cell.fit, [PlannedCell(cell, "missing", cell.stem)]) == pytest.approx(
        0.5 * 8
    )


def test_history_tells_shots_apart(jobs: list[Job]) -> None:
    cell = jobs[0].cells[0][0]
    other = dataclasses.replace(cell, evaluate=dataclasses.replace(cell.evaluate, shots=1))
    records = [
        a_record(cell, 10, training_seconds=20.0, test_seconds=1.0),
        a_record(other, 10, training_seconds=10.0, test_seconds=1.0),
    ]
    history = History(records, {}, "a cpu")
    assert history.seconds(cell.fit, [PlannedCell(cell, "missing", cell.stem)]) == pytest.approx(
        2.0 * 4 + 0.1 * 8
    )
    assert history.seconds(cell.fit, [PlannedCell(other, "missing", cell.stem)]) == pytest.approx(
        1.0 * 4 + 0.1 * 8
    )


def test_a_failed_fit_teaches_no_duration(jobs: list[Job], now: list[float]) -> None:
    clock = Clock(jobs, 1, {})
    clock.start(jobs[0])
    now[0] = 1.0
    clock.end(jobs[0], 1.0, finished=False)
    assert clock.left() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (250, "4 min 10 s"), (7500, "2 h 05 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_lines_tell_start_end_and_now_and_then_the_middle(
    jobs: list[Job], now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(jobs, 1, {})
    with Lines(4, clock) as display:
        clock.start(jobs[0])
        display.started(jobs[0])
        clock.advance(jobs[0], Advanced("train", 1, 100, 0.5))
        display.advanced(jobs[0], Advanced("train", 30, 100, 0.12345))
        clock.advance(jobs[0], Advanced("train", 30, 100, 0.12345))
        display.tick()
        assert "loss" not in capsys.readouterr().out
        now[0] = 10.5
        clock.advance(jobs[0], Advanced("train", 30, 100, 0.12345))
        display.tick()
        assert (
            capsys.readouterr().out == "[0/4] fit-0: train 30/100, loss 0.1235; 2 min 10 s left\n"
        )
        display.ended(jobs[0], Ended(None, 12.0), "mse 0.4")
        display.ended(
            jobs[1], Ended(Failure("killed", "SIGKILL", "the process was killed"), 1.0), ""
        )
    assert (
        capsys.readouterr().out
        == "[1/4] fit-0: mse 0.4 (12.0 s)\n[2/4] fit-1: killed: SIGKILL: the process was killed "
        "(1.0 s)\n"
    )


def test_a_terminal_shows_bars_and_is_left_in_order(jobs: list[Job]) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    clock = Clock(jobs, 1, {})
    with Live(4, clock, console) as display:
        clock.start(jobs[0])
        display.started(jobs[0])
        display.advanced(jobs[0], Advanced("train", 30, 100, 0.5))
        display.tick()
        display.ended(jobs[0], Ended(None, 12.0), "mse [0.4]")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "[1/4] fit-0: mse [0.4] (12.0 s)" in text
    # the cursor is back
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")


@pytest.mark.slow
def test_a_run_on_a_terminal_shows_running_fits(workshop: Workshop) -> None:
    workshop.suite("shown", "dawdle", iterations=30)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "metabench", "run", "shown", "--device", "cpu", "--no-report"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        command, cwd=workshop.folder, stdout=child, stderr=child, stdin=child, env=environment
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 65536):
            shown += chunk
    except OSError:  # the terminal's other end is closed
        pass
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"dawdle-sinusoid-5s-s0 .* \d+/30 train, loss", text)
    assert "[1/1] dawdle-sinusoid-5s-s0: 5s 8 episodes: mse" in text
    assert "2 cells finished" in text
