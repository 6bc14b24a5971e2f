"""What lies around a run: files beside the project, and plugins that change what all of a process
shares."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workshop import Workshop, records

import metabench

pytestmark = pytest.mark.slow

SCRIPT = Path(sys.executable).with_name("metabench")
PLUGIN = (
    "\nfrom metabench.methods.fomaml import FOMAML\n\n\nclass Odd(FOMAML):\n    "
    '"""Odd."""\n\n    version = 1\n'
)


def script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console script, which unlike `python -m` has nothing of the current folder on its
    path."""
    return subprocess.run(
        [SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


def odd(workshop: Workshop, first: str) -> Workshop:
    """A project whose plugin begins with these lines, with a good algorithm beside it."""
    workshop.suite("beside", "none")
    (workshop.folder / "odd.py").write_text(first + PLUGIN)
    with (workshop.folder / "benchmark.toml").open("a") as file:
        file.write('odd = "odd:Odd"\n')
    path = workshop.folder / "suites" / "beside.toml"
    path.write_text(
        path.read_text().replace('algorithms = ["none"]', 'algorithms = ["odd", "none"]')
    )
    return workshop


@pytest.mark.parametrize("name", ["random.py", "torch.py", "signal.py", "statistics.py"])
def test_a_file_in_the_project_stands_in_for_no_module_of_a_fit(
    name: str, workshop: Workshop
) -> None:
    workshop.suite("plain", "none")
    (workshop.folder / name).write_text("raise RuntimeError('not meant')\n")
    done = script(
        workshop.folder, "run", "plain", "--workers", "1", "--no-report", "--device", "cpu"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_another_checkout_in_the_current_folder_trains_nothing(workshop: Workshop) -> None:
    """Its numbers would be recorded as those of the sources that are installed."""
    workshop.suite("plain", "none")
    assert (
        script(
            workshop.folder, "run", "plain", "--out", "alone", "--no-report", "--device", "cpu"
        ).returncode
        == 0
    )
    shutil.copytree(
        Path(metabench.__file__).parent,
        workshop.folder / "metabench",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    source = workshop.folder / "metabench" / "methods" / "update_rules.py"
    source.write_text(source.read_text().replace("w - rate(", "w - 7 * rate("))
    assert (
        script(
            workshop.folder, "run", "plain", "--out", "beside", "--no-report", "--device", "cpu"
        ).returncode
        == 0
    )
    alone, beside = (records(workshop.folder / name) for name in ("alone", "beside"))
    assert {key: record["result"] for key, record in alone.items()} == {
        key: record["result"] for key, record in beside.items()
    }


def test_no_thread_of_a_plugin_is_waited_for(workshop: Workshop) -> None:
    odd(
        workshop,
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,)).start()\n",
    )
    assert script(workshop.folder, "plan", "beside", "--device", "cpu").returncode == 0


@pytest.mark.parametrize("limit", ["RLIMIT_FSIZE, (0, 0)", "RLIMIT_NOFILE, (3, 3)"])
def test_a_fit_that_lowers_its_own_limits_fails_alone(limit: str, workshop: Workshop) -> None:
    step = (
        "    def step(self, *arguments):\n        "
        f"resource.setrlimit(resource.{limit})\n        return super().step(*arguments)\n"
    )
    odd(workshop, "import resource\n")
    with (workshop.folder / "odd.py").open("a") as file:
        file.write(f"\n{step}")
    done = script(
        workshop.folder, "run", "beside", "--workers", "1", "--no-report", "--device", "cpu"
    )
    assert done.returncode == 3
    outcomes = {
        key.split()[0]: record["result"]["outcome"]
        for key, record in records(workshop.folder / "reports" / "beside").items()
    }
    assert outcomes["none"] == "completed"
    assert outcomes["odd"] != "completed"


def test_what_nobody_foresaw_is_one_line(workshop: Workshop) -> None:
    odd(workshop, "import json\njson.dumps = None\n")
    done = script(workshop.folder, "plan", "beside", "--json", "--device", "cpu")
    assert done.returncode == 2
    assert done.stderr.startswith("metabench: unforeseen TypeError: ")
    assert done.stderr.count("\n") == 1


def test_a_plugin_cannot_make_a_run_unstoppable(workshop: Workshop) -> None:
    odd(workshop, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n")
    workshop.suite("beside", "none", "hang")
    path = workshop.folder / "suites" / "beside.toml"
    path.write_text(path.read_text().replace("algorithms = [", 'algorithms = ["odd", ', 1))
    run = subprocess.Popen(
        [SCRIPT, "run", "beside", "--device", "cpu"],
        cwd=workshop.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "hang-sinusoid-5s-s0: started" in line:
            break
    os.kill(run.pid, signal.SIGTERM)
    assert run.wait(30) == 143
    run.stdout.close()


def test_a_torch_that_cannot_be_imported_is_no_fault_of_the_suite(
    workshop: Workshop, tmp_path: Path
) -> None:
    workshop.suite("plain", "none")
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open shared object')\n")
    first = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "metabench", "plan", "plain", "--device", "cpu"],
        cwd=workshop.folder,
        env={**os.environ, "PYTHONPATH": first},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "metabench: torch cannot be imported: libcudart.so: cannot open shared object; `metabench "
        "doctor` says more\n"
    )
