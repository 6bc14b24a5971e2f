"""A suite as written: its tables, the layers of its recipe, and what its labels stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from metabench.cells import PER_SEED
from metabench.errors import ConfigError, no_such
from metabench.registry import Group, names
from metabench.suite.document import Document, KeyPath
from metabench.suite.layers import Layer, Point, axes_layer, merged, values
from metabench.suite.schema import SECTION_OF, TABLE_OF, SuiteTable

SPLIT = "split_seed"
"""The setting of a dataset that classes are split by."""


@dataclass(frozen=True)
class Written:
    """What the modules that expand a suite share.

    Attributes
    ----------
    document, table
        The suite as written and as parsed.
    layers
        Everything that is said about recipes and settings, in order of precedence.
    data
        Folder that datasets lie in.
    seeds
        In place of those of every grid, where a profile says so.
    seed
        The one that classes are split by where each seed has its own split; None while that does
        not matter.
    """

    document: Document
    table: SuiteTable
    layers: Sequence[Layer]
    data: Path
    seeds: Sequence[int] | None = None
    seed: int | None = None

    @cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """For each group: every label that the suite may use, with the registered name behind
        it."""
        entries: dict[Group, dict[str, str | None]] = {
            "methods": {name: entry.method for name, entry in self.table.algorithms.items()},
            "models": {name: entry.model for name, entry in self.table.models.items()},
            "datasets": {name: entry.dataset for name, entry in self.table.datasets.items()},
        }
        return {
            group: {name: name for name in names(group)}
            | {label: registered or label for label, registered in named.items()}
            for group, named in entries.items()
        }

    def registered(self, number: int, group: Group, label: str) -> str:
        """Return the registered name behind a label of the grid `number`.

        Raises
        ------
        ConfigError
            Nothing is called so.
        """
        if label not in self.labels[group]:
            why = no_such(SECTION_OF[group], label, sorted(self.labels[group]))
            raise self.error(("grid", number, TABLE_OF[group]), why)
        return self.labels[group][label]

    def seeds_of(self, number: int) -> Sequence[int]:
        """Return the seeds of the grid `number`."""
        return self.seeds if self.seeds is not None else self.table.grid[number].seeds

    def layers_at(self, number: int, point: Point) -> list[Layer]:
        """All that is said about a point, in order of precedence; its values on the axes come
        last."""
        layers = [
            *(layer for layer in self.layers if layer.applies(point)),
            axes_layer(self.document, number, point.axes),
        ]
        if self.seed is not None and values(merged(layers, "dataset")).get(SPLIT) == PER_SEED:
            layers.append(Layer(self.document, ("grid", number), {"dataset": {SPLIT: self.seed}}))
        return layers

    def splits_anew_at(self, number: int, point: Point) -> bool:
        """Whether each seed has a split of classes of its own at a point."""
        layers = replace(self, seed=None).layers_at(number, point)
        return values(merged(layers, "dataset")).get(SPLIT) == PER_SEED

    def at_seed(self, seed: int) -> Written:
        """The same, with classes split as this seed has them."""
        return replace(self, seed=seed)

    def place_of(self, group: str, name: str) -> KeyPath:
        """Where the suite names a plugin: in an entry or a grid; else it is tested on, or is the
        default model of a dataset that is named there."""
        registered = self.labels.get(group, {})
        labels = [label for label, behind in registered.items() if behind == name]
        for label in labels:
            if label in getattr(self.table, TABLE_OF[group]):
                return (TABLE_OF[group], label)
        for number, grid in enumerate(self.table.grid):
            if not set(labels).isdisjoint(getattr(grid, TABLE_OF[group]) or ()):
                return ("grid", number, TABLE_OF[group])
        return ("evaluate", "on") if group == "datasets" else ("grid", 0, "datasets")

    def error(self, place: KeyPath, why: str) -> ConfigError:
        """Return the error that says what is wrong at one place of the suite."""
        return self.document.error((place, why))
