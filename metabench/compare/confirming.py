"""Fresh seeds of two runs: each from the sources that its records were made of, side by side on
this machine. They are kept beside their run, and found again by their ids."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metabench.compare.checkouts import Checkout, checkouts, differing_requirements
from metabench.compare.joining import Joined
from metabench.compare.sides import Side, SideGroup, read_side
from metabench.errors import ConfigError, FolderError, StaleError, some
from metabench.runner.resources import Resources
from metabench.suite.document import read_document
from metabench.suite.project import Project
from metabench.suite.toml import toml_text
from metabench.text import one_line

FOLDER = "confirmation"
"""Where fresh seeds lie in a run folder; it is one itself."""

UNSTEERED = (",", "=")
"""In a coordinate these cannot be said after `--only`: then more is run than is wanted."""


@dataclass(frozen=True)
class FreshSeeds:
    """Runs fresh seeds of a baseline and of head (see `judging.Confirm`).

    Attributes
    ----------
    project
        Whose folder is head's checkout, unless `head_sources` says otherwise.
    using
        What runs may use.
    baseline_sources, head_sources
        A commit, or the folder of a checkout; None means the commit that the baseline's records
        name, and the project as it stands.
    tell
        Shown a line about each thing that begins.
    """

    project: Project
    using: Resources
    baseline_sources: str | None = None
    head_sources: str | None = None
    tell: Callable[[str], None] = print

    def of(
        self, baseline: Side, head: Side
    ) -> Callable[[Sequence[Joined], int], tuple[Side, Side]]:
        """Return what runs groups of these two runs on so many seeds that neither has.

        Raises
        ------
        ConfigError
            One of the two is an entry of the history, which keeps no suite to run.
        FolderError
            Fresh seeds of one would be kept behind a link.
        """
        for side in (baseline, head):
            _refuse_entry(side)
            _refuse_link(side)
        first = max((*baseline.seeds, *head.seeds), default=-1) + 1

        def run(groups: Sequence[Joined], seeds: int) -> tuple[Side, Side]:
            named = (self.baseline_sources or _commit_of(baseline), self.head_sources)
            fresh = list(range(first, first + seeds))
            with checkouts(self.project, named) as (then, now):
                if other := differing_requirements(then, now):
                    self.tell(other)
                return (
                    self._side(baseline, then, groups, fresh, "--baseline-sources"),
                    self._side(head, now, groups, fresh, "--head-sources"),
                )

        return run

    def _side(
        self,
        side: Side,
        sources: Checkout,
        groups: Sequence[Joined],
        seeds: Sequence[int],
        option: str,
    ) -> Side:
        """Run the groups of one side, and read what came of it."""
        folder = _folder_of(side)
        with tempfile.TemporaryDirectory(prefix="metabench-confirm-") as temporary:
            suite = _write_suite(folder, Path(temporary) / f"{FOLDER}.toml", seeds)
            for group in groups:
                self.tell(
                    f"{_name(group)}: {len(seeds)} fresh seeds of {side.name}, from {sources.said}"
                )
                sources.run(
                    self.project.data,
                    *("run", str(suite), "--out", str(folder / FOLDER), "--no-report"),
                    *("--stale", "rerun", "--device", self.using.device),
                    *("--workers", str(len(self.using.devices))),
                    *("--threads", str(self.using.threads)),
                    *_compiled(side.groups[group.key]),
                    *_only(group),
                )
                fresh = read_side(folder / FOLDER)
                _refuse_other_sources(side.groups[group.key], fresh, group, sources, option)
        return _of_seeds(fresh, seeds)


def _of_seeds(side: Side, seeds: Sequence[int]) -> Side:
    """What a side has of these seeds, without cells that nobody has run."""
    groups = {
        key: SideGroup(group.place, group.metric, cells)
        for key, group in side.groups.items()
        if (
            cells := {
                seed: cell
                for seed, cell in group.cells.items()
                if seed in seeds and cell.row.outcome != "missing"
            }
        )
    }
    return Side(side.name, side.suite, side.root_seed, groups, side.folder, side.remarks)


def _refuse_entry(side: Side) -> None:
    if side.entry is None:
        return
    commit = side.entry.commit
    again = f"`metabench run {side.suite} --out FOLDER`"
    again += f" in a checkout of {commit[:12]}" if commit else " where it was made"
    raise ConfigError(
        f"{one_line(side.name)}: an entry of the history keeps no suite, and --confirm would run "
        f"fresh seeds of one. {again} makes its run folder again: compare with that, or leave "
        "--confirm out"
    )


def _refuse_link(side: Side) -> None:
    """A run folder may be anyone's, and a link in it lead anywhere."""
    if side.folder is not None and (side.folder / FOLDER).is_symlink():
        raise FolderError(
            f"{one_line(side.folder / FOLDER)}: is a symbolic link, and in a run folder none is "
            "followed. Put what it points to in its place, or delete it"
        )


def _folder_of(side: Side) -> Path:
    if side.folder is None:
        raise ConfigError(f"{side.name}: is no run folder, and fresh seeds are those of one")
    if not (side.folder / "suite.toml").is_file():
        raise FolderError(
            f"{side.name}: has no suite.toml, so nobody knows how its cells were made. `metabench "
            "run` writes it"
        )
    return side.folder.absolute()


def _commit_of(side: Side) -> str:
    """The one commit that the records of a run name."""
    made = {(cell.commit, cell.dirty) for cell in side.cells if cell.record is not None}
    if len(made) == 1 and (only := made.pop()) and only[0] is not None and not only[1]:
        return only[0]
    found = some(side.commits) or "no commit"
    raise ConfigError(
        f"{side.name}: its records name {found}, which does not tell from which sources they were "
        "made: say it with --baseline-sources COMMIT or FOLDER"
    )


def _write_suite(folder: Path, path: Path, seeds: Sequence[int]) -> Path:
    """Write the suite that a run folder keeps, with other seeds."""
    data = read_document(folder / "suite.toml").data
    grids = data["grid"] if isinstance(data.get("grid"), list) else [data.get("grid", {})]
    data |= {"grid": [{**grid, "seeds": list(seeds)} for grid in grids], "keep_weights": False}
    path.write_text(toml_text(data))
    return path


def _compiled(group: SideGroup) -> list[str]:
    """What has training steps compiled where those of the group were: older sources know no such
    option."""
    found = (name for cell in group.cells.values() for name, _ in cell.row.conditions)
    return ["--compile", "always"] if "compiler" in found else []


def _only(group: Joined) -> list[str]:
    """What restricts a run to a group, as far as options can say it."""
    wanted = {
        key: value
        for key, value in group.place.items()
        if key in ("algorithm", "model", "dataset", "on", "ways", "shots") or "." in key
    }
    return [
        part
        for key, value in wanted.items()
        if value is not None and not any(mark in f"{key}{value}" for mark in UNSTEERED)
        for part in ("--only", f"{key}={value}")
    ]


def _refuse_other_sources(
    stored: SideGroup, fresh: Side, group: Joined, sources: Checkout, option: str
) -> None:
    """See that fresh seeds were made of the sources that the records were made of."""
    then = _sources(stored)
    now = _sources(fresh.groups[group.key]) if group.key in fresh.groups else {}
    if then and now and then != now:
        changed = [file for file in {**then, **now} if then.get(file) != now.get(file)]
        raise StaleError(
            f"{_name(group)}: its records were not made from the sources of {sources.said}: "
            f"{some(changed)} changed. Say from which with {option} COMMIT or FOLDER"
        )


def _sources(group: SideGroup) -> Mapping[str, str]:
    return next((cell.sources for cell in group.completed.values() if cell.sources), {})


def _name(group: Joined) -> str:
    place = group.place
    ways = f"{place['ways']}-way " if place.get("ways") else ""
    return f"{place['algorithm']} on {place['dataset']}, {ways}{place['shots']}-shot"
