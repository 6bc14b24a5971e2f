"""How the parts and the recipe of one point of a grid come of all the layers that speak about
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metabench.cells import Fit, Part, QueryShots, Train, Validate
from metabench.errors import message_of
from metabench.metrics import METRICS, named_metric
from metabench.registry import Group, checked, configured, get
from metabench.suite.document import Document
from metabench.suite.layers import Layer, Point, merged, values
from metabench.suite.schema import BUDGETS, SECTION_OF, TABLE_OF


def resolve_part(group: Group, label: str, registered: str, layers: Sequence[Layer]) -> Part:
    """Return the method, model or dataset behind `label`, with the settings that the layers give
    it."""
    section = SECTION_OF[group]
    said = merged(layers, section)
    for key, (value, layer) in said.items():
        try:
            checked(group, registered, key, value)
        except ValueError as error:
            raise layer.document.error((layer.place(section, key), str(error))) from None
    try:
        return configured(group, registered, values(said))
    except ValueError as error:  # settings that are each right and together impossible
        document = layers[-1].document
        raise document.error(((TABLE_OF[group], label), message_of(error))) from None


def resolve_recipe(
    document: Document, point: Point, layers: Sequence[Layer], dataset: Part
) -> tuple[Train, Validate, float | None]:
    """Return the training and validation of a point, and the target of validation.

    Ways and shots are the point's unless said; validation is scored by the metric of the test; a
    method that does not train needs no budget.
    """
    train, validate = merged(layers, "train"), merged(layers, "validate")
    budgets = [key for key in BUDGETS if key in train]
    if len(budgets) > 1 or (not budgets and get("methods", point.method).trains):
        path, why = (
            (("train",), "lacks its budget")
            if not budgets
            else (train[budgets[0]][1].place("train", budgets[0]), "is not the only budget")
        )
        raise document.error(
            (
                path,
                f"{why} (for {point.algorithm} on {point.dataset}); say exactly one of "
                f"{', '.join(BUDGETS)}",
            )
        )
    shape = {"ways": point.ways, "shots": point.shots}
    fixed = {"ways": None} if point.ways is None else {}
    recipes: list[dict[str, Any]] = []
    for section, said in (("train", train), ("validate", validate)):
        recipe = shape | values(said) | fixed
        if "query_shots" in said:
            # weights are chosen on episodes of the test's ways too
            met = {recipe["ways"], point.ways} if section == "validate" else {recipe["ways"]}
            for ways in met:
                recipe["query_shots"] = resolve_queries(section, *said["query_shots"], ways)
        recipes.append(recipe)
    target = recipes[1].pop("target", None)
    metric = resolve_metric(layers, dataset, point.dataset)
    return Train(**recipes[0]), Validate(**recipes[1], metric=metric), target


def resolve_queries(section: str, said: Any, layer: Layer, ways: int | None) -> QueryShots:
    """Return the queries a class, one number for each of the `ways` where it is a list."""
    if isinstance(said, int):
        return said
    if len(said) != ways:
        why = (
            "regression has no classes; say one number"
            if ways is None
            else f"has {len(said)} numbers, one for each class, and the episodes have {ways} ways; "
            f"say {ways} of them, or one number for all classes"
        )
        raise layer.document.error((layer.place(section, "query_shots"), why))
    return settled_queries(said)


def settled_queries(said: int | Sequence[int]) -> QueryShots:
    """Return queries a class in one order, and as one number where all are equal: which class gets
    which number is drawn anew in each episode."""
    if isinstance(said, int):
        return said
    return said[0] if len(set(said)) == 1 else tuple(sorted(said, reverse=True))


def resolve_metric(layers: Sequence[Layer], dataset: Part, label: str) -> str | None:
    """Return the name of the metric that the layers say for the dataset called `label`; None where
    they say none, or its own."""
    said = merged(layers, "evaluate").get("metric")
    if said is None:
        return None
    (name, layer), found = said, get("datasets", dataset.name)
    if METRICS[name].kind != found.kind:
        fitting = [metric.name for metric in METRICS.values() if metric.kind == found.kind]
        why = (
            f"'{label}' is {found.kind}, and {name} is for {METRICS[name].kind}; expected one of "
            f"{', '.join(fitting)} (in [datasets.X] evaluate.metric is for one dataset)"
        )
        raise layer.document.error((layer.place("evaluate", "metric"), why))
    return None if METRICS[name] is named_metric(found.metric) else name


def refuse_target_out_of_reach(
    point: Point, fit: Fit, target: float | None, layers: Sequence[Layer]
) -> None:
    """Refuse a target above the best score there is."""
    metric = named_metric(fit.validate.metric or get("datasets", fit.dataset.name).metric)
    if metric.unit == "fraction" and target is not None and target > 1:
        layer = merged(layers, "validate")["target"][1]
        why = (
            f"the score on '{point.dataset}' is {metric.name}, a fraction; expected at "
            "most 1, such as 0.95"
        )
        raise layer.document.error((layer.place("validate", "target"), why))
