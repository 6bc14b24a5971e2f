"""What can be read off a record: numbers that it holds, and those that follow from them. Each
function takes a record, and gives a number, or None where nothing says it.

`quantities` says what each is, and how it is summed up and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

Record = Mapping[str, Any]
Reading = Callable[[Record], float | None]


def at(path: str) -> Reading:
    """Return what reads the number at a dotted path of a record; None where none stands there."""
    keys = path.split(".")

    def value(record: Record) -> float | None:
        found: Any = record
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return found if is_number else None

    return value


def end_of_interval(place: Literal[0, 1]) -> Reading:
    """An end of the interval over the test episodes of the one model."""

    def value(record: Record) -> float | None:
        ends: list[float | None] = record["result"].get("interval") or []
        return ends[place] if len(ends) == 2 else None

    return value


def gain_first_step(record: Record) -> float | None:
    """Score after the first adaptation step less that before any; None where the curve has no
    points at 0 and 1."""
    curve = record["result"].get("adaptation") or {}
    steps, scores = (curve.get("steps") or [])[:2], (curve.get("score") or [])[:2]
    if steps != [0, 1] or len(scores) < 2 or None in scores:
        return None
    return float(scores[1] - scores[0])


def iterations_to_target(record: Record) -> float | None:
    """The first validated iteration whose score reached the target; None where none did, and where
    there is no target."""
    target, curve = record.get("target") or {}, record["result"].get("validation") or {}
    wanted, higher_is_better = target.get("score"), target.get("higher_is_better")
    if wanted is None or higher_is_better is None:
        return None
    sign = 1 if higher_is_better else -1
    points = zip(*(curve.get(key) or [] for key in ("iteration", "score", "loss")), strict=False)
    return next(
        (
            iteration
            for iteration, score, loss in points
            if None not in (score, loss) and sign * score >= sign * wanted
        ),
        None,
    )


def training_seconds(record: Record) -> float | None:
    """Seconds of training; None of a method that does not train, which takes no time at no cost."""
    trained = at("result.iterations")(record)
    return None if trained == 0 else at("measured.training_seconds")(record)


def to_target(total: Reading) -> Reading:
    """Return what reads the share of a `total` of the training that was spent when the target was
    reached first, at the mean rate of its iterations; None where it was not reached, and of a
    training that spent nothing of it."""

    def value(record: Record) -> float | None:
        done, spent = iterations_to_target(record), total(record)
        iterations = at("result.iterations")(record)
        return done * spent / iterations if done and spent and iterations else None

    return value


def gradients_per_task(record: Record) -> float | None:
    """Gradient evaluations of the training over its tasks; None where it met none."""
    tasks = at("result.spent.tasks")(record)
    gradients = at("result.spent.gradient_evaluations")(record)
    return gradients / tasks if tasks and gradients is not None else None


def gains(record: Record) -> dict[int, float]:
    """Return, by the number of steps of adaptation, by how much they improved the score that there
    was before the first: by how much it rose, or fell where lower is better. Nothing where the
    curve does not begin before the first step."""
    curve = record["result"].get("adaptation") or {}
    higher_is_better = (record.get("metric") or {}).get("higher_is_better")
    scores = dict(zip(curve.get("steps") or [], curve.get("score") or [], strict=False))
    before = scores.pop(0, None)
    if before is None or higher_is_better is None:
        return {}
    sign = 1 if higher_is_better else -1
    return {
        steps: float(sign * (score - before))
        for steps, score in scores.items()
        if type(steps) is int and score is not None
    }
