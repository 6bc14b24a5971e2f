"""The shape of the TOML files, as pydantic models: which keys there are, and what may stand at
each.

The models hold what was *said*: every recipe key is optional here, because a recipe comes together
from several layers (see `layers`), and the defaults are those of the dataclasses in `cells`.
Nothing is coerced: `"5"` is no 5 and `true` is no 1. A key that a model does not have is refused.
`parsing` reads documents into these models, and puts every refusal in words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE
from metabench.metrics import MetricName
from metabench.provenance.compiler import CompileMode
from metabench.suite.value_types import (
    Amount,
    BatchNorm,
    Count,
    Episodes,
    HeldSeed,
    Name,
    OneOrMore,
    Positive,
    QueryShots,
    RootSeed,
    Seeds,
    Setting,
    Size,
    Steps,
    Text,
    Threads,
    Ways,
    Workers,
    distinct,
)

BUDGETS = ("iterations", "tasks", "seconds")
SECTIONS = ("train", "validate", "evaluate", "seeds", "algorithm", "model", "dataset")
TABLE_OF: dict[str, str] = {"methods": "algorithms", "models": "models", "datasets": "datasets"}
SECTION_OF: dict[str, str] = {"methods": "algorithm", "models": "model", "datasets": "dataset"}
"""Where a suite names what is registered in a group: `[algorithms.X]` is an entry, `algorithm.KEY`
a setting."""


class Table(BaseModel):
    """A TOML table with a fixed set of keys."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    def said(self) -> dict[str, Any]:
        """What the user wrote, without anything that was not."""
        return self.model_dump(exclude_unset=True)


class TrainTable(Table):
    """[train]: the training recipe; exactly one of iterations, tasks, seconds is the budget.
    Meanings: `cells.Train`."""

    iterations: Count | None = None
    tasks: Count | None = None
    seconds: Annotated[float, Gt(0), Le(10_000_000)] | None = None
    tasks_per_batch: Size | None = None
    ways: Ways | None = None
    shots: Size | None = None
    query_shots: QueryShots | None = None
    schedule: Literal["constant", "linear", "cosine", "step"] | None = None
    step_every: Count | None = None
    step_factor: Positive | None = None
    schedule_floor: Annotated[float, Ge(0), Le(1)] | None = None
    warm_up: Annotated[int, Ge(0), Le(1_000_000_000)] | None = None

    @model_validator(mode="after")
    def _one_budget(self) -> TrainTable:
        if len(budgets := [key for key in BUDGETS if key in self.model_fields_set]) > 1:
            raise PydanticCustomError(
                "budget",
                "{which} are each a budget; say one of iterations, tasks, seconds",
                {"which": " and ".join(budgets)},
            )
        return self


class ValidateTable(Table):
    """[validate]: how often, on what, and what follows from it. Meanings: `cells.Validate`."""

    every: Count | None = None
    episodes: Episodes | None = None
    ways: Ways | None = None
    shots: Size | None = None
    query_shots: QueryShots | None = None
    select: Literal["best", "last"] | None = None
    target: Positive | None = None
    patience: Count | None = None


class EvaluateTable(Table):
    """[evaluate]: the test of finished weights. Each key takes one value or a list: cells that
    share a fit; but for `metric`, which selects weights too. Meanings: `cells.Evaluate`."""

    query_shots: OneOrMore[QueryShots] | None = None
    episodes: OneOrMore[Episodes] | None = None
    sampling: OneOrMore[Literal["with_replacement", "disjoint"]] | None = None
    batch_norm: OneOrMore[BatchNorm] | None = None
    on: OneOrMore[Name] | None = None
    steps: OneOrMore[Steps] | None = None
    metric: MetricName | None = None


class SeedsTable(Table):
    """[seeds]: groups of random streams that are held at one seed in all cells of a group, in place
    of following the grid's.

    `init` is of the initial weights; `data` of training and validation episodes, their order and
    noise, and of the fits that this one needs; `test` of test episodes.
    """

    init: HeldSeed | None = None
    data: HeldSeed | None = None
    test: HeldSeed | None = None


class Sections(Table):
    """The recipe sections that any table of the suite may carry."""

    train: TrainTable = TrainTable()
    validate_: ValidateTable = Field(ValidateTable(), alias="validate")
    evaluate: EvaluateTable = EvaluateTable()

    def sections(self) -> dict[str, dict[str, Any]]:
        """Return section → key → value, for what was said."""
        recipe = {
            "train": self.train.said(),
            "validate": self.validate_.said(),
            "evaluate": self.evaluate.said(),
        }
        return {section: table for section, table in recipe.items() if table}


class SeededSections(Sections):
    """The same, and which random streams do not follow the seed."""

    seeds: SeedsTable = SeedsTable()

    def sections(self) -> dict[str, dict[str, Any]]:
        """Return section → key → value, for what was said."""
        seeds = self.seeds.said()
        return super().sections() | ({"seeds": seeds} if seeds else {})


class Entry(Table):
    """[models.X]: the registered name behind X (X itself if not said), and its settings: keys that
    the model's own dataclass checks."""

    model_config = ConfigDict(extra="allow")

    model: Name | None = None

    def settings(self) -> dict[str, Any]:
        """Return the keys that are settings."""
        return dict(self.model_extra or {})


class NeedTable(Table):
    """needs.ROLE of an algorithm: whose weights play the role, over the same model unless one is
    named."""

    algorithm: Name
    model: Name | None = None


def _an_algorithm(value: Any) -> Any:
    """`needs.teacher = "maml"` names the algorithm alone."""
    return {"algorithm": value} if isinstance(value, str) else value


class AlgorithmEntry(Sections):
    """[algorithms.X]: the method behind X (X itself if not said), its settings, the algorithms that
    it needs, and its own part of the recipe."""

    model_config = ConfigDict(extra="allow")

    method: Name | None = None
    needs: dict[
        Name,
        Annotated[
            NeedTable,
            BeforeValidator(_an_algorithm),
            "the name of an algorithm, or a table with algorithm and model",
        ],
    ] = {}

    def settings(self) -> dict[str, Any]:
        """Return the keys that are settings."""
        return dict(self.model_extra or {})


class DatasetEntry(Sections):
    """[datasets.X]: the dataset behind X (X itself if not said), its settings, and its own part of
    the recipe."""

    model_config = ConfigDict(extra="allow")

    dataset: Name | None = None

    def settings(self) -> dict[str, Any]:
        """Return the keys that are settings."""
        return dict(self.model_extra or {})


class Layered(Sections):
    """Recipe sections and settings sections together: what an override or a profile may say."""

    algorithm: Setting = {}
    model: Setting = {}
    dataset: Setting = {}

    def sections(self) -> dict[str, dict[str, Any]]:
        """Return section → key → value, for what was said."""
        settings = {"algorithm": self.algorithm, "model": self.model, "dataset": self.dataset}
        return super().sections() | {section: table for section, table in settings.items() if table}


class When(Table):
    """Which part of the grid an override is for; a list means any of these."""

    algorithm: OneOrMore[Name] | None = None
    method: OneOrMore[Name] | None = None
    model: OneOrMore[Name] | None = None
    dataset: OneOrMore[Name] | None = None
    ways: OneOrMore[Ways] | None = None
    shots: OneOrMore[Size] | None = None


class OverrideTable(Layered, SeededSections):
    """[[override]]: a recipe that differs on a part of the grid. Later ones win."""

    when: When = When()


class ProfileTable(Layered):
    """[profiles.X]: another size of the whole suite, chosen by `--profile X`. Wins over everything
    but axes."""

    root_seed: RootSeed | None = None
    seeds: Seeds | None = None


class GridTable(Table):
    """[[grid]]: the product of its lists."""

    algorithms: OneOrMore[Name]
    datasets: OneOrMore[Name]
    models: OneOrMore[Name] | None = None
    ways: OneOrMore[Ways] | None = None
    shots: OneOrMore[Size]
    seeds: Seeds
    axes: dict[str, Annotated[list[Any], MinLen(1), AfterValidator(distinct)]] = {}


class ClaimTable(Table):
    """[[claims]]: a hypothesis about the group table, fixed before the data. Meanings:
    `claims.Claim`."""

    id: Name
    says: Text
    source: Text = ""
    metric: str
    after: Annotated[int, Ge(1), Le(10_000)] | None = None
    of: Name
    against: str | Amount | None = None
    published: Literal[True] | None = None
    where: Setting = {}
    versus_where: Setting | None = None
    ratio_below: Positive | None = None
    ratio_above: Positive | None = None
    ratio_between: Annotated[list[Positive], MinLen(2)] | None = None
    difference_above: Amount | None = None
    difference_below: Amount | None = None
    between: Annotated[list[Amount], MinLen(2)] | None = None
    equivalent_within: Positive | None = None


class CompareTable(Table):
    """[compare]: which changes between two runs matter. Meanings: `tables.margins`."""

    margin: Annotated[float, Gt(0), Lt(1)] | None = None
    trivial: Annotated[float, Gt(0), Lt(1)] | None = None
    margin_ratio: Annotated[float, Gt(1), Le(1000)] | None = None
    trivial_ratio: Annotated[float, Gt(1), Le(1000)] | None = None


class SuiteTable(SeededSections):
    """A whole suite file."""

    title: Text = ""
    description: Text = ""
    root_seed: RootSeed = 0
    reference: Name | None = None
    keep_weights: bool = True
    grid: Annotated[list[GridTable], MinLen(1)]
    algorithms: dict[Name, AlgorithmEntry] = {}
    models: dict[Name, Entry] = {}
    datasets: dict[Name, DatasetEntry] = {}
    override: list[OverrideTable] = []
    profiles: dict[Name, ProfileTable] = {}
    claims: list[ClaimTable] = []
    compare: CompareTable = CompareTable()


class PluginsTable(Table):
    """[plugins.GROUP] of `benchmark.toml`: name = "module:Class"."""

    methods: dict[Name, str] = {}
    datasets: dict[Name, str] = {}
    models: dict[Name, str] = {}
    figures: dict[Name, str] = {}


class ProjectTable(Sections):
    """The whole of `benchmark.toml`; every key is optional."""

    suite: Text | None = None
    suites: Text = "suites"
    reports: Text = "reports"
    data: Text = "data"
    workers: Workers = 0
    threads: Threads = 1
    compile: CompileMode = "never"
    confidence: Annotated[float, Gt(LEAST_CONFIDENCE), Le(MOST_CONFIDENCE)] = 0.95
    checkpoint_seconds: Annotated[float, Ge(0), Le(10_000_000)] = 60.0
    plugins: PluginsTable = PluginsTable()
    compare: CompareTable = CompareTable()
