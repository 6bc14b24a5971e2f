"""Names and the classes behind them: built-ins through entry points, plugins through
benchmark.toml, nothing imported before its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from suite_project import PLUGINS

from metabench import registry
from metabench.cells import Part
from metabench.errors import ConfigError, DataError, PluginError
from metabench.registry.settings import make_part
from metabench.suite.project import load_project
from metabench.terminal.signals import Interrupted, Terminated


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a module of odd classes; the process forgets its plugins afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "oddities", raising=False)
    (tmp_path / "oddities.py").write_text(PLUGINS)
    yield tmp_path
    registry.use_plugins({}, tmp_path)


def plug_in(project: Path, target: str) -> None:
    """Name a class `odd` in benchmark.toml, and load that."""
    (project / "benchmark.toml").write_text(f'[plugins.methods]\nodd = "{target}"\n')
    load_project(project)


def test_built_ins() -> None:
    assert {"maml", "fomaml", "protonet", "scratch"} <= set(registry.names("methods"))
    assert {"sinusoid", "omniglot"} <= set(registry.names("datasets"))
    assert {"mlp", "conv4"} <= set(registry.names("models"))
    assert {"waves", "images", "way", "rates"} <= set(registry.names("figures"))


@pytest.mark.parametrize(
    ("group", "name"),
    [(group, name) for group in registry.GROUPS for name in registry.names(group)],
)
def test_every_registered_class_keeps_the_contract(group: registry.Group, name: str) -> None:
    found = registry.get(group, name)
    if group == "figures":
        assert found().name == name
    else:
        assert found.version >= 1
        found.Settings()
    assert (
        registry.describe(group)[name]
        == " ".join((found.__doc__ or "").partition("\n\n")[0].split())
        != ""
    )


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError,
        match=r"no method is called 'mamml'; there are .*fomaml.* \(did you mean 'maml'\?\)",
    ):
        registry.get("methods", "mamml")


def test_plugin(project: Path) -> None:
    plug_in(project, "oddities:Odd")
    assert "odd" in registry.names("methods")
    assert registry.describe("methods")["odd"] == "An odd method."
    assert "oddities" not in sys.modules
    assert registry.get("methods", "odd").version == 1


def test_another_project_forgets_plugins(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plug_in(project, "oddities:Odd")
    assert "odd" in registry.names("methods")
    load_project(tmp_path_factory.mktemp("empty"))
    assert "odd" not in registry.names("methods")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere:Odd", "cannot be imported: ModuleNotFoundError"),
        ("oddities:Nobody", "cannot be imported: AttributeError"),
        ("oddities:not_a_class", "is not a class"),
        ("oddities:NoVersion", "lacks version, kinds"),
        ("oddities:BareSettings", "has Settings without a default for rate"),
    ],
)
def test_broken_plugins(project: Path, target: str, says: str) -> None:
    plug_in(project, target)
    with pytest.raises(ConfigError) as caught:
        registry.get("methods", "odd")
    assert f"method 'odd' ({target}) {says}" in str(caught.value)


def test_files_of_a_project_do_not_stand_in_for_the_standard_library(project: Path) -> None:
    (project / "colorsys.py").write_text("class Odd: 'Of the project.'\n")
    plug_in(project, "colorsys:Odd")
    assert sys.path[-1] == str(project)
    assert Path(str(registry.source_file("colorsys:Odd"))).parent != project


def test_a_plugin_that_raises_anything(project: Path) -> None:
    (project / "raising.py").write_text("1 / 0")
    plug_in(project, "raising:Odd")
    assert registry.describe("methods")["odd"] == ""
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        registry.get("methods", "odd")


@pytest.mark.slow
def test_listing_imports_no_torch(project: Path) -> None:
    (project / "package").mkdir()
    (project / "package" / "__init__.py").write_text("import torch")
    (project / "package" / "inside.py").write_text("class Odd:\n    'Inside a package.'\n")
    (project / "benchmark.toml").write_text('[plugins.methods]\nodd = "package.inside:Odd"')
    code = (
        "import sys; from metabench import registry; from metabench.suite import project; "
        "project.load_project();"
        "print([line for group in registry.GROUPS for line in registry.describe(group).values()]); "
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    ).stdout
    assert "Inside a package." in shown
    assert "''" not in shown
    assert shown.splitlines()[-1] == "False"


def test_source_files() -> None:
    file = registry.source_file("metabench.cells:Cell")
    assert file is not None
    assert file.name == "cells.py"
    assert registry.source_file("metabench.nowhere:Cell") is None
    assert registry.source_file("nowhere.at.all:Cell") is None


def test_parts_are_made_under_their_settings() -> None:
    dataset = registry.make(
        "datasets",
        make_part(
            "omniglot",
            registry.get("datasets", "omniglot"),
            {"split": "alphabet", "image_size": 20},
        ),
    )
    assert (dataset.settings.split, dataset.settings.image_size) == ("alphabet", 20)
    model = registry.make(
        "models",
        make_part("conv4", registry.get("models", "conv4"), {"filters": 3}),
        dataset.task(7),
    )
    assert model.width == 3 * (20 // 16) ** 2
    with pytest.raises(ConfigError, match="no dataset is called 'gone'"):
        registry.make("datasets", Part("gone", 1, {}, {}))


TWO = """
from suite_project import *  # whatever a class needs
exec(PLUGINS)
class First(Odd):
    def init(self, *_): helper()
class Second(Narrow):
    def forward(self, x): raise KeyError("second")
def helper(): raise KeyError("helper")
"""


def test_an_error_is_the_fault_of_the_class_whose_code_raised_it(project: Path) -> None:
    """Two of one file, and code of it that is of neither class."""
    (project / "two.py").write_text(TWO)
    (project / "benchmark.toml").write_text(
        '[plugins.methods]\nfirst = "two:First"\n[plugins.models]\nsecond = "two:Second"\n'
    )
    load_project(project)
    parts: list[tuple[registry.Group, str]] = [
        ("methods", "first"),
        ("models", "second"),
        ("datasets", "sinusoid"),
    ]
    first, second = (registry.get(group, name) for group, name in parts[:2])

    def told(hook: Any, *arguments: Any) -> str:
        with pytest.raises(KeyError) as caught:
            hook(*arguments)
        return registry.accused(caught.value, parts)

    assert told(first(None).init).startswith("raised by method 'first' (")
    assert told(first(None).init).endswith("two.py, line 8)")
    assert told(second.forward, None, None).startswith("raised by model 'second' (")
    assert registry.accused(KeyError(), parts) == ""
    assert registry.accused(PluginError("", "datasets", "sinusoid"), parts).startswith(
        "together with method 'first' ("
    )
    assert registry.accused(PluginError("", "models", "second"), parts) == ""
    assert registry.accused(PluginError("", "models", "mlp"), [("models", "mlp")]) == ""


def test_code_of_somebody_else_cannot_move_this_process(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with registry.blamed("models", "mlp"):
        print("said")
        os.chdir("/")
        sys.stdout.close()
        sys.stderr = None  # type: ignore[assignment]
    print("heard")
    assert Path.cwd() == project
    assert capsys.readouterr() == ("heard\n", "said\n")


@pytest.mark.parametrize(
    "error", [DataError("missing"), ValueError("wanted"), Interrupted(), Terminated(143)]
)
def test_what_is_not_a_fault_passes(error: BaseException) -> None:
    with pytest.raises(type(error)), registry.blamed("models", "mlp", ValueError):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(0),
        RecursionError(),
        OSError("odd"),
        StopIteration(),
        GeneratorExit(),
    ],
)
def test_anything_else_is_one(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    # as in a fit; where Ctrl-C raises it, it may be the user's
    monkeypatch.setattr("signal.getsignal", lambda _: signal.SIG_IGN)
    with (
        pytest.raises(PluginError, match=rf"model 'mlp' .* raised {type(error).__name__}"),
        registry.blamed("models", "mlp"),
    ):
        raise error
    monkeypatch.setattr("signal.getsignal", lambda _: signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), registry.blamed("models", "mlp"):
        raise KeyboardInterrupt
