"""The sources of another commit, and runs from them: a git worktree in a temporary folder, from
which this environment's Python imports. Nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from metabench.errors import ConfigError, FolderError, MetabenchError, some
from metabench.provenance.environment import PACKAGE
from metabench.suite.project import DATA_VARIABLE, FILE_NAME, Project
from metabench.text import one_line

REQUIREMENTS = "requirements.lock"
MARKS = (FILE_NAME, "metabench/__init__.py", "suites")
"""A checkout of a project has one of these. From any other folder both sides would be one: the
metabench that is installed here."""
CELLS_FAILED = 3
"""Exit status of a run that came to its end without a result for some cells."""
TAIL = 12
"""Last lines of a run that failed, which are shown."""
CHILD = """\
import ctypes, runpy, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # when the parent dies, however it dies
runpy.run_module("metabench", run_name="__main__", alter_sys=True)
"""
GRACE = 20.0
"""Seconds that a run which is asked to end is waited for."""


class RunFailedError(MetabenchError):
    """A run from other sources came to nothing."""


@dataclass(frozen=True)
class Checkout:
    """A checkout of the project.

    Attributes
    ----------
    said
        What the user called it, with the commit.
    folder
        The project's folder in it.
    commit
        What is checked out; None outside of git.
    path
        Folders that its Python imports from, before all others.
    """

    said: str
    folder: Path
    commit: str | None
    path: tuple[Path, ...]

    @property
    def requirements(self) -> str | None:
        """The pinned versions of libraries that it asks for; None where it pins none."""
        try:
            return (self.folder / REQUIREMENTS).read_text()
        except (OSError, ValueError):
            return None

    def run(self, data: Path, *arguments: str) -> None:
        """Run this checkout's `metabench`, and wait until it has ended; an interruption ends it.
        Cells that fail are told by their records.

        Parameters
        ----------
        data
            Where datasets lie.

        Raises
        ------
        RunFailedError
            It did not come to its end; with its last words.
        """
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", CHILD, *arguments],
                cwd=self.folder,
                env=self._environment(data),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            try:
                status = process.wait()
            finally:
                _end(process)
            if status not in (0, CELLS_FAILED):
                said.seek(0)
                last = said.read().decode(errors="replace").splitlines()[-TAIL:]
                words = "\n".join(f"    {line}" for line in last)
                raise RunFailedError(
                    f"`metabench {arguments[0]}` from {self.said} ended with exit status "
                    f"{status}:\n{words}"
                )

    def _environment(self, data: Path) -> Mapping[str, str]:
        return {
            **os.environ,
            DATA_VARIABLE: str(data),
            "PYTHONPATH": os.pathsep.join(map(str, self.path)),
        }


@contextmanager
def checkouts(project: Project, named: Sequence[str | None]) -> Iterator[list[Checkout]]:
    """Have checkouts within the block: of a commit as a worktree that is removed afterwards, of a
    folder as it stands; None means the project's own folder.

    Raises
    ------
    ConfigError
        There is no such commit, nor a folder of that name.
    FolderError
        No worktree can be made.
    """
    with tempfile.TemporaryDirectory(prefix="metabench-checkout-") as temporary:
        made: list[Path] = []
        try:
            found = []
            for place, name in enumerate(named):
                folder, said, commit = _folder_of(project.root, name, Path(temporary), place, made)
                points = Path(temporary) / f"entry-points-{place}"
                found.append(Checkout(said, folder, commit, _path(folder, points)))
            yield found
        finally:
            for tree in made:
                shutil.rmtree(tree, ignore_errors=True)
            if made:
                with suppress(FolderError):
                    _git(project.root, "worktree", "prune")


def differing_requirements(one: Checkout, other: Checkout) -> str:
    """Say that two checkouts ask for other versions of libraries, or nothing: both are run with
    those that are installed here."""
    if one.requirements == other.requirements:
        return ""
    return (
        f"{REQUIREMENTS} differs between the two, and both ran with the libraries that are "
        "installed here: what a change of libraries does is not seen"
    )


def _folder_of(
    root: Path, name: str | None, temporary: Path, place: int, made: list[Path]
) -> tuple[Path, str, str | None]:
    """The project's folder in a checkout, what it is called, and its commit."""
    if name is None:
        return root, *_said(root, "this checkout")
    if _is_path(name):
        folder = Path(name).absolute()
        if not folder.is_dir():
            raise ConfigError(f"{one_line(folder)}: there is no such folder, nor a commit")
        _refuse_no_project(folder, one_line(folder))
        return folder, *_said(folder, str(name))
    commit = _commit(root, name)
    if commit is None and name and Path(name).is_dir():
        return _folder_of(root, f"./{name}", temporary, place, made)
    if commit is None:
        raise ConfigError(
            f"'{one_line(name)}': neither a commit of {root} nor a folder. `git fetch` brings "
            "commits that only the remote has"
        )
    tree = temporary / f"tree-{place}"
    made.append(tree)
    _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
    prefix = _git(root, "rev-parse", "--show-prefix")
    said = commit[:12] if commit.startswith(name) else f"{name} ({commit[:12]})"
    _refuse_no_project(tree / prefix, said if not prefix else f"{prefix} at {said}")
    return tree / prefix, said, commit


def _refuse_no_project(folder: Path, said: str) -> None:
    if not any((folder / mark).exists() for mark in MARKS):
        raise ConfigError(
            f"{said}: is no checkout of a project: it has none of {some(MARKS)}. Say a commit, or "
            "the folder of another checkout"
        )


def _is_path(name: str) -> bool:
    """Whether a name can only be that of a folder."""
    return Path(name).is_absolute() or name.startswith(".")


def _said(folder: Path, name: str) -> tuple[str, str | None]:
    commit = _commit(folder, "HEAD")
    if commit is None:
        return name, None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{name} ({commit[:12]}{' with changes' if changed else ''})", commit


def _commit(folder: Path, name: str) -> str | None:
    """The whole name of a commit; None where there is none of that name."""
    try:
        return _git(
            folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
    except FolderError:
        return None


def _git(folder: Path, *arguments: str) -> str:
    """Ask git, which runs no hook and no monitor; a link to a folder outside is none of its."""
    # without `--no-optional-locks` a look at a checkout would write its index anew
    command = ["git", "--no-optional-locks"]
    command += ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
    try:
        done = subprocess.run(
            [*command, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise FolderError("git is not installed, and other commits are had by it alone") from None
    except subprocess.CalledProcessError as error:
        raise FolderError(f"{folder}: git {arguments[0]}: {error.stderr.strip()}") from None
    return done.stdout.strip()


def _path(folder: Path, points: Path) -> tuple[Path, ...]:
    """What a checkout imports from: its own metabench if it has one, else that of here, and what it
    calls its methods, datasets and models."""
    if not (folder / "metabench" / "__init__.py").is_file():
        return (PACKAGE.parent,)
    _write_entry_points(folder / "pyproject.toml", points)
    return (points, folder)


def _write_entry_points(pyproject: Path, folder: Path) -> None:
    """Write the entry points that a project declares where Python looks for those of installed
    distributions."""
    try:
        project = tomllib.loads(pyproject.read_text())["project"]
        groups = project.get("entry-points", {})
        lines = [
            line
            for group, points in groups.items()
            for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))
        ]
        told = folder / f"{project['name']}-{project['version']}.dist-info"
        about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderError(f"{pyproject}: cannot be read as a project: {error}") from None
    told.mkdir(parents=True)
    (told / "METADATA").write_text(about)
    (told / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run that goes on: it is asked to, and then killed. A Ctrl-C has asked it already."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
