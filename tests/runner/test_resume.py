"""Runs that are repeated, spread, killed, stopped and resumed: the same bits, nothing done twice,
nobody left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from workshop import Workshop, assert_gone, family, footprints, records, results, rewrite, wait_for

from metabench.errors import FolderError, StaleError
from metabench.records import RecordStore
from metabench.tables import load

pytestmark = pytest.mark.slow

SEEDS = 3
FITS = 2 * SEEDS


@pytest.fixture(scope="module")
def reference(shared_workshop: Workshop) -> Path:
    """A run with one worker, to hold the others against. A fit takes about a second, so that a run
    can be caught half-way."""
    shared_workshop.suite("slow", "none", "dawdle", seeds=SEEDS, iterations=20)
    return shared_workshop.run("slow", workers=1, out=shared_workshop.folder / "one").folder


def stop_half_way(
    workshop: Workshop, out: Path, how: signal.Signals
) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start a run, and send it a signal once some of its fits are done; return it and all processes
    that it had."""
    process = workshop.begin("run", "slow", "--workers", "2", "--no-report", "--out", str(out))
    wait_for(lambda: len(list((out / "records").glob("dawdle*.json"))) >= 1)
    processes = family(process.pid)
    assert len(processes) >= 3  # fork server, resource tracker, a child at work
    process.send_signal(how)
    return process, processes


def test_bits_do_not_depend_on_the_number_of_workers(
    shared_workshop: Workshop, reference: Path
) -> None:
    two = shared_workshop.run("slow", workers=2, out=shared_workshop.folder / "two")
    assert two.finished == 2 * FITS
    assert results(two.folder) == results(reference)


def test_bits_do_not_depend_on_how_processes_start(
    shared_workshop: Workshop, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no fork server, and on CUDA, every child starts afresh."""
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    spawned = shared_workshop.run(
        "slow", out=shared_workshop.folder / "spawned", only=("algorithm=none",), seeds=[0]
    )
    assert spawned.finished == 2
    assert results(spawned.folder).items() <= results(reference).items()


def test_a_run_killed_half_way_leaves_nobody_behind_and_resumes_to_the_same_bits(
    shared_workshop: Workshop, reference: Path
) -> None:
    out = shared_workshop.folder / "killed"
    process, processes = stop_half_way(shared_workshop, out, signal.SIGKILL)
    process.communicate()
    assert_gone(processes)
    before = footprints(out)
    assert 0 < len(results(out)) < 2 * FITS

    resumed = shared_workshop.run("slow", out=out)

    assert resumed.kept + resumed.finished == 2 * FITS
    assert resumed.kept >= 1
    after = footprints(out)
    finished = {name for name in before if Path(name).with_suffix(".json").name in before}
    assert {name: after[name] for name in finished} == {name: before[name] for name in finished}
    assert results(out) == results(reference)
    assert not list((out / "records").glob("*.tmp"))


@pytest.mark.parametrize(
    ("how", "status", "word"),
    [(signal.SIGINT, 130, "stopped"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_stops_a_run_at_once(
    shared_workshop: Workshop, reference: Path, how: signal.Signals, status: int, word: str
) -> None:
    out = shared_workshop.folder / f"stopped-{status}"
    process, processes = stop_half_way(shared_workshop, out, how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert (
        errors.strip()
        == f"metabench: {word}; what is finished is kept, and the same command goes on from there"
    )
    assert_gone(processes)
    kept, wanted = results(out), results(reference)
    assert kept == {cell: wanted[cell] for cell in kept}


def test_a_second_run_is_refused_and_told_who_is_at_work(shared_workshop: Workshop) -> None:
    shared_workshop.suite("held", "hang")
    process = shared_workshop.begin("run", "held", "--no-report")
    try:
        folder = shared_workshop.folder / "reports" / "held"
        wait_for(
            lambda: (
                (folder / ".run.json").exists()
                and json.loads((folder / ".run.json").read_text())["fits"]
            )
        )
        second = shared_workshop.command("run", "held", "--no-report")
        assert second.returncode == 2
        assert f"another run is at work there (process {process.pid} on " in second.stderr
        status = shared_workshop.command("status", "held")
        assert status.returncode == 3
        assert "running since" in status.stdout
        assert "hang-sinusoid-5s-s0" in status.stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert "running" not in shared_workshop.command("status", "held").stdout


def of_another_plugin(record: dict[str, Any]) -> None:
    """Let a record say that the plugin's source was another."""
    conditions = record["provenance"]["conditions"]
    conditions["sources"]["misbehaving.py"] = "0" * 12
    conditions["conditions_digest"] = "f" * 64


def test_stale_records_want_a_decision(shared_workshop: Workshop, reference: Path) -> None:
    out = shared_workshop.folder / "stale"
    shutil.copytree(reference, out)
    for path in out.glob("records/*.json"):
        rewrite(path, of_another_plugin)
    before = footprints(out)
    with pytest.raises(
        StaleError,
        match=rf"{2 * FITS} of {2 * FITS} cells .* \(misbehaving\.py changed \({2 * FITS} cells\)\)"
        r".*--stale keep.*--stale rerun",
    ):
        shared_workshop.run("slow", out=out)
    told = shared_workshop.command("status", str(out)).stdout
    assert f"{2 * FITS} of {2 * FITS} cells done, {2 * FITS} of them stale" in told
    assert f"stale because: misbehaving.py changed ({2 * FITS} cells)" in told
    kept = shared_workshop.run("slow", out=out, stale="keep")
    assert (kept.stale, kept.finished, kept.exit_status) == (2 * FITS, 0, 0)
    assert footprints(out) == before
    again = shared_workshop.run("slow", out=out, stale="rerun", only=("algorithm=none",))
    assert (again.stale, again.finished) == (0, FITS)
    changed = {name for name, footprint in footprints(out).items() if footprint != before[name]}
    assert {name.partition("-")[0] for name in changed} == {"none"}
    assert results(out) == results(reference)


def say_made_on(content: str, store: RecordStore) -> None:
    """Let every record say that its data had this digest."""
    for (path,) in store.index().values():
        rewrite(path, lambda record: record["provenance"].update(data_digest=content))


def test_another_content_of_the_data_refuses_to_resume(
    shared_workshop: Workshop, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shared_workshop.folder / "data"
    shutil.copytree(reference, out)
    store = RecordStore(out)
    say_made_on("a" * 64, store)
    next(iter(store.index().values()))[0].unlink()
    monkeypatch.setattr("metabench.datasets.sinusoid.Sinusoid.content_digest", lambda _: "b" * 64)
    with pytest.raises(
        StaleError,
        match=r"data of 'sinusoid' .* has changed: .* content aaaaaaaaaaaa, it is bbbbbbbbbbbb now",
    ):
        shared_workshop.run("slow", out=out)


def test_the_data_of_cells_that_are_not_selected_counts_too(
    shared_workshop: Workshop, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shared_workshop.folder / "selected"
    shutil.copytree(reference, out)
    store = RecordStore(out)
    say_made_on("a" * 64, store)
    for (path,) in store.index().values():
        if path.name.startswith("none"):
            path.unlink()
    monkeypatch.setattr("metabench.datasets.sinusoid.Sinusoid.content_digest", lambda _: "b" * 64)
    with pytest.raises(StaleError, match=r"data of 'sinusoid' .* has changed"):
        shared_workshop.run("slow", out=out, only=("algorithm=none",))


def declared(folder: Path) -> tuple[str, bool, bool]:
    info = load(folder).info
    return info["reference"], info["reference_post_hoc"], info["confidence_post_hoc"]


def test_a_declaration_made_after_the_first_record_is_post_hoc(workshop: Workshop) -> None:
    path = workshop.suite("declared", "none", "print", seeds=2)
    text = path.read_text()
    folder = workshop.run("declared", seeds=[0]).folder
    assert declared(folder) == ("none", False, False)
    told = json.loads((folder / "cells.json").read_text())
    digests = {record["provenance"]["declaration_digest"] for record in records(folder).values()}
    assert digests == {told["declaration_digest"]}
    assert told["declared_before_data"]["seeds"] == [0, 1]

    path.write_text('reference = "print"\n' + text)
    workshop.run("declared")
    assert declared(folder) == ("print", True, False)
    (folder / "cells.json").unlink()  # the earliest record remembers
    workshop.run("declared")
    assert declared(folder) == ("print", True, True)
    (folder / "cells.json").unlink()
    path.write_text(text)
    workshop.run("declared")
    assert declared(folder) == ("none", False, False)
    (workshop.folder / "benchmark.toml").write_text(
        "confidence = 0.9\n" + (workshop.folder / "benchmark.toml").read_text()
    )
    workshop.run("declared")
    assert declared(folder) == ("none", False, True)


def test_the_folder_of_another_suite_is_refused(shared_workshop: Workshop, reference: Path) -> None:
    shared_workshop.suite("other", "none")
    with pytest.raises(FolderError, match="holds the run of suite 'slow', not of 'other'"):
        shared_workshop.run("other", out=reference)


def test_children_that_lose_the_fork_server_too_still_end(shared_workshop: Workshop) -> None:
    """The parent, the fork server and the resource tracker all killed at once: the lifeline alone
    ends the child."""
    shared_workshop.suite("orphan", "hang")
    process = shared_workshop.begin("run", "orphan", "--no-report")
    folder = shared_workshop.folder / "reports" / "orphan"
    wait_for(lambda: list((folder / "records").glob("*.log")))
    processes = family(process.pid)
    helpers = psutil.Process(process.pid).children()
    process.kill()
    for helper in helpers:
        helper.kill()
    process.communicate()
    assert len(processes) > len(helpers)
    assert_gone(processes)


def test_a_script_of_ones_own_may_run_suites_without_a_guard(
    shared_workshop: Workshop, tmp_path: Path
) -> None:
    """Children do not import the script that runs the suite."""
    shared_workshop.suite("scripted", "none")
    script = tmp_path / "script.py"
    script.write_text(
        "import metabench\nprint(type(metabench.run('scripted', workers=1)).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=shared_workshop.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Run"
    assert done.stdout.count("1 fits to run") == 1
