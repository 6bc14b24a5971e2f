"""What `metabench ab` may be told: whatever names no two checkouts and no workload is refused
before anything runs, and neither the repository nor its worktrees are touched."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import cases, chance, command, snapshot

from metabench.compare.timing import Workload
from metabench.errors import MetabenchError

pytestmark = pytest.mark.slow

PARTS = 30
"""Of all cases a thirtieth."""

SUITE = """\
[grid]
algorithms = ["scratch"]
datasets = ["sinusoid"]
shots = [5]
seeds = 1

[evaluate]
episodes = 2

"""
LATER = """\
[profiles.later]
seeds = 1
"""
BEGAN = "the workload began"

SIDES = (
    "HEAD", "HEAD~1", "HEAD~2", "main", "tag", "HEAD:suites", "HEAD^{tree}", "HEAD~99", "nowhere",
    "-", "", " ", "..", ".", "../outside", "../outside/secret", "../copy", "../broken", "/dev/null",
    "/nonexistent", "./suites", "suites", "benchmark.toml", "f" * 40, "é", "\x1b[2J", "a\nb",
    "x" * 5000, "--exec=touch x", "@{u}", "HEAD..main", "\udcff", "../link",
)  # fmt: skip
NO_CHECKOUTS = {
    "HEAD:suites", "HEAD^{tree}", "HEAD~99", "nowhere", "", "..", "../outside", "/dev/null",
    "/nonexistent", "./suites", "suites", "f" * 40, "@{u}",
}  # fmt: skip
SUITES = (
    "ci", "ci", "later", "nowhere", "", "suites/ci.toml", "suites", "../outside/secret",
    "../copy/suites/ci.toml", "\x1b[2J", "broken", "/dev/zero",
)  # fmt: skip
PROFILES = ("later", "ab", "", "nowhere", "\x1b[2J")
OPTIONS = (
    ("--blocks", "0"), ("--blocks", "-1"), ("--blocks", "x"), ("--margin", "1"),
    ("--margin", "nan"), ("--margin", "1e400"), ("--device", "cuda:99"), ("--device", "x"),
    ("--threads", "0"), ("--out", "nowhere/x.md"), ("--out", "."), ("--out", ""),
    ("--only", "="), ("--only", ""), ("--format", "x"), ("--strict",),
)  # fmt: skip
DIRT = ("nothing", "nothing", "a change", "a suite less", "no project file", "no git", "a lock")


class BeganError(MetabenchError):
    """Stands in for a run."""

    exit_status = 4


def began(workload: Workload, checkout: object) -> None:
    raise BeganError(BEGAN)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in git with three commits, a copy of it outside of git, and what is none. The last
    commit has a suite and a profile more than those before."""
    base = tmp_path_factory.mktemp("base")
    project = base / "project"
    (project / "suites").mkdir(parents=True)
    (project / "benchmark.toml").write_text("")
    suite = project / "suites" / "ci.toml"
    git(project, "init", "-q", "-b", "main")
    for number in range(3):
        suite.write_text(SUITE + (LATER if number == 2 else "") + f"# {number}\n")
        if number == 2:
            shutil.copy(suite, suite.with_name("later.toml"))
        git(project, "add", "-A")
        git(project, "commit", "-qm", "a change")
    git(project, "tag", "tag")
    (base / "outside").mkdir()
    (base / "outside" / "secret").write_text("nobody's business\n")
    shutil.copytree(project, base / "copy", ignore=lambda *_: [".git"])
    shutil.copytree(project, base / "broken")
    (base / "broken" / ".git" / "HEAD").write_text("nonsense")
    (base / "link").symlink_to(project)
    return base


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True)


@pytest.mark.parametrize("case", cases(2, PARTS))
def test_checkouts(case: int, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workload, "once", began)
    rng = chance(case, "ab")
    base = shutil.copytree(place, tmp_path / "base", symlinks=True)
    done = damage(base / "project", rng)
    sides = ["HEAD~1"] if rng.random() < 0.3 else [rng.choice(SIDES)]
    sides += [rng.choice(SIDES)] if rng.random() < 0.3 else []
    options = [part for few in rng.sample(OPTIONS, rng.choice((0, 0, 0, 1))) for part in few]
    options += ["--suite", rng.choice(SUITES)] if rng.random() < 0.4 else []
    options += ["--profile", rng.choice(PROFILES)] if rng.random() < 0.3 else []
    variables = {"TMPDIR": str(tmp_path)}
    before = snapshot(base)
    outcome = command("ab", *options, "--", *sides, folder=base / "project", variables=variables)
    told = f"{done}\n{outcome}"
    outcome.assert_fair((2, 4))
    outcome.assert_one_message()
    assert (BEGAN in outcome.output) == (outcome.status == 4), told
    assert outcome.status == 2 or not {*sides} & NO_CHECKOUTS, told
    assert outcome.status == 2 or not {*options} & {"nowhere", "ab", "--blocks"}, told
    assert "nobody's business" not in outcome.output, told
    after = snapshot(base)
    for path in {*after} ^ {*before}:  # git keeps a folder for worktrees, empty
        assert path == "project/.git/worktrees", told
    assert {path: after[path] for path in before} == before, told
    assert not list(tmp_path.glob("metabench-*")), told


def damage(project: Path, rng: random.Random) -> str:
    """Leave a project as people do."""
    done = rng.choice(DIRT)
    if done == "a change":
        (project / "suites" / "ci.toml").write_text(SUITE.replace("5", "7"))
        (project / "new.py").write_text("")
    elif done == "a suite less":
        (project / "suites" / "ci.toml").unlink()
    elif done == "no project file":
        (project / "benchmark.toml").unlink()
    elif done == "no git":
        shutil.rmtree(project / ".git")
    elif done == "a lock":
        (project / ".git" / "index.lock").touch()
        (project / ".git" / "HEAD.lock").touch()
    (project / "suites" / "broken.toml").write_text(rng.choice(("[", "\0", 'profiles = "x"')))
    return done
