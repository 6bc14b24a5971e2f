"""Provenance: what a reader wants to know of machine and versions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metabench.provenance import environment


def run_python(code: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_capability_is_the_one_that_torch_uses() -> None:
    import torch

    environment.cpu_capability.cache_clear()
    assert (
        environment.cpu_capability().rpartition(" ")[2]
        == torch.backends.cpu.get_cpu_capability().lower()
    )


@pytest.mark.slow
def test_conditions_and_provenance_import_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from metabench.provenance.conditions import *; "
        "from metabench.provenance.environment import provenance; "
        "conditions(1, 'cpu', ['metabench.methods.maml:MAML']); provenance('cpu', Path('.')); "
        "print('torch' in sys.modules)"
    )
    assert run_python(code) == "False"


def test_provenance_names_versions_and_machine() -> None:
    facts = environment.provenance("cpu", Path.cwd())
    assert facts["libraries"].keys() >= {"torch", "numpy"}
    assert facts["cores"] >= 1
    assert facts["memory_bytes"] > 2**20
    assert facts["gpu"] is None


@pytest.mark.parametrize(
    ("known", "file"),
    [(environment.machine_id, "machine-id"), (environment.boot_id, "boot_id")],
)
def test_a_machine_is_told_by_a_digest_of_what_is_its_own(
    known: Callable[[], str], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"here": "0123456789abcdef0123456789abcdef\n"}

    def read_text(path: Path) -> str:
        if path.name != file or not own["here"]:
            raise FileNotFoundError(path)
        return own["here"]

    monkeypatch.setattr(Path, "read_text", read_text)

    def told() -> str:
        known.cache_clear()  # type: ignore[attr-defined]
        return known()

    first = told()
    assert len(first) == 12
    assert first not in own["here"]
    assert told() == first
    own["here"] = "fedcba9876543210fedcba9876543210"
    assert told() != first
    own["here"] = ""  # where there is no such file, something else tells
    assert len(told()) == 12
    monkeypatch.undo()
    known.cache_clear()  # type: ignore[attr-defined]


def test_provenance_tells_machine_and_boot() -> None:
    facts = environment.machine("cpu")
    assert facts["machine_id"] == environment.machine_id()
    assert facts["boot_id"] == environment.boot_id()


def test_the_commit_is_that_of_the_project_where_the_package_is_in_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    package, project = tmp_path / "package", tmp_path / "project"
    package.mkdir()
    project.mkdir()
    monkeypatch.setattr(environment, "PACKAGE", package)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert environment.commit(project) == {"commit": None, "dirty": None}
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    (project / "benchmark.toml").write_text("")
    for arguments in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "begin")):
        subprocess.run(["git", "-C", str(project), *arguments], check=True)
    (project / ".git" / "hooks").mkdir(exist_ok=True)
    told = environment.commit(project)
    assert len(told["commit"]) == 40
    assert told["dirty"] is False
    (project / "benchmark.toml").write_text("changed")
    assert environment.commit(project)["dirty"] is True


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.commit(Path.cwd()) == {"commit": None, "dirty": None}
