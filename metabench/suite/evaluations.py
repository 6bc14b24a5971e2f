"""The evaluations of a fit: the product of the lists in `[evaluate]`, each checked against the
method, the model and the datasets that it is for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metabench.cells import Evaluate, Fit, Part, QueryShots
from metabench.errors import ConfigError, no_such
from metabench.registry import checked, get
from metabench.suite.layers import Layer, Point, merged
from metabench.suite.networks import has_batch_norm, task_of
from metabench.suite.points import refuse_explosion
from metabench.suite.recipes import resolve_metric, resolve_part, resolve_queries
from metabench.suite.wants import lacking
from metabench.suite.written import Written

SAME = "same"


def evaluations(
    written: Written, number: int, point: Point, layers: Sequence[Layer], fit: Fit
) -> Iterator[tuple[Evaluate, str]]:
    """Yield every evaluation of a fit, with the label of the dataset it is on.

    Raises
    ------
    ConfigError
        One that is impossible.
    """
    said = merged(layers, "evaluate")
    lists: dict[str, list[Any]] = {"batch_norm": ["default"], "on": [SAME], "steps": ["default"]}
    # an axis says one at a time
    lists |= {
        key: value if isinstance(value, list) and layer.own != "axes" else [value]
        for key, (value, layer) in said.items()
        if key != "metric"
    }
    if fit.model is None:
        lists["batch_norm"] = ["default"]
    elif not has_batch_norm(fit.method, fit.model, fit.dataset, fit.train.ways):
        lists["batch_norm"] = [None]
    if not get("methods", fit.method.name).adapts:
        lists["steps"] = ["default"]
    refuse_explosion(written, math.prod(map(len, lists.values())))
    for choice in itertools.product(*lists.values()):
        evaluate = dict(zip(lists, choice, strict=True))
        if evaluate["batch_norm"] == "default":
            evaluate["batch_norm"] = fit.method.settings["test_batch_norm"]
        elif evaluate["batch_norm"] is not None:
            _check_batch_norm(fit.method.name, evaluate["batch_norm"], said["batch_norm"][1])
        evaluate["steps"] = None if evaluate["steps"] == "default" else evaluate["steps"]
        if "query_shots" in said:
            evaluate["query_shots"] = _queries(point, evaluate, said["query_shots"][1])
        label = evaluate.pop("on")
        other = (
            _other_dataset(written, number, point, label, fit, said["on"][1])
            if label not in (SAME, point.dataset)
            else None
        )
        tested, called = (fit.dataset, point.dataset) if other is None else (other, label)
        metric = resolve_metric(layers, tested, called)
        yield (
            Evaluate(point.ways, point.shots, **evaluate, on=other, metric=metric),
            SAME if other is None else label,
        )


def _queries(point: Point, evaluate: Mapping[str, Any], layer: Layer) -> QueryShots:
    """Return the queries a class of an evaluation; disjoint episodes have as many of each."""
    queries = resolve_queries("evaluate", evaluate["query_shots"], layer, point.ways)
    if not isinstance(queries, int) and evaluate.get("sampling") == "disjoint":
        why = (
            'with sampling = "disjoint" every class has as many queries; say one number, or '
            'sampling = "with_replacement"'
        )
        raise layer.document.error((layer.place("evaluate", "query_shots"), why))
    return queries


def _check_batch_norm(method: str, mode: str, layer: Layer) -> None:
    try:
        checked("methods", method, "test_batch_norm", mode)
    except ValueError as error:
        why = f"'{method}' cannot be tested with '{mode}': {error}"
        raise layer.document.error((layer.place("evaluate", "batch_norm"), why)) from None


def _other_dataset(
    written: Written, number: int, point: Point, label: str, fit: Fit, layer: Layer
) -> Part | None:
    """Return the dataset `label`, on which a fit of another dataset is tested; None where the two
    are the same."""

    def refused(why: str) -> ConfigError:
        return layer.document.error((layer.place("evaluate", "on"), why))

    labels = written.labels["datasets"]
    if label in labels and written.splits_anew_at(number, replace(point, dataset=label)):
        raise refused(f"'{label}' has split_seed = \"per_seed\", which is for what is trained on")
    if label not in labels:
        raise refused(no_such("dataset", label, [SAME, *sorted(labels)]))
    there = written.layers_at(number, replace(point, dataset=label))
    part = resolve_part("datasets", label, labels[label], there)
    kinds = [get("datasets", found.name).kind for found in (fit.dataset, part)]
    if kinds[0] != kinds[1]:
        raise refused(
            f"weights trained on '{point.dataset}', which is {kinds[0]}, cannot be tested on "
            f"'{label}', which is {kinds[1]}"
        )
    if what := lacking(get("methods", fit.method.name), get("datasets", part.name), in_test=True):
        raise refused(f"'{point.algorithm}' wants {what}, and '{label}' does not offer that")
    shapes = [task_of(found, point.ways).input_shape for found in (fit.dataset, part)]
    if shapes[0] != shapes[1]:
        raise refused(
            f"weights trained on '{point.dataset}' take inputs of shape {shapes[0]}, and those "
            f"of '{label}' have {shapes[1]}"
        )
    return None if part.identity() == fit.dataset.identity() else part
