"""Signals that strike at an awkward moment."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PLUGIN = """\
import sys, time
from pathlib import Path
Path("importing").touch()
try:
    time.sleep(60)
except BaseException as error:  # what code that is being imported may do to an exception
    raise ImportError("initialization failed") from error
"""


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "stopped")],
)
def test_in_the_midst_of_an_import(
    tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    (tmp_path / "benchmark.toml").write_text('[plugins.models]\nslow = "slow:Slow"\n')
    (tmp_path / "slow.py").write_text(PLUGIN)
    (tmp_path / "suites").mkdir()
    grid = (
        '[grid]\nalgorithms = "maml"\ndatasets = "sinusoid"\nmodels = "slow"\nshots = '
        "5\nseeds = 1\n[train]\niterations = 1\n"
    )
    (tmp_path / "suites" / "x.toml").write_text(grid)
    command = [
        sys.executable,
        "-c",
        "import sys; from metabench.cli import main; sys.exit(main())",
        "plan",
        "x",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not (tmp_path / "importing").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == status
    assert told == f"\nmetabench: {word}\n"
