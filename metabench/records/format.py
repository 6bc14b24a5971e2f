"""The format of what lies in a run folder: its schema, the outcomes of a cell, and the shapes of
the JSON, of all that a reader computes with or takes apart (see `io.shapes`)."""

from __future__ import annotations

from typing import Any, Literal

from metabench.io.shapes import NUMBER, NUMBERS, TEXT

SCHEMA = 3
"""Schema of the records written now. Older ones are read (see `migrations`), newer ones refused."""

Outcome = Literal[
    "completed", "diverged", "failed", "timeout", "out_of_memory", "killed", "needs_failed"
]
FINISHED: frozenset[str] = frozenset({"completed", "diverged"})
"""Outcomes that are results: a divergence is one, and counts. Cells with any other run again."""

CURVE = {"iteration": NUMBERS, "loss": NUMBERS, "score": NUMBERS}
METRIC = {"name": str, "unit": str, "higher_is_better": bool, "chance": NUMBER}
LABELS = dict.fromkeys(("algorithm", "model", "dataset", "on"), TEXT)
PART = {"name": str, "settings": {}}

CONDITIONS = {
    **dict.fromkeys(("torch", "numpy", "scipy", "device", "gpu", "cpu_capability"), TEXT),
    **dict.fromkeys(("machine", "compiler", "conditions_digest"), TEXT),
    "threads": int,
    "parts": [(str,)],
    "sources": {"*": TEXT},
    "packages": {"*": TEXT},
}

FIT: dict[str, Any] = {"method": PART, "model": PART, "dataset": PART, "train": {}, "validate": {}}
FIT["needs"] = {"*": FIT}

RECORD = {
    "cell": str,
    "fit": str,
    "labels": LABELS,
    "seed": int,
    "config": {
        "fit": FIT,
        "evaluate": {"ways": int, "shots": int},
    },
    "metric": METRIC,
    "result": {
        "outcome": str,
        **dict.fromkeys(("score", "episodes", "iterations", "best_iteration"), NUMBER),
        "interval": NUMBERS,
        "metrics": {"*": {"mean": NUMBER, "interval": NUMBERS}},
        "stopped": str,
        "validation": CURVE,
        "training": CURVE,
        "adaptation": {"steps": NUMBERS, "score": NUMBERS},
        "choice": {"step": NUMBER, "settings": {}, "validation_score": NUMBER},
        "search": {"trials": NUMBER, "at_edge": [(str,)]},
        "spent": {"*": NUMBER},
        "weights": {"*": NUMBER},
        "transductive": bool,
        "error": {"type": str, "message": str, "traceback": str},
    },
    "measured": {
        **dict.fromkeys(
            (
                "seconds_per_iteration",
                "seconds_per_task",
                "seconds_per_episode",
                "training_seconds",
                "validation_seconds",
                "choice_seconds",
                "compile_seconds",
            ),
            NUMBER,
        ),
        **dict.fromkeys(("test_seconds", "wall_seconds", "workers", "concurrent_fits"), NUMBER),
        **{
            f"peak_{kind}_bytes": {"*": NUMBER}
            for kind in ("resident_above", "resident", "gpu_allocated", "gpu_reserved")
        },
        "resident_before_bytes": {"*": NUMBER},
        "resident_read_by": str,
    },
    "provenance": {
        **dict.fromkeys(
            (
                "started",
                "ended",
                "log",
                "run",
                "cpu",
                "gpu",
                "driver",
                "machine_id",
                "boot_id",
                "data_digest",
                "training_data_digest",
                "declaration_digest",
            ),
            str,
        ),
        "network": {"tasks": str, "why": str},
        "libraries": {"*": str},
        "conditions": CONDITIONS,
        "training_conditions": CONDITIONS,
        "training_machine": {"*": str},
        "not_compiled": TEXT,
        "remarks": [(str,)],
        "needs": {"*": {"fit": str, "weights": str, "conditions_digest": str, "compiler": TEXT}},
    },
}
"""A record. What a reader computes with or takes apart stands here."""

CLAIM = {
    **dict.fromkeys(("id", "says", "source", "metric", "of", "bound"), TEXT),
    "where": {},
    "versus_where": {},
    "limits": NUMBERS,
    "after": int,
}
DECLARATION = {
    "claims": [CLAIM],
    "reference": TEXT,
    "confidence": NUMBER,
    "cells_digest": str,
    "seeds": [(int,)],
    "resolved": {},
    "commit": TEXT,
}
FROZEN = {"commit": TEXT, "frozen": TEXT, "records_before": int, "departures": [(str,)]}
GROUP = {
    **LABELS,
    **dict.fromkeys(("method", "batch_norm", "sampling", "scored_by"), TEXT),
    **dict.fromkeys(("ways", "shots", "episodes", "steps"), int),
    "query_shots": (int, list),
}
ENTRY = {
    "cell": str,
    "fit": str,
    "stem": TEXT,
    "name": TEXT,
    "labels": LABELS,
    "seed": int,
    "group": GROUP,
    "metric": METRIC,
}
"""A cell in `cells.json`: what no entry lacks."""

TARGET = {"score": NUMBER, "higher_is_better": bool}
CELLS = {
    **dict.fromkeys(("suite", "title", "description", "argument", "profile"), TEXT),
    **DECLARATION,
    "declaration_digest": str,
    "declared_before_data": DECLARATION,
    "frozen": FROZEN,
    "cells": [{**ENTRY, "target": TARGET, "streams": {"*": int}}],
}
"""A `cells.json`."""

HOLDER = {"pid": int, "host": TEXT, "since": TEXT, "fits": [(str,)]}
"""A `.run.json`."""
