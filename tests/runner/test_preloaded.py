"""The server that processes of fits are forked from, which has imported what is built in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workshop import Workshop, records

import metabench
from metabench.provenance.syntax import read_source

pytestmark = pytest.mark.slow

RUN = (sys.executable, "-P", "-m", "metabench", "run")
OPTIONS = ("--workers", "1", "--device", "cpu", "--no-report")


def finding_first(folder: Path) -> dict[str, str]:
    """The environment, with modules and packages in `folder` before all others."""
    others = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *([others] if others else [])]),
    }


SERVER = """
import sys
import metabench.runner.preloaded
from metabench import registry

modules = {
    registry.target(group, name).partition(":")[0]
    for group in registry.GROUPS
    for name in registry.names(group)
}
print(*sorted(modules - sys.modules.keys()), "torchvision" in sys.modules)
"""


def test_what_is_built_in_is_imported_and_nothing_that_takes_long() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "metabench.models.vision False\n"


def test_an_edit_while_a_run_is_under_way_is_recorded_as_what_was_imported(
    workshop: Workshop, tmp_path: Path
) -> None:
    """The edit would break every process that imported it."""
    copy = tmp_path / "copy"
    shutil.copytree(
        Path(metabench.__file__).parent,
        copy / "metabench",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    path = workshop.suite("edited", "dawdle", iterations=20)
    path.write_text(path.read_text().replace('["dawdle"]', '["dawdle", "reptile"]'))
    edited = copy / "metabench" / "methods" / "reptile.py"
    imported = read_source(edited).digest
    with subprocess.Popen(
        [*RUN, "edited", *OPTIONS],
        cwd=workshop.folder,
        env=finding_first(copy),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.endswith("started\n"):
                edited.write_text("raise RuntimeError('edited')\n")
    assert run.returncode == 0
    for key in ("reptile 0 8", "reptile 0 12"):
        record = records(workshop.folder / "reports" / "edited")[key]
        sources = record["provenance"]["conditions"]["sources"]
        assert sources["metabench/methods/reptile.py"] == imported
    assert read_source(edited).digest != imported


def test_an_entry_point_that_is_broken_harms_only_those_who_use_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    installed = tmp_path / "installed"
    facts = installed / "broken-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[metabench.methods]\n"
        "raises = raises_when_imported:Odd\n"
        "nowhere = metabench.methods.nowhere:Odd\n"
        "nothing = metabench.methods.maml:Odd\n"
        "no_class = metabench.methods.maml\n"
        "[metabench.models]\n"
        "no_model = metabench.methods.maml:MAML\n"
    )
    (installed / "raises_when_imported.py").write_text("raise SystemExit('imported')\n")
    workshop.suite("beside", "none")
    done = subprocess.run(
        [*RUN, "beside", *OPTIONS],
        cwd=workshop.folder,
        env=finding_first(installed),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
