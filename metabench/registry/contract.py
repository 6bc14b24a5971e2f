"""The contract of a class that is to be a method, a dataset, a model or a figure: looked at once,
when it is first asked for, before anything relies on it. What it has to be stands in
`requirements`.

What its instances give back while a fit runs is looked at where it is given (see `returned`).
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from collections.abc import Collection, Iterator
from reprlib import repr as shortened
from typing import Any, get_args

from metabench.cells import BatchNormMode
from metabench.errors import nearest
from metabench.identity import canonical
from metabench.metrics import Metric, named_metric
from metabench.registry.requirements import (
    ATTRIBUTES,
    BASES,
    CONFIGURED,
    FLAG,
    HOOKS,
    MADE_FROM,
    OPTIONAL_HOOKS,
    PROPERTIES,
    TEXT,
)
from metabench.registry.settings import check

MODES = get_args(BatchNormMode)


def broken_contract(group: str, found: Any, models: Collection[str]) -> str:
    """Say what keeps a class from being registered, or nothing; `models` are the names that a
    dataset may give as its default.

    The class is somebody else's, and asking it may raise anything at all.
    """
    if not isinstance(found, type):
        return "is not a class"
    own = ("version", "Settings") if group in CONFIGURED else ()
    wanted = dict.fromkeys((*own, *ATTRIBUTES[group], *HOOKS[group], *PROPERTIES.get(group, ())))
    if missing := [attribute for attribute in wanted if not hasattr(found, attribute)]:
        advice = f"; a class that derives from {BASES[group]} has most of it"
        return f"lacks {', '.join(missing)}{'' if len(missing) < 4 else advice}"
    return next(_problems(group, found, models), "")


def _problems(group: str, found: Any, models: Collection[str]) -> Iterator[str]:
    yield from _abstract(found)
    yield from _wrong_values(group, found)
    yield from _wrong_calls(group, found)
    if group in CONFIGURED:
        yield from _wrong_settings(group, found.Settings)
    if group == "datasets":
        yield from _wrong_metric(named_metric(found.metric), found.kind)
        if (model := found.default_model) not in models:
            yield f"has default_model = {model!r}; there are {', '.join(models) or 'no models'}"
    if group == "models" and not _derives(found, "torch.nn", "Module"):
        yield "is no torch.nn.Module"


def _abstract(found: Any) -> Iterator[str]:
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        yield f"lacks {', '.join(missing)}"


def _wrong_values(group: str, found: Any) -> Iterator[str]:
    for name, wanted in ATTRIBUTES[group].items():
        if not wanted.fits(value := getattr(found, name)):
            close = nearest(value, wanted.choices) if isinstance(value, str) else ""
            yield f"has {name} = {shortened(value)}; expected {wanted.words}{close}"


def _wrong_calls(group: str, found: Any) -> Iterator[str]:
    if not _takes(found, MADE_FROM[group]):
        made_from = ("nothing", "its settings", "its settings and a task")[MADE_FROM[group]]
        yield f"cannot be made from {made_from} alone"
    optional = OPTIONAL_HOOKS.get(group, {})
    there = {name: count for name, count in optional.items() if hasattr(found, name)}
    for name, count in (HOOKS[group] | there).items():
        hook = getattr(found, name)
        if not callable(hook):
            yield f"has {name} = {shortened(hook)}; expected a method"
        elif not _takes(hook, count + _needs_self(found, name)):
            yield f"has a method {name} that does not take {count} argument{'s' * (count != 1)}"


def _takes(called: Any, count: int) -> bool:
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):  # of something written in C: nobody knows
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _needs_self(found: Any, name: str) -> bool:
    return (
        not isinstance(inspect.getattr_static(found, name), classmethod | staticmethod)
        and name != "has_batch_norm"
    )


def _wrong_settings(group: str, settings: Any) -> Iterator[str]:
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        yield "has Settings that are not a dataclass"
        return
    empty = dataclasses.MISSING
    fields = dataclasses.fields(settings)
    if bare := [
        field.name for field in fields if field.default is empty and field.default_factory is empty
    ]:
        yield f"has Settings without a default for {', '.join(bare)}"
        return
    if not settings.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield "has Settings that are not frozen; say @dataclass(frozen=True)"
    if group == "methods" and "test_batch_norm" not in {field.name for field in fields}:
        yield "has Settings without test_batch_norm"
        return
    defaults: Any = settings()
    yield from (
        f"has a setting {name} whose default {why}"
        for name, why in _wrong_defaults(settings, defaults, [f.name for f in fields if f.init])
    )
    if group == "methods" and defaults.test_batch_norm not in (*MODES, None):
        yield (
            f"has a setting test_batch_norm = {shortened(defaults.test_batch_norm)}; "
            f"expected one of {', '.join(MODES)}"
        )


def _wrong_defaults(
    settings: Any, defaults: Any, names: Collection[str]
) -> Iterator[tuple[str, str]]:
    for name in names:
        value = getattr(defaults, name)
        if why := unwritable(value):
            yield name, why
            continue
        try:
            check(settings, "it", name, value)
        except ValueError as error:
            yield name, f"does not fit its own annotation: {error}"


def unwritable(value: Any) -> str:
    """Say why the value of a setting cannot stand in TOML and in a record, or nothing."""
    try:
        canonical(value)
    except (TypeError, ValueError, RecursionError):
        return (
            f"is {shortened(value)}: a setting is a number, a string, True or False, "
            "None, or a tuple of such"
        )
    return ""


def _wrong_metric(metric: Metric, kind: str) -> Iterator[str]:
    for name, wanted in {"name": TEXT, "unit": TEXT, "higher_is_better": FLAG}.items():
        if not wanted.fits(value := getattr(metric, name)):
            yield f"has a metric with {name} = {shortened(value)}; expected {wanted.words}"
    if metric.kind != kind:
        yield f"has a metric for {shortened(metric.kind)}; the dataset is {kind}"
    if not callable(metric.per_episode):
        given = shortened(metric.per_episode)
        yield f"has a metric with per_episode = {given}; expected a function"
    for queries in ((15,) * 5, ()):
        if not _is_chance(found := metric.chance(queries)):
            yield (
                f"has a metric whose chance({queries}) is {shortened(found)}; expected a number "
                "or None"
            )


def _is_chance(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )


def _derives(found: type, module: str, name: str) -> bool:
    """Whether a class derives from one of a module that is imported only where somebody has done
    so; else it cannot."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(found, base)
