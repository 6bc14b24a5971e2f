"""What of a recipe reaches the numbers of a fit. The rest stays out of its identity: a grid over it
makes no further cells."""

from __future__ import annotations

from dataclasses import replace

from metabench.cells import Fit, Part, Train, Validate
from metabench.errors import PluginError
from metabench.registry import blamed, get, make


def shaping(fit: Fit) -> Fit:
    """Return a fit with every field at its default that nothing reads.

    A method that does not train has no training recipe but the ways of the task that `init` is
    told, and of validation the episodes and the metric by which it chooses, if it chooses. One
    without a network has no model. The steps of a schedule belong to a schedule in steps.
    """
    method, train, validate = get("methods", fit.method.name), fit.train, fit.validate
    model = fit.model if method.has_network else None
    if not method.trains:
        train = Train(ways=train.ways)
        validate = (
            Validate(
                episodes=validate.episodes,
                query_shots=validate.query_shots,
                metric=validate.metric,
            )
            if chooses(fit.method)
            else Validate()
        )
    elif train.schedule != "step":
        train = replace(train, step_every=Train.step_every, step_factor=Train.step_factor)
    return replace(fit, model=model, train=train, validate=validate)


def chooses(method: Part) -> bool:
    """Whether a method leaves something to be chosen on validation: its number of steps, or one of
    several settings.

    One that cannot be made chooses nothing: its fits fail, and say why, and others go on.
    """
    if get("methods", method.name).chooses_step:
        return True
    try:
        with blamed("methods", method.name):
            return len(list(make("methods", method).candidates())) > 1
    except PluginError:
        return False
