"""What of a suite is timed, and with what in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from metabench.cells import Cell, Fit
from metabench.identity import canonical, digest
from metabench.provenance.compiler import compilation
from metabench.records import TimedAlgorithm, TimedSetting
from metabench.runner.forecast import iterations_of
from metabench.runner.needs import trains
from metabench.runner.shortened import shortened_fit

if TYPE_CHECKING:
    from metabench.runner.resources import Resources
    from metabench.suite import Suite

EPISODES = 4
"""Of the validation and the test that end a short training; neither is timed."""


@dataclass(frozen=True)
class Short:
    """A kind of fit, cut short: a cell of it, what it stands for, and with which others it is timed
    in turn."""

    cell: Cell
    algorithm: TimedAlgorithm
    place: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Digest of all that its speed depends on."""
        return self.algorithm.kind


def shorts_of(suite: Suite, iterations: int, using: Resources) -> list[Short]:
    """The selected fits that train, one a kind: at the lowest seed that there is of it. What
    differs in length alone is of one kind, unless that decides whether it is compiled."""
    kinds: dict[tuple[str, str], Short] = {}
    cells = [cell for cell in suite.cells if cell.id in suite.selected]
    for cell in sorted(cells, key=lambda cell: cell.seed):
        fit = cell.fit
        if not trains(fit) or not fit.train.has_budget:
            continue
        budget = None if fit.train.seconds else iterations_of(fit)
        new = _short(cell, iterations, using)
        key = canonical(new.place), new.kind
        known = kinds.get(key, new)
        fits = {**known.algorithm.fits, fit.id: budget}
        kinds[key] = replace(known, algorithm=replace(known.algorithm, fits=fits))
    return list(kinds.values())


def _short(cell: Cell, iterations: int, using: Resources) -> Short:
    compiler = compilation(using.compile, cell.fit, using.device).compiler
    fit = cut_short(cell.fit, iterations)
    kind = fit.at_seed(0).id
    if compiler:
        kind = digest([kind, compiler])
    evaluate = replace(cell.evaluate, episodes=min(EPISODES, cell.evaluate.episodes))
    return Short(
        replace(cell, fit=fit, evaluate=evaluate),
        TimedAlgorithm(str(cell.labels["algorithm"]), kind, {}, compiler),
        _place(cell),
    )


def cut_short(fit: Fit, iterations: int) -> Fit:
    return shortened_fit(fit, iterations, every=iterations, episodes=EPISODES)


def _place(cell: Cell) -> dict[str, Any]:
    """What is shared by those that are timed in turn: all labels but those of the algorithm and of
    the test, and the shape of the training episodes."""
    train = cell.fit.train
    apart = ("algorithm", "on")
    labels = {
        key: canonical(value) if isinstance(value, list | dict) else value
        for key, value in cell.labels.items()
        if key not in apart and not key.startswith("evaluate.")
    }
    return {**labels, "ways": train.ways, "shots": train.shots}


def settings_of(shorts: Sequence[Short]) -> list[tuple[TimedSetting, list[Short]]]:
    grouped: dict[str, list[Short]] = {}
    for short in shorts:
        grouped.setdefault(canonical(short.place), []).append(short)
    return [
        (
            TimedSetting(
                digest([place, sorted(short.kind for short in members)])[:12],
                members[0].place,
                tuple(short.algorithm for short in members),
            ),
            members,
        )
        for place, members in grouped.items()
    ]


def name_of_setting(setting: TimedSetting) -> str:
    names = ", ".join(one.algorithm for one in setting.algorithms)
    return f"{words_of(setting.place)}: {names} in turn"


def words_of(place: Mapping[str, Any]) -> str:
    ways = f"{place['ways']}-way " if place.get("ways") else ""
    rest = [
        f"{key} {value}"
        for key, value in place.items()
        if key not in ("dataset", "ways", "shots", "model") and value is not None
    ]
    shape = f"{place.get('dataset')} {ways}{place.get('shots')}-shot"
    return ", ".join([shape, *rest])
