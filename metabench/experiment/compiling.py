"""The compiler of training steps: Inductor with the C++ compiler of the machine, in a cache folder
that is the user's alone."""

from __future__ import annotations

import os
import shutil
import stat
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


def inductor(compiler: str, threads: int) -> Compile:
    """What compiles the graphs of a fit with so many threads, by the C++ compiler that says it is
    `compiler`.

    Equal graphs are compiled once for all fits that share a cache folder.

    Raises
    ------
    FolderError
        There can be no private cache folder.
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
            compiled: Any = torch._inductor.compile(graph, list(example), options)
        return lambda tensors: compiled(*tensors)

    return compile


def private_folder(path: Path) -> Path:
    """Return a folder, made where there is none, that nobody but this user can write to: what lies
    in it is unpickled and run.

    Raises
    ------
    FolderError
        There is none, or it is not this user's.
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
