"""What a run shows while it goes on: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from metabench.runner.forecast import Clock, duration
from metabench.runner.messages import Advanced, Ended, Job
from metabench.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

LINES_EVERY = 10.0
"""Seconds between two lines on the fits that run, where there is no terminal."""


class Display(AbstractContextManager["Display"]):
    """Told of everything that happens to fits; `results` are the scores of a finished fit, in
    words."""

    def __init__(self, total: int, clock: Clock) -> None:
        self.total = total
        self.finished = 0
        self.clock = clock

    @abstractmethod
    def started(self, job: Job) -> None:
        """A fit has started."""

    @abstractmethod
    def advanced(self, job: Job, message: Advanced) -> None:
        """A fit has told where it is."""

    @abstractmethod
    def ended(self, job: Job, message: Ended, results: str) -> None:
        """A fit has ended, well or not."""

    @abstractmethod
    def tick(self) -> None:
        """Time has passed."""

    def _time_left(self) -> str:
        left = self.clock.left()
        return "" if left is None else f"{duration(left)} left"

    def _last_line(self, job: Job, message: Ended, results: str) -> str:
        what = f"{message.failure.outcome}: {message.failure.line}" if message.failure else results
        return f"[{self.finished}/{self.total}] {job.name}: {what} ({duration(message.seconds)})"


class Lines(Display):
    """Plain lines: the start and end of each fit, and every few seconds where the running ones
    are."""

    def __init__(self, total: int, clock: Clock) -> None:
        super().__init__(total, clock)
        self._running: dict[str, tuple[str, str]] = {}
        self._spoke = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to put away."""

    def started(self, job: Job) -> None:
        self._running[job.fit.id] = (job.name, "starting")
        self._say(f"{job.name}: started")

    def advanced(self, job: Job, message: Advanced) -> None:
        self._running[job.fit.id] = (job.name, _where(message))

    def ended(self, job: Job, message: Ended, results: str) -> None:
        self._running.pop(job.fit.id, None)
        self.finished += 1
        self._say(self._last_line(job, message, results))

    def tick(self) -> None:
        if time.monotonic() - self._spoke < LINES_EVERY or not self._running:
            return
        where = "; ".join(f"{name}: {text}" for name, text in self._running.values())
        self._say(
            f"[{self.finished}/{self.total}] {where}"
            + (f"; {left}" if (left := self._time_left()) else "")
        )

    def _say(self, line: str) -> None:
        print(one_line(line), flush=True)
        self._spoke = time.monotonic()


class Live(Display):
    """A bar for all fits, a line for each that runs, and above them a line for each that has
    ended."""

    def __init__(self, total: int, clock: Clock, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(total, clock)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
        )
        self._progress = Progress(
            *columns,
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=4,
        )
        self._fits = self._progress.add_task("fits", total=total, detail="")
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, job: Job) -> None:
        self._lines[job.fit.id] = self._progress.add_task(
            one_line(job.name), total=None, detail="starting"
        )

    def advanced(self, job: Job, message: Advanced) -> None:
        detail = message.phase + _loss(message)
        self._progress.update(
            self._lines[job.fit.id],
            completed=message.iteration,
            total=message.total,
            detail=one_line(detail),
        )

    def ended(self, job: Job, message: Ended, results: str) -> None:
        self.finished += 1
        if (line := self._lines.pop(job.fit.id, None)) is not None:  # it has been started
            self._progress.remove_task(line)
        self._progress.update(self._fits, completed=self.finished)
        style = "red" if message.failure else None
        self._progress.console.print(one_line(self._last_line(job, message, results)), style=style)

    def tick(self) -> None:
        self._progress.update(self._fits, detail=self._time_left())


def display_for(total: int, clock: Clock) -> Display:
    """The display that suits where stdout goes."""
    from metabench.terminal.console import console

    screen = console()
    return (
        Live(total, clock, screen)
        if screen.is_terminal and not screen.is_dumb_terminal
        else Lines(total, clock)
    )


def _where(message: Advanced) -> str:
    total = f"/{message.total}" if message.total else ""
    return f"{message.phase} {message.iteration}{total}{_loss(message)}"


def _loss(message: Advanced) -> str:
    return "" if message.loss is None else f", loss {message.loss:.4g}"
