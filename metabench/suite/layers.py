"""What is said about the points of a grid, table by table.

Each table that says something is a `Layer`: what it says, section by section, and for which points.
All of them have the same form, so precedence is the order of one list, and later ones win:
`benchmark.toml`, the suite's own recipe, `[models.X]`, `[datasets.X]`, `[algorithms.X]`, each
`[[override]]` in the order of the file, the profile. The values of axes come last, being
coordinates of the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metabench.registry.settings import unknown_key, wrong_value
from metabench.suite.document import Document, KeyPath
from metabench.suite.parsing import keys
from metabench.suite.project import Project
from metabench.suite.schema import (
    BUDGETS,
    SECTIONS,
    EvaluateTable,
    SeedsTable,
    SuiteTable,
    Table,
    TrainTable,
    ValidateTable,
)

RECIPE_TABLES: dict[str, type[Table]] = {
    "train": TrainTable,
    "validate": ValidateTable,
    "evaluate": EvaluateTable,
}
TABLES: dict[str, type[Table]] = {**RECIPE_TABLES, "seeds": SeedsTable}
"""Those whose keys are known without asking a method, model or dataset."""
EPISODES_OF_VALIDATION = ("episodes", "ways", "shots", "query_shots")


@dataclass(frozen=True)
class Point:
    """A point of a grid before seeds, in the suite's own words. `ways` is None for regression."""

    algorithm: str
    method: str
    model: str
    dataset: str
    ways: int | None
    shots: int
    axes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """What one table says, and for which points.

    Attributes
    ----------
    document, path
        Where the table stands.
    sections
        Section → key → value.
    when
        Coordinate → the values it is for; empty means everywhere.
    own
        The section whose keys stand directly in the table (`algorithm` in `[algorithms.X]`), or
        `axes`, where keys are dotted.
    """

    document: Document
    path: KeyPath
    sections: Mapping[str, Mapping[str, Any]]
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    own: str = ""

    def applies(self, point: Point) -> bool:
        """Whether this layer speaks about `point`."""
        return all(getattr(point, coordinate) in values for coordinate, values in self.when.items())

    def place(self, section: str, key: str) -> KeyPath:
        """Where in the document a key of a section stands."""
        if self.own == "axes":
            return (*self.path, f"{section}.{key}")
        return (*self.path, key) if section == self.own else (*self.path, section, key)


Said = dict[str, tuple[Any, Layer]]
"""The values that hold in a section after all layers, each with the layer that said it."""


def suite_layers(
    document: Document, table: SuiteTable, project: Project, profile: str | None
) -> list[Layer]:
    """Return every layer of a suite, in order of precedence, and refuse those that would give an
    algorithm test episodes of its own."""
    layers = [Layer(project.document, (), project.recipe), Layer(document, (), table.sections())]
    for name, model in table.models.items():
        layers.append(
            Layer(
                document,
                ("models", name),
                {"model": model.settings()},
                {"model": (name,)},
                own="model",
            )
        )
    for name, dataset in table.datasets.items():
        layers.append(
            Layer(
                document,
                ("datasets", name),
                dataset.sections() | {"dataset": dataset.settings()},
                {"dataset": (name,)},
                own="dataset",
            )
        )
    for name, entry in table.algorithms.items():
        sections = entry.sections() | {"algorithm": entry.settings()}
        layers.append(
            Layer(document, ("algorithms", name), sections, {"algorithm": (name,)}, own="algorithm")
        )
    for place, override in enumerate(table.override):
        layers.append(
            Layer(document, ("override", place), override.sections(), override.when.said())
        )
    if profile is not None:
        layers.append(Layer(document, ("profiles", profile), table.profiles[profile].sections()))
    _refuse_own_episodes(document, layers)
    return layers


def axes_layer(document: Document, grid: int, axes: Mapping[str, Any]) -> Layer:
    """Return the layer of one point's values on the axes of its grid."""
    sections: dict[str, dict[str, Any]] = {}
    for axis, value in axes.items():
        section, _, key = axis.partition(".")
        sections.setdefault(section, {})[key] = value
    return Layer(document, ("grid", grid, "axes"), sections, own="axes")


SEEDS_ARE_NO_AXIS = (
    'seeds are no axis: say seeds = ... in the grid; an axis "seeds.init", "seeds.data" or '
    '"seeds.test" holds one group of random streams'
)


def checked_axes(document: Document, grid: int, axes: Mapping[str, Sequence[Any]]) -> None:
    """Refuse axes that are no settings, or whose values do not fit. Settings of methods, models and
    datasets are checked where they apply."""
    problems: list[tuple[KeyPath, str]] = []
    for axis, values in axes.items():
        section, _, key = axis.partition(".")
        path = ("grid", grid, "axes", axis)
        if axis == "seeds":
            problems.append((path, SEEDS_ARE_NO_AXIS))
        elif section not in SECTIONS or not key:
            problems.append((path, unknown_key(section, SECTIONS, "an axis (SECTION.KEY)")))
        elif section in TABLES:
            annotations = keys(TABLES[section])
            if key not in annotations:
                problems.append((path, unknown_key(key, annotations, section)))
            else:
                problems += [
                    (path, wrong_value(annotations[key], value))
                    for value in values
                    if not _fits(section, key, value)
                ]
    if problems:
        raise document.error(*problems)


def merged(layers: Iterable[Layer], section: str) -> Said:
    """Lay the layers over one another. A budget (iterations, tasks or seconds) replaces whichever
    was said before."""
    said: Said = {}
    for layer in layers:
        table = layer.sections.get(section, {})
        if section == "train" and not table.keys().isdisjoint(BUDGETS):
            said = {key: value for key, value in said.items() if key not in BUDGETS}
        said |= {key: (value, layer) for key, value in table.items()}
    return said


def values(said: Said) -> dict[str, Any]:
    """Return key → value."""
    return {key: value for key, (value, _) in said.items()}


def refuse_shadowed_axes(layers: Iterable[Layer], axes: Mapping[str, Any]) -> None:
    """Refuse an override or a profile that sets what an axis sets: one of the two would be ignored
    in silence."""
    for layer in layers:
        for axis in axes:
            section, _, key = axis.partition(".")
            if layer.path[:1] in (("override",), ("profiles",)) and key in layer.sections.get(
                section, {}
            ):
                raise layer.document.error(
                    (
                        layer.place(section, key),
                        f"'{axis}' is an axis of a grid that this applies to; say it in one place",
                    )
                )


def _refuse_own_episodes(document: Document, layers: Iterable[Layer]) -> None:
    problems: list[tuple[KeyPath, str]] = []
    for layer in layers:
        if layer.when.keys().isdisjoint({"algorithm", "method"}):
            continue
        forbidden = [
            ("evaluate", key)
            for key in layer.sections.get("evaluate", {})
            if key not in ("batch_norm", "steps")
        ]
        forbidden += [
            ("validate", key)
            for key in layer.sections.get("validate", {})
            if key in EPISODES_OF_VALIDATION
        ]
        forbidden += [("seeds", key) for key in layer.sections.get("seeds", {})]
        if layer.own != "dataset":
            forbidden += [("dataset", key) for key in layer.sections.get("dataset", {})]
        why = (
            "validation and test episodes belong to the data: one algorithm cannot have "
            "its own; say it for all"
        )
        reasons = {
            "metric": "all algorithms are scored by one metric; say it for all",
            **dict.fromkeys(
                keys(SeedsTable), "algorithms are compared seed by seed; say it for all"
            ),
        }
        problems += [
            (layer.place(section, key), reasons.get(key, why)) for section, key in forbidden
        ]
    if problems:
        raise document.error(*problems)


def _fits(section: str, key: str, value: Any) -> bool:
    """Whether one value of an axis fits; in [evaluate] a list would be several."""
    said = [value] if section == "evaluate" and isinstance(value, list) else value
    try:
        TABLES[section].model_validate({key: said})
    except ValueError:  # pydantic's ValidationError is one
        return False
    return True
