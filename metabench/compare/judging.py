"""What became of each group between two runs: regressed, fine, inconclusive, improved, identical,
or refused.

First the outcomes, which need no statistics; then bits; then accuracy, by a screen over the seeds
of the runs and a confirmation on fresh ones (`stats.regressions`); memory by a rule of its own.
Times of stored runs are never compared: machines drift by more than what matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from metabench.compare.joining import Joined, Refused, join
from metabench.compare.memory import with_memory
from metabench.compare.sides import Side, SideCell
from metabench.compare.verdicts import Comparison, Judged, Verdict
from metabench.errors import RecordError, some
from metabench.quantities import SCORE
from metabench.runner.agreement import first_difference_of_arrays
from metabench.stats import (
    Change,
    Regression,
    Versions,
    confirm,
    confirmation_seeds,
    screen,
)
from metabench.suite.kept import keeps_suite
from metabench.tables.margins import MarginPair
from metabench.tables.streams import trains_anew

Pairs = Sequence[tuple[SideCell, SideCell]]

Confirm = Callable[[Sequence[Joined], int], tuple[Side, Side]]
"""Runs groups on so many fresh seeds on both sides."""


def compare(
    baseline: Side, head: Side, margins: MarginPair, run_fresh: Confirm | None = None
) -> Comparison:
    """Set a run beside an earlier one.

    Parameters
    ----------
    run_fresh
        Runs groups on fresh seeds, where what looks worse is to be confirmed. Without, it is
        decided by the seeds that there are: one look, valid and weak.
    """
    ran = {key: group for key, group in baseline.groups.items() if group.was_run}
    unrun = len(baseline.groups) - len(ran)
    baseline = replace(baseline, groups=ran)
    found, alone = join(baseline, head)
    groups = [
        _refused(one)
        if isinstance(one, Refused)
        else _by_outcome(one) or _by_bits(one) or _by_trainings(one)
        for one in found
    ]
    open_ = [
        place
        for place, (one, judged) in enumerate(zip(found, groups, strict=True))
        if judged is None and isinstance(one, Joined)
    ]
    joined = {place: one for place in open_ if isinstance(one := found[place], Joined)}
    decided, fresh = _by_scores(joined, margins, run_fresh)
    judged = [
        with_memory(group if group is not None else decided[place], found[place])
        for place, group in enumerate(groups)
    ]
    return Comparison(
        baseline=baseline,
        head=head,
        margins=margins,
        groups=judged,
        new=[group.place for group in alone if group.was_run],
        fresh_seeds=fresh,
        notes=_notes(baseline, head, unrun),
    )


def _notes(baseline: Side, head: Side, unrun: int) -> tuple[str, ...]:
    notes = [f"in the baseline, groups that nobody has run: {unrun}"] if unrun else []
    notes += [f"baseline: {line}" for line in baseline.remarks]
    notes += [f"head: {line}" for line in head.remarks]
    if baseline.suite != head.suite:
        notes.append(f"the runs are of two suites, '{baseline.suite}' and '{head.suite}'")
    if baseline.folder is not None and not keeps_suite(baseline.folder):
        notes.append(
            f"the margins are not those of the baseline's suite: {baseline.name} keeps none"
        )
    if baseline.entry is not None and baseline.entry.margins is None:
        notes.append(
            "the margins are not those of the baseline's suite: the entry of the history does not "
            "tell them"
        )
    return (
        *notes,
        "times are not compared: those of stored runs differ by the hour. `metabench ab` runs two "
        "commits in turn",
    )


def _refused(group: Refused) -> Judged:
    return Judged(place=group.place, metric=group.metric, verdict="refused", notes=(group.why,))


def _by_outcome(group: Joined) -> Judged | None:
    """Regressed, where head lost what the baseline has."""
    lost = [
        f"seed {now.row.seed}: {_outcome(now)}"
        for then, now in group.pairs
        if then.completed and not now.completed
    ]
    if not lost:
        return None
    why = f"completed in the baseline and not in head: {some(lost)}"
    return _judged(group, "regressed", why)


def _by_bits(group: Joined) -> Judged | None:
    """Identical, where every bit of all results is."""
    try:
        # of seeds that head no longer has nobody knows
        whole = group.paired and len(group.pairs) == len(group.baseline.cells)
        same = whole and all(_identical(then, now) for then, now in group.pairs)
    except RecordError as damage:
        return _judged(group, "refused", str(damage))
    return _judged(group, "identical") if same else None


def _by_trainings(group: Joined) -> Judged | None:
    """Open, where seeds test one training again: its episodes say nothing of what a change does to
    trainings."""
    if all(trains_anew(side.over) for side in (group.baseline, group.head)):
        return None
    why = "its seeds are tests of one training: they do not tell what a change does to trainings"
    return _judged(group, "inconclusive", why)


def _identical(then: SideCell, now: SideCell) -> bool:
    if then.kept is not None or now.kept is not None:
        bits = then.bits()
        return bits is not None and bits == now.bits()
    if then.result is None or then.result != now.result:
        return False
    digest = then.digest_of_arrays()
    if digest is not None and digest == now.digest_of_arrays():
        return True
    return not first_difference_of_arrays(then.arrays(), now.arrays())


def _by_scores(
    groups: Mapping[int, Joined], margins: MarginPair, run_fresh: Confirm | None
) -> tuple[dict[int, Judged], int]:
    """Screen all groups, and decide on those that look worse; with the number of fresh seeds."""
    decided, versions = _analysable(groups, margins)
    suspects = {}
    for place, change in zip(versions, screen(list(versions.values())), strict=True):
        if change.verdict == "escalated":
            suspects[place] = versions[place]
        else:
            decided[place] = _by_change(groups[place], change, versions[place])
    if not suspects:
        return decided, 0
    if run_fresh is None:
        changes = confirm(list(suspects.values()), family_size=len(versions))
        for (place, scores), change in zip(suspects.items(), changes, strict=True):
            once = replace(change, method=change.method.replace("confirmed", "decided in one look"))
            decided[place] = _by_change(groups[place], once, scores)
        return decided, 0
    seeds = confirmation_seeds(list(suspects.values()))
    escalated = {place: groups[place] for place in suspects}
    return decided | _confirmed(escalated, margins, run_fresh, seeds), seeds


def _confirmed(
    groups: Mapping[int, Joined], margins: MarginPair, run_fresh: Confirm, seeds: int
) -> dict[int, Judged]:
    """Decide by fresh seeds alone."""
    baseline, head = run_fresh(list(groups.values()), seeds)
    anew = {one.key: one for one in join(baseline, head)[0]}
    decided: dict[int, Judged] = {}
    fresh: dict[int, Joined] = {}
    for place, group in groups.items():
        one = anew.get(group.key)
        if one is None or isinstance(one, Refused):
            why = "cannot be run" if one is None else one.why
            decided[place] = _judged(group, "inconclusive", f"on fresh seeds it {why}")
        elif (lost := _by_outcome(one)) is not None:
            decided[place] = replace(lost, confirmed=True)
        else:
            fresh[place] = one
    more, versions = _analysable(fresh, margins)
    # all that were escalated are the family, those too whose fresh seeds came to nothing
    changes = confirm(list(versions.values()), family_size=len(groups)) if versions else []
    for (place, scores), change in zip(versions.items(), changes, strict=True):
        more[place] = _by_change(fresh[place], change, scores)
    return decided | {
        place: replace(
            judged, confirmed=True, notes=(*judged.notes, *_seeds_apart(groups[place], judged))
        )
        for place, judged in more.items()
    }


def _seeds_apart(group: Joined, judged: Judged) -> list[str]:
    """What the notes on the suite's own seeds said."""
    return [note for note in group.notes if note not in judged.notes]


def _analysable(
    groups: Mapping[int, Joined], margins: MarginPair
) -> tuple[dict[int, Judged], dict[int, Versions]]:
    """The scores of each group over pairs that completed on both sides; and those that have none,
    or none that can be analysed, which are decided thereby."""
    decided: dict[int, Judged] = {}
    versions: dict[int, Versions] = {}
    for place, group in groups.items():
        pairs = _completed(group.pairs)
        if not pairs:
            decided[place] = _judged(group, "inconclusive", "no seed completed on both sides")
            continue
        of_score = margins.of(group.metric)
        scores = Versions(_scores(pairs, 0), _scores(pairs, 1), of_score)
        if of_score.scale == "log" and min(*scores.baseline, *scores.head) <= 0:
            why = "ratios need scores above 0, and there are others"
            decided[place] = _judged(group, "inconclusive", why)
        else:
            versions[place] = scores
    return decided, versions


def _by_change(group: Joined, change: Regression, scores: Versions) -> Judged:
    """The verdict of the statistics, as far as the cells that did not complete let it stand."""
    verdict, notes = _guarded(group, change.verdict)
    return replace(
        _judged(group, verdict, *notes, *change.caveats),
        score=change,
        means=(_mean(scores.baseline), _mean(scores.head)),
    )


def _guarded(group: Joined, change: Change) -> tuple[Verdict, list[str]]:
    """A side that lost cells is given no verdict in its favour: what it lost may have been its
    worst."""
    baseline, head = (
        [
            f"seed {pair[side].row.seed}: {_outcome(pair[side])}"
            for pair in group.pairs
            if not pair[side].completed
        ]
        for side in (0, 1)
    )
    notes = [f"did not complete in the baseline: {some(baseline)}"] if baseline else []
    notes += [f"did not complete in head: {some(head)}"] if head else []
    verdict: Verdict = "inconclusive" if change == "escalated" else change
    if verdict == "regressed" and baseline:
        verdict = "inconclusive"
        notes.append("the baseline lost cells, perhaps its worst: nothing is decided against head")
    if verdict == "improved" and head:
        verdict = "fine"
        notes.append("head lost cells, perhaps its worst: nothing is decided in its favour")
    return verdict, notes


def _judged(group: Joined, verdict: Verdict, *notes: str) -> Judged:
    return Judged(
        place=group.place, metric=group.metric, verdict=verdict, notes=(*notes, *group.notes)
    )


def _outcome(cell: SideCell) -> str:
    """How a cell ended, with its error's first line."""
    if cell.row.outcome == "completed" and not cell.completed:
        return "completed, and has no score"
    error = (cell.row.error_message or "").strip().partition("\n")[0]
    return f"{cell.row.outcome}{f' ({error})' if error else ''}"


def _completed(pairs: Pairs) -> Pairs:
    return [pair for pair in pairs if all(cell.completed for cell in pair)]


def _scores(pairs: Pairs, side: Literal[0, 1]) -> list[float]:
    return [score for pair in pairs if (score := pair[side].row[SCORE]) is not None]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
