"""Published figures: what papers report for a method in a setting, how sure that is, and where it
stands.

The data are in `published.toml`, a table a paper. A figure is used only where its setting is
exactly the one asked for: another network or number of shots is another experiment.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from metabench.quantities import BY_NAME

Spread = Literal["episodes", "seeds", "sd", "unknown"]
"""What stands after the ±: half of a 95 % interval over the test episodes of one model, or over
training seeds; a standard deviation; or nobody says what."""

Certainty = Literal["read", "cited", "unverified"]
"""Read in the authors' own table or code; seen in a later work that cites it; from memory."""


@dataclass(frozen=True)
class Source:
    """Where a figure stands: title and address of the work, and the table in it."""

    title: str
    url: str
    table: str = ""


@dataclass(frozen=True)
class Setting:
    """What a figure is about: a method on a dataset, at so many ways (None for regression) and
    shots, with a network."""

    method: str
    dataset: str
    ways: int | None
    shots: int
    model: str


@dataclass(frozen=True)
class Published:
    """One figure.

    Attributes
    ----------
    setting
        What it is about.
    value
        In the unit of the metric: a fraction, not per cent.
    half_width
        What stands after the ±, in the same unit; None where nothing does.
    spread
        What that is.
    seeds
        Trainings that the figure is a mean of; None where nobody says.
    metric
        The quantity.
    transductive
        Whether the queries of a test episode informed each other; None where nobody says.
    variant
        What else was done that a reader must know.
    certainty
        How sure the figure itself is.
    source
        Where it stands.
    """

    setting: Setting
    value: float
    half_width: float | None
    spread: Spread
    seeds: int | None
    metric: str
    transductive: bool | None
    variant: str
    certainty: Certainty
    source: Source

    def __str__(self) -> str:
        spread = "" if self.half_width is None else f" ± {self.half_width:g}"
        variant = f", {self.variant}" if self.variant else ""
        return f"{self.value:g}{spread} ({self.source.title}; {self.certainty}{variant})"


@cache
def published() -> tuple[Published, ...]:
    """Return every figure of `published.toml`.

    Raises
    ------
    ValueError
        The file breaks its own format; says where.
    """
    text = resources.files("metabench").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(
        _figure(paper, row, f"figure {number} of '{name}'")
        for name, paper in tomllib.loads(text).items()
        for number, row in enumerate(paper.get("figures", ()), start=1)
    )


def find(
    setting: Setting, metric: str = "score", transductive: bool | None = None
) -> tuple[Published, ...]:
    """Return the figures of exactly this setting, those that are surer first; several where papers
    differ, or report variants. With `transductive` said, none that are known to be otherwise."""
    order = get_args(Certainty)
    found = [
        one
        for one in published()
        if (one.setting, one.metric) == (setting, metric)
        and (None in (transductive, one.transductive) or one.transductive == transductive)
    ]
    return tuple(sorted(found, key=lambda one: order.index(one.certainty)))


_PAPER = {"title", "url", "table", "method", "dataset", "ways", "model", "spread", "certainty"}
_FIGURE = {one.name for one in (*fields(Published), *fields(Setting))} - {"setting", "source"}


def _figure(paper: Mapping[str, Any], row: Mapping[str, Any], where: str) -> Published:
    """A figure, which says whatever its paper's table does not say for all of them."""
    if unknown := {*paper} - _PAPER - _FIGURE - {"figures"} | {*row} - _PAPER - _FIGURE:
        raise ValueError(f"{where} has {', '.join(sorted(unknown))}, which nothing reads")
    said = {**paper, **row}
    try:
        about: dict[str, Any] = {one.name: said.get(one.name) for one in fields(Setting)}
        figure = Published(
            setting=Setting(**about),
            value=float(said["value"]),
            half_width=said.get("half_width"),
            spread=said.get("spread", "unknown"),
            seeds=said.get("seeds"),
            metric=said.get("metric", "score"),
            transductive=said.get("transductive"),
            variant=said.get("variant", ""),
            certainty=said["certainty"],
            source=Source(said["title"], said["url"], said.get("table", "")),
        )
    except KeyError as error:
        raise ValueError(f"{where} lacks {error}") from None
    if problem := _problem(figure):
        raise ValueError(f"{where} {problem}")
    return figure


def _problem(figure: Published) -> str:
    """Say what is wrong with a figure, or nothing."""
    setting = figure.setting
    if not all(isinstance(at, str) for at in (setting.method, setting.dataset, setting.model)):
        return "lacks its method, dataset or model"
    if type(setting.shots) is not int or not isinstance(setting.ways, int | None):
        return "has shots or ways that are no whole numbers"
    if figure.spread not in get_args(Spread) or figure.certainty not in get_args(Certainty):
        return f"is {figure.certainty}, with a spread of {figure.spread}"
    if figure.metric not in BY_NAME:
        return f"is about {figure.metric}, which is no quantity"
    if setting.ways is not None and not 1 / setting.ways <= figure.value <= 1:
        return f"is {figure.value}: no fraction between chance and 1"
    if figure.seeds is not None and not (type(figure.seeds) is int and figure.seeds > 1):
        return f"is a mean over {figure.seeds} seeds"
    if figure.half_width is not None and not 0 < figure.half_width < figure.value:
        return f"has ± {figure.half_width}"
    return ""
