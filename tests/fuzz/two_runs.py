"""A project with two runs of one suite, fresh seeds of both, their history, and the site over it:
what `compare` and `publish` are put to, damaged. And what lies outside and is nobody's business."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from workshop import Workshop

from metabench.records import RecordStore
from metabench.site import publish, publishing
from metabench.tables import Run

SUITE = """
reference = "fomaml"
keep_weights = false

[grid]
algorithms = ["fomaml", "odd"]
datasets = ["sinusoid"]
shots = [5]
seeds = {seeds}

[train]
iterations = 2
tasks_per_batch = 2

[validate]
every = 2
episodes = 2

[evaluate]
episodes = 8

[compare]
margin_ratio = 1.3

[algorithms.odd]
method = "misbehaving"
deed = "none"
"""
SEEDS, FRESH = range(5), range(5, 20)


def short_page(run: Run, trail: str = "") -> str:
    """What stands in for a report, which has a part of its own in the fuzzing and takes a
    second."""
    return f"<!DOCTYPE html><title>a report</title>{trail}<h1>{len(run.records)} records</h1>"


def make_project(base: Path) -> None:
    """Write it all. The second run is worse by so much that a confirmation is asked for."""
    workshop = Workshop(base / "project")
    reports = workshop.folder / "reports"
    suite = workshop.folder / "suites" / "small.toml"
    for name, seeds, only in (
        ("small", SEEDS, ()),
        ("small/confirmation", FRESH, ("algorithm=odd",)),
    ):
        suite.write_text(SUITE.format(seeds=list(seeds)))
        workshop.run("small", engine="inline", out=reports / name, workers=1, only=only)
    suite.write_text(SUITE.format(seeds=list(SEEDS)))
    shutil.copytree(reports / "small", reports / "other")
    for folder in (reports / "other", reports / "other" / "confirmation"):
        _make_worse(folder)
    (base / "outside" / "folder").mkdir(parents=True)
    (base / "outside" / "secret").write_text("nobody's business\n")
    (base / "outside" / "folder" / "index.html").write_text("theirs")
    real, publishing.page = publishing.page, short_page
    try:
        folders = [reports / "small", reports / "other"]
        publish(folders, workshop.folder / "site", workshop.folder / "history")
    finally:
        publishing.page = real


def _make_worse(folder: Path) -> None:
    """Raise the errors of one algorithm, each seed's a little otherwise."""
    rng, store = random.Random(0), RecordStore(folder)
    for paths in store.index().values():
        record, arrays = store.load(paths[0]), dict(store.arrays(paths[0]))
        if record["labels"]["algorithm"] == "odd":
            record["result"]["score"] *= rng.uniform(1.2, 1.6)
        record["provenance"]["ended"] = record["provenance"]["ended"].replace("20", "21", 1)
        store.write(paths[0].stem, record, arrays)
