"""From a matplotlib figure to inline SVG: the same bytes for the same figure, ids of its own, a
text alternative, colours that the page may set; and small, since a page holds many."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from matplotlib.figure import Figure

from metabench.report.palette import as_variables

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_COMMAND = re.compile(r"([MLQCz])([^MLQCz]*)")
_DECIMAL = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
_FONT = re.compile(r"font-family: [^;]+;? ?")

STYLE = {
    "svg.fonttype": "none",  # labels stay text: a fifth of the bytes, and a search finds them
    "svg.hashsalt": "metabench",
    "text.parse_math": False,
}
"""rc settings under which a figure must be both drawn and saved."""

STEPS, FINE = 10, 100
"""Steps of a coordinate within a unit, which is about a pixel of the page; and in marks, which are
small."""
MARK = 12
"""Units that no mark reaches beyond."""


class Pen:
    """What writes the drawings of one page: equal styles become one class of it."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    @property
    def css(self) -> str:
        """The rules of the classes that were given out."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self._classes.items())

    def inline(self, figure: Figure, key: str, title: str, description: str) -> str:
        """Return the figure as an `<svg>` element with `<title>` and `<desc>`, every id in it
        beginning with `key`."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        root = ElementTree.fromstring(buffer.getvalue())
        _rename(root, key)
        _prune(root)
        for element in root.iter():
            self._shorten(element)
        for name, text in (("desc", description), ("title", title)):
            element = ElementTree.Element(f"{{{_SVG}}}{name}", {"id": f"{key}-{name}"})
            element.text = text
            root.insert(0, element)
        root.attrib |= {
            "role": "img",
            "aria-labelledby": f"{key}-title",
            "aria-describedby": f"{key}-desc",
        }
        ElementTree.register_namespace("", _SVG)
        return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")

    def _shorten(self, element: ElementTree.Element) -> None:
        """Put a class in place of the style, and few digits in place of many."""
        if style := element.attrib.pop("style", None):
            style = as_variables(_DECIMAL.sub(_rounded, _FONT.sub("", style)))
            style = style.replace(": ", ":").replace("; ", ";")
            element.set("class", self._classes.setdefault(style, f"v{len(self._classes)}"))
        for name in ("x", "y", "width", "height", "transform", "viewBox"):
            if value := element.get(name):
                element.set(name, _DECIMAL.sub(_rounded, value))
        if d := element.get("d"):
            small = all(abs(float(number)) < MARK for number in re.findall(r"[-\d.e]+", d))
            element.set("d", path(d, FINE if small else STEPS))


def path(d: str, steps: int = STEPS) -> str:
    """Return the data of a path as relative commands with coordinates in whole `steps` of a unit;
    lines that do not leave their step are left out."""
    told: list[str] = []
    here, start, last = (0, 0), (0, 0), ""
    for command, numbers in _COMMAND.findall(d):
        if command == "z":
            told.append("z")
            here, last = start, "z"
            continue
        places = [round(float(number) * steps) for number in numbers.split()]
        if command == "M":
            told.append(f"M{_listed(places, steps)}")
            start, last = (places[0], places[1]), "M"
        else:
            moves = [place - here[at % 2] for at, place in enumerate(places)]
            if command == "L" and not any(moves):
                continue
            listed, letter = _listed(moves, steps), command.lower()
            joint = "" if listed.startswith("-") else " "
            told.append(f"{joint}{listed}" if letter == last else f"{letter}{listed}")
            last = letter
        here = (places[-2], places[-1])
    return "".join(told)


def _listed(numbers: Sequence[int], steps: int) -> str:
    """Numbers one after another, a minus being as good as a space."""
    return re.sub(" (?=-)", "", " ".join(_plain(number / steps) for number in numbers))


def _plain(number: float) -> str:
    """A number without the zero before its point."""
    return re.sub(r"^(-?)0(?=\.)", r"\1", f"{number:.10g}")


def _rounded(found: re.Match[str]) -> str:
    return _plain(round(float(found[0]), 2))


def _rename(root: ElementTree.Element, key: str) -> None:
    """Prefix the ids that are referred to and drop the others."""
    names: dict[str, str] = {}

    def named(own: str) -> str:
        return names.setdefault(own, f"{key}-{len(names)}")

    for element in root.iter():
        if target := element.attrib.pop(_LINK, None):
            element.set("href", f"#{named(target[1:])}")
        for name, value in element.attrib.items():
            element.set(name, _REFERENCE.sub(lambda found: f"url(#{named(found[1])})", value))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in names:
            element.set("id", names[own])


def _prune(root: ElementTree.Element) -> None:
    """Drop what shows nothing, groups that say nothing, and turns by nothing."""
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    for parent in [*root.iter()]:
        parent.text = (parent.text or "").strip() and parent.text
        parent.tail = None
        if _UNTURNED.fullmatch(parent.get("transform", "")):
            del parent.attrib["transform"]
    for parent in [*root.iter()][::-1]:  # what is inside first
        parent[:] = [one for child in parent for one in _worth(child)]


def _worth(child: ElementTree.Element) -> list[ElementTree.Element]:
    """What stays of an element: itself, what it holds, or nothing."""
    tag = child.tag.rpartition("}")[2]
    unseen = tag == "path" and child.get("style") == "fill: none"
    if tag in ("metadata", "style") or unseen or (tag == "defs" and not len(child)):
        return []
    return [*child] if tag == "g" and not child.attrib else [child]
