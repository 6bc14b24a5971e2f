"""The pages that lead to the reports, and the way from these to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from uuid import NAMESPACE_OID, UUID, uuid5

import jinja2
from markupsafe import Markup, escape

from metabench.history import Entry
from metabench.report import palette, words
from metabench.report.coordinates import shape_of
from metabench.site.contents import Card, Contents, SuiteCards
from metabench.site.trend import settings_of, spark
from metabench.tables.frames import printable

FED = 50
"""Runs in the feed, the latest."""

__all__ = ["feed", "index", "spark", "trail", "trend"]


def trail(card: Card, *, permanent: bool) -> str:
    """Return the links above a report: to the index, the trend, and its other place."""
    up = "../" if permanent else ""
    links = [("All suites", f"{up}../../index.html")]
    if card.folder:
        links.append(("Trend", f"{up}trend/index.html"))
        links.append(
            ("Latest report of this suite", "../index.html")
            if permanent
            else (f"This report for good, at {card.label}", f"{card.folder}/index.html")
        )
    told = " ".join(f'<a href="{escape(to)}">{escape(name)}</a>' for name, to in links)
    return f'<nav class="site" aria-label="Site">{told}</nav>'


def index(contents: Contents, sparks: Mapping[str, Markup]) -> str:
    """Return the first page."""
    return _rendered("index.html.j2", suites=contents.suites, sparks=sparks)


def trend(suite: str, cards: SuiteCards, entries: Sequence[Entry]) -> str:
    """Return the page of a suite's history."""
    settings = settings_of(entries)
    return _rendered(
        "trend.html.j2",
        suite=suite,
        latest=cards.latest,
        entries=entries,
        folders={card.id: card.folder for card in cards.runs},
        settings=settings,
        shapes=[Markup(shape) for shape in palette.SHAPES],
        marker=palette.marker_index,
    )


def feed(contents: Contents) -> str:
    """Return the runs as an Atom feed."""
    runs = [(suite, card) for suite, cards in contents.suites.items() for card in cards.runs]
    runs.sort(key=lambda run: run[1].ended, reverse=True)
    first = runs[-1][1].id if runs else ""
    return _rendered(
        "feed.xml.j2",
        runs=runs[:FED],
        id=uuid5(NAMESPACE_OID, f"metabench {first}").urn,
        updated=runs[0][1].ended if runs else "1970-01-01T00:00:00+00:00",
        urn=lambda digest: UUID(digest[:32]).urn,
    )


def _rendered(template: str, **content: object) -> str:
    common = {"css_light": palette.css(0), "css_dark": palette.css(1), "words": words}
    return str(printable(_environment().get_template(template).render(common | content)))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("metabench.site"), jinja2.PackageLoader("metabench.report")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shape_of"] = shape_of
    return environment
