"""Which margins hold: options before the baseline's suite, before benchmark.toml, before the
defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_sides import ACCURACY, MSE

from metabench.compare.margins import margins_of
from metabench.errors import ConfigError
from metabench.suite import load_suite
from metabench.suite.kept import kept_margins
from metabench.suite.project import load_project
from metabench.tables.margins import MarginPair

SUITE = """
[grid]
algorithms = ["scratch"]
datasets = ["sinusoid"]
shots = [5]
seeds = 1

"""


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A project with margins, and a run folder whose suite has others."""
    (tmp_path / "benchmark.toml").write_text("[compare]\nmargin = 0.05\ntrivial = 0.02\n")
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "x.toml").write_text(f"{SUITE}[compare]\nmargin = 0.04\n")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "suite.toml").write_text(load_suite("x", load_project(tmp_path)).resolved)
    return folder


def test_the_defaults_are_three_points_and_one() -> None:
    linear, ratio = MarginPair().of(ACCURACY), MarginPair().of(MSE)
    assert (linear.unnoticed, linear.trivial, linear.scale) == (0.03, 0.01, "linear")
    assert (ratio.unnoticed, ratio.trivial, ratio.scale) == (1.25, 1.08, "log")
    assert (linear.higher_is_better, ratio.higher_is_better) == (True, False)


def test_options_win_over_the_suite_and_that_over_the_project(baseline: Path) -> None:
    project = load_project(baseline.parent)
    assert margins_of({}, project, {}) == MarginPair(margin=0.05, trivial=0.02)
    assert margins_of(kept_margins(baseline), project, {}) == MarginPair(margin=0.04, trivial=0.02)
    said = {"margin": 0.1, "trivial": None}
    assert margins_of(kept_margins(baseline), project, said) == MarginPair(margin=0.1, trivial=0.02)


def test_a_trivial_loss_above_that_which_matters_is_refused(baseline: Path) -> None:
    project = load_project(baseline.parent)
    with pytest.raises(ConfigError, match=r"trivial = 0.02: expected less than margin = 0.01"):
        margins_of(kept_margins(baseline), project, {"margin": 0.01})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("margin = 3", "between 0 and 1|less than 1"),
        ("margin_ratio = 0.8", "greater than 1"),
        ("margins = 0.03", "did you mean 'margin'"),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "x.toml").write_text(f"{SUITE}[compare]\n{table}\n")
    with pytest.raises(ConfigError, match=message):
        load_suite("x", load_project(tmp_path))
