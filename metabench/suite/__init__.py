"""Suites: a TOML file, found, read, checked, and expanded to its cells. Nothing is run or written
here, and no data is needed.

`load_suite` is the whole interface. What a suite may say is in `schema`, how a recipe comes
together in `layers`, how grids become cells in `grids`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metabench.cells import Cell
from metabench.errors import ConfigError, MetabenchError, nearest, some
from metabench.suite.claims import Claim, make_claims
from metabench.suite.document import Document, read_document, toml_text
from metabench.suite.grids import Expansion
from metabench.suite.layers import RECIPE_TABLES, Layer, merged, suite_layers, values
from metabench.suite.parsing import keys, normalised, parse
from metabench.suite.project import Project
from metabench.suite.schema import MAX_SEEDS, SuiteTable, is_name
from metabench.text import one_line

MANY = 20
"""Names that a message lists; more are counted."""

_SEEDS = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


@dataclass(frozen=True)
class Suite:
    """A suite, ready to plan or to run.

    Attributes
    ----------
    name
        Stem of the file, with `-<profile>` where one was chosen; names the run folder.
    argument, profile
        What `metabench run` is told to get this suite.
    title, description
        For the report.
    reference
        The algorithm that the others are tested against.
    root_seed
        Root of every random stream.
    keep_weights
        Whether the run folder keeps the weights of every fit.
    cells
        The whole suite, in the order to run: by seed, then point of the grid, then algorithm.
    needed
        For each fit that others need and none of the cells is of, a cell as it would be tested.
    selected
        Ids of the cells that are wanted now (`--only`, `--seeds`); all, unless restricted.
    claims
        The hypotheses, fixed before the data.
    resolved
        The suite as TOML with the project's defaults and the profile worked in: it expands to the
        same cells without either.
    source
        The text as the user wrote it.
    """

    name: str
    argument: str
    profile: str | None
    title: str
    description: str
    reference: str
    root_seed: int
    keep_weights: bool
    cells: tuple[Cell, ...]
    selected: frozenset[str]
    claims: tuple[Claim, ...]
    resolved: str
    source: str
    needed: tuple[Cell, ...] = ()

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Labels of the algorithms, in order of first appearance."""
        return tuple(dict.fromkeys(cell.labels["algorithm"] for cell in self.cells))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Labels of the datasets, in order of first appearance."""
        return tuple(dict.fromkeys(cell.labels["dataset"] for cell in self.cells))


def load_suite(
    name_or_path: str | None,
    project: Project,
    *,
    profile: str | None = None,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] = (),
) -> Suite:
    """Load a suite by its name in the project's `suites` folder, or by path.

    Parameters
    ----------
    name_or_path
        None means the project's default suite.
    profile
        One of the suite's profiles.
    seeds
        Of these seeds only, among those of the suite.
    only
        Restrictions such as `algorithm=maml,fomaml` or `ways=5`; all of them must hold.

    Raises
    ------
    ConfigError
        The suite cannot be found, or says something impossible; or a restriction leaves nothing.
    """
    path = find_suite(name_or_path, project)
    document = normalised(read_document(path))
    table = parse(document, SuiteTable)
    if profile is not None and profile not in table.profiles:
        known = some(table.profiles, MANY) or "none"
        raise ConfigError(
            f"{document.name}: there is no profile '{one_line(profile)}'; there are "
            f"{known}{nearest(profile, table.profiles)}"
        )
    name = path.stem if profile is None else f"{path.stem}-{profile}"
    if profile is not None and path.with_name(f"{name}.toml").exists():
        raise ConfigError(
            f"{document.name}: profile '{profile}' and the suite '{name}' would share a run "
            "folder; rename one of them"
        )
    layers = suite_layers(document, table, project, profile)
    profile_seeds = table.profiles[profile].seeds if profile is not None else None
    cells, needed = Expansion(document, table, layers, profile_seeds).cells()
    reference = _reference(document, table, cells)
    return Suite(
        name=name,
        argument=_argument(path, project),
        profile=profile,
        title=table.title or name,
        description=table.description,
        reference=reference,
        root_seed=table.root_seed,
        keep_weights=table.keep_weights,
        cells=cells,
        selected=_selected(cells, seeds, only),
        claims=make_claims(document, table.claims, cells),
        resolved=_resolved(document, layers, reference, profile, profile_seeds),
        source=document.text,
        needed=needed,
    )


def find_suite(name_or_path: str | None, project: Project) -> Path:
    """Return the file of a suite.

    Raises
    ------
    ConfigError
        There is none; the message lists those that there are.
    """
    known = suite_names(project)
    wanted = name_or_path if name_or_path is not None else project.suite
    there = f"there are {some(known, MANY) or 'none'} in {project.suites.name}/"
    if wanted is None:
        raise ConfigError(f"which suite? Name one, or set suite in benchmark.toml; {there}")
    is_path = "/" in wanted or wanted.endswith(".toml")
    path = Path(wanted) if is_path else project.suites / f"{wanted}.toml"
    if name_or_path is None and is_path:
        path = project.root / path
    if not is_name(path.stem):
        raise ConfigError(
            f"'{one_line(wanted)}' cannot name a suite: use letters, digits and _ . + - only, at "
            "most 64, with no . or - in front"
        )
    try:
        found = path.is_file()
    except OSError as error:  # without permission, or too long
        raise ConfigError(f"'{one_line(wanted)}': cannot be read: {error.strerror}") from None
    if not found or path.suffix != ".toml":
        no_suite = f"no such suite; {there}{nearest(wanted, known)}"
        why = one_line(_no_such_file(path)) if is_path else no_suite
        raise ConfigError(f"'{one_line(wanted)}': {why}")
    return path


def suite_names(project: Project) -> list[str]:
    """Return the names of the project's suites, sorted.

    Raises
    ------
    ConfigError
        The folder of the suites cannot be read.
    """
    try:
        files = [Path(entry.name) for entry in os.scandir(project.suites) if _is_file(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"{project.suites}: the suites cannot be read: {error.strerror}"
        ) from None
    return sorted(file.stem for file in files if file.suffix == ".toml" and is_name(file.stem))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether this is a regular file; a link that leads nowhere, or round in a loop, is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def every_suite(project: Project) -> dict[str, Suite | MetabenchError]:
    """Return the project's suites by name, sorted, and in place of one that cannot be loaded what
    is wrong with it."""
    suites: dict[str, Suite | MetabenchError] = {}
    for name in suite_names(project):
        try:
            suites[name] = load_suite(name, project)
        except MetabenchError as error:
            suites[name] = error
    return suites


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that `0-4` or `0,2,7` names.

    Raises
    ------
    ConfigError
        It names none.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < first + MAX_SEEDS:
            raise ConfigError(
                f"seeds {one_line(text) or repr(text)}: expected seeds such as 0-4 or 0,2,7"
            )
        seeds += range(first, last + 1)
    return sorted(set(seeds))


def _argument(path: Path, project: Project) -> str:
    """What `metabench run` is told in the project's folder to get this suite."""
    whole, suites = (
        Path(os.path.normpath(where.absolute())) for where in (path, project.suites)
    )  # links keep their names
    if whole.parent == suites:
        return path.stem
    return str(whole.relative_to(project.root)) if whole.is_relative_to(project.root) else str(path)


def _no_such_file(path: Path) -> str:
    if path.exists():
        return f"is {'a folder' if path.is_dir() else 'another file'}, and a suite is a TOML file"
    meant = path.with_name(f"{path.name}.toml")
    return "no such file" + (f" (did you mean '{meant}'?)" if meant.is_file() else "")


def _reference(document: Document, table: SuiteTable, cells: Iterable[Cell]) -> str:
    algorithms = list(dict.fromkeys(cell.labels["algorithm"] for cell in cells))
    if table.reference is None:
        return table.grid[0].algorithms[0]
    if table.reference not in algorithms:
        there = f"there are {some(algorithms, MANY)}{nearest(table.reference, algorithms)}"
        raise document.error((("reference",), f"no algorithm of the grids; {there}"))
    return table.reference


def _selected(
    cells: Sequence[Cell], seeds: Sequence[int] | None, only: Sequence[str]
) -> frozenset[str]:
    """Return the ids of the cells that the restrictions leave."""
    there = sorted({cell.fit.seed for cell in cells})
    if seeds is not None and (strange := sorted(set(seeds) - set(there))):
        raise ConfigError(
            f"seeds: the suite has no seed {some(map(str, strange), MANY)}; it has "
            f"{some(map(str, there), MANY)}"
        )
    selected = [cell for cell in cells if seeds is None or cell.fit.seed in seeds]
    for pattern in only:
        key, equals, wanted = pattern.partition("=")
        choices = {str(_coordinates(cell).get(key)) for cell in cells} - {"None"}
        if not equals or not choices:
            known = sorted({name for cell in cells for name in _coordinates(cell)})
            raise ConfigError(
                f"only {one_line(pattern)}: expected KEY=VALUE[,VALUE] with a key of "
                f"{', '.join(known)}{nearest(key, known)}"
            )
        for value in wanted.split(","):
            if value not in choices:
                there_are = f"there are {some(sorted(choices), MANY)}{nearest(value, choices)}"
                raise ConfigError(
                    f"only {one_line(pattern)}: no cell has {key}={one_line(value)}; {there_are}"
                )
        selected = [
            cell for cell in selected if str(_coordinates(cell).get(key)) in wanted.split(",")
        ]
    if not selected:
        raise ConfigError(f"only {one_line(' '.join(only))}: no cell has all of this")
    return frozenset(cell.id for cell in selected)


def _coordinates(cell: Cell) -> Mapping[str, Any]:
    return {
        **cell.labels,
        "method": cell.fit.method.name,
        "ways": cell.evaluate.ways,
        "shots": cell.evaluate.shots,
    }


def _resolved(
    document: Document,
    layers: Sequence[Layer],
    reference: str,
    profile: str | None,
    seeds: Sequence[int] | None,
) -> str:
    """Write the suite as it stands after the project's defaults and the profile: those two are what
    a copy elsewhere would lack."""
    data = {
        key: value
        for key, value in document.data.items()
        if key not in (*RECIPE_TABLES, "profiles", "reference")
    }
    data["reference"] = reference
    project, suite = layers[:2]
    for section, table in RECIPE_TABLES.items():
        said = values(merged([project, suite], section))
        data |= {section: {key: said[key] for key in keys(table) if key in said}} if said else {}
    if profile is not None and layers[-1].sections:
        data["override"] = [*data.get("override", []), dict(layers[-1].sections)]
    if seeds is not None:
        data["grid"] = [{**grid, "seeds": list(seeds)} for grid in data["grid"]]
    return toml_text({key: data[key] for key in keys(SuiteTable) if key in data})
