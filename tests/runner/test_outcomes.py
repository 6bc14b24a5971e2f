"""Every way a fit can end, told apart in its records; the others go on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from workshop import Workshop, footprints, records

from metabench.errors import FolderError, UnreadableRecordError, UnwritableError
from metabench.records import SCHEMA
from metabench.runner.following import RunSummary

pytestmark = pytest.mark.slow

DEEDS = (
    "none",
    "raise",
    "leave",
    "exit",
    "exit_well",
    "kill",
    "crash",
    "hang",
    "memory",
    "allocate",
    "diverge",
    "print",
)
TIMEOUT = 15.0


@pytest.fixture(scope="module")
def summary(shared_workshop: Workshop) -> RunSummary:
    """One run with every deed in it, after one that has warmed up the fork server: the timeout is
    for the deed alone."""
    shared_workshop.suite("warm", "none")
    shared_workshop.run("warm")
    shared_workshop.suite("deeds", *DEEDS)
    return shared_workshop.run("deeds", workers=3, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def told(summary: RunSummary) -> dict[str, dict[str, Any]]:
    return records(summary.folder)


@pytest.mark.parametrize(
    ("deed", "outcome", "kind", "message"),
    [
        ("raise", "failed", "ValueError", "the deed was done"),
        ("leave", "failed", "SystemExit", "left without a word"),
        ("exit", "failed", "HardExit", "status 7"),
        ("exit_well", "failed", "HardExit", "status 0"),
        ("kill", "killed", "SIGKILL", "killed by SIGKILL"),
        ("crash", "killed", "SIGSEGV", "killed by SIGSEGV"),
        ("hang", "timeout", "Timeout", "more than 15 seconds"),
        ("memory", "out_of_memory", "MemoryError", "no room"),
        ("allocate", "out_of_memory", "RuntimeError", "allocate"),
    ],
)
def test_a_failure_is_told_in_the_record_of_every_cell(
    told: dict[str, dict[str, Any]], deed: str, outcome: str, kind: str, message: str
) -> None:
    for episodes in (8, 12):
        result = told[f"{deed} 0 {episodes}"]["result"]
        assert (result["outcome"], result["error"]["type"]) == (outcome, kind)
        assert message in result["error"]["message"]
        assert result["score"] is None


def test_a_failure_says_when_it_was_and_names_no_log_that_is_gone(
    told: dict[str, dict[str, Any]], summary: RunSummary
) -> None:
    for record in (told["exit 0 8"], told["hang 0 8"]):
        times = [datetime.fromisoformat(record["provenance"][key]) for key in ("started", "ended")]
        assert (times[1] - times[0]).total_seconds() == pytest.approx(
            record["measured"]["wall_seconds"], abs=1e-3
        )
    assert told["hang 0 8"]["measured"]["wall_seconds"] >= TIMEOUT
    assert told["exit 0 8"]["provenance"]["log"] is None
    logs = {failed.name.partition("-")[0]: failed.log for failed in summary.failed}
    assert logs["exit"] is None
    assert logs["hang"] is not None
    assert logs["hang"].is_file()


def test_an_exception_keeps_its_traceback(told: dict[str, dict[str, Any]]) -> None:
    assert "in _raise" in told["raise 0 8"]["result"]["error"]["traceback"]


def test_divergence_is_a_result(told: dict[str, dict[str, Any]]) -> None:
    result = told["diverge 0 8"]["result"]
    assert result["outcome"] == "diverged"
    assert result["score"] is None  # regression has no chance level


def test_others_go_on(told: dict[str, dict[str, Any]], summary: RunSummary) -> None:
    assert len(told) == 2 * len(DEEDS)
    assert (
        told["none 0 8"]["result"]["outcome"]
        == told["print 0 12"]["result"]["outcome"]
        == "completed"
    )
    assert summary.finished == 6
    assert summary.missing == 0
    assert {failed.name.partition("-")[0] for failed in summary.failed} == set(DEEDS) - {
        "none",
        "diverge",
        "print",
    }
    assert summary.exit_status == 3


def test_what_a_fit_prints_is_in_its_log_and_nowhere_else(
    told: dict[str, dict[str, Any]], summary: RunSummary
) -> None:
    log = (summary.folder / "records" / told["print 0 8"]["provenance"]["log"]).read_text()
    assert log.count("said by Python") == log.count("said by C") == 4
    assert told["none 0 8"]["provenance"]["log"] is None


def test_the_log_of_a_timeout_says_where_the_fit_stood(
    told: dict[str, dict[str, Any]], summary: RunSummary
) -> None:
    assert (
        "in _hang"
        in (summary.folder / "records" / told["hang 0 8"]["provenance"]["log"]).read_text()
    )


def test_a_failure_leaves_no_temporary_file(summary: RunSummary) -> None:
    assert not list((summary.folder / "records").glob("*.tmp"))


def test_failed_cells_run_again_and_finished_ones_do_not(
    shared_workshop: Workshop, summary: RunSummary
) -> None:
    before = footprints(summary.folder)
    again = shared_workshop.run("deeds", only=("algorithm=none,diverge,raise,print",))
    assert (again.kept, again.finished, len(again.failed)) == (6, 0, 1)
    after = footprints(summary.folder)
    changed = {name.partition("-")[0] for name in after if after[name] != before.get(name)}
    assert changed == {"raise"}


def test_a_partly_finished_fit_writes_what_it_lacks_alone(
    shared_workshop: Workshop, summary: RunSummary
) -> None:
    lost = next((summary.folder / "records").glob("none-*.json"))
    lost.unlink()
    before = footprints(summary.folder)
    again = shared_workshop.run("deeds", only=("algorithm=none",))
    assert (again.kept, again.finished) == (1, 1)
    after = footprints(summary.folder)
    assert {name for name in after if after[name] != before.get(name)} == {
        lost.name,
        lost.with_suffix(".npz").name,
    }


def test_a_damaged_record_stops_nobody(workshop: Workshop) -> None:
    workshop.suite("hurt", "kill", "none")
    folder = workshop.run("hurt").folder
    for path in (folder / "records").glob("*.json"):
        path.write_text('{"schema": 1')
    again = workshop.run("hurt", workers=1)
    assert (again.finished, len(again.failed), again.missing) == (2, 1, 0)
    assert records(folder)["kill 0 8"]["result"]["outcome"] == "killed"


def test_fail_fast_stops_at_the_first_failure(workshop: Workshop) -> None:
    workshop.suite("fast", "raise", "hang", "none")
    summary = workshop.run("fast", fail_fast=True)
    assert [failed.failure.outcome for failed in summary.failed] == ["failed"]
    assert summary.missing > 0
    assert summary.exit_status == 3


def test_what_a_fit_has_started_ends_with_it(workshop: Workshop) -> None:
    workshop.suite("spawning", "spawn")
    summary = workshop.run("spawning", timeout=10.0)
    assert [failed.failure.outcome for failed in summary.failed] == ["timeout"]
    assert not [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", "3600.25"]
    ]


def test_missing_data_fails_its_own_cells(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    path = workshop.suite("absent", "none")
    text = (
        path.read_text()
        .replace('["none"]', '["protonet"]')
        .replace('datasets = ["sinusoid"]', 'datasets = ["omniglot"]\nways = [5]')
    )
    path.write_text(text.partition("[algorithms")[0])
    summary = workshop.run("absent")
    assert [(failed.failure.outcome, failed.failure.type) for failed in summary.failed] == [
        ("failed", "DataError")
    ]
    assert str(workshop.folder / "data") in summary.failed[0].failure.message
    assert summary.exit_status == 3
    assert all(
        record["result"]["error"]["traceback"] is None
        for record in records(summary.folder).values()
    )


def test_a_vanished_folder_stops_the_run_with_one_line(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metabench.runner import run

    def vanish(*arguments: Any) -> str:
        folder: Path = arguments[1].path
        (folder / "records").rmdir()
        return "about to fail"

    workshop.suite("vanishing", "none")
    monkeypatch.setattr(run, "_opening", vanish)
    with pytest.raises(
        UnwritableError, match=r"records.*cannot be written: No such file or directory"
    ) as caught:
        workshop.run("vanishing")
    assert caught.value.exit_status == 3


def test_a_suite_may_drop_weights(workshop: Workshop) -> None:
    path = workshop.suite("lean", "none")
    path.write_text("keep_weights = false\n" + path.read_text())
    summary = workshop.run("lean")
    assert summary.finished == 2
    assert not list(summary.folder.glob("weights/*"))


def test_a_folder_with_other_things_in_it_is_left_alone(workshop: Workshop) -> None:
    workshop.suite("tidy", "none")
    page = workshop.folder / "public" / "index.html"
    page.parent.mkdir()
    page.write_text("my homepage")
    with pytest.raises(FolderError, match="is no run folder"):
        workshop.run("tidy", out=page.parent)
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_a_record_of_a_newer_schema_is_not_replaced(workshop: Workshop) -> None:
    workshop.suite("newer", "none")
    folder = workshop.run("newer").folder
    record = next(folder.glob("records/*.json"))
    newer = record.read_text().replace(f'"schema": {SCHEMA}', '"schema": 99')
    record.write_text(newer)
    with pytest.raises(UnreadableRecordError, match="Update metabench"):
        workshop.run("newer")
    assert record.read_text() == newer
