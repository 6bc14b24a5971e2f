"""What a suite says in vain: overrides that match nothing, and keys of the recipe that reach
nothing which would heed them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from metabench.errors import nearest
from metabench.registry import get
from metabench.suite.document import KeyPath
from metabench.suite.layers import RECIPE_TABLES, Layer, Point, Said, merged
from metabench.suite.networks import has_batch_norm
from metabench.suite.reach import chooses
from metabench.suite.recipes import resolve_part
from metabench.suite.written import Written

HEEDED = ""
"""In place of a reason why a key is not."""


def refuse_vain_overrides(written: Written, points: Sequence[Point]) -> None:
    """Refuse overrides that say nothing or match nothing."""
    for layer in written.layers:
        if layer.path[:1] != ("override",):
            continue
        if not layer.sections:
            why = "sets nothing; say what differs, such as train.iterations = 1000"
            raise written.error(layer.path, why)
        for coordinate, wanted in layer.when.items():
            there = sorted({getattr(point, coordinate) for point in points} - {None})
            if strange := [value for value in wanted if value not in there]:
                close = nearest(str(strange[0]), map(str, there))
                why = (
                    f"matches nothing: the grids have {', '.join(map(str, there)) or 'none'}{close}"
                )
                raise written.error((*layer.path, "when", coordinate), why)
        if not any(layer.applies(point) for point in points):
            why = "matches nothing: no point of the grids has all of this"
            raise written.error((*layer.path, "when"), why)


def without_vain_keys(written: Written, points: Iterable[tuple[int, Point]]) -> Written:
    """Refuse keys of the recipe that nothing heeds at any point that they reach.

    What `benchmark.toml` says is for other suites too: there such a key is no fault. It is left
    out, so that it stands neither in an id nor in the suite that a run folder keeps.

    Raises
    ------
    ConfigError
        With a line for each key.
    """
    reasons: dict[tuple[bool, KeyPath], str] = {}
    for number, point in points:
        layers = written.layers_at(number, point)
        for section in RECIPE_TABLES:
            said = merged(layers, section)
            for key, (_, layer) in said.items():
                place = (layer.document is written.document, layer.place(section, key))
                if reasons.get(place) != HEEDED:
                    reasons[place] = _unheeded(written, section, key, said, point, layers)
    vain = {place: why for place, why in reasons.items() if why != HEEDED}
    if own := [(path, why) for (is_own, path), why in vain.items() if is_own]:
        raise written.document.error(*own)
    project, *others = written.layers
    sections = {
        section: {
            key: value
            for key, value in table.items()
            if (False, project.place(section, key)) not in vain
        }
        for section, table in project.sections.items()
    }
    return replace(written, layers=[replace(project, sections=sections), *others])


def _unheeded(
    written: Written, section: str, key: str, said: Said, point: Point, layers: Sequence[Layer]
) -> str:
    """Say why nothing at a point heeds what is said of a key there, or `HEEDED`."""
    method = get("methods", point.method)
    match section, key:
        case "train" | "validate", "ways" if point.ways is None:
            return "regression has no ways, and nothing else is there; take it out"
        case "train", "step_every" | "step_factor" if _value(said, "schedule") != "step":
            return 'is for schedule = "step", and nothing that this reaches has that'
        case "train", "schedule_floor" if _value(said, "schedule") in (None, "constant"):
            return (
                "is for a rate that falls, and nothing that this reaches has a schedule that does"
            )
        case "validate", "episodes" | "query_shots" if not (
            method.trains or chooses(resolve_part("methods", point.algorithm, point.method, layers))
        ):
            return (
                "is for methods that train or choose on validation, and nothing that this reaches "
                "does"
            )
        case "validate", "episodes" | "query_shots":
            return HEEDED
        case "train" | "validate", _ if not method.trains:
            return "is for methods that train, and nothing that this reaches does"
        case "evaluate", "steps" if not method.adapts:
            return "is for methods that adapt in steps, and nothing that this reaches does"
        case "evaluate", "batch_norm" if not _normalises(written, point, layers):
            return "is for models with batch normalisation, and nothing that this reaches has any"
    return HEEDED


def _normalises(written: Written, point: Point, layers: Sequence[Layer]) -> bool:
    models, datasets = written.labels["models"], written.labels["datasets"]
    return has_batch_norm(
        resolve_part("methods", point.algorithm, point.method, layers),
        resolve_part("models", point.model, models[point.model], layers),
        resolve_part("datasets", point.dataset, datasets[point.dataset], layers),
        point.ways,
    )


def _value(said: Said, key: str) -> object:
    return said[key][0] if key in said else None
