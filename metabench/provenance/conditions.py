"""The conditions under which numbers are made: all that bits depend on besides the configuration.

A record under other conditions than those of now is stale. Nothing here imports torch.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metabench import registry
from metabench.cells import Cell, Fit, Part
from metabench.errors import ConfigError, some
from metabench.identity import digest
from metabench.provenance.compiler import Compilation, CompileMode, compilation
from metabench.provenance.environment import cpu_capability, gpu, version
from metabench.provenance.sources import sources_of

DIGEST = "conditions_digest"
_LIBRARIES = ("torch", "numpy", "scipy")


class Conditions:
    """Conditions of each cell and fit under given threads and device, as they are here; looked up
    once for each set of parts.

    Parameters
    ----------
    device
        `cpu`, `cuda` or `cuda:N`.
    project
        The project's folder: what plugins import from there counts.
    compile
        Which fits have their training steps compiled.
    """

    def __init__(
        self,
        threads: int,
        device: str,
        project: Path | None = None,
        compile: CompileMode = "never",
    ) -> None:
        self._threads = threads
        self._device = device
        self._project = project
        self._compile = compile
        self._known: dict[tuple[tuple[str, ...], str | None], dict[str, Any]] = {}

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Those of a cell: training and test."""
        return self.of(targets_of(cell.fit, cell.evaluate.on), self.compilation(cell.fit).compiler)

    def fit(self, fit: Fit) -> dict[str, Any]:
        """Those of a fit: what it is tested on does not count."""
        return self.of(targets_of(fit), self.compilation(fit).compiler)

    def compilation(self, fit: Fit) -> Compilation:
        """Whether the training steps of a fit are compiled."""
        return compilation(self._compile, fit, self._device)

    def of(self, targets: tuple[str, ...], compiler: str | None = None) -> dict[str, Any]:
        """Those of whatever has these parts, its training steps compiled by `compiler`.

        Raises
        ------
        ConfigError
            A source cannot be read.
        """
        if (targets, compiler) not in self._known:
            try:
                self._known[targets, compiler] = conditions(
                    self._threads, self._device, targets, self._project, compiler
                )
            except OSError as error:
                why = error.strerror or str(error)
                place = f"{error.filename}: " if error.filename else ""
                raise ConfigError(
                    f"a source of {', '.join(targets)} cannot be read: {place}{why}"
                ) from error
        return self._known[targets, compiler]


def conditions(
    threads: int,
    device: str,
    targets: Iterable[str] = (),
    project: Path | None = None,
    compiler: str | None = None,
) -> dict[str, Any]:
    """All that bits depend on besides the configuration.

    Parameters
    ----------
    threads
        Threads of one fit.
    device
        `cpu`, `cuda` or `cuda:N`.
    targets
        `module:Class` of the parts of a fit; what they import counts (see `sources`).
    compiler
        What compiles the training steps; None where they run as they are written, and then nothing
        is said of it.

    Returns
    -------
    dict[str, Any]
        The facts, and `conditions_digest` over them.
    """
    kind = device.partition(":")[0]
    parts = sorted(set(targets))
    used = sources_of(parts, project)
    facts = {
        "parts": parts,
        "sources": used.files,
        "packages": {name: version(name) for name in used.packages if name not in _LIBRARIES},
        **{name: version(name) for name in _LIBRARIES},
        "device": kind,
        "gpu": gpu()["gpu"] if kind == "cuda" else None,
        "threads": threads,
        "cpu_capability": cpu_capability(),
        "machine": platform.machine(),
        **({"compiler": compiler} if compiler else {}),
    }
    return {**facts, DIGEST: digest(facts)}


def targets_of(fit: Fit, on: Part | None = None) -> tuple[str, ...]:
    """The `module:Class` of every part of a fit, and of those that it needs, and of the dataset
    that it is tested `on`."""
    parts = [part for one in fit.family() for part in one.parts]
    tested = [] if on is None else [registry.target("datasets", on.name)]
    return (*(registry.target(group, part.name) for group, part in parts), *tested)


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each condition that is not what it was: `torch 2.14.0 -> 2.15.0`,
    `metabench/methods/maml.py changed`."""
    if recorded.get(DIGEST) == now.get(DIGEST):
        return []
    found = list(_differences(recorded, now))
    return found or ["conditions"]


def differing_conditions(
    record: Mapping[str, Any],
    now: Mapping[str, Any],
    of_fit: Mapping[str, Any],
    of_needs: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """What was not as it is now when a record was made, or when the weights were made that it took;
    nothing where all was the same.

    Parameters
    ----------
    now, of_fit, of_needs
        Conditions of the cell, of its fit, and by their roles of the fits whose weights that takes.
    """
    made_on = record["provenance"]
    found = differences(made_on.get("conditions") or {}, now)
    if made_on.get("training_conditions"):
        found += differences(made_on["training_conditions"], of_fit)
    taken = made_on.get("needs") or {}
    found += [
        f"the weights of its {role}"
        for role, conditions_now in of_needs.items()
        if role in taken and taken[role].get(DIGEST) != conditions_now[DIGEST]
    ]
    return tuple(dict.fromkeys(found))


def counted(causes: Iterable[Iterable[str]]) -> list[str]:
    """Why cells are stale, each cause once with the number of its cells, the commonest first."""
    numbers = Counter(cause for of_cell in causes for cause in of_cell)
    return [
        f"{cause} ({number} cell{'s' * (number > 1)})" for cause, number in numbers.most_common()
    ]


def _differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in {**recorded, **now}:
        then, here = recorded.get(name), now.get(name)
        if name == DIGEST or then == here:
            continue
        if name == "sources":
            yield from _changed_files(then or {}, here or {})
        elif name == "packages":
            yield from _differences(then or {}, here or {})
        else:
            yield f"{name} {_in_words(then)} -> {_in_words(here)}"


def _changed_files(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    if not then:
        yield "sources, of which the record does not tell each"
        return
    for file in sorted({**then, **now}):
        if file not in now:
            yield f"{file} no longer used"
        elif file not in then:
            yield f"{file} newly used"
        elif then[file] != now[file]:
            yield f"{file} changed"


def _in_words(value: Any) -> str:
    return some(map(str, value)) if isinstance(value, list) else str(value)
