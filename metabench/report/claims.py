"""The suite's claims as a reader meets them: what was said, what was found, and the verdict. The
numbers are those of the table of claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metabench.claims import BETWEEN
from metabench.report import words
from metabench.report.blocks import Block
from metabench.tables import Run
from metabench.tables.claim_row import ClaimRow

SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not judged": words.DASH}


@dataclass(frozen=True, kw_only=True)
class Setting(ClaimRow):
    """What came of a claim in one setting: with the `title` of where, what was `found`, its
    interval as `range`, and the `sign` of the verdict."""

    title: str
    found: str
    range: str
    sign: str


@dataclass(frozen=True)
class Claim:
    """One claim with what came of it.

    Attributes
    ----------
    key
        Its anchor: `claim-fomaml-is-cheaper`.
    says, source, post_hoc, verdict
        As in the table.
    about
        What was estimated, in words.
    bound
        Where it should lie.
    settings
        What came of it in each.
    found
        What stands in the row of the claim: the one setting's finding, or the span over several.
    counted
        How many of these came out how.
    """

    key: str
    says: str
    source: str
    post_hoc: bool
    verdict: str
    about: str
    bound: str
    settings: list[Setting]
    found: str
    counted: str

    @property
    def sign(self) -> str:
        """The verdict at a glance, told apart without colour."""
        return SIGNS[self.verdict]


def claims_of(run: Run, blocks: Sequence[Block]) -> list[Claim]:
    """Return the claims of a run in the suite's order."""
    names = {group.group: (block.title, group.name) for block in blocks for group in block.groups}
    declared = {str(claim.get("id")): claim for claim in run.info["claims"]}
    claims: list[Claim] = []
    for name, claim in declared.items():
        key = f"claim-{words.slug(name)}"
        if any(other.key == key for other in claims):
            key = f"{key}-{len(claims)}"
        found = [row for row in run.rows.claims if str(row.id) == name]
        claims.append(_claim(key, claim, found, names))
    return claims


def tally(claims: Sequence[Claim]) -> str:
    """`5: 3 supported, 1 inconclusive, 1 not judged`."""
    after = sum(claim.post_hoc for claim in claims)
    return (
        f"{len(claims)}: "
        f"{_counted([claim.verdict for claim in claims])}{f' ({after} post hoc)' if after else ''}"
    )


def _claim(
    key: str,
    declared: Mapping[str, Any],
    found: Sequence[ClaimRow],
    names: Mapping[str, tuple[str, str]],
) -> Claim:
    head, known = found[0], [row.estimate for row in found if row.estimate is not None]
    unit = head.unit or ""
    settings = [_setting(row, names) for row in found]
    if len(found) == 1:
        told = f"{settings[0].found} {settings[0].range}".strip()
    else:
        ends = (min(known), max(known)) if known else None
        told = words.span(ends, lambda value: words.amount(value, unit)).replace(
            " points to", " to", 1
        )
        told += f" over {len(found)} settings" if known else ""
    return Claim(
        key=key,
        says=str(head.says or head.id),
        source=str(head.source or ""),
        post_hoc=bool(head.post_hoc),
        verdict=head.verdict,
        about=_about(declared, unit),
        bound=_bound(declared, unit),
        settings=settings,
        found=told,
        counted=_counted([row.group_verdict for row in found]),
    )


def _setting(row: ClaimRow, names: Mapping[str, tuple[str, str]]) -> Setting:
    title, name = names.get(row.group.group if row.group else "", ("", ""))
    return Setting(
        **vars(row),
        title=f"{title}, {name}" if name != row.of and title else title,
        found=words.amount(row.estimate, row.unit or ""),
        # what was counted has no interval
        range="" if row.low == row.high else words.amounts(row.low, row.high, row.unit or ""),
        sign=SIGNS[row.group_verdict],
    )


def _counted(verdicts: Sequence[str]) -> str:
    counted = Counter(verdicts)
    return ", ".join(f"{counted[verdict]} {verdict}" for verdict in SIGNS if counted[verdict])


def _about(declared: Mapping[str, Any], unit: str) -> str:
    """`seconds per task, fomaml over maml`."""
    if not {"metric", "of", "bound"} <= declared.keys():
        return ""
    against, ratio = declared.get("against"), str(declared["bound"]).startswith("ratio")
    rival = str(against)
    if declared.get("published"):
        rival = "the published figure"
    elif isinstance(against, int | float):
        rival = f"{100 * against:g} %" if unit == "fraction" else words.plain_number(against)
    metric, after = str(declared["metric"]).replace("_", " "), declared.get("after")
    if after is not None:
        metric += f" after {after} {'step' if after == 1 else 'steps'}"
    about = f"{metric}, {declared['of']} {'over' if ratio else 'less'} {rival}"
    versus = declared.get("versus_where")
    if isinstance(versus, dict) and versus:
        there = ", ".join(f"{key} {value}" for key, value in versus.items())
        about += f", {'over' if ratio else 'less'} the same at {there}"
    return about


def _bound(declared: Mapping[str, Any], unit: str) -> str:
    """`below 0.7`, `above +10 points`, `between 1 and 2`, `within ± 5 points`."""
    limits, bound = declared.get("limits"), str(declared.get("bound"))
    if (
        not isinstance(limits, list)
        or not limits
        or not all(isinstance(limit, int | float) for limit in limits)
    ):
        return words.DASH
    told = [_limit(limit, unit) for limit in limits]
    if bound in BETWEEN:
        return f"between {' and '.join(told)}"
    if bound == "equivalent_within":
        return f"within ±{words.THIN}{told[0].lstrip('+')}"
    return f"{bound.rpartition('_')[2]} {told[0]}"


def _limit(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{f'{100 * value:+g}' if value else 0} points".replace("-", words.MINUS)
    return (
        words.amount(value, unit)
        if (unit in words.SIZED or unit in words.COUNTED) and value
        else words.plain_number(value)
    )
