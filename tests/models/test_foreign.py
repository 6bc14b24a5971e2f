"""Any torch module as a model: packed, vmapped and in a loop it gives what the untouched module
gives, task by task, and obeys what is said of its batch normalisation."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from few_shot import MODES, relative_error
from modules import CASES, IMAGES, NORMALISED, VECTORS, WAYS, Flat, Residual
from torch import Tensor, nn
from torch.func import functional_call

from metabench.errors import PluginError
from metabench.methods.outputs import query_outputs
from metabench.models.foreign import Foreign, Way
from metabench.models.layers import normalising
from metabench.models.model import Network
from metabench.models.packed import prepare
from metabench.models.ways import as_model, choose
from metabench.tasks.episodes import Task

TASKS, BATCH = 3, 5


def made(name: str) -> tuple[nn.Module, Task]:
    """An untouched float64 module whose batch normalisation has a state of its own."""
    torch.manual_seed(0)
    make, task, _ = CASES[name]
    module = make().double()
    for key, value in module.named_buffers():
        if key.endswith("running_mean"):
            value.normal_(std=0.3)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return module, task


def as_foreign(module: nn.Module, task: Task, way: Any, *, channels_last: bool = False) -> Foreign:
    return Foreign(copy.deepcopy(module), task, Way(way, channels_last=channels_last))


def inputs(task: Task, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(TASKS, BATCH, *task.input_shape, generator=rng, dtype=torch.float64)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Weights of each task, all of them different."""
    rng = torch.Generator().manual_seed(2)
    return {
        name: (p.detach() + 0.2 * torch.randn(TASKS, *p.shape, generator=rng, dtype=p.dtype))
        .requires_grad_()
        for name, p in module.named_parameters()
    }  # fmt: skip


def under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: w for name, w in weights.items()}


def task_by_task(module: nn.Module, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    return torch.stack(
        [
            functional_call(module, {name: w[t] for name, w in weights.items()}, (x[t],)).flatten(1)
            for t in range(len(x))
        ]
    )


def two_orders(y: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """Gradients of a loss, and of the squared length of those."""
    wanted = tuple(weights.values())
    loss = (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)).square().sum()
    first = torch.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
    there = [g for g in first if g is not None]
    second = torch.autograd.grad(sum(g.square().sum() for g in there), wanted, allow_unused=True)
    return [*there, *(g for g in second if g is not None)]


@pytest.mark.parametrize("name", CASES)
def test_every_module_takes_the_fastest_way_that_is_right(name: str) -> None:
    make, task, best = CASES[name]
    torch.manual_seed(0)
    module = make()
    prepare(module)
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    way = choose(module, task)
    assert way.name == best, way
    assert bool(way.why) == (best != "packed")
    assert torch.equal(state, torch.get_rng_state())
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert module.training


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("name", "way"), WAYS)
def test_values_and_gradients_of_two_orders_are_those_of_a_loop_over_the_untouched_module(
    name: str, way: str, training: bool
) -> None:
    module, task = made(name)
    model, weights, x = as_foreign(module, task, way), weights_of(module), inputs(task)
    for each in (module, model):
        each.train(training)
        for layer in each.modules():
            if isinstance(layer, nn.Dropout | nn.Dropout2d):
                layer.eval()
    if name == "shuffled":
        module.eval()
        model.eval()
    with normalising(model, "batch" if training else "running"):
        ours = functional_call(model, under("module.", weights), (x,))
    theirs = task_by_task(module, weights, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert relative_error(two_orders(ours, weights), two_orders(theirs, weights)) < 1e-9
    alone, weights_0 = x[0], {key: w[0] for key, w in weights.items()}
    with normalising(model, "batch" if training else "running"):
        plain = functional_call(model, under("module.", weights_0), (alone,))
    torch.testing.assert_close(plain, ours[0], rtol=1e-9, atol=1e-9)


def by_hand(module: nn.Module, support_x: Tensor, query_x: Tensor, mode: str) -> Tensor:
    """The queries of one task as `mode` says, by torch's own batch normalisation."""
    if mode == "running":
        return module.eval()(query_x)
    module.train()
    if mode == "query":
        return module(query_x)
    if mode == "joint":
        return module(torch.cat((support_x, query_x)))[len(support_x) :]
    if mode == "support_plus_one":
        return torch.cat([module(torch.cat((support_x, q[None])))[-1:] for q in query_x])
    raise ValueError(mode)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "support"])
@pytest.mark.parametrize(("name", "way"), NORMALISED)
def test_batch_norm_modes_hold(name: str, way: str, mode: Any) -> None:
    module, task = made(name)
    model, weights = as_foreign(module, task, way), weights_of(module)
    support_x, query_x = inputs(task), inputs(task, seed=3)
    ours = query_outputs(model, under("module.", weights), support_x, query_x, mode)
    for t in range(TASKS):
        alone = copy.deepcopy(module)
        alone.load_state_dict({**alone.state_dict(), **{k: w[t] for k, w in weights.items()}})
        torch.testing.assert_close(
            ours[t], by_hand(alone, support_x[t], query_x[t], mode).flatten(1)
        )


@pytest.mark.parametrize(("name", "way"), NORMALISED)
def test_queries_normalised_by_the_support_set_are_as_support_images_are(
    name: str, way: str
) -> None:
    """A query that is a support image is given what that image is given among its own, whatever
    the other queries."""
    module, task = made(name)
    model, weights = as_foreign(module, task, way), under("module.", weights_of(module))
    support_x, query_x = inputs(task), inputs(task, seed=3)
    query_x[:, 1] = support_x[:, 2]
    with normalising(model, "batch"):
        expected = functional_call(model, weights, (support_x,))[:, 2]
    ours = query_outputs(model, weights, support_x, query_x, "support")
    torch.testing.assert_close(ours[:, 1], expected)
    fewer = query_outputs(model, weights, support_x, query_x[:, :2], "support")
    torch.testing.assert_close(fewer, ours[:, :2])


@pytest.mark.parametrize(("name", "way"), NORMALISED)
def test_running_statistics_move_one_step_a_task_in_order(name: str, way: str) -> None:
    """As torch's own do, when it meets the tasks one after another."""
    module, task = made(name)
    model, weights, x = as_foreign(module, task, way), weights_of(module), inputs(task)
    with normalising(model, "batch", track=True), torch.no_grad():
        functional_call(model, under("module.", weights), (x,))
    before = copy.deepcopy(module)
    with torch.no_grad():
        task_by_task(module.train(), weights, x)

    def running(of: nn.Module) -> list[Tensor]:
        return [b for key, b in of.named_buffers() if "running" in key]

    assert relative_error(running(model.module), running(module)) < 1e-12
    assert relative_error(running(before), running(module)) > 1e-3
    with normalising(model, "batch"):
        kept = copy.deepcopy(running(model.module))
        functional_call(model, under("module.", weights), (x,))
    assert all(map(torch.equal, kept, running(model.module)))


@pytest.mark.parametrize("way", ["packed", "vmap", "loop"])
def test_a_meta_gradient_through_two_steps_is_that_of_a_loop_over_the_untouched_module(
    way: str,
) -> None:
    module, task = made("residual")
    torch.manual_seed(3)
    model = as_foreign(module, task, way, channels_last=True)
    network = Network(model, task).double()
    plain = nn.Sequential(module.train(), nn.Flatten(), copy.deepcopy(network.head))
    x, y = inputs(task), torch.randint(3, (TASKS, BATCH))

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, labels, reduction="sum")

    weights = {
        n: p.detach().expand(TASKS, *p.shape).requires_grad_()
        for n, p in network.named_parameters()
    }
    fast = weights
    for _ in range(2):
        scores = functional_call(network, fast, (x,))
        g = torch.autograd.grad(
            loss(scores.flatten(0, 1), y.flatten()), tuple(fast.values()), create_graph=True
        )
        fast = {n: w - 0.1 * d for (n, w), d in zip(fast.items(), g, strict=True)}
    last = loss(functional_call(network, fast, (x.flip(1),)).flatten(0, 1), y.flatten())
    ours = [g.sum(0) for g in torch.autograd.grad(last, tuple(weights.values()))]

    shared = dict(plain.named_parameters())
    total = x.new_zeros(())
    for t in range(TASKS):
        fast = shared
        for _ in range(2):
            g = torch.autograd.grad(
                loss(functional_call(plain, fast, (x[t],)), y[t]),
                tuple(fast.values()),
                create_graph=True,
            )
            fast = {n: w - 0.1 * d for (n, w), d in zip(fast.items(), g, strict=True)}
        total = total + loss(functional_call(plain, fast, (x[t].flip(0),)), y[t])
    theirs = list(torch.autograd.grad(total, tuple(shared.values())))
    assert relative_error(ours, theirs) < 1e-9


@pytest.mark.parametrize(
    ("name", "way"), [(n, w) for n, w in WAYS if n in ("perceptron", "shuffled")]
)
def test_dropout_acts_in_training_mode_alone_and_apart_for_every_task(name: str, way: str) -> None:
    module, task = made(name)
    model, x = as_foreign(module, task, way), inputs(task)[:1].expand(TASKS, -1, -1)
    same = {n: p.detach().expand(TASKS, *p.shape) for n, p in model.named_parameters()}

    def outputs() -> Tensor:
        with normalising(model, "running"):
            return functional_call(model, same, (x,))

    model.train()
    first = outputs()
    assert not torch.allclose(first, outputs())
    assert not torch.allclose(first[0], first[1])
    torch.manual_seed(5)
    one = outputs()
    torch.manual_seed(5)
    assert torch.equal(one, outputs())
    model.eval()
    torch.testing.assert_close(outputs(), outputs(), rtol=0, atol=0)
    torch.testing.assert_close(outputs()[0], outputs()[1])


@pytest.mark.parametrize("way", ["packed", "vmap", "loop"])
def test_feature_maps_are_those_of_the_last_stage_before_features_are_flat(way: str) -> None:
    module, task = made("flat")
    model, weights, x = as_foreign(module, task, way), weights_of(module), inputs(task)

    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model.feature_maps(x)

    assert list(model.stages) == ["conv", "norm", "out"]
    with normalising(model, "running"):
        ours = functional_call(Maps(), under("model.module.", weights), (x,))
    plain = nn.Sequential(module.conv, module.norm).eval()
    of_conv = {n.replace("conv", "0"): w for n, w in weights.items() if n.startswith("conv")}
    expected = torch.stack(
        [
            functional_call(plain, {n: w[t] for n, w in of_conv.items()}, (x[t],))
            for t in range(TASKS)
        ]
    )
    torch.testing.assert_close(ours, expected)


def test_a_module_without_maps_says_so() -> None:
    module, task = made("perceptron")
    with pytest.raises(TypeError, match="Sequential has no feature maps"):
        as_foreign(module, task, "loop").feature_maps(inputs(task)[0])


def test_lazy_layers_find_their_sizes() -> None:
    layers = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(7)
    module = nn.Sequential(*layers)
    model = as_model(module, IMAGES)
    assert isinstance(model, Foreign)
    assert (model.width, model.way.name) == (7, "packed")


def test_a_module_that_stands_in_two_places_keeps_its_weights() -> None:
    """torch's own `functional_call` would leave it with those that it was lent."""
    model = as_model(CASES["tied"][0](), IMAGES)
    assert {id(p) for p in model.module.block.parameters()} <= {id(p) for p in model.parameters()}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    lent = {n: torch.zeros(TASKS, *p.shape) for n, p in model.named_parameters()}
    functional_call(model, lent, (inputs(IMAGES).float(),))
    after = dict(model.named_parameters())
    assert all(isinstance(p, nn.Parameter) for p in after.values())
    assert all(torch.equal(before[name], after[name]) for name in before)


class Standardising(nn.Module):
    """Normalises by its batch and says so to nobody."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (1 + x.std())


class Counting(nn.Module):
    """Keeps a buffer that moves."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return x


@pytest.mark.parametrize(
    ("layer", "error", "says"),
    [
        (nn.SyncBatchNorm(2), ValueError, r"layer '1' \(SyncBatchNorm\) keeps statistics"),
        (
            nn.InstanceNorm2d(2, track_running_stats=True),
            ValueError,
            r"layer '1' \(InstanceNorm2d\) keeps statistics",
        ),
        (nn.BatchNorm2d(2, momentum=None), ValueError, r"layer '1' \(BatchNorm2d\) has momentum"),
        (Standardising(), PluginError, r"layer '1' \(Standardising\) .*others of its batch"),
        (Counting(), PluginError, "changes its buffer '1.seen'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_no_batch_norm_mode_could_hold_for_is_refused_by_name(
    layer: nn.Module, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        as_model(nn.Sequential(nn.Conv2d(2, 2, 3), layer), IMAGES)


def test_inputs_that_a_module_does_not_take_are_told() -> None:
    with pytest.raises(ValueError, match="Flat takes no inputs of shape 6: "):
        as_model(Flat(), VECTORS)
    with pytest.raises(ValueError, match="gives an object of type tuple for 2 inputs"):
        as_model(nn.LSTM(6, 2), VECTORS)


def test_statistics_that_torch_would_not_keep_are_kept_from_the_start() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, track_running_stats=False))
    model = as_model(module, IMAGES)
    with normalising(model, "batch", track=True):
        model(inputs(IMAGES)[0].float())
    assert float(model.module[1].running_mean.abs().max()) > 0


def test_a_strided_pointwise_convolution_is_torchs_own_in_every_layout() -> None:
    """Whose own backward must not be met where channels come last."""
    block = Residual(2, 4).double()
    model = as_foreign(block, IMAGES, "loop")
    x = inputs(IMAGES)[0]
    torch.testing.assert_close(model.module.short(x), block.short(x))
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model.module.short(last), block.short(x))


RESNET = """
import torch
from torch.func import functional_call
from metabench.models.model import Network
from metabench.models.packed import prepare
from metabench.models.vision import Torchvision
from metabench.models.ways import as_model
from metabench.tasks.episodes import Task

torch.manual_seed(0)
torch.set_num_threads(1)
task = Task("classification", (1, 28, 28), 3)
model = as_model(Torchvision(Torchvision.Settings(), task), task)
assert model.way.name == "packed", model.way
network = Network(model, task)
x, y = torch.randn(2, 6, 1, 28, 28), torch.arange(3).repeat(4)
weights = {
    n: p.detach().expand(2, *p.shape).requires_grad_() for n, p in network.named_parameters()
}
fast = weights
for _ in range(2):
    loss = torch.nn.functional.cross_entropy(functional_call(network, fast, (x,)).flatten(0, 1), y)
    g = torch.autograd.grad(loss, tuple(fast.values()), create_graph=True)
    fast = {n: w - 0.01 * d for (n, w), d in zip(fast.items(), g)}
g = torch.autograd.grad(loss, tuple(weights.values()))
assert all(d.isfinite().all() for d in g) and sum(d.abs().sum() for d in g) > 0
print("whole")
"""


@pytest.mark.slow
def test_a_meta_gradient_of_torchvisions_resnet18_leaves_its_process_whole() -> None:
    """torch's own backward of its strided 1x1 convolutions would corrupt the memory."""
    ran = subprocess.run(
        [sys.executable, "-c", RESNET], capture_output=True, text=True, timeout=300
    )
    assert (ran.returncode, ran.stdout) == (0, "whole\n"), ran.stderr[-2000:]
