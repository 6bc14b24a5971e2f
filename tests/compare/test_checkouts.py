"""Sources of other commits: found, imported from, and put away again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metabench.compare.checkouts import checkouts
from metabench.errors import ConfigError, FolderError
from metabench.suite.project import Project, load_project


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a folder of a repository, with two commits and a change."""
    root = tmp_path / "repository" / "bench"
    root.mkdir(parents=True)
    git(root, "init", "-q", "..")
    (root / "benchmark.toml").touch()
    for number in (1, 2):
        (root / "mine.py").write_text(f"NUMBER = {number}\n")
        git(root, "add", "-A")
        git(root, "commit", "-qm", str(number))
    (root / "mine.py").write_text("NUMBER = 3\n")
    return load_project(root)


def number_in(folder: Path) -> int:
    return int((folder / "mine.py").read_text().rpartition("=")[2])


def test_a_commit_a_folder_and_the_project_as_it_stands(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "benchmark.toml").touch()
    (elsewhere / "mine.py").write_text("NUMBER = 4\n")
    first = git(project.root, "rev-parse", "HEAD~1")
    with checkouts(project, (first, "HEAD", None, str(elsewhere))) as found:
        assert [number_in(one.folder) for one in found] == [1, 2, 3, 4]
        assert [one.commit for one in found][:2] == [
            first,
            git(project.root, "rev-parse", "HEAD"),
        ]
        assert found[0].said == first[:12]
        assert found[2].said.endswith("with changes)")
        trees = [one.folder for one in found[:2]]
    assert not any(tree.exists() for tree in trees)
    assert len(git(project.root, "worktree", "list").splitlines()) == 1


def test_an_interruption_leaves_no_worktree(project: Project) -> None:
    with pytest.raises(KeyboardInterrupt), checkouts(project, ("HEAD",)):
        raise KeyboardInterrupt
    assert len(git(project.root, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("name", ["nowhere", "--exec=touch x", "HEAD~7", "./nowhere", "a\nb"])
def test_what_is_neither_commit_nor_folder_is_refused(project: Project, name: str) -> None:
    with pytest.raises(ConfigError, match="commit"), checkouts(project, (name,)):
        pass


def test_a_folder_that_is_no_checkout_is_refused(project: Project, tmp_path: Path) -> None:
    """From one, both sides would run what is installed here, and nothing would ever be slower."""
    (project.root / "within").mkdir()
    for folder in (tmp_path, project.root / "within"):
        with (
            pytest.raises(ConfigError, match=f"{folder}: is no checkout of a project"),
            checkouts(project, (str(folder),)),
        ):
            pass


def test_no_name_at_all_is_not_that_of_the_current_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(ConfigError, match="'': neither a commit"), checkouts(project, ("",)):
        pass


def test_a_commit_from_before_there_was_the_project_is_refused(
    project: Project, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    git(root, "mv", "bench", "moved")
    git(root, "commit", "-qam", "moved")
    with (
        pytest.raises(ConfigError, match=r"moved/ at HEAD~1 .*is no checkout of a project"),
        checkouts(load_project(root / "moved"), ("HEAD~1",)),
    ):
        pass
    assert len(git(root, "worktree", "list").splitlines()) == 1


def test_to_look_at_a_checkout_leaves_its_index_alone(project: Project) -> None:
    """Whoever is at work there may hold it."""
    index = project.root.parent / ".git" / "index"
    (project.root / "mine.py").touch()
    before = index.read_bytes()
    with checkouts(project, (None, "HEAD")):
        pass
    assert index.read_bytes() == before


def test_outside_of_git_there_are_folders_alone(tmp_path: Path) -> None:
    project = load_project(tmp_path)
    with checkouts(project, (None,)) as (found,):
        assert (found.folder, found.commit) == (tmp_path, None)
    with pytest.raises(ConfigError, match="neither a commit"), checkouts(project, ("HEAD",)):
        pass


def test_no_hook_of_the_repository_runs(project: Project, tmp_path: Path) -> None:
    hook = tmp_path / "repository" / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with checkouts(project, ("HEAD",)):
        pass
    assert not (tmp_path / "ran").exists()


PYPROJECT = """
[project]
name = "metabench"
version = "9.9"
[project.entry-points."metabench.methods"]
newest = "metabench.methods.newest:Newest"
"""


def test_a_checkout_of_metabench_is_imported_with_its_own_entry_points(tmp_path: Path) -> None:
    """What is installed here has others, and is not touched."""
    (tmp_path / "metabench").mkdir()
    (tmp_path / "metabench" / "__init__.py").write_text("HERE = 9\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    program = (
        "import metabench; from importlib.metadata import entry_points, version; "
        "print(metabench.HERE, version('metabench'), "
        "*(point.name for point in entry_points(group='metabench.methods')))"
    )
    with checkouts(load_project(tmp_path), (None,)) as (found,):
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            env=dict(found._environment(tmp_path)),
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["9", "9.9", "newest"]


def test_a_broken_pyproject_is_told(tmp_path: Path) -> None:
    (tmp_path / "metabench").mkdir()
    (tmp_path / "metabench" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text("[project\n")
    project = load_project(tmp_path)
    with (
        pytest.raises(FolderError, match="cannot be read as a project"),
        checkouts(project, (None,)),
    ):
        pass
