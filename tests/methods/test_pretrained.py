"""Pre-training against a plain network trained on plain batches, fine-tuning against plain networks
tuned one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import (
    WAYS,
    make_cell,
    make_method,
    make_network,
    part,
    plain_loss,
    plain_network,
    random_episodes,
    relative_error,
    reproducible,
    run,
    scores_while_tuned,
)
from torch import Tensor, nn

from metabench import registry
from metabench.cells import BatchNormMode, Cell
from metabench.methods.method import Moment, State
from metabench.methods.pretrained import Pretrained
from metabench.models.layers import BatchNorm2d, Linear
from metabench.tasks.episodes import Examples

CLASSES = 7
"""Of training; episodes have `WAYS`."""
CURVE = (0, 1, 4)
RATES = {"adam": 0.01, "sgd": 0.1}
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}

every_network = pytest.mark.parametrize("name", ["mlp", "conv4 max", "conv4 stride"])
both_tunings = pytest.mark.parametrize("tune", ["head", "all"])


def network_of_training(name: str) -> nn.Module:
    """A network of the tests, with one output a training class."""
    network = make_network(name)
    if name != "mlp":
        network.head = Linear(network.head.in_features, CLASSES).double()
    return network


def examples(name: str, seed: int) -> Examples:
    """A batch of 12."""
    rng = torch.Generator().manual_seed(seed)
    shape = (12, 1) if name == "mlp" else (12, 1, 16, 16)
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    return Examples(x, x.sin() if name == "mlp" else torch.randint(CLASSES, (12,), generator=rng))


@every_network
def test_trains_as_any_network_is_trained(name: str) -> None:
    """In training mode, running statistics included, at the scheduled rate."""
    network, method = network_of_training(name), make_method("pretrained", outer_lr=0.02)
    theirs = plain_network(network, name).train()
    state = method.init(network, None, torch.Generator())
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for seed in range(3):
        batch = examples(name, seed)
        result = method.step(state, batch, Moment(rate=0.5))
        scores = theirs(batch.x)
        loss = plain_loss(scores, batch.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert result.loss == pytest.approx(loss.item(), rel=1e-9)
        score = (
            loss.item() if name == "mlp" else (scores.argmax(-1) == batch.y).double().mean().item()
        )
        assert result.score == pytest.approx(score, rel=1e-6)
    assert relative_error(list(network.parameters()), list(theirs.parameters())) < 1e-8
    ours = [layer for layer in network.modules() if isinstance(layer, BatchNorm2d)]
    for norm, other in zip(
        ours, (layer for layer in theirs if isinstance(layer, nn.BatchNorm2d)), strict=True
    ):
        torch.testing.assert_close(norm.running_mean, other.running_mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(norm.running_var, other.running_var, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("mlp", None),
        *(
            (f"conv4 {pooling}", mode)
            for pooling in ("max", "stride")
            for mode in ("running", "query")
        ),
    ],
)
@both_tunings
@pytest.mark.parametrize("optimizer", RATES)
def test_is_a_plain_network_tuned_to_each_support_set(
    name: str, mode: BatchNormMode | None, tune: Any, optimizer: Any
) -> None:
    """From a head of zeros for classes; the body stays as it is where the head alone is tuned."""
    network, batch, rate = network_of_training(name), random_episodes(name, 3), RATES[optimizer]
    method = make_method(
        "pretrained", tune=(tune,), rates=(rate,), steps=CURVE, optimizer=optimizer
    )
    scores = method.predict(
        method.init(network, None, torch.Generator()),
        batch.support_x,
        batch.support_y,
        batch.query_x,
        mode,
    )
    for i in range(3):
        theirs = plain_network(network, name).train(mode == "query")
        if name != "mlp":
            theirs[-1] = nn.Linear(theirs[-1].in_features, WAYS).double()
            nn.init.zeros_(theirs[-1].weight)
            nn.init.zeros_(theirs[-1].bias)
        tuned = theirs[-1].parameters() if tune == "head" else theirs.parameters()
        moves = OPTIMIZERS[optimizer](tuned, lr=rate)
        along = scores_while_tuned(theirs, moves, batch, i, max(CURVE))
        for place, step in enumerate(CURVE):
            torch.testing.assert_close(scores[i, place], along[step], rtol=1e-7, atol=1e-7)


@both_tunings
def test_before_tuning_every_class_scores_alike(tune: Any) -> None:
    method, batch = (
        make_method("pretrained", tune=(tune,), rates=(0.1,), steps=(0,)),
        random_episodes("conv4 max", 2),
    )
    state = method.init(network_of_training("conv4 max"), None, torch.Generator())
    assert (
        method.predict(state, batch.support_x, batch.support_y, batch.query_x, "running") == 0
    ).all()


def test_there_is_one_candidate_for_each_part_and_rate() -> None:
    method = make_method("pretrained", tune=("all", "head"), rates=(0.1, 0.01), steps=(5, 0, 1, 5))
    candidates = [
        (candidate.settings.tune, candidate.settings.rates, candidate.curve)
        for candidate in method.candidates()
    ]
    assert candidates == [
        ((tune,), (rate,), (0, 1, 5)) for tune in ("all", "head") for rate in (0.1, 0.01)
    ]


def test_numbers_of_adapted_weights_by_hand() -> None:
    """4 features for the head, whichever network; the most where it is open."""
    network = network_of_training("conv4 max")
    body = 9 * 4 * (1 + 3 * 4) + 4 * 2 * 4
    for tune, of_body in {("head",): 0, ("all",): body, ("head", "all"): body}.items():
        method = make_method("pretrained", tune=tune)
        assert method.adapted_weights(State(network), 5) == of_body + 5 * (4 + 1)
    waves = State(network_of_training("mlp"))
    assert make_method("pretrained", tune=("head",)).adapted_weights(waves, None) == 8 + 1
    assert (
        make_method("pretrained", tune=("all",)).adapted_weights(waves, None)
        == (1 + 1) * 8 + (8 + 1) * 8 + 8 + 1
    )


# --- in the experiment ----------------------------------------------------------------------------


SETTINGS: dict[str, Any] = {"rates": (0.01, 0.1), "steps": (0, 2)}


@pytest.mark.slow
@pytest.mark.parametrize("source", ["sinusoid", "omniglot"])
def test_a_fit_comes_again_to_the_bit_and_says_what_it_took(
    source: str, omniglot_folder: Path
) -> None:
    """One gradient an iteration, of as many images as the tasks of the recipe hold; no task is
    met."""
    cell = make_cell(
        "pretrained",
        source,
        method=SETTINGS,
        evaluate={"batch_norm": "running" if source == "omniglot" else None},
    )
    (first,), (second,) = (run(cell, data=omniglot_folder) for _ in range(2))
    assert reproducible(first) == reproducible(second)
    result = first.result
    assert result["outcome"] == "completed"
    iterations, images = {"sinusoid": (6, 2 * 10), "omniglot": (4, 2 * 9)}[source]
    assert result["spent"] == {
        "tasks": 0,
        "images": iterations * images,
        "gradient_evaluations": iterations,
    }
    (tune,), (rate,) = (result["choice"]["settings"][key] for key in ("tune", "rates"))
    assert (tune, rate) in {(tune, rate) for tune in ("head", "all") for rate in SETTINGS["rates"]}
    head = {"sinusoid": 8 + 1, "omniglot": 3 * (4 + 1)}[source]
    body = {"sinusoid": 8 * (1 + 1), "omniglot": 9 * 4 * (1 + 3 * 4) + 4 * 2 * 4}[source]
    assert result["weights"]["adapted"] == head + (body if tune == "all" else 0)
    assert result["weights"]["trained"] == body + (
        head if source == "sinusoid" else CLASSES_OF_OMNIGLOT * (4 + 1)
    )


CLASSES_OF_OMNIGLOT = 4 * 6
"""Of the made-up training alphabets."""


@pytest.mark.slow
def test_what_validation_chose_is_what_is_tested(omniglot_folder: Path) -> None:
    validate = {"episodes": 20, "select": "last"}
    (outcome,) = run(
        make_cell("pretrained", "omniglot", method=SETTINGS, validate=validate),
        data=omniglot_folder,
    )
    choice, adaptation = outcome.result["choice"], outcome.result["adaptation"]
    assert outcome.result["score"] == adaptation["score"][adaptation["steps"].index(choice["step"])]
    settled = {**SETTINGS, **choice["settings"], "steps": (choice["step"],)}
    (again,) = run(
        make_cell("pretrained", "omniglot", method=settled, validate=validate), data=omniglot_folder
    )
    # a mean of 40 numbers, summed in another order
    assert again.result["score"] == pytest.approx(outcome.result["score"], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("ways", [3, 5])
def test_one_network_serves_any_ways(omniglot_folder: Path, ways: int) -> None:
    (outcome,) = run(
        make_cell("pretrained", "omniglot", method=SETTINGS, evaluate={"ways": ways}),
        data=omniglot_folder,
    )
    assert outcome.result["outcome"] == "completed"
    assert outcome.arrays["result/prediction"].max() < ways
    assert outcome.result["adaptation"]["score"][0] == pytest.approx(1 / ways)


def numbered(cell: Cell) -> Cell:
    return replace(cell, fit=replace(cell.fit, dataset=part("datasets", "numbered")))


@pytest.mark.slow
def test_it_trains_on_training_classes_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each image under the number of its class; test classes are met in test, once."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    registry.use_plugins({"datasets": {"numbered": "numbered:Numbered"}}, Path(__file__).parents[1])
    from numbered import PER_CLASS, SPLITS

    trained: list[np.ndarray] = []
    tested: list[set[int]] = []
    step, predict = Pretrained.step, Pretrained.predict

    def numbers(x: Tensor) -> np.ndarray:
        return (x[..., 0, 0, 0] * 255 + 256 * x[..., 0, 0, 1] * 255).round().long().numpy()

    def watched_step(self: Pretrained, state: State, batch: Examples, moment: Moment) -> Any:
        trained.append(np.stack((numbers(batch.x) // PER_CLASS, batch.y.numpy())))
        return step(self, state, batch, moment)

    def watched_predict(self: Pretrained, state: State, *episode: Any) -> Tensor:
        tested.append(
            {
                *(
                    np.concatenate((numbers(episode[0]).ravel(), numbers(episode[2]).ravel()))
                    // PER_CLASS
                )
            }
        )
        return predict(self, state, *episode)

    monkeypatch.setattr(Pretrained, "step", watched_step)
    monkeypatch.setattr(Pretrained, "predict", watched_predict)
    try:
        run(
            numbered(
                make_cell("pretrained", "omniglot", method=SETTINGS, train={"iterations": 20})
            ),
            data=tmp_path,
        )
    finally:
        registry.use_plugins({}, Path(__file__).parents[1])
    classes, labels = np.concatenate(trained, axis=1)
    assert {*classes} == {*SPLITS["train"]}
    assert len({*zip(classes, labels, strict=True)}) == len(SPLITS["train"]) == len({*labels})
    first = tested.index(next(met for met in tested if not met <= {*SPLITS["validation"]}))
    assert first > 0
    assert set().union(*tested[first:]) == {*SPLITS["test"]}


@pytest.mark.slow
def test_it_learns_made_up_characters(omniglot_folder: Path) -> None:
    """Far above the third that guessing gives."""
    cell = make_cell(
        "pretrained",
        "omniglot",
        method={"tune": ("head",), "rates": (0.1,), "steps": (0, 10)},
        train={"iterations": 60, "tasks_per_batch": 5},
        validate={"every": 30, "episodes": 20},
        evaluate={"episodes": 200, "batch_norm": "running"},
    )
    (outcome,) = run(cell, data=omniglot_folder)
    low, _ = outcome.result["interval"]
    assert low > 1 / 3 + 0.1


def test_a_rate_without_reason_diverges(omniglot_folder: Path) -> None:
    (outcome,) = run(
        make_cell("pretrained", method={**SETTINGS, "outer_lr": 1e38}), data=omniglot_folder
    )
    assert (outcome.result["outcome"], outcome.result["score"], outcome.result["choice"]) == (
        "diverged",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", (10_001,)),
        ("steps", ()),
        ("rates", (0.0,)),
        ("rates", ()),
        ("tune", ("body",)),
        ("tune", ()),
        ("outer_lr", 0.0),
    ],
)
def test_nonsense_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        part("methods", "pretrained", **{key: value})


def test_settings_at_their_defaults_stay_out_of_the_identity() -> None:
    assert part("methods", "pretrained", tune=("head", "all"), optimizer="adam").said == {}
    assert part("methods", "pretrained", tune=("head",)).said == {"tune": ("head",)}
