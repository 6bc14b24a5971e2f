"""A run folder over several data sets and shapes: synthetic runs, put together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from synthetic_run import Synthetic

DEMSAR = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.0, 1.0, 1.0, 1.0),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.97501, 0.975),
    (0.957, 0.978, 0.946, 0.970),
]
"""Table 6 of Demšar 2006: AUC of C4.5 as it is, with m, with cf, with both, on 14 data sets."""

TUNED = ("maml", "fomaml", "protonet", "scratch")


def settings_run(folder: Path, parts: Sequence[Synthetic]) -> Path:
    """Write the parts into one run folder and return it."""
    parts[0].write(folder)
    told = json.loads((folder / "cells.json").read_text())
    for number, part in enumerate(parts[1:]):
        other = part.write(folder.parent / f"{folder.name}-part{number}")
        told["cells"] += json.loads((other / "cells.json").read_text())["cells"]
        for path in (other / "records").iterdir():
            shutil.copy(path, folder / "records" / path.name)
    (folder / "cells.json").write_text(json.dumps(told))
    return folder


def ranked_run(folder: Path, datasets: int = len(DEMSAR)) -> Path:
    """Write a run whose means are the first rows of Demšar's table, two seeds of each."""
    parts = [
        Synthetic(
            algorithms=TUNED,
            dataset=f"data{number:02}",
            shots=(1,),
            seeds=(0, 1),
            scores={(name, 1): (score, score) for name, score in zip(TUNED, row, strict=True)},
        )
        for number, row in enumerate(DEMSAR[:datasets])
    ]
    return settings_run(folder, parts)
