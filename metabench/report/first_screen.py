"""What a reader meets first: the answer, what is known of where it comes from, and what to know
before relying on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metabench.errors import some
from metabench.report.answer import answer
from metabench.report.blocks import Block, names_of
from metabench.report.cost import cost
from metabench.report.headline import few_seeds, headline
from metabench.tables import Run
from metabench.tables.environment import Fact
from metabench.text import listed, plural

CARDS = 4
"""Settings up to which each has a card on the first screen; more are told together."""


def first_screen(
    run: Run, blocks: Sequence[Block], facts: Mapping[str, Sequence[Fact]], warnings: Sequence[str]
) -> dict[str, Any]:
    """Return what stands there by the names that the template knows it by."""
    reference = run.info["reference"]
    # settings in which streams are held ask the same again: they are told apart, in their blocks
    whole = [block for block in blocks if not block.is_held] or blocks
    told = headline(whole, reference)
    return {
        "cards": len(blocks) <= CARDS,
        "silent": bool(few_seeds(whole)),
        "headline": told,
        "summary": " ".join(told),
        "answers": {block.key: answer(block, reference) for block in blocks},
        "cost_told": cost(whole, reference),
        "kicker": _kicker(facts),
        "warnings": [*_diverged(blocks), *_changed(run.info), *warnings, *_unlike(blocks)],
        "machines": sorted(
            {group.machine for block in blocks for group in block.groups if group.machine}
        ),
        "firsts": {
            name: next(block.by_name[name] for block in blocks if name in block.by_name)
            for name in names_of(blocks)
        },
    }


def _diverged(blocks: Sequence[Block]) -> list[str]:
    """Say what diverged: a score at chance, or none, is easily taken for something else."""
    told = [
        f"{group.name} in {group.diverged} of {plural(group.seeds, 'seed')} on {block.title}"
        for block in blocks
        for group in block.groups
        if group.diverged
    ]
    return [f"Diverged: {some(told)}."] if told else []


def _changed(info: Mapping[str, Any]) -> list[str]:
    """Say what is not as it was frozen, or declared before the first data."""
    told = []
    if departures := (info.get("frozen") or {}).get("departures"):
        told.append(f"Not as frozen beforehand: {some(departures)}.")
    if changes := info["changes"]:
        told.append(f"Changed after the first data, post hoc: {some(changes)}.")
    if seeds := info["seeds_post_hoc"]:
        added = listed([str(seed) for seed in seeds])
        told.append(f"Added after the first data, post hoc: seed{'s'[: len(seeds) > 1]} {added}.")
    return told


def _kicker(facts: Mapping[str, Sequence[Fact]]) -> list[str]:
    """Commit, date and machine of the records."""
    commits, cpus = facts.get("commit", ()), facts.get("gpu") or facts.get("cpu", ())
    told = []
    if commits:
        more = f" and {len(commits) - 1} more" if len(commits) > 1 else ""
        dirty = ", with uncommitted changes" if _values(facts, "dirty") != ["False"] else ""
        told.append(f"commit {commits[0].value[:12]}{more}{dirty}")
    told += [ended[:10] for ended in _values(facts, "ended")]
    if cpus:
        told.append(cpus[0].value if len(cpus) == 1 else f"{len(cpus)} machines")
    return told


def _values(facts: Mapping[str, Sequence[Fact]], key: str) -> list[str]:
    return [fact.value for fact in facts.get(key, ())]


def _unlike(blocks: Sequence[Block]) -> list[str]:
    """Say of which blocks the costs cannot be compared."""
    found = [block.title for block in blocks if block.scored and not block.costs_compare]
    if not found:
        return []
    told = found[0] if len(found) == 1 else f"{len(found)} settings"
    return [
        f"Times and memory of {told} were measured on different machines, or with other numbers of "
        "threads or of cells at once, or some compiled and some not, and are not set side by side."
    ]
