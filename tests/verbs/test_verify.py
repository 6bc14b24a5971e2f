"""Runs that are held against themselves: equal where nothing has changed, and every change is found
and named."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few_shot import make_cell
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from workshop import Workshop, rewrite

from metabench.cli import main
from metabench.experiment import tensor_files
from metabench.provenance.sources import Sources
from metabench.runner.agreement import agreement, first_difference, first_difference_of_arrays
from metabench.verbs.verify import sample

# --- the verb -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project with a run of two algorithms and two seeds, four fits with two cells each."""
    workshop = Workshop(tmp_path_factory.mktemp("project"))
    workshop.suite("run", "none", "diverge", seeds=2)
    workshop.run("run")
    return workshop


@pytest.fixture
def folder(finished: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, to do things to; the current folder is the project's."""
    monkeypatch.chdir(finished.folder)
    return shutil.copytree(finished.folder / "reports" / "run", tmp_path / "copy")


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Verify a folder; return the exit status and what is told to programs."""

    def verify(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        status = main(["verify", str(folder), "--device", "cpu", "--json", *arguments])
        return status, json.loads(capsys.readouterr().out)

    return verify


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def edit(folder: Path, algorithm: str, change: Callable[[dict[str, Any]], None]) -> str:
    """Change the record of a cell of seed 0; return its stem."""
    path = min(folder.glob(f"records/{algorithm}-*-s0-*.json"))
    rewrite(path, change)
    return path.stem


def other_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find another source; children look for themselves."""
    monkeypatch.setattr(
        "metabench.provenance.conditions.sources_of",
        lambda *_: Sources({"metabench/cells.py": "0" * 12}, ()),
    )


@pytest.mark.slow
def test_a_run_agrees_with_itself_and_is_left_alone(
    folder: Path, verified: Callable[..., Any]
) -> None:
    before = everything_in(folder)
    status, told = verified(folder)
    assert status == told["exit_status"] == 0
    assert told["verdicts"] == {"equal": 8}
    assert told["largest_difference"] == 0.0
    assert told["differences"] == []
    assert everything_in(folder) == before


@pytest.mark.slow
def test_a_table_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["verify", str(folder), "--device", "cpu", "--only", "algorithm=none", "--seeds", "1"])
        == 0
    )
    out = capsys.readouterr().out
    assert "2 cells run again" in out
    assert "2 equal to the bit" in out
    assert "not as it was" not in out


@pytest.mark.slow
def test_a_changed_result_is_found_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["result"]["training"]["loss"][2] += 1e-9

    stem = edit(folder, "none", change)
    assert main(["verify", str(folder), "--device", "cpu", "--only", "algorithm=none"]) == 1
    out = capsys.readouterr().out
    assert f"differs: {stem}: result.training.loss[2]: " in out
    assert "3 equal to the bit; 1 differs" in out


@pytest.mark.slow
def test_a_single_bit_in_an_array_is_found_and_named(
    folder: Path, verified: Callable[..., Any]
) -> None:
    path = min(folder.glob("records/none-*-s0-*.json"))

    def flip(arrays: dict[str, np.ndarray]) -> None:
        arrays["result/scores"].view(np.int64)[3] ^= 1

    rewrite(path, lambda record: None, flip)
    status, told = verified(folder, "--only", "algorithm=none", "--seeds", "0")
    assert status == 1
    (found,) = (cell for cell in told["cells"] if cell["verdict"] == "differs")
    assert found["stem"] == path.stem
    assert found["detail"].startswith("result/scores[3]: ")
    assert found["difference"] == 0.0


@pytest.mark.slow
def test_damaged_arrays_are_a_difference(folder: Path, verified: Callable[..., Any]) -> None:
    path = min(folder.glob("records/none-*-s0-*.npz"))
    content = path.read_bytes()
    path.write_bytes(content[:60] + b"\0" * 40 + content[100:])  # its end is whole
    status, told = verified(folder, "--only", "algorithm=none", "--seeds", "0")
    assert (status, told["verdicts"]) == (1, {"equal": 1})
    assert "its arrays are not what was written" in "".join(told["damaged"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "verdict", "status"), [(0.0, "equal", 0), (0.9, "within", 0), (1.1, "differs", 1)]
)
def test_under_other_conditions_the_episodes_that_both_met_decide(
    share: float,
    verdict: str,
    status: int,
    folder: Path,
    verified: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record in which the scores of the episodes have moved, on average by so much of the
    half-width of the interval of their moves."""
    path = min(folder.glob("records/none-*-s0-*.json"))
    with np.load(path.with_suffix(".npz")) as kept:
        episodes = len(kept["result/scores"])
    noise = 1e-3 * np.resize([1.0, -1.0], episodes)
    low, high = stats.t.interval(0.99, episodes - 1, 0.0, stats.sem(noise))
    by = share * (high - low) / 2

    def score(record: dict[str, Any]) -> None:
        record["result"]["score"] += by

    def scores(arrays: dict[str, np.ndarray]) -> None:
        arrays["result/scores"] += by + (noise if share else 0.0)

    rewrite(path, score, scores)
    other_sources(monkeypatch)
    found, told = verified(folder, "--only", "algorithm=none", "--seeds", "0")
    assert found == status
    cells = {cell["stem"]: cell for cell in told["cells"]}
    mine = cells.pop(path.stem)
    assert mine["verdict"] == verdict
    if share:
        assert mine["interval"] == pytest.approx([low - by, high - by])
    assert {cell["verdict"] for cell in cells.values()} == {"equal"}
    assert "metabench/cells.py changed" in told["differences"]
    assert told["largest_difference"] == pytest.approx(by)


@pytest.mark.slow
def test_what_fails_now_is_told(finished: Workshop, folder: Path) -> None:
    plugin = finished.folder / "misbehaving.py"
    source = plugin.read_text()
    plugin.write_text(
        source.replace(
            "def _none(self) -> None: ...",
            "def _none(self) -> None: raise ValueError('spoilt since')",
        )
    )
    try:  # in a process of its own, to which no other test's plugin is known by that name
        done = finished.command(
            "verify",
            str(folder),
            "--device",
            "cpu",
            "--only",
            "algorithm=none",
            "--seeds",
            "0",
            "--json",
        )
    finally:
        plugin.write_text(source)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["verdicts"] == {"failed": 2}
    assert {cell["detail"] for cell in told["cells"]} == {"failed: ValueError: spoilt since"}


@pytest.mark.slow
def test_kept_weights_are_not_used(folder: Path, verified: Callable[..., Any]) -> None:
    """Weights that are whole, of the right origin, and wrong: whoever tested them would find other
    scores."""
    paths = list(folder.glob("weights/*"))
    assert paths
    for path in paths:
        facts, tensors = tensor_files.read(path) or ({}, {})
        tensor_files.write(path, facts, {name: tensor + 1 for name, tensor in tensors.items()})
    assert verified(folder)[1]["verdicts"] == {"equal": 8}


@pytest.mark.slow
def test_the_recipe_of_the_project_of_today_is_left_out(
    finished: Workshop, folder: Path, verified: Callable[..., Any]
) -> None:
    file = finished.folder / "benchmark.toml"
    before = file.read_text()
    file.write_text(before + "[train]\nquery_shots = 3\nschedule = 'linear'\n")
    try:
        assert verified(folder, "--sample", "2")[1]["verdicts"] == {"equal": 4}
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (
            lambda folder: [path.unlink() for path in folder.glob("records/*.json")],
            "has no finished record of these cells",
        ),
        (lambda folder: (folder / "suite.toml").unlink(), "has no suite.toml"),
        (lambda folder: (folder / "cells.json").unlink(), "is no run folder"),
    ],
)
def test_what_cannot_be_verified_is_refused(
    spoil: Callable[[Path], Any], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder)
    assert main(["verify", str(folder), "--device", "cpu"]) == 2
    assert complaint in capsys.readouterr().err


def test_other_data_is_refused_before_anything_is_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in folder.glob("records/*.json"):
        rewrite(path, lambda record: record["provenance"].update(data_digest="a" * 64))
    monkeypatch.setattr("metabench.datasets.sinusoid.Sinusoid.content_digest", lambda _: "b" * 64)
    assert main(["verify", str(folder), "--device", "cpu"]) == 2
    assert "data of 'sinusoid'" in (told := capsys.readouterr()).err
    assert told.out == ""


FIT = make_cell("maml").fit

# --- samples --------------------------------------------------------------------------------------


@pytest.mark.slow
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), wanted=st.integers(1, 40))
def test_a_sample_is_as_even_as_can_be(sizes: list[int], wanted: int) -> None:
    fits = [
        (replace(FIT, algorithm=f"a{a}", seed=seed), [])
        for a, n in enumerate(sizes)
        for seed in range(n)
    ]
    chosen = sample(fits, wanted)
    assert len(chosen) == min(wanted, len(fits))
    assert [fit for fit in fits if fit in chosen] == list(chosen)
    shares = Counter(fit.algorithm for fit, _ in chosen)
    least = min((shares[f"a{a}"] for a, n in enumerate(sizes) if shares[f"a{a}"] < n), default=None)
    assert least is None or max(shares.values()) <= least + 1


def test_a_sample_of_one_algorithm_is_spread_over_its_fits() -> None:
    fits = [(replace(FIT, seed=seed), []) for seed in range(10)]
    assert [fit.seed for fit, _ in sample(fits, 3)] == [0, 3, 6]


# --- what differs ---------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(one=VALUES, other=VALUES)
def test_a_difference_is_told_where_there_is_one(one: Any, other: Any) -> None:
    assert first_difference(one, json.loads(json.dumps(one)), "x") == ""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (first_difference(one, other, "x") == "") == same


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.5}]}, "x.a[1].b: 2.0 then, 2.5 now"),
        ({"a": 0.0}, {"a": -0.0}, "x.a: 0.0 then, -0.0 now"),
        ({"a": 1}, {}, "x.a: 1 then, nothing now"),
        ({"a": [1]}, {"a": [1, 2]}, "x.a: a list of 1 then, a list of 2 now"),
        ({"a": None}, {"a": {}}, "x.a: null then, a table now"),
    ],
)
def test_differences_in_words(then: Any, now: Any, told: str) -> None:
    assert first_difference(then, now, "x") == told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a, ""),
        (lambda a: {**a, "measured/x": np.ones(1)}, ""),
        (
            lambda a: {name: a[name] for name in a if name != "result/a"},
            "result/a: there then, no such array now",
        ),
        (
            lambda a: {**a, "result/a": a["result/a"].astype(np.float32)},
            "result/a: float64 [2, 3] then, float32 [2, 3] now",
        ),
        (
            lambda a: {**a, "result/a": a["result/a"].T},
            "result/a: float64 [2, 3] then, float64 [3, 2] now",
        ),
        (
            lambda a: {**a, "result/a": np.where(a["result/a"] == 4, 9.0, a["result/a"])},
            "result/a[1, 1]: 4.0 then, 9.0 now",
        ),
        (lambda a: {**a, "result/b": -a["result/b"]}, "result/b[0]: 0.0 then, -0.0 now"),
    ],
)
def test_differences_of_arrays_in_words(change: Callable[[Any], Any], told: str) -> None:
    arrays = {
        "result/a": np.arange(6.0).reshape(2, 3),
        "result/b": np.array([0.0, np.nan]),
        "result/none": np.zeros((0, 4)),
    }
    assert first_difference_of_arrays(arrays, change(arrays)) == told


def result_of(score: float, *, spread: float = 0.1) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record and its scores of 400 episodes, of which some are much harder than others."""
    scores = score + spread * np.linspace(-1, 1, 400)
    return {"result": {"outcome": "completed", "score": score}}, {"result/scores": scores}


def test_a_difference_that_all_episodes_share_is_not_lost_in_how_they_differ() -> None:
    """Half a point less: within the interval over the episodes of either, and of no episode that
    was met twice."""
    then, before = result_of(0.900)
    now, after = result_of(0.895)
    wobble = 0.01 * np.random.default_rng(0).normal(size=400)
    after["result/scores"] += wobble - wobble.mean()
    found = agreement(then, before, now, after, ["torch 1 -> 2"])
    assert found.verdict == "differs"
    assert found.interval is not None
    assert found.interval[1] < 0
    low, high = stats.t.interval(0.95, 399, 0.9, stats.sem(before["result/scores"]))
    assert low < 0.895 < high


def test_what_the_episodes_cannot_tell_is_within() -> None:
    then, before = result_of(0.900)
    now, after = result_of(0.9001)
    after["result/scores"] += 0.02 * np.random.default_rng(0).normal(size=400)
    assert agreement(then, before, now, after, ["torch 1 -> 2"]).verdict == "within"
    assert agreement(then, before, now, after, []).verdict == "differs"


def test_without_episodes_to_compare_another_score_differs() -> None:
    then = {"result": {"outcome": "completed", "score": 0.5, "interval": None}}
    now = {"result": {"outcome": "completed", "score": 0.5, "interval": [0.4, 0.6]}}
    assert agreement(then, {}, now, {}, ["torch 1 -> 2"]).verdict == "within"
    assert agreement(then, {}, now, {}, []).verdict == "differs"
    moved = {"result": {**now["result"], "score": 0.500001}}
    assert agreement(then, {}, moved, {}, ["torch 1 -> 2"]).verdict == "differs"


def test_another_outcome_always_differs() -> None:
    then = {"result": {"outcome": "completed", "score": 0.2, "interval": [0.1, 0.3]}}
    now = {"result": {"outcome": "diverged", "score": 0.2, "interval": None}}
    assert agreement(then, {}, now, {}, ["torch 1 -> 2"]).verdict == "differs"
