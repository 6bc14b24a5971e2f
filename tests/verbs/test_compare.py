"""`metabench compare` and `metabench ab` as users meet them: exit status, messages, files, and runs
from the sources of two commits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import Record, Synthetic
from workshop import assert_gone, family, is_root, wait_for

from metabench.cli import main
from metabench.compare import Workload
from metabench.compare.checkouts import Checkout, RunFailedError
from metabench.history import append, entry_of
from metabench.tables import load

SMALL: dict[str, Any] = {"algorithms": ("maml", "protonet"), "shots": (1,), "seeds": range(5)}


def run_folder(folder: Path, by: float = 0.0, **said: Any) -> Path:
    """A run in which the scores of maml are moved."""

    def moved(record: Record) -> None:
        record["result"]["score"] += by

    change = {("maml", 1, seed): moved for seed in range(5)} if by else {}
    return Synthetic(**{**SMALL, "change": change, **said}).write(folder)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs: a first one, one that is worse, and one that cannot be compared."""
    monkeypatch.chdir(tmp_path)
    run_folder(tmp_path / "one")
    run_folder(tmp_path / "worse", by=-0.1)
    run_folder(tmp_path / "other", algorithms=("maml",))
    return tmp_path


def test_a_gate_that_could_compare_nothing_has_not_been_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_folder(tmp_path / "one")
    run_folder(tmp_path / "other", shots=(5,))
    assert main(["compare", "one", "other"]) == 2
    assert capsys.readouterr().out.splitlines()[0] == "2 refused"


def test_a_baseline_that_keeps_no_suite_is_told(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "one" / "suite.toml").unlink(missing_ok=True)
    assert main(["compare", "one", "worse"]) == 1
    assert "the margins are not those of the baseline's suite" in " ".join(
        capsys.readouterr().out.split()
    )
    (runs / "one" / "suite.toml").write_text("[compare]\nmargin = 0.5\n")
    main(["compare", "one", "worse"])
    assert "the margins are not those" not in " ".join(capsys.readouterr().out.split())


def test_exit_status_and_summary(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for head, strict, status, summary in (
        ("one", (), 0, "2 identical"),
        ("worse", (), 1, "1 regressed, 1 identical"),
        ("other", (), 0, "1 refused, 1 identical"),
        ("other", ("--strict",), 4, "1 refused, 1 identical"),
    ):
        assert main(["compare", "one", head, *strict]) == status
        assert capsys.readouterr().out.splitlines()[0] == summary


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("one/cells.json", "belongs to a run folder"),
        ("one/records/x.json", "belongs to a run folder"),
        ("history.jsonl", "its name ends in none of .txt, .md, .json, .html"),
        ("x", "its name ends in none of"),
    ],
)
def test_what_is_no_file_of_a_comparison_is_not_written_over(
    runs: Path, capsys: pytest.CaptureFixture[str], out: str, why: str
) -> None:
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    assert main(["compare", "one", "worse", "--out", out]) == 2
    assert why in capsys.readouterr().err
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


def test_a_comparison_of_nothing_is_not_passed(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {(name, 1, seed): "missing" for name in SMALL["algorithms"] for seed in range(5)}
    run_folder(runs / "empty", change=missing)
    assert main(["compare", "empty", "one"]) == 2
    assert "there is nothing to compare" in capsys.readouterr().out


def test_files_are_written_in_the_format_of_their_names(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [part for name in ("x.json", "x.md", "x.html", "x.txt") for part in ("--out", name)]
    assert main(["compare", "one", "worse", "--format", "markdown", *outs]) == 1
    assert capsys.readouterr().out == (runs / "x.md").read_text()
    assert json.loads((runs / "x.json").read_text())["exit_status"] == 1
    assert (runs / "x.html").read_text().startswith("<!doctype html>")
    assert (runs / "x.txt").read_text().startswith("1 regressed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("one", "two"), "two"),
        (("reports/one", "one"), "reports/one: there is no such folder"),
        (("one", "."), "is no run folder"),
        (("one", "worse", "--margin", "3"), "greater than 0 and less than 1"),
        (("one", "worse", "--margin", "0.01"), "trivial = 0.01: expected less than margin"),
        (("one", "worse", "--out", "nowhere/x.md"), "there is no folder nowhere"),
        (("one", "worse", "--out", "."), "is a folder"),
        (("one", "worse", "--format", "htm"), "did you mean 'html'"),
        (("one", "worse", "--confirm"), "did you mean"),
    ],
)
def test_bad_input_gets_one_clear_message(
    runs: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    if arguments[-1] == "--confirm":  # records of a commit that is not here
        message = "neither a commit of"
    assert main(["compare", *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "Traceback" not in told.err


@pytest.fixture
def line(runs: Path) -> Path:
    """The history that the first run has left."""
    entry = entry_of(load(runs / "one"))
    assert entry is not None
    append(runs / "history", entry)
    return runs / "history" / f"{entry.suite}.jsonl"


def test_an_entry_of_the_history_may_stand_on_either_side(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{line}@0123456"
    for sides, status, summary in (
        ((name, "one"), 0, "2 identical"),
        ((name, "worse"), 1, "1 regressed, 1 identical"),
        (("one", name), 0, "2 identical"),
        ((name, "other"), 0, "1 refused, 1 identical"),
    ):
        assert main(["compare", *sides]) == status
        assert capsys.readouterr().out.splitlines()[0] == summary
    assert main(["compare", str(line), "worse", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["baseline"]["name"] == f"{line}@0123456789ab"
    assert told["baseline"]["commits"] == ["0123456789ab"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nowhere.jsonl", "nowhere.jsonl: there is no such history"),
        ("history/.jsonl", "is not called after a suite"),
        ("history/omniglot-small.jsonl@fff", "fff: no commit and no id of a run in it begins so"),
        ("history/other.jsonl", "line 1: it is of suite 'omniglot-small', not of 'other'"),
        ("history/newer.jsonl", "line 1: it is no entry that this metabench can read (schema 1)"),
        ("history/cut.jsonl", "line 1: it is cut off: it is no JSON"),
        ("history/nan.jsonl", "line 1: it is no JSON (NaN"),
        ("history/huge.jsonl", "line 1: confidence is beyond all bounds"),
        ("history/folder.jsonl", "Is a directory"),
        ("history/link.jsonl", "it is a symbolic link"),
    ],
)
def test_a_history_that_tells_no_run_gets_one_clear_message(
    line: Path, capsys: pytest.CaptureFixture[str], named: str, message: str
) -> None:
    good = line.read_text()
    told = json.loads(good)
    for name, text in (
        ("other", good.rstrip()),
        ("newer", json.dumps(told | {"schema": 2, "suite": "newer"})),
        ("cut", good[:-50]),
        ("nan", json.dumps(told | {"confidence": float("nan"), "suite": "nan"})),
        ("huge", json.dumps(told | {"confidence": 1e200, "suite": "huge"})),
    ):
        (line.parent / f"{name}.jsonl").write_text(text + "\n" * (name != "cut"))
    (line.parent / "folder.jsonl").mkdir()
    (line.parent / "link.jsonl").symlink_to(line.name)
    for sides in ((named, "one"), ("one", named)):
        assert main(["compare", *sides]) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert said.err.startswith("metabench: ")
        assert len(said.err.splitlines()) == 1
        assert said.out == ""


def test_fresh_seeds_of_an_entry_are_refused_with_what_to_do(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sides in ((str(line), "worse"), ("worse", str(line))):
        assert main(["compare", *sides, "--confirm"]) == 2
        said = capsys.readouterr().err
        assert f"metabench: {line}@0123456789ab: an entry of the history keeps no suite" in said
        assert "`metabench run omniglot-small --out FOLDER` in a checkout of 0123456789ab" in said
    assert main(["compare", str(line), "other"]) == 0
    assert "--confirm" not in capsys.readouterr().out


@pytest.mark.parametrize("side", ["one", "worse"])
def test_fresh_seeds_are_not_kept_behind_a_link(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """A run folder may be anyone's: what is run would be written wherever the link leads."""
    (runs / "away").mkdir()
    (runs / "benchmark.toml").touch()
    (runs / side / "confirmation").symlink_to(runs / "away")
    monkeypatch.setattr(Checkout, "run", lambda *arguments: pytest.fail("something was run"))
    sources = ("--baseline-sources", ".", "--head-sources", ".")
    assert main(["compare", "one", "worse", "--confirm", *sources]) == 2
    assert f"{side}/confirmation: is a symbolic link" in capsys.readouterr().err


@pytest.mark.skipif(is_root(), reason="root may write everywhere")
def test_a_read_only_folder_is_told_before_anything_is_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "kept").mkdir(mode=0o555)
    assert main(["compare", "one", "one", "--out", "kept/x.md"]) == 2
    assert "its folder is read-only" in capsys.readouterr().err


# --- sources of two commits -----------------------------------------------------------------------

PLUGIN = '''\
"""A method that guesses the mean of the support set, strays from it, and takes its time."""

import time
from dataclasses import dataclass
from typing import Literal

from metabench.plugins import Method, State

STRAY, SLEEP = {stray}, {sleep}


class Flat(Method):
    """The mean of the support set, whatever is asked."""

    kinds = frozenset({{"regression"}})
    trains = False
    has_network = False

    @dataclass(frozen=True)
    class Settings:
        """None of its own."""

        test_batch_norm: Literal["running"] = "running"

    def init(self, model, task, generator):
        return State(model)

    def predict(self, state, support_x, support_y, query_x, batch_norm):
        time.sleep(SLEEP)
        mean = support_y.mean(1, keepdim=True) + STRAY
        return mean.expand(-1, query_x.shape[1], -1).unsqueeze(1)
'''

SUITE = """\
[grid]
algorithms = ["flat"]
datasets = ["sinusoid"]
shots = [5]
seeds = 4

[evaluate]
episodes = 100

[profiles.ab]
seeds = 1
"""


class Repository:
    """A project of a user's in git, whose method can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "suites").mkdir(parents=True)
        (folder / "suites" / "ci.toml").write_text(SUITE)
        (folder / "benchmark.toml").write_text('[plugins.methods]\nflat = "flat:Flat"\n')
        (folder / ".gitignore").write_text("reports/\n__pycache__/\n")
        self.git("init", "-q")

    def git(self, *arguments: str) -> None:
        author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *author, *arguments], cwd=self.folder, check=True)

    def change(self, *, stray: float = 0.0, sleep: float = 0.0) -> None:
        (self.folder / "flat.py").write_text(PLUGIN.format(stray=stray, sleep=sleep))

    def commit(self, **changes: float) -> None:
        self.change(**changes)
        self.git("add", "-A")
        self.git("commit", "-qm", "a change")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The current folder is the project's."""
    found = Repository(tmp_path / "project")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Run a verb; return its exit status, what is told to programs, and what is said beside."""

    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        status = main([*arguments, "--device", "cpu", "--format", "json"])
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out else {}, said.err

    return run


@pytest.mark.slow
def test_a_loss_is_confirmed_on_fresh_seeds_of_both_commits(
    repository: Repository, told: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    """The baseline's come from its commit, though the project has gone on; the second time they are
    found again."""
    repository.commit()
    assert main(["run", "--device", "cpu", "--no-report", "--out", "reports/one", "ci"]) == 0
    repository.commit(stray=1.4)
    assert main(["run", "--device", "cpu", "--no-report", "--out", "reports/two", "ci"]) == 0
    status, found, said = told("compare", "reports/one", "reports/two", "--confirm")
    (group,) = found["groups"]
    assert (status, group["verdict"], group["confirmed"]) == (1, "regressed", True)
    assert (found["fresh_seeds"], group["score"]["n"]) == (15, 15)
    assert "15 fresh seeds of" in said
    kept = {
        path: path.stat().st_mtime_ns
        for side in ("one", "two")
        for path in Path("reports", side, "confirmation", "records").glob("*.json")
    }
    assert len(kept) == 30
    again = told("compare", "reports/one", "reports/two", "--confirm")
    assert again[:2] == (status, found)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    # sources that are not those of the records would confirm something else
    repository.change(stray=0.1)
    status, _, said = told("compare", "reports/one", "reports/two", "--confirm")
    assert status == 2
    assert "flat.py changed. Say from which with --head-sources" in said


@pytest.mark.slow
def test_a_slow_down_between_a_commit_and_the_project_as_it_stands(
    repository: Repository, told: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    repository.commit()
    repository.change(sleep=1.0)
    status, found, said = told("ab", "HEAD", "--blocks", "1")
    (group,) = found["groups"]
    assert status == 0
    assert (group["verdict"], group["quantity"]) == ("inconclusive", "seconds_per_episode")
    assert group["time"]["estimate"] > 3
    assert found["workload"][1:3] == ["--profile", "ab"]
    assert "block 1 of 1" in said
    assert told("ab", "HEAD", "--blocks", "1", "--strict", "--only", "algorithm=none")[0] == 2


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_removes_the_worktree(repository: Repository) -> None:
    repository.commit(sleep=600.0)
    process = subprocess.Popen(
        [sys.executable, "-m", "metabench", "ab", "HEAD", "--device", "cpu"],
        cwd=repository.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    below = wait_for(lambda: found if len(found := family(process.pid)) > 1 else None)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "a timing begins anew each time" in errors
    assert "goes on from there" not in errors
    assert_gone(below, 30.0)
    worktrees = Path(repository.folder, ".git", "worktrees")
    assert not worktrees.exists() or not list(worktrees.iterdir())


def test_a_commit_that_is_not_there_is_told(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit()
    # told before either checkout is looked for
    assert main(["ab", "nowhere", "--only", "maml", "--device", "cpu"]) == 2
    assert "only maml: expected KEY=VALUE[,VALUE]" in capsys.readouterr().err
    assert main(["ab", "nowhere", "--device", "cpu"]) == 2
    assert "'nowhere': neither a commit of" in capsys.readouterr().err
    shutil.rmtree("suites")
    assert main(["ab", "HEAD", "--device", "cpu"]) == 2
    assert "ci" in capsys.readouterr().err


def test_a_profile_that_the_baseline_s_suite_lacks_is_told_before_anything_runs(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit()
    suite = repository.folder / "suites" / "ci.toml"
    suite.write_text(f"{SUITE}[profiles.later]\nseeds = 1\n")
    assert main(["ab", "HEAD", "--profile", "later", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "ci.toml, as HEAD" in said
    assert "there is no profile 'later'; there are ab" in said
    assert "a first pass" not in said


def test_a_suite_that_the_baseline_lacks_is_run_as_it_is_here_and_it_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit()
    later = repository.folder / "suites" / "later.toml"
    later.write_text(SUITE)
    run = []

    def once(workload: Workload, checkout: object) -> None:
        run.append(workload.arguments[0])
        raise RunFailedError("enough")

    monkeypatch.setattr(Workload, "once", once)
    assert main(["ab", "HEAD", "--suite", "later", "--device", "cpu"]) == 2
    assert "has no later.toml: both run that of here" in capsys.readouterr().err
    assert run == [str(later)]
