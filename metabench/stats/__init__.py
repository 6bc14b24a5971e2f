"""Statistics: numbers in, frozen results out. No tables, no plots, no files.

The training seed is the unit of replication, a test episode a subsample of one trained model; every
function here takes one number a seed.
"""

from metabench.stats.contrasts import Verdict, contrast_interval, judge, judge_all
from metabench.stats.intervals import Band, t_band, t_interval
from metabench.stats.paired import correct_family, holm, paired_t_test
from metabench.stats.power import detectable_effect
from metabench.stats.results import DESCRIPTIVE, Estimate, PairedComparison

__all__ = [
    "DESCRIPTIVE",
    "Band",
    "Estimate",
    "PairedComparison",
    "Verdict",
    "contrast_interval",
    "correct_family",
    "detectable_effect",
    "holm",
    "judge",
    "judge_all",
    "paired_t_test",
    "t_band",
    "t_interval",
]
