"""Numbers as people read them."""

import pytest

from metabench.report import words

SCORES = {
    (0.95813, "fraction"): "95.81",
    (1.0, "fraction"): "100.00",
    (0.11, "mse"): "0.110",
    (4.2, "mse"): "4.20",
    (1234.5, "mse"): "1 234",
    (3e-7, "mse"): "3.00e−07",
}
SECONDS = {0: "0 s", 3e-6: "3.00 µs", 0.0231: "23.1 ms", 45.9: "45.9 s", 600: "10.0 min", 9000: "2.50 h"}
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


@pytest.mark.parametrize("write", [words.p_value, words.plain, words.count, words.seconds, words.size])
def test_unknown_is_a_dash(write):
    assert write(None) == "–"
    assert words.score(None, "mse") == words.interval(None, 1.0, "mse") == words.half_width(1.0, None, "mse") == "–"


def test_p():
    assert words.p_value(0.0004) == f"<{words.THIN}0.001"
    assert words.p_value(0.0419) == "0.042"
