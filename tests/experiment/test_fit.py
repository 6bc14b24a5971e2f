"""One fit from seed to scores: what it is made of, that it comes again to the bit, and that it is
fair."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from few_shot import CPU, fingerprint, make_cell, part, reproducible, run
from torch import Tensor

from metabench import registry
from metabench.cells import Cell
from metabench.errors import DataError
from metabench.experiment import fit as experiment
from metabench.experiment.evaluation import evaluate
from metabench.experiment.fit import Progress, run_fit
from metabench.experiment.parts import episodes_of, make_parts, open_dataset
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.streams import EpisodeStream
from metabench.methods.maml import MAML
from metabench.methods.method import Method, Moment, State
from metabench.methods.protonet import PrototypicalNetworks
from metabench.methods.scratch import Scratch
from metabench.suite.seeds import at_seed
from metabench.tasks.episodes import Episodes, EpisodeShape

ALGORITHMS: dict[str, dict[str, Any]] = {
    "maml": {"inner_lr": 0.1},
    "fomaml": {"inner_lr": 0.1, "inner_steps": 2},
    "protonet": {},
    "scratch": {"rates": (0.003, 0.03), "steps": (0, 2)},
}
OTHER_RECIPES: dict[str, dict[str, Any]] = {
    "maml": {},
    "fomaml": {"iterations": 2, "tasks_per_batch": 3},
    "protonet": {"ways": 5, "query_shots": 4, "tasks_per_batch": 1},
    "scratch": {"iterations": 1},
}

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def omniglot_cell(algorithm: str, **changes: Any) -> Cell:
    return make_cell(algorithm, "omniglot", method=ALGORITHMS[algorithm], **changes)


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.slow
@every_algorithm
@pytest.mark.parametrize("dataset", ["sinusoid", "omniglot"])
def test_a_fit_run_again_gives_the_same_bits(
    algorithm: str, dataset: str, omniglot_folder: Path
) -> None:
    if (algorithm, dataset) == ("protonet", "sinusoid"):
        dataset = "omniglot"  # prototypes are of classes
    cell = make_cell(algorithm, dataset, method=ALGORITHMS[algorithm])
    (first,) = run(cell, data=omniglot_folder)
    torch.manual_seed(123)  # nor does it matter what was drawn, or run, before
    run(make_cell("maml", seed=5), data=omniglot_folder)
    (second,) = run(cell, data=omniglot_folder)
    assert reproducible(first) == reproducible(second)
    (other,) = run(replace(cell, fit=replace(cell.fit, seed=1)), data=omniglot_folder)
    assert reproducible(other) != reproducible(first)


@pytest.mark.slow
def test_another_process_gives_the_same_bits(omniglot_folder: Path) -> None:
    (here,) = run(omniglot_cell("maml"), data=omniglot_folder)
    script = (
        "import sys; sys.path.append('..'); from test_fit import *; "
        "print(reproducible(*run(omniglot_cell('maml'), data=Path(sys.argv[1]))))"
    )
    there = subprocess.run(
        [sys.executable, "-c", script, omniglot_folder],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == reproducible(here)


@pytest.mark.slow
def test_cells_of_a_fit_do_not_depend_on_each_other(omniglot_folder: Path) -> None:
    cells = [
        omniglot_cell("scratch", evaluate=change)
        for change in ({}, {"shots": 2}, {"batch_norm": "support"})
    ]
    together = [reproducible(outcome) for outcome in run(*cells, data=omniglot_folder)]
    assert together == [reproducible(*run(cell, data=omniglot_folder)) for cell in cells]
    assert [
        reproducible(outcome) for outcome in run(*reversed(cells), data=omniglot_folder)
    ] == together[::-1]


# --- initial weights ------------------------------------------------------------------------------


def state_of(cell: Cell, data: Path) -> State:
    return make_parts(cell.fit, data, CPU).state


def test_initial_weights_belong_to_seed_and_model(omniglot_folder: Path) -> None:
    states = {
        algorithm: state_of(omniglot_cell(algorithm), omniglot_folder) for algorithm in ALGORITHMS
    }
    assert (
        len({fingerprint(states[algorithm].model) for algorithm in ("maml", "fomaml", "scratch")})
        == 1
    )
    assert fingerprint(states["protonet"].model) == fingerprint(states["maml"].model.body)


def test_initial_weights_of_the_body_do_not_depend_on_the_ways(omniglot_folder: Path) -> None:
    bodies = {
        fingerprint(
            state_of(omniglot_cell("maml", train={"ways": ways}), omniglot_folder).model.body
        )
        for ways in (3, 5)
    }
    assert len(bodies) == 1


def test_initial_weights_differ_between_seeds_and_models(omniglot_folder: Path) -> None:
    cells = [
        omniglot_cell("maml", **change) for change in ({}, {"seed": 1}, {"model": {"filters": 5}})
    ]
    weights = [state_of(cell, omniglot_folder).model.body.blocks[0].weight for cell in cells]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2][:4])


def test_initial_weights_neither_depend_on_the_global_generator_nor_move_it(
    omniglot_folder: Path,
) -> None:
    seen = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        seen.add(fingerprint(state_of(make_cell("maml"), omniglot_folder)))
        assert torch.equal(torch.get_rng_state(), before)
    assert len(seen) == 1


# --- the same episodes for everybody --------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[tuple[bytes, ...]]]:
    """Every episode that was drawn from now on, by split."""
    seen: dict[str, set[tuple[bytes, ...]]] = defaultdict(set)
    draw = EpisodeStream.draw

    def watched(self: EpisodeStream, start: int, count: int) -> Any:
        episodes = draw(self, start, count)
        seen[self.split].update(
            tuple(episodes[key][i].tobytes() for key in sorted(episodes)) for i in range(count)
        )
        return episodes

    monkeypatch.setattr(EpisodeStream, "draw", watched)
    return seen


@pytest.mark.slow
def test_every_algorithm_meets_the_same_validation_and_test_episodes(
    omniglot_folder: Path, drawn: dict[str, set[Any]]
) -> None:
    """Whatever its training, and whoever came before it."""
    met = {}
    for algorithm in (*ALGORITHMS, *reversed(ALGORITHMS)):
        drawn.clear()
        (outcome,) = run(
            omniglot_cell(algorithm, train=OTHER_RECIPES[algorithm]), data=omniglot_folder
        )
        ids = tuple(
            outcome.arrays[f"result/{key}"].tobytes()
            for key in ("support_ids", "query_ids", "truth")
        )
        assert met.setdefault("test ids", ids) == ids
        for split, size in (("validation", 4), ("test", 40)):
            assert len(drawn[split]) == size
            assert met.setdefault(split, drawn[split].copy()) == drawn[split]


@pytest.mark.slow
def test_algorithms_of_one_recipe_train_on_the_same_episodes(
    omniglot_folder: Path, drawn: dict[str, set[Any]]
) -> None:
    trained = []
    for algorithm in ("maml", "fomaml", "protonet"):
        drawn.clear()
        run(omniglot_cell(algorithm), data=omniglot_folder)
        trained.append(drawn["train"].copy())
    assert trained[0] == trained[1] == trained[2]
    assert len(trained[0]) == 8


@pytest.mark.slow
def test_more_training_or_validation_moves_no_test_episode(omniglot_folder: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"train": {"iterations": 9}},
        {"validate": {"every": 1, "episodes": 9, "query_shots": 5}},
    ]
    outcomes = [run(omniglot_cell("maml", **change), data=omniglot_folder)[0] for change in changes]
    assert len({outcome.arrays["result/query_ids"].tobytes() for outcome in outcomes}) == 1
    assert len({reproducible(outcome) for outcome in outcomes}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("held", ["init", "data", "test"])
def test_what_is_held_at_one_seed_is_met_again_and_nothing_else(
    omniglot_folder: Path, drawn: dict[str, set[Any]], held: str
) -> None:
    weights, trained, tested, scores = [], [], [], []
    for seed in (0, 1, 2):
        (cell,) = at_seed([omniglot_cell("maml")], seed, {held: 1})
        network = make_parts(cell.fit, omniglot_folder, CPU).state.model
        drawn.clear()
        (outcome,) = run(cell, data=omniglot_folder)
        weights.append(fingerprint(network))
        trained.append(frozenset(drawn["train"] | drawn["validation"]))
        tested.append(outcome.arrays["result/query_ids"].tobytes())
        scores.append(reproducible(outcome))
    met = {"init": weights, "data": trained, "test": tested}
    assert {name: len(set(values)) for name, values in met.items()} == {
        **dict.fromkeys(met, 3),
        held: 1,
    }
    assert len(set(scores)) == 3
    assert reproducible(run(omniglot_cell("maml", seed=1), data=omniglot_folder)[0]) == scores[1]


@pytest.mark.slow
def test_test_episodes_differ_between_seeds(omniglot_folder: Path) -> None:
    ids = [
        run(omniglot_cell("scratch", seed=seed), data=omniglot_folder)[0].arrays["result/query_ids"]
        for seed in (0, 1)
    ]
    assert not np.array_equal(*ids)


# --- what reaches a method ------------------------------------------------------------------------


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dataset `numbered` whose images say which they are."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    registry.use_plugins({"datasets": {"numbered": "numbered:Numbered"}}, Path(__file__).parents[1])
    yield
    registry.use_plugins({}, Path(__file__).parents[1])


Seen = list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Every call of a method from now on: which, image numbers of support and queries, and support
    labels."""
    calls: Seen = []

    def numbers(x: Tensor) -> np.ndarray:
        return (x[..., 0, 0, 0] * 255 + 256 * x[..., 0, 0, 1] * 255).round().long().numpy()

    def watch(method: type[Method]) -> None:
        step, predict = method.step, method.predict

        def watched_step(self: Method, state: State, batch: Episodes, moment: Moment) -> Any:
            calls.append(
                ("step", numbers(batch.support_x), numbers(batch.query_x), batch.support_y.numpy())
            )
            return step(self, state, batch, moment)

        def watched_predict(
            self: Method,
            state: State,
            support_x: Tensor,
            support_y: Tensor,
            query_x: Tensor,
            batch_norm: Any,
        ) -> Tensor:
            calls.append(("predict", numbers(support_x), numbers(query_x), support_y.numpy()))
            return predict(self, state, support_x, support_y, query_x, batch_norm)

        monkeypatch.setattr(method, "step", watched_step)
        monkeypatch.setattr(method, "predict", watched_predict)

    for method in (MAML, PrototypicalNetworks, Scratch):
        watch(method)
    return calls


@pytest.mark.slow
@pytest.mark.usefixtures("numbered")
@every_algorithm
def test_what_reaches_a_method(algorithm: str, seen: Seen, tmp_path: Path) -> None:
    """Support and query share no image, labels are right, steps see training classes alone, and
    test classes come last and once.

    But for the first two test episodes, which are shown in a figure.
    """
    from numbered import PER_CLASS, SPLITS

    settings = {**ALGORITHMS[algorithm], "test_batch_norm": "query"}
    cell = make_cell(algorithm, "omniglot", method=settings, evaluate={"episodes": 70})
    cell = replace(cell, fit=replace(cell.fit, dataset=part("datasets", "numbered")))
    run(cell, data=tmp_path)
    splits = []
    for kind, support, query, support_y in seen:
        for s, q, y in zip(support, query, support_y, strict=True):
            assert len({*s, *q}) == len(s) + len(q)
            classes = s // PER_CLASS
            assert len({*zip(classes, y, strict=True)}) == len(set(classes)) == len(set(y)) == 3
            assert {*(q // PER_CLASS)} == {*classes}
            (split,) = {name for name, members in SPLITS.items() if {*classes} <= {*members}}
            splits.append((kind, split))
    trained, validated = (0, 8) if algorithm == "scratch" else (8, 8)
    assert splits.count(("step", "train")) == trained
    assert splits.count(("predict", "validation")) == validated
    assert splits[-72:] == [("predict", "test")] * 72
    assert len(splits) == trained + validated + 72
    tested = np.concatenate([support for _, support, _, _ in seen])[-72:]
    assert np.array_equal(tested[-2:], tested[:2])


def test_a_method_that_does_not_train_is_left_alone(omniglot_folder: Path) -> None:
    cell = omniglot_cell("scratch")
    parts, heard = make_parts(cell.fit, omniglot_folder, CPU), []
    before = fingerprint(parts.state)
    result = experiment.train_fit(cell, parts, heard.append)
    assert (result.stopped, result.iterations, result.best_iteration) == ("untrained", 0, 0)
    assert result.seconds.size == result.total_seconds == 0
    assert (fingerprint(parts.state), heard) == (before, [])


@pytest.mark.slow
@pytest.mark.parametrize("ways", [3, 5])
def test_before_adaptation_accuracy_is_chance(omniglot_folder: Path, ways: int) -> None:
    """Even on the very classes that training has met, because the order of classes says nothing:
    within four standard errors over episodes."""
    cell = omniglot_cell(
        "maml",
        train={"iterations": 60, "ways": ways},
        validate={"ways": ways},
        evaluate={"ways": ways, "episodes": 1000},
    )
    parts = make_parts(cell.fit, omniglot_folder, CPU)
    experiment.train_fit(cell, parts, lambda _: None)
    shape = EpisodeShape(ways, 1, 2)
    stream = episodes_of(cell.fit, cell.fit.dataset, parts.dataset, "train", shape)
    on = EvaluationSet(stream, 1000, "query", CPU)
    scores = evaluate(parts.method, parts.state, on, point=1).scores
    error = scores[:, 0].std() / 1000**0.5
    assert abs(scores[:, 0].mean() - 1 / ways) < 4 * error < 0.04
    assert scores[:, 1].mean() > 1 / ways + 0.1  # after adaptation it is not


# --- choices, weights, other data -----------------------------------------------------------------


@pytest.mark.slow
def test_scratch_is_tested_at_what_validation_chose(omniglot_folder: Path) -> None:
    (outcome,) = run(omniglot_cell("scratch", validate={"episodes": 20}), data=omniglot_folder)
    choice, adaptation = outcome.result["choice"], outcome.result["adaptation"]
    (rate,) = choice["settings"]["rates"]
    assert rate in ALGORITHMS["scratch"]["rates"]
    assert outcome.result["score"] == adaptation["score"][adaptation["steps"].index(choice["step"])]
    settled = make_cell(
        "scratch", "omniglot", method={"rates": (rate,), "steps": (choice["step"],)}
    )
    assert run(settled, data=omniglot_folder)[0].result["score"] == outcome.result["score"]


@pytest.mark.slow
def test_what_is_open_is_settled_for_each_cell_on_validation_episodes_of_its_shape(
    omniglot_folder: Path, drawn: dict[str, set[Any]]
) -> None:
    run(omniglot_cell("scratch", evaluate={"shots": 3}), data=omniglot_folder)
    # int64 of 3 ways x 3 shots
    assert {len(support) for _, _, _, support in drawn["validation"]} == {8 * 3 * 3}


@pytest.mark.slow
def test_saved_weights_give_the_same_score_and_are_the_selected_ones(
    omniglot_folder: Path, tmp_path: Path
) -> None:
    cell = omniglot_cell("maml")
    (outcome,) = run(cell, data=omniglot_folder, keep_weights=tmp_path / "weights")
    kept = safetensors.torch.load_file(tmp_path / "weights" / f"{cell.fit.id}.safetensors")
    weights = {name: tensor for name, tensor in kept.items() if "/" not in name}
    parts = make_parts(cell.fit, omniglot_folder, CPU)
    parts.state.load_state_dict(weights)
    choice = experiment.settle(cell, parts.method, parts, lambda _: None)
    tested = experiment.test(cell, choice, parts, parts.dataset, lambda _: None)
    assert tested.scores[:, choice.point].mean() == outcome.result["score"]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [
        f"{cell.fit.id}.safetensors"
    ]


@pytest.mark.slow
def test_a_cell_may_be_tested_on_another_dataset(omniglot_folder: Path) -> None:
    home = omniglot_cell("protonet")
    other = part("datasets", "omniglot", split="alphabet", split_seed=3, image_size=16)
    away = replace(home, evaluate=replace(home.evaluate, on=other))
    at_home, abroad = run(home, away, data=omniglot_folder)
    assert at_home.result["training"] == abroad.result["training"]
    assert not np.array_equal(at_home.arrays["result/query_ids"], abroad.arrays["result/query_ids"])
    dataset = open_dataset(other, omniglot_folder)
    assert {*abroad.arrays["result/query_ids"].ravel()} <= {*dataset.split_images("test")}


@pytest.mark.slow
def test_the_digest_of_every_dataset_met_is_kept(omniglot_folder: Path) -> None:
    """A record tested on another dataset must not outlive a change of that dataset."""
    home = omniglot_cell("scratch")
    other = part("datasets", "omniglot", split="alphabet", image_size=20)
    (outcome,) = run(replace(home, evaluate=replace(home.evaluate, on=other)), data=omniglot_folder)
    digests = [open_dataset(p, omniglot_folder).content_digest() for p in (home.fit.dataset, other)]
    assert digests[0] != digests[1]
    assert all(str(digest) in str(outcome.provenance_extra) for digest in digests)


def test_disjoint_test_episodes_share_no_image(omniglot_folder: Path) -> None:
    (outcome,) = run(
        omniglot_cell("protonet", evaluate={"sampling": "disjoint", "episodes": 10}),
        data=omniglot_folder,
    )
    ids = np.concatenate(
        [outcome.arrays[f"result/{part}_ids"].ravel() for part in ("support", "query")]
    )
    assert len(set(ids)) == ids.size == 10 * 3 * 3


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["query", "joint", "support", "support_plus_one", "running"])
def test_every_batch_norm_mode_can_be_tested(omniglot_folder: Path, mode: str) -> None:
    for algorithm in ALGORITHMS:
        (outcome,) = run(
            omniglot_cell(algorithm, evaluate={"batch_norm": mode, "episodes": 5}),
            data=omniglot_folder,
        )
        assert outcome.result["outcome"] == "completed"
        assert outcome.result["transductive"] == (mode in ("query", "joint"))


@pytest.mark.slow
def test_progress_passes_through_the_phases_in_order(omniglot_folder: Path) -> None:
    told: list[Progress] = []
    options = {"device": "cpu", "threads": 1, "workers": 1}
    list(run_fit([omniglot_cell("maml")], data=omniglot_folder, progress=told.append, **options))
    assert list(dict.fromkeys(progress.phase for progress in told)) == ["load", "train", "test"]
    assert [(p.iteration, p.total) for p in told if p.phase == "train"] == [
        (i, 4) for i in (1, 2, 3, 4)
    ]
    assert (told[-1].iteration, told[-1].total) == (40, 40)


# --- learning really happens ----------------------------------------------------------------------


@pytest.mark.slow
def test_maml_learns_to_fit_sinusoids(omniglot_folder: Path) -> None:
    method = {"inner_lr": 0.01, "test_steps": 5}
    shape = {"shots": 10, "query_shots": 10}
    train = {"iterations": 1000, "tasks_per_batch": 10, **shape}
    tables = {
        "train": train,
        "validate": {"every": 500, "episodes": 50, **shape},
        "evaluate": {"episodes": 200, **shape},
    }
    cell = make_cell("maml", model={"hidden": (40, 40)}, method=method, **tables)
    (outcome,) = run(cell, data=omniglot_folder)
    errors = outcome.result["adaptation"]["score"]
    assert errors == sorted(errors, reverse=True)
    assert outcome.result["score"] == pytest.approx(errors[-1])
    assert errors[-1] < 0.5 * errors[0]


def learns(data: Path, chance: float, margin: float, **changes: Any) -> None:
    cell = omniglot_cell("protonet", **changes)
    (outcome,) = run(cell, data=data)
    low, _ = outcome.result["interval"]
    assert low > chance + margin


@pytest.mark.slow
def test_prototypes_learn_made_up_characters(omniglot_folder: Path) -> None:
    learns(
        omniglot_folder,
        1 / 3,
        0.1,
        train={"iterations": 40},
        evaluate={"episodes": 200, "batch_norm": "running"},
    )


@pytest.mark.slow
def test_prototypes_learn_real_characters(real_omniglot: Path) -> None:
    """On alphabets that they never met, five ways; the made-up ones where no real ones are at
    hand."""
    shape = {"ways": 5, "shots": 1, "query_shots": 5}
    tables = {
        "train": {**shape, "iterations": 120, "tasks_per_batch": 1},
        "validate": {**shape, "every": 60},
        "evaluate": {**shape, "episodes": 200, "batch_norm": "running"},
    }
    learns(real_omniglot, 1 / 5, 0.25, model={"filters": 16}, dataset={"image_size": 28}, **tables)


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no drawings in the data folder"):
        run(omniglot_cell("maml"), data=tmp_path)


def test_missing_test_data_fails_its_own_cells_alone(omniglot_folder: Path) -> None:
    home = omniglot_cell("scratch")
    gone = part(
        "datasets",
        "omniglot",
        split="alphabet",
        train_alphabets=("Nowhere",),
        validation_alphabets=("Latin",),
        test_alphabets=("Greek",),
    )
    away = replace(home, evaluate=replace(home.evaluate, on=gone))
    settings = {"device": "cpu", "threads": 1, "workers": 1, "progress": lambda _: None}
    fit = run_fit([away, home], data=omniglot_folder, **settings)
    assert next(fit).cell is home
    with pytest.raises(DataError, match="Nowhere"):
        next(fit)


def test_weights_are_kept_of_what_was_trained(omniglot_folder: Path, tmp_path: Path) -> None:
    run(omniglot_cell("scratch"), data=omniglot_folder, keep_weights=tmp_path)
    assert not list(tmp_path.iterdir())
