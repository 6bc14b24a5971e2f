"""What algorithms of a suite need of one another: who plays which role, and whether they can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metabench.errors import no_such
from metabench.registry import get, names
from metabench.registry.settings import unknown_key
from metabench.suite.document import KeyPath
from metabench.suite.layers import Point
from metabench.suite.points import refuse_pairs
from metabench.suite.schema import NeedTable, SuiteTable
from metabench.suite.written import Written


def refuse_wrong_needs(written: Written) -> None:
    """Refuse roles that a method does not have, or has and nobody plays; who cannot play one; and
    algorithms that need themselves, entries that no grid uses included.

    Raises
    ------
    ConfigError
        With a line for each.
    """
    problems = [
        problem
        for label, entry in written.table.algorithms.items()
        for problem in _problems(written, label, entry.needs)
    ]
    problems += [
        (("grid", number, "algorithms"), why)
        for number, grid in enumerate(written.table.grid)
        for label in grid.algorithms
        if (why := _is_bare(written, label))
    ]
    if problems or (problems := list(_cycles(written.table))):
        raise written.document.error(*problems)


def needs_at(written: Written, point: Point) -> dict[str, Point]:
    """Return role -> the point of the fit that plays it: the same place under another algorithm.

    Values of an axis `algorithm.KEY` are those of the algorithm that stands in the grid.
    """
    entry = written.table.algorithms.get(point.algorithm)
    axes = {axis: value for axis, value in point.axes.items() if not axis.startswith("algorithm.")}
    return {
        role: replace(
            point,
            algorithm=need.algorithm,
            method=written.labels["methods"][need.algorithm],
            model=need.model or point.model,
            axes=axes,
        )
        for role, need in (entry.needs if entry else {}).items()
    }


def needed_points(written: Written, points: Sequence[tuple[int, Point]]) -> list[tuple[int, Point]]:
    """Return the points of all that these points need, in whatever depth, with the numbers of
    their grids.

    Raises
    ------
    ConfigError
        An algorithm cannot learn from the dataset of one that needs it.
    """
    found = [(number, other) for number, point in points for other in _below(written, point)]
    for number, algorithm, dataset in dict.fromkeys(
        (number, point.algorithm, point.dataset) for number, point in found
    ):
        kind = get("datasets", written.labels["datasets"][dataset]).kind
        refuse_pairs(written, number, algorithm, {dataset: kind})
    return found


def _below(written: Written, point: Point) -> Iterator[Point]:
    for other in needs_at(written, point).values():
        yield other
        yield from _below(written, other)


def _problems(
    written: Written, label: str, needs: Mapping[str, NeedTable]
) -> Iterator[tuple[KeyPath, str]]:
    labels, path = written.labels, ("algorithms", label)
    registered = labels["methods"][label]
    roles: Mapping[str, type[Any]] = get("methods", registered).needs
    if needs and not roles:
        yield (*path, "needs"), f"'{registered}' needs no other algorithm; take it out"
        return
    for role in sorted(roles.keys() - needs.keys()):
        yield path, f"lacks 'needs.{role}': '{registered}' needs {_a_kind(roles[role])} there"
    for role, need in needs.items():
        where = (*path, "needs", role)
        if role not in roles:
            yield where, unknown_key(role, roles, f"needs of '{registered}'")
        elif need.algorithm not in labels["methods"]:
            yield where, no_such("algorithm", need.algorithm, sorted(labels["methods"]))
        elif need.model is not None and need.model not in labels["models"]:
            yield where, no_such("model", need.model, sorted(labels["models"]))
        elif (why := _cannot_play(written, need.algorithm, registered, role)) or (
            why := _is_bare(written, need.algorithm)
        ):
            yield where, why


def _cannot_play(written: Written, algorithm: str, registered: str, role: str) -> str:
    """Why the method behind an algorithm cannot play a role, or nothing."""
    other = written.labels["methods"][algorithm]
    if other not in names("methods") or _can_play(other, registered, role):
        return ""  # told elsewhere, or right
    kind = get("methods", registered).needs[role]
    able = [name for name in names("methods") if _can_play(name, registered, role)]
    return (
        f"'{algorithm}' cannot play it: '{registered}' needs {_a_kind(kind)}, such as "
        f"{', '.join(able[:5]) or 'none that is installed'}"
    )


def _can_play(other: str, registered: str, role: str) -> bool:
    """Whether a method is what a role asks for; one with privileged inputs is of use to another
    such one alone."""
    found, method = get("methods", other), get("methods", registered)
    return issubclass(found, method.needs[role]) and (
        ("privileged" in found.wants) == ("privileged" in method.wants)
    )


def _a_kind(kind: type[Any]) -> str:
    return "an algorithm" + ("" if kind.__name__ == "Method" else f" with a {kind.__name__}")


def _is_bare(written: Written, label: str) -> str:
    """Why an algorithm without an entry cannot be one, or nothing."""
    if label in written.table.algorithms or label not in names("methods"):
        return ""
    roles = get("methods", label).needs
    return (
        f"'{label}' needs other algorithms ({', '.join(sorted(roles))}): give it an entry, such as "
        f'[algorithms.my_{label}] with method = "{label}" and needs.{min(roles)} = "..."'
        if roles
        else ""
    )


def _cycles(table: SuiteTable) -> Iterator[tuple[KeyPath, str]]:
    """Find the algorithms that need themselves."""
    for label, entry in table.algorithms.items():
        for role, need in entry.needs.items():
            if path := _way(table, need.algorithm, label):
                way = " needs ".join(f"'{name}'" for name in (label, *path))
                yield ("algorithms", label, "needs", role), f"goes round in a circle: {way}"


def _way(table: SuiteTable, start: str, end: str) -> list[str]:
    """The algorithms from one to another along their needs, both included; none where there is no
    way."""
    ways, seen = [[start]], set[str]()
    while ways:
        way = ways.pop()
        if way[-1] == end:
            return way
        if way[-1] in seen or way[-1] not in table.algorithms:
            continue
        seen.add(way[-1])
        ways += [[*way, need.algorithm] for need in table.algorithms[way[-1]].needs.values()]
    return []
