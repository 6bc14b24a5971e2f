"""What every engine keeps: a contract, held by each of them with the same jobs."""

from __future__ import annotations

import json
import pickle
import random
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from workshop import Workshop, records, results

from metabench.errors import ConfigError, StartError, UnwritableError
from metabench.records import FINISHED
from metabench.runner import following
from metabench.runner.engine import Engine
from metabench.runner.inline import InlineEngine
from metabench.runner.messages import Advanced, Ended, Event, Job, Placed, Started, Wrote
from metabench.runner.resources import ENGINES, EngineName, resources
from metabench.runner.run import engine_for

pytestmark = pytest.mark.slow

Told = list[tuple[Job, Event]]
FINISHING = ("none", "diverge", "raise", "leave", "memory")
FAILURES = {"raise": "failed", "leave": "failed", "memory": "out_of_memory"}


@pytest.fixture(scope="module", params=ENGINES)
def name(request: pytest.FixtureRequest) -> EngineName:
    found: EngineName = request.param
    return found


@pytest.fixture(scope="module")
def ran(name: EngineName, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, Path, Told]:
    """A run with fits that end in several ways, and all that its engine told."""
    told: Told = []
    tell = following.Following._tell

    def listen(self: following.Following, job: Job, event: Event) -> None:
        told.append((job, event))
        tell(self, job, event)

    workshop = Workshop(tmp_path_factory.mktemp(name))
    workshop.suite("deeds", *FINISHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following.Following, "_tell", listen)
        folder = workshop.run("deeds", engine=name).folder
    return workshop, folder, told


def events_of(told: Told, deed: str) -> list[Event]:
    return [event for job, event in told if job.fit.algorithm == deed]


@pytest.mark.parametrize("deed", FINISHING)
def test_what_happens_to_a_job_is_told_in_order(
    ran: tuple[Workshop, Path, Told], deed: str
) -> None:
    events = events_of(ran[2], deed)
    assert isinstance(events[0], Started)
    assert isinstance(events[1], Placed)
    assert isinstance(events[-1], Ended)
    assert [type(event) for event in events].count(Ended) == 1
    phases = [event.phase for event in events if isinstance(event, Advanced)]
    assert phases[0] == "load"
    assert set(phases) == {"load", "train", "test"} or deed != "none"
    wrote = [event for event in events if isinstance(event, Wrote)]
    assert len(wrote) == (0 if deed in FAILURES else 2)
    failure = events[-1].failure
    assert (failure and failure.outcome) == FAILURES.get(deed)


def test_jobs_and_events_pickle(ran: tuple[Workshop, Path, Told]) -> None:
    for job, event in ran[2]:
        again = pickle.loads(pickle.dumps((job, event)))  # noqa: S301 - our own
        assert again == (job, event)


def test_facts_about_the_machine_come_from_where_the_fit_ran(
    ran: tuple[Workshop, Path, Told],
) -> None:
    """They stand in the records of fits that failed, too."""
    _, folder, told = ran
    (placed,) = [event for event in events_of(told, "raise") if isinstance(event, Placed)]
    assert placed.machine["libraries"]["torch"] == torch.__version__.partition("+")[0]
    for deed in ("none", "raise"):
        provenance = records(folder)[f"{deed} 0 8"]["provenance"]
        assert {key: provenance[key] for key in placed.machine} == placed.machine


def test_every_engine_leaves_the_same_records_to_the_bit(
    ran: tuple[Workshop, Path, Told], tmp_path: Path
) -> None:
    workshop, folder, _ = ran
    other = workshop.run("deeds", out=tmp_path / "other", engine="process").folder
    now, then = (  # of failures the tracebacks differ
        {
            cell: found
            for cell, found in results(place).items()
            if json.loads(found[0])["outcome"] in FINISHED
        }
        for place in (folder, other)
    )
    assert len(now) == 4
    assert now == then
    assert {key: record["result"]["outcome"] for key, record in records(folder).items()} == {
        key: record["result"]["outcome"] for key, record in records(other).items()
    }


def test_a_job_that_failed_is_not_in_the_way_of_the_next(
    name: EngineName, ran: tuple[Workshop, Path, Told], tmp_path: Path
) -> None:
    workshop = ran[0]
    workshop.suite("few", "raise", "none", seeds=2)
    summary = workshop.run("few", workers=1, out=tmp_path / "few", engine=name)
    assert (summary.finished, len(summary.failed)) == (4, 2)
    stopped = workshop.run("few", workers=1, out=tmp_path / "f", engine=name, fail_fast=True)
    assert (stopped.finished, len(stopped.failed), stopped.missing) == (0, 1, 6)


def test_a_folder_that_vanishes_ends_the_run_and_stays_away(
    name: EngineName, ran: tuple[Workshop, Path, Told], tmp_path: Path
) -> None:
    workshop, out = ran[0], tmp_path / "gone"
    workshop.suite("vanishing", "dawdle", seeds=2, iterations=20)
    tell = following.Following._tell

    def vanish(self: following.Following, job: Job, event: Event) -> None:
        tell(self, job, event)
        if isinstance(event, Placed):
            shutil.rmtree(out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following.Following, "_tell", vanish)
        with pytest.raises(UnwritableError, match="No such file or directory"):
            workshop.run("vanishing", workers=1, out=out, engine=name)
    assert not out.exists()


def test_inline_the_process_is_left_as_it_was_found(workshop: Workshop) -> None:
    workshop.suite("tidy", "none")
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    then = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1])
    workshop.run("tidy", engine="inline")
    assert torch.equal(torch.get_rng_state(), then[0])
    assert random.getstate() == then[1]
    assert np.array_equal(np.random.get_state()[1], then[2])
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == deterministic


def test_inline_nothing_can_be_killed_and_one_fit_runs_at_a_time() -> None:
    using = resources("cpu", 4, 1, "inline")
    assert using.devices == ("cpu",)
    engine: Engine = engine_for(using, None)
    assert (type(engine), engine.slots) == (InlineEngine, 1)
    with pytest.raises(ConfigError, match="timeout needs fits in processes of their own"):
        engine_for(using, 10.0)


def test_inline_an_error_of_whoever_is_told_is_no_failure_of_the_fit(workshop: Workshop) -> None:
    def tell(job: Job, event: Event) -> None:
        if isinstance(event, Placed):
            raise BrokenPipeError("the reader has gone")

    told: Told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InlineEngine, "start", lambda self, job, tell: told.append((job, Started())))
        patch.setattr(
            following.Following,
            "follow",
            lambda self, engine, jobs, **_: engine.start(jobs[0], self._tell),
        )
        workshop.suite("one", "none")
        workshop.run("one", engine="inline")
    (job, _), *_ = told
    with pytest.raises(BrokenPipeError), InlineEngine("cpu") as engine:
        engine.start(job, tell)


def test_inline_ctrl_c_ends_the_run(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.suite("stopped", "raise", "none")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metabench.runner.inline.run_job", interrupt)
    with pytest.raises(KeyboardInterrupt):
        workshop.run("stopped", engine="inline")


def test_too_few_files_for_so_many_fits_are_told(workshop: Workshop) -> None:
    workshop.suite("many", "none", seeds=40)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 40, limit[1]))
    try:
        with pytest.raises(StartError, match=r"fits run.*--workers.*ulimit -n"):
            workshop.run("many", workers=40)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
