"""What every method must do, whatever it is."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from metabench.cells import TRANSDUCTIVE
from metabench.experiment.returned.methods import (
    checked_candidates,
    checked_scores,
    checked_step,
    state_digest,
)
from metabench.methods.method import Method, State
from metabench.models.layers import batch_norms
from metabench.registry import names
from metabench.registry.contract import broken_contract
from metabench.tasks.episodes import Episodes
from metabench.testing.small import ITERATIONS, WAYS, Trial, made

EPISODES = 300
SIGMAS = 6.0
"""Standard errors by which a mean may miss what it should be: by chance, never."""


def check_method(found: type[Method], model: Any = None, **settings: Any) -> None:
    """Try a method on each kind of task that it serves.

    Parameters
    ----------
    found
        The class.
    model
        Called with a task, makes the network to try it with: a `torch.nn.Module`. A small one of
        this package by default.
    settings
        Those of its `Settings` that are not to be the defaults: few steps, for instance.

    Raises
    ------
    AssertionError
        Says what is wrong.
    """
    if broken := broken_contract("methods", found, names("models")):
        raise AssertionError(f"{found.__name__} {broken}")
    for kind in sorted(found.kinds):
        trial = Trial(made(found, settings), kind, model)
        for check in CHECKS:
            check(trial)


def gives_numbers(trial: Trial) -> None:
    """Losses, scores and weights are finite, and training moves something."""
    state = trial.state()
    before = state_digest(state)
    for step in trial.train(state):
        checked_step(trial.method, step)
        assert math.isfinite(step.loss), f"{_name(trial)}: a loss is {float(step.loss)}"
    for name, value in state.state_dict().items():
        finite = not value.is_floating_point() or bool(value.isfinite().all())
        assert finite, f"{_name(trial)}: {name} is not finite after {ITERATIONS} iterations"
    moved = state_digest(state) != before
    assert moved == trial.method.trains, (
        f"{_name(trial)}: {ITERATIONS} iterations changed {'something' if moved else 'nothing'}, "
        f"and trains is {trial.method.trains}"
    )


def gives_scores(trial: Trial) -> None:
    """Scores have a number for every episode, point of the curve, query and class."""
    state, episodes, method = trial.trained(), trial.episodes(3), trial.tested
    outputs = trial.shape.ways or episodes.query_y.shape[-1]
    wanted = (3, len(method.curve), episodes.query_y.shape[1], outputs)
    scores = trial.predict(method, state, episodes)
    checked_scores(method, "predict", scores, wanted, scores.device)
    assert bool(scores.isfinite().all()), f"{_name(trial)}: predict gave scores that are no numbers"


def is_reproducible(trial: Trial) -> None:
    """The same weights and the same scores come of the same streams, whatever ran before."""
    runs = []
    for seed in (0, 1):
        torch.manual_seed(seed)  # nothing may come from here
        state = trial.trained()
        scores = trial.predict(trial.tested, state, trial.episodes(2))
        runs.append((state_digest(state), scores))
    assert runs[0][0] == runs[1][0], f"{_name(trial)}: a second training led to other weights"
    assert torch.equal(runs[0][1], runs[1][1]), f"{_name(trial)}: a second test gave other scores"


def keeps_all_in_its_state(trial: Trial) -> None:
    """A training goes on from what a checkpoint holds as if nothing had happened."""
    half = ITERATIONS // 2
    whole, resumed = trial.state(), trial.state()
    for _ in trial.train(whole, 0, half):
        pass
    _restore(resumed, whole)
    for state in (whole, resumed):
        for _ in trial.train(state, half):
            pass
    assert state_digest(whole) == state_digest(resumed), (
        f"{_name(trial)}: a training that was saved and restored led elsewhere; what training "
        "changes must be a parameter or a buffer of the state, of its optimizer, or its generator"
    )


def leaves_all_as_it_was(trial: Trial) -> None:
    """A test changes neither the state nor the episodes."""
    state, episodes = trial.trained(), trial.episodes(3)
    before, given = state_digest(state), copy.deepcopy(episodes)
    for hook, call in (("predict", trial.predict), ("inside", trial.inside)):
        call(trial.tested, state, episodes)
        assert state_digest(state) == before, f"{_name(trial)}: {hook} changed the state"
        for part, tensor in vars(given).items():
            same = torch.equal(tensor, getattr(episodes, part))
            assert same, f"{_name(trial)}: {hook} changed {part}"


def sees_no_answers(trial: Trial) -> None:
    """Scores do not depend on the labels of the queries, which are within reach of anybody who
    looks through the frames of the call."""
    state, episodes = trial.trained(), trial.episodes(3)
    other = Episodes(
        episodes.support_x, episodes.support_y, episodes.query_x, episodes.query_y.roll(1, 1)
    )
    scores = [trial.predict(trial.tested, state, met) for met in (episodes, other)]
    assert torch.equal(*scores), f"{_name(trial)}: scores depend on the labels of the queries"


def answers_in_any_order(trial: Trial) -> None:
    """Queries are scored alike in any order; and alone as together, unless that is declared."""
    state, episodes = trial.trained(), trial.episodes(3)
    together = trial.predict(trial.tested, state, episodes)
    order = torch.arange(together.shape[2]).flip(0)
    turned = trial.predict(trial.tested, state, _with_queries(episodes, order))
    assert _alike(turned, together[:, :, order]), (
        f"{_name(trial)}: scores depend on the order of the queries"
    )
    if batch_norms(state) and trial.method.settings.test_batch_norm in TRANSDUCTIVE:
        return
    alone = trial.predict(trial.tested, state, _with_queries(episodes, torch.tensor([0])))
    assert _alike(alone, together[:, :, :1]), (
        f"{_name(trial)}: the score of a query depends on the other queries, which no batch norm "
        "mode of it says"
    )


def keeps_episodes_apart(trial: Trial) -> None:
    """An episode is scored alone as among others: what is adapted to one is nothing to the next."""
    state, episodes = trial.trained(), trial.episodes(3)
    together = trial.predict(trial.tested, state, episodes)
    alone = trial.predict(trial.tested, state, episodes[:1])
    assert _alike(alone, together[:1]), (
        f"{_name(trial)}: the scores of an episode depend on the other episodes of its batch"
    )


def knows_nothing_beforehand(trial: Trial) -> None:
    """Where the labels of a support set are dealt out at random, nothing is above chance: neither
    the place of an image nor that of a class tells anything."""
    if trial.shape.ways is None:
        return
    state, episodes = trial.trained(), trial.episodes(EPISODES)
    rng = torch.Generator().manual_seed(0)
    labels = torch.stack([y[torch.randperm(len(y), generator=rng)] for y in episodes.support_y])
    dealt = Episodes(episodes.support_x, labels, episodes.query_x, episodes.query_y)
    _is_at_chance(trial, trial.predict(trial.tested, state, dealt), dealt, "with random labels")
    if trial.method.adapts:
        (unadapted, *_) = checked_candidates(trial.method.at_steps(0))
        scores = trial.predict(unadapted, state, episodes)
        _is_at_chance(trial, scores[:, :1], episodes, "before any step of adaptation")


CHECKS = (
    gives_numbers,
    gives_scores,
    is_reproducible,
    keeps_all_in_its_state,
    leaves_all_as_it_was,
    sees_no_answers,
    answers_in_any_order,
    keeps_episodes_apart,
    knows_nothing_beforehand,
)


def _is_at_chance(trial: Trial, scores: Tensor, episodes: Episodes, when: str) -> None:
    hits = (scores.argmax(-1) == episodes.query_y.unsqueeze(1)).double().mean(-1)  # [E, P]
    error = hits.std(0) / math.sqrt(len(hits)) + 1e-3
    apart = (hits.mean(0) - 1 / WAYS).abs() / error
    assert bool((apart < SIGMAS).all()), (
        f"{_name(trial)}: {when} accuracy is {hits.mean(0).tolist()}, where chance is {1 / WAYS}"
    )


def _restore(state: State, saved: State) -> None:
    """Give a state all that a checkpoint keeps of another."""
    state.load_state_dict(copy.deepcopy(saved.state_dict()))
    if state.optimizer is not None and saved.optimizer is not None:
        state.optimizer.load_state_dict(copy.deepcopy(saved.optimizer.state_dict()))
    if state.generator is not None and saved.generator is not None:
        state.generator.set_state(saved.generator.get_state())


def _with_queries(episodes: Episodes, which: Tensor) -> Episodes:
    return Episodes(
        episodes.support_x,
        episodes.support_y,
        episodes.query_x[:, which],
        episodes.query_y[:, which],
    )


def _alike(one: Tensor, other: Tensor) -> bool:
    """Equal but for the order of sums."""
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def _name(trial: Trial) -> str:
    return f"{type(trial.method).__name__} ({trial.dataset.kind})"
