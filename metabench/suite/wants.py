"""Whether a dataset offers what a method wants of it: the one place where the two declarations
meet."""

from __future__ import annotations

from typing import Any

WORDS = {
    "episodes": "episodes",
    "examples": "single examples",
    "unlabelled": "unlabelled images",
    "views": "augmented views of images",
    "privileged": "privileged inputs, which say what defines a task",
}


def lacking(method: Any, dataset: Any, *, in_test: bool = False) -> str:
    """Say in words what a method wants and a dataset does not offer, or nothing; `in_test`, where
    the dataset is met in test alone."""
    wants = method.wants & {"privileged"} if in_test else method.wants
    return " and ".join(WORDS[want] for want in WORDS if want in wants - dataset.offers)
