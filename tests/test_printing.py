"""What the command line prints, and where it goes: streams that are closed, full, or a terminal that obeys what it is shown."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from workshop import Workshop, records

CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}
SETS = [names for number in (1, 2, 3) for names in combinations(CLOSED, number)]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project with a suite of one cell."""
    workshop = Workshop(tmp_path_factory.mktemp("project"))
    workshop.suite("short", "none")
    return workshop


def shell(workshop: Workshop, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `metabench`, with the redirections that a shell offers."""
    line = f'exec "{sys.executable}" -m metabench {command}'
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "-c", line], cwd=workshop.folder, capture_output=True, text=True, timeout=120, env=environment)


@pytest.mark.parametrize("closed", [("stdin",), ("stdout", "stderr"), tuple(CLOSED)], ids=" ".join)
def test_a_run_needs_no_streams(workshop: Workshop, closed: tuple[str, ...]) -> None:
    out = workshop.folder / f"without-{'-'.join(closed)}"
    done = shell(workshop, f"run short --no-report --out {out} {' '.join(CLOSED[name] for name in closed)}")
    assert done.returncode == 0, done
    assert {record["result"]["outcome"] for record in records(out).values()} == {"completed"}


@pytest.mark.parametrize("closed", SETS, ids=" ".join)
def test_no_verb_needs_streams(workshop: Workshop, closed: tuple[str, ...]) -> None:
    redirected = " ".join(CLOSED[name] for name in closed)
    listed = shell(workshop, f"list {redirected}")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert ("short" in listed.stdout) == ("stdout" not in closed)
    assert shell(workshop, f"status nothing {redirected}").returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("verb", ["list", "status short", "plan short", "run short --no-report --out full", "list --help", "--version"])
def test_a_full_disk_behind_the_output_is_no_verdict(workshop: Workshop, verb: str) -> None:
    full = shell(workshop, f"{verb} >/dev/full")
    assert full.returncode == (0 if "--help" in verb else 2), full  # argparse keeps it to itself
    assert "Traceback" not in full.stderr
    assert ("No space left" in full.stderr) == ("help" not in verb and "status" not in verb)
    assert shell(workshop, f"{verb} >/dev/full 2>/dev/full").returncode == full.returncode
    if not verb.startswith("run"):
        assert shell(workshop, f"{verb} 2>/dev/full").returncode == (2 if verb.startswith("status") else 0)
    assert shell(workshop, "list --nonsense 2>/dev/full").returncode == 2


def test_a_folder_for_temporary_files_with_a_long_path(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()
    out = workshop.folder / "long"
    done = shell(workshop, f"run short --no-report --out {out}", TMPDIR=str(folder))
    assert done.returncode == 0, done
    assert len(records(out)) == 2
