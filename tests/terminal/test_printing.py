"""What the command line prints, and where it goes: streams that are closed, full, or a terminal
that obeys what it is shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from rich.progress import Progress
from workshop import Workshop, records

from metabench.cli import main
from metabench.terminal.console import console
from metabench.terminal.printing import shown_streams
from metabench.text import UNPRINTABLE, one_line, shown

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
    return subprocess.run(
        ["sh", "-c", line],
        cwd=workshop.folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.parametrize("closed", [("stdin",), ("stdout", "stderr"), tuple(CLOSED)], ids=" ".join)
def test_a_run_needs_no_streams(workshop: Workshop, closed: tuple[str, ...]) -> None:
    out = workshop.folder / f"without-{'-'.join(closed)}"
    done = shell(
        workshop, f"run short --no-report --out {out} {' '.join(CLOSED[name] for name in closed)}"
    )
    assert done.returncode == 0, done
    assert {record["result"]["outcome"] for record in records(out).values()} == {"completed"}


@pytest.mark.slow
@pytest.mark.parametrize("closed", SETS, ids=" ".join)
def test_no_verb_needs_streams(workshop: Workshop, closed: tuple[str, ...]) -> None:
    redirected = " ".join(CLOSED[name] for name in closed)
    listed = shell(workshop, f"list {redirected}")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert ("short" in listed.stdout) == ("stdout" not in closed)
    assert shell(workshop, f"status nothing {redirected}").returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="the system has no device that is always full"
)
@pytest.mark.parametrize(
    "verb",
    [
        "list",
        "status short",
        "plan short",
        "run short --no-report --out full",
        "list --help",
        "--version",
    ],
)
def test_a_full_disk_behind_the_output_is_no_verdict(workshop: Workshop, verb: str) -> None:
    full = shell(workshop, f"{verb} >/dev/full")
    assert full.returncode == 2, full
    assert "Traceback" not in full.stderr
    assert ("No space left" in full.stderr) == ("status" not in verb)
    assert shell(workshop, f"{verb} >/dev/full 2>/dev/full").returncode == full.returncode
    if not verb.startswith("run"):
        assert shell(workshop, f"{verb} 2>/dev/full").returncode == (
            2 if verb.startswith("status") else 0
        )
    assert shell(workshop, "list --nonsense 2>/dev/full").returncode == 2


@pytest.mark.slow
def test_a_folder_for_temporary_files_with_a_long_path(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()
    out = workshop.folder / "long"
    done = shell(workshop, f"run short --no-report --out {out}", TMPDIR=str(folder))
    assert done.returncode == 0, done
    assert len(records(out)) == 2


EVIL = "\x1b[2J\u202e\r\udcff"
WRITTEN = r"\x1b[2J\u202e\r\udcff"


def test_what_is_unprintable_is_written_out() -> None:
    assert shown(f"a\tb\nc{EVIL}") == f"a\tb\nc{WRITTEN}"
    assert one_line(f"a\nb{EVIL}") == rf"a\nb{WRITTEN}"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_messages_show_what_a_terminal_would_obey(workshop: Workshop, encoding: str) -> None:
    evil = "$(printf '\\033[2J\\342\\200\\256\\r\\377\\nmetabench: all is well')"
    for command in (
        f'plan "{evil}"',
        f'plan short --profile "{evil}"',
        f'status "{evil}"',
        f"{evil} --only",
        f'plan short --only "{evil}=1"',
    ):
        done = shell(workshop, command, PYTHONIOENCODING=encoding)
        assert done.returncode == 2, done
        assert not UNPRINTABLE.search(done.stdout + done.stderr), done
        assert r"\x1b" in done.stderr
        assert "\nmetabench: all is well" not in done.stderr


@pytest.mark.slow
def test_a_failure_shows_what_a_terminal_would_obey(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    plugin = tmp_path / "misbehaving.py"
    plugin.write_text(
        plugin.read_text()
        + f"\n    def _raise(self):\n        raise ValueError({EVIL!r} + 'first\\nmetabench: all "
        "is well')\n"
    )
    workshop.suite("evil", "raise")
    done = shell(workshop, "run evil --no-report")
    assert done.returncode == 3, done
    for text in (done.stdout, shell(workshop, "status evil").stdout):
        assert not UNPRINTABLE.search(text)
        assert rf"ValueError: {WRITTEN}first" in text
        assert "\nmetabench: all is well" not in text


class Terminal(io.StringIO):
    """One that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_live_display_draws_and_shows_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with shown_streams():
        screen = console(force_terminal=True, width=100)
        with Progress(console=screen) as progress:
            progress.add_task(f"fit {EVIL}", total=2)
            screen.print(f"[bold]done {EVIL}", style="red")
    drawn = terminal.getvalue()
    assert "\x1b[31m" in drawn  # rich's own
    assert r"[bold]done \x1b[2J\u202e" in drawn
    assert r"fit \x1b" in drawn
    assert "\x1b[2J" not in drawn
    assert "\u202e" not in drawn


def test_streams_are_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    assert main(["--version"]) == 0
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.startswith("metabench ")
