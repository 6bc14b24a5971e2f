"""Margins as a run folder keeps them."""

import pytest
from synthetic_run import ACCURACY, MSE

from metabench.tables.margins import MarginPair, margins_kept_in, on_scale
from metabench.tables.typed_rows import Metric


def kept(folder, text):
    (folder / "suite.toml").write_text(text)
    return margins_kept_in(folder)


def test_what_the_suite_says_holds_and_the_rest_is_default(tmp_path):
    assert kept(tmp_path, "[compare]\nmargin = 0.01\n") == MarginPair(margin=0.01)
    assert kept(tmp_path, 'title = "without"\n') == MarginPair()


@pytest.mark.parametrize("text", ["[compare\n", "[compare]\nmargin = 3\n", '[compare]\nx = "y"\n'])
def test_what_cannot_be_read_leaves_the_default(tmp_path, text):
    assert kept(tmp_path, text) == MarginPair()


def test_no_link_is_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text("[compare]\nmargin = 0.01\n")
    (tmp_path / "suite.toml").symlink_to(elsewhere)
    assert margins_kept_in(tmp_path) == MarginPair()


def test_errors_and_error_rates_have_a_ratio_and_other_units_nothing():
    pair, accuracy, mse = MarginPair(0.02, margin_ratio=1.5), Metric(**ACCURACY), Metric(**MSE)
    assert pair.unnoticed(accuracy, "linear") == on_scale(0.02, "linear") == 0.02
    assert pair.unnoticed(accuracy, "error_rate") == pair.unnoticed(mse, "log") == 1.5
    assert on_scale(1.5, "log") == pytest.approx(0.405465)
    assert pair.unnoticed(mse, "linear") is None
