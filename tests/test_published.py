"""Published figures: the file keeps its own format, and a figure is found for its own setting
alone."""

import dataclasses

import pytest

from metabench import published
from metabench.published import Setting, find

MAML = Setting("maml", "omniglot", 5, 1, "conv4")
PAPER = {"title": "A paper", "url": "https://example.org", "certainty": "read", "model": "conv4"}
FIGURE = {"method": "maml", "dataset": "omniglot", "ways": 5, "shots": 1, "value": 0.9}


def test_every_figure_of_the_file_is_whole_and_has_its_source() -> None:
    figures = published.published()
    assert len(figures) > 50
    assert all(one.source.title and one.source.url.startswith("https://") for one in figures)
    accuracies = [one for one in figures if one.setting.ways]
    assert all(one.half_width is None or one.half_width < 0.05 for one in accuracies)


def test_no_two_figures_say_the_same_of_one_setting() -> None:
    keys = [(one.setting, one.transductive, one.metric) for one in published.published()]
    assert len(keys) == len(set(keys))


def test_a_figure_is_found_by_its_exact_setting() -> None:
    (figure,) = find(MAML)
    assert (figure.value, figure.half_width, figure.certainty) == (0.987, 0.004, "cited")
    for change in ({"shots": 2}, {"ways": 4}, {"model": "resnet12"}, {"dataset": "glyphs"}):
        assert find(dataclasses.replace(MAML, **change)) == ()
    assert find(MAML, "wall_seconds") == ()


def test_a_transductive_figure_is_not_held_against_an_inductive_test() -> None:
    reptile = dataclasses.replace(MAML, method="reptile")
    assert [one.value for one in find(reptile)] == [0.9768, 0.9539]
    assert [one.value for one in find(reptile, transductive=False)] == [0.9539]
    assert [one.value for one in find(reptile, transductive=True)] == [0.9768]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"value": 98.7}, "no fraction between chance and 1"),
        ({"value": 0.1}, "no fraction between chance and 1"),
        ({"half_width": -0.1}, "has ±"),
        ({"half_widht": 0.1}, "half_widht, which nothing reads"),
        ({"certainty": "sure"}, "is sure"),
        ({"spread": "sem"}, "a spread of sem"),
        ({"metric": "beauty"}, "no quantity"),
        ({"shots": "1"}, "no whole numbers"),
        ({"model": None}, "lacks its method, dataset or model"),
    ],
)
def test_a_figure_that_is_none_is_refused(change: dict[str, object], why: str) -> None:
    published._figure(PAPER, FIGURE, "it")
    with pytest.raises(ValueError, match=why):
        published._figure(PAPER, FIGURE | change, "it")


def test_a_figure_that_lacks_what_it_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks 'value'"):
        published._figure(PAPER, {key: FIGURE[key] for key in FIGURE if key != "value"}, "it")
