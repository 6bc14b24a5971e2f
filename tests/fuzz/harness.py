"""What the fuzzing tests share: the command line in a child of its own, held to what a user may
expect of it whatever lies on disk.

A case is a number: everything odd in it follows from that number, so `pytest tests/fuzz -k
"run_folders and [17]"` gives it again.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil

# What children would else import each for themselves.
import metabench.compare
import metabench.experiment.fit
import metabench.report
import metabench.site
import metabench.verbs.ab
import metabench.verbs.compare
import metabench.verbs.data
import metabench.verbs.doctor
import metabench.verbs.listing
import metabench.verbs.outcome
import metabench.verbs.plan
import metabench.verbs.publish
import metabench.verbs.report
import metabench.verbs.run
import metabench.verbs.status
import metabench.verbs.verify  # noqa: F401
from metabench.cli import main
from metabench.provenance.conditions import conditions
from metabench.text import UNPRINTABLE

CASES = int(os.environ.get("FUZZ_CASES", "300"))
"""Cases of all parts together; `make fuzz N=3000` sets it."""

SECONDS, HANGS = 20.0, 120.0
"""Seconds of CPU that a command may take, and of the wall clock, on which others may be at work
too, after which it hangs."""

MEBIBYTE = 2**20
MEMORY = 600 * MEBIBYTE
"""Resident bytes by which no command may grow, whatever a file says of its size; what it begins
with, 400 or more, is torch's."""

ADDRESSES = 64 * 1024 * MEBIBYTE
"""Virtual bytes that a child may ask for: more ends in a MemoryError before the machine suffers."""

conditions(1, "cpu")  # reads sources and asks git once, before any child does


@dataclass(frozen=True)
class Outcome:
    """What came of a command: exit status (negative: the signal that ended it), what it printed,
    seconds of CPU and on the wall, and by how many resident bytes it grew."""

    arguments: tuple[str, ...]
    status: int
    output: str
    cpu: float
    seconds: float
    growth: int

    def assert_fair(self, statuses: tuple[int, ...] = (0, 2, 3)) -> None:
        """See that the command ended in time, within its memory, with a status that means something
        and without a traceback."""
        told = (
            f"metabench {' '.join(self.arguments)}: status {self.status}, "
            f"{self.cpu:.1f} of {self.seconds:.1f} s, {self.growth / MEBIBYTE:.0f} MiB"
        )
        told += f"\n{self.output[-4000:]}"
        assert self.cpu < SECONDS, told
        assert self.seconds < HANGS, told
        assert "Traceback (most recent call last)" not in self.output, told
        assert "metabench: unforeseen " not in self.output, told
        assert self.status in statuses, told
        assert self.growth < MEMORY, told

    def assert_one_message(self) -> None:
        """See that a command that could do nothing says so once, and nothing beside that a terminal
        would obey."""
        lines = self.output.splitlines()
        told = [line for line in lines if line.startswith("metabench")]
        assert len(told) == 1, self.output[-4000:]
        assert not UNPRINTABLE.search(self.output), self.output[-4000:]


def cases(part: int, parts: int = 3) -> range:
    """Numbers of the cases of one of so many parts."""
    return range(part, CASES, parts)


def chance(case: int, purpose: str) -> random.Random:
    """The generator of a case; `purpose` keeps parts apart."""
    return random.Random(f"{purpose} {case} {os.environ.get('FUZZ_SEED', '0')}")


def command(*arguments: str, folder: Path, variables: Mapping[str, str] | None = None) -> Outcome:
    """Run `metabench` with these arguments from `folder`, in a forked child that cannot hurt this
    process."""
    output = folder.parent / f".output-{os.getpid()}"
    began = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    begins_with = psutil.Process().memory_info().rss
    pid = os.fork()
    if pid == 0:
        _become(arguments, folder, output, variables or {})
    status, used = _wait(pid, began)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    text = output.read_bytes().decode(errors="replace")
    output.unlink()
    return Outcome(
        arguments,
        status,
        text,
        used.ru_utime + used.ru_stime,
        time.monotonic() - began,
        max(0, peak - begins_with),
    )


def snapshot(folder: Path, leaving_out: Path | None = None) -> dict[str, tuple[int, str]]:
    """Type and content (or target) of all that lies in a folder, links not followed; `leaving_out`
    a folder within it."""
    found: dict[str, tuple[int, str]] = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(here, name) != leaving_out]
        for name in (*folders, *files):
            path = Path(here, name)
            kind = stat.S_IFMT(path.lstat().st_mode)
            content = ""
            if kind == stat.S_IFLNK:
                content = str(path.readlink())
            elif kind == stat.S_IFREG:
                content = sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = kind, content
    return found


def _wait(pid: int, began: float) -> tuple[int, resource.struct_rusage]:
    """Exit status of a child, which is killed when its time is up, and what it has used."""
    killed = False
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), used
        if not killed and time.monotonic() - began > HANGS:
            os.killpg(pid, signal.SIGKILL)
            killed = True
        time.sleep(0.003)


def _become(
    arguments: tuple[str, ...], folder: Path, output: Path, variables: Mapping[str, str]
) -> None:
    """Turn this forked process into the command; never returns."""
    status = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - pytest's own is elsewhere
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        os.chdir(folder)
        os.environ.update(variables)
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # told to the test, which looks for it
        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(status)
