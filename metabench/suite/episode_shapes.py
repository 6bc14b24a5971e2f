"""Whether the episodes of a suite can be filled: whether the splits of its datasets have so many
classes, and these so many examples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metabench.cells import Cell, Part
from metabench.errors import DataError, FolderError
from metabench.identity import canonical
from metabench.registry import blamed, get, make
from metabench.suite.document import Document, KeyPath
from metabench.suite.layers import Layer, merged
from metabench.suite.reach import chooses
from metabench.suite.recipes import settled_queries
from metabench.suite.written import Written

if TYPE_CHECKING:
    from metabench.datasets.dataset import Split
    from metabench.tasks.episodes import EpisodeShape
    from metabench.tasks.sampler import Shortage

Sizes = Mapping["Split", Mapping[str, int]]


@dataclass(frozen=True)
class Wanted:
    """Episodes that a fit or its test will ask for.

    Attributes
    ----------
    section
        Of the recipe that they are said in.
    split
        Of which they are drawn.
    dataset, label
        What they are drawn from, and what the suite calls it.
    shape
        Their ways, shots and queries a class.
    disjoint
        How many of them, where no two may share an image.
    """

    section: Literal["train", "validate", "evaluate"]
    split: Split
    dataset: Part
    label: str
    shape: EpisodeShape
    disjoint: int | None = None

    @property
    def title(self) -> str:
        """What messages call the split."""
        return f"the {self.split} split of '{self.label}'"


class EpisodeShapes:
    """Asks each dataset once how many examples its classes have, without reading any; where nobody
    knows, the fit will tell.

    Parameters
    ----------
    data
        The data folder.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._sizes: dict[str, Sizes | None] = {}
        self._shortages: dict[tuple[object, ...], Shortage | None] = {}

    def refuse_impossible(
        self, written: Written, number: int, cells: Iterable[Cell], layers: Sequence[Layer]
    ) -> None:
        """Refuse cells whose episodes cannot be filled, at the key that asks for too
        much.

        Parameters
        ----------
        number, layers
            Grid of the cells, and all that is said about their point.

        Raises
        ------
        ConfigError
            Says what the split has.
        """
        for wanted in itertools.chain.from_iterable(map(_wanted, cells)):
            if found := self._shortage(wanted):
                document, place, hint = _to_blame(written, number, wanted, found, layers)
                raise document.error((place, f"{found.why}{hint}"))

    def _shortage(self, wanted: Wanted) -> Shortage | None:
        import numpy as np

        from metabench.tasks.sampler import shortage

        dataset = canonical(wanted.dataset.identity())
        key = (dataset, wanted.split, wanted.shape, wanted.disjoint)
        if key not in self._shortages:
            if dataset not in self._sizes:
                self._sizes[dataset] = self._class_sizes(wanted.dataset)
            classes = (self._sizes[dataset] or {}).get(wanted.split)
            self._shortages[key] = None
            if classes is not None and wanted.shape.ways is not None:
                sizes = np.array(list(classes.values()), dtype=np.int64)
                self._shortages[key] = shortage(
                    wanted.title, list(classes), sizes, wanted.shape, wanted.disjoint
                )
        return self._shortages[key]

    def _class_sizes(self, part: Part) -> Sizes | None:
        from metabench.experiment.returned.datasets import checked_class_sizes

        try:
            with blamed("datasets", part.name):
                return checked_class_sizes(make("datasets", part), self._data)
        except (DataError, FolderError):
            return None


def _wanted(cell: Cell) -> Iterator[Wanted]:
    """Yield what a cell draws in training, in choosing and in test."""
    from metabench.tasks.episodes import EpisodeShape

    fit, at = cell.fit, cell.evaluate
    method, train, validate = get("methods", fit.method.name), fit.train, fit.validate
    home = (fit.dataset, cell.labels["dataset"])
    if method.trains and "episodes" in method.wants:
        shape = EpisodeShape(train.ways, train.shots or at.shots, train.query_shots)
        yield Wanted("train", "train", *home, shape)
    if method.trains:
        shape = EpisodeShape(validate.ways, validate.shots or at.shots, validate.query_shots)
        yield Wanted("validate", "validation", *home, shape)
    if chooses(fit.method):
        shape = EpisodeShape(at.ways, at.shots, validate.query_shots)
        yield Wanted("validate", "validation", *home, shape)
    shape = EpisodeShape(at.ways, at.shots, at.query_shots)
    disjoint = at.episodes if at.sampling == "disjoint" else None
    there = home if at.on is None else (at.on, cell.labels["on"])
    yield Wanted("evaluate", "test", *there, shape, disjoint)


def _to_blame(
    written: Written, number: int, wanted: Wanted, found: Shortage, layers: Sequence[Layer]
) -> tuple[Document, KeyPath, str]:
    """Return the place of the key that asks for too much, and a word on a default that does."""
    said, shape = merged(layers, wanted.section), wanted.shape
    asked: dict[str, list[tuple[str, object]]] = {
        "ways": [("ways", shape.ways)],
        "shots": [("shots", shape.shots)],
        "query_shots": [("query_shots", shape.query_shots), ("shots", shape.shots)],
        "episodes": [("episodes", wanted.disjoint), ("sampling", "disjoint")],
    }
    default = found.of == "query_shots" and "query_shots" not in said
    hint = f"; {wanted.section}.query_shots is {shape.query_shots} unless said" if default else ""
    for key, asks in asked[found.of]:
        value, layer = said.get(key, (None, None))
        if layer is not None and asks in _each(wanted.section, key, value):
            return layer.document, layer.place(wanted.section, key), hint
    return written.document, ("grid", number, asked[found.of][-1][0]), hint


def _each(section: str, key: str, value: Any) -> list[object]:
    """Return the values that are said of a key: in [evaluate] a list is several."""
    values = value if section == "evaluate" and isinstance(value, list) else [value]
    return [settled_queries(each) for each in values] if key == "query_shots" else values
