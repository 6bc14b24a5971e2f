"""Fits that are killed at any moment, over and over: they go on from their checkpoints, to the same
bits."""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from few_shot import make_cell
from workshop import Workshop, results

from metabench.runner.following import forget_checkpoint
from metabench.runner.messages import Failure, Job
from metabench.runner.pool import ProcessEngine
from metabench.suite import load_suite

KILLS, WITHIN, ROUNDS = 30, 20, 10
"""Processes to kill at least, trainings that must have gone on after it, and rounds in which that
must come about."""

STARTING = 0.2
"""Seconds that a child takes before its fit begins, or a little more."""

SUITES = {"lean": "false", "kept": "true"}
"""The same cells without weights to go on from, and with them."""

PROJECT = """
checkpoint_seconds = 0.002

[plugins.methods]
misbehaving = "misbehaving:Misbehaving"
[plugins.datasets]
numbered = "numbered:Numbered"
"""

SUITE = """
keep_weights = {keep_weights}

[[grid]]
algorithms = ["maml"]
datasets = ["sinusoid"]
shots = 5
seeds = 2

[[grid]]
algorithms = ["protonet", "reptile", "pretrained", "scratch"]
datasets = ["numbered"]
models = ["conv4"]
ways = 3
shots = 1
seeds = 1

[train]
iterations = 24
tasks_per_batch = 2
query_shots = 2

[validate]
every = 10
episodes = 4
query_shots = 2

[evaluate]
episodes = [8, 12]
query_shots = 2

[models.conv4]
filters = 4

[algorithms.maml]
inner_lr = 0.1

[algorithms.reptile]
inner_batch = 2
inner_steps = 2
test_steps = 2

[algorithms.pretrained]
steps = [2]

[algorithms.scratch]
rates = [0.01]
steps = [0, 2]
"""


@pytest.fixture(scope="module")
def project(shared_workshop: Workshop) -> Workshop:
    shutil.copy(Path(__file__).parents[1] / "numbered.py", shared_workshop.folder)
    (shared_workshop.folder / "benchmark.toml").write_text(PROJECT)
    for suite, keep_weights in SUITES.items():
        (shared_workshop.folder / "suites" / f"{suite}.toml").write_text(
            SUITE.format(keep_weights=keep_weights)
        )
    return shared_workshop


Moment = Callable[[Job, int], bool]
"""Waits for the moment to kill the process of a job, of which it has a handle; returns whether it
came before the process ended."""


@contextmanager
def killed(moment: Moment) -> Iterator[list[str]]:
    """Kill every child that is started within the block when its moment comes; yield the fits whose
    children still lived."""
    hits: list[str] = []
    threads: list[threading.Thread] = []
    start = ProcessEngine._start

    def start_and_kill(self: ProcessEngine, job: Job, tell: Any) -> Any:
        child = start(self, job, tell)
        # unlike its number, never that of another process
        handle = os.pidfd_open(child.process.pid)

        def kill() -> None:
            if moment(job, handle):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    hits.append(job.fit.id)
            os.close(handle)

        threads.append(threading.Thread(target=kill))
        threads[-1].start()
        return child

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessEngine, "_start", start_and_kill)
        yield hits
    for thread in threads:
        thread.join()


def at_any_time(rng: random.Random, took: Mapping[str, float]) -> Moment:
    """Some time in the life of a process, little of which is spent in training."""
    return lambda job, handle: not has_ended(handle, rng.uniform(0, STARTING + took[job.fit.id]))


def in_training(rng: random.Random) -> Moment:
    """At once or some milliseconds after a further checkpoint has come to lie there: one is written
    within a training alone."""

    def wait(job: Job, handle: int) -> bool:
        wanted, seen = rng.randint(1, 6), {written(job.checkpoint)}
        while len(seen) <= wanted:
            if has_ended(handle, 0.0005):
                return False
            seen.add(written(job.checkpoint))
        return not has_ended(handle, rng.choice((0.0, rng.uniform(0, 0.01))))

    return wait


def has_ended(handle: int, seconds: float) -> bool:
    """Whether a process ends within some seconds."""
    return bool(select.select([handle], [], [], seconds)[0])


def written(path: Path) -> int:
    """When a file was written, 0 where there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return 0


@pytest.mark.slow
def test_killed_at_any_moment_and_still_the_same_bits(project: Workshop) -> None:
    """Some before anything is saved, some while a checkpoint, weights or a record are being
    written, most within a training."""
    whole = project.run("lean", out=project.folder / "whole")
    assert whole.exit_status == 0
    assert not list((whole.folder / "checkpoints").iterdir())
    took = {
        record["fit"]: record["measured"]["wall_seconds"] for record in records_in(whole.folder)
    }
    rng, kills, within = random.Random(0), 0, 0
    moments = (at_any_time(rng, took), in_training(rng), in_training(rng))
    for round_, suite in zip(range(ROUNDS), itertools.cycle(SUITES), strict=False):
        out = project.folder / f"{suite}-{round_}"
        unfinished = True
        while unfinished:
            with killed(lambda job, handle: rng.choice(moments)(job, handle)) as hits:
                unfinished = project.run(suite, out=out).exit_status != 0
            kills += len(hits)
        assert results(out) == results(whole.folder)
        assert not list((out / "checkpoints").iterdir())
        within += sum(
            {
                record["fit"]: record["measured"]["interruptions"] for record in records_in(out)
            }.values()
        )
        if kills >= KILLS and within >= WITHIN:
            return
    raise AssertionError(
        f"only {kills} kills struck, {within} of them within a training that then went on"
    )


def records_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("records/*.json")]


@pytest.mark.parametrize(
    ("outcome", "kind", "stays"),
    [
        ("killed", "SIGKILL", True),
        ("timeout", "Timeout", True),
        ("out_of_memory", "MemoryError", True),
        ("failed", "DataError", True),
        ("failed", "ValueError", False),
        ("failed", "HardExit", False),
    ],
)
def test_who_goes_on_from_a_checkpoint_and_who_begins_anew(
    outcome: str, kind: str, stays: bool, tmp_path: Path
) -> None:
    job = Job(
        make_cell("maml").fit, (), "", tmp_path, tmp_path, tmp_path, {}, tmp_path, {}, {}, 1, 1
    )
    job.checkpoint.parent.mkdir()
    job.checkpoint.write_bytes(b"a checkpoint")
    forget_checkpoint(job, Failure(outcome, kind, "why"))
    assert job.checkpoint.exists() == stays


@pytest.mark.slow
def test_checkpoints_of_recorded_fits_are_swept_and_others_are_not(workshop: Workshop) -> None:
    workshop.suite("swept", "none", seeds=2)
    folder = workshop.run("swept", seeds=[0]).folder
    recorded, missing = (
        cell.fit.id
        for cell in load_suite("swept", workshop.project).cells
        if cell.evaluate.episodes == 8
    )
    for name in (recorded, missing, "f" * 64):
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / f"{name}.safetensors").touch()
    (folder / "checkpoints" / ".half.safetensors.1.tmp").touch()
    workshop.run("swept", seeds=[0])
    assert {path.stem for path in (folder / "checkpoints").iterdir()} == {missing, "f" * 64}
