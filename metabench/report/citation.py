"""What a paper says of a run: a paragraph on how it was made, and an entry to cite it by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from metabench.errors import some
from metabench.report import words
from metabench.report.blocks import Block
from metabench.stats.scales import NEAR_CEILING
from metabench.tables import Run
from metabench.tables.environment import Fact
from metabench.tables.streams import is_held, over_words
from metabench.text import listed, plural

Facts = Mapping[str, Sequence[Fact]]


def paragraph(run: Run, blocks: Sequence[Block], facts: Facts) -> str:
    """Return how the numbers were made, in sentences with the run's own values."""
    algorithms = list(dict.fromkeys(group.algorithm for block in blocks for group in block.groups))
    seeds = sorted({cell.seed for cell in run.rows.cells})
    settings = listed(list(dict.fromkeys(f"{one.dataset} ({one.shape})" for one in blocks)))
    episodes = listed(_each(group.place.get("episodes") for one in blocks for group in one.groups))
    reference = run.info["reference"]
    level = f"{100 * run.confidence:g}%"
    when = "after the first data" if run.info["reference_post_hoc"] else "before any data"
    sentences = [
        f"We compared {listed(algorithms)} on {settings} with metabench{_version(facts)}.",
        f"Every algorithm was run from {plural(len(seeds), 'seed')}, and tested once on "
        f"{episodes} episodes of classes or functions that it had not met, the same for all "
        "algorithms; checkpoints and settings were chosen on validation episodes of their own.",
        *_seeds(blocks),
        f"We report means over seeds with {level} Student t intervals over seeds.",
        *_scales(blocks),
        f"Each algorithm was compared with {reference}, declared {when}, by a paired t-test over "
        "the seeds, with Holm's correction over the comparisons of a setting; on three seeds or "
        "fewer differences are described and not tested.",
        *_departures(run),
        "Trainings that diverged are counted, and scored at chance in classification.",
    ]
    if machine := _one(facts, "cpu"):
        sentences.append(f"All was run on {_one(facts, 'gpu') or machine}.")
    return " ".join(sentences)


def _departures(run: Run) -> list[str]:
    """Say in what the run departs from what was frozen."""
    departures = (run.info.get("frozen") or {}).get("departures")
    if not departures:
        return []
    return [f"The run departs from its frozen declaration: {some(departures)}."]


def _seeds(blocks: Sequence[Block]) -> list[str]:
    """Say what a seed stands for."""
    overs = {group.over for block in blocks for group in block.groups if group.over}
    if len(overs) > 1:
        return ["Settings differ in what follows the seed, as is said of each."]
    return [
        f"With the seed changed {over_words(over)}{' alone' if is_held(over) else ''}."
        for over in overs
    ]


def bibtex(run: Run, facts: Facts) -> str:
    """Return an entry for the software at the commit that ran."""
    commits = [fact.value for fact in facts.get("commit", ())]
    ended = _one(facts, "ended")
    version = _one(facts, "metabench")
    fields = {
        "title": f"metabench{f' {version}' if version else ''}: a reproducible benchmark suite for "
        "meta-learning and few-shot learning",
        "note": f"Suite {run.info['suite']}"
        + (f", commit {listed([commit[:12] for commit in commits])}" if commits else ""),
        "year": ended[:4],
    }
    told = ",\n".join(f"  {key} = {{{_braced(value)}}}" for key, value in fields.items() if value)
    return f"@software{{metabench-{words.slug(str(run.info['suite']))},\n{told}\n}}"


def _scales(blocks: Sequence[Block]) -> list[str]:
    """What was not analysed as it is measured, and how it was."""
    told = []
    if any(
        (group.estimator or "").startswith("geometric") for one in blocks for group in one.groups
    ):
        told.append(
            "Errors were averaged and compared on their logarithms: their means are geometric, and "
            "what is told of two algorithms is a ratio."
        )
    if any(row.scale == "error_rate" for one in blocks for row in one.comparisons):
        told.append(
            f"Where both means were at least {NEAR_CEILING:g}, accuracies were compared by the "
            "ratio of their error rates."
        )
    return told


def _version(facts: Facts) -> str:
    version, commits = _one(facts, "metabench"), facts.get("commit", ())
    told = f" {version}" if version else ""
    return f"{told} (commit {commits[0].value[:12]})" if len(commits) == 1 else told


def _one(facts: Facts, key: str) -> str:
    """The value of a fact that all records agree on, else nothing."""
    found = facts.get(key, ())
    return found[0].value if len(found) == 1 else ""


def _each(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _braced(text: str) -> str:
    """Text that ends no field before its time."""
    return re.sub(r"[{}\\\n]", " ", text)
