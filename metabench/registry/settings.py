"""Typed settings: the frozen dataclass that every method, model and dataset declares, checked value
by value.

A class that is registered with metabench has an attribute `Settings`: a frozen dataclass whose
fields all have defaults. Its annotations are the whole of the check; `Annotated[float, Gt(0)]`
(from `annotated_types`), `Literal`, `X | None` and `tuple[X, ...]` (a TOML list) are understood.
`expectation` puts the same annotation in words, for the message of whoever wrote something else.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from metabench.cells import Part
from metabench.errors import nearest
from metabench.identity import without_defaults

Rate = Annotated[float, annotated_types.Gt(0), annotated_types.Le(1e38)]
"""A learning rate, or a norm that gradients are cut to: larger ones are no number in the 32 bits of
weights."""

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)  # no "5" for 5, no true for 1, no nan
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    type(None): "nothing",
}
_PLURALS = {
    int: "whole numbers",
    float: "numbers",
    str: "strings",
    bool: "true or false",
    Any: "values",
}


def unknown_key(key: str, known: Iterable[str], owner: str) -> str:
    """Return the complaint about a key that `owner` does not take."""
    known = sorted(known)
    return f"unknown key; {owner} takes {', '.join(known) or 'no keys'}{nearest(key, known)}"


def check(settings: Any, owner: str, key: str, value: Any) -> Any:
    """Return `value` as the field `key` of the dataclass `settings` takes it (a list as a tuple).

    Raises
    ------
    ValueError
        There is no such field, or the value does not fit it; the message says what may stand there.
    """
    hints = _hints(settings)
    if key not in hints:
        raise ValueError(unknown_key(key, hints, owner))
    try:
        return _adapter(settings, key).validate_python(_tuples(value))
    except ValidationError:
        raise ValueError(wrong_value(hints[key], value)) from None


def build(settings: Any, values: Mapping[str, Any]) -> Any:
    """Return an instance of the dataclass `settings`, from values as they stand in TOML or in a
    record.

    Raises
    ------
    ValueError
        A value does not fit its field, or the dataclass itself refuses the combination.
    """
    return settings(**{key: check(settings, "it", key, value) for key, value in values.items()})


def make_part(name: str, registered: type[Any], values: Mapping[str, Any]) -> Part:
    """Return the part of a cell that the class `registered` plays with these settings, the others
    at their defaults."""
    instance = build(registered.Settings, values)
    everything = {
        field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)
    }
    return Part(name, registered.version, everything, without_defaults(instance))


def wrong_value(annotation: Any, value: Any) -> str:
    """Return the complaint about a value that does not fit its annotation."""
    choices = [choice for choice in _choices(annotation) if isinstance(choice, str)]
    return (
        "expected "
        f"{expectation(annotation)}{nearest(value, choices) if isinstance(value, str) else ''}"
    )


def expectation(annotation: Any) -> str:
    """Say in words what an annotation allows: `a number, greater than 0`. A string in `Annotated`
    is taken as those words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        if words := next(
            (metadata for metadata in arguments[1:] if isinstance(metadata, str)), None
        ):
            return words
        # one of what the list takes is made a list of one
        if any(isinstance(metadata, BeforeValidator) for metadata in arguments[1:]):
            return f"{expectation(get_args(arguments[0])[0])}, or a list of one or more"
        limits = [words for metadata in arguments[1:] if (words := _limit(metadata))]
        return ", ".join([expectation(arguments[0]), *limits])
    if origin is Literal:
        return ("" if len(arguments) == 1 else "one of ") + ", ".join(
            json.dumps(choice, ensure_ascii=False) for choice in arguments
        )  # as TOML writes them
    if origin in (Union, types.UnionType):
        return " or ".join(
            expectation(argument) for argument in arguments if argument is not type(None)
        )
    if origin in (tuple, list):
        return "a list of " + _plural(arguments[0] if arguments else Any)
    if _is_table(annotation):
        return "a table"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plural(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        return ", ".join(
            [_plural(base), *(f"each {words}" for item in metadata if (words := _limit(item)))]
        )
    return "tables" if _is_table(annotation) else _PLURALS.get(annotation, expectation(annotation))


def _is_table(annotation: Any) -> bool:
    return get_origin(annotation) is dict or (
        isinstance(annotation, type) and issubclass(annotation, BaseModel)
    )


def _limit(metadata: Any) -> str:
    match metadata:
        case annotated_types.Gt():
            return f"greater than {metadata.gt:,}"
        case annotated_types.Ge():
            return f"at least {metadata.ge:,}"
        case annotated_types.Lt():
            return f"less than {metadata.lt:,}"
        case annotated_types.Le():
            return f"at most {metadata.le:,}"
        case annotated_types.MinLen():
            return f"at least {metadata.min_length} of them"
        case annotated_types.MaxLen():
            return f"at most {metadata.max_length:,} of them"
        case annotated_types.Interval() | annotated_types.Len():
            return " and ".join(_limit(part) for part in metadata)
    return ""


def _choices(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for argument in get_args(annotation) for choice in _choices(argument)]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@cache
def _hints(settings: Any) -> dict[str, Any]:
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}


@cache
def _adapter(settings: Any, key: str) -> TypeAdapter[Any]:
    return TypeAdapter(_hints(settings)[key], config=_STRICT)
