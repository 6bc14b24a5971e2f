"""The answer in one setting: who leads, by how much, how sure. It says no more than the tables
do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metabench.report import words
from metabench.report.blocks import Block, Comparison, Group
from metabench.tables.comparison_row import Comparing

STANDS: Mapping[Comparing, str] = {
    "worse": "behind it",
    "not separated": "not separated from it",
    "incomplete": "not decided, since seeds were lost",
    "descriptive": "described only, on three seeds or fewer",
    "untested": "not tested",
    "better": "ahead of it on the seeds that both have",
}
"""How an algorithm stands to a reference that leads."""


def answer(block: Block, reference: str) -> str:
    """Return one or two sentences for one block."""
    scored = block.scored
    if not scored:
        return "No cell has a score yet."
    if len(scored) == 1:
        alone = f"{scored[0].name} reaches {_at(scored[0])}"
        return f"{alone}; nothing else has a score to compare it with."
    if not block.leaders:
        return "Nobody leads: every algorithm lost a seed to failure or divergence."
    leader, *tied = block.leaders
    if tied:
        names = words.listed([group.name for group in block.leaders])
        return f"{names} share the best mean, {_at(leader)}."
    if leader.is_reference:
        first = f"{leader.name}, the reference, has the best mean: {_at(leader)}."
        return f"{first} {_others(block.rivals)}".strip()
    first = f"{leader.name} has the best mean: {_at(leader)}"
    row = leader.compared
    if row is None:
        return (
            f"{first}; there is nothing to test it against, since the reference "
            f"{reference} has no score here."
        )
    if row.pairs == 0:
        return f"{first}, not tested against the reference {reference}: {row.caveats}."
    return f"{first}, {_against(row)}."


def _at(group: Group) -> str:
    """Its mean with the interval: `96.14 % [94.63, 97.65] over 5 seeds`."""
    score, unit = group.score, group.metric.unit
    sign = f"{words.NBSP}%" if unit == "fraction" else f" {words.metric(group.metric.name)}"
    spread = f" {words.interval(score.low, score.high, unit)}" if score.low is not None else ""
    seeds = words.plural(group.scored, "seed")
    return f"{words.score(score.value, unit)}{sign}{spread} over {seeds}"


def _against(row: Comparison) -> str:
    """How the leader stands to the reference."""
    side = "above" if row.is_above else "below"
    gap = f"{words.gaps([row.gap], row.metric)} {side} the reference {row.reference_name}"
    if row.verdict in ("better", "worse"):
        return f"{gap} ({words.p_phrase(row.p_holm)}, Holm over {row.family_size})"
    if row.verdict == "not separated":
        return (
            f"{gap}, but not separated from it ({words.p_phrase(row.p_holm)}; {row.pairs} seeds "
            f"could have found {words.least(row)} if the spread is as observed)"
        )
    if row.verdict == "descriptive":
        return f"{gap} ({words.plural(row.pairs, 'seed')}: descriptive, not tested)"
    return f"{gap} ({row.caveats})"


def _others(comparisons: Sequence[Comparison]) -> str:
    """How the others stand to a reference that leads."""
    told = []
    for verdict, phrase in STANDS.items():
        names = [row.name for row in comparisons if row.verdict == verdict]
        if names:
            told.append(f"{words.listed(names)} {'is' if len(names) == 1 else 'are'} {phrase}")
    return f"{'; '.join(told)}." if told else ""
