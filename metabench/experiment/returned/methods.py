"""What methods give back, and the models that they make networks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from reprlib import repr as shortened
from typing import Any

import torch
from torch import Tensor, nn

from metabench.experiment.returned.both import SCORE_TYPES
from metabench.experiment.tensor_files import digest_of
from metabench.methods.method import Method, Source, State, StepResult
from metabench.models.foreign import Foreign, width_of
from metabench.models.model import Model
from metabench.registry.promises import broken, dtype_name, seen
from metabench.registry.requirements import is_whole
from metabench.tasks.episodes import Task


def checked_model(model: Model, task: Task) -> Model:
    """A model that gives as many features as it says."""
    if isinstance(model, Foreign):  # which found out
        return model
    if (found := width_of(model, task)) != model.width:
        raise broken(
            model,
            "forward",
            f"gave {found} features for an input; expected its width, {model.width}",
        )
    return model


def checked_network(method: Method, network: Any) -> nn.Module:
    """The network that a method makes of a model."""
    if not isinstance(network, nn.Module):
        raise broken(method, "network", f"gave {seen(network)}; expected a torch.nn.Module")
    return network


def checked_state(method: Method, state: Any) -> State:
    """The state that `init` gives."""
    if not isinstance(state, State):
        raise broken(method, "init", f"gave {seen(state)}; expected a State")
    for name, wanted in {"optimizer": torch.optim.Optimizer, "generator": torch.Generator}.items():
        if not isinstance(value := getattr(state, name), wanted | None):
            raise broken(
                method,
                "init",
                f"gave a State whose {name} is {seen(value)}; expected a torch {wanted.__name__} "
                "or None",
            )
    return state


def checked_method(method: Method) -> Method:
    """A method whose curve, steps and costs are numbers that a record can hold."""
    curve, steps, gradients = method.curve, method.test_steps, method.gradients_per_task
    if not (isinstance(curve, tuple | list) and curve and all(is_whole(step) for step in curve)):
        raise broken(
            method, "curve", f"is {shortened(curve)}; expected numbers of steps, such as (0, 1, 5)"
        )
    if steps not in curve:
        raise broken(
            method,
            "test_steps",
            f"is {shortened(steps)}; expected an entry of the curve, {shortened(tuple(curve))}",
        )
    if not is_whole(gradients):
        raise broken(
            method,
            "gradients_per_task",
            f"is {shortened(gradients)}; expected a whole number, at least 0",
        )
    return method


def checked_at_steps(method: Method, fixed: Any) -> Method:
    """The method that `at_steps` gives."""
    if not isinstance(fixed, Method):
        raise broken(method, "at_steps", f"gave {seen(fixed)}; expected a method")
    return checked_method(fixed)


def checked_candidates(method: Method) -> Sequence[Method]:
    """What validation episodes are to be spent on."""
    found = method.candidates()
    if not (
        isinstance(found, Sequence)
        and found
        and all(isinstance(candidate, Method) for candidate in found)
    ):
        raise broken(
            method,
            "candidates",
            f"gave {seen(found)}; expected a tuple or list of methods, with at least one in it",
        )
    for candidate in found:
        if candidate is not method:
            checked_method(candidate)
    return found


def checked_weights(method: Method, state: State, ways: int | None) -> int:
    """How many weights adapting to an episode changes."""
    adapted = method.adapted_weights(state, ways)
    if not is_whole(adapted):
        raise broken(
            method,
            "adapted_weights",
            f"gave {seen(adapted)}; expected a whole number, at least 0",
        )
    return adapted


def checked_batches(method: Method, source: Source) -> Callable[[int], Any]:
    """What gives the batch of each iteration."""
    batches = method.batches(source)
    if not callable(batches):
        raise broken(
            method, "batches", f"gave {seen(batches)}; expected what source.episodes() gives"
        )
    return batches


def checked_step(method: Method, step: Any) -> StepResult:
    """Loss and score of an iteration. Asked once an iteration."""
    if not isinstance(step, StepResult):
        raise broken(method, "step", f"gave {seen(step)}; expected a StepResult")
    for name, value in (("loss", step.loss), ("score", step.score)):
        if not (isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex()):
            raise broken(
                method,
                "step",
                f"gave a {name} of {seen(value)}; expected a real tensor without axes",
            )
    return step


def checked_scores(
    method: Method, hook: str, scores: Any, wanted: tuple[int, ...], device: torch.device
) -> Tensor:
    """Predictions of the shape that is `wanted`, to the last axis."""
    if not isinstance(scores, Tensor) or scores.layout != torch.strided:
        raise broken(
            method, hook, f"gave {seen(scores)}; expected a dense tensor of shape {list(wanted)}"
        )
    if scores.shape != wanted:  # broadcasting would score it all the same
        raise broken(
            method, hook, f"gave scores of shape {list(scores.shape)}; expected {list(wanted)}"
        )
    if scores.dtype not in SCORE_TYPES:
        raise broken(
            method,
            hook,
            f"gave scores of type {dtype_name(scores.dtype)}; expected float32 or float64",
        )
    if scores.device != device:
        raise broken(method, hook, f"gave scores on {scores.device}; expected them on {device}")
    return scores.detach()


def checked_embeddings(method: Method, embedded: Any, images: int) -> Tensor:
    """Embeddings of so many images."""
    if not isinstance(embedded, Tensor) or embedded.dim() < 2 or len(embedded) != images:
        raise broken(
            method,
            "embed",
            f"gave {seen(embedded)} for {images} images; expected a row of features for each",
        )
    return embedded


def state_digest(state: State) -> str:
    """SHA-256 of everything that a state keeps."""
    kept = state.state_dict().items()
    return digest_of({name: value for name, value in kept if isinstance(value, Tensor)})


def refuse_changed_state(method: Method, state: State, before: str) -> None:
    """See that a state is what it was before predictions were asked of it: what one test changes,
    the next one would be scored with.

    Raises
    ------
    PluginError
        It is not.
    """
    if state_digest(state) != before:
        raise broken(
            method,
            "predict",
            "changed the state that it was given, which test and validation must leave as it was",
        )
