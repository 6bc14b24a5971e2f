"""Drawings on the page: small, with names of their own, and looking like what was drawn."""

import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabench.report.canvas import panel
from metabench.report.palette import CARD, INK
from metabench.report.svg import Pen, path


def ends(d):
    """Where the commands of a path end, as a renderer would follow them."""
    x = y = 0.0
    found = []
    start = (x, y)
    for command, numbers in re.findall(r"([MLQCzmlqc])([^MLQCzmlqc]*)", d):
        values = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", numbers)]
        if command == "z":
            x, y = start
            continue
        size = {"m": 2, "l": 2, "q": 4, "c": 6}[command.lower()]
        for at in range(0, len(values), size):
            here = values[at : at + size]
            x, y = (here[-2], here[-1]) if command.isupper() else (x + here[-2], y + here[-1])
            start = (x, y) if command == "M" else start
            found.append((x, y))
    return found


coordinates = st.tuples(st.floats(-400, 400), st.floats(-400, 400))


@given(st.lists(coordinates, min_size=2, max_size=30))
def test_a_short_path_ends_where_the_long_one_does_however_long_it_is(points):
    """Rounding is of places, not of steps, so that it does not add up."""
    long = f"M {points[0][0]} {points[0][1]} " + " ".join(f"L {x} {y} " for x, y in points[1:])
    for steps in (10, 100):
        told = ends(path(long, steps))
        assert np.allclose(told[0], points[0], atol=0.5001 / steps + 1e-9)
        assert np.allclose(told[-1], points[-1], atol=0.5001 / steps + 1e-9)


def test_curves_and_closed_paths_come_through():
    long = "M 0 0 \nL 10.04 0 \nQ 1 2 3 4 \nC 1 2 3 4 5.56 -6 \nz\nL 1 1"
    assert path(long) == "M0 0l10 0q-9 2-7 4c-2-2 0 0 2.6-10zl1 1"
    assert path("M 0.5 -0.25 L 0.51 -0.25 L 0.4 0.04") == "M.5-.2l-.1 .2"


def drawn(pen, key):
    with panel() as (figure, ax):
        ax.plot([0, 1], [0, 1], "o-", color=INK[0], markeredgecolor=CARD[0])
        ax.set_xlabel("a < b & c")
        return pen.inline(figure, key, "A title", "what it shows")


def test_a_drawing_has_text_for_text_classes_for_styles_and_ids_of_its_own():
    pen = Pen()
    one, other = (drawn(pen, key) for key in ("first", "second"))
    assert "a &lt; b &amp; c</text>" in one
    assert "style=" not in one
    assert set(re.findall(r'class="([^"]+)"', one)) == set(re.findall(r"\.(v\d+)\{", pen.css))
    assert "var(--ink)" in pen.css
    assert INK[0] not in pen.css
    assert all(name.startswith("first-") for name in re.findall(r' id="([^"]+)"', one))
    assert one.replace("first-", "second-") == other
    assert max(map(len, re.findall(r"\.(\d+)", one))) <= 2
    assert len(ElementTree.fromstring(one).findall(".//{http://www.w3.org/2000/svg}text")) > 8
