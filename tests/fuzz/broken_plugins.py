"""Ways to break the contract of a method, a dataset or a model: each a module of its own, with what
a user is to be told about it.

Not collected: `test_broken_plugins` writes these into a project.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Literal

HEAD = """\
import math, os, sys
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt

from metabench.methods.fomaml import FOMAML
from metabench.methods.method import Method, State, StepResult
from metabench.models.mlp import MLP
from metabench.metrics import Metric, mse
from metabench.tasks.episodes import Episodes, Task
from metabench.datasets.sinusoid import Sinusoid


def deep():
    return deep()


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


"""
BASES = {"methods": "FOMAML", "datasets": "Sinusoid", "models": "MLP"}
Stage = Literal["read", "load", "fit"]


@dataclass(frozen=True)
class Broken:
    """One way.

    Attributes
    ----------
    source
        Of the module.
    says
        Words of the message.
    stage
        When it shows: as soon as a suite that names it is read, when data is loaded, or in a fit.
    in_file
        Whether there is a file, and a place in it, to name.
    """

    group: str
    name: str
    source: bytes
    says: str
    stage: Stage = "read"
    in_file: bool = True


def _body(
    group: str, name: str, body: str, says: str, stage: Stage = "read", **more: bool
) -> Broken:
    """A class that is as good as a built-in one but for its `body`."""
    source = (
        f"{HEAD}class Odd({BASES[group]}):\n    version = "
        f"1\n{indent(dedent(body).strip(), '    ')}\n"
    )
    return Broken(group, name, source.encode(), says, stage, **more)


def _module(name: str, source: str | bytes, says: str, **more: bool) -> Broken:
    return Broken(
        "methods", name, source.encode() if isinstance(source, str) else source, says, **more
    )


def _settings(
    name: str, fields: str, says: str, decorator: str = "@dataclass(frozen=True)"
) -> Broken:
    return _body(
        "methods",
        name,
        f"{decorator}\nclass Settings:\n{indent(dedent(fields).strip(), '    ')}",
        says,
    )


MODULES = [
    _module("raises", "x = 1\n1 / 0\n", "ZeroDivisionError: division by zero (raises.py, line 2)"),
    _module(
        "exits",
        "import sys\nsys.exit('bye')",
        "cannot be imported: SystemExit: bye (exits.py, line 2)",
    ),
    _module(
        "interrupts",
        "raise KeyboardInterrupt",
        "cannot be imported: KeyboardInterrupt (interrupts.py, line 1)",
    ),
    _module("recurses", "def deep():\n    deep()\ndeep()", "RecursionError"),
    _module("exhausts", "raise MemoryError", "MemoryError"),
    _module("raises_a_base", "class Odd(BaseException): ...\nraise Odd('odd')", "Odd: odd"),
    _module("is_mute", HEAD + "raise Mute", "its message cannot be read"),
    _module("is_long", "raise ValueError('x' * 20_000_000)", "20,000,000 characters in all"),
    _module(
        "has_wrong_syntax",
        "x = 1\nclass Odd(:\n",
        "SyntaxError: invalid syntax (has_wrong_syntax.py, line 2)",
    ),
    _module("is_indented", "x = 1\n  class Odd: ...\n", "IndentationError"),
    _module("is_no_text", b"\xff\xfe\x00class Odd: ...", "SyntaxError"),
    _module("is_latin", "class Odd:\n    'für'\n".encode("latin-1"), "SyntaxError"),
    _module("has_nulls", b"class Odd:\n    x = '\0'\n", "cannot be imported: "),
    _module("is_nested", "x = " + "(" * 5000 + ")" * 5000, "cannot be imported: "),
    _module("is_empty", "", "AttributeError"),
    _module("is_relative", "from . import other\n", "ImportError"),
    _module(
        "imports_what_is_not_there", "from metabench import nothing_of_the_kind\n", "ImportError"
    ),
    _module(
        "asks_for_itself",
        "from metabench import registry\nregistry.get('methods', 'asks_for_itself')\nclass Odd: "
        "...\n",
        "partially initialized module",
    ),
    _module(
        "deletes_itself", "import sys\ndel sys.modules[__name__]\nclass Odd: ...\n", "KeyError"
    ),
    _module(
        "answers_wrongly", "def __getattr__(name):\n    raise RuntimeError(name)\n", "RuntimeError"
    ),
    _module("is_a_number", "Odd = 5\n", "is not a class"),
    _module("is_a_function", "def Odd(settings): ...\n", "is not a class"),
    _module("is_bare", "class Odd: ...\n", "lacks version, Settings, kinds"),
    _module(
        "is_of_another_kind",
        "class Odd(int):\n    version = 1\n",
        "a class that derives from metabench.plugins.Method has most of it",
    ),
    _module(
        "is_abstract",
        HEAD + "class Odd(Method):\n    kinds = FOMAML.kinds\n    Settings = FOMAML.Settings\n",
        "lacks init, predict",
    ),
    _module(
        "has_a_trap",
        HEAD + "class Trap(type(FOMAML)):\n    def __getattribute__(cls, name):\n        raise "
        "RuntimeError(f'trap at {name}')\n"
        + "class Odd(FOMAML, metaclass=Trap):\n    version = 1\n",
        "RuntimeError: trap at ",
    ),
    _module(
        "has_a_property_that_raises",
        HEAD + "class Trap(type(FOMAML)):\n    @property\n    def wants(cls):\n        raise "
        "KeyError('wants')\n" + "class Odd(FOMAML, metaclass=Trap):\n    version = 1\n",
        "KeyError: 'wants'",
    ),
]

SETTINGS = [
    _body(
        "methods",
        "has_plain_settings",
        "class Settings: ...",
        "has Settings that are not a dataclass",
    ),
    _body(
        "methods",
        "has_made_settings",
        "Settings = FOMAML.Settings()",
        "has Settings that are not a dataclass",
    ),
    _settings(
        "has_thawed_settings",
        "test_batch_norm: str = 'query'",
        "Settings that are not frozen",
        decorator="@dataclass",
    ),
    _settings("has_bare_settings", "rate: float", "has Settings without a default for rate"),
    _settings("has_no_batch_norm", "rate: float = 1.0", "has Settings without test_batch_norm"),
    _settings(
        "has_odd_batch_norm",
        "test_batch_norm: str = 'sideways'",
        "test_batch_norm = 'sideways'; expected one of query",
    ),
    _settings("has_a_mutable_default", "rates: list = []", "ValueError: mutable default"),
    _settings(
        "has_a_factory_that_raises",
        "test_batch_norm: str = field(default_factory=lambda: {}['gone'])",
        "KeyError: 'gone'",
    ),
    _settings(
        "has_an_object",
        "test_batch_norm: str = 'query'\nthing: Any = object()",
        "has a setting thing whose default is <object",
    ),
    _settings(
        "has_a_function",
        "test_batch_norm: str = 'query'\nthing: Any = len",
        "has a setting thing whose default is <built-in",
    ),
    _settings(
        "has_a_set",
        "test_batch_norm: str = 'query'\nthing: Any = frozenset({1})",
        "has a setting thing whose default is frozenset",
    ),
    _settings(
        "has_no_number",
        "test_batch_norm: str = 'query'\nthing: float = math.nan",
        "has a setting thing whose default is nan",
    ),
    _settings(
        "has_a_wrong_default",
        "test_batch_norm: str = 'query'\nrate: Annotated[float, Gt(0)] = -1.0",
        "rate whose default does not fit",
    ),
    _settings(
        "has_a_default_of_another_type",
        "test_batch_norm: str = 'query'\nrate: int = '5'",
        "rate whose default does not fit",
    ),
    _settings(
        "has_no_such_type", "test_batch_norm: str = 'query'\nrate: 'Nowhere' = 1", "NameError"
    ),
    _settings(
        "raises_in_settings",
        "test_batch_norm: str = 'query'\ndef __post_init__(self):\n    raise OSError('odd')",
        "raised OSError: odd",
    ),
    _settings(
        "exits_in_settings",
        "test_batch_norm: str = 'query'\ndef __post_init__(self):\n    sys.exit(3)",
        "raised SystemExit: 3",
    ),
    _settings(
        "refuses_its_defaults",
        "test_batch_norm: str = 'query'\ndef __post_init__(self):\n    raise ValueError('never')",
        "ValueError: never",
    ),
    _settings(
        "changes_its_settings",
        "test_batch_norm: str = 'query'\nx: Any = 1\ndef __post_init__(self):\n    "
        "object.__setattr__(self, 'x', {1, 2})",
        "has a setting x whose default is {1, 2}",
    ),
]

ALGORITHMS = [
    _body(
        "methods",
        "has_a_text_as_version",
        "version = '1'",
        "has version = '1'; expected a whole number, at least 1",
    ),
    _body("methods", "has_a_flag_as_version", "version = True", "has version = True"),
    _body("methods", "has_version_zero", "version = 0", "has version = 0"),
    _body(
        "methods",
        "has_listed_kinds",
        "kinds = ['regression']",
        "has kinds = ['regression']; expected a set of",
    ),
    _body("methods", "has_a_word_as_kinds", "kinds = 'regression'", "has kinds = 'regression'"),
    _body(
        "methods",
        "has_unknown_kinds",
        "kinds = frozenset({'regressoin'})",
        "has kinds = frozenset({'regressoin'})",
    ),
    _body("methods", "has_no_kinds", "kinds = frozenset()", "has kinds = frozenset()"),
    _body(
        "methods", "trains_perhaps", "trains = None", "has trains = None; expected True or False"
    ),
    _body(
        "methods",
        "wants_images",
        "wants = frozenset({'images'})",
        "has wants = frozenset({'images'}); expected a set of 'episodes'",
    ),
    _body("methods", "wants_a_word", "wants = 'episodes'", "has wants = 'episodes'"),
    _body(
        "methods",
        "embeds_perhaps",
        "embeds_images_alone = 'yes'",
        "has embeds_images_alone = 'yes'; expected True or False",
    ),
    _body(
        "methods",
        "gives_no_batches",
        "def batches(self, source):\n    return [1, 2]",
        "Odd.batches gave [1, 2]; expected what source.episodes() gives",
        "fit",
    ),
    _body(
        "methods",
        "asks_for_more",
        "def batches(self, source):\n    return source.examples()",
        "Odd.batches asks for examples, which `wants` does not say",
        "fit",
    ),
    _body("methods", "has_fixed_words", "fixed_ways = 'yes'", "has fixed_ways = 'yes'"),
    _body("methods", "adapts_to_nothing", "adapts = []", "has adapts = []"),
    _body(
        "methods",
        "chooses_by_property",
        "chooses_step = property(lambda self: True)",
        "has chooses_step = <property",
    ),
    _body(
        "methods",
        "is_made_of_more",
        "def __init__(self, settings, more): ...",
        "cannot be made from its settings alone",
    ),
    _body(
        "methods",
        "predicts_without_data",
        "def predict(self, state): ...",
        "has a method predict that does not take 5 arguments",
    ),
    _body("methods", "steps_nowhere", "step = 5", "has step = 5; expected a method"),
    _body(
        "methods",
        "raises_in_init",
        "def init(self, *_):\n    raise KeyError('gone')",
        "KeyError",
        "fit",
    ),
    _body("methods", "exits_in_init", "def init(self, *_):\n    sys.exit(0)", "SystemExit", "fit"),
    _body(
        "methods",
        "gives_no_state",
        "def init(self, *_): ...",
        "Odd.init gave None; expected a State",
        "fit",
    ),
    _body(
        "methods",
        "gives_the_model",
        "def init(self, model, *_):\n    return model",
        "Odd.init gave an object of type Network",
        "fit",
    ),
    _body(
        "methods",
        "gives_a_rate",
        "def init(self, model, *_):\n    return State(model, 0.1)",
        "a State whose optimizer is 0.1",
        "fit",
    ),
    _body(
        "methods",
        "raises_when_made",
        "def __init__(self, settings):\n    raise IndexError('odd')",
        "IndexError",
        "fit",
    ),
    _body(
        "methods",
        "raises_in_step",
        "def step(self, *_):\n    raise Mute",
        "its message cannot be read",
        "fit",
    ),
    _body(
        "methods",
        "raises_much",
        "def step(self, *_):\n    raise ValueError('x' * 20_000_000)",
        "20,000,000 characters in all",
        "fit",
    ),
    _body(
        "methods",
        "interrupts_in_step",
        "def step(self, *_):\n    raise KeyboardInterrupt",
        "KeyboardInterrupt",
        "fit",
    ),
    _body(
        "methods", "recurses_in_step", "def step(self, *_):\n    deep()", "RecursionError", "fit"
    ),
    _body(
        "methods",
        "ends_in_step",
        "def step(self, *_):\n    os._exit(0)",
        "HardExit",
        "fit",
        in_file=False,
    ),
    _body(
        "methods",
        "steps_to_nothing",
        "def step(self, *_): ...",
        "Odd.step gave None; expected a StepResult",
        "fit",
    ),
    _body(
        "methods",
        "steps_to_a_pair",
        "def step(self, *_):\n    return 1.0, 2.0",
        "Odd.step gave (1.0, 2.0)",
        "fit",
    ),
    _body(
        "methods",
        "loses_a_number",
        "def step(self, *_):\n    return StepResult(0.5, torch.tensor(1.0))",
        "gave a loss of 0.5",
        "fit",
    ),
    _body(
        "methods",
        "loses_much",
        "def step(self, *_):\n    return StepResult(torch.ones(2), torch.ones(2))",
        "a loss of a tensor of float32 of",
        "fit",
    ),
    _body(
        "methods",
        "scores_nothing",
        "def step(self, *_):\n    return StepResult(torch.tensor(1.0), None)",
        "gave a score of None",
        "fit",
    ),
    _body(
        "methods",
        "loses_i",
        "def step(self, *_):\n    return StepResult(torch.tensor(1j), torch.tensor(1.0))",
        "gave a loss of a tensor",
        "fit",
    ),
    _body(
        "methods",
        "predicts_nothing",
        "def predict(self, *_): ...",
        "Odd.predict gave None; expected a dense tensor of shape [",
        "fit",
    ),
    _body(
        "methods",
        "predicts_an_array",
        "def predict(self, *e):\n    return super().predict(*e).numpy()",
        "gave an array of float32",
        "fit",
    ),
    _body(
        "methods",
        "predicts_a_list",
        "def predict(self, *e):\n    return [super().predict(*e)]",
        "Odd.predict gave [",
        "fit",
    ),
    _body(
        "methods",
        "predicts_fewer",
        "def predict(self, *e):\n    return super().predict(*e)[:1]",
        "gave scores of shape [1, ",
        "fit",
    ),
    _body(
        "methods",
        "predicts_no_curve",
        "def predict(self, *e):\n    return super().predict(*e)[:, :1]",
        "15, 1]; expected [8, 2, 15, 1]",
        "fit",
    ),
    _body(
        "methods",
        "predicts_one_query",
        "def predict(self, *e):\n    return super().predict(*e)[:, :, :1]",
        "gave scores of shape",
        "fit",
    ),
    _body(
        "methods",
        "predicts_two_values",
        "def predict(self, *e):\n    return super().predict(*e).expand(-1, -1, -1, 2)",
        "15, 2]; expected",
        "fit",
    ),
    _body(
        "methods",
        "predicts_whole",
        "def predict(self, *e):\n    return super().predict(*e).long()",
        "scores of type int64; expected float32",
        "fit",
    ),
    _body(
        "methods",
        "predicts_i",
        "def predict(self, *e):\n    return super().predict(*e) * 1j",
        "scores of type complex64",
        "fit",
    ),
    _body(
        "methods",
        "predicts_sparse",
        "def predict(self, *e):\n    return super().predict(*e).to_sparse()",
        "expected a dense tensor",
        "fit",
    ),
    _body(
        "methods",
        "predicts_elsewhere",
        "def predict(self, *e):\n    return super().predict(*e).to('meta')",
        "gave scores on meta",
        "fit",
    ),
    _body(
        "methods",
        "raises_in_predict",
        "def predict(self, *e):\n    raise TypeError('odd')",
        "odd",
        "fit",
    ),
    _body(
        "methods",
        "learns_in_predict",
        """
        def predict(self, state, *e):
            with torch.no_grad():
                next(state.parameters()).add_(1e-3)
            return super().predict(state, *e)
        """,
        "Odd.predict changed the state",
        "fit",
    ),
    _body(
        "methods",
        "has_no_candidates",
        "def candidates(self):\n    return ()",
        "Odd.candidates gave ()",
        "fit",
    ),
    _body(
        "methods",
        "has_a_word_as_candidate",
        "def candidates(self):\n    return ['maml']",
        "Odd.candidates gave ['maml']",
        "fit",
    ),
    _body(
        "methods",
        "raises_in_candidates",
        "def candidates(self):\n    raise RuntimeError('none')",
        "none",
        "fit",
    ),
    _body("methods", "has_no_curve", "curve = ()", "Odd.curve is ()", "fit"),
    _body("methods", "has_half_a_step", "curve = (0, 0.5)", "Odd.curve is (0, 0.5)", "fit"),
    _body(
        "methods",
        "tests_elsewhere",
        "curve = (0, 1)\ntest_steps = 77",
        "Odd.test_steps is 77; expected an entry of the curve",
        "fit",
    ),
    _body(
        "methods",
        "costs_less_than_nothing",
        "gradients_per_task = -1",
        "Odd.gradients_per_task is -1",
        "fit",
    ),
    _body(
        "methods",
        "adapts_many",
        "def adapted_weights(self, *_):\n    return 'many'",
        "Odd.adapted_weights gave 'many'",
        "fit",
    ),
    _body(
        "methods",
        "has_a_property_in_vain",
        "@property\ndef curve(self):\n    raise LookupError('odd')",
        "odd",
        "fit",
    ),
    _body(
        "methods",
        "looks_away",
        "def __getattribute__(self, name):\n    raise RuntimeError('trap')",
        "trap",
        "fit",
    ),
    _body(
        "methods",
        "closes_all",
        "def step(self, *_):\n    sys.stdout.close(); sys.stderr.close()\n    raise "
        "ValueError('dark')",
        "dark",
        "fit",
    ),
]

DATASETS = [
    _body("datasets", "has_half_a_version", "version = 1.5", "has version = 1.5"),
    _body(
        "datasets",
        "is_of_no_kind",
        "kind = 'sorting'",
        "has kind = 'sorting'; expected 'classification' or 'regression'",
    ),
    _body(
        "datasets",
        "has_no_metric",
        "metric = None",
        "has metric = None; expected one of accuracy, ",
    ),
    _body(
        "datasets",
        "has_a_misspelt_metric",
        "metric = 'macro_f2'",
        "or a metabench.metrics.Metric (did you mean 'macro_f1'?)",
    ),
    _body(
        "datasets",
        "has_a_metric_for_another_kind_of_task",
        "metric = 'macro_f1'",
        "has a metric for 'classification'; the dataset is regression",
    ),
    _body(
        "datasets",
        "has_a_metric_that_is_no_function",
        "metric = Metric('mse', 'units', False, 'regression', 5)",
        "has a metric with per_episode = 5",
    ),
    _body(
        "datasets",
        "has_no_direction",
        "metric = Metric('mse', 'units', None, 'regression', mse)",
        "has a metric with higher_is_better = None",
    ),
    _body(
        "datasets",
        "has_no_unit",
        "metric = Metric('mse', '', False, 'regression', mse)",
        "has a metric with unit = ''",
    ),
    _body(
        "datasets",
        "has_a_numbered_metric",
        "metric = Metric(5, 'units', False, 'regression', mse)",
        "has a metric with name = 5",
    ),
    _body(
        "datasets",
        "raises_in_chance",
        "class Bold(Metric):\n    def chance(self, queries):\n        raise "
        "OverflowError('odd')\nmetric = Bold('mse', 'units', False, 'regression', mse)",
        "raised OverflowError: odd",
    ),
    _body(
        "datasets",
        "has_half_a_chance",
        "class Bold(Metric):\n    def chance(self, queries):\n        return 'half'\nmetric = "
        "Bold('mse', 'units', False, 'regression', mse)",
        "chance((15, 15, 15, 15, 15)) is 'half'",
    ),
    _body("datasets", "has_no_model", "default_model = None", "has default_model = None"),
    _body(
        "datasets",
        "has_an_unknown_model",
        "default_model = 'gone'",
        "has default_model = 'gone'; there are conv4",
    ),
    _body(
        "datasets", "has_a_number_as_licence", "licence = 5", "has licence = 5; expected a string"
    ),
    _body("datasets", "has_no_source", "source = None", "has source = None"),
    _body("datasets", "offers_a_word", "offers = 'episodes'", "has offers = 'episodes'"),
    _body(
        "datasets",
        "draws_without_a_generator",
        "def draw(self, split): ...",
        "has a method draw that does not take 4 arguments",
    ),
    _body(
        "datasets",
        "raises_in_task",
        "def task(self, ways):\n    raise AttributeError('odd')",
        "raised AttributeError: odd (raises_in_task.py, line",
    ),
    _body(
        "datasets", "exits_in_task", "def task(self, ways):\n    sys.exit()", "raised SystemExit"
    ),
    _body(
        "datasets",
        "interrupts_in_task",
        "def task(self, ways):\n    raise KeyboardInterrupt",
        "raised KeyboardInterrupt",
    ),
    _body(
        "datasets", "recurses_in_task", "def task(self, ways):\n    deep()", "raised RecursionError"
    ),
    _body(
        "datasets",
        "has_no_task",
        "def task(self, ways): ...",
        "Odd.task gave None; expected a Task",
    ),
    _body(
        "datasets",
        "has_another_task",
        "def task(self, ways):\n    return Task('classification', (1,), 1)",
        "gave a task of kind 'classification'",
    ),
    _body(
        "datasets",
        "has_no_shape",
        "def task(self, ways):\n    return Task('regression', None, 1)",
        "gave an input_shape of None",
    ),
    _body(
        "datasets",
        "has_a_negative_shape",
        "def task(self, ways):\n    return Task('regression', (-1,), 1)",
        "gave an input_shape of (-1,)",
    ),
    _body(
        "datasets",
        "has_no_outputs",
        "def task(self, ways):\n    return Task('regression', (1,), 0)",
        "gave 0 outputs",
    ),
    _body(
        "datasets",
        "raises_when_made_of_data",
        "def __init__(self, settings):\n    raise IndexError('odd')",
        "raised IndexError: odd",
    ),
    _body(
        "datasets",
        "raises_in_load",
        "def load(self, root):\n    raise KeyError('gone')",
        "KeyError",
        "load",
    ),
    _body(
        "datasets", "exits_in_load", "def load(self, root):\n    sys.exit(1)", "SystemExit", "load"
    ),
    _body(
        "datasets",
        "interrupts_in_load",
        "def load(self, root):\n    raise KeyboardInterrupt",
        "KeyboardInterrupt",
        "load",
    ),
    _body(
        "datasets",
        "has_a_numbered_digest",
        "def content_digest(self):\n    return 5",
        "Odd.content_digest gave 5",
        "load",
    ),
    _body(
        "datasets",
        "raises_in_digest",
        "def content_digest(self):\n    raise RuntimeError('odd')",
        "odd",
        "load",
    ),
    _body(
        "datasets",
        "draws_nothing",
        "def draw(self, *_): ...",
        "Odd.draw gave None; expected arrays by name",
        "fit",
    ),
    _body(
        "datasets",
        "draws_a_list",
        "def draw(self, *a):\n    return {'x': [1] * 1024}",
        "Odd.draw gave {'x': [",
        "fit",
    ),
    _body(
        "datasets",
        "draws_one",
        "def draw(self, *a):\n    return {'x': np.ones(1)}",
        "an array 'x' of shape [1]; expected a first axis of 1024",
        "fit",
    ),
    _body(
        "datasets",
        "draws_objects",
        "def draw(self, *a):\n    return {'x': np.array([None] * 1024)}",
        "an array of object",
        "fit",
    ),
    _body(
        "datasets",
        "raises_in_draw",
        "def draw(self, *_):\n    raise FloatingPointError('odd')",
        "odd",
        "fit",
    ),
    _body(
        "datasets",
        "gathers_nothing",
        "def gather(self, *_): ...",
        "Odd.gather gave None; expected Episodes",
        "fit",
    ),
    _body(
        "datasets",
        "gathers_doubles",
        "def gather(self, *a):\n    e = super().gather(*a)\n    return "
        "Episodes(e.support_x.double(), e.support_y, e.query_x, e.query_y)",
        "gave support_x: a tensor of float64",
        "fit",
    ),
    _body(
        "datasets",
        "gathers_flat_values",
        "def gather(self, *a):\n    e = super().gather(*a)\n    return Episodes(e.support_x, "
        "e.support_y[..., 0], e.query_x, e.query_y)",
        "gave support_y: a tensor of float32",
        "fit",
    ),
    _body(
        "datasets",
        "gathers_fewer",
        "def gather(self, *a):\n    e = super().gather(*a)\n    return Episodes(e.support_x[:, "
        "1:], e.support_y, e.query_x, e.query_y)",
        "expected float32 of shape [2, 5, ...]",
        "fit",
    ),
    _body(
        "datasets",
        "names_a_list",
        "def names(self, draw):\n    return ['a']",
        "Odd.names gave ['a']",
        "fit",
    ),
    _body(
        "datasets",
        "shows_a_word",
        "def figure(self):\n    return 'nothing'",
        "Odd.figure gave 'nothing'",
        "fit",
    ),
    _body(
        "datasets",
        "raises_in_names",
        "def names(self, draw):\n    raise RuntimeError('nameless')",
        "nameless",
        "fit",
    ),
    _body(
        "datasets",
        "measures_nothing",
        "metric = Metric('mse', 'units', False, 'regression', lambda scores, y: None)",
        "Odd.metric gave None per episode",
        "fit",
    ),
]

MODELS = [
    _body("models", "serves_none", "kinds = None", "has kinds = None"),
    _body("models", "has_version_minus_one", "version = -1", "has version = -1"),
    _body(
        "models",
        "is_made_of_less",
        "def __init__(self, settings): ...",
        "cannot be made from its settings and a task alone",
    ),
    _body(
        "models",
        "raises_in_batch_norm",
        "has_batch_norm = classmethod(lambda cls, settings: {}['gone'])",
        "raised KeyError: 'gone'",
    ),
    _body(
        "models",
        "exits_in_batch_norm",
        "has_batch_norm = classmethod(lambda cls, settings: sys.exit())",
        "raised SystemExit",
    ),
    _body(
        "models",
        "has_perhaps_batch_norm",
        "has_batch_norm = classmethod(lambda cls, settings: None)",
        "answers has_batch_norm with None",
    ),
    _body(
        "models",
        "has_a_list_as_settings",
        "Settings = [1]",
        "has Settings that are not a dataclass",
    ),
    Broken(
        "models",
        "is_no_module",
        f"{HEAD}class Odd:\n    version = 1\n    kinds = MLP.kinds\n    Settings = MLP.Settings\n"
        "    def __init__(self, settings, task): ...\n    def forward(self, x): ...\n"
        "    @classmethod\n    def has_batch_norm(cls, settings):\n        return False\n".encode(),
        "is no torch.nn.Module",
    ),
    _body(
        "models",
        "raises_when_made_of_weights",
        "def __init__(self, settings, task):\n    raise RuntimeError('weightless')",
        "weightless",
        "fit",
    ),
    _body(
        "models",
        "exits_when_made",
        "def __init__(self, settings, task):\n    sys.exit(5)",
        "5",
        "fit",
    ),
    _body(
        "models",
        "refuses_all",
        "def __init__(self, settings, task):\n    raise ValueError('too wide')",
        "too wide",
        in_file=False,
    ),
    _body(
        "models",
        "raises_in_forward",
        "def forward(self, x):\n    raise ArithmeticError('odd')",
        "odd",
        "fit",
    ),
    _body(
        "models",
        "goes_two_ways",
        "def forward(self, x):\n    return super().forward(x)[..., :2]",
        "Odd.forward gave 2 features for an input; expected its width, 40",
        "fit",
    ),
]

WAYS = [*MODULES, *SETTINGS, *ALGORITHMS, *DATASETS, *MODELS]
