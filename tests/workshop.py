"""What tests of the runner share: projects with a misbehaving plugin, runs within this process and
in one of their own, and what to compare."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from metabench.records import RecordStore
from metabench.runner.following import RunSummary
from metabench.runner.resources import EngineName, resources
from metabench.runner.run import run_suite
from metabench.suite import load_suite
from metabench.suite.project import Project, load_project

SUITE = """
[grid]
algorithms = [{algorithms}]
datasets = ["sinusoid"]
shots = [5]
seeds = {seeds}

[train]
iterations = {iterations}
tasks_per_batch = 2

[validate]
every = {iterations}
episodes = 4

[evaluate]
episodes = [8, 12]

"""


class Workshop:
    """A project folder of a test, with suites over the misbehaving method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "suites").mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).parent / "runner" / "misbehaving.py", folder)
        (folder / "benchmark.toml").write_text(
            '[plugins.methods]\nmisbehaving = "misbehaving:Misbehaving"\n'
        )

    @property
    def project(self) -> Project:
        return load_project(self.folder)

    def suite(self, name: str, *deeds: str, seeds: int = 1, iterations: int = 4) -> Path:
        """Write a suite with one algorithm a deed."""
        entries = "".join(
            f'[algorithms.{deed}]\nmethod = "misbehaving"\ndeed = "{deed}"\n' for deed in deeds
        )
        algorithms = ", ".join(f'"{deed}"' for deed in deeds)
        path = self.folder / "suites" / f"{name}.toml"
        path.write_text(
            SUITE.format(algorithms=algorithms, seeds=seeds, iterations=iterations) + entries
        )
        return path

    def run(
        self,
        name: str,
        *,
        workers: int = 2,
        out: Path | None = None,
        only: tuple[str, ...] = (),
        seeds: list[int] | None = None,
        engine: EngineName = "process",
        **options: Any,
    ) -> RunSummary:
        """Run a suite within this process."""
        suite = load_suite(name, self.project, only=only, seeds=seeds)
        return run_suite(
            suite, self.project, using=resources("cpu", workers, 1, engine), out=out, **options
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "metabench", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line in a process of its own."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "metabench", *arguments],
            cwd=self.folder,
            text=True,
            start_new_session=True,
            **pipes,
        )


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Every record of a run folder by its algorithm, seed and number of episodes."""
    scan = RecordStore(folder).scan()
    assert not scan.damaged
    named = {}
    for record in scan.records.values():
        labels = record["labels"]
        named[
            f"{labels['algorithm']} {record['seed']} {record['config']['evaluate']['episodes']}"
        ] = record
    return named


def results(folder: Path) -> dict[str, Any]:
    """What must be equal to the bit: the `result` of every record, and its result arrays as
    bytes."""
    store = RecordStore(folder)
    found = {}
    for cell, (path,) in store.index().items():
        arrays = {
            name: array for name, array in store.arrays(path).items() if name.startswith("result/")
        }
        kept = {
            name: (array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())
            for name, array in arrays.items()
        }
        found[cell] = (json.dumps(store.load(path)["result"], sort_keys=True), kept)
    return found


def rewrite(
    path: Path,
    change: Callable[[dict[str, Any]], Any],
    arrays: Callable[[dict[str, np.ndarray]], Any] = lambda _: None,
) -> None:
    """Change a record and its arrays, and give them the digests that fit, as if they had been
    written so."""
    store = RecordStore(path.parents[1])
    record, kept = store.load(path), dict(store.arrays(path))
    change(record)
    arrays(kept)
    store.write(path.stem, record, kept or None)


def footprints(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every record file."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (folder / "records").iterdir()
        if path.suffix in (".json", ".npz")
    }


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def family(pid: int) -> list[psutil.Process]:
    """All descendants of a process, among them the fork server and the resource tracker."""
    return psutil.Process(pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process], seconds: float = 10.0) -> None:
    """See that none of these processes lives on."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    alive = [
        process
        for process in alive
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]
    assert not alive, [(process.pid, process.cmdline()) for process in alive]


def is_root() -> bool:
    return os.geteuid() == 0
