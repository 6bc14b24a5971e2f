"""From grids to cells, on one page: every point, its recipe, its fit and the cells that share it,
each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from metabench.cells import Cell, Fit
from metabench.errors import PluginError
from metabench.identity import canonical
from metabench.registry import get
from metabench.suite.document import KeyPath
from metabench.suite.entries import check_entries
from metabench.suite.episode_shapes import EpisodeShapes
from metabench.suite.evaluations import SAME, evaluations
from metabench.suite.layers import Layer, Point, refuse_shadowed_axes
from metabench.suite.needs import needed_points, needs_at, refuse_wrong_needs
from metabench.suite.networks import Networks
from metabench.suite.points import points_of, refuse_explosion
from metabench.suite.reach import shaping
from metabench.suite.recipes import refuse_target_out_of_reach, resolve_part, resolve_recipe
from metabench.suite.seeds import at_seed, held_seeds
from metabench.suite.vain import refuse_vain_overrides, without_vain_keys
from metabench.suite.written import Written


class Expanded(NamedTuple):
    """What the grids of a suite come to.

    Attributes
    ----------
    cells
        Each once: by seed, then point, then algorithm, so that a slow hour touches all algorithms
        alike.
    needed
        For each fit that others need and none of the cells is of, a cell as it would be tested.
    layers
        What they were made of: those of the suite, without what `benchmark.toml` says in vain.
    """

    cells: tuple[Cell, ...]
    needed: tuple[Cell, ...]
    layers: Sequence[Layer]


def expand(written: Written) -> Expanded:
    """Expand the grids of a suite.

    Raises
    ------
    ConfigError
        Something impossible, or said in vain.
    """
    try:
        return _expanded(written)
    except PluginError as error:
        raise written.error(written.place_of(error.group, error.name), str(error)) from error


def _expanded(written: Written) -> Expanded:
    check_entries(written)
    refuse_wrong_needs(written)
    points = points_of(written)
    below = needed_points(written, points)
    refuse_vain_overrides(written, [point for _, point in (*points, *below)])
    written = without_vain_keys(written, [*points, *below])
    networks, shapes = Networks(), EpisodeShapes(written.data)
    cells = _each_once(written, _at_every_seed(written, points, networks, shapes))
    fits = {cell.fit.id for cell in cells}
    needed = {
        cell.fit.id: cell
        for cell in _at_every_seed(written, below, networks, shapes)
        if cell.fit.id not in fits
    }
    return Expanded(cells, tuple(needed.values()), written.layers)


def _at_every_seed(
    written: Written,
    points: Sequence[tuple[int, Point]],
    networks: Networks,
    shapes: EpisodeShapes,
) -> list[Cell]:
    """Return the cells of points, each with the number of its grid, ordered by seed."""
    cells: list[Cell] = []
    for number, point in points:
        split_anew = written.splits_anew_at(number, point)
        for place, seed in enumerate(written.seeds_of(number)):
            if place == 0 or split_anew:
                here = written.at_seed(seed)
                layers = here.layers_at(number, point)
                held = held_seeds(written, number, layers, split_anew=split_anew)
                one = _cells_of(here, number, point, layers, networks)
                shapes.refuse_impossible(here, number, one, layers)
            cells += at_seed(one, seed, held)
        refuse_explosion(written, len(cells))
    return sorted(cells, key=lambda cell: cell.seed)


def _cells_of(
    written: Written, number: int, point: Point, layers: Sequence[Layer], networks: Networks
) -> list[Cell]:
    """Return the cells of one point, at the first seed but for the split of classes."""
    refuse_shadowed_axes(layers, point.axes)
    fit, target = _fit(written, number, point, layers)
    _refuse_other_ways(written, number, point, fit)
    refuse_target_out_of_reach(point, fit, target, layers)
    fit = shaping(fit)
    target = target if fit.train.has_budget else None
    networks.refuse_misfit(fit, layers, written.document, ("grid", number))
    labels = {
        "algorithm": point.algorithm,
        "model": point.model,
        "dataset": point.dataset,
        "on": SAME,
        **point.axes,
    }
    cells: dict[str, Cell] = {}
    for evaluate, on in evaluations(written, number, point, layers, fit):
        cell = Cell(fit, evaluate, {**labels, "on": on}, target)
        # batch norm modes are one where the model has no batch norm
        cells.setdefault(cell.id, cell)
    return list(cells.values())


def _fit(
    written: Written, number: int, point: Point, layers: Sequence[Layer]
) -> tuple[Fit, float | None]:
    """Return the fit of one point, for the first seed, and the target of its validation."""
    models, datasets = written.labels["models"], written.labels["datasets"]
    method = resolve_part("methods", point.algorithm, point.method, layers)
    model = resolve_part("models", point.model, models[point.model], layers)
    dataset = resolve_part("datasets", point.dataset, datasets[point.dataset], layers)
    train, validate, target = resolve_recipe(written.document, point, layers, dataset)
    seed, root_seed = written.seeds_of(number)[0], written.table.root_seed
    needs = {
        role: shaping(_fit(written, number, other, written.layers_at(number, other))[0])
        for role, other in needs_at(written, point).items()
    }
    label = point.algorithm
    fit = Fit(label, method, model, dataset, train, validate, seed, root_seed, needs)
    return fit, target


def _refuse_other_ways(written: Written, number: int, point: Point, fit: Fit) -> None:
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
                raise written.error(("grid", number, "ways"), why)


def _each_once(written: Written, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Drop what two grids share, and refuse two names for one cell.

    A cell may stand at several points of the grid where what sets them apart does not reach it: a
    method that does not train on an axis of the training, or one without a network beside several.
    """
    first: dict[str, Cell] = {}
    unique: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        unique.setdefault((cell.id, canonical(cell.labels)), cell)
        twin = first.setdefault(cell.id, cell)
        named = ("algorithm", "dataset", "on", *(() if cell.fit.model is None else ("model",)))
        if any(twin.labels[key] != cell.labels[key] for key in named):
            one, other = (
                ", ".join(f"{key} = {value}" for key, value in labels.items())
                for labels in (twin.labels, cell.labels)
            )
            label = cell.labels["algorithm"]
            entered = label in written.table.algorithms
            place: KeyPath = ("algorithms", label) if entered else ("grid",)
            why = (
                f"two names for the same cell: ({one}) and ({other}) have the "
                "same method, settings and recipe; drop one, or set them apart"
            )
            raise written.error(place, why)
    return tuple(unique.values())
