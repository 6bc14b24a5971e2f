"""Which weights the fits that are to be run want of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from metabench import registry
from metabench.cells import Fit


def trains(fit: Fit) -> bool:
    """Whether a fit has weights of its own making."""
    found: bool = registry.get("methods", fit.method.name).trains
    return found


def wanted(fit: Fit, kept: Collection[str]) -> Iterator[tuple[str, Fit]]:
    """Yield the roles whose weights a fit wants when it is run, with the fits that play them.

    Nothing where its own weights are among those that are `kept`. A need that does not train stands
    on what it needs in its turn.
    """
    if fit.id in kept and trains(fit):
        return
    for role, need in fit.needs.items():
        if trains(need):
            yield role, need
        else:
            yield from ((f"{role}.{inner}", other) for inner, other in wanted(need, kept))


def needed_by(fits: Iterable[Fit], kept: Collection[str] = ()) -> dict[str, Fit]:
    """Return every fit whose weights these want, and whose weights those want in their turn, by its
    id, those first that others stand on."""
    found: dict[str, Fit] = {}
    for fit in fits:
        for _, need in wanted(fit, kept):
            if need.id not in found:
                found = {**found, **needed_by([need], kept), need.id: need}
    return found
