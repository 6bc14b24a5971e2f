"""Runs whose training steps are compiled: the same bits on every engine, and stale beside eager
ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from workshop import Workshop, records, results

from metabench.errors import StaleError
from metabench.provenance.compiler import CompileMode, cpp_compiler
from metabench.runner.following import RunSummary
from metabench.runner.resources import EngineName, resources
from metabench.runner.run import run_suite
from metabench.suite import load_suite

SUITE = """
[grid]
algorithms = ["maml"]
models = ["mlp"]
datasets = ["sinusoid"]
shots = [5]
seeds = 2

[models.mlp]
hidden = [4]

[train]
iterations = 4
tasks_per_batch = 2

[validate]
every = 4
episodes = 4

[evaluate]
episodes = 8
"""


def run(
    workshop: Workshop,
    out: str,
    compile: CompileMode,
    workers: int = 1,
    engine: EngineName = "process",
) -> RunSummary:
    (workshop.folder / "suites" / "compiled.toml").write_text(SUITE)
    using = replace(resources("cpu", workers, 1, engine), compile=compile)
    suite = load_suite("compiled", workshop.project)
    return run_suite(suite, workshop.project, using=using, out=workshop.folder / out)


@pytest.mark.slow
@pytest.mark.skipif(cpp_compiler() is None, reason="there is no C++ compiler here")
def test_compiled_bits_do_not_depend_on_engine_and_workers(workshop: Workshop) -> None:
    for out, workers, engine in (("two", 2, "process"), ("one", 1, "inline")):
        assert run(workshop, out, "always", workers, engine).finished == 2
    two, one = (workshop.folder / out for out in ("two", "one"))
    assert results(two) == results(one)
    for record in records(two).values():
        assert record["provenance"]["conditions"]["compiler"] == cpp_compiler()
        assert record["provenance"]["remarks"] == []
        assert record["measured"]["compile_seconds"] > 0
    with pytest.raises(StaleError, match="compiler"):
        run(workshop, "two", "never")
    assert "stale" not in workshop.command("status", str(two)).stdout


def test_without_a_compiler_a_run_is_eager_and_says_so(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    # inline: the server that processes are forked from was started under another environment
    run(workshop, "asked", "always", engine="inline")
    run(workshop, "eager", "never", engine="inline")
    asked, eager = (workshop.folder / out for out in ("asked", "eager"))
    assert results(asked) == results(eager)
    for record in records(asked).values():
        assert "compiler" not in record["provenance"]["conditions"]
        (remark,) = record["provenance"]["remarks"]
        assert "no C++ compiler" in remark
    assert run(workshop, "asked", "never").kept == 2
