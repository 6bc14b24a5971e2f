"""Run folders that somebody has damaged, by accident or not: every verb says what is wrong, reports
on the rest, and touches nothing outside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from damage import DEEDS, a_link, damage
from harness import cases, chance, command, snapshot
from workshop import Workshop

SUITE = """
reference = "fomaml"

[[grid]]
algorithms = ["fomaml", "odd"]
datasets = ["sinusoid"]
shots = [5]
seeds = 4

[[grid]]
algorithms = ["protonet"]
datasets = ["numbered"]
models = ["conv4"]
ways = 3
shots = 1
seeds = 2
axes = { "train.tasks_per_batch" = [2] }

[train]
iterations = 6
tasks_per_batch = 2
query_shots = 2

[validate]
every = 3
episodes = 4
query_shots = 2
target = 0.9

[evaluate]
episodes = 8
query_shots = 2

[models.conv4]
filters = 4

[algorithms.odd]
method = "misbehaving"
deed = "raise"

[[claims]]
id = "cheaper"
says = "Fewer points, =less work"
metric = "training_seconds"
of = "fomaml"
against = 1.0
ratio_below = 0.7
"""
VERBS = (("report", "small"), ("report", "small"), ("status", "small"), ("plan", "small"))
SLOW = (
    ("run", "small", "--workers", "2", "--stale", "keep", "--seeds", "0,1"),
    ("verify", "small", "--workers", "2", "--sample", "2"),
)
"""What a case runs, and now and then instead."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run, some of whose cells have failed, and what lies outside of
    it."""
    base = tmp_path_factory.mktemp("base")
    workshop = Workshop(base / "project")
    shutil.copy(Path(__file__).parents[1] / "numbered.py", workshop.folder)
    toml = (
        "[plugins.methods]\nmisbehaving = "
        '"misbehaving:Misbehaving"\n[plugins.datasets]\nnumbered = "numbered:Numbered"\n'
    )
    (workshop.folder / "benchmark.toml").write_text(toml)
    (workshop.folder / "suites" / "small.toml").write_text(SUITE)
    workshop.run("small")
    (base / "outside" / "folder").mkdir(parents=True)
    (base / "outside" / "secret").write_text("nobody's business\n")
    (base / "outside" / "folder" / ".theirs.tmp").write_text("theirs")
    (base / "outside" / "folder" / "groups.csv").write_text("theirs")
    assert command("report", "small", folder=workshop.folder).status == 0
    return base


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(2))
def test_run_folders(case: int, project: Path, tmp_path: Path) -> None:
    rng = chance(case, "run folder")
    base = tmp_path / "base"
    shutil.copytree(project, base, symlinks=True)
    folder, run = base / "project", base / "project" / "reports" / "small"
    done = damage(run, base / "outside", rng)
    before = snapshot(base, leaving_out=run)
    arguments = rng.choice(SLOW) if rng.random() < 0.05 else rng.choice(VERBS)
    outcome = command(*arguments, folder=folder)
    outcome.assert_fair((0, 1, 2, 3) if arguments[0] == "verify" else (0, 2, 3))
    assert "nobody's business" not in outcome.output, done
    page = run / "index.html"
    if page.is_file() and not page.is_symlink():
        assert "nobody&#39;s business" not in page.read_text(), done
    assert snapshot(base, leaving_out=run) == before, done


@pytest.mark.slow
@pytest.mark.parametrize("deed", sorted({deed.__name__ for deed in DEEDS}))
def test_every_damage_does_some(deed: str, project: Path, tmp_path: Path) -> None:
    (do,) = {found for found in DEEDS if found.__name__ == deed}
    for case in range(5):
        base = tmp_path / str(case)
        shutil.copytree(project, base, symlinks=True)
        run = base / "project" / "reports" / "small"
        before = snapshot(run)
        do(run, chance(case, deed), base / "outside") if do is a_link else do(
            run, chance(case, deed)
        )
        if snapshot(run) != before:
            return
    raise AssertionError(f"{deed} leaves everything as it is")
