"""The process engine: a process for each fit; starting, watching and ending them.

On a CPU children are forked from a server that has imported torch once, which makes a start take
milliseconds; CUDA does not survive a fork, so there (and where no such server exists) every child
starts afresh.
"""

from __future__ import annotations

import errno
import multiprocessing.connection
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

import psutil

from metabench.errors import StartError, UnwritableError
from metabench.runner.descendants import end_marked, end_of
from metabench.runner.engine import TICK, Tell
from metabench.runner.messages import Ended, Event, Failure, Job, Started
from metabench.runner.spawning import context_for, prepared
from metabench.runner.worker import PACKAGE, Done, Message, Unwritable, work
from metabench.terminal.printing import open_descriptors

GRACE = 10.0
"""Seconds that a process has to end after its fit is done."""


@dataclass(eq=False)
class _Child:
    job: Job
    tell: Tell
    device: str
    process: BaseProcess
    messages: Connection
    lifeline: Connection
    deadline: float
    started: float = field(default_factory=time.monotonic)
    oom_kills: int = field(default_factory=lambda: _oom_kills())
    done: bool = False
    failure: Failure | None = None


class ProcessEngine:
    """Runs jobs, one on each of `devices` at a time. Leaving the `with` block kills whatever still
    runs.

    Parameters
    ----------
    devices
        One entry for each fit that may run at once: `cpu` many times, or every GPU once.
    threads
        Threads of each fit.
    timeout
        Seconds after which a fit is killed, or None.
    """

    def __init__(self, devices: Sequence[str], threads: int, timeout: float | None = None) -> None:
        self.slots = len(devices)
        self._free = list(devices)
        self._threads = threads
        self._timeout = timeout
        open_descriptors()
        self._context = context_for(on_cuda=any(device.startswith("cuda") for device in devices))
        self._children: list[_Child] = []

    def __enter__(self) -> ProcessEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children:
            _kill(child)
        for child in self._children:
            _close(child)
        self._children.clear()

    def start(self, job: Job, tell: Tell) -> None:
        """Start the process of a job, on a device that is free."""
        self._children.append(self._start(job, tell))
        tell(job, Started())

    def wait(self) -> None:
        """Wait for a word or the end of a child, and tell it."""
        if not self._children:
            return
        now = time.monotonic()
        longest = min([TICK, *(child.deadline - now for child in self._children)])
        watched = [
            end for child in self._children for end in (child.messages, child.process.sentinel)
        ]
        multiprocessing.connection.wait(watched, timeout=max(0.0, longest))
        for child in list(self._children):
            # asked before the pipe is emptied: nothing that a dead child has said is lost
            alive = child.process.is_alive()
            for event in self._events(child):
                child.tell(child.job, event)
            if alive:
                self._hold_to_deadline(child)
            else:
                child.tell(child.job, self._end(child))

    def _start(self, job: Job, tell: Tell) -> _Child:
        device = self._free.pop(0)
        try:
            lifeline, hold = self._context.Pipe(duplex=False)
            messages, send = self._context.Pipe(duplex=False)
            process = self._context.Process(  # type: ignore[attr-defined]
                target=work, args=(job, device, PACKAGE, send, lifeline), name=job.name
            )
            with prepared(self._threads):
                process.start()
        except (EOFError, ConnectionError) as error:
            raise StartError(
                f"the process that starts fits has ended: {error or type(error).__name__}. What it "
                "said stands above"
            ) from error
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise StartError(self._too_many_files()) from error
        lifeline.close()
        send.close()
        deadline = time.monotonic() + (self._timeout or float("inf"))
        return _Child(job, tell, device, process, messages, hold, deadline)

    def _too_many_files(self) -> str:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return (
            f"{len(self._children)} fits run, and one more would have more files open than the "
            f"{limit} that this process may have: run fewer at once (--workers), or raise the "
            "limit (`ulimit -n`)"
        )

    def _events(self, child: _Child) -> Iterator[Event]:
        with suppress(EOFError, OSError):
            while child.messages.poll():
                message: Message = child.messages.recv()
                match message:
                    case Unwritable(reason):
                        raise UnwritableError(reason)
                    case Failure():
                        child.failure = message
                    case Done():
                        child.done = True
                        child.deadline = time.monotonic() + GRACE
                    case _:
                        yield message

    def _hold_to_deadline(self, child: _Child) -> None:
        if time.monotonic() < child.deadline:
            return
        if not child.done and child.failure is None:
            # faulthandler writes every thread's stack to the log
            os.kill(child.process.pid or 0, signal.SIGUSR1)
            child.process.join(0.3)
            where = "; the log says where it stood" if _has_content(child.job.log) else ""
            child.failure = Failure(
                "timeout", "Timeout", f"took more than {self._timeout:g} seconds{where}"
            )
        _kill(child)
        child.deadline = float("inf")

    def _end(self, child: _Child) -> Ended:
        failure = None if child.done else child.failure or _how_it_died(child)
        _kill(child)  # what the fit may have started
        if not child.done and child.failure is None:  # it could not see to that itself
            end_marked(child.job.mark)
        _close(child)
        self._children.remove(child)
        self._free.append(child.device)
        return Ended(failure, time.monotonic() - child.started, _log_of(child.job))


def _has_content(log: Path) -> bool:
    with suppress(OSError):
        return log.stat().st_size > 0
    return False


def _log_of(job: Job) -> Path | None:
    """The log of a fit that has ended; one in which nothing stands is deleted."""
    if _has_content(job.log):
        return job.log
    with suppress(OSError):
        job.log.unlink()
    return None


def _how_it_died(child: _Child) -> Failure:
    """Why a process ended without a word."""
    code = child.process.exitcode
    if code is None or code >= 0:
        return Failure(
            "failed", "HardExit", f"the process exited with status {code} before the fit was done"
        )
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    if name == "SIGKILL" and _oom_kills() > child.oom_kills:
        return Failure(
            "out_of_memory",
            name,
            "the system ran out of memory and killed the process; fewer --workers need less",
        )
    return Failure("killed", name, f"the process was killed by {name}")


def _kill(child: _Child) -> None:
    """Kill a child and whatever it has started; it leads a process group, unless it has not come
    that far."""
    pid = child.process.pid
    if pid is None:
        return
    if child.process.is_alive():
        with suppress(OSError, psutil.Error):
            os.kill(pid, signal.SIGSTOP)  # it starts nothing more
            end_of(pid)
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    child.process.kill()


def _close(child: _Child) -> None:
    child.process.join()
    child.process.close()
    child.messages.close()
    child.lifeline.close()


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does
    not tell."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
