"""Fits that a fit needs: their weights, found on disk and frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metabench.cells import Fit
from metabench.datasets.dataset import Dataset
from metabench.errors import NeedError
from metabench.experiment.checkpoints import Origin
from metabench.experiment.returned.datasets import checked_content
from metabench.experiment.returned.methods import state_digest
from metabench.experiment.tensor_files import Warn
from metabench.experiment.weights import Keeping, find_weights, weights_path
from metabench.methods.method import Finished, Method, State

Build = Callable[[Fit], tuple[Method, Dataset, State]]
"""Makes the method of a fit, its dataset, and its state before training."""


def finished_needs(
    fit: Fit, build: Build, keeping: Keeping, warn: Warn
) -> tuple[dict[str, Finished], dict[str, dict[str, Any]]]:
    """Return the fits that one needs, by their roles, and which weights were taken.

    A need that does not train has no weights of its own: it stands on what it needs in its turn,
    whose roles are then `role.role`.

    Raises
    ------
    NeedError
        There are no weights that would be made here and now.
    """
    finished: dict[str, Finished] = {}
    facts: dict[str, dict[str, Any]] = {}
    for role, need in fit.needs.items():
        method, dataset, state = build(need)
        if method.trains:
            made_under = _take_weights(need, role, state, dataset, keeping, warn)
            facts[role] = {
                "fit": need.id,
                "weights": state_digest(state),
                "conditions_digest": made_under.get("conditions_digest"),
            }
        else:
            below, taken = finished_needs(need, build, keeping, warn)
            method.take(state, below)
            facts |= {f"{role}.{inner}": fact for inner, fact in taken.items()}
        state.optimizer = None
        finished[role] = Finished(method, state.requires_grad_(False).eval())
    return finished, facts


def _take_weights(
    need: Fit, role: str, state: State, dataset: Dataset, keeping: Keeping, warn: Warn
) -> Mapping[str, Any]:
    """Give a state its weights, and return the conditions that they were made under."""
    provenance = {"conditions": keeping.conditions_of_needs.get(need.id)}
    origin = Origin(need.id, checked_content(dataset), provenance)
    trained = (
        find_weights(
            weights_path(keeping.needs, need.id), state, origin, warn, any_conditions=keeping.stale
        )
        if keeping.needs is not None
        else None
    )
    if trained is None:
        raise NeedError(
            f"{role}: there are no weights of '{need.algorithm}' (fit {need.id[:12]}) that would "
            "be made under these conditions, and on this data"
        )
    return (trained.provenance or {}).get("conditions") or {}
