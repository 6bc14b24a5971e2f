"""Which sources a fit uses, and which edits count."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from metabench.provenance import sources
from metabench.provenance.conditions import conditions, differences
from metabench.provenance.sources import is_harmless, sources_of

PACKAGE = Path(sources.__file__).parents[1]
PROTOTYPES = (
    "metabench.methods.protonet:PrototypicalNetworks",
    "metabench.models.conv4:Conv4",
    "metabench.datasets.omniglot:Omniglot",
)
MAML = ("metabench.methods.maml:MAML", *PROTOTYPES[1:])
SINES = ("metabench.methods.maml:MAML", "metabench.models.mlp:MLP", "metabench.datasets.sinusoid:S")

Changed = Callable[[], dict[str, set[str]]]


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Changed:
    """Says which files changed, since the copy of the package in `tmp_path` was made, for each of
    three fits."""
    copy = tmp_path / "metabench"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    place = sources._Walk._place

    def copied(walk: sources._Walk, top: str) -> tuple[Path | None, list[str]]:
        own = (copy / "__init__.py", [str(copy)])
        return own if top == "metabench" else place(walk, top)  # type: ignore[return-value]

    monkeypatch.setattr(sources._Walk, "_place", copied)
    monkeypatch.setattr(sources, "_held", {})
    fits = {"prototypes": PROTOTYPES, "maml": MAML, "sines": SINES}
    before = {name: sources_of(parts).files for name, parts in fits.items()}

    def tell() -> dict[str, set[str]]:
        now = {name: sources_of(parts).files for name, parts in fits.items()}
        return {
            name: {file for file, _ in before[name].items() ^ now[name].items()} for name in fits
        }

    return tell


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("methods/protonet.py", {"prototypes"}),
        ("methods/maml.py", {"maml", "sines"}),
        ("methods/inner_loop.py", {"maml", "sines"}),
        ("methods/reptile.py", set()),
        ("models/conv4.py", {"prototypes", "maml"}),
        ("models/mlp.py", {"sines"}),
        ("datasets/omniglot.py", {"prototypes", "maml"}),
        ("datasets/sinusoid.py", {"sines"}),
        ("experiment/evaluation.py", {"prototypes", "maml", "sines"}),
        ("experiment/training.py", {"prototypes", "maml", "sines"}),
        ("stats/intervals.py", {"prototypes", "maml", "sines"}),
        ("stats/paired.py", set()),
        ("runner/pool.py", set()),
        ("records/store.py", set()),
        ("errors.py", set()),
        ("__init__.py", set()),
    ],
)
def test_an_edit_makes_stale_what_uses_it_and_nothing_else(
    file: str, stale: set[str], tmp_path: Path, changed: Changed
) -> None:
    path = tmp_path / "metabench" / file
    path.write_text(path.read_text() + "\nCHANGED = True\n")
    told = {f"metabench/{file}"}
    assert changed() == {
        name: told if name in stale else set() for name in ("prototypes", "maml", "sines")
    }


def test_a_new_method_makes_nothing_stale(tmp_path: Path, changed: Changed) -> None:
    (tmp_path / "metabench" / "methods" / "anil.py").write_text("from metabench import nothing\n")
    assert not any(changed().values())


def test_class_splits_belong_to_the_dataset_that_names_them(
    tmp_path: Path, changed: Changed
) -> None:
    name = "datasets/splits/omniglot-vinyals.json"
    with (tmp_path / "metabench" / name).open("a") as file:
        file.write("\n")
    told = {f"metabench/{name}"}
    assert changed() == {"prototypes": told, "maml": told, "sines": set()}


def test_docstrings_comments_and_messages_make_nothing_stale(
    tmp_path: Path, changed: Changed
) -> None:
    protonet = tmp_path / "metabench" / "methods" / "protonet.py"
    edit(protonet, '"""', '"""Reworded. ')
    protonet.write_text("# a comment\n\n" + protonet.read_text())
    edit(
        tmp_path / "metabench" / "datasets" / "glyphs.py",
        "a classification task has ways",
        "say how many ways",
    )
    edit(
        tmp_path / "metabench" / "datasets" / "omniglot.py",
        'raise ValueError("a classification task has ways")',
        'raise ValueError(f"{ways}: say how many ways")',
    )
    assert not any(changed().values())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "single.py").write_text(
        "import os, helper_of_single\nimport higher\nfrom metabench.methods.protonet import P\n"
        "def f():\n    import later_of_single\n"
    )
    (tmp_path / "helper_of_single.py").write_text("from numpy import array\n")
    (tmp_path / "later_of_single.py").write_text("a = 1\n")
    (tmp_path / "unrelated.py").write_text("a = 1\n")
    package = tmp_path / "packaged"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "methods.py").write_text("from . import near\nfrom .inner import far\n")
    (package / "near.py").write_text("")
    (package / "inner" / "far.py").write_text("from ..methods import A\nLISTS = 'lists.json'\n")
    (package / "inner" / "lists.json").write_text("{}")
    (package / "unused.py").write_text("")
    return tmp_path


def foreign(*targets: str, project: Path) -> set[str]:
    files = sources_of(targets, project).files
    return {file for file in files if not file.startswith("metabench/")}


def test_the_helpers_of_a_plugin_count(project: Path) -> None:
    assert foreign("single:A", project=project) == {
        "single.py",
        "helper_of_single.py",
        "later_of_single.py",
    }
    assert "metabench/methods/protonet.py" in sources_of(["single:A"], project).files
    assert foreign("packaged.methods:A", project=project) == {
        "packaged/__init__.py",
        "packaged/methods.py",
        "packaged/near.py",
        "packaged/inner/far.py",
        "packaged/inner/lists.json",
    }


def test_what_a_plugin_imports_from_elsewhere_counts_by_its_version(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = conditions(1, "cpu", ["single:A"], project)
    assert before["packages"].keys() == {"higher"}
    monkeypatch.setattr("metabench.provenance.conditions.version", lambda name: before.get(name))
    after = conditions(1, "cpu", ["single:A"], project)
    assert differences(before, after) == [f"higher {before['packages']['higher']} -> None"]
    assert conditions(1, "cpu", PROTOTYPES)["packages"] == {}


def test_what_is_installed_within_the_project_is_not_the_projects(project: Path) -> None:
    installed = project / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (project / "helper_of_single.py").rename(installed / "helper_of_single.py")
    sys.path.append(str(installed))
    try:
        assert foreign("single:A", project=project) == {"single.py", "later_of_single.py"}
    finally:
        sys.path.remove(str(installed))


def test_what_is_imported_counts_as_it_was_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit runs what its process has imported, whatever has become of the file since."""
    file = tmp_path / "imported.py"
    file.write_text("RATE = 0.1\nLISTS = 'lists.json'\n")
    module = ModuleType("metabench.imported")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sources, "_held", {})
    sources.hold_imported()
    used = sources_of(["metabench.imported:A"]).files
    file.write_text("RATE = 0.2\nfrom metabench.methods import reptile\n")
    sources.hold_imported()
    assert sources_of(["metabench.imported:A"]).files == used
    file.unlink()
    assert sources_of(["metabench.imported:A"]).files == used
    monkeypatch.setattr(sources, "_held", {})
    assert "metabench/imported.py" in used
    assert "metabench/imported.py" not in sources_of(["metabench.imported:A"]).files


def test_a_source_that_is_no_python_counts_by_its_bytes(project: Path) -> None:
    (project / "later_of_single.py").write_text("this is no Python")
    before = sources_of(["single:A"], project).files
    (project / "later_of_single.py").write_text("this is none either")
    after = sources_of(["single:A"], project).files
    assert {file for file, _ in before.items() ^ after.items()} == {"later_of_single.py"}


FIT = """
import sys
from pathlib import Path
from metabench.experiment.fit import run_fit
from metabench.suite import load_suite
from metabench.suite.project import load_project

suite = load_suite("./x.toml", load_project())
for cell in suite.cells:
    settings = {"data": Path("."), "device": "cpu", "threads": 1, "workers": 1}
    list(run_fit([cell], progress=lambda _: None, **settings))
print(*(name for name in sys.modules if name.startswith("metabench")), end=";")
from metabench.provenance.conditions import targets_of
from metabench.provenance.sources import sources_of
print(*(file for cell in suite.cells for file in sources_of(targets_of(cell.fit)).files))
"""


@pytest.mark.slow
def test_every_module_that_a_fit_loads_counts_or_is_known_to_be_harmless(tmp_path: Path) -> None:
    """A source that shapes numbers and is in no digest would let stale records pass."""
    (tmp_path / "x.toml").write_text(
        '[[grid]]\nalgorithms = ["maml", "reptile", "pretrained"]\ndatasets = ["sinusoid"]\n'
        'shots = 1\nseeds = 1\n[[grid]]\nalgorithms = ["protonet", "nearest"]\n'
        'datasets = ["glyphs"]\nways = 2\nshots = 1\nseeds = 1\n'
        "[models.conv4]\nfilters = 2\n[train]\niterations = 1\n"
        "[validate]\nepisodes = 2\nevery = 1\n[evaluate]\nepisodes = 2\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", FIT], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    loaded, _, used = done.stdout.partition(";")
    files = set(used.split())
    # of this test alone
    suite_and_plan = tuple(
        f"metabench.{name}" for name in ("suite", "claims", "quantities", "provenance")
    )
    unknown = [
        name
        for name in loaded.split()
        if not name.startswith(suite_and_plan)
        and not is_harmless(name)
        and files.isdisjoint(
            {f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"}
        )
    ]
    assert unknown == []
