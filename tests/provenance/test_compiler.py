"""Which fits are compiled, and what their conditions then say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from few_shot import make_cell

from metabench.cells import Fit
from metabench.provenance.compiler import (
    EAGER,
    REPAID_AFTER,
    CompileMode,
    compilation,
    cpp_compiler,
)
from metabench.provenance.conditions import Conditions, differences

LONG = {"train": {"iterations": REPAID_AFTER}}


def fit_of(method: str = "maml", settings: dict[str, Any] | None = None, **changes: Any) -> Fit:
    return make_cell(method, method=settings, **changes).fit


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A C++ compiler that says what it is, and no more."""
    return script(tmp_path / "c++", "echo 'c++ (Some) 1.2.3'; echo 'more'", monkeypatch)


def script(path: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    return path


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("mode", "fit", "compiled"),
    [
        ("never", fit_of(**LONG), False),
        ("always", fit_of(), True),
        ("auto", fit_of(**LONG), True),
        ("auto", fit_of(train={"iterations": REPAID_AFTER - 1}), False),
        ("auto", fit_of(source="omniglot", **LONG), False),
        ("always", fit_of(source="omniglot"), True),
        ("auto", fit_of(train={"iterations": None, "tasks": 2 * REPAID_AFTER}), True),
        ("auto", fit_of(train={"iterations": None, "seconds": 1e6}), False),
        ("always", fit_of("protonet", source="omniglot"), False),
        ("always", fit_of(settings={"engine": "higher"}), False),
    ],
)
def test_what_is_declared_decides(mode: CompileMode, fit: Fit, compiled: bool) -> None:
    found = compilation(mode, fit, "cpu")
    assert found.compiler == ("c++ (Some) 1.2.3" if compiled else None)
    assert not found.remark


@pytest.mark.usefixtures("compiler")
def test_on_a_gpu_steps_run_as_they_are() -> None:
    found = compilation("always", fit_of(), "cuda:0")
    assert found.compiler is None
    assert "on a CPU alone" in found.remark


def test_without_a_compiler_steps_run_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = compilation("always", fit_of(), "cpu")
    assert found.compiler is None
    assert "no C++ compiler `no-such-compiler`" in found.remark
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compilation("always", fit_of(), "cpu").compiler is None
    assert compilation("never", fit_of(), "cpu") == EAGER


def test_a_compiler_that_does_not_work_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "broken", "exit 1", monkeypatch)
    assert cpp_compiler() is None


@pytest.mark.usefixtures("compiler")
def test_only_what_is_compiled_has_it_among_its_conditions() -> None:
    cell = make_cell("maml")
    before, never, always, auto = (
        Conditions(1, "cpu", None, *mode)(cell) for mode in ((), ("never",), ("always",), ("auto",))
    )
    assert before == never == auto
    assert "compiler" not in never
    assert always == {
        **never,
        "compiler": "c++ (Some) 1.2.3",
        "conditions_digest": always["conditions_digest"],
    }
    assert differences(never, always) == ["compiler None -> c++ (Some) 1.2.3"]
    protonet = make_cell("protonet", "omniglot")
    assert Conditions(1, "cpu", None, "always")(protonet) == Conditions(1, "cpu")(protonet)
