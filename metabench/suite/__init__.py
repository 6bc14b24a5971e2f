"""Suites: a TOML file, found, read, checked, and expanded to its cells. Nothing is run or written
here; where data is missing, what is published of it tells.

`load_suite` is the whole interface. What a suite may say is in `schema`, which of its tables speak
about a point in `layers`, how a recipe comes of them in `recipes`, how grids become cells in
`grids`, what is refused as said in vain in `vain`, and as impossible beside the data in
`episode_shapes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metabench.cells import Cell
from metabench.claims import Claim
from metabench.errors import ConfigError, MetabenchError, nearest, some
from metabench.suite.claims import make_claims
from metabench.suite.document import Document, read_document
from metabench.suite.finding import MANY, find_suite, suite_names
from metabench.suite.grids import expand
from metabench.suite.layers import TABLES, Layer, merged, suite_layers, values
from metabench.suite.margins import refuse_crossed_margins
from metabench.suite.parsing import keys, normalised, parse
from metabench.suite.project import Project
from metabench.suite.restrictions import parse_seeds, selected_ids
from metabench.suite.schema import SuiteTable
from metabench.suite.toml import toml_text
from metabench.suite.written import Written
from metabench.text import one_line

__all__ = ["Suite", "every_suite", "find_suite", "load_suite", "parse_seeds", "suite_names"]


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
    path
        Its file.
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
    path: Path
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
    name = _name(path, document, table, profile)
    profile_seeds = None
    if profile is not None:
        profile_seeds = table.profiles[profile].seeds
        root_seed = table.profiles[profile].root_seed
        if root_seed is not None:
            table = table.model_copy(update={"root_seed": root_seed})
    said = suite_layers(document, table, project, profile)
    cells, needed, layers = expand(Written(document, table, said, project.data, profile_seeds))
    reference = _reference(document, table, cells)
    refuse_crossed_margins(document, table, project)
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
        selected=selected_ids(cells, seeds, only),
        claims=make_claims(document, table.claims, cells),
        resolved=_resolved(document, table, layers, reference, profile, profile_seeds),
        source=document.text,
        path=path,
        needed=needed,
    )


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


def _name(path: Path, document: Document, table: SuiteTable, profile: str | None) -> str:
    """Return the name of the suite's run folder, after seeing that there is such a profile."""
    if profile is None:
        return path.stem
    if profile not in table.profiles:
        known = some(table.profiles, MANY) or "none"
        raise ConfigError(
            f"{document.name}: there is no profile '{one_line(profile)}'; there are "
            f"{known}{nearest(profile, table.profiles)}"
        )
    name = f"{path.stem}-{profile}"
    if path.with_name(f"{name}.toml").exists():
        raise ConfigError(
            f"{document.name}: profile '{profile}' and the suite '{name}' would share a run "
            "folder; rename one of them"
        )
    return name


def _argument(path: Path, project: Project) -> str:
    """What `metabench run` is told in the project's folder to get this suite."""
    whole, suites = (
        Path(os.path.normpath(where.absolute())) for where in (path, project.suites)
    )  # links keep their names
    if whole.parent == suites:
        return path.stem
    return str(whole.relative_to(project.root)) if whole.is_relative_to(project.root) else str(path)


def _reference(document: Document, table: SuiteTable, cells: Iterable[Cell]) -> str:
    algorithms = list(dict.fromkeys(cell.labels["algorithm"] for cell in cells))
    if table.reference is None:
        return table.grid[0].algorithms[0]
    if table.reference not in algorithms:
        there = f"there are {some(algorithms, MANY)}{nearest(table.reference, algorithms)}"
        raise document.error((("reference",), f"no algorithm of the grids; {there}"))
    return table.reference


def _resolved(
    document: Document,
    table: SuiteTable,
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
        if key not in (*TABLES, "profiles", "reference")
    }
    data["reference"] = reference
    if table.root_seed != data.get("root_seed", 0):  # the profile's
        data["root_seed"] = table.root_seed
    project, suite = layers[:2]
    for section, known in TABLES.items():
        said = values(merged([project, suite], section))
        data |= {section: {key: said[key] for key in keys(known) if key in said}} if said else {}
    if profile is not None and layers[-1].sections:
        data["override"] = [*data.get("override", []), dict(layers[-1].sections)]
    if seeds is not None:
        data["grid"] = [{**grid, "seeds": list(seeds)} for grid in data["grid"]]
    return toml_text({key: data[key] for key in keys(SuiteTable) if key in data})
