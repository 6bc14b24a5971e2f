"""The compiler of training steps: Inductor with the C++ compiler of the machine, in a cache folder
that is the user's alone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metabench.datasets.cache import cache_folder
from metabench.errors import FolderError
from metabench.identity import digest
from metabench.methods.graphs import Compile
from metabench.provenance.compiler import command
from metabench.provenance.environment import cpu_name, version

FOLDER = "compiled"
"""In the cache folder."""

LACKING = (
    "killed signal",
    "no space left on device",
    "cannot allocate memory",
    "out of memory",
    "virtual memory exhausted",
    "disk quota exceeded",
    "too many open files",
)
"""What a C++ compiler says where the machine lacked something."""


def inductor(compiler: str, threads: int) -> Compile:
    """What compiles the graphs of a fit with so many threads, by the C++ compiler that says it is
    `compiler`.

    Equal graphs are compiled once for all fits that share a cache folder.

    Raises
    ------
    FolderError
        There can be no private cache folder.
    OSError, MemoryError
        Of what compiles: memory, or room on the disk, did not suffice.
    """
    key = {"compiler": compiler, "cpu": cpu_name(), "torch": version("torch"), "threads": threads}
    folder = private_folder(cache_folder() / FOLDER) / digest(key)[:12]
    options = {
        "compile_threads": 1,  # more would be processes that outlive the compiling
        "cpp.cxx": (None, shutil.which(command()) or command()),
        "cpp.threads": threads,
        "fallback_random": True,  # dropout draws from torch's generator, as it does uncompiled
    }

    def compile(
        graph: torch.fx.GraphModule, example: Sequence[Tensor]
    ) -> Callable[..., Sequence[Tensor]]:
        # imported only where it is wanted: it takes seconds
        import torch._inductor

        with _cached_in(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                compiled: Any = torch._inductor.compile(graph, list(example), options)
            except Exception as error:
                if (lack := _lack(error)) is not None:
                    raise lack from error
                raise
        return lambda tensors: compiled(*tensors)

    return compile


def _lack(error: Exception) -> OSError | MemoryError | None:
    """What the machine lacked, where a compilation failed for that, and not for what was compiled:
    the next one may come through, and would leave other digits than steps as they are written."""
    inner = getattr(error, "inner_exception", error)  # Inductor wraps what it meets
    if isinstance(inner, OSError | MemoryError):
        return inner
    if isinstance(inner.__cause__, subprocess.CalledProcessError):
        said = str(inner).lower()  # what the compiler printed is in there
        found = next((sign for sign in LACKING if sign in said), None)
        if found or inner.__cause__.returncode < 0:
            return OSError(f"the C++ compiler could not finish: {found or 'it was killed'}")
    return None


def private_folder(path: Path) -> Path:
    """Return a folder, made where there is none, that nobody but this user could ever write to:
    what lies in it is unpickled and run.

    Raises
    ------
    FolderError
        There is none, it is not this user's, or others can write to it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            raise FolderError(
                f"{path}: what is compiled would be kept there, and it is no folder of yours; "
                "remove it, or let METABENCH_CACHE name another place"
            )
        if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise FolderError(
                f"{path}: what is compiled would be kept there, and others can write to it; remove "
                "it, with what they may have put there"
            )
        path.chmod(0o700)
    except OSError as error:
        raise FolderError(
            f"{path}: what is compiled cannot be kept there: {error.strerror}; METABENCH_CACHE "
            "names another place"
        ) from error
    return path


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Let Inductor keep what it compiles in a folder, for the block."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
