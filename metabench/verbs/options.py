"""What a run can be told, on the command line and in a notebook alike, and what may stand there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any, Literal

from annotated_types import Gt, MinLen
from pydantic import AfterValidator

from metabench.errors import ConfigError
from metabench.provenance.compiler import CompileMode
from metabench.registry.settings import check
from metabench.runner.resources import EngineName, Resources, resources
from metabench.suite import Suite, load_suite, parse_seeds
from metabench.suite.project import Project, home_expanded
from metabench.suite.value_types import Seed, Threads, Workers
from metabench.text import one_line

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,4})?")


def _a_device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise ValueError
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError
    return text


@dataclass(frozen=True)
class Options:
    """The annotations are the whole of the check (see `settings`); None means that nothing was
    said."""

    suite: Annotated[str | Path | None, "a suite by name or path"] = None
    profile: str | None = None
    seeds: Annotated[
        Annotated[tuple[Seed, ...], MinLen(1)] | str | None,
        "a list of seeds such as [0, 1], or '0-4'",
    ] = None
    only: Annotated[
        tuple[str, ...] | str, "restrictions such as 'algorithm=maml', or a list of them"
    ] = ()
    workers: Workers | None = None
    threads: Threads | None = None
    device: Annotated[str, AfterValidator(_a_device), "auto, cpu, cuda or cuda:N"] = "auto"
    engine: EngineName = "process"
    compile: CompileMode | None = None
    timeout: Annotated[float, Gt(0)] | None = None
    fail_fast: bool = False
    stale: Literal["keep", "rerun"] | None = None
    out: Annotated[Annotated[str, AfterValidator(_not_empty)] | Path | None, "a folder"] = None


def settle(options: Options, project: Project) -> tuple[Suite, Resources, Path]:
    """Return the suite that is meant, what to run it on, and its run folder; what is not said is as
    `benchmark.toml` has it.

    Raises
    ------
    ConfigError
        There is no such suite or device, or the suite says something impossible.
    """
    seeds = parse_seeds(options.seeds) if isinstance(options.seeds, str) else options.seeds
    only = (options.only,) if isinstance(options.only, str) else options.only
    named = None if options.suite is None else str(options.suite)
    suite = load_suite(named, project, profile=options.profile, seeds=seeds, only=only)
    workers = project.workers if options.workers is None else options.workers
    if options.engine == "inline" and (options.workers or 0) > 1:
        raise ConfigError(
            f"{options.workers} workers need processes of their own: the engine 'inline' runs one "
            "fit after another"
        )
    using = resources(options.device, workers, options.threads or project.threads, options.engine)
    using = replace(using, compile=options.compile or project.compile)
    return (
        suite,
        using,
        home_expanded(options.out).absolute() if options.out else project.reports / suite.name,
    )


def of_command_line(parsed: argparse.Namespace) -> Options:
    """Return the options of a verb that plans or runs; what else it takes is its own.

    Raises
    ------
    ConfigError
        Names the option, what stands there, and what may.
    """
    said = {
        field.name: getattr(parsed, field.name)
        for field in fields(Options)
        if hasattr(parsed, field.name)
    }
    return _checked(
        said, lambda option, value: f"--{option.replace('_', '-')} {one_line(value) or repr('')}"
    )


def of_python(said: Mapping[str, Any]) -> Options:
    """Return options as they were said by keyword; ranges, and the arrays and numbers of NumPy, are
    as good as Python's own.

    Raises
    ------
    ConfigError
        Names the option, what stands there, and what may.
    """
    return _checked(
        {option: _plain(value) for option, value in said.items()},
        lambda option, value: f"{option} = {shortened(value)}",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, range | list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _checked(said: Mapping[str, Any], spelt: Callable[[str, Any], str]) -> Options:
    values = {}
    for option, value in said.items():
        try:
            values[option] = check(Options, "a run", option, value)
        except ValueError as error:
            raise ConfigError(f"{spelt(option, value)}: {error}") from None
    return Options(**values)
