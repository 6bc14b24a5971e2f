"""The door for notebooks: `metabench.run` and `metabench.load` take what the command line takes,
and refuse the rest as clearly."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workshop import Workshop

import metabench
from metabench.errors import ConfigError, FolderError
from metabench.verbs.options import Options, of_python


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project with a suite of two seeds, which the test stands in."""
    workshop = Workshop(tmp_path)
    workshop.suite("small", "none", "print", seeds=2)
    monkeypatch.chdir(tmp_path)
    return workshop


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"suite": 5}, "suite = 5: expected a suite by name or path"),
    (
        {"suite": "smal"},
        "'smal': no such suite; there are small in suites/ (did you mean 'small'?)",
    ),
    ({"profile": 3}, "profile = 3: expected a string"),
    ({"seeds": 2}, "seeds = 2: expected a list of seeds such as [0, 1], or '0-4'"),
    ({"seeds": []}, "seeds = []: expected a list of seeds"),
    ({"seeds": [0.5]}, "seeds = [0.5]: expected a list of seeds"),
    ({"seeds": [True]}, "seeds = [True]: expected a list of seeds"),
    ({"seeds": "a-b"}, "seeds a-b: expected seeds such as 0-4"),
    ({"seeds": [7]}, "the suite has no seed 7; it has 0, 1"),
    ({"only": 3}, "only = 3: expected restrictions such as 'algorithm=maml', or a list of them"),
    ({"only": "algorithm"}, "only algorithm: expected KEY=VALUE"),
    (
        {"only": "algorithm=prin"},
        "no cell has algorithm=prin; there are none, print (did you mean 'print'?)",
    ),
    ({"workers": -1}, "workers = -1: expected a whole number, at least 0, at most 1,024"),
    (
        {"workers": 10**9},
        "workers = 1000000000: expected a whole number, at least 0, at most 1,024",
    ),
    ({"threads": 0}, "threads = 0: expected a whole number, at least 1, at most 1,024"),
    ({"threads": "2"}, "threads = '2': expected a whole number"),
    ({"device": "gpu"}, "device = 'gpu': expected auto, cpu, cuda or cuda:N"),
    ({"device": 0}, "device = 0: expected auto, cpu, cuda or cuda:N"),
    ({"timeout": -1}, "timeout = -1: expected a number, greater than 0"),
    ({"timeout": float("nan")}, "timeout = nan: expected a number, greater than 0"),
    ({"fail_fast": "yes"}, "fail_fast = 'yes': expected true or false"),
    (
        {"stale": "kepe"},
        "stale = 'kepe': expected one of \"keep\", \"rerun\" (did you mean 'keep'?)",
    ),
    ({"out": ""}, "out = '': expected a folder"),
    ({"out": 5}, "out = 5: expected a folder"),
]


@pytest.mark.parametrize(("said", "says"), WRONG, ids=[str(said) for said, _ in WRONG])
def test_a_wrong_option_is_told_and_nothing_is_run_or_written(
    project: Workshop, said: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        metabench.run(**{"suite": "small", "device": "cpu"} | said)
    assert not (project.folder / "reports").exists()


def test_the_keywords_are_the_options_with_their_defaults() -> None:
    parameters = inspect.signature(metabench.run).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        field.name: field.default for field in fields(Options)
    }
    with pytest.raises(TypeError, match="sedes"):
        metabench.run("small", sedes=[0])  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "seeds",
    ["0-1", "0,1", [0, 1], (0, 1), range(2), np.arange(2), [np.int64(0), np.int64(1)]],
    ids=str,
)
def test_seeds_may_be_said_in_every_usual_way(project: Workshop, seeds: Any) -> None:
    options = of_python(
        {"suite": Path("small"), "seeds": seeds, "workers": np.int64(2), "timeout": 5}
    )
    assert options.seeds in ("0-1", "0,1", (0, 1))
    assert (options.workers, options.timeout) == (2, 5.0)


@pytest.mark.slow
def test_a_run_leaves_tables_and_a_second_one_does_nothing_again(project: Workshop) -> None:
    some = metabench.run(
        Path("suites/small.toml"),
        seeds=[1],
        only="algorithm=none",
        workers=1,
        device="cpu",
        out="mine",
    )
    outcomes = some.cells.set_index(["algorithm", "seed"])["outcome"]
    assert set(outcomes["none", 1]) == {"completed"}
    assert set(outcomes.drop(("none", 1))) == {"missing"}
    before = {path: path.stat().st_mtime_ns for path in Path("mine/records").iterdir()}
    everything = metabench.run("small", workers=1, device="cpu", out=Path("mine"))
    assert set(everything.cells["outcome"]) == {"completed"}
    assert (
        before.items()
        <= {path: path.stat().st_mtime_ns for path in Path("mine/records").iterdir()}.items()
    )
    assert metabench.load("mine").cells.equals(everything.cells)
    assert metabench.load(project.folder / "mine").cells.equals(everything.cells)


@pytest.mark.parametrize("folder", [5, None, ["mine"], b"mine"])
def test_what_is_no_path_is_no_run_folder(folder: Any) -> None:
    with pytest.raises(
        FolderError, match=rf"folder = {re.escape(repr(folder))}: expected the path of a run folder"
    ):
        metabench.load(folder)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    for folder, told in (
        (tmp_path, "is no run folder: it has no cells"),
        (tmp_path / "nowhere", "there is no such folder"),
        ("a\0b", "expected the path"),
    ):
        with pytest.raises(FolderError, match=told):
            metabench.load(folder)
