"""A run folder whose groups let one group of random streams follow the seed, or all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synthetic_run import Synthetic

HELD: dict[str, dict[str, int]] = {
    "all": {},
    "init": {"data": 0, "test": 0},
    "data": {"init": 0, "test": 0},
    "test": {"init": 0, "data": 0},
    "split": {"init": 0, "data": 0, "test": 0},
}
SCORES = {
    "all": (0.5, 0.6, 0.7, 0.8),
    "init": (0.5, 0.6, 0.6, 0.5),
    "data": (0.5, 0.9, 0.8, 0.7),
    "test": (0.5, 0.51, 0.5, 0.52),
    "split": (0.4, 0.6, 0.5, 0.55),
}


def seeded_run(folder: Path, **changes: Any) -> Path:
    """Write the run folder and return it; `changes` are to `Synthetic`."""
    options = {"algorithms": ("maml",), "shots": (1,), **changes}
    Synthetic(seeds=range(4), axes={"which": list(HELD)}, **options).write(folder)
    path = folder / "cells.json"
    told = json.loads(path.read_text())
    for entry in told["cells"]:
        which, seed = entry["group"].pop("which"), entry["seed"]
        held = HELD[which]
        entry["group"] |= {f"seeds.{name}": value for name, value in held.items()}
        entry["streams"] = {name: held.get(name, seed) for name in ("init", "data", "test")}
        if which == "split":
            entry["group"]["dataset.split_seed"] = "per_seed"
            entry["streams"]["split"] = seed
        if which == "test":  # one training
            entry["fit"] = "1" * 64
        (record,) = (folder / "records").glob(f"*{entry['cell'][:12]}.json")
        content = json.loads(record.read_text())
        content["result"]["score"] = SCORES[which][seed]
        record.write_text(json.dumps(content))
    path.write_text(json.dumps(told))
    return folder
