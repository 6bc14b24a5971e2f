"""How processes of fits are started: what they import from, what their libraries read when they are
loaded, and what of the parent they must not meet."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType

PRELOADED = ("metabench.runner.preloaded",)
"""What the fork server imports once."""

LONGEST_PATH = 70
"""Characters of a folder in which there can be a socket: the system takes 104 or 108 bytes, and
multiprocessing adds 32."""


def context_for(on_cuda: bool) -> BaseContext:
    """How children are started: forked from a server that has imported torch once; afresh on CUDA,
    which survives no fork, and where there can be no such server."""
    if (
        on_cuda
        or "forkserver" not in multiprocessing.get_all_start_methods()
        or _folder_for_sockets() is None
    ):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""Let glibc keep freed memory for the next iteration: giving it back to the system and taking it
again costs up to a tenth of the time."""


@contextmanager
def prepared(threads: int) -> Iterator[None]:
    """Have processes with so many threads started within the block as those of fits are."""
    with (
        _thread_settings(threads),
        _same_sources(),
        _ctrl_c_blocked(),
        _main_hidden(),
        _short_paths(),
    ):
        yield


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
