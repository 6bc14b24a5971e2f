"""The first sentences: the answer over all settings. They say no more than the tables do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from metabench.report import words
from metabench.report.answer import STANDS, answer, apart, best_mean, ratios
from metabench.report.blocks import Block, Comparison
from metabench.stats import DESCRIPTIVE, Comparing
from metabench.text import listed, plural

TIE, OPEN = "tied", "without a leader that completed all seeds"
NOBODY = frozenset({TIE, OPEN})
MANY = 4
"""More algorithms than these are not told one by one in a sentence."""

CAME_OUT: Mapping[Comparing, str] = {
    "better": "came out better",
    "worse": "came out worse",
    "not separated": "could not be separated from it",
    "incomplete": "could not be decided, since seeds were lost",
    "descriptive": "rest on three seeds or fewer and are described, not tested",
    "untested": "could not be tested",
}
"""What came of comparisons with the reference."""


def headline(blocks: Sequence[Block], reference: str) -> list[str]:
    """Return the answer to the suite's question in one or two sentences."""
    scored = [block for block in blocks if block.scored]
    if not scored:
        return ["No cell has a score yet, so there is nothing to compare."]
    if most := few_seeds(scored):
        seeds = plural(most, "seed")
        return [f"{seeds} tell no order: what follows is described, and nothing is tested."]
    if len(scored) == 1:
        return [f"On {scored[0].title}: {answer(scored[0], reference)}"]
    contested = [block for block in scored if len(block.scored) > 1]
    if not contested:
        return ["Only one algorithm has scores, so there is nothing to compare it with."]
    partly = (
        ""
        if len(contested) == len(scored)
        else f" with more than one algorithm that has a score (of {len(scored)} in all)"
    )
    leaders = Counter(map(_leader, contested))
    first, number = leaders.most_common(1)[0]
    if number < len(contested) or first in NOBODY:
        return [_divided(contested, leaders, partly), _tally(contested, reference)]
    everywhere = {1: "the one setting", 2: "both settings"}.get(number, f"all {number} settings")
    everywhere += partly
    best = f"has {best_mean(contested)} in {everywhere}"
    if first == reference:
        return [f"{first}, the reference, {best}.", _others(contested, reference)]
    return [f"{first} {best}{_lead(contested, reference)}."]


def few_seeds(blocks: Sequence[Block]) -> int:
    """How many seeds there are at most, where these are too few for a test; else 0."""
    most = max((group.scored for block in blocks for group in block.scored), default=0)
    return most if most <= DESCRIPTIVE else 0


def _leader(block: Block) -> str:
    """The algorithm that leads a block, or why there is none."""
    leaders = block.leaders
    if len(leaders) == 1:
        return leaders[0].algorithm
    return TIE if leaders else OPEN


def _divided(contested: Sequence[Block], leaders: Counter[str], partly: str) -> str:
    """Who leads where: setting by setting if these are few, and each told by its data alone."""
    datasets = {block.dataset for block in contested}
    if len(datasets) == len(contested) <= MANY and leaders.keys().isdisjoint(NOBODY):
        best = [
            f"{_leader(block)} has {best_mean([block])} on {block.dataset}" for block in contested
        ]
        return f"{listed(best)}."
    ranks = [
        f"{times} {'is' if times == 1 else 'are'} {name}"
        if name in NOBODY
        else f"{name} has it in {times}"
        for name, times in leaders.most_common()
    ]
    settings = plural(len(contested), "setting")
    out = (
        " (those left out that lost a seed)"
        if any(one.is_led_by_default for one in contested)
        else ""
    )
    return (
        f"No algorithm has the best mean everywhere: of {settings}{partly}, {listed(ranks)}{out}."
    )


def _lead(blocks: Sequence[Block], reference: str) -> str:
    """By how much one algorithm leads the reference over several blocks, and where it is separated
    from it."""
    compared = [block.leaders[0].compared for block in blocks]
    found = [row for row in compared if row is not None and row.pairs]
    if len(found) < len(blocks):
        return ""
    alike = len({row.metric.name for row in found}) == 1
    alike = alike and (bool(ratios(found)) or len({row.is_above for row in found}) == 1)
    text = f", {apart(found, f'the reference {reference}')}" if alike else ""
    verdicts = Counter(row.verdict for row in found)
    if verdicts["descriptive"] + verdicts["untested"] == len(found):
        return f"{text}. With so few seeds that is described, not tested"
    separated = [row for row in found if row.verdict == "better"]
    if len(separated) == len(found):
        return f"{text}, and is separated from it in each (Holm-adjusted {_worst(separated)})"
    if separated:
        return f"{text}, and is separated from it in {len(separated)} of {len(found)}"
    return f"{text}, but is not separated from it in any"


def _worst(found: Sequence[Comparison]) -> str:
    p = max(row.p_holm for row in found if row.p_holm is not None)
    return words.p_phrase(p, found[0].level).replace("=", "≤")


def _others(blocks: Sequence[Block], reference: str) -> str:
    """How the others stand to a reference that leads everywhere: one by one where they are few."""
    found: dict[str, list[Comparison]] = {}
    for row in (row for block in blocks for row in block.rivals):
        found.setdefault(row.group.algorithm, []).append(row)
    metrics = {row.metric.name for rows in found.values() for row in rows}
    if len(found) > MANY or len(metrics) != 1:
        return _tally(blocks, reference)
    told = [f"{name} is {_stands(rows)}" for name, rows in found.items()]
    return f"{'; '.join(told)}."


def _stands(rows: Sequence[Comparison]) -> str:
    """How one algorithm stands to a reference that leads, over several blocks."""
    verdicts = Counter(row.verdict for row in rows)
    if len(verdicts) > 1:
        return listed(
            [
                f"{phrase} in {verdicts[verdict]} of {len(rows)}"
                for verdict, phrase in STANDS.items()
                if verdicts[verdict]
            ]
        )
    told = STANDS[rows[0].verdict]
    if not verdicts["worse"]:
        return told
    if times := ratios(rows):
        return f"{told}, at {times} times its {words.metric(rows[0].metric.name)}"
    return f"{told} by {words.gaps([row.gap for row in rows], rows[0].metric)}"


def _tally(blocks: Sequence[Block], reference: str) -> str:
    """What came of all comparisons with the reference."""
    verdicts = Counter(row.verdict for block in blocks for row in block.rivals)
    told = [
        f"{verdicts[verdict]} {phrase}" for verdict, phrase in CAME_OUT.items() if verdicts[verdict]
    ]
    return (
        f"Of {verdicts.total()} comparisons with {reference}, {listed(told)}."
        if told
        else f"{reference} has nothing to be compared with."
    )
