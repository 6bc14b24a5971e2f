"""Trends: what is drawn stands where its numbers do."""

import re

import pytest

from metabench.report.axis import Axis
from metabench.site.drawing import BOTTOM, HEIGHT, LABELS, TOP, Course, Point, panel, sparkline

RUNS = [f"{at:07x}" for at in range(40)]


def drawn(axis, *points):
    return str(panel("key", "A title", axis, [Course("maml", 0, points)], RUNS[: len(points)]))


def heights(text):
    """Height of each mark's middle on the page, from the left to the right."""
    return [float(y) + 5 for y in re.findall(r"<g .*?translate\([\d.]+ ([\d.]+)\)", text)]


@pytest.mark.parametrize("log", [False, True])
def test_numbers_that_are_as_far_apart_are_drawn_as_far_apart(log):
    axis = Axis("Error", 1.0, log)
    values = [1.0, 10.0, 100.0] if log else [1.0, 2.0, 3.0]
    low, middle, high = heights(drawn(axis, *(Point(at, v) for at, v in enumerate(values))))
    assert low > middle > high  # upwards on the page
    assert low - middle == pytest.approx(middle - high, abs=0.2)


def test_ticks_stand_where_the_numbers_do():
    text = drawn(Axis("Accuracy (%)", 100.0), Point(0, 0.5), Point(1, 0.7))
    ticks = {
        float(number): float(y) - 4
        for y, number in re.findall(r'class="tick end" x="\d+" y="([\d.]+)">([\d.]+)<', text)
    }
    first, last = heights(text)
    per_point = (first - last) / 20
    for number, y in ticks.items():
        assert y == pytest.approx(first - (number - 50) * per_point, abs=0.3)
    assert len(ticks) > 2


def test_no_interval_reaches_beyond_the_scale():
    text = drawn(Axis("Accuracy (%)", 100.0, False, 0.0, 1.0), Point(0, 0.98, 0.9, 1.3))
    ends = [float(y) for y in re.findall(r'class="interval".*?M[\d.]+ ([\d.]+)V([\d.]+)', text)[0]]
    (mark,) = heights(text)
    assert ends[0] > mark > ends[1]
    above = re.findall(r'y="([\d.]+)">100<', text)
    assert ends[1] == pytest.approx(float(above[0]) - 4, abs=0.2)
    assert TOP <= min(ends) <= max(ends) <= HEIGHT - BOTTOM


def test_what_cannot_be_compared_is_joined_by_no_line():
    points = [Point(0, 1.0, joined=False), Point(1, 2.0), Point(2, 3.0, joined=False)]
    assert drawn(Axis("Error"), *points).count('class="course"') == 1
    assert len(re.findall("[ML]", re.search(r'<path d="([^"]+)"', sparkline("", points))[1])) == 3
    assert re.search(r'<path d="([^"]+)"', sparkline("", points))[1].count("L") == 1


def test_of_many_runs_the_latest_keeps_its_label():
    text = drawn(Axis("Error"), *(Point(at, float(at)) for at in range(40)))
    labels = [run for run in RUNS if f">{run}<" in text]
    assert len(labels) <= LABELS
    assert labels[-1] == RUNS[-1]


def test_one_run_of_one_value_is_drawn():
    assert len(heights(drawn(Axis("Error"), Point(0, 0.0)))) == 1
    assert "nan" not in sparkline("flat", [Point(0, 2.0), Point(1, 2.0)])


def test_a_name_is_no_markup():
    course = Course('<b>"x"', 0, [Point(0, 1.0)])
    text = str(panel("key", "<i>title</i>", Axis("<u>"), [course], ["<s>"]))
    assert not re.search("<[bius]>", text)
    assert "<b>" not in sparkline("<b>", [Point(0, 1.0)])
