"""What is said in vain: refused in a suite, left out where `benchmark.toml` says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_project import GOOD, load

from metabench.errors import ConfigError

WAVES = '[grid]\nalgorithms = {}\ndatasets = "sinusoid"\nshots = 5\nseeds = 1\n'
SCRATCH = WAVES.format('"scratch"')
MAML = WAVES.format('"maml"') + "[train]\niterations = 10\n"
BOTH = MAML.replace('"maml"', '["maml", "scratch"]')
PIXELS = """
[grid]
algorithms = "nearest"
datasets = "glyphs"
ways = 5
shots = 1
seeds = 1
"""
TRAIN = "is for methods that train, and nothing that this reaches does"

VAIN: dict[str, tuple[str, str]] = {
    "budget": (SCRATCH + "[train]\niterations = 10\n", f"[train] iterations = 10: {TRAIN}"),
    "tasks of a batch": (
        BOTH + "[algorithms.scratch]\ntrain.tasks_per_batch = 8\n",
        f"[algorithms.scratch] train.tasks_per_batch = 8: {TRAIN}",
    ),
    "shots of training": (
        BOTH + "[[override]]\nwhen = { method = 'scratch' }\ntrain.shots = 3\n",
        f"[[override]] train.shots = 3: {TRAIN}",
    ),
    "steps of a schedule without training": (
        SCRATCH + '[train]\nschedule = "step"\nstep_every = 10\n',
        f"[train] step_every = 10: {TRAIN}",
    ),
    "patience": (
        BOTH + "[algorithms.scratch]\nvalidate.patience = 3\n",
        f"[algorithms.scratch] validate.patience = 3: {TRAIN}",
    ),
    "target": (SCRATCH + "[validate]\ntarget = 0.5\n", f"[validate] target = 0.5: {TRAIN}"),
    "shots of validation": (SCRATCH + "[validate]\nshots = 3\n", f"[validate] shots = 3: {TRAIN}"),
    "episodes that nothing is chosen on": (
        PIXELS + "[validate]\nepisodes = 50\n",
        "[validate] episodes = 50: is for methods that train or choose on validation",
    ),
    "ways of regression": (
        MAML + "[validate]\nways = 5\n",
        "[validate] ways = 5: regression has no ways, and nothing else is there; take it out",
    ),
    "steps without adaptation": (
        PIXELS + "[evaluate]\nsteps = 3\n",
        "[evaluate] steps = 3: is for methods that adapt in steps",
    ),
    "batch normalisation": (
        MAML + '[evaluate]\nbatch_norm = ["query", "running"]\n',
        'batch_norm = ["query", "running"]: is for models with batch normalisation',
    ),
    "axis": (
        SCRATCH + 'axes = { "train.query_shots" = [1, 2] }\n',
        f'axes."train.query_shots" = [1, 2]: {TRAIN}',
    ),
}


@pytest.mark.parametrize("name", VAIN)
def test_a_key_that_reaches_nothing_is_refused(tmp_path: Path, name: str) -> None:
    text, says = VAIN[name]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert says in str(caught.value)


def test_every_key_that_reaches_nothing_is_told_at_once(tmp_path: Path) -> None:
    text = SCRATCH + "[train]\niterations = 10\nshots = 3\n[validate]\nevery = 5\nepisodes = 20\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert [line.partition("] ")[2].partition(" =")[0] for line in lines] == [
        "iterations",
        "shots",
        "every",
    ]


def test_a_key_that_one_point_heeds_is_good(tmp_path: Path) -> None:
    text = BOTH + "tasks_per_batch = 2\n[validate]\npatience = 3\nepisodes = 20\n"
    assert len(load(tmp_path, text).cells) == 2


def test_a_method_that_only_chooses_heeds_the_episodes_of_validation(tmp_path: Path) -> None:
    (cell,) = load(tmp_path, SCRATCH + "[validate]\nepisodes = 20\nquery_shots = 3\n").cells
    assert (cell.fit.validate.episodes, cell.fit.validate.query_shots) == (20, 3)


def test_what_does_not_train_needs_no_budget(tmp_path: Path) -> None:
    (cell,) = load(tmp_path, SCRATCH).cells
    assert (cell.fit.train.iterations, cell.fit.train.tasks, cell.fit.train.seconds) == (None,) * 3


@pytest.mark.parametrize(
    ("text", "project"),
    [
        (MAML, "[train]\nstep_every = 10\nways = 5\n[validate]\nways = 5\n"),
        (MAML, '[evaluate]\nbatch_norm = ["query", "running"]\n'),
        (SCRATCH, "[train]\nseconds = 5.0\nshots = 3\n[validate]\npatience = 3\n"),
        (PIXELS, "[validate]\nepisodes = 3\n[evaluate]\nsteps = [1, 3]\n"),
    ],
)
def test_what_the_project_says_in_vain_is_left_out(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, text: str, project: str
) -> None:
    (tmp_path / "benchmark.toml").write_text(project)
    suite = load(tmp_path, text)
    alone = load(tmp_path_factory.mktemp("alone"), text)
    kept = load(tmp_path_factory.mktemp("kept"), suite.resolved)
    assert [cell.id for cell in suite.cells] == [cell.id for cell in alone.cells]
    assert kept.cells == suite.cells
    assert kept.resolved == suite.resolved


def test_what_the_project_says_and_one_point_heeds_is_kept(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "benchmark.toml").write_text("[train]\ntasks_per_batch = 7\nstep_every = 10\n")
    suite = load(tmp_path, BOTH)
    assert {cell.fit.train.tasks_per_batch for cell in suite.cells} == {7}
    assert {cell.fit.train.step_every for cell in suite.cells} == {2000}
    assert load(tmp_path_factory.mktemp("kept"), suite.resolved).cells == suite.cells


def test_an_override_for_what_was_taken_out_of_the_grid_matches_nothing(tmp_path: Path) -> None:
    text = MAML + "[[override]]\nwhen = { method = 'protonet' }\ntrain.ways = 20\n"
    with pytest.raises(ConfigError, match="matches nothing: the grids have maml") as caught:
        load(tmp_path, text)
    assert "when.method" in str(caught.value)


def test_an_entry_that_no_grid_uses_reaches_nothing_and_is_left_alone(tmp_path: Path) -> None:
    text = MAML + "[algorithms.scratch]\ntrain.tasks_per_batch = 3\n"
    assert len(load(tmp_path, text).cells) == 1


def test_a_profile_is_held_to_the_same(tmp_path: Path) -> None:
    text = GOOD.replace("[profiles.short]", "[profiles.short]\ntrain.step_every = 5")
    with pytest.raises(ConfigError, match=r"\[profiles.short\] train.step_every = 5: is for"):
        load(tmp_path, text, profile="short")
