"""A fit sets training and evaluation mode, and finds batch normalisation that nobody announced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from suite_project import load
from torch import nn

from metabench import registry
from metabench.experiment.determinism import phase
from metabench.methods.method import State

MODELS = '''
from dataclasses import dataclass
from torch import nn

class Plain(nn.Module):
    """Says nothing of itself but what it must."""
    version, kinds = 1, frozenset({"classification"})
    @dataclass(frozen=True)
    class Settings:
        normalised: bool = True
        layer: str = "BatchNorm2d"
    def __init__(self, settings, task):
        super().__init__()
        self.conv = nn.Conv2d(task.input_shape[0], 4, 3)
        self.norm = getattr(nn, settings.layer)(4) if settings.normalised else nn.Identity()
    def forward(self, x):
        return self.norm(self.conv(x))
'''
SUITE = """
[grid]
algorithms = ["maml"]
models = ["plain"]
datasets = ["glyphs"]
ways = 3
shots = 1
seeds = 1
[train]
iterations = 1
[models.plain]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "plain_models", raising=False)
    (tmp_path / "plain_models.py").write_text(MODELS)
    (tmp_path / "benchmark.toml").write_text('[plugins.models]\nplain = "plain_models:Plain"\n')
    yield tmp_path
    registry.use_plugins({}, tmp_path)


@pytest.mark.parametrize(
    ("setting", "modes"),
    [("normalised = true", ["query"]), ("normalised = false", [None])],
)
def test_batch_normalisation_is_found_where_a_class_says_nothing(
    project: Path, setting: str, modes: list[str | None]
) -> None:
    cells = load(project, SUITE + setting).cells
    assert [cell.evaluate.batch_norm for cell in cells] == modes


def test_a_layer_that_no_mode_could_hold_for_refuses_the_suite(project: Path) -> None:
    with pytest.raises(Exception, match=r"layer 'norm' \(SyncBatchNorm\) keeps statistics") as told:
        load(project, SUITE + 'layer = "SyncBatchNorm"')
    assert told.value.exit_status == 2
    assert "layer" in str(told.value)


@pytest.mark.parametrize("training", [True, False])
def test_a_phase_sets_the_mode_and_leaves_it_as_it_was(training: bool) -> None:
    state = State(nn.Sequential(nn.Dropout(), nn.Linear(1, 1).eval()))
    with phase(state, 0, "some", training=training):
        assert {module.training for module in state.modules()} == {training}
    assert [module.training for module in state.modules()] == [True, True, True, False]
