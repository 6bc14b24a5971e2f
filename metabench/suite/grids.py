"""From grids to cells: every point, its recipe, its fits and the cells that share them, each
once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from reprlib import repr as shortened
from typing import Any, NamedTuple

from metabench.cells import Cell, Evaluate, Fit, Part
from metabench.errors import ConfigError, PluginError, nearest
from metabench.identity import canonical
from metabench.registry import Group, accusation, blamed, checked, get, names, unknown_name
from metabench.registry.settings import build
from metabench.suite.document import Document, KeyPath
from metabench.suite.layers import (
    Layer,
    Point,
    axes_layer,
    checked_axes,
    merged,
    refuse_shadowed_axes,
    refuse_target_out_of_reach,
    refuse_vain_steps,
    resolve_part,
    resolve_recipe,
    values,
)
from metabench.suite.needs import below, needed_points, refuse_bare, refuse_wrong_needs
from metabench.suite.networks import Networks, task_of
from metabench.suite.schema import SECTION_OF, TABLE_OF, GridTable, SuiteTable

MAX_CELLS = 100_000
SAME = "same"


class Expanded(NamedTuple):
    """What grids come to: their cells, each once; and for each fit that these need and none of them
    is of, one as it would be tested."""

    cells: tuple[Cell, ...]
    needed: tuple[Cell, ...]


@dataclass(frozen=True)
class Expansion:
    """Expands the grids of one suite.

    Attributes
    ----------
    document, table
        The suite as written and as parsed.
    layers
        Everything that is said about recipes and settings, in order of precedence.
    seeds
        In place of those of every grid, where a profile says so.
    """

    document: Document
    table: SuiteTable
    layers: Sequence[Layer]
    seeds: Sequence[int] | None = None

    @cached_property
    def _networks(self) -> Networks:
        return Networks()

    @cached_property
    def labels(self) -> dict[Group, dict[str, str]]:
        """For each group: every label that the suite may use, with the registered name behind
        it."""
        entries: dict[Group, dict[str, str | None]] = {
            "methods": {name: entry.method for name, entry in self.table.algorithms.items()},
            "models": {name: entry.model for name, entry in self.table.models.items()},
            "datasets": {name: entry.dataset for name, entry in self.table.datasets.items()},
        }
        return {
            group: {name: name for name in names(group)}
            | {label: registered or label for label, registered in named.items()}
            for group, named in entries.items()
        }

    def cells(self) -> Expanded:
        """Return every cell of the suite once: by seed, then point, then algorithm, so that a slow
        hour touches all algorithms alike; and one for each fit that is needed and has none.

        Raises
        ------
        ConfigError
            Something impossible, or said in vain.
        """
        try:
            return self._cells()
        except PluginError as error:
            raise self.document.error(
                (self._place_of(error.group, error.name), str(error))
            ) from error

    def _cells(self) -> Expanded:
        self._check_entries()
        refuse_wrong_needs(self.document, self.table, self.labels)
        grids = list(enumerate(self.table.grid))
        self._refuse_explosion(
            sum(math.prod(_factors(grid, self.seeds).values()) for _, grid in grids)
        )
        points = [(number, point) for number, grid in grids for point in self._points(number, grid)]
        needed = [
            (number, other)
            for number, point in points
            for other in below(self.table, self.labels, point)
        ]
        for number, algorithm, dataset in dict.fromkeys(
            (number, point.algorithm, point.dataset) for number, point in needed
        ):
            kind = get("datasets", self.labels["datasets"][dataset]).kind
            self._refuse_pairs(number, algorithm, {dataset: kind})
        self._refuse_vain_layers([point for _, point in (*points, *needed)])
        refuse_vain_steps(
            self.document, (self._layers_at(number, point) for number, point in (*points, *needed))
        )
        cells = self._each_once(self._at_every_seed(points))
        fits = {cell.fit.id for cell in cells}
        others = {cell.fit.id: cell for cell in self._at_every_seed(needed)}
        return Expanded(cells, tuple(cell for fit, cell in others.items() if fit not in fits))

    def _at_every_seed(self, points: Iterable[tuple[int, Point]]) -> list[Cell]:
        """The cells of points, each with the number of its grid, ordered by seed."""
        cells: list[Cell] = []
        for number, point in points:
            first = self._cells_of(number, point)
            for seed in self._seeds(number):
                fit = first[0].fit.at_seed(seed)
                cells += [replace(cell, fit=fit) for cell in first]
            self._refuse_explosion(len(cells))
        return sorted(cells, key=lambda cell: cell.fit.seed)

    def _place_of(self, group: str, name: str) -> KeyPath:
        """Where the suite names a plugin: in an entry or a grid; else it is tested on, or is the
        default model of a dataset that is named there."""
        registered: Mapping[str, str] = {**self.labels}.get(group, {})  # type: ignore[call-overload]
        labels = [label for label, behind in registered.items() if behind == name]
        for label in labels:
            if label in getattr(self.table, TABLE_OF[group]):
                return (TABLE_OF[group], label)
        for number, grid in enumerate(self.table.grid):
            if not set(labels).isdisjoint(getattr(grid, TABLE_OF[group]) or ()):
                return ("grid", number, TABLE_OF[group])
        return ("evaluate", "on") if group == "datasets" else ("grid", 0, "datasets")

    def _seeds(self, number: int) -> Sequence[int]:
        return self.seeds if self.seeds is not None else self.table.grid[number].seeds

    def _check_entries(self) -> None:
        """Refuse entries for names that nobody registered, and settings that they do not take;
        entries no grid uses included."""
        entries: list[tuple[Group, str, Mapping[str, Any]]] = [
            *(
                ("methods", label, entry.settings())
                for label, entry in self.table.algorithms.items()
            ),
            *(("models", label, entry.settings()) for label, entry in self.table.models.items()),
            *(
                ("datasets", label, entry.settings())
                for label, entry in self.table.datasets.items()
            ),
        ]
        problems: list[tuple[KeyPath, str]] = []
        for group, label, settings in entries:
            registered = self.labels[group][label]
            if registered not in names(group):
                problems.append(self._unregistered(group, label, registered, settings))
                continue
            for key, value in settings.items():
                try:
                    checked(group, registered, key, value)
                except ValueError as error:
                    problems.append(((TABLE_OF[group], label, key), str(error)))
        if problems:
            raise self.document.error(*problems)

    def _unregistered(
        self, group: Group, label: str, registered: str, settings: Mapping[str, Any]
    ) -> tuple[KeyPath, str]:
        key, table = group[:-1], TABLE_OF[group]
        if key in self.document.value((table, label)):
            return (table, label, key), unknown_name(group, registered)
        meant = get_close_matches(key, settings, n=1)
        return (
            (table, label),
            f"lacks '{key}'{f' (is {meant[0]!r} meant for it?)' if meant else ''}: "
            f"{unknown_name(group, registered)}",
        )

    def _points(self, number: int, grid: GridTable) -> Iterator[Point]:
        """Yield the points of one grid, algorithms fastest."""
        models = {dataset: self._models(number, grid, dataset) for dataset in grid.datasets}
        kinds = {
            dataset: get("datasets", self._registered(number, "datasets", dataset)).kind
            for dataset in grid.datasets
        }
        ways = self._ways(number, grid, kinds)
        checked_axes(self.document, number, grid.axes)
        axes = [
            dict(zip(grid.axes, point, strict=True))
            for point in itertools.product(*grid.axes.values())
        ]
        for algorithm in grid.algorithms:
            self._refuse_pairs(number, algorithm, kinds)
        refuse_bare(self.document, self.table, self.labels, number)
        for dataset in grid.datasets:
            for model, way, shot, axis, algorithm in itertools.product(
                models[dataset], ways[dataset], grid.shots, axes, grid.algorithms
            ):
                yield Point(
                    algorithm, self.labels["methods"][algorithm], model, dataset, way, shot, axis
                )

    def _registered(self, number: int, group: Group, label: str) -> str:
        """Return the registered name behind a label of a grid."""
        if label not in self.labels[group]:
            known = sorted(self.labels[group])
            why = (
                f"no {SECTION_OF[group]} is called '{label}'; there are "
                f"{', '.join(known)}{nearest(label, known)}"
            )
            raise self.document.error((("grid", number, TABLE_OF[group]), why))
        return self.labels[group][label]

    def _models(self, number: int, grid: GridTable, dataset: str) -> Sequence[str]:
        """Return the models for a dataset: the grid's, or the dataset's default."""
        found = get("datasets", self._registered(number, "datasets", dataset))
        models = grid.models or [found.default_model]
        for label in models:
            kinds = get("models", self._registered(number, "models", label)).kinds
            if found.kind not in kinds:
                why = (
                    f"the model '{label}' is for {' and '.join(sorted(kinds))}, and the "
                    f"dataset '{dataset}' is {found.kind}"
                )
                raise self.document.error((("grid", number, "models"), why))
        return models

    def _ways(
        self, number: int, grid: GridTable, kinds: Mapping[str, str]
    ) -> dict[str, Sequence[int | None]]:
        """Return the ways of each dataset: the grid's for classification, none for regression."""
        classification = [dataset for dataset, kind in kinds.items() if kind == "classification"]
        if grid.ways and not classification:
            raise self.document.error(
                (
                    ("grid", number, "ways"),
                    f"regression has no ways, and {', '.join(kinds)} is all regression; take it "
                    "out",
                )
            )
        if classification and not grid.ways:
            raise self.document.error(
                (
                    ("grid", number),
                    f"lacks 'ways', which {', '.join(classification)} needs: classes an episode, "
                    "such as 5",
                )
            )
        return {
            dataset: grid.ways or [] if dataset in classification else [None] for dataset in kinds
        }

    def _refuse_pairs(self, number: int, algorithm: str, kinds: Mapping[str, str]) -> None:
        method = get("methods", self._registered(number, "methods", algorithm))
        for dataset, kind in kinds.items():
            if method.told and not get("datasets", self.labels["datasets"][dataset]).tells:
                why = (
                    f"'{algorithm}' must be told what defines a task, and the dataset "
                    f"'{dataset}' cannot say it; give them grids of their own"
                )
                raise self.document.error((("grid", number, "algorithms"), why))
            if method.trains_on == "examples" and not self._has_examples(dataset):
                why = (
                    f"'{algorithm}' trains on single examples, and the dataset "
                    f"'{dataset}' has episodes alone; give them grids of their own"
                )
                raise self.document.error((("grid", number, "algorithms"), why))
            if kind not in (serves := method.kinds):
                why = (
                    f"'{algorithm}' serves {' and '.join(sorted(serves))} only, and the "
                    f"dataset '{dataset}' is {kind}; give them grids of their own"
                )
                raise self.document.error((("grid", number, "algorithms"), why))

    def _has_examples(self, dataset: str) -> bool:
        """Whether a dataset overrides what gives single examples."""
        from metabench.datasets.dataset import Dataset

        found = get("datasets", self.labels["datasets"][dataset])
        return found.training_task is not Dataset.training_task

    def _refuse_other_ways(self, number: int, point: Point, fit: Fit) -> None:
        """A network with one output a class cannot meet episodes of other ways than it was trained
        with."""
        met = {"train.ways": fit.train.ways, "validate.ways": fit.validate.ways}
        if get("methods", fit.method.name).fixed_ways:
            for key, ways in met.items():
                if ways != point.ways:
                    why = (
                        f"'{point.algorithm}' has one output a class: with {key} = "
                        f"{ways} it cannot meet {point.ways} ways; take {key} out"
                    )
                    raise self.document.error((("grid", number, "ways"), why))

    def _refuse_explosion(self, total: int) -> None:
        if total > MAX_CELLS:
            factors = "; ".join(
                " x ".join(f"{count} {name}" for name, count in _factors(grid, self.seeds).items())
                for grid in self.table.grid
            )
            raise self.document.error(
                (
                    ("grid",),
                    f"more than {MAX_CELLS:,} cells: {factors}, and lists in [evaluate] multiply "
                    "these",
                )
            )

    def _refuse_vain_layers(self, points: Sequence[Point]) -> None:
        """Refuse overrides that say nothing or match nothing, and ways where all is regression."""
        for layer in self.layers:
            for section in ("train", "validate"):
                said = layer.document is self.document and "ways" in layer.sections.get(section, {})
                if said and all(point.ways is None for point in points if layer.applies(point)):
                    raise self.document.error(
                        (
                            layer.place(section, "ways"),
                            "regression has no ways, and nothing else is there; take it out",
                        )
                    )
            if layer.path[:1] != ("override",):
                continue
            if not layer.sections:
                raise self.document.error(
                    (layer.path, "sets nothing; say what differs, such as train.iterations = 1000")
                )
            for coordinate, wanted in layer.when.items():
                there = sorted({getattr(point, coordinate) for point in points} - {None})
                if strange := [value for value in wanted if value not in there]:
                    close = nearest(str(strange[0]), map(str, there))
                    why = (
                        "matches nothing: the grids have "
                        f"{', '.join(map(str, there)) or 'none'}{close}"
                    )
                    raise self.document.error(((*layer.path, "when", coordinate), why))
            if not any(layer.applies(point) for point in points):
                raise self.document.error(
                    (
                        (*layer.path, "when"),
                        "matches nothing: no point of the grids has all of this",
                    )
                )

    def _layers_at(self, number: int, point: Point) -> list[Layer]:
        """All that is said about a point, in order of precedence; its values on the axes come
        last."""
        return [
            *(layer for layer in self.layers if layer.applies(point)),
            axes_layer(self.document, number, point.axes),
        ]

    def _cells_of(self, number: int, point: Point) -> list[Cell]:
        """Return the cells of one point, for the first seed."""
        layers = self._layers_at(number, point)
        refuse_shadowed_axes(layers, point.axes)
        method = resolve_part("methods", point.algorithm, point.method, layers)
        model = resolve_part("models", point.model, self.labels["models"][point.model], layers)
        dataset = resolve_part(
            "datasets", point.dataset, self.labels["datasets"][point.dataset], layers
        )
        train, validate = resolve_recipe(self.document, point, layers)
        needs = {
            role: self._cells_of(number, other)[0].fit
            for role, other in needed_points(self.table, self.labels, point).items()
        }
        fit = Fit(
            point.algorithm,
            method,
            model,
            dataset,
            train,
            validate,
            self._seeds(number)[0],
            self.table.root_seed,
            needs,
        )
        self._refuse_other_ways(number, point, fit)
        refuse_target_out_of_reach(point, fit, layers)
        self._networks.refuse_misfit(fit, layers, self.document, ("grid", number))
        labels = {
            "algorithm": point.algorithm,
            "model": point.model,
            "dataset": point.dataset,
            "on": SAME,
            **point.axes,
        }
        cells: dict[str, Cell] = {}
        for evaluate, on in self._evaluations(number, point, layers, fit):
            cell = Cell(fit, evaluate, {**labels, "on": on})
            # batch norm modes are one where the model has no batch norm
            cells.setdefault(cell.id, cell)
        return list(cells.values())

    def _evaluations(
        self, number: int, point: Point, layers: Sequence[Layer], fit: Fit
    ) -> Iterator[tuple[Evaluate, str]]:
        """Yield every evaluation of a fit, with the label of the dataset it is on."""
        said = merged(layers, "evaluate")
        lists: dict[str, list[Any]] = {
            "batch_norm": ["default"],
            "on": [SAME],
            "steps": ["default"],
        }
        # an axis says one at a time
        lists |= {
            key: value if isinstance(value, list) else [value]
            for key, value in values(said).items()
        }
        if not _has_batch_norm(fit.model):
            lists["batch_norm"] = [None]
        if not get("methods", fit.method.name).adapts:
            lists["steps"] = ["default"]
        self._refuse_explosion(math.prod(map(len, lists.values())))
        for choice in itertools.product(*lists.values()):
            evaluate = dict(zip(lists, choice, strict=True))
            if evaluate["batch_norm"] == "default":
                evaluate["batch_norm"] = fit.method.settings["test_batch_norm"]
            elif evaluate["batch_norm"] is not None:
                self._check_batch_norm(
                    fit.method.name, evaluate["batch_norm"], said["batch_norm"][1]
                )
            evaluate["steps"] = None if evaluate["steps"] == "default" else evaluate["steps"]
            label = evaluate.pop("on")
            other = (
                self._other_dataset(number, point, label, fit, said["on"][1])
                if label not in (SAME, point.dataset)
                else None
            )
            yield (
                Evaluate(point.ways, point.shots, **evaluate, on=other),
                SAME if other is None else label,
            )

    def _check_batch_norm(self, method: str, mode: str, layer: Layer) -> None:
        try:
            checked("methods", method, "test_batch_norm", mode)
        except ValueError as error:
            raise layer.document.error(
                (
                    layer.place("evaluate", "batch_norm"),
                    f"'{method}' cannot be tested with '{mode}': {error}",
                )
            ) from None

    def _other_dataset(
        self, number: int, point: Point, label: str, fit: Fit, layer: Layer
    ) -> Part | None:
        """Return the dataset `label`, on which a fit of another dataset is tested; None where the
        two are the same."""

        def refused(why: str) -> ConfigError:
            return layer.document.error((layer.place("evaluate", "on"), why))

        if label not in self.labels["datasets"]:
            known = [SAME, *sorted(self.labels["datasets"])]
            raise refused(
                f"no dataset is called '{label}'; there are "
                f"{', '.join(known)}{nearest(label, known)}"
            )
        registered = self.labels["datasets"][label]
        part = resolve_part(
            "datasets", label, registered, self._layers_at(number, replace(point, dataset=label))
        )
        kinds = [get("datasets", found.name).kind for found in (fit.dataset, part)]
        if kinds[0] != kinds[1]:
            raise refused(
                f"weights trained on '{point.dataset}', which is {kinds[0]}, cannot be tested on "
                f"'{label}', which is {kinds[1]}"
            )
        shapes = [task_of(found, point.ways).input_shape for found in (fit.dataset, part)]
        if shapes[0] != shapes[1]:
            raise refused(
                f"weights trained on '{point.dataset}' take inputs of shape {shapes[0]}, and those "
                f"of '{label}' have {shapes[1]}"
            )
        return None if part.identity() == fit.dataset.identity() else part

    def _each_once(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Drop cells that two grids share, and refuse two names for one cell."""
        unique: dict[str, Cell] = {}
        for cell in cells:
            twin = unique.setdefault(cell.id, cell)
            if twin is not cell and canonical(twin.labels) != canonical(cell.labels):
                first, second = (
                    ", ".join(f"{key} = {value}" for key, value in labels.items())
                    for labels in (twin.labels, cell.labels)
                )
                label = cell.labels["algorithm"]
                path: KeyPath = (
                    ("algorithms", label) if label in self.table.algorithms else ("grid",)
                )
                why = (
                    f"two names for the same cell: ({first}) and ({second}) have the "
                    "same method, settings and recipe; drop one, or set them apart"
                )
                raise self.document.error((path, why))
        return tuple(unique.values())


def _has_batch_norm(part: Part) -> bool:
    model = get("models", part.name)
    with blamed("models", part.name):
        answer = model.has_batch_norm(build(model.Settings, part.settings))
    if not isinstance(answer, bool):
        raise accusation(
            "models",
            part.name,
            f"answers has_batch_norm with {shortened(answer)}; expected True or False",
        )
    return answer


def _factors(grid: GridTable, seeds: Sequence[int] | None) -> dict[str, int]:
    """Return what multiplies to the number of points of a grid, seeds included."""
    lists: dict[str, Sequence[Any] | None] = {
        "algorithms": grid.algorithms,
        "models": grid.models,
        "datasets": grid.datasets,
        "ways": grid.ways,
        "shots": grid.shots,
        "seeds": seeds or grid.seeds,
        **grid.axes,
    }
    return {name: len(items) for name, items in lists.items() if items}
