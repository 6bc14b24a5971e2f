"""From a matplotlib figure to inline SVG: the same bytes for the same figure, ids of its own, a
text alternative, colours that the page may set."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from metabench.report.palette import as_variables

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

STYLE = {
    # looks the same everywhere; the text alternative is what gets read aloud
    "svg.fonttype": "path",
    "svg.hashsalt": "metabench",
    "text.parse_math": False,
}
"""rc settings under which a figure must be both drawn and saved."""


def inline(figure: Figure, key: str, title: str, description: str) -> str:
    """Return the figure as an `<svg>` element with `<title>` and `<desc>`, every id in it beginning
    with `key`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    _rename(root, key)
    for name, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(f"{{{_SVG}}}{name}", {"id": f"{key}-{name}"})
        element.text = text
        root.insert(0, element)
    root.attrib |= {"role": "img", "aria-labelledby": f"{key}-title {key}-desc"}
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _rename(root: ElementTree.Element, key: str) -> None:
    """Prefix the ids that are referred to, drop the others, and round what needs no twelve
    digits."""
    used: set[str] = set()
    for element in root.iter():
        if target := element.attrib.pop(_LINK, None):
            used.add(target[1:])
            element.set("href", f"#{key}-{target[1:]}")
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            element.set(name, _REFERENCE.sub(rf"url(#{key}-\1)", value))
        if style := element.get("style"):
            element.set("style", as_variables(style))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{key}-{own}")
        element.text = (element.text or "").strip() and element.text
        element.tail = None
