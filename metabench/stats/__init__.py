"""Statistics: numbers in, frozen results out. No tables, no plots, no files.

The training seed is the unit of replication, a test episode a subsample of one trained model; every
function here takes one number a seed, unless it says otherwise.
"""

from metabench.stats.aggregates import (
    improvement_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)
from metabench.stats.bootstrap import bca_interval
from metabench.stats.comparison import Comparison, PairedComparison
from metabench.stats.contrasts import (
    Verdict,
    are_the_same,
    contrast_interval,
    judge,
    judge_all,
    known_contrast,
)
from metabench.stats.costs import BLOCKS, Block, memory_regressed, time_regressed
from metabench.stats.decisions import Comparing, Contest, Decision, decide
from metabench.stats.equivalence import Equivalence, equivalence
from metabench.stats.exact import ExactTest, mann_whitney_test, sign_flip_test, wilcoxon_test
from metabench.stats.failures import failure_rate
from metabench.stats.families import benjamini_hochberg, correct_family, holm, holm_levels
from metabench.stats.intervals import Band, standard_error, t_band, t_interval
from metabench.stats.letters import compact_letters, rank_intervals, tie_groups
from metabench.stats.looks import error_of_looks, level_per_look
from metabench.stats.means import mean_interval
from metabench.stats.noise import NoiseShare, noise_share, noise_share_of, spread_interval
from metabench.stats.paired import paired_t_test
from metabench.stats.power import (
    detectable_effect,
    detectable_noncentrality,
    power_of,
    seeds_for_superiority,
    seeds_needed,
)
from metabench.stats.prediction import Prediction, prediction_interval
from metabench.stats.ranks import FEWEST_DATASETS, RankAnalysis, rank_analysis, ranks_of
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
    "BLOCKS",
    "DESCRIPTIVE",
    "FEWEST_DATASETS",
    "SHARE",
    "SQUARED_ERROR",
    "UNBOUNDED",
    "Band",
    "Block",
    "Change",
    "Comparing",
    "Comparison",
    "Contest",
    "Decision",
    "Equivalence",
    "Estimate",
    "ExactTest",
    "Interval",
    "Margins",
    "NoiseShare",
    "PairedComparison",
    "Prediction",
    "RankAnalysis",
    "Regression",
    "Scale",
    "Verdict",
    "Versions",
    "are_the_same",
    "bca_interval",
    "benjamini_hochberg",
    "compact_letters",
    "confirm",
    "confirmation_seeds",
    "contrast_interval",
    "correct_family",
    "decide",
    "detectable_effect",
    "detectable_noncentrality",
    "equivalence",
    "error_of_looks",
    "failure_rate",
    "holm",
    "holm_levels",
    "improvement_interval",
    "interquartile_mean",
    "judge",
    "judge_all",
    "known_contrast",
    "level_per_look",
    "mann_whitney_test",
    "mean_interval",
    "memory_regressed",
    "noise_share",
    "noise_share_of",
    "paired_t_test",
    "performance_profile",
    "power_of",
    "prediction_interval",
    "probability_of_improvement",
    "rank_analysis",
    "rank_intervals",
    "ranks_of",
    "scale_of_accuracies",
    "screen",
    "seeds_for_superiority",
    "seeds_needed",
    "sign_flip_test",
    "spread_interval",
    "standard_error",
    "stratified_bootstrap",
    "t_band",
    "t_interval",
    "tie_groups",
    "time_regressed",
    "welch_t_test",
    "wilcoxon_test",
]
