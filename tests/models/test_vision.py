"""Networks of torchvision as models."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
import torchvision

from metabench.models.vision import Name, Torchvision
from metabench.models.ways import untried
from metabench.tasks.episodes import Task


def made(name: str, *shape: int) -> Torchvision:
    with torch.device("meta"):
        return Torchvision(Torchvision.Settings(name=name), Task("classification", shape, 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", get_args(Name))
def test_every_network_gives_features_of_large_images_in_any_number_of_channels(name: str) -> None:
    with torch.device("meta"):
        for channels in (1, 3):
            task = Task("classification", (channels, 84, 84), 5)
            model = untried(made(name, *task.input_shape), task)
            assert model.width >= 512
            assert len(model.stages) > 2
    names = {n for n, _ in made(name, 3, 84, 84).network.named_parameters()}
    theirs = {n for n, _ in torchvision.models.get_model(name).named_parameters()}
    assert len(theirs - names) == 2
    assert names < theirs


def test_images_that_are_too_small_are_refused() -> None:
    task = Task("classification", (1, 28, 28), 5)
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match="Torchvision takes no inputs of shape 1x28x28: "),
    ):
        untried(made("vgg11_bn", 1, 28, 28), task)


@pytest.mark.slow
def test_three_channels_keep_the_weights_that_torchvision_draws() -> None:
    torch.manual_seed(0)
    ours = Torchvision(Torchvision.Settings(), Task("classification", (3, 32, 32), 5))
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None)
    theirs.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
