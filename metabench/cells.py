"""Fits and cells: what a suite expands to, and their identity.

A fit is one training, a cell is one evaluation of it. Both are plain frozen data: they pickle to a
worker process and serialise to JSON. Their ids hash what shapes the numbers and nothing else (see
`identity`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from metabench.identity import PROTOCOL, digest, without_defaults

QueryShots = int | tuple[int, ...]
"""Queries a class: of all alike, or of each of the classes drawn, most first; which class gets
which number is drawn anew in each episode."""

BatchNormMode = Literal["query", "joint", "support", "support_plus_one", "running"]
"""Whose statistics normalise the queries: their own; support's and all queries' together; the
support set's; the support set's and that one query's; those kept from training."""
TrainBatchNormMode = Literal["query", "joint", "support", "support_plus_one"]
PER_SEED = "per_seed"
"""In place of a dataset's `split_seed`: classes are split anew for each seed."""

TRANSDUCTIVE = frozenset({"query", "joint"})
"""Modes in which the prediction for a query depends on the other queries of its episode."""


@dataclass(frozen=True)
class Part:
    """A method, model or dataset by its registered name, with all of its settings resolved.

    Attributes
    ----------
    name
        The registered name (`maml`, `conv4`, `omniglot`).
    version
        The implementation's integer, raised whenever the same settings come to mean other numbers.
    settings
        Every setting of the part's `Settings` dataclass, defaults included.
    said
        The settings that differ from their defaults: all that enters the identity.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    said: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        """What of this part enters an id."""
        return {"name": self.name, "version": self.version, "settings": dict(self.said)}


@dataclass(frozen=True)
class Train:
    """The training recipe. Exactly one of `iterations`, `tasks`, `seconds` is the budget; a method
    that does not train has none.

    `schedule` scales the outer learning rate: `linear` and `cosine` fall from 1 to
    `schedule_floor` over the budget, `step` multiplies by `step_factor` every `step_every`
    iterations, down to `schedule_floor`. Over the first `warm_up` iterations the rate rises in
    equal steps to what the schedule says.
    """

    iterations: int | None = None
    tasks: int | None = None
    seconds: float | None = None
    tasks_per_batch: int = 4
    ways: int | None = None
    shots: int | None = None
    query_shots: QueryShots = 15
    schedule: Literal["constant", "linear", "cosine", "step"] = "constant"
    step_every: int = 2000
    step_factor: float = 0.5
    schedule_floor: float = 0.0
    warm_up: int = 0

    @property
    def has_budget(self) -> bool:
        """Whether anything is trained."""
        return any(budget is not None for budget in (self.iterations, self.tasks, self.seconds))


@dataclass(frozen=True)
class Validate:
    """Validation within training: every how many iterations, on how many episodes of which shape,
    and what follows from it.

    `select` says which weights go to test: `best` (by validation score) or `last`. `patience`
    validations without a better score end the training. `metric` is what scores, None for the
    dataset's own: it chooses weights and settings, and the curve is made of it.
    """

    every: int = 500
    episodes: int = 100
    ways: int | None = None
    shots: int | None = None
    query_shots: QueryShots = 15
    select: Literal["best", "last"] = "best"
    patience: int | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Evaluate:
    """How finished weights are tested.

    `batch_norm` None means that the model has none; `on` None means the dataset of the fit; `steps`
    None means the method's own number of them; `metric` None means that of the dataset.
    """

    ways: int | None
    shots: int
    query_shots: QueryShots = 15
    episodes: int = 600
    sampling: Literal["with_replacement", "disjoint"] = "with_replacement"
    batch_norm: BatchNormMode | None = None
    on: Part | None = None
    steps: int | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Fit:
    """One training: algorithm x model x dataset x recipe x seed. A field of `train` or `validate`
    that nothing reads is at its default.

    Attributes
    ----------
    algorithm
        A label, which enters no id.
    model
        None for a method without a network.
    seed
        Of the training and validation data, and of all else that has no seed of its own.
    needs
        Role -> the fit whose weights play it: what this one starts from, or learns from.
    init_seed
        Of the initial weights, where that is another.
    """

    algorithm: str
    method: Part
    model: Part | None
    dataset: Part
    train: Train
    validate: Validate
    seed: int
    root_seed: int
    needs: Mapping[str, Fit] = field(default_factory=dict)
    init_seed: int | None = None

    @property
    def parts(self) -> list[tuple[Literal["methods", "models", "datasets"], Part]]:
        """Method, model where there is one, and dataset, each with the group of its name."""
        model = [] if self.model is None else [self.model]
        return [
            ("methods", self.method),
            *(("models", part) for part in model),
            ("datasets", self.dataset),
        ]

    @cached_property
    def id(self) -> str:
        """64 hex digits over everything that shapes the weights."""
        return digest(self.identity())

    def identity(self) -> dict[str, Any]:
        """The canonical configuration that `id` hashes."""
        model = {} if self.model is None else {"model": self.model.identity()}
        needs = {role: need.id for role, need in self.needs.items()}
        return {
            "protocol": PROTOCOL,
            "method": self.method.identity(),
            **model,
            "dataset": self.dataset.identity(),
            "train": without_defaults(self.train),
            "validate": without_defaults(self.validate),
            "seed": self.seed,
            "root_seed": self.root_seed,
            **({"needs": needs} if needs else {}),
            **({} if self.init_seed is None else {"init_seed": self.init_seed}),
        }

    @property
    def noise_id(self) -> str:
        """Names the streams of what else is random in training: they follow the data, whatever the
        initial weights."""
        return self.at_seed(self.seed).id

    def at_seed(self, seed: int, init_seed: int | None = None) -> Fit:
        """This fit, and all that it needs, at another seed."""
        if init_seed == seed:
            init_seed = None
        needs = {role: need.at_seed(seed, init_seed) for role, need in self.needs.items()}
        return dataclasses.replace(self, seed=seed, needs=needs, init_seed=init_seed)

    def family(self) -> Iterator[Fit]:
        """This fit, and all that it needs, in whatever depth."""
        yield self
        for need in self.needs.values():
            yield from need.family()


@dataclass(frozen=True)
class Cell:
    """One point of the grid: a fit and how it is evaluated.

    Attributes
    ----------
    labels
        What the suite calls this cell: `algorithm`, `dataset`, `model`, `on`, and one entry an axis
        (`algorithm.inner_lr`). Labels enter no id: cells of several labels may be one, of which
        there is one record.
    target
        The validation score whose first crossing is to be noted, or None. It enters no id.
    test_seed
        Of the test episodes, where that is not the fit's.
    index
        Which seed of the grid it stands for, where that is not the fit's: where seeds are apart,
        the one that each group of streams follows unless it is held fixed. It enters no id.
    """

    fit: Fit
    evaluate: Evaluate
    labels: Mapping[str, Any]
    target: float | None = None
    test_seed: int | None = None
    index: int | None = None

    @property
    def seed(self) -> int:
        """Which of its group it is."""
        return self.fit.seed if self.index is None else self.index

    @property
    def streams(self) -> dict[str, int]:
        """The seed of each group of random streams: `init`, `data`, `test`; `split` where the
        dataset has one."""
        fit = self.fit
        split = fit.dataset.settings.get("split_seed")
        return {
            "init": fit.seed if fit.init_seed is None else fit.init_seed,
            "data": fit.seed,
            "test": fit.seed if self.test_seed is None else self.test_seed,
            **({"split": split} if type(split) is int else {}),
        }

    @cached_property
    def id(self) -> str:
        """64 hex digits over everything that shapes the cell's result."""
        return digest(self.identity())

    def identity(self) -> dict[str, Any]:
        """The canonical configuration that `id` hashes."""
        evaluate = without_defaults(dataclasses.replace(self.evaluate, on=None))
        if self.evaluate.on is not None:
            evaluate["on"] = self.evaluate.on.identity()
        apart = {} if self.test_seed is None else {"test_seed": self.test_seed}
        return {"fit": self.fit.identity(), "evaluate": evaluate, **apart}

    @property
    def choice_noise_id(self) -> str:
        """Names the streams of what else is random in a choice: they follow the data."""
        return dataclasses.replace(self, fit=self.fit.at_seed(self.fit.seed), test_seed=None).id

    @property
    def noise_id(self) -> str:
        """Names the streams of what else is random in the test: they follow its episodes."""
        fit = self.fit.at_seed(self.streams["test"])
        return dataclasses.replace(self, fit=fit, test_seed=None).id

    @property
    def stem(self) -> str:
        """File name of the record without its ending: `<algorithm>-<dataset>-<5w1s>-s<seed>-<12
        hex>`."""
        algorithm, dataset = self.labels["algorithm"], self.labels["dataset"]
        return f"{algorithm}-{dataset}-{self.shape}-s{self.seed}-{self.id[:12]}"

    @property
    def shape(self) -> str:
        """Ways and shots of the test, as short as can be: `5w1s`, or `10s` where there are no
        ways."""
        return (
            f"{self.evaluate.ways}w{self.evaluate.shots}s"
            if self.evaluate.ways
            else f"{self.evaluate.shots}s"
        )

    def group(self) -> dict[str, Any]:
        """The coordinates that cells of one group share: every label and the evaluation, without
        the seed."""
        evaluate = {
            key: value
            for key, value in dataclasses.asdict(self.evaluate).items()
            if key not in ("on", "metric")
        }
        # under a name of its own: `metric` is what a claim is about
        scored = {"scored_by": self.evaluate.metric} if self.evaluate.metric else {}
        return {**self.labels, "method": self.fit.method.name, **evaluate, **scored}


def each_once(cells: Iterable[Cell]) -> list[Cell]:
    """Of cells that are one under several labels the first."""
    unique: dict[str, Cell] = {}
    for cell in cells:
        unique.setdefault(cell.id, cell)
    return list(unique.values())
