"""Every number that a record can hold, once: its name, its unit, which way is better, where it
comes from, how a group of seeds sums it up, how it is shown, and whether claims may use it.

Tables, CSV files, claims and the report read `TABLE`. A further number is one entry here and the
line that computes it where a fit runs; what needs a number by name imports its constant, so that a
wrong name is an error of import and not a missing column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from metabench.metrics import METRICS, Metric
from metabench.readings import (
    Reading,
    Record,
    at,
    end_of_interval,
    gain_first_step,
    gains,
    gradients_per_task,
    iterations_to_target,
    to_target,
    training_seconds,
)

Kind = Literal["score", "learning", "size", "spent", "time", "memory"]
Over = Literal["scored", "interval", "mean", "highest", "shared", "reached", "at_target"]

COLUMNS: Mapping[Over, Mapping[str, str]] = {
    "scored": {"value": "{}", "sd": "{}_sd", "low": "{}_low", "high": "{}_high"},
    "interval": {"value": "{}", "sd": "{}_sd", "low": "{}_low", "high": "{}_high"},
    "mean": {"value": "{}"},
    "highest": {"value": "{}"},
    "shared": {"value": "{}"},
    "reached": {"reached": "target_reached", "of": "target_of", "value": "{}"},
    "at_target": {"value": "{}"},
}
"""How a group sums a number up -> what there is of it, and the columns that hold that.

`scored`: mean and t interval over the cells that have one, diverged ones at chance among them.
`interval`: the same over completed cells. `mean` and `highest`: of completed cells. `shared`: what
all finished cells were given. `reached`: the mean where every finished cell has one, and how many
have; leaving out those that have none would flatter. `at_target`: the same mean.
"""


@dataclass(frozen=True)
class Quantity:
    """A number of a record.

    Attributes
    ----------
    name
        Its column in the tables.
    kind
        What it is about: times and memory are compared on one machine only.
    value
        From a record, and beside it the `target` that its run declares, to the number; None where
        nothing says it.
    unit
        `seconds`, `bytes`, `iterations`, `steps` ...; empty for that of the score.
    better
        Which way is better; `score` for that of the score, None where neither is.
    over
        How a group of cells that differ in seed sums it up (see `COLUMNS`); None where it does not.
    heading, note
        Of its column in the report's table of costs, and in small print below; without a heading it
        has none there.
    under
        The name of the quantity in whose column it stands in small print.
    meaning
        What it is, in a sentence for the report, where its heading does not say.
    claims
        Whether claims and comparisons may be about it.
    counted
        Whether the recipe alone decides it, so that seeds that agree know it without an error.
    """

    name: str
    kind: Kind
    value: Reading
    unit: str = ""
    better: Literal["higher", "lower", "score"] | None = None
    over: Over | None = None
    heading: str = ""
    note: str = ""
    under: str = ""
    meaning: str = ""
    claims: bool = False
    counted: bool = False

    @property
    def columns(self) -> Mapping[str, str]:
        """What a group knows of it -> the column that holds it."""
        return {
            part: column.format(self.name)
            for part, column in (COLUMNS[self.over] if self.over else {}).items()
        }

    @property
    def is_cost(self) -> bool:
        """Whether it depends on the machine."""
        return self.kind in ("time", "memory")

    @property
    def needs_target(self) -> bool:
        """Whether it is about the suite's target: nothing is known of it where some seeds did not
        reach that."""
        return self.over in ("reached", "at_target")

    @property
    def label(self) -> str:
        """Its name in words: `seconds per task`."""
        return self.name.replace("_", " ")


def _metric(metric: Metric) -> Quantity:
    return Quantity(
        metric.name,
        "score",
        at(f"result.metrics.{metric.name}.mean"),
        unit=metric.unit,
        better="higher" if metric.higher_is_better else "lower",
        over="interval",
        claims=True,
    )


def _seconds(name: str, *, claims: bool = False, **shown: Any) -> Quantity:
    return Quantity(
        name,
        "time",
        at(f"measured.{name}"),
        unit="seconds",
        better="lower",
        over="mean",
        claims=claims,
        **shown,
    )


def _peak(memory: str, phase: str, *, claims: bool = False, **shown: Any) -> Quantity:
    return Quantity(
        f"peak_{memory}_bytes_{phase}",
        "memory",
        at(f"measured.peak_{memory}_bytes.{phase}"),
        unit="bytes",
        better="lower",
        over="highest",
        claims=claims,
        **shown,
    )


SCORE = Quantity("score", "score", at("result.score"), better="score", over="scored", claims=True)
EPISODE_LOW = Quantity("episode_low", "score", end_of_interval(0), over="mean")
EPISODE_HIGH = Quantity("episode_high", "score", end_of_interval(1), over="mean")
"""Ends of the typical interval of one model over its own test episodes: how far these pin down a
given model, and nothing about another seed."""
EPISODES_TESTED = Quantity("episodes_tested", "score", at("result.episodes"), unit="episodes")
ITERATIONS = Quantity(
    "iterations",
    "learning",
    at("result.iterations"),
    unit="iterations",
    over="mean",
    heading="Iterations",
)
TARGET = Quantity("target", "learning", at("target.score"), over="shared")
ITERATIONS_TO_TARGET = Quantity(
    "iterations_to_target",
    "learning",
    iterations_to_target,
    unit="iterations",
    better="lower",
    over="reached",
    heading="To target",
    note="iterations",
    meaning="Iterations until the validation score reached the suite's target, as a mean where all "
    "seeds did, with the tasks and the seconds of training that they took at its mean rate. Where "
    "some did not, only how many: their mean would flatter.",
    claims=True,
)
TASKS_TO_TARGET = Quantity(
    "tasks_to_target",
    "learning",
    to_target(at("result.spent.tasks")),
    unit="tasks",
    better="lower",
    over="at_target",
    heading="tasks",
    under="iterations_to_target",
    claims=True,
)
SECONDS_TO_TARGET = Quantity(
    "seconds_to_target",
    "time",
    to_target(training_seconds),
    unit="seconds",
    better="lower",
    over="at_target",
    heading="seconds of training",
    under="iterations_to_target",
    claims=True,
)
"""Training tasks, and seconds of training without validation, up to the iteration of
`ITERATIONS_TO_TARGET`, at the mean rate of the training as in the learning curves."""
GAIN = Quantity(
    "gain_first_step", "learning", gain_first_step, better="score", over="interval", claims=True
)
WEIGHTS_TRAINED = Quantity(
    "weights_trained",
    "size",
    at("result.weights.trained"),
    unit="weights",
    over="highest",
    heading="Weights trained",
)
TASKS_SPENT = Quantity(
    "tasks_spent",
    "spent",
    at("result.spent.tasks"),
    unit="tasks",
    over="mean",
    heading="Training tasks",
)
IMAGES_SPENT = Quantity(
    "images_spent",
    "spent",
    at("result.spent.images"),
    unit="images",
    over="mean",
    heading="images or points",
    under="tasks_spent",
)
GRADIENTS_PER_TASK = Quantity(
    "gradients_per_task",
    "spent",
    gradients_per_task,
    unit="evaluations",
    better="lower",
    over="shared",
    heading="a task",
    under="gradient_evaluations_spent",
    claims=True,
    counted=True,
)
"""A Hessian-vector product counts as one; None of a training without tasks."""
TRAINING_SECONDS = replace(
    _seconds("training_seconds", heading="Training", claims=True), value=training_seconds
)
"""Of a method that trains."""
WALL_SECONDS = _seconds("wall_seconds", heading="Whole fit", claims=True)
SECONDS_PER_EPISODE = _seconds(
    "seconds_per_episode",
    heading="Test episode",
    meaning="The time of the whole test over its number of episodes: where a method embeds each "
    "image once for all of them, that cost is shared out, and an episode met alone would take "
    "longer.",
    claims=True,
)
PEAK_ABOVE = _peak(
    "resident_above",
    "training",
    heading="Resident",
    note="peak above baseline",
    meaning="Memory beyond what was resident before training.",
    claims=True,
)
PEAK_RESIDENT = _peak("resident", "training", heading="Resident", note="peak")
"""The report tells it of records alone that do not know the baseline. No claim is about it: what
was resident before training is in there, and brings all ratios close to 1."""
PEAK_GPU = _peak("gpu_allocated", "training", heading="GPU", note="peak", claims=True)

TABLE: tuple[Quantity, ...] = (
    SCORE,
    EPISODE_LOW,
    EPISODE_HIGH,
    *map(_metric, METRICS.values()),
    EPISODES_TESTED,
    ITERATIONS,
    Quantity("best_iteration", "learning", at("result.best_iteration"), unit="iterations"),
    TARGET,
    ITERATIONS_TO_TARGET,
    TASKS_TO_TARGET,
    SECONDS_TO_TARGET,
    GAIN,
    Quantity("chosen_step", "learning", at("result.choice.step"), unit="steps"),
    WEIGHTS_TRAINED,
    Quantity(
        "weights_adapted",
        "size",
        at("result.weights.adapted"),
        unit="weights",
        over="highest",
        heading="adapted to a task",
        under="weights_trained",
    ),
    TASKS_SPENT,
    IMAGES_SPENT,
    Quantity(
        "gradient_evaluations_spent",
        "spent",
        at("result.spent.gradient_evaluations"),
        unit="evaluations",
        over="mean",
        heading="Gradient evaluations",
    ),
    GRADIENTS_PER_TASK,
    Quantity(
        "trials",
        "spent",
        at("result.search.trials"),
        unit="trials",
        over="mean",
        heading="Trials",
        note="settings tried",
        meaning="Settings among which validation chose for a cell: rates, numbers of steps, what "
        "is tuned. Nothing was tried where the suite fixes all of them.",
    ),
    _seconds("seconds_per_iteration", heading="Iteration", claims=True),
    _seconds(
        "seconds_per_task",
        heading="Task",
        meaning="Seconds of an iteration over its number of tasks, which puts batches of different "
        "sizes on one scale.",
        claims=True,
    ),
    SECONDS_PER_EPISODE,
    TRAINING_SECONDS,
    _seconds("validation_seconds", heading="Validation"),
    _seconds("choice_seconds", heading="Choice", note="of settings"),
    _seconds("compile_seconds"),
    _seconds("test_seconds"),
    WALL_SECONDS,
    PEAK_ABOVE,
    _peak("resident_above", "test"),
    PEAK_RESIDENT,
    _peak("resident", "test"),
    PEAK_GPU,
    _peak("gpu_allocated", "test"),
    _peak("gpu_reserved", "training"),
    _peak("gpu_reserved", "test"),
    Quantity("workers", "time", at("measured.workers"), unit="fits at once"),
    Quantity(
        "concurrent_fits", "time", at("measured.concurrent_fits"), unit="fits at once", over="mean"
    ),
)
"""All of them, in the order of their columns."""

BY_NAME: Mapping[str, Quantity] = {quantity.name: quantity for quantity in TABLE}
PEAKS: tuple[Quantity, ...] = (PEAK_GPU, PEAK_ABOVE, BY_NAME["peak_resident_above_bytes_test"])
"""Peaks of memory by which two runs are compared: the first that every cell of both has."""
GAIN_AFTER = "gain"
"""What claims call the gain after so many steps of adaptation as they say (`gain_after`)."""
CLAIMED: tuple[str, ...] = (
    *(quantity.name for quantity in TABLE if quantity.claims),
    GAIN_AFTER,
)
"""Names of those that a claim may be about."""


def gain_after(steps: int) -> Quantity:
    """Return the gain after so many steps of adaptation: by how much these improved the score that
    there was before the first. Of accuracies it is how much higher they are, of errors how much
    lower, so that more is better of both.

    It is known for each point of the adaptation curve, and has no column.
    """
    return Quantity(
        f"{GAIN_AFTER}_after_{steps}",
        "learning",
        lambda record: gains(record).get(steps),
        better="higher",
        over="interval",
        claims=True,
    )


def gains_of(record: Record) -> dict[str, float]:
    """Return the gain at each point of the adaptation curve, by the name of the quantity."""
    return {gain_after(steps).name: gain for steps, gain in gains(record).items()}
