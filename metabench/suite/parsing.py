"""From a TOML document to the models of `schema`, with every refusal put in words: which key, what
stands there, what may stand there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from metabench.registry.settings import unknown_key, wrong_value
from metabench.suite.document import Document, KeyPath, preview
from metabench.suite.schema import Table
from metabench.suite.toml import flat, nested

M = TypeVar("M", bound=Table)

SAID = ("name", "text", "duplicate", "budget")
"""Kinds of errors that `schema` raises itself, in words."""


def normalised(document: Document) -> Document:
    """Return a suite with every liberty of spelling taken out: one `[grid]` as a list of one,
    dotted keys as tables, axes as dotted keys.

    Values of a wrong type are left as they are, for `parse` to complain about.
    """
    data = dict(document.data)
    for key in ("grid", "override", "claims"):
        if isinstance(data.get(key), dict):
            data[key] = [data[key]]
    for key in ("algorithms", "models", "datasets", "profiles"):
        if isinstance(data.get(key), dict):
            data[key] = {
                name: _nested(document, (key, name), table) for name, table in data[key].items()
            }
    if isinstance(data.get("override"), list):
        data["override"] = [
            _nested(document, ("override", place), table)
            for place, table in enumerate(data["override"])
        ]
    if isinstance(data.get("grid"), list):
        data["grid"] = [_flat_axes(grid) for grid in data["grid"]]
    return replace(document, data=data)


def _nested(document: Document, path: KeyPath, table: Any) -> Any:
    try:
        return nested(table) if isinstance(table, dict) else table
    except ValueError as error:
        raise document.error((path, str(error))) from None


def _flat_axes(grid: Any) -> Any:
    if isinstance(grid, dict) and isinstance(grid.get("axes"), dict):
        return {**grid, "axes": dict(flat(grid["axes"]))}
    return grid


def parse(document: Document, model: type[M]) -> M:
    """Return the document as `model`.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = {
            _what(document, details): details
            for details in reversed(error.errors(include_url=False, include_input=False))
        }
        problems = (
            (path, partial(_complaint, document, model, path, details))
            for (path, *_), details in reversed(found.items())
        )
        raise document.error(*problems) from None


@cache
def keys(model: type[Table]) -> dict[str, Any]:
    """Return the keys of a table as they are written in TOML, each with its annotation."""
    hints = get_type_hints(model, include_extras=True)
    return {info.alias or name: hints[name] for name, info in model.model_fields.items()}


def _what(document: Document, details: ErrorDetails) -> tuple[KeyPath, str, str]:
    """Return what one pydantic error is about; what each member of a union has to say about one
    value is the same thing."""
    kind = details["type"]
    of = str(details["loc"][-1]) if kind == "missing" else details["msg"] if kind in SAID else ""
    return (
        _existing(document, details["loc"]),
        kind if kind in ("missing", "extra_forbidden", *SAID) else "value",
        of,
    )


def _complaint(document: Document, model: type[Table], path: KeyPath, details: ErrorDetails) -> str:
    """Put one pydantic error in words."""
    kind = details["type"]
    if kind == "missing":
        return f"lacks '{details['loc'][-1]}'"
    if kind == "extra_forbidden":
        table = _table_in(_annotation_at(model, path[:-1])) or model
        owner = next(
            (str(key) for key in reversed(path[:-1]) if isinstance(key, str)), document.name
        )
        if path == ("compile",):
            return "is no key of a suite: `metabench run --compile`, or benchmark.toml, says it"
        return unknown_key(str(path[-1]), keys(table), preview(owner))
    if kind in SAID:
        return details["msg"]
    told = wrong_value(_annotation_at(model, path), document.value(path))
    if path[0] == "profiles" and path[-1] == "seeds" and isinstance(document.value(path), dict):
        told += "; what follows the seed (init, data, test) stands in [seeds] or in [[override]]"
    return told


def _existing(document: Document, loc: tuple[str | int, ...]) -> KeyPath:
    """Cut what pydantic adds to a location (members of unions, missing keys, '[key]') off the part
    that stands in the document."""
    length = len(loc)
    while length and document.value(loc[:length]) is None:
        length -= 1
    return loc[:length]


def _annotation_at(annotation: Any, path: KeyPath) -> Any:
    """Return the annotation that the value at `path` must fit, going down from that of the whole
    document."""
    for key in path:
        annotation = _without_extras(annotation)
        if isinstance(key, str) and (table := _table_in(annotation)) is not None:
            annotation = keys(table).get(key, Any)
        else:
            # of a list or of a table with free keys
            annotation = (get_args(annotation) or (Any,))[-1]
    return annotation


def _table_in(annotation: Any) -> type[Table] | None:
    annotation = _without_extras(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Table) else None


def _without_extras(annotation: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    return annotation
