"""Conditions: what they depend on, and what makes a record stale."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metabench.provenance import environment

HARMLESS = (
    *("metabench", "metabench.bounds", "metabench.errors", "metabench.text"),
    *("metabench.io", "metabench.records", "metabench.registry", "metabench.terminal"),
    *(f"metabench.stats{name}" for name in ("", ".contrasts", ".paired", ".power")),
)
"""Modules that an experiment loads and that shape no number of its: how parts are found and
checked, files, time and memory, statistics over runs."""


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


@pytest.fixture
def copied_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "metabench"
    shutil.copytree(environment.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(environment, "PACKAGE", copy)
    return copy


@pytest.mark.parametrize(
    "name",
    [
        "experiment/fit.py",
        "methods/maml.py",
        "datasets/splits/omniglot-vinyals.json",
        "models/mlp.py",
    ],
)
def test_a_changed_source_changes_the_conditions(copied_package: Path, name: str) -> None:
    before = environment.conditions(1, "cpu")
    file = copied_package / name
    file.write_bytes(file.read_bytes() + b"\n")
    after = environment.conditions(1, "cpu")
    assert after["conditions_digest"] != before["conditions_digest"]
    assert [line.partition(" ")[0] for line in environment.differences(before, after)] == [
        "sources"
    ]


@pytest.mark.parametrize("name", ["cli.py", "records.py", "runner/pool.py"])
def test_a_source_that_shapes_no_number_changes_nothing(copied_package: Path, name: str) -> None:
    before = environment.conditions(1, "cpu")
    (copied_package / name).write_text("changed")
    assert environment.conditions(1, "cpu") == before


def test_renaming_a_source_changes_the_digest(copied_package: Path) -> None:
    before = environment.sources_digest()
    (copied_package / "methods" / "maml.py").rename(copied_package / "methods" / "other.py")
    assert environment.sources_digest() != before


def test_threads_device_and_capability_count(monkeypatch: pytest.MonkeyPatch) -> None:
    base = environment.conditions(1, "cpu")
    assert environment.differences(base, environment.conditions(2, "cpu")) == ["threads 1 -> 2"]
    assert (
        environment.conditions(1, "cuda:0")["device"]
        == environment.conditions(1, "cuda:1")["device"]
        == "cuda"
    )
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    environment.cpu_capability.cache_clear()
    try:
        assert environment.conditions(1, "cpu")["cpu_capability"].endswith(" default")
    finally:
        environment.cpu_capability.cache_clear()


def test_scipy_counts_since_intervals_are_its(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.conditions(1, "cpu")
    monkeypatch.setattr(
        environment, "_version", lambda name: "0.1" if name == "scipy" else before.get(name)
    )
    assert environment.differences(before, environment.conditions(1, "cpu")) == [
        f"scipy {before['scipy']} -> 0.1"
    ]


def test_the_capability_is_the_one_that_torch_uses() -> None:
    import torch

    environment.cpu_capability.cache_clear()
    assert (
        environment.cpu_capability().rpartition(" ")[2]
        == torch.backends.cpu.get_cpu_capability().lower()
    )


def test_plugins_count_by_their_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "single.py").write_text("a = 1\n")
    (tmp_path / "unrelated.py").write_text("a = 1\n")
    (tmp_path / "packaged").mkdir()
    for name in ("__init__", "methods", "helper"):
        (tmp_path / "packaged" / f"{name}.py").write_text("a = 1\n")
    targets = ("packaged.methods:A", "single:B")
    digests = [environment.sources_digest(), environment.sources_digest(targets)]
    for name in ("single.py", "packaged/helper.py"):
        (tmp_path / name).write_text("a = 2\n")
        digests.append(environment.sources_digest(targets))
    assert len(set(digests)) == 4
    (tmp_path / "unrelated.py").write_text("a = 2\n")
    assert environment.sources_digest(targets) == digests[-1]


def test_the_dataset_of_the_test_counts(tmp_path: Path) -> None:
    (tmp_path / "waves.py").write_text(
        "from metabench.datasets.sinusoid import Sinusoid\nclass Waves(Sinusoid): ...\n"
    )
    (tmp_path / "benchmark.toml").write_text('[plugins.datasets]\nwaves = "waves:Waves"\n')
    suite = tmp_path / "x.toml"
    suite.write_text(
        '[grid]\nalgorithms = ["scratch"]\ndatasets = ["sinusoid"]\nshots = 5\nseeds = 1\n'
        '[train]\niterations = 1\n[evaluate]\non = ["same", "waves"]\n'
    )
    code = (
        "from metabench.suite import load_suite; from metabench.suite.project import load_project; "
        "from metabench.runner.plan import Conditions\n"
        "print(*(Conditions(1, 'cpu')(cell)['conditions_digest'] for cell in "
        "load_suite('./x.toml', load_project()).cells))"
    )
    same, waves = run_python(code, tmp_path).split()
    assert same != waves
    (tmp_path / "waves.py").write_text((tmp_path / "waves.py").read_text() + "# changed\n")
    same_after, waves_after = run_python(code, tmp_path).split()
    assert (same_after == same, waves_after == waves) == (True, False)


def test_every_module_of_an_experiment_counts_as_a_source() -> None:
    """A source that shapes numbers and is in no digest would let stale records pass."""
    loaded = run_python(
        "import sys, metabench.experiment.fit; print(*(name for name in sys.modules if "
        "name.startswith('metabench')))"
    ).split()
    own = [
        "metabench." + name.removesuffix(".py").replace("/", ".") for name in environment.SHAPING
    ]
    outside = [
        name
        for name in loaded
        if name not in HARMLESS
        and not any(name == root or name.startswith(f"{root}.") for root in (*own, *HARMLESS[4:8]))
    ]
    assert outside == []


def test_conditions_and_provenance_import_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from metabench import environment as e; "
        "e.conditions(1, 'cpu'); e.provenance('cpu', Path('.')); print('torch' in sys.modules)"
    )
    assert run_python(code) == "False"


def test_provenance_names_versions_and_machine() -> None:
    facts = environment.provenance("cpu", Path.cwd())
    assert facts["libraries"].keys() >= {"torch", "numpy"}
    assert facts["cores"] >= 1
    assert facts["memory_bytes"] > 2**20
    assert facts["gpu"] is None


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
