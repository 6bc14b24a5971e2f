"""Numbers as people read them."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.report import words

SCORES = {
    (0.95813, "fraction"): "95.81",
    (1.0, "fraction"): "100.00",
    (0.11, "mse"): "0.110",
    (4.2, "mse"): "4.20",
    (1234.5, "mse"): "1 234",
    (3e-7, "mse"): "3.00e−07",
}
SECONDS = {
    0: "0 s",
    3e-6: "3.00 µs",
    0.0231: "23.1 ms",
    45.9: "45.9 s",
    600: "10.0 min",
    9000: "2.50 h",
}
SIZES = {512: "512 B", 2**20: "1.00 MiB", 3 * 2**30: "3.00 GiB", 2**42: "4 096 GiB"}


@pytest.mark.parametrize(("value", "unit"), SCORES)
def test_score(value, unit):
    assert words.score(value, unit).replace(words.THIN, " ") == SCORES[value, unit]


def test_differences_have_signs():
    assert words.difference(0.0123, "fraction") == "+1.23"
    assert words.difference(-0.0123, "fraction") == "−1.23"
    assert words.difference(-0.5, "mse") == "−0.500"


@pytest.mark.parametrize("value", SECONDS)
def test_seconds(value):
    assert words.seconds(value).replace(words.THIN, " ") == SECONDS[value]


@pytest.mark.parametrize("value", SIZES)
def test_size(value):
    assert words.size(value).replace(words.THIN, " ") == SIZES[value]


@pytest.mark.parametrize(
    "write", [words.p_value, words.plain, words.count, words.seconds, words.size]
)
def test_unknown_is_a_dash(write):
    assert write(None) == "–"
    assert (
        words.score(None, "mse")
        == words.interval(None, 1.0, "mse")
        == words.half_width(1.0, None, "mse")
        == "–"
    )


def test_p():
    assert words.p_value(0.0004) == f"<{words.THIN}0.001"
    assert words.p_value(0.0419) == "0.042"
    assert words.p_phrase(0.0419) == f"p{words.NBSP}={words.NBSP}0.042"
    assert words.p_phrase(0.0004) == f"p{words.NBSP}<{words.NBSP}0.001"


@pytest.mark.parametrize(
    ("value", "level", "written"),
    [
        (0.0496, 0.05, "0.0496"),
        (0.0504, 1 - 0.95, "0.0504"),
        (0.04999996, 0.05, "0.04999996"),
        (0.05, 1 - 0.95, "0.050"),
        (0.0104, 0.01, "0.0104"),
        (0.0496, 0.01, "0.050"),
        (0.1, 0.05, "0.100"),
        (0.00104, 0.001, "0.00104"),
        (0.00096, 0.001, f"<{words.THIN}0.001"),
        (0.0004, 0.0005, "0.0004"),
        (0.0007, 0.0005, "0.001"),
    ],
)
def test_a_p_is_written_on_its_side_of_the_level(value, level, written):
    assert words.p_value(value, level) == written


@given(st.floats(0, 1), st.sampled_from([0.05, 1 - 0.95, 0.1, 0.01, 0.001]))
def test_no_p_is_written_as_the_level_that_it_is_not(value, level):
    told = words.p_value(value, level)
    if told[0] != "<" and not math.isclose(value, level, rel_tol=1e-9):
        assert float(told) != pytest.approx(level, rel=1e-9, abs=0)
        assert (float(told) < level) == (value < level)


@dataclass(frozen=True)
class Compared:
    """What is asked of a row of comparisons here."""

    margin: float | None = None
    seeds_for_margin: int | None = None
    scale: str = "linear"
    p_sign_flip: float | None = None
    p_wilcoxon: float | None = None
    level: float = 0.05


def test_the_seeds_for_a_margin():
    assert words.least_seeds(Compared(0.03, 14)) == "3 points: 14 seeds"
    assert words.least_seeds(Compared(0.005, 1200)) == f"0.5 points: 1{words.THIN}200 seeds"
    many = words.least_seeds(Compared(1.25, None, "log")).replace(words.THIN, " ")
    assert many == "× 1.25: > 10 000 seeds"
    assert words.least_seeds(Compared()) == words.second_opinions(Compared()) == ""


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0123, "fraction", "+1.23 points"),
        (0.507, "ratio", "0.507"),
        (-0.0123, "seconds", "−12.3 ms"),
        (3 * 2**20, "bytes", "+3.00 MiB"),
        (-460, "iterations", "−460 iterations"),
        (1840, "tasks", "+1 840 tasks"),
        (-5, "evaluations", "−5 evaluations"),
        (-0.31, "mse", "−0.310"),
        (None, "fraction", "–"),
    ],
)
def test_amounts_have_units(value, unit, written):
    assert words.amount(value, unit).replace(words.THIN, " ") == written


def test_intervals_of_amounts():
    assert words.amounts(-0.01, 0.02, "fraction") == "[−1.00, +2.00]"
    assert words.amounts(0.49, 0.52, "ratio") == "[0.490, 0.520]"
    assert words.amounts(None, 1.0, "ratio") == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.5166, "0.52"),
        (1.0, "1.0"),
        (12.4, "12"),
        (234.0, "234"),
        (0.00123, "0.0012"),
        (None, "–"),
    ],
)
def test_ratio(value, written):
    assert words.ratio(value) == written


def test_span():
    assert words.span((1.04, 2.0), words.ratio) == "1.0 to 2.0"
    assert words.span((1.01, 1.04), words.ratio) == "1.0"
    assert words.span(None, words.ratio) == "–"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cpu", "cpu"),
        ("boot_id", "boot id"),
        ("conditions.cpu_capability", "conditions · cpu capability"),
        (
            "conditions.sources.metabench/datasets/class_splits.py",
            "conditions · sources · metabench/datasets/class_splits.py",
        ),
    ],
)
def test_facts_of_the_environment_keep_the_paths_of_sources(name, told):
    assert words.fact_name(name) == told
