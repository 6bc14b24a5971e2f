"""The groups as a reader meets them: one block of rows for each data set and shape, every row with
a name and a colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metabench.report.palette import colour, marker_index
from metabench.tables import Run, rows
from metabench.tables.cells import VARIANT
from metabench.tables.frames import Row


@dataclass(frozen=True)
class Mark:
    """How an algorithm looks: index of its colour, of its mark, and of its dashes (several groups
    of one algorithm in a block differ in these)."""

    series: int
    dash: int = 0

    @property
    def colour(self) -> str:
        """Light colour."""
        return colour(self.series)

    @property
    def marker(self) -> int:
        """Index of the mark."""
        return marker_index(self.series)


@dataclass(frozen=True)
class Block:
    """What can be compared: the groups of one data set, shape and setting of every axis.

    Attributes
    ----------
    key
        For ids and anchors.
    data
        What the tables call it.
    title
        What the block stands for.
    detail
        The rest of its coordinates, in words.
    groups, comparisons
        Rows of the tables; each group has a `name` that tells it from the others here, a `mark`,
        and its comparison, or None, as `compared`.
    """

    key: str
    data: str
    title: str
    detail: str
    groups: list[Row]
    comparisons: list[Row]

    @property
    def head(self) -> Row:
        """Any group, for what they share: metric, unit, chance."""
        return self.groups[0]

    @property
    def scored(self) -> list[Row]:
        """The groups that have a score."""
        return [group for group in self.groups if group["score"] is not None]

    @property
    def costs_compare(self) -> bool:
        """Whether all that was measured here was measured on one machine, used in one way."""
        return len(
            {group["machine"] for group in self.groups if group["completed"]}
        ) <= 1 and not any(group["cost_caveats"] for group in self.groups)


def blocks_of(run: Run) -> list[Block]:
    """Return the blocks of a run in the suite's order."""
    groups, comparisons = rows(run.groups), rows(run.comparisons)
    algorithms = list(dict.fromkeys(group["algorithm"] for group in groups))
    varying = {
        key
        for key in next(iter(run.blocks.values()), {})
        if len({str(place[key]) for place in run.blocks.values()}) > 1
    }
    blocks = []
    for number, (block, place) in enumerate(run.blocks.items(), start=1):
        members = _named([group for group in groups if group["block"] == block], algorithms)
        names = {group["group"]: group["name"] for group in members}
        marks = {group["group"]: group["mark"] for group in members}
        compared = [
            row
            | {
                "name": names[row["group"]],
                "reference": names[row["reference_group"]],
                "mark": marks[row["group"]],
            }
            for row in comparisons
            if row["block"] == block
        ]
        by_group = {row["group"]: row for row in compared}
        members = [group | {"compared": by_group.get(group["group"])} for group in members]
        blocks.append(
            Block(
                f"block-{number}",
                block,
                _title(place, varying),
                _detail(members[0]),
                members,
                compared,
            )
        )
    return blocks


def overview(blocks: Sequence[Block], memory: str) -> list[Row]:
    """Return one line a name, with its group in each block, or None where it has none there, and
    the span of its costs over the blocks.

    Parameters
    ----------
    memory
        The column of the peak of memory.
    """
    lines: dict[str, Row] = {}
    for place, block in enumerate(blocks):
        for group in block.groups:
            empty = {
                "name": group["name"],
                "mark": group["mark"],
                "is_reference": group["is_reference"],
                "privileged": group["privileged"],
                "groups": [None] * len(blocks),
            }
            lines.setdefault(group["name"], empty)["groups"][place] = group
    for line in lines.values():
        own = [group for group in line["groups"] if group]
        trained = [
            group["training_seconds"] for group in own if group["training_seconds"] is not None
        ]
        ratios = [
            group["compared"]["time_ratio"]
            for group in own
            if group["compared"] and group["compared"]["time_ratio"] is not None
        ]
        peaks = [group[memory] for group in own if memory and group[memory] is not None]
        line |= {
            "trains": any(group["iterations"] for group in own),
            "training": _span(trained),
            "ratio": _span(ratios),
            "memory": _span(peaks),
        }
    return list(lines.values())


def memory_column(blocks: Sequence[Block]) -> str:
    """The column of the peak of memory that the run knows: of the GPU where there is one, else
    resident; none where no cell has finished."""
    columns = ("peak_gpu_allocated_bytes_training", "peak_resident_bytes_training")
    return next(
        (
            column
            for column in columns
            if any(group[column] is not None for block in blocks for group in block.scored)
        ),
        "",
    )


def _span(values: Sequence[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None


def _named(groups: Sequence[Row], algorithms: Sequence[str]) -> list[Row]:
    """Add to every group the shortest name that tells it from the others, and its mark."""
    named = []
    for group in groups:
        twins = [other for other in groups if other["algorithm"] == group["algorithm"]]
        apart = [
            _variant(key, group.get(key))
            for key in VARIANT
            if len({str(other.get(key)) for other in twins}) > 1
        ]
        name = " · ".join([group["algorithm"], *apart])
        named.append(
            group
            | {"name": name, "mark": Mark(algorithms.index(group["algorithm"]), twins.index(group))}
        )
    return named


def _variant(key: str, value: object) -> str:
    """`conv4`, `support plus one`, `5 steps`: what tells a group from others of its algorithm."""
    if key == "steps":
        return "own steps" if value is None else f"{value} step{'s' if value != 1 else ''}"
    return "no batch norm" if value is None else str(value).replace("_", " ")


def _title(place: Row, varying: set[str]) -> str:
    """Data set and shape always; whatever else tells the blocks of this run apart."""
    unit = "shot" if place["ways"] else "point"
    shape = (
        f"{place['ways']}-way {place['shots']}-{unit}"
        if place["ways"]
        else f"{place['shots']} support {unit}{'s' if place['shots'] != 1 else ''}"
    )
    parts = [str(place["dataset"]), shape]
    if place["on"] not in (None, "same"):
        parts.append(f"tested on {place['on']}")
    parts += [
        f"{key} = {value}" for key, value in place.items() if "." in key and value is not None
    ]
    words = {"query_shots": "{} queries", "episodes": "{} episodes", "sampling": "episodes {}"}
    parts += [
        words[key].format(str(place[key]).replace("_", " ")) for key in words if key in varying
    ]
    return " · ".join(parts)


def _detail(group: Row) -> str:
    queries = f"{group['query_shots']} {'queries a class' if group['ways'] else 'query points'}"
    sampling = {"with_replacement": "drawn with replacement", "disjoint": "sharing no image"}.get(
        group["sampling"], group["sampling"]
    )
    chance = f", chance {100 * group['chance']:.4g} %" if group["chance"] is not None else ""
    return f"{group['episodes']} test episodes a seed, {sampling}; {queries}{chance}"
