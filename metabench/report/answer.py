"""The answer in one setting: who leads, by how much, how sure. It says no more than the tables
do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metabench.report import words
from metabench.report.blocks import Block, Comparison, Group
from metabench.stats import Comparing
from metabench.text import listed, plural

STANDS: Mapping[Comparing, str] = {
    "worse": "behind it",
    "not separated": "not separated from it",
    "incomplete": "not decided, since seeds were lost",
    "descriptive": "described only, on three seeds or fewer",
    "untested": "not tested",
    "better": "ahead of it on the seeds that both have",
}
"""How an algorithm stands to a reference that leads."""


def best_mean(blocks: Iterable[Block]) -> str:
    """Return what a leader has: said with care where one that lost a seed has a better mean."""
    by_default = any(block.is_led_by_default for block in blocks)
    return f"the best mean{' of those that lost no seed' if by_default else ''}"


def apart(rows: Sequence[Comparison], other: str) -> str:
    """Return where scores lie to those of another algorithm, from the least to the greatest:
    `1.20 to 4.94 points above maml`, `0.48 times the MSE of maml`. Errors are compared as ratios,
    which agree with the geometric means that are shown."""
    metric = rows[0].metric
    if times := ratios(rows):
        return f"{times} times the {words.metric(metric.name)} of {other}"
    side = "above" if rows[0].is_above else "below"
    return f"{words.gaps([row.gap for row in rows], metric)} {side} {other}"


def ratios(rows: Sequence[Comparison]) -> str:
    """Return the least and the greatest ratio of errors; nothing where not all are such."""
    times = [row.times for row in rows if row.times is not None]
    return words.span((min(times), max(times)), words.ratio) if len(times) == len(rows) else ""


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
        names = listed([group.name for group in block.leaders])
        return f"{names} share {best_mean([block])}, {_at(leader)}."
    if leader.is_reference:
        first = f"{leader.name}, the reference, has {best_mean([block])}: {_at(leader)}."
        return f"{first} {_others(block.rivals)}".strip()
    first = f"{leader.name} has {best_mean([block])}: {_at(leader)}"
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
    seeds = plural(group.scored, "seed")
    return f"{words.score(score.value, unit)}{sign}{spread} over {seeds}"


def _against(row: Comparison) -> str:
    """How the leader stands to the reference."""
    gap = apart([row], f"the reference {row.reference_name}")
    if row.verdict in ("better", "worse"):
        return f"{gap} ({words.p_phrase(row.p_holm, row.level)}, Holm over {row.family_size})"
    if row.verdict == "not separated":
        p, least = words.p_phrase(row.p_holm, row.level), words.least(row)
        found = f"{row.pairs} seeds could have found {least} if the spread is as observed"
        return f"{gap}, but not separated from it ({p}; {found})"
    if row.verdict == "descriptive":
        return f"{gap} ({plural(row.pairs, 'seed')}: descriptive, not tested)"
    return f"{gap} ({row.caveats})"


def _others(comparisons: Sequence[Comparison]) -> str:
    """How the others stand to a reference that leads."""
    told = []
    for verdict, phrase in STANDS.items():
        names = [row.name for row in comparisons if row.verdict == verdict]
        if names:
            told.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {phrase}")
    return f"{'; '.join(told)}." if told else ""
