"""Engines: what runs fits. A run starts jobs on one and is told what happens to them; where and how
they run is the engine's business.

There are two, a process for each fit (`pool`) and this very process (`inline`). Both leave the same
records, to the bit. Whatever engine: the run folder and the data lie where its fits find them, and
facts about the machine come from the fits (`Placed`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from metabench.runner.messages import Event, Job

Tell = Callable[[Job, Event], None]
"""Is called with each event of a job, in the order in which they happen."""


class Engine(Protocol):
    """Runs jobs. Leaving the `with` block stops whatever still runs.

    Attributes
    ----------
    slots
        How many fits can run at once; `start` is for as many.
    """

    slots: int

    def start(self, job: Job, tell: Tell) -> None:
        """Start a job, and tell `Started`. What happens to it is told within this call and those of
        `wait`, always in the thread that calls, `Ended` last.

        Raises
        ------
        UnwritableError
            A record could not be written.
        StartError
            Fits cannot be started here.
        """

    def wait(self) -> None:
        """Wait until something happens, for `TICK` seconds at most, and tell it. Returns at once
        where nothing runs.

        Raises
        ------
        UnwritableError
            A record could not be written.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


TICK = 0.5
"""Longest silence of `Engine.wait`, in seconds: displays and clocks live on it."""
