"""What a suite declared before its first record, held against what it says now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metabench.suite.declaration import changes


def declared(described: Mapping[str, Any], confidence: float) -> dict[str, Any]:
    """Return what was said only after the first data had been seen.

    Parameters
    ----------
    described
        `cells.json`. Where it does not know what was declared before the data, everything is post
        hoc.
    confidence
        The level in use, which may differ from the one that the folder names.

    Returns
    -------
    dict
        `reference_post_hoc` and `confidence_post_hoc`; `claims`, each with `post_hoc`; `withdrawn`,
        the claims that were declared and are no more: one that has been reworded or given another
        bound is one withdrawn and one post hoc. `changes` names what of the cells is not as it was
        (None: nobody knows what it was), `seeds_post_hoc` the seeds that were added.
    """
    before = described.get("declared_before_data") or {}
    claims, former = described.get("claims") or [], before.get("claims") or []
    return {
        "reference_post_hoc": before.get("reference") != described["reference"],
        "confidence_post_hoc": before.get("confidence") != confidence,
        "claims": [{**claim, "post_hoc": claim not in former} for claim in claims],
        "withdrawn": [claim for claim in former if claim not in claims],
        "changes": changes(before, described),
        "seeds_post_hoc": [
            seed for seed in described.get("seeds") or () if seed not in (before.get("seeds") or [])
        ]
        if before.get("seeds")
        else [],
    }
