"""Which fits of a run have their training steps compiled, and by what.

It is a rule on what a suite declares, never a measurement: compiled and eager steps round
differently, and the same fit must have the same digits wherever it runs. Nothing here imports torch
where nothing is to be compiled.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from metabench import registry
from metabench.cells import Fit, Part
from metabench.registry.settings import build

CompileMode = Literal["never", "auto", "always"]
COMPILE_MODES: tuple[CompileMode, ...] = get_args(CompileMode)

REPAID_AFTER = 10_000
"""Iterations from which `auto` compiles, where a network says that it has no batch normalisation.
To compile such a step takes some ten seconds of a core, and saves milliseconds an iteration.
Networks of images spend their time in kernels that are as fast uncompiled."""


@dataclass(frozen=True)
class Compilation:
    """What becomes of the training steps of a fit.

    Attributes
    ----------
    compiler
        What compiles them, with its version; None where they run as they are written.
    remark
        Why they are not compiled, where a run asks for it and they could be; else empty.
    """

    compiler: str | None = None
    remark: str = ""


EAGER = Compilation()


def compilation(mode: CompileMode, fit: Fit, device: str) -> Compilation:
    """Decide on a fit that is to run on a device (`cpu`, `cuda` or `cuda:N`) here."""
    if mode == "never" or not registry.make("methods", fit.method).compiles:
        return EAGER
    if mode == "auto" and not (_iterations(fit) >= REPAID_AFTER and _is_plain(fit.model)):
        return EAGER
    if device != "cpu":
        return Compilation(remark="training steps are not compiled: they are on a CPU alone")
    if (compiler := cpp_compiler()) is None:
        return Compilation(
            remark=f"training steps are not compiled: there is no C++ compiler `{command()}` "
            "(CXX names another one)"
        )
    return Compilation(compiler)


def command() -> str:
    """The C++ compiler that is asked for: CXX, or the usual one."""
    return os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")


def cpp_compiler() -> str | None:
    """What the C++ compiler here says that it is; None where there is none that works."""
    found = shutil.which(command())
    return None if found is None else _version(found)


@cache
def _version(path: str) -> str | None:
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return said.partition("\n")[0].strip() or None


def _is_plain(model: Part | None) -> bool:
    """Whether a network says that it has no batch normalisation."""
    if model is None:
        return False
    found = registry.get("models", model.name)
    says = getattr(found, "has_batch_norm", None)
    return says is not None and not says(build(found.Settings, model.settings))


def _iterations(fit: Fit) -> float:
    """Iterations of a training; of one with a budget in seconds, nobody knows: none."""
    if fit.train.tasks is not None:
        return math.ceil(fit.train.tasks / fit.train.tasks_per_batch)
    return fit.train.iterations or 0
