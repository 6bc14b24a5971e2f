"""What a class must be to be a method, a dataset or a model: looked at once, when it is first asked
for, before anything relies on it.

What its instances give back while a fit runs is looked at where it is given (see `returned`).
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, get_args

from metabench.identity import canonical
from metabench.registry.settings import check

KINDS = ("classification", "regression")


@dataclass(frozen=True)
class _Value:
    """What an attribute of a class must be: in words, and to a test."""

    words: str
    fits: Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_kinds(value: Any) -> bool:
    return (
        isinstance(value, frozenset | set)
        and bool(value)
        and all(isinstance(kind, str) and kind in KINDS for kind in value)
    )


_VERSION = _Value("a whole number, at least 1", _is_count)
_FLAG = _Value("True or False", lambda value: isinstance(value, bool))
_TEXT = _Value("a string", _is_text)
_SERVES = _Value(f"a set of {' and '.join(map(repr, KINDS))}, or of one of them", _are_kinds)

ATTRIBUTES: Mapping[str, Mapping[str, _Value]] = {
    "methods": {
        "version": _VERSION,
        "kinds": _SERVES,
        "trains": _FLAG,
        "trains_on": _Value(
            "'episodes' or 'examples'",
            lambda value: isinstance(value, str) and value in ("episodes", "examples"),
        ),
        "told": _FLAG,
        "fixed_ways": _FLAG,
        "adapts": _FLAG,
        "chooses_step": _FLAG,
        "needs": _Value(
            "a table of roles, each with the class that a method must be to play it",
            lambda value: (
                isinstance(value, Mapping)
                and all(_is_text(role) and isinstance(kind, type) for role, kind in value.items())
            ),
        ),
    },
    "datasets": {
        "version": _VERSION,
        "kind": _Value(
            " or ".join(map(repr, KINDS)), lambda value: isinstance(value, str) and value in KINDS
        ),
        "metric": _Value(
            "a metabench.datasets.dataset.Metric",
            lambda value: _is_a(value, "metabench.datasets.dataset", "Metric"),
        ),
        "default_model": _TEXT,
        "licence": _TEXT,
        "source": _TEXT,
        "tells": _FLAG,
    },
    "models": {"version": _VERSION, "kinds": _SERVES},
}
"""Group -> what a class must say of itself."""

HOOKS: Mapping[str, Mapping[str, int]] = {
    "methods": {
        "init": 3,
        "step": 2,
        "take": 2,
        "predict": 5,
        "candidates": 0,
        "at_steps": 1,
        "adapted_weights": 2,
    },
    "datasets": {
        "task": 1,
        "load": 1,
        "content_digest": 0,
        "class_sizes": 1,
        "draw": 4,
        "draw_disjoint": 4,
        "gather": 2,
        "training_task": 0,
        "draw_examples": 2,
        "gather_examples": 2,
        "telling": 0,
        "figure": 1,
        "names": 1,
        "prepare": 1,
        "remarks": 1,
    },
    "models": {"has_batch_norm": 1, "forward": 1},
}
"""Group -> method -> how many arguments it is called with."""

PROPERTIES: Mapping[str, Collection[str]] = {
    "methods": ("curve", "test_steps", "gradients_per_task")
}
MADE_FROM = {"methods": 1, "datasets": 1, "models": 2}
"""How many arguments a class is called with: its settings, and a model the task."""

BASES = {
    "methods": "metabench.methods.method.Method",
    "datasets": "metabench.datasets.dataset.Dataset",
    "models": "torch.nn.Module",
}
"""What has all that a class may leave as it is."""


def broken_contract(group: str, found: Any, models: Collection[str]) -> str:
    """Say what keeps a class from being registered, or nothing; `models` are the names that a
    dataset may give as its default.

    The class is somebody else's, and asking it may raise anything at all.
    """
    if not isinstance(found, type):
        return "is not a class"
    wanted = dict.fromkeys(
        ("version", "Settings", *ATTRIBUTES[group], *HOOKS[group], *PROPERTIES.get(group, ()))
    )
    if missing := [attribute for attribute in wanted if not hasattr(found, attribute)]:
        advice = f"; a class that derives from {BASES[group]} has most of it"
        return f"lacks {', '.join(missing)}{'' if len(missing) < 4 else advice}"
    return next(_problems(group, found, models), "")


def _problems(group: str, found: Any, models: Collection[str]) -> Iterator[str]:
    yield from _abstract(found)
    yield from _wrong_values(group, found)
    yield from _wrong_calls(group, found)
    yield from _wrong_settings(group, found.Settings)
    if group == "datasets":
        yield from _wrong_metric(found.metric, found.default_model, models)
    if group == "models" and not _derives(found, "torch.nn", "Module"):
        yield "is no torch.nn.Module"


def _abstract(found: Any) -> Iterator[str]:
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        yield f"lacks {', '.join(missing)}"


def _wrong_values(group: str, found: Any) -> Iterator[str]:
    for name, wanted in ATTRIBUTES[group].items():
        if not wanted.fits(value := getattr(found, name)):
            yield f"has {name} = {shortened(value)}; expected {wanted.words}"


def _wrong_calls(group: str, found: Any) -> Iterator[str]:
    if not _takes(found, MADE_FROM[group]):
        yield (
            "cannot be made from "
            f"{'its settings' if MADE_FROM[group] == 1 else 'its settings and a task'} alone"
        )
    for name, count in HOOKS[group].items():
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
    if group == "methods" and defaults.test_batch_norm not in (*_batch_norm_modes(), None):
        yield (
            f"has a setting test_batch_norm = {shortened(defaults.test_batch_norm)}; "
            f"expected one of {', '.join(_batch_norm_modes())}"
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


def _batch_norm_modes() -> tuple[str, ...]:
    from metabench.methods.method import BatchNormMode

    return get_args(BatchNormMode)


def _wrong_metric(metric: Any, default_model: str, models: Collection[str]) -> Iterator[str]:
    for name, wanted in {"name": _TEXT, "unit": _TEXT, "higher_is_better": _FLAG}.items():
        if not wanted.fits(value := getattr(metric, name)):
            yield f"has a metric with {name} = {shortened(value)}; expected {wanted.words}"
    for ways in (5, None):
        if not _is_chance(found := metric.chance(ways)):
            yield (
                f"has a metric whose chance({ways}) is {shortened(found)}; expected a "
                "number or None"
            )
    if default_model not in models:
        yield f"has default_model = {default_model!r}; there are {', '.join(models) or 'no models'}"


def _is_chance(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )


def _is_a(value: Any, module: str, name: str) -> bool:
    return _derives(type(value), module, name)


def _derives(found: type, module: str, name: str) -> bool:
    """Whether a class derives from one of a module that is imported only where somebody has done
    so; else it cannot."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(found, base)
