"""Fits that a fit needs: their weights, found on disk and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metabench.cells import Fit
from metabench.errors import NeedError
from metabench.experiment.checkpoints import Origin
from metabench.experiment.determinism import phase
from metabench.experiment.parts import Parts, make_parts
from metabench.experiment.returned.datasets import checked_content
from metabench.experiment.returned.methods import state_digest
from metabench.experiment.tensor_files import Warn
from metabench.experiment.weights import Keeping, find_weights, weights_path
from metabench.methods.method import Finished


def take_needs(parts: Parts, keeping: Keeping, warn: Warn) -> dict[str, Any]:
    """Hand the method of a fit the fits that it needs; return what provenance says of them.

    Raises
    ------
    NeedError
        There are no weights that would be made here and now.
    """
    fit = parts.fit
    if not fit.needs:
        return {}
    finished, facts = _finished_needs(fit, parts, keeping, warn)
    with phase(parts.state, fit.root_seed, "needs", training=False, fit=fit.noise_id):
        parts.method.take(parts.state, finished)
    return {"needs": facts}


def _finished_needs(
    fit: Fit, beside: Parts, keeping: Keeping, warn: Warn
) -> tuple[dict[str, Finished], dict[str, dict[str, Any]]]:
    """Return the fits that one needs, by their roles, and which weights were taken.

    A need that does not train has no weights of its own: it stands on what it needs in its turn,
    whose roles are then `role.role`.
    """
    finished: dict[str, Finished] = {}
    facts: dict[str, dict[str, Any]] = {}
    for role, need in fit.needs.items():
        parts = make_parts(need, beside.data, beside.device, beside=beside)
        method, state = parts.method, parts.state
        if method.trains:
            made_under = _take_weights(role, parts, keeping, warn)
            facts[role] = {
                "fit": need.id,
                "weights": state_digest(state),
                "conditions_digest": made_under.get("conditions_digest"),
                **{key: made_under[key] for key in ("compiler",) if key in made_under},
            }
        else:
            below, taken = _finished_needs(need, beside, keeping, warn)
            method.take(state, below)
            facts |= {f"{role}.{inner}": fact for inner, fact in taken.items()}
        state.optimizer = None
        finished[role] = Finished(method, state.requires_grad_(False).eval())
    return finished, facts


def _take_weights(role: str, parts: Parts, keeping: Keeping, warn: Warn) -> Mapping[str, Any]:
    """Give a state its weights, and return the conditions that they were made under."""
    need = parts.fit
    provenance = {"conditions": keeping.conditions_of_needs.get(need.id)}
    origin = Origin(need.id, checked_content(parts.dataset), provenance)
    trained = None
    if keeping.needs is not None:
        path = weights_path(keeping.needs, need.id)
        trained = find_weights(path, parts.state, origin, warn, any_conditions=keeping.stale)
    if trained is None:
        raise NeedError(
            f"{role}: there are no weights of '{need.algorithm}' (fit {need.id[:12]}) that would "
            "be made under these conditions, and on this data"
        )
    return (trained.provenance or {}).get("conditions") or {}
