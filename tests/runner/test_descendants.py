"""What a fit starts ends with it, in whatever session it runs, and however the fit ends."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from workshop import Workshop, assert_gone, records, wait_for

from metabench.runner.descendants import VARIABLE, end_own


def left_behind(run: str = "") -> list[psutil.Process]:
    """The processes that fits of this test process, or of another one, have left."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", "3600.5"]
    ]
    return [process for process in found if run in process.environ().get(VARIABLE, "")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        ("leave_behind", None),
        ("leave_behind_and_raise", "ValueError"),
        ("leave_behind_and_hang", "Timeout"),
        ("leave_behind_and_exit", "HardExit"),
    ],
)
def test_nothing_is_left_behind(shared_workshop: Workshop, deed: str, kind: str | None) -> None:
    shared_workshop.suite("left", deed, "none")
    folder = shared_workshop.folder / deed
    shared_workshop.run("left", out=folder, timeout=10.0)
    assert_gone(left_behind(f"-{os.getpid()} "))
    told = records(folder)
    error = told[f"{deed} 0 8"]["result"]["error"]
    assert (error and error["type"]) == kind
    assert told["none 0 8"]["result"]["outcome"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nor_where_the_run_itself_is_stopped(workshop: Workshop, how: signal.Signals) -> None:
    workshop.suite("left", "leave_behind_and_hang")
    command = workshop.begin("run", "left", "--device", "cpu", "--workers", "1", "--no-report")
    found = wait_for(lambda: len(processes := left_behind(f"-{command.pid} ")) == 2 and processes)
    command.send_signal(how)
    command.communicate(timeout=60)
    assert_gone(found)


def test_a_process_without_children_has_nothing_to_end() -> None:
    pid = os.fork()
    if pid == 0:
        end_own()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
