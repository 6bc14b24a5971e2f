"""What algorithms cost against the reference: training, and the whole fit and a test episode where
they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metabench.quantities import (
    ITERATIONS,
    SECONDS_PER_EPISODE,
    TRAINING_SECONDS,
    WALL_SECONDS,
    Quantity,
)
from metabench.report import words
from metabench.report.blocks import Block, Comparison, Group, Span
from metabench.text import listed

MANY = 4
"""More algorithms than these are not told one by one."""

A_LOT = 1.25
"""Costs that differ from those of training by this factor are told as well."""

OTHERS: Mapping[str, Quantity] = {
    "The whole fit, with choice, validation and test": WALL_SECONDS,
    "A test episode": SECONDS_PER_EPISODE,
}
"""What is not told by the time of training alone."""

Rows = Mapping[str, Sequence[Comparison]]
"""Comparisons by algorithm, one a setting."""


def cost(blocks: Sequence[Block], reference: str) -> str | None:
    """Return sentences on training time against the reference's, about those that intervals tell
    from it everywhere; and on the whole fit and a test episode, where they come in another order or
    differ by a lot. None where there is nothing to tell."""
    compared = [group for block in blocks for group in block.scored if group.compared]
    told = [_training(compared, reference)]
    told += [
        f"{name}: {told_ratios(found)}."
        for name, quantity in OTHERS.items()
        if _is_another_story(blocks, quantity)
        and (found := _ratios(_by_algorithm(compared), quantity))
    ]
    if not any(told):
        return None
    if not told[0]:
        told[0] = f"Costs against those of {reference}."
    return " ".join(told)


def _training(compared: Sequence[Group], reference: str) -> str:
    trained = _by_algorithm([group for group in compared if group[ITERATIONS].value != 0])
    ratios = _ratios(trained, TRAINING_SECONDS)
    if not ratios:
        return ""
    idle = [name for name in _by_algorithm(compared) if name not in trained]
    none = f"; {listed(idle)} {'does' if len(idle) == 1 else 'do'} not train" if idle else ""
    return f"Training time against that of {reference}: {told_ratios(ratios)}{none}."


def _by_algorithm(groups: Sequence[Group]) -> Rows:
    rows: dict[str, list[Comparison]] = {}
    for group in groups:
        if group.compared:
            rows.setdefault(group.algorithm, []).append(group.compared)
    return rows


def _is_another_story(blocks: Sequence[Block], quantity: Quantity) -> bool:
    """Whether a cost comes in another order than training in a setting, the reference among them,
    or differs from it by a lot."""
    for block in blocks:
        rows = [group.compared for group in block.scored if group.compared]
        costs = [(row.cost(TRAINING_SECONDS).value, row.cost(quantity).value) for row in rows]
        known = [(time or 0.0, other) for time, other in costs if other is not None]
        if any(max(pair) >= A_LOT * min(pair) for pair in known):
            return True
        in_order = sorted([*known, (1.0, 1.0)])  # the reference among them
        if [other for _, other in in_order] != sorted(other for _, other in in_order):
            return True
    return False


def told_ratios(ratios: Mapping[str, Span]) -> str:
    """Return each algorithm with its ratios; of many the fastest and the slowest."""
    times = f"×{words.NBSP}"
    if len(ratios) <= MANY:
        return listed(
            [f"{name} {times}{words.span(ends, words.ratio)}" for name, ends in ratios.items()]
        )
    fast = min(ratios, key=lambda name: ratios[name][0])
    slow = max(ratios, key=lambda name: ratios[name][1])
    return (
        f"from {times}{words.ratio(ratios[fast][0])} ({fast}) to "
        f"{times}{words.ratio(ratios[slow][1])} ({slow})"
    )


def _ratios(rows: Rows, quantity: Quantity) -> dict[str, Span]:
    """The least and the greatest ratio over the settings, of those whose intervals are all there
    and lie on the same side of 1."""
    ratios: dict[str, Span] = {}
    for name, found in rows.items():
        costs = [row.cost(quantity) for row in found]
        ends = [
            (one.low, one.high) for one in costs if one.low is not None and one.high is not None
        ]
        apart = all(high < 1 for _, high in ends) or all(low > 1 for low, _ in ends)
        values = [one.value for one in costs if one.value is not None]
        if apart and values and len(ends) == len(costs):
            ratios[name] = min(values), max(values)
    return ratios
