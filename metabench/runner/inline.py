"""The inline engine: fits one after another in this very process, to be debugged, in notebooks, and
where no processes can be started. Nothing can be killed here, and what a fit prints is not kept."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from metabench.runner.engine import Tell
from metabench.runner.job import failure_of, run_job
from metabench.runner.messages import Ended, Event, Failure, Job, Started
from metabench.terminal.signals import is_wanted


class InlineEngine:
    """Runs each job while it is started: nothing is left to wait for."""

    slots = 1

    def __init__(self, device: str) -> None:
        self._device = device

    def start(self, job: Job, tell: Tell) -> None:
        """Run a job to its end. Ctrl-C ends the run."""
        telling = _Telling(partial(tell, job))
        telling(Started())
        began = time.monotonic()
        failure: Failure | None = None
        try:
            with _left_as_found():
                run_job(job, self._device, telling)
        except BaseException as error:
            if is_wanted(error) or telling.error is not None:
                raise
            failure = failure_of(error, job)
        telling(Ended(failure, time.monotonic() - began))

    def wait(self) -> None:
        """Nothing runs between two calls of `start`."""

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to stop."""


class _Telling:
    """Tells events, and remembers an error of whoever is told: it is none of the fit's."""

    def __init__(self, tell: partial[None]) -> None:
        self._tell = tell
        self.error: BaseException | None = None

    def __call__(self, event: Event) -> None:
        try:
            self._tell(event)
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _left_as_found() -> Iterator[None]:
    """Undo what a fit changes for the whole process: torch's threads and determinism, and where the
    global generators stand."""
    import numpy as np
    import torch

    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    backends = (
        (torch.backends.cudnn, "benchmark"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_tf32"),
    )
    switches = [(place, name, getattr(place, name)) for place, name in backends]
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        for place, name, value in switches:
            setattr(place, name, value)
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
