"""The shapes of the JSON in a run folder. It may come from another machine, from a later version or out of an editor: nothing is taken on trust.

A shape is a type, a tuple of types, or what a string must match; a list of one such tuple, or of one table; or a table of shapes by key, where `"*"`
stands for every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from metabench.text import CONTROL

NUMBER = (int, float)
NUMBERS = [(int, float, type(None))]
SCALAR = (str, int, float, bool)
CURVE = {"iteration": NUMBERS, "loss": NUMBERS, "score": NUMBERS}
TEXT = re.compile(f"[^{CONTROL}]*")

METRIC = {"name": str, "unit": str, "higher_is_better": bool, "chance": NUMBER}
LABELS = dict.fromkeys(("algorithm", "model", "dataset", "on"), TEXT)
PART = {"name": str, "settings": {}}

RECORD = {
    "cell": str,
    "fit": str,
    "labels": LABELS,
    "seed": int,
    "config": {"fit": {"method": PART, "model": PART, "dataset": PART, "train": {}, "validate": {}}, "evaluate": {"ways": int, "shots": int}},
    "metric": METRIC,
    "result": {
        "outcome": str,
        **dict.fromkeys(("score", "episodes", "iterations", "best_iteration", "target", "iterations_to_target"), NUMBER),
        "interval": NUMBERS,
        "stopped": str,
        "validation": CURVE,
        "training": CURVE,
        "adaptation": {"steps": NUMBERS, "score": NUMBERS},
        "choice": {"step": NUMBER, "settings": {}, "validation_score": NUMBER},
        "spent": {"*": NUMBER},
        "weights": {"*": NUMBER},
        "transductive": bool,
        "error": {"type": str, "message": str, "traceback": str},
    },
    "measured": {
        **dict.fromkeys(("seconds_per_iteration", "seconds_per_task", "seconds_per_episode", "training_seconds", "validation_seconds"), NUMBER),
        **dict.fromkeys(("test_seconds", "wall_seconds", "workers"), NUMBER),
        **{f"peak_{kind}_bytes": {"*": NUMBER} for kind in ("resident", "gpu_allocated", "gpu_reserved")},
    },
    "provenance": {
        **dict.fromkeys(("started", "ended", "log", "run", "cpu", "gpu", "driver", "data_digest", "training_data_digest", "declaration_digest"), str),
        "libraries": {"*": str},
        "conditions": {"*": SCALAR},
        "training_conditions": {"*": SCALAR},
        "training_machine": {"*": str},
    },
}
"""A record. What a reader computes with or takes apart stands here."""

CLAIM = {**dict.fromkeys(("id", "says", "source", "metric", "of", "bound"), TEXT), "where": {}, "versus_where": {}, "limits": NUMBERS}
DECLARATION = {"claims": [CLAIM], "reference": TEXT, "confidence": NUMBER}
GROUP = {
    **LABELS,
    **dict.fromkeys(("method", "batch_norm", "sampling"), TEXT),
    **dict.fromkeys(("ways", "shots", "query_shots", "episodes", "steps"), int),
}
ENTRY = {"cell": str, "fit": str, "stem": TEXT, "name": TEXT, "labels": LABELS, "seed": int, "group": GROUP, "metric": METRIC}
CELLS = {
    **dict.fromkeys(("suite", "title", "description", "argument", "profile"), TEXT),
    **DECLARATION,
    "declaration_digest": str,
    "declared_before_data": DECLARATION,
    "cells": [ENTRY],
}
"""A `cells.json`."""

HOLDER = {"pid": int, "host": TEXT, "since": TEXT, "fits": [(str,)]}
"""A `.run.json`: who is at work in a run folder."""


def misshapen(value: Any, shape: Any, key: str = "") -> str:
    """Return the dotted key of the first thing that is not of its shape, or nothing. Null fits everywhere; keys without a shape are passed over."""
    if value is None:
        return ""
    if isinstance(shape, dict):
        if type(value) is not dict:
            return key or "all of it"
        shapes = dict.fromkeys(value, shape["*"]) if "*" in shape else shape
        return _first(misshapen(value.get(name), inner, f"{key}.{name}" if key else name) for name, inner in shapes.items())
    if isinstance(shape, list):
        if type(value) is not list:
            return key
        if isinstance(shape[0], dict):
            return _first(key if item is None else misshapen(item, shape[0], f"{key}[{place}]") for place, item in enumerate(value))
        return "" if {*map(type, value)} <= {*shape[0]} else key
    if isinstance(shape, re.Pattern):
        return "" if type(value) is str and shape.fullmatch(value) else key
    kinds = shape if isinstance(shape, tuple) else (shape,)
    return "" if type(value) in kinds else key


def absent(table: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return the first of these keys that a table lacks, or where null stands; or nothing."""
    return _first(key for key in keys if table.get(key) is None)


def _first(found: Iterable[str]) -> str:
    return next((key for key in found if key), "")
