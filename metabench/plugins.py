"""The door for methods, datasets, models and figures from outside: all that a class of one's own
needs, and all that is promised to it.

What is imported from elsewhere in metabench may move without a word. A class is registered by a
line in a project's `benchmark.toml` (`[plugins.methods]`, `[plugins.datasets]`, `[plugins.models]`,
`[plugins.figures]`), or by an installed package under the entry-point group `metabench.methods` and
so on. `metabench.testing` has what it can be checked with.
"""

from metabench.cells import BatchNormMode, TrainBatchNormMode
from metabench.datasets.class_splits import Splits, SplitSettings
from metabench.datasets.dataset import Dataset, Split
from metabench.datasets.images import ImageDataset, ImagePool, content_digest
from metabench.errors import DataError
from metabench.figures import Figure
from metabench.methods.fine_tuning import FineTuningMethod
from metabench.methods.gradient_based import GradientBasedMethod
from metabench.methods.inner_loop import descend, scores_along, support_loss
from metabench.methods.maml import MAML
from metabench.methods.meta_gradient import meta_gradient
from metabench.methods.method import (
    Method,
    Moment,
    Source,
    State,
    StepResult,
    adam,
    batch_score,
    outer_step,
    task_losses,
)
from metabench.methods.metric_based import MetricMethod, MetricState, embedding_shape
from metabench.methods.outputs import Weights, query_outputs, query_scores, support_outputs
from metabench.methods.supervised import SupervisedMethod
from metabench.methods.update_rules import GradientDescent, Rule
from metabench.metrics import Metric
from metabench.models.layers import normalising
from metabench.models.model import FeatureMaps, Model, Network
from metabench.registry.settings import Rate
from metabench.tasks.episodes import (
    Draw,
    Episodes,
    EpisodeShape,
    Examples,
    Task,
    Unlabelled,
    Want,
)
from metabench.tasks.random_streams import generator, torch_generator

__all__ = [
    "MAML",
    "BatchNormMode",
    "DataError",
    "Dataset",
    "Draw",
    "EpisodeShape",
    "Episodes",
    "Examples",
    "FeatureMaps",
    "Figure",
    "FineTuningMethod",
    "GradientBasedMethod",
    "GradientDescent",
    "ImageDataset",
    "ImagePool",
    "Method",
    "Metric",
    "MetricMethod",
    "MetricState",
    "Model",
    "Moment",
    "Network",
    "Rate",
    "Rule",
    "Source",
    "Split",
    "SplitSettings",
    "Splits",
    "State",
    "StepResult",
    "SupervisedMethod",
    "Task",
    "TrainBatchNormMode",
    "Unlabelled",
    "Want",
    "Weights",
    "adam",
    "batch_score",
    "content_digest",
    "descend",
    "embedding_shape",
    "generator",
    "meta_gradient",
    "normalising",
    "outer_step",
    "query_outputs",
    "query_scores",
    "scores_along",
    "support_loss",
    "support_outputs",
    "task_losses",
    "torch_generator",
]
