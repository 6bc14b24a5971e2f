"""Suites that are wrong, each in one way: one message with file, key, what stands there, what may;
and nothing written."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_values import ODD_VALUES, places
from suite_project import GOOD, load, write_suite

from metabench.errors import ConfigError
from metabench.suite import load_suite, suite_names
from metabench.suite.document import read_document
from metabench.suite.project import load_project
from metabench.suite.toml import toml_text

# what is wrong: (what is replaced in the good suite, by what, what the message must say)
BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # unknown words
    "setting": (
        "inner_steps = 5",
        "inner_step = 5",
        (
            ":32: [algorithms.maml_5] inner_step = 5",
            "maml takes",
            "inner_lr",
            "did you mean 'inner_steps'?",
        ),
    ),
    "recipe key": (
        "every = 100",
        "evry = 100",
        ("[validate] evry = 100", "unknown key", "patience", "did you mean 'every'?"),
    ),
    "grid key": (
        "shots = 1\n",
        "shot = 1\n",
        ("[[grid]] number 2 shot = 1", "did you mean 'shots'?", "lacks 'shots'"),
    ),
    "root key": ('title = "A', 'titel = "A', (":1: titel", "did you mean 'title'?")),
    "table": (
        "[validate]",
        "[validation]",
        ("[validation]", "unknown key", "did you mean 'validate'?"),
    ),
    "ways in evaluate": ("episodes = 200", "ways = 5", ("[evaluate] ways = 5", "unknown key")),
    "algorithm of a grid": (
        '"maml", "protonet"',
        '"maml", "protonets"',
        ("[[grid]] number 2 algorithms", "'protonets'", "did you mean 'protonet'?"),
    ),
    "method of an entry": (
        'method = "maml"\ninner',
        'method = "mamml"\ninner',
        ('method = "mamml"', "did you mean 'maml'?"),
    ),
    "entry without method": (
        'method = "maml"\ninner',
        "inner",
        ("[algorithms.maml_5]", "lacks 'method'", "did you mean 'maml'?"),
    ),
    "dataset": (
        '["sinusoid"]',
        '["sinusoids"]',
        ("datasets", "'sinusoids'", "did you mean 'sinusoid'?"),
    ),
    "model": (
        'datasets = ["omniglot"]',
        'datasets = ["omniglot"]\nmodels = ["conv5"]',
        ("models", "'conv5'", "did you mean 'conv4'?"),
    ),
    "setting of a model": (
        "filters = 32",
        "filter = 32",
        ("[models.conv4] filter = 32", "did you mean 'filters'?"),
    ),
    "setting of a dataset": (
        'rotations = "train"',
        'rotation = "train"',
        ("[datasets.omniglot] rotation", "did you mean 'rotations'?"),
    ),
    "reference": (
        'reference = "maml"',
        'reference = "mamml"',
        ('reference = "mamml"', "did you mean 'maml'?"),
    ),
    # wrong values
    "string for a number": (
        "iterations = 1000\n",
        'iterations = "1000"\n',
        ('[train] iterations = "1000"', "expected a whole number"),
    ),
    "bool for an integer": (
        "episodes = 50",
        "episodes = true",
        ("[validate] episodes = true", "expected a whole number"),
    ),
    "bool for seeds": (
        "shots = 1\nseeds = 2",
        "shots = 1\nseeds = true",
        ("seeds = true", "expected a number of seeds"),
    ),
    "float for an integer": (
        "inner_steps = 5",
        "inner_steps = 5.5",
        ("inner_steps = 5.5", "expected a whole number", "at least 1"),
    ),
    "zero": ("every = 100", "every = 0", ("[validate] every = 0", "at least 1")),
    "negative": ("shots = 1\n", "shots = -1\n", ("shots = -1", "at least 1")),
    "one way": ("ways = [5, 20]", "ways = [5, 1]", ("ways", "at least 2")),
    "empty list": ('["sinusoid"]', "[]", ("datasets = []", "a list of one or more")),
    "no seeds": (
        "shots = 1\nseeds = 2",
        "shots = 1\nseeds = 0",
        ("seeds = 0", "expected a number of seeds"),
    ),
    "seeds as an axis": (
        'axes = { "train.tasks_per_batch" = [4, 8] }',
        'axes = { "seeds" = [1, 2] }',
        ("axes.seeds", "seeds are no axis", "say seeds = ... in the grid", '"seeds.init"'),
    ),
    "held seeds of an algorithm": (
        "inner_steps = 5",
        "inner_steps = 5\nseeds.init = 0",
        ("[algorithms.maml_5.seeds]", "stand in [seeds], in [[override]]", "on an axis"),
    ),
    "held seeds of a profile": (
        "[validate]",
        "[profiles.held]\nseeds.init = 0\n\n[validate]",
        ("[profiles.held.seeds]", "a number of seeds, 1 to 10,000", "stands in [seeds] or in"),
    ),
    "negative seed": ("shots = 1\nseeds = 2", "shots = 1\nseeds = [-1]", ("seeds", "expected")),
    "too many seeds": (
        "shots = 1\nseeds = 2",
        "shots = 1\nseeds = 1000000000000",
        ("seeds = 1000000000000", "expected a number of seeds, 1 to 10,000, or a list of seeds"),
    ),
    "choice": (
        'batch_norm = "default"',
        'batch_norm = "runing"',
        ('batch_norm = "runing"', '"query"', "did you mean 'running'?"),
    ),
    "choice of a setting": (
        'rotations = "train"',
        'rotations = "trains"',
        ('one of "none", "train", "all"', "did you mean 'train'?"),
    ),
    "list for a number": (
        "inner_steps = 5",
        "inner_steps = [5]",
        ("inner_steps = [5]", "expected a whole number"),
    ),
    "table for a number": (
        "every = 100",
        "every = { a = 1 }",
        ("[validate.every]", "expected a whole number"),
    ),
    "number for a table": (
        "when = {",
        "validate = 3\nwhen = {",
        ("[[override]] validate = 3", "expected a table"),
    ),
    "nan": (
        "algorithm.inner_lr = 0.1",
        "algorithm.inner_lr = nan",
        ("algorithm.inner_lr = nan", "no finite number"),
    ),
    "infinity": (
        "algorithm.inner_lr = 0.1",
        "algorithm.inner_lr = inf",
        ("algorithm.inner_lr = inf", "no finite number"),
    ),
    "65 bits": (
        "every = 100",
        "every = 99999999999999999999",
        ("every = 99999999999999999999", "64 bits"),
    ),
    "5,000 digits": (
        "every = 100",
        "every = " + "9" * 5000,
        ("an integer of thousands of digits",),
    ),
    "5,000 hexadecimal digits": (
        "every = 100",
        "every = 0x" + "f" * 5000,
        ("[validate] every = 0xffff", "does not fit in 64 bits"),
    ),
    "date": ("every = 100", "every = 2024-01-01", ("every = 2024-01-01", "is a date")),
    "deep list": (
        "every = 100",
        "every = " + "[" * 50 + "]" * 50,
        ("[validate] every", "nested more than"),
    ),
    "very deep list": (
        "every = 100",
        "every = " + "[" * 20_000 + "]" * 20_000,
        ("nested too deeply",),
    ),
    "deep table": ("every = 100", "every" + ".a" * 3000 + " = 1", ("nested too deeply",)),
    "rather deep table": ("every = 100", "every" + ".a" * 15 + " = 1", ("nested more than",)),
    "step factor beyond reason": (
        "iterations = 1000\nquery",
        'iterations = 1000\nschedule = "step"\nstep_factor = 1e300\nquery',
        ("at most 1,000,000,000,000",),
    ),
    "rate beyond reason": (
        "inner_steps = 5",
        "inner_lr = 1e308",
        ("[algorithms.maml_5] inner_lr = 1e+308", "at most 1e+38"),
    ),
    "claim beyond reason": (
        "ratio_above = 1.5",
        "difference_above = -1e308",
        ("difference_above = -1e+308", "at least -1,000,000,000,000"),
    ),
    "key of a megabyte": (
        "[train]",
        "[train]\n" + "a" * 1_000_000 + " = 1",
        ("[train] aaaa", " ... = 1: unknown key"),
    ),
    "name that forges a line": (
        'reference = "maml"',
        r'reference = "maml\n\u202e\u001b[31m"',
        ("a name has letters",),
    ),
    # numbers that only a slip of the keyboard can have made
    "too many tasks a batch": ("[4, 8]", "[4, 80000]", ("train.tasks_per_batch", "at most 10,000")),
    "too many queries": (
        "iterations = 1000\nquery_shots = 10",
        "iterations = 1000\nquery_shots = 100000",
        ("query_shots = 100000", "at most 10,000"),
    ),
    "too many shots": ("shots = [5, 10]", "shots = [5, 100000]", ("shots", "at most 10,000")),
    "too many ways": ("ways = [5, 20]", "ways = [5, 20000]", ("ways", "at most 10,000")),
    "too many episodes": (
        "episodes = 200",
        "episodes = 2000000",
        ("[evaluate] episodes = 2000000", "at most 1,000,000"),
    ),
    "too many steps": (
        "inner_steps = 5",
        "inner_steps = 50000",
        ("inner_steps = 50000", "at least 1, at most 10,000"),
    ),
    "too long a curve": (
        "inner_steps = 5",
        "inner_steps = 5\ncurve = [0, 50000]",
        ("curve = [0, 50000]", "each at most 10,000"),
    ),
    "too many filters": (
        "filters = 32",
        "filters = 32000",
        ("[models.conv4] filters = 32000", "at most 4,096"),
    ),
    "too wide a layer": (
        "[models.conv4]\nfilters = 32",
        "[models.mlp]\nhidden = [40, 400000]",
        ("hidden = [40, 400000]", "each at most 65,536"),
    ),
    "too many layers": (
        "[models.conv4]\nfilters = 32",
        f"[models.mlp]\nhidden = {[1] * 101}",
        ("hidden", "at least 1 of them, at most 100 of them"),
    ),
    "too large an image": (
        'rotations = "train"',
        "image_size = 10000",
        ("image_size = 10000", "at most 1,024"),
    ),
    "too long a training": (
        "iterations = 1000\nquery",
        "seconds = 1e9\nquery",
        ("[train] seconds", "at most 10,000,000"),
    ),
    # what cannot be together
    "image too small for the network": (
        'rotations = "train"',
        "image_size = 8",
        (":38: [datasets.omniglot] image_size = 8", "needs images of at least 16x16, not 8x8"),
    ),
    "target above the best score": (
        "every = 100",
        "every = 100\ntarget = 95",
        (
            "[validate] target = 95",
            "'omniglot' is accuracy, a fraction; expected at most 1, such as 0.95",
        ),
    ),
    "target of nothing": (
        "every = 100",
        "every = 100\ntarget = 0.0",
        ("[validate] target = 0.0", "greater than 0"),
    ),
    "steps without their schedule": (
        "iterations = 1000\n",
        "iterations = 1000\nstep_every = 10\n",
        (":20: [train] step_every = 10", 'schedule = "step"'),
    ),
    "factor of another schedule": (
        "train.iterations = 2000",
        'train.schedule = "cosine"\ntrain.step_factor = 0.1',
        ("[[override]] train.step_factor = 0.1", 'is for schedule = "step"'),
    ),
    "floor of a constant rate": (
        "iterations = 1000\n",
        "iterations = 1000\nschedule_floor = 0.1\n",
        ("[train] schedule_floor = 0.1", "is for a rate that falls"),
    ),
    "floor above the top": (
        "iterations = 1000\n",
        'iterations = 1000\nschedule = "linear"\nschedule_floor = 1.5\n',
        ("[train] schedule_floor = 1.5", "at most 1"),
    ),
    "axis of another schedule": (
        '"train.tasks_per_batch" = [4, 8]',
        '"train.step_every" = [4, 8]',
        ("train.step_every", 'is for schedule = "step"'),
    ),
    # control characters
    "escape in a title": (
        'title = "A good suite"',
        'title = "A \\u001b[31mgood suite"',
        (":1: title", "holds the control character U+001B"),
    ),
    "null in a description": (
        'title = "A good suite"',
        'description = "\\u0000"',
        ("description", "U+0000"),
    ),
    "carriage return in a claim": (
        'says = "Five',
        'says = "\\rFive',
        ("[[claims]] says", "U+000D"),
    ),
    "bell in a source": (
        'id = "cheaper"',
        'id = "cheaper"\nsource = "\\u0007"',
        ("[[claims]] source", "U+0007"),
    ),
    "old control character": ('title = "A good suite"', 'title = "\\u0085"', ("title", "U+0085")),
    # twice the same
    "algorithm twice": (
        '["maml", "protonet"]',
        '["maml", "maml"]',
        ("algorithms", '"maml" stands there twice'),
    ),
    "seed twice": (
        "shots = 1\nseeds = 2",
        "shots = 1\nseeds = [0, 0]",
        ("seeds = [0, 0]", "0 stands there twice"),
    ),
    "axis value twice": ("[4, 8]", "[4, 4.0]", ("axes", "stands there twice")),
    "two names for a cell": (
        "inner_steps = 5",
        "inner_steps = 1",
        ("[algorithms.maml_5]", "algorithm = maml,", "algorithm = maml_5,", "same cell"),
    ),
    "syntax": ("[train]", "[train", ("is not valid TOML", "line 18")),
    "key twice": ("every = 100", "every = 100\nevery = 100", ("is not valid TOML", "line 24")),
    # names that would become paths
    "path as a name": (
        "[algorithms.maml_5]",
        '[algorithms."../maml_5"]',
        ('[algorithms."../maml_5"]', "a name has letters"),
    ),
    "hidden name": ("[profiles.short]", '[profiles.".short"]', ("a name has letters",)),
    "option as a name": ('"maml_5", "scratch"', '"-maml_5", "scratch"', ("a name has letters",)),
    "long name": ('"maml_5", "scratch"', f'"{"a" * 65}", "scratch"', ("at most 64",)),
    "line break in a name": (
        '"maml_5", "scratch"',
        '"maml\\n", "scratch"',
        ("a name has letters",),
    ),
    # budgets
    "no budget": (
        "iterations = 1000\nquery",
        "query",
        ("[train]", "lacks its budget", "iterations, tasks, seconds"),
    ),
    "two budgets": (
        "iterations = 1000\nquery",
        "iterations = 1000\nseconds = 5.0\nquery",
        ("[train]", "iterations and seconds are each a budget"),
    ),
    # pairs that cannot be
    "regression with prototypes": (
        '"maml", "maml_5", "scratch"',
        '"maml", "protonet", "maml_5"',
        ("'protonet' serves classification only", "'sinusoid' is regression"),
    ),
    "ways other than the network has": (
        "train.iterations = 2000",
        "train.ways = 5",
        ("'maml'", "one output a class", "train.ways = 5"),
    ),
    "ways for regression": (
        "shots = [5, 10]",
        "shots = [5, 10]\nways = 5",
        ("[[grid]] ways = 5", "regression has no ways"),
    ),
    "no ways for classification": (
        "ways = [5, 20]\n",
        "",
        ("[[grid]] number 2", "lacks 'ways'", "omniglot"),
    ),
    "other dataset of another shape": (
        'batch_norm = "default"',
        'on = ["same", "omniglot"]',
        ('[evaluate] on = ["same", "omniglot"]', "regression"),
    ),
    "unknown other dataset": (
        'batch_norm = "default"',
        'on = "omniglott"',
        ("[evaluate] on", "did you mean 'omniglot'?"),
    ),
    # overrides
    "override of nothing": (
        "ways = 20 }",
        "ways = 10 }",
        ("[[override]] when.ways = 10", "matches nothing", "5, 20"),
    ),
    "override of a combination that is not there": (
        "ways = 20 }",
        "shots = 5 }",
        ("[[override]] when", "matches nothing"),
    ),
    "override of an unknown method": (
        '{ method = "maml",',
        '{ method = "mamml",',
        ("when.method", "did you mean 'maml'?"),
    ),
    "override that says nothing": (
        "algorithm.inner_lr = 0.1\ntrain.iterations = 2000",
        "",
        ("[[override]]", "sets nothing"),
    ),
    "override of a key the method lacks": (
        '{ method = "maml", dataset',
        "{ dataset",
        ("[[override]] algorithm.inner_lr = 0.1", "protonet takes"),
    ),
    "override against an axis": (
        "train.iterations = 2000",
        "train.tasks_per_batch = 2",
        ("'train.tasks_per_batch' is an axis",),
    ),
    "override of a method's test episodes": (
        "train.iterations = 2000",
        "evaluate.episodes = 10",
        ("evaluate.episodes = 10", "belong to the data"),
    ),
    "override of a method's data": (
        "train.iterations = 2000",
        'dataset.rotations = "all"',
        ("dataset.rotations", "belong to the data"),
    ),
    "algorithm's own validation": (
        "inner_steps = 5",
        "inner_steps = 5\nvalidate.episodes = 5",
        ("[algorithms.maml_5] validate.episodes", "belong to the data"),
    ),
    "override said twice": (
        "train.iterations = 2000",
        'train.iterations = 2000\n"train.iterations" = 3',
        ("[[override]]", "'train.iterations' is said twice"),
    ),
    # axes
    "axis of no section": (
        "train.tasks_per_batch",
        "trian.tasks_per_batch",
        ("trian.tasks_per_batch", "did you mean 'train'?"),
    ),
    "axis of no key": (
        "train.tasks_per_batch",
        "train.tasks_per_bach",
        ("unknown key", "did you mean 'tasks_per_batch'?"),
    ),
    "axis of a wrong value": (
        "[4, 8]",
        '[4, "8"]',
        ("train.tasks_per_batch", "expected a whole number"),
    ),
    "axis of a setting that one method lacks": (
        '"train.tasks_per_batch" = [4, 8]',
        '"algorithm.inner_lr" = [0.2]',
        ("algorithm.inner_lr", "protonet takes"),
    ),
    "axis that is no list": ("[4, 8]", "4", ("train.tasks_per_batch", "expected a list")),
    # queries and metrics
    "queries of each class in regression": (
        "iterations = 1000\nquery_shots = 10",
        "iterations = 1000\nquery_shots = [9, 1]",
        ("[train] query_shots = [9, 1]", "regression has no classes; say one number"),
    ),
    "queries of too few classes": (
        'rotations = "train"',
        'rotations = "train"\nevaluate.query_shots = [[9, 1]]',
        ("evaluate.query_shots", "has 2 numbers, one for each class", "5 ways; say 5 of them"),
    ),
    "queries of too few classes in training": (
        'rotations = "train"',
        'rotations = "train"\ntrain.query_shots = [9, 1]',
        ("train.query_shots = [9, 1]", "the episodes have 5 ways"),
    ),
    "queries of too few classes in validation": (
        'rotations = "train"',
        'rotations = "train"\nvalidate.query_shots = [9, 1]',
        ("validate.query_shots = [9, 1]", "the episodes have 5 ways"),
    ),
    "queries of one class": (
        "iterations = 1000\nquery_shots = 10",
        "iterations = 1000\nquery_shots = [10]",
        ("query_shots = [10]", "a whole number, at least 1, at most 10,000, or a list with one"),
    ),
    "queries of a class that has none": (
        'rotations = "train"',
        'rotations = "train"\nevaluate.query_shots = [[9, 0, 1, 1, 1]]',
        ("evaluate.query_shots", "a whole number, at least 1"),
    ),
    "disjoint episodes with different numbers of queries": (
        'rotations = "train"',
        'rotations = "train"\nevaluate.query_shots = [[3, 1, 1, 1, 1]]\n'
        'evaluate.sampling = "disjoint"',
        ("evaluate.query_shots", 'with sampling = "disjoint" every class has as many queries'),
    ),
    "unknown metric": (
        'batch_norm = "default"',
        'metric = "macro_f2"',
        ('[evaluate] metric = "macro_f2"', '"accuracy"', "did you mean 'macro_f1'?"),
    ),
    "metric of another kind of task": (
        'batch_norm = "default"',
        'metric = "macro_f1"',
        ("'sinusoid' is regression, and macro_f1 is for classification", "one of mse, mae"),
    ),
    "list of metrics": (
        'batch_norm = "default"',
        'metric = ["accuracy", "macro_f1"]',
        ("[evaluate] metric", 'expected one of "accuracy"'),
    ),
    "metric of one algorithm": (
        "inner_steps = 5",
        'inner_steps = 5\nevaluate.metric = "mae"',
        ("evaluate.metric", "all algorithms are scored by one metric; say it for all"),
    ),
    "target beyond a metric": (
        'rotations = "train"',
        'rotations = "train"\nevaluate.metric = "roc_auc"\nvalidate.target = 1.5',
        ("validate.target = 1.5", "the score on 'omniglot' is roc_auc, a fraction"),
    ),
    "claim about a metric of another kind of task": (
        "seconds_per_task",
        "macro_f1",
        ('metric = "macro_f1"', "is for classification, and the claim is about regression"),
    ),
    # claims
    "claim of nobody": (
        'of = "maml_5"',
        'of = "maml_6"',
        ('[[claims]] of = "maml_6"', "did you mean 'maml_5'?"),
    ),
    "claim against nobody": (
        'against = "maml"',
        'against = "mamml"',
        ("against", "did you mean 'maml'?"),
    ),
    "claim against nothing": ('against = "maml"\n', "", ("[[claims]]", "exactly one of against")),
    "claim against a list": (
        'against = "maml"',
        "against = [1]",
        ("against = [1]", "expected a string or a number"),
    ),
    "claim about no column": (
        "seconds_per_task",
        "seconds_per_tusk",
        ("metric", "did you mean 'seconds_per_task'?"),
    ),
    "claim about no group": (
        'where = { dataset = "sinusoid" }',
        "where = { shots = 7 }",
        ("[[claims]] where", "matches no group"),
    ),
    "claim about a group of another": (
        'where = { dataset = "sinusoid" }',
        "where = { ways = 5 }",
        ("[[claims]] where", "matches no group of maml_5"),
    ),
    "claim by no coordinate": (
        'where = { dataset = "sinusoid" }',
        "where = { datset = 1 }",
        ("where.datset", "did you mean 'dataset'?"),
    ),
    "claim against itself": (
        'against = "maml"',
        'against = "maml_5"',
        ('against = "maml_5"', "is the algorithm that the claim is about"),
    ),
    "claim about a target that nobody set": (
        "seconds_per_task",
        "iterations_to_target",
        ("metric", "needs a target, and [validate] says none"),
    ),
    "claim about tasks to a target that nobody set": (
        "seconds_per_task",
        "tasks_to_target",
        ("metric", "needs a target, and [validate] says none"),
    ),
    "claim about seconds to a target that nobody set": (
        "seconds_per_task",
        "seconds_to_target",
        ("metric", "needs a target, and [validate] says none"),
    ),
    "claim about seconds to a target, misspelt": (
        "seconds_per_task",
        "second_to_target",
        ("metric", "did you mean 'seconds_to_target'?"),
    ),
    "claim about gradients of what does not train": (
        'metric = "seconds_per_task"\nof = "maml_5"\nagainst = "maml"',
        'metric = "gradients_per_task"\nof = "maml_5"\nagainst = "scratch"',
        ("metric", "is about training on tasks, and scratch has none"),
    ),
    "claim about gradients, misspelt": (
        "seconds_per_task",
        "gradient_per_task",
        ("metric", "did you mean 'gradients_per_task'?"),
    ),
    "claim about a gain after nobody knows how many steps": (
        "seconds_per_task",
        "gain",
        ('[[claims]] metric = "gain"', "needs after", "after = 1"),
    ),
    "claim about a gain, misspelt": (
        "seconds_per_task",
        "gains",
        ("metric", "did you mean 'gain'?"),
    ),
    "claim about what is no gain after so many steps": (
        "ratio_above = 1.5",
        "ratio_above = 1.5\nafter = 1",
        ("[[claims]] after = 1", 'is for metric = "gain"'),
    ),
    "claim about a ratio to no gain at all": (
        'metric = "seconds_per_task"\nof = "maml_5"\nagainst = "maml"',
        'metric = "gain"\nafter = 1\nof = "maml_5"\nagainst = 0',
        ("[[claims]] against = 0", "a ratio is to a number above 0"),
    ),
    "claim about a ratio to fewer than no gradients": (
        'metric = "seconds_per_task"\nof = "maml_5"\nagainst = "maml"',
        'metric = "gradients_per_task"\nof = "maml_5"\nagainst = -1',
        ("[[claims]] against = -1", "a ratio is to a number above 0"),
    ),
    "claim about gradients that somebody published": (
        'metric = "seconds_per_task"\nof = "maml_5"\nagainst = "maml"',
        'metric = "gradients_per_task"\nof = "maml_5"\npublished = true',
        ("published", "is of scores; nobody publishes gradients_per_task"),
    ),
    "claim about a gain after no steps": (
        'metric = "seconds_per_task"',
        'metric = "gain"\nafter = 0',
        ("[[claims]] after = 0", "at least 1"),
    ),
    "claim about a gain after two steps of one": (
        'metric = "seconds_per_task"',
        'metric = "gain"\nafter = 2',
        ("[[claims]] after = 2", "after 2 steps", "the adaptation curve of maml has 0, 1"),
    ),
    "claim about a gain in a test after so many steps": (
        'batch_norm = "default"',
        'batch_norm = "default"\nsteps = [5, 3]\n[[claims]]\nid = "g"\nsays = "g"\n'
        'metric = "gain"\nafter = 5\nof = "maml_5"\nagainst = 0\ndifference_above = 0',
        ("[[claims]] after = 5", "the adaptation curve of maml_5 has 0, 1, 2, 3"),
    ),
    "claim about a gain over an unknown beginning": (
        "inner_steps = 5",
        'inner_steps = 5\ncurve = [1]\n[[claims]]\nid = "g"\nsays = "g"\n'
        'metric = "gain"\nafter = 1\nof = "maml_5"\nagainst = 0\ndifference_above = 0',
        ("[[claims]] after = 1", "the score after 0 and after 1 step", "maml_5 has 1, 5"),
    ),
    "claim without a bound": (
        "ratio_above = 1.5",
        "",
        ("[[claims]]", "says no bound", "equivalent_within"),
    ),
    "claim with two bounds": (
        "ratio_above = 1.5",
        "ratio_above = 1.5\nratio_below = 2.0",
        ("ratio_below and ratio_above", "exactly one"),
    ),
    "claim between the wrong way round": (
        "ratio_above = 1.5",
        "between = [2, 1]",
        ("between = [2, 1]", "smaller one first"),
    ),
    "claim of a ratio the wrong way round": (
        "ratio_above = 1.5",
        "ratio_between = [0.5, 0.3]",
        ("ratio_between = [0.5, 0.3]", "smaller one first"),
    ),
    "claim of a ratio below nothing": (
        "ratio_above = 1.5",
        "ratio_between = [0, 0.5]",
        ("ratio_between[0] = 0", "greater than 0"),
    ),
    "claim of a ratio, misspelt": (
        "ratio_above = 1.5",
        "ratio_betwen = [0.3, 0.5]",
        ("ratio_betwen", "did you mean 'ratio_between'?"),
    ),
    "claim between three": ("ratio_above = 1.5", "between = [1, 2, 3]", ("between", "two numbers")),
}


@pytest.fixture(autouse=True)
def _in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files_in(folder: Path) -> list[Path]:
    """All that lies in a folder, but for the bytecode that Python itself may leave beside a
    plugin."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def refusal(folder: Path, text: str | bytes) -> str:
    """Return the message with which a suite is refused, after seeing that nothing was written."""
    path = write_suite(folder, text)
    before = files_in(folder)
    with pytest.raises(ConfigError) as caught:
        load_suite("x", load_project(folder))
    assert path.exists()
    assert files_in(folder) == before
    assert caught.value.exit_status == 2
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    good, bad, says = BAD[name]
    assert good in GOOD
    message = refusal(tmp_path, GOOD.replace(good, bad, 1))
    assert message.startswith("suites/x.toml")
    for fragment in says:
        assert fragment in message, message


MANY = {
    "unknown keys": GOOD.replace(
        "[train]\n", "[train]\n" + "".join(f"iteration_{i} = {i}\n" for i in range(10_000))
    ),
    "unknown tables": GOOD + "".join(f"[tables.x{i}]\n" for i in range(10_000)),
    "wrong values": GOOD.replace("shots = [5, 10]", f"shots = [{', '.join(['0'] * 50_000)}]"),
    "wrong entries": GOOD
    + "".join(f'[algorithms.x{i}]\nmethod = "maml"\ninner_step = {i}\n' for i in range(2_000)),
    "wrong overrides": GOOD
    + '[[override]]\nwhen = { algorithm = "mamll" }\ntrain.query_shots = 3\n' * 5_000,
    "wrong claims": GOOD + '[[claims]]\nid = "x"\nsay = "x"\n' * 5_000,
    "parts of a key": GOOD + "a." * 100_000 + "a = 1\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_says_what_is_wrong_with_a_large_suite_within_seconds(tmp_path: Path, name: str) -> None:
    began = time.process_time()
    message = refusal(tmp_path, MANY[name])
    # where each problem is looked for in the whole text, minutes
    assert time.process_time() - began < 5
    assert len(message.splitlines()) <= 13
    assert len(message) < 10_000


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("loop", "odd.toml in suites/ is a link to odd.toml, where no file is"),
        ("dangling", "odd.toml in suites/ is a link to nowhere, where no file is"),
        ("pipe", "odd.toml in suites/ is another file, and a suite is a TOML file"),
        ("device", "odd.toml in suites/ is another file, and a suite is a TOML file"),
        ("folder", "odd.toml in suites/ is a folder, and a suite is a TOML file"),
        ("bytes", "no such suite; there are x in suites/"),
    ],
)
def test_what_is_no_file_is_no_suite_and_in_nobodys_way(
    tmp_path: Path, kind: str, says: str
) -> None:
    write_suite(tmp_path, GOOD)
    odd = tmp_path / "suites" / "odd.toml"
    make: dict[str, Callable[[], object]] = {
        "loop": lambda: odd.symlink_to("odd.toml"),
        "dangling": lambda: odd.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(odd),
        "device": lambda: odd.symlink_to("/dev/zero"),
        "folder": odd.mkdir,
        "bytes": lambda: Path(os.fsdecode(os.fsencode(odd) + b"\xff.toml")).touch(),
    }
    make[kind]()
    project = load_project(tmp_path)
    assert suite_names(project) == ["x"]
    assert load_suite("x", project).name == "x"
    with pytest.raises(ConfigError) as caught:
        load_suite("odd", project)
    assert str(caught.value) == f"'odd': {says}"
    if kind != "bytes":
        by_path = says.removeprefix("odd.toml in suites/ ")
        with pytest.raises(ConfigError, match=rf"^'suites/odd.toml': {by_path}$"):
            load_suite("suites/odd.toml", project)


@pytest.mark.parametrize(
    ("target", "says"),
    [("benchmark.toml", "symbolic links"), ("/dev/zero", "a device"), (None, "a named pipe")],
)
def test_a_project_file_that_is_no_file(tmp_path: Path, target: str | None, says: str) -> None:
    path = tmp_path / "benchmark.toml"
    if target is None:
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(ConfigError, match=f"^benchmark.toml: cannot be read: .*{says}"):
        load_project(tmp_path)


def test_a_file_larger_than_any_suite(tmp_path: Path) -> None:
    assert "larger than 1,048,576 bytes" in refusal(tmp_path, GOOD + "#" * 2**20)


def test_the_good_suite_is_good(tmp_path: Path) -> None:
    assert len(load(tmp_path, GOOD).cells) == 3 * 2 * 2 + 2 * 2 * 2 * 2


def test_everything_of_a_kind_is_said_at_once(tmp_path: Path) -> None:
    message = refusal(
        tmp_path,
        GOOD.replace("every = 100", "every = 0\nepisode = 1").replace(
            "[train]\n", "[train]\nshots = 'one'\n"
        ),
    )
    lines = message.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        '[train] shots = "one"',
        "[validate] every = 0",
        "[validate] episode = 1",
    ]
    assert [int(line.split(":")[1]) for line in lines] == sorted(
        int(line.split(":")[1]) for line in lines
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks 'grid'"),
        ("grid = 3", "expected a list of tables"),
        ("grid = []", "at least 1 of them"),
        (b"title = '\xff'", "is not UTF-8"),
        (b"\x00", "is not valid TOML"),
        ("[[grid]]\n[grid]", "is not valid TOML"),
    ],
)
def test_hardly_a_suite(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in refusal(tmp_path, text)


def test_explosion_is_refused_with_its_factors(tmp_path: Path) -> None:
    many = ", ".join(str(number) for number in range(1, 400))
    text = GOOD.replace("shots = [5, 10]\nseeds = 2", f"shots = [{many}]\nseeds = 500")
    assert "more than 100,000 cells: 3 algorithms x 1 datasets x 399 shots x 500 seeds" in refusal(
        tmp_path, text
    )
    lists = "\n".join(f"{key} = [{many}]" for key in ("episodes", "query_shots"))
    assert "more than 100,000 cells" in refusal(tmp_path, GOOD.replace("episodes = 200", lists))


def test_settings_that_are_impossible_together(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text('[plugins.methods]\nodd = "oddities:Odd"')
    text = GOOD.replace('method = "maml"\ninner_steps = 5', 'method = "odd"\nlow = 20')
    assert "[algorithms.maml_5]: low (20) is above high (10)" in refusal(tmp_path, text)


def test_batch_norm_that_a_method_cannot_be_tested_with(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text('[plugins.methods]\nodd = "oddities:Odd"')
    text = GOOD.replace('"maml", "protonet"', '"maml", "odd"').replace(
        'batch_norm = "default"', 'batch_norm = "joint"'
    )
    message = refusal(tmp_path, text)
    assert "[evaluate] batch_norm = \"joint\": 'odd' cannot be tested with" in message
    assert 'one of "query", "running"' in message


MODELS = '[plugins.models]\nnarrow = "oddities:Narrow"\n'
NARROW = (
    '[grid]\nalgorithms = "maml"\nmodels = "narrow"\ndatasets = "omniglot"\nways = '
    "5\nshots = 1\nseeds = 2\n[train]\niterations = 5\n"
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[datasets.omniglot]\nimage_size = 200",
            "suites/x.toml:11: [datasets.omniglot] image_size = 200: narrow takes inputs up to 100 "
            "wide, not 200",
        ),
        (
            "[models.narrow]\nwidth = 20",
            "suites/x.toml:11: [models.narrow] width = 20: narrow takes inputs up to 20 wide, not "
            "28",
        ),
        (
            "[[override]]\nmodel.width = 20",
            "suites/x.toml:11: [[override]] model.width = 20: narrow takes",
        ),
        (
            "[models.narrow]\nwidth = 20\nwidens = true",
            'suites/x.toml:3: [[grid]] models = "narrow": narrow takes inputs up to 20 wide, not '
            "28",
        ),
    ],
)
def test_a_network_of_somebody_elses_that_cannot_be_made(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "benchmark.toml").write_text(MODELS)
    assert refusal(tmp_path, NARROW + text).startswith(says)


def test_a_network_that_wants_weights_with_values_is_left_to_its_fit(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text(MODELS)
    assert len(load(tmp_path, NARROW + "[models.narrow]\nwidth = 20\nlooks = true").cells) == 2


def test_a_target_that_only_regression_can_reach_is_good_there(tmp_path: Path) -> None:
    text = (
        "[grid]\nalgorithms = 'maml'\ndatasets = 'sinusoid'\nshots = 5\nseeds = "
        "2\n[train]\niterations = 5\n[validate]\ntarget = 1.5"
    )
    assert {cell.target for cell in load(tmp_path, text).cells} == {1.5}


def test_ways_of_training_where_all_is_regression(tmp_path: Path) -> None:
    text = (
        "[grid]\nalgorithms = 'maml'\ndatasets = 'sinusoid'\nshots = 5\nseeds = "
        "2\n[train]\niterations = 5\nways = 5"
    )
    assert "[train] ways = 5: regression has no ways" in refusal(tmp_path, text)


def test_profile_and_suite_with_one_run_folder(tmp_path: Path) -> None:
    write_suite(tmp_path, GOOD)
    write_suite(tmp_path, GOOD, "x-short")
    with pytest.raises(ConfigError, match="would share a run folder"):
        load_suite("x", load_project(tmp_path), profile="short")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sute = 'x'", 'benchmark.toml:1: sute = "x": unknown key'),
        ("threads = 0", "threads = 0: expected a whole number, at least 1"),
        ("threads = 2000", "threads = 2000: expected a whole number, at least 1, at most 1,024"),
        ('reports = "a\\u0000b"', "holds the control character U+0000"),
        ("confidence = 95", "confidence = 95: expected a number, greater than 0.5, at most 0.9999"),
        ("[train]\niterations = 0", "benchmark.toml:2: [train] iterations = 0"),
        ("[plugins.method]\na = 'b:C'", "did you mean 'methods'?"),
        ("[plugins.methods]\na = 'b.C'", "[plugins.methods] a = 'b.C': expected 'module:Class'"),
        ("[plugins.methods]\nmaml = 'b:C'", "the name is taken by metabench.methods.maml:MAML"),
    ],
)
def test_bad_projects(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "benchmark.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_project(tmp_path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "which suite? Name one, or set suite in benchmark.toml; there are x in suites/"),
        ("y", "'y': no such suite; there are x"),
        ("suites/y.toml", "no such file"),
        ("suites/x", "no such file (did you mean 'suites/x.toml'?)"),
        ("suites/", "is a folder, and a suite is a TOML file"),
        ("./oddities.py", "is another file, and a suite is a TOML file"),
        (f"{'a/' * 4000}x.toml", "cannot be read: File name too long"),
        ("../x", "no such file"),
        ("..", "cannot name a suite"),
        ("suites/.toml", "cannot name a suite"),
        ("a\0b", "cannot name a suite"),
        ("", "cannot name a suite"),
    ],
)
def test_suites_that_are_not_there(tmp_path: Path, name: str | None, says: str) -> None:
    write_suite(tmp_path, GOOD)
    with pytest.raises(ConfigError) as caught:
        load_suite(name, load_project(tmp_path))
    assert says in str(caught.value)


NO_FIXTURE_RESET = [HealthCheck.function_scoped_fixture]


def load_or_refuse(folder: Path, text: str | bytes) -> None:
    """Any text at all is a suite or a `ConfigError` that names the file; nothing else may come of
    it."""
    write_suite(folder, text)
    message = "suites/x.toml"
    try:
        load_suite("x", load_project(folder))
    except ConfigError as error:
        message = str(error)
    assert message.startswith("suites/x.toml")


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(data=st.data())
def test_good_suites_gone_wrong(tmp_path: Path, data: st.DataObject) -> None:
    good = copy.deepcopy(read_document(write_suite(tmp_path, GOOD, "good")).data)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(good)))
        inside: Any = good
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = data.draw(ODD_VALUES)
    load_or_refuse(tmp_path, toml_text(good))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(data=st.data())
def test_misspelt_keys_are_told_with_their_place(tmp_path: Path, data: st.DataObject) -> None:
    good = copy.deepcopy(read_document(write_suite(tmp_path, GOOD, "good")).data)
    # names, not keys
    free = {
        ("algorithms", "maml_5"),
        ("models", "conv4"),
        ("datasets", "omniglot"),
        ("profiles", "short"),
    }
    path = data.draw(
        st.sampled_from(
            [path for path in places(good) if isinstance(path[-1], str) and path not in free]
        )
    )
    inside: Any = good
    for key in path[:-1]:
        inside = inside[key]
    misspelt = path[-1].replace("train.", "train.x") + "x"
    inside[misspelt] = inside.pop(path[-1])
    assert misspelt in refusal(tmp_path, toml_text(good))


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(text=st.one_of(st.binary(max_size=60), st.text(alphabet="[]{}=.,\"'ab1-# \n", max_size=60)))
def test_random_text(tmp_path: Path, text: str | bytes) -> None:
    load_or_refuse(tmp_path, text)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(position=st.integers(0, len(GOOD) - 1), noise=st.text(max_size=3))
def test_noise_in_a_good_suite(tmp_path: Path, position: int, noise: str) -> None:
    load_or_refuse(
        tmp_path, (GOOD[:position] + noise + GOOD[position + 1 :]).encode(errors="replace")
    )
