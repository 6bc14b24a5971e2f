"""Training steps timed alone: in which order, what is kept of it, and what does not mix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timed_alone import a_pass
from workshop import Workshop, footprints

from metabench.cli import main
from metabench.errors import ConfigError, FolderError, StaleError
from metabench.provenance import compiler
from metabench.records import TIMING, read_timings, write_timings
from metabench.runner.resources import Resources, resources
from metabench.runner.timing import TimingSummary, time_suite
from metabench.runner.timing.session import Session
from metabench.suite import load_suite

SUITE = """
reference = "a"

[grid]
algorithms = ["a", "b", "c", "scratch"]
datasets = ["sinusoid"]
shots = 5
seeds = 2

[train]
iterations = 30
tasks_per_batch = 2

[validate]
every = 30
episodes = 4

[evaluate]
episodes = 8

[algorithms]
a = { method = "maml" }
b = { method = "fomaml" }
c = { method = "misbehaving", deed = "none" }
scratch = { rates = [0.01], steps = [0, 1] }
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project whose suite has been run, one seed of it."""
    workshop = Workshop(tmp_path_factory.mktemp("project"))
    (workshop.folder / "suites" / "timed.toml").write_text(SUITE)
    workshop.run("timed", seeds=[0], engine="inline", only=("algorithm=a,b",))
    return workshop


@pytest.fixture
def folder(ran: Workshop) -> Path:
    """The run folder, in which nothing has been timed."""
    folder = ran.folder / "reports" / "timed"
    (folder / TIMING).unlink(missing_ok=True)
    return folder


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The algorithms that were passed through, in their order; nothing is run."""
    through: list[str] = []

    def once(self: Session, short: Any) -> dict[str, Any]:
        through.append(short.algorithm.algorithm)
        return a_pass(short.kind, 0.01)

    monkeypatch.setattr(Session, "_once", once)
    monkeypatch.setattr("metabench.runner.timing.session.busy_cores", lambda: 0.0)
    return through


def time(workshop: Workshop, only: str = "a,b,c,scratch", **said: Any) -> TimingSummary:
    said = {"blocks": 3, "iterations": 20, "tell": lambda line: None, **said}
    said.setdefault("using", resources("cpu", 2, 1))
    suite = load_suite("timed", workshop.project, only=(f"algorithm={only}",))
    return time_suite(suite, workshop.project, **said)


def test_rounds_go_forth_and_back_another_first_each_time(
    ran: Workshop, folder: Path, passes: list[str]
) -> None:
    """One fit of each kind, after one pass that does not count; what does not train is not
    timed."""
    summary = time(ran)
    assert "".join(passes) == "abc" + "abccba" + "bcaacb" + "cabbac"
    assert (summary.timed, summary.kept, summary.exit_status) == (3, 0, 0)
    found = read_timings(folder)
    assert found is not None
    (setting,) = found.settings
    assert [(one.algorithm, list(one.fits.values())) for one in setting.algorithms] == [
        ("a", [30, 30]),
        ("b", [30, 30]),
        ("c", [30, 30]),
    ]


def test_finished_rounds_stay_after_a_kill(
    ran: Workshop, folder: Path, passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Session, short: Any) -> dict[str, Any]:
        if len(passes) == 3 + 6 + 4:  # in the middle of the second round
            raise KeyboardInterrupt
        passes.append(short.algorithm.algorithm)
        return a_pass(short.kind, 0.01)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "_once", stopped)
        with pytest.raises(KeyboardInterrupt):
            time(ran)
    first = read_timings(folder)
    assert first is not None
    assert [block.number for block in first.blocks] == [0]
    passes.clear()
    summary = time(ran)
    assert (summary.timed, summary.kept) == (2, 1)
    assert "".join(passes) == "abc" + "bcaacb" + "cabbac"
    whole = read_timings(folder)
    assert whole is not None
    assert whole.blocks[0] == first.blocks[0]
    passes.clear()
    assert time(ran).kept == 3
    assert passes == []  # all is there: nothing is run


def test_another_selection_is_a_setting_of_its_own(
    ran: Workshop, folder: Path, passes: list[str]
) -> None:
    time(ran)
    passes.clear()
    assert (time(ran, "a,b", blocks=1)).timed == 1
    found = read_timings(folder)
    assert found is not None
    assert [len(setting.algorithms) for setting in found.settings] == [3, 2]
    assert len(found.blocks) == 4


def test_what_is_compiled_is_timed_so_and_apart(
    ran: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the length of the short training says; and no round mixes with those of steps as
    they are written."""
    monkeypatch.setattr(compiler, "REPAID_AFTER", 30)
    monkeypatch.setattr(compiler, "cpp_compiler", lambda: "c++ 1.2.3")
    modes: list[str] = []

    def shortened(suite: Any, project: Any, using: Resources, cells: Any, needed: Any) -> Any:
        modes.append(using.compile)
        raise KeyboardInterrupt

    ways = [replace(resources("cpu", 1, 1), compile=mode) for mode in ("auto", "never")]
    with monkeypatch.context() as patched:
        patched.setattr("metabench.runner.timing.session.run_shortened", shortened)
        for using in ways:
            with pytest.raises(KeyboardInterrupt):
                time(ran, using=using)
    assert modes == ["always", "never"]
    monkeypatch.setattr(Session, "_once", lambda self, short: a_pass(short.kind, 0.01))
    for using in ways:
        assert time(ran, "a,b", blocks=1, using=using).timed == 1
    found = read_timings(folder)
    assert found is not None
    assert [[one.compiler for one in setting.algorithms] for setting in found.settings] == [
        ["c++ 1.2.3"] * 2,
        [None] * 2,
    ]


def elsewhere(folder: Path) -> None:
    found = read_timings(folder)
    assert found is not None
    write_timings(folder, replace(found, machine={**found.machine, "machine_id": "another"}))


def older_code(folder: Path) -> None:
    found = read_timings(folder)
    assert found is not None
    sources = {**found.conditions["sources"], "metabench/methods/maml.py": "0"}
    write_timings(folder, replace(found, conditions={**found.conditions, "sources": sources}))


def of_another(folder: Path) -> None:
    found = read_timings(folder)
    assert found is not None
    write_timings(folder, replace(found, suite="other"))


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        (elsewhere, StaleError, "machine_id another -> "),
        (older_code, StaleError, "metabench/methods/maml.py changed"),
        (of_another, FolderError, "holds times of suite 'other', not of 'timed'"),
        (lambda folder: None, ConfigError, "20 iterations each, not 40. Say --iterations 20"),
        (lambda folder: (folder / TIMING).write_text("{"), FolderError, "is damaged"),
    ],
)
def test_what_does_not_mix_is_refused_and_left_alone(
    ran: Workshop,
    folder: Path,
    passes: list[str],
    change: Callable[[Path], Any],
    error: type[Exception],
    why: str,
) -> None:
    time(ran)
    change(folder)
    before = (folder / TIMING).read_bytes()
    passes.clear()
    with pytest.raises(error, match=why):
        time(ran, iterations=40 if error is ConfigError else 20)
    assert passes == []
    assert (folder / TIMING).read_bytes() == before
    assert time(ran, again=True).timed == 3


def test_what_cannot_be_timed_is_left_out_and_said(
    ran: Workshop, folder: Path, passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(self: Session, short: Any) -> dict[str, Any] | str:
        name = short.algorithm.algorithm
        return "diverged" if name == "b" else a_pass(short.kind, 0.01)

    monkeypatch.setattr(Session, "_once", once)
    summary = time(ran)
    assert summary.failed == ["b on sinusoid 5-shot: diverged"]
    assert summary.exit_status == 3
    found = read_timings(folder)
    assert found is not None
    assert [one.algorithm for one in found.settings[0].algorithms] == ["a", "c"]


def test_nothing_that_trains_is_told(ran: Workshop, folder: Path, passes: list[str]) -> None:
    with pytest.raises(ConfigError, match="nothing that is selected trains"):
        time(ran, "scratch")


def test_there_must_be_a_run(ran: Workshop, tmp_path: Path, passes: list[str]) -> None:
    with pytest.raises(
        FolderError, match=r"there is no such folder.*`metabench run` with the same words"
    ):
        time(ran, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_busy_machine_is_told_and_kept(
    ran: Workshop, folder: Path, passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metabench.runner.timing.session.busy_cores", lambda: 1.5)
    told: list[str] = []
    time(ran, blocks=1, tell=told.append)
    assert sum("others kept 1.5 of" in line for line in told) == 1
    found = read_timings(folder)
    assert found is not None
    assert found.blocks[0].busy_cores == 1.5


@pytest.mark.slow
def test_a_run_is_timed_and_its_records_are_not_touched(
    ran: Workshop,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ran.folder)
    before = footprints(folder)
    words = ("--device", "cpu", "--only", "algorithm=a,b", "--seeds", "0")
    short = ("--blocks", "1", "--iterations", "20", "--no-report")
    assert main(["time", "timed", *words, *short]) == 0
    assert footprints(folder) == before
    assert "1 round timed, 0 timed before" in capsys.readouterr().out
    text = (folder / TIMING).read_text()
    passes = json.loads(text)["blocks"][0]["passes"]
    kinds = [one["kind"] for one in passes]
    assert kinds == kinds[::-1]
    assert [one["gradient_evaluations_per_task"] for one in passes] == [3.0, 2.0, 2.0, 3.0]
    assert all(0 < one["seconds_per_task"] * 2 < 10 for one in passes)
    assert all(one["peak_resident_above_bytes"] >= 0 for one in passes)


def test_a_run_goes_on_to_its_timing(
    ran: Workshop,
    folder: Path,
    passes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ran.folder)
    words = ("--device", "cpu", "--only", "algorithm=a,b", "--seeds", "0", "--repeat-timing")
    assert main(["run", "timed", *words, "--no-report"]) == 0
    assert "8 rounds timed, 0 timed before" in capsys.readouterr().out
    assert len(passes) == 2 + 8 * 4
