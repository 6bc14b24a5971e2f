"""What a class must have to be a method, a dataset, a model or a figure: attributes, methods, and
how many arguments these take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from metabench.metrics import METRICS, Metric

KINDS = ("classification", "regression")
WANTS = frozenset({"episodes", "examples", "unlabelled", "views", "privileged"})
"""What a method may want of a dataset, and a dataset offer (`tasks.episodes.Want`)."""
SECTIONS = ("predictions", "adaptation")
"""Of the report, where drawings of a figure may stand (`figures.Section`)."""


@dataclass(frozen=True)
class Attribute:
    """What an attribute of a class must be.

    Attributes
    ----------
    words
        What is expected.
    fits
        Whether a value is that.
    choices
        The strings that a wrong one may be meant for.
    """

    words: str
    fits: Callable[[Any], bool]
    choices: Collection[str] = ()


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether a value is a whole number, and at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_kinds(value: Any) -> bool:
    return (
        isinstance(value, frozenset | set)
        and bool(value)
        and all(isinstance(kind, str) and kind in KINDS for kind in value)
    )


VERSION = Attribute("a whole number, at least 1", lambda value: is_whole(value, 1))
FLAG = Attribute("True or False", lambda value: isinstance(value, bool))
TEXT = Attribute("a string", _is_text)
NAMES = Attribute(
    "a tuple of strings",
    lambda value: isinstance(value, tuple) and bool(value) and all(map(_is_text, value)),
)
SERVES = Attribute(f"a set of {' and '.join(map(repr, KINDS))}, or of one of them", _are_kinds)
WANTED = Attribute(
    f"a set of {', '.join(map(repr, sorted(WANTS)))}",
    lambda value: isinstance(value, frozenset | set) and value <= WANTS,
)

ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "methods": {
        "version": VERSION,
        "kinds": SERVES,
        "trains": FLAG,
        "has_network": FLAG,
        "wants": WANTED,
        "fixed_ways": FLAG,
        "adapts": FLAG,
        "chooses_step": FLAG,
        "embeds_images_alone": FLAG,
        "needs": Attribute(
            "a table of roles, each with the class that a method must be to play it",
            lambda value: (
                isinstance(value, Mapping)
                and all(_is_text(role) and isinstance(kind, type) for role, kind in value.items())
            ),
        ),
    },
    "datasets": {
        "version": VERSION,
        "kind": Attribute(
            " or ".join(map(repr, KINDS)), lambda value: isinstance(value, str) and value in KINDS
        ),
        "metric": Attribute(
            f"one of {', '.join(METRICS)}, or a metabench.metrics.Metric",
            lambda value: value in METRICS if isinstance(value, str) else isinstance(value, Metric),
            METRICS,
        ),
        "default_model": TEXT,
        "licence": TEXT,
        "source": TEXT,
        "offers": WANTED,
    },
    "models": {"version": VERSION, "kinds": SERVES},
    "figures": {
        "name": TEXT,
        "parts": NAMES,
        "wide": FLAG,
        "section": Attribute(
            " or ".join(map(repr, SECTIONS)), lambda value: value in SECTIONS, SECTIONS
        ),
        "heading": Attribute("a string", lambda value: isinstance(value, str)),
    },
}
"""Group -> what a class must say of itself."""

HOOKS: dict[str, dict[str, int]] = {
    "methods": {
        "network": 2,
        "init": 3,
        "take": 2,
        "batches": 1,
        "step": 3,
        "predict": 5,
        "candidates": 0,
        "at_steps": 1,
        "embed": 2,
        "compare": 4,
        "adapted_weights": 2,
        "figure": 0,
        "inside": 4,
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
        "draw_views": 2,
        "view": 2,
        "privileged": 0,
        "figure": 0,
        "names": 1,
        "prepare": 1,
        "remarks": 1,
    },
    "models": {"forward": 1},
    "figures": {"select": 1, "keep": 2, "fits": 1, "alike": 2, "legend": 1, "draw": 2},
}
"""Group -> method -> how many arguments it is called with."""

OPTIONAL_HOOKS: Mapping[str, Mapping[str, int]] = {
    "models": {"has_batch_norm": 1, "initialise": 1, "feature_maps": 1}
}
"""The same of those that a class may do without."""

PROPERTIES: Mapping[str, Collection[str]] = {
    "methods": ("curve", "test_steps", "gradients_per_task")
}
MADE_FROM = {"methods": 1, "datasets": 1, "models": 2, "figures": 0}
"""How many arguments a class is called with: its settings, and a model the task."""

CONFIGURED = frozenset({"methods", "datasets", "models"})
"""Groups whose classes have settings and a version."""

BASES = {
    "methods": "metabench.plugins.Method",
    "datasets": "metabench.plugins.Dataset",
    "models": "torch.nn.Module",
    "figures": "metabench.plugins.Figure",
}
"""What has all that a class may leave as it is."""
