"""Coordinates in words: what blocks and their rows are called, on the page and in addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import chain, count

from metabench.report import words
from metabench.tables.typed_rows import Metric, Scalar

Place = Mapping[str, Scalar]
"""Coordinates by name."""


def variant_of(key: str, value: Scalar) -> str:
    """Return what tells a group from others of its algorithm, in one of `VARIANT`: `conv4`,
    `support plus one`, `5 steps`."""
    if key == "steps":
        return "own steps" if value is None else f"{value} step{'s' if value != 1 else ''}"
    return "no batch norm" if value is None else str(value).replace("_", " ")


def shapes_of(places: Sequence[Place]) -> list[str]:
    """Return what tells each block from others of its data set: ways and shots, and what else it
    takes to tell all blocks of a run apart."""
    plain = [shape_of(place) for place in places]
    twice = Counter(
        (str(place["dataset"]), shape) for place, shape in zip(places, plain, strict=True)
    )
    varying = [
        key
        for key in ("query_shots", "episodes", "sampling")
        if len({str(place[key]) for place in places}) > 1
    ]
    return [
        shape if twice[str(place["dataset"]), shape] == 1 else shape_of(place, varying)
        for place, shape in zip(places, plain, strict=True)
    ]


def shape_of(place: Place, varying: Sequence[str] = ()) -> str:
    """Return ways and shots, every axis, and of the rest of the coordinates those that vary."""
    shots, ways = place.get("shots"), place.get("ways")
    parts = [f"{ways}-way {shots}-shot" if ways else f"{shots} point{'s' if shots != 1 else ''}"]
    if place.get("on") not in (None, "same"):
        parts.append(f"tested on {place['on']}")
    parts += [
        f"{key} = {value}" for key, value in place.items() if "." in key and value is not None
    ]
    told = {"query_shots": "{} queries", "episodes": "{} episodes", "sampling": "episodes {}"}
    parts += [told[key].format(str(place[key]).replace("_", " ")) for key in varying]
    if place.get("scored_by"):
        parts.append(f"by {str(place['scored_by']).replace('_', ' ')}")
    return " · ".join(parts)


def anchor_of(place: Place, shape: str, taken: Container[str]) -> str:
    """Return a name for addresses: the same in every run with this setting, and unlike the others
    here."""
    first, *rest = shape.split(" · ")
    short = f"{place['ways']}w{place['shots']}s" if place["ways"] else f"{place['shots']}s"
    key = "-".join(filter(None, map(words.slug, (str(place["dataset"]), short, *rest)))) or first
    numbered = (f"{key}-{number}" for number in count(2))
    return next(one for one in chain([key], numbered) if one not in taken)


def detail_of(place: Place, metric: Metric) -> str:
    """Return test episodes, their queries and chance: what a shape does not say."""
    queries = f"{place['query_shots']} {'queries a class' if place['ways'] else 'query points'}"
    if isinstance(place["query_shots"], str):  # a list, one number for each class
        numbers = place["query_shots"].strip("[]").replace(",", " + ")
        queries = f"{numbers} queries of the classes, dealt out anew in each episode"
    sampling = {"with_replacement": "drawn with replacement", "disjoint": "sharing no image"}.get(
        str(place["sampling"]), place["sampling"]
    )
    told = f"{place['episodes']} test episodes a seed, {sampling}; {queries}"
    if metric.chance is None:
        return told
    percent = metric.unit == "fraction"
    return f"{told}, chance {f'{100 * metric.chance:.4g} %' if percent else f'{metric.chance:.4g}'}"
