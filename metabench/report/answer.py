"""The first sentences: who leads, by how much, how sure. They say no more than the tables do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from metabench.quantities import ITERATIONS
from metabench.report import words
from metabench.report.blocks import Block, Comparison, Group
from metabench.stats import DESCRIPTIVE
from metabench.tables.typed_rows import Comparing

TIE, OPEN = "tied", "without a leader that completed all seeds"
NOBODY = frozenset({TIE, OPEN})
MANY = 4
"""More algorithms than these are not told one by one in a sentence."""


def headline(blocks: Sequence[Block], reference: str) -> list[str]:
    """Return the answer to the suite's question in one or two sentences."""
    scored = [block for block in blocks if block.scored]
    if not scored:
        return ["No cell has a score yet, so there is nothing to compare."]
    if most := few_seeds(scored):
        seeds = f"{most} seed{'s' if most != 1 else ''}"
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
    leaders = Counter(_leader(block) for block in contested)
    first, number = leaders.most_common(1)[0]
    if number < len(contested) or first in NOBODY:
        datasets = {block.dataset: block for block in contested}
        if len(datasets) == len(contested) <= MANY and leaders.keys().isdisjoint(
            NOBODY
        ):  # few enough, and each told by its data alone
            best = [
                f"{_leaders(block)[0].algorithm} has the best mean on {name}"
                for name, block in datasets.items()
            ]
            return [f"{words.listed(best)}.", _tally(contested, reference)]
        ranks = [
            f"{times} {'is' if times == 1 else 'are'} {name}"
            if name in NOBODY
            else f"{name} has it in {times}"
            for name, times in leaders.most_common()
        ]
        return [
            f"No algorithm has the best mean everywhere: of {len(contested)} "
            f"{'settings' if len(contested) > 1 else 'setting'}{partly}, "
            f"{words.listed(ranks)}.",
            _tally(contested, reference),
        ]
    everywhere = {1: "the one setting", 2: "both settings"}.get(
        number, f"all {number} settings"
    ) + partly
    if first == reference:
        return [
            f"{first}, the reference, has the best mean in {everywhere}.",
            _others(contested, reference),
        ]
    return [f"{first} has the best mean in {everywhere}{_lead(contested, reference)}."]


def cost(blocks: Sequence[Block], reference: str) -> str | None:
    """Return a sentence on training time against the reference's, about those that intervals tell
    from it everywhere; None where there are none."""
    ratios: dict[str, list[Comparison]] = {}
    idle = []
    for group in (group for block in blocks for group in block.scored):
        if group.compared and group[ITERATIONS].value == 0:
            idle.append(group.algorithm)
        elif group.compared:
            ratios.setdefault(group.algorithm, []).append(group.compared)
    told = {name: _times(rows) for name, rows in ratios.items() if _told_apart(rows)}
    if not told:
        return None
    times = words.listed(
        [f"{name} × {words.span(ends, words.ratio)}" for name, ends in told.items()]
    )
    if len(told) > MANY:
        fast, slow = (
            min(told, key=lambda name: told[name][0]),
            max(told, key=lambda name: told[name][1]),
        )
        times = (
            f"from × {words.ratio(told[fast][0])} ({fast}) to × "
            f"{words.ratio(told[slow][1])} ({slow})"
        )
    rest = [name for name in dict.fromkeys(idle) if name not in ratios]
    none = f"; {words.listed(rest)} {'does' if len(rest) == 1 else 'do'} not train" if rest else ""
    return f"Training time against that of {reference}: {times}{none}.".replace(
        "× ", f"×{words.NBSP}"
    )


def few_seeds(blocks: Sequence[Block]) -> int:
    """How many seeds there are at most, where these are too few for a test; else 0."""
    most = max((group.scored for block in blocks for group in block.scored), default=0)
    return most if most <= DESCRIPTIVE else 0


def _leader(block: Block) -> str:
    """The algorithm that leads a block, or why there is none."""
    leaders = _leaders(block)
    if len(leaders) == 1:
        return leaders[0].algorithm
    return TIE if leaders else OPEN


def _told_apart(rows: Sequence[Comparison]) -> bool:
    """Whether every interval is there and lies on the same side of 1."""
    found = [row.time_interval for row in rows]
    ends = [interval for interval in found if interval is not None]
    apart = all(high < 1 for _, high in ends) or all(low > 1 for low, _ in ends)
    return apart and len(ends) == len(found)


def _times(rows: Sequence[Comparison]) -> tuple[float, float]:
    ratios = [row.time_ratio for row in rows if row.time_ratio is not None]
    return min(ratios), max(ratios)


def _lead(blocks: Sequence[Block], reference: str) -> str:
    """By how much one algorithm leads the reference over several blocks, and where it is separated
    from it."""
    leaders = [(_leaders(block)[0].group, block) for block in blocks]
    found = [
        row
        for leader, block in leaders
        for row in block.comparisons
        if row.group.group == leader and row.pairs
    ]
    if len(found) < len(blocks):
        return ""
    gaps = sorted(found, key=lambda row: row.gap)
    side = "above" if gaps[0].is_above else "below"
    text = ""
    if len({row.metric.name for row in found}) == 1 and all(
        row.is_above == gaps[0].is_above for row in found
    ):
        text = f", {_range([row.gap for row in found], gaps[0])} {side} the reference {reference}"
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
    return words.p_phrase(p) if p < 0.001 else words.p_phrase(p).replace("=", "≤")


def _others(blocks: Sequence[Block], reference: str) -> str:
    """How the others stand to a reference that leads everywhere: one by one where they are few."""
    found: dict[str, list[Comparison]] = {}
    for row in (row for block in blocks for row in _rivals(block)):
        found.setdefault(row.group.algorithm, []).append(row)
    one_metric = len({row.metric.name for rows in found.values() for row in rows}) == 1
    if len(found) > MANY or not one_metric:
        return _tally(blocks, reference)
    phrases: Mapping[Comparing, str] = {
        "worse": "behind it",
        "not separated": "not separated from it",
        "incomplete": "not decided, since seeds were lost",
        "descriptive": "described only, on three seeds or fewer",
        "untested": "not tested",
        "better": "ahead of it on the seeds that both have",
    }
    told = []
    for name, rows in found.items():
        verdicts = Counter(row.verdict for row in rows)
        if len(verdicts) > 1:
            said = words.listed(
                [
                    f"{phrase} in {verdicts[verdict]} of {len(rows)}"
                    for verdict, phrase in phrases.items()
                    if verdicts[verdict]
                ]
            )
        else:
            said = phrases[rows[0].verdict]
        if set(verdicts) == {"worse"}:
            said += f" by {_range([row.gap for row in rows], rows[0])}"
        told.append(f"{name} is {said}")
    return f"{'; '.join(told)}."


def _range(values: Sequence[float], row: Comparison) -> str:
    low, high = (words.score(value, row.metric.unit) for value in (min(values), max(values)))
    return (
        f"{low if low == high else f'{low} to {high}'} "
        f"{'points' if row.metric.unit == 'fraction' else 'of ' + words.metric(row.metric.name)}"
    )


def _tally(blocks: Sequence[Block], reference: str) -> str:
    """What came of all comparisons with the reference."""
    verdicts = Counter(row.verdict for block in blocks for row in _rivals(block))
    phrases: Mapping[Comparing, str] = {
        "better": "came out better",
        "worse": "came out worse",
        "not separated": "could not be separated from it",
        "incomplete": "could not be decided, since seeds were lost",
        "descriptive": "rest on three seeds or fewer and are described, not tested",
        "untested": "could not be tested",
    }
    told = [
        f"{verdicts[verdict]} {phrase}" for verdict, phrase in phrases.items() if verdicts[verdict]
    ]
    return (
        f"Of {verdicts.total()} comparisons with {reference}, {words.listed(told)}."
        if told
        else f"{reference} has nothing to be compared with."
    )


def answer(block: Block, reference: str) -> str:
    """Return one or two sentences for one block."""
    scored = block.scored
    if not scored:
        return "No cell has a score yet."
    if len(scored) == 1:
        return f"{_at(scored[0])}; nothing else has a score to compare it with."
    if not _leaders(block):
        return "Nobody leads: every algorithm lost a seed to failure or divergence."
    leader, *tied = _leaders(block)
    if tied:
        return (
            f"{words.listed([group.name for group in (leader, *tied)])} share the "
            f"best mean, {_at(leader, named=False)}."
        )
    if leader.is_reference:
        first = f"{leader.name}, the reference, has the best mean: {_at(leader, named=False)}."
        return f"{first} {_rest(_rivals(block))}".strip()
    row = next((row for row in block.comparisons if row.group.group == leader.group), None)
    first = f"{leader.name} has the best mean: {_at(leader, named=False)}"
    if row is None:
        return (
            f"{first}; there is nothing to test it against, since the reference "
            f"{reference} has no score here."
        )
    if row.pairs == 0:
        return f"{first}, not tested against the reference {reference}: {row.caveats}."
    return f"{first}, {_against(row)}."


def _rivals(block: Block) -> list[Comparison]:
    """The comparisons of algorithms that have to find out what the others have to: not of those
    that are told."""
    return [row for row in block.comparisons if not row.group.privileged]


def _leaders(block: Block) -> list[Group]:
    return [group for group in block.scored if group.leads]


def _at(group: Group, named: bool = True) -> str:
    unit = group.metric.unit
    sign = f"{words.NBSP}%" if unit == "fraction" else f" {words.metric(group.metric.name)}"
    spread = (
        f" {words.interval(group.score.low, group.score.high, unit)}"
        if group.score.low is not None
        else ""
    )
    seeds = f"{group.scored} seed{'s' if group.scored != 1 else ''}"
    subject = f"{group.name} reaches " if named else ""
    return f"{subject}{words.score(group.score.value, unit)}{sign}{spread} over {seeds}"


def _against(row: Comparison) -> str:
    """How the leader stands to the reference."""
    unit = row.metric.unit
    gap = (
        f"{words.score(row.gap, unit)} "
        f"{'points' if unit == 'fraction' else 'of ' + words.metric(row.metric.name)}"
    )
    gap += " above" if row.is_above else " below"
    reference = f"the reference {row.reference_name}"
    if row.verdict in ("better", "worse"):
        return f"{gap} {reference} ({words.p_phrase(row.p_holm)}, Holm over {row.family_size})"
    if row.verdict == "not separated":
        least = words.least(row)
        return (
            f"{gap} {reference}, but not separated from it "
            f"({words.p_phrase(row.p_holm)}; {row.pairs} seeds could have found {least} if the "
            "spread is as observed)"
        )
    why = (
        f"{row.pairs} seed{'s' if row.pairs != 1 else ''}: descriptive, not tested"
        if row.verdict == "descriptive"
        else row.caveats
    )
    return f"{gap} {reference} ({why})"


def _rest(comparisons: Sequence[Comparison]) -> str:
    """How the others stand to a reference that leads."""
    phrases = {
        "better": ("is", "are", "ahead of it on the seeds that both have"),
        "worse": ("is", "are", "behind it"),
        "not separated": ("is", "are", "not separated from it"),
        "incomplete": ("is", "are", "not decided, since seeds were lost"),
        "descriptive": ("is", "are", "described only, on three seeds or fewer"),
        "untested": ("is", "are", "not tested"),
    }
    told = []
    for verdict, (one, many, phrase) in phrases.items():
        names = [row.name for row in comparisons if row.verdict == verdict]
        if names:
            told.append(f"{words.listed(names)} {one if len(names) == 1 else many} {phrase}")
    return f"{'; '.join(told)}." if told else ""
