"""Statistics: numbers in, frozen results out. No tables, no plots, no files.

The training seed is the unit of replication, a test episode a subsample of one trained model; every
function here takes one number a seed, unless it says otherwise.
"""

from metabench.stats.comparison import Comparison, PairedComparison
from metabench.stats.contrasts import Verdict, contrast_interval, judge, judge_all
from metabench.stats.costs import Block, memory_regressed, time_regressed
from metabench.stats.failures import failure_rate
from metabench.stats.families import correct_family, holm, holm_levels
from metabench.stats.intervals import Band, t_band, t_interval
from metabench.stats.means import mean_interval
from metabench.stats.noise import NoiseShare, noise_share
from metabench.stats.paired import paired_t_test
from metabench.stats.power import detectable_effect, detectable_noncentrality
from metabench.stats.regressions import (
    ACCURACY,
    SQUARED_ERROR,
    Change,
    Margins,
    Regression,
    Versions,
    confirm,
    confirmation_seeds,
    screen,
)
from metabench.stats.results import DESCRIPTIVE, Estimate, Interval
from metabench.stats.scales import SHARE, UNBOUNDED, Scale, scale_of_accuracies
from metabench.stats.unpaired import welch_t_test

__all__ = [
    "ACCURACY",
    "DESCRIPTIVE",
    "SHARE",
    "SQUARED_ERROR",
    "UNBOUNDED",
    "Band",
    "Block",
    "Change",
    "Comparison",
    "Estimate",
    "Interval",
    "Margins",
    "NoiseShare",
    "PairedComparison",
    "Regression",
    "Scale",
    "Verdict",
    "Versions",
    "confirm",
    "confirmation_seeds",
    "contrast_interval",
    "correct_family",
    "detectable_effect",
    "detectable_noncentrality",
    "failure_rate",
    "holm",
    "holm_levels",
    "judge",
    "judge_all",
    "mean_interval",
    "memory_regressed",
    "noise_share",
    "paired_t_test",
    "scale_of_accuracies",
    "screen",
    "t_band",
    "t_interval",
    "time_regressed",
    "welch_t_test",
]
