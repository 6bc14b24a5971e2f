"""A process per fit: starting, watching and ending them.

On a CPU children are forked from a server that has imported torch once, which makes a start take
milliseconds; CUDA does not survive a fork, so there (and where no such server exists) every child
starts afresh.
"""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType, TracebackType

import psutil

from metabench.errors import StartError, UnwritableError
from metabench.runner.descendants import end_marked, end_of
from metabench.runner.messages import Done, Ended, Failure, Job, Message, Started, Unwritable
from metabench.runner.worker import work
from metabench.terminal.printing import open_descriptors

TICK = 0.5
"""Longest silence of `Pool.run`, in seconds: displays and clocks live on it."""

PRELOADED = ("metabench.runner.preloaded",)
"""What the fork server imports once."""

LONGEST_PATH = 70
"""Characters of a folder in which there can be a socket: the system takes 104 or 108 bytes, and
multiprocessing adds 32."""

GRACE = 10.0
"""Seconds that a process has to end after its fit is done."""


@dataclass(eq=False)
class _Child:
    job: Job
    device: str
    process: BaseProcess
    messages: Connection
    lifeline: Connection
    deadline: float
    started: float = field(default_factory=time.monotonic)
    oom_kills: int = field(default_factory=lambda: _oom_kills())
    done: bool = False
    failure: Failure | None = None


class Pool:
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
        self._free = list(devices)
        self._threads = threads
        self._timeout = timeout
        open_descriptors()
        self._context = _context(on_cuda=any(device.startswith("cuda") for device in devices))
        self._children: list[_Child] = []

    def __enter__(self) -> Pool:
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

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Message | Started | Ended] | None]:
        """Run jobs in their order; yield what happens as it happens, and None at least every `TICK`
        seconds.

        Raises
        ------
        UnwritableError
            A child could not write its record.
        StartError
            No child can be started.
        """
        waiting = iter(jobs)
        while True:
            while self._free and (job := next(waiting, None)) is not None:
                self._children.append(self._start(job))
                yield job, Started()
            if not self._children:
                return
            self._wait()
            for child in list(self._children):
                # asked before the pipe is emptied: nothing that a dead child has said is lost
                alive = child.process.is_alive()
                for message in self._messages(child):
                    yield child.job, message
                if alive:
                    self._hold_to_deadline(child)
                else:
                    yield child.job, self._end(child)
            yield None

    def _start(self, job: Job) -> _Child:
        device = self._free.pop(0)
        lifeline, hold = self._context.Pipe(duplex=False)
        messages, tell = self._context.Pipe(duplex=False)
        process = self._context.Process(  # type: ignore[attr-defined]
            target=work, args=(job, device, tell, lifeline), name=job.name
        )
        with (
            _thread_settings(self._threads),
            _same_sources(),
            _ctrl_c_blocked(),
            _main_hidden(),
            _short_paths(),
        ):
            try:
                process.start()
            except (EOFError, ConnectionError) as error:
                raise StartError(
                    f"the process that starts fits has ended: {error or type(error).__name__}. "
                    "What it said stands above"
                ) from error
        lifeline.close()
        tell.close()
        return _Child(
            job,
            device,
            process,
            messages,
            hold,
            deadline=time.monotonic() + (self._timeout or float("inf")),
        )

    def _wait(self) -> None:
        now = time.monotonic()
        longest = min([TICK, *(child.deadline - now for child in self._children)])
        watched = [
            end for child in self._children for end in (child.messages, child.process.sentinel)
        ]
        multiprocessing.connection.wait(watched, timeout=max(0.0, longest))

    def _messages(self, child: _Child) -> Iterator[Message]:
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
        return Ended(failure, time.monotonic() - child.started)


def _context(on_cuda: bool) -> BaseContext:
    if (
        on_cuda
        or "forkserver" not in multiprocessing.get_all_start_methods()
        or _folder_for_sockets() is None
    ):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _has_content(log: Path) -> bool:
    with suppress(OSError):
        return log.stat().st_size > 0
    return False


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


KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""Let glibc keep freed memory for the next iteration: giving it back to the system and taking it
again costs up to a tenth of the time."""


def _thread_settings(threads: int) -> AbstractContextManager[None]:
    """Set what libraries read when they are loaded, for the processes started within; on CUDA also
    what makes cuBLAS deterministic."""
    wanted = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
    )
    wanted["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    return _environment(wanted | KEEP_FREED_MEMORY)


def _same_sources() -> AbstractContextManager[None]:
    """Let the processes started within import from where this one does: a file in the current
    folder stands in for no module of theirs.

    What comes before the standard library here has been put there on purpose; the folders of
    plugins come behind everything (see `registry`).
    """
    library = sysconfig.get_paths()["stdlib"]
    first = itertools.takewhile(
        lambda entry: not entry.startswith(library) and not entry.endswith(".zip"), sys.path
    )
    return _environment(
        {
            "PYTHONSAFEPATH": "1",
            "PYTHONPATH": os.pathsep.join(str(Path(entry or ".").absolute()) for entry in first),
        }
    )


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for the processes started within."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Keep Ctrl-C from this thread for a moment: a child starts with it blocked, and prints no
    traceback before it can ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a child from importing the script that runs the suite: it needs nothing from there, and
    would run it again if it has no guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _short_paths() -> Iterator[None]:
    """Let multiprocessing put its sockets into a folder whose path is short enough; it removes what
    it makes there. Children keep TMPDIR."""
    before = tempfile.tempdir
    tempfile.tempdir = _folder_for_sockets() or before
    try:
        yield
    finally:
        tempfile.tempdir = before


def _folder_for_sockets() -> str | None:
    """The folder for temporary files, or where its path is too long for a socket one of the
    system's; None where there is none."""
    # multiprocessing makes a private folder in there
    folders = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    return next(
        (
            folder
            for folder in folders
            if len(os.fsencode(folder)) <= LONGEST_PATH and os.access(folder, os.W_OK | os.X_OK)
        ),
        None,
    )


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does
    not tell."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
