"""Looks at results before all seeds are there, declared beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy

from metabench.stats.power import legendre

GRID = 100
"""Points of the integration between the limits: five digits of the level."""


def level_per_look(seeds: Sequence[int], *, level: float = 0.05) -> float:
    """Return the level of each of several declared looks that keeps `level` for all together
    (Pocock 1977).

    Adding seeds until something is found is no test at the level that each look is made at: five
    seeds and five more find in 8.7 % what is not there, at a nominal 5 %. Two looks at half and at
    all of the seeds are tested at .0294 each. Looks that nobody declared make a result exploratory.

    Normal law; t-tests of few seeds keep a little less than it says.

    Parameters
    ----------
    seeds
        Number of seeds at each look, rising.

    Raises
    ------
    ValueError
        No look, numbers that do not rise, or a level outside (0, 1).
    """
    looks = tuple(seeds)
    if not looks or looks[0] < 1 or any(b <= a for a, b in pairwise(looks)):
        raise ValueError(f"expected rising numbers of seeds, got {list(seeds)}")
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, got {level}")
    return level if len(looks) == 1 else _level_per_look(looks, level)


@lru_cache(maxsize=256)
def _level_per_look(looks: tuple[int, ...], level: float) -> float:
    return float(
        scipy.optimize.brentq(
            lambda each: error_of_looks(looks, each) - level, level / len(looks), level
        )
    )


def error_of_looks(seeds: Sequence[int], level: float) -> float:
    """Return how often at least one of several looks at level `level` finds what is not there.

    The sum of all seeds so far is followed from look to look, over what has not been stopped
    (Armitage, McPherson and Rowe 1969).

    Parameters
    ----------
    seeds
        Number of seeds at each look, rising.
    """
    critical = float(scipy.stats.norm.isf(level / 2))
    nodes, weights = legendre(GRID)
    before, density, kept = np.zeros(1), np.ones(1), np.ones(1)
    past = 0
    for now in seeds:
        limit, step = critical * now**0.5, (now - past) ** 0.5
        at = limit * nodes
        steps = (at[:, None] - before) / step
        arriving = np.exp(-0.5 * steps**2) / (step * np.sqrt(2 * np.pi))
        density = arriving @ (density * kept)
        before, kept, past = at, limit * weights, now
    return float(1 - density @ kept)
