"""`make simulate`: error rates, power and coverage where the truth is known."""

import runpy
from pathlib import Path

import numpy as np
import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "simulate.py"))


@pytest.mark.slow
def test_every_table_is_printed_whole(capsys):
    TOOL["main"](12)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("**") for line in lines) == 5
    rows = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    assert len(rows) == 5 + 3 + 6 + 1 + 4 + 4


@pytest.mark.slow
def test_a_loss_of_three_points_is_caught_and_no_change_is_not():
    """At a spread of 2 points: .99 and at most .05 of 12 groups, in a thousand draws."""
    rng = np.random.default_rng(1)
    checked = TOOL["_checked"]
    assert sum(checked(rng, 0.02, 0.03)[0] == "regressed" for _ in range(40)) >= 37
    assert sum("regressed" in checked(rng, 0.02, 0.0) for _ in range(100)) <= 12  # .05: p < .003
