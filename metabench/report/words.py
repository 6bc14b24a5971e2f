"""How numbers are written for people. Unknown is always a dash."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from metabench.stats.power import MOST
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.typed_rows import GroupRow, Metric, Summary

DASH = "–"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
NBSP = "\N{NO-BREAK SPACE}"


def score(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A score without its unit: fractions in per cent with two decimals, others with three digits
    that count; or with as many `decimals` as are said."""
    if value is None:
        return DASH
    shown = 100 * value if unit == "fraction" else value
    if decimals is not None and abs(shown) < 1e6:
        return _signs(f"{shown:.{decimals}f}")
    return _signs(f"{shown:.2f}" if unit == "fraction" else _digits(value))


def decimals(low: float | None, high: float | None, unit: str) -> int | None:
    """How many decimals show two digits of half an interval; None where there is none."""
    if low is None or high is None or not math.isfinite(high - low) or high <= low:
        return None
    half = (100 if unit == "fraction" else 1) * (high - low) / 2
    return min(max(1 - math.floor(math.log10(half)), 0), 6)


def difference(value: float | None, unit: str) -> str:
    """A difference of scores, with its sign: in points for fractions."""
    if value is None:
        return DASH
    return _signs(
        f"{100 * value:+.2f}"
        if unit == "fraction"
        else f"{'+' if value >= 0 else ''}{_digits(value)}"
    )


def gaps(values: Sequence[float], of: Metric) -> str:
    """How far apart scores are, without a sign: `4.94 points`, `1.20 to 4.94 points`, `0.310 of
    MSE`."""
    ends = span((min(values), max(values)), lambda end: score(end, of.unit))
    return f"{ends} {'points' if of.unit == 'fraction' else f'of {metric(of.name)}'}"


def detectable(value: float | None, metric: Metric) -> str:
    """The smallest difference that could have been found; where no two scores can differ by so
    much, that it is more than that."""
    if value is not None and metric.unit == "fraction" and value > 1:
        return f">{THIN}{score(1.0, metric.unit)}"
    return score(value, metric.unit)


def least(row: ComparisonRow) -> str:
    """The smallest difference that so many seeds find, or the smallest ratio: `1.20`, `×1.3`."""
    if row.detectable_ratio is not None:
        return f"×{THIN}{amount(row.detectable_ratio, 'ratio')}"
    return detectable(row.detectable_difference, row.metric)


def least_seeds(row: ComparisonRow) -> str:
    """How many seeds would find what must not pass unnoticed: `3 points: 14 seeds`."""
    if row.margin is None:
        return ""
    margin = f"{100 * row.margin:.3g} points" if row.scale == "linear" else f"×{THIN}{row.margin:g}"
    seeds = f">{THIN}{count(MOST)}" if row.seeds_for_margin is None else count(row.seeds_for_margin)
    return f"{margin}: {seeds} seeds"


def second_opinions(row: ComparisonRow) -> str:
    """What tests without a normal law say of a comparison: `sign flips 0.031, Wilcoxon 0.031`."""
    if row.p_sign_flip is None:
        return ""
    flips, ranks = (p_value(p, row.level) for p in (row.p_sign_flip, row.p_wilcoxon))
    return f"sign flips {flips}, Wilcoxon {ranks}"


def effect(row: ComparisonRow) -> str:
    """What a comparison found: `+4.94`; of errors the ratio, `×0.527`, which agrees with their
    geometric means as their difference need not."""
    if row.scale == "log":
        return f"×{THIN}{amount(row.ratio, 'ratio')}"
    return difference(row.difference, row.metric.unit)


def effect_interval(row: ComparisonRow) -> str:
    """The interval of what was compared: `[−1.20, 3.00]`; of error rates, whose difference has
    none, the ratio with its: `×0.5 [0.4, 0.6]`."""
    if row.ratio is None:
        return interval(row.low, row.high, row.metric.unit)
    told = amounts(row.ratio_low, row.ratio_high, "ratio")
    if row.scale == "log":
        return told or DASH
    return f"×{THIN}{amount(row.ratio, 'ratio')} {told}".strip()


def ranks(group: GroupRow) -> str:
    """Within which ranks it lies: `rank 1`, `rank 1 to 3`."""
    ends = span((group.rank_best or 0, group.rank_worst or 0), count)
    return "" if group.rank_best is None else f"rank {ends}"


def failures(group: GroupRow) -> str:
    """How often its cells do not complete: `20 % fail [0.5, 72]`."""
    if group.failure_rate is None:
        return ""
    ends = interval(group.failure_rate_low, group.failure_rate_high, "fraction")
    return f"{100 * group.failure_rate:.0f}{THIN}% fail {ends}"


def interval(low: float | None, high: float | None, unit: str, decimals: int | None = None) -> str:
    """`[95.39, 96.23]`."""
    if low is None or high is None:
        return DASH
    return f"[{score(low, unit, decimals)}, {score(high, unit, decimals)}]"


def half_width(
    low: float | None, high: float | None, unit: str, decimals: int | None = None
) -> str:
    """`± 0.42`."""
    if low is None or high is None:
        return DASH
    return f"±{THIN}{score((high - low) / 2, unit, decimals)}"


def spread(summary: Summary, unit: str, decimals: int | None = None) -> str:
    """How sure a mean is: `± 0.42`, or `[0.15, 0.31]` where the interval is not even about it."""
    value, low, high = summary.value, summary.low, summary.high
    if value is None or low is None or high is None:
        return ""
    if abs((high - value) - (value - low)) > 0.02 * (high - low):
        return interval(low, high, unit, decimals)
    return half_width(low, high, unit, decimals)


def p_value(value: float | None, level: float = 0.05) -> str:
    """A p with three decimals, or as many as it takes to be seen on its side of the level."""
    if value is None:
        return DASH
    if value < 0.001 <= level:
        return f"<{THIN}0.001"
    return next(filter(partial(_is_beside, value, level), _decimals(value)), repr(value))


def p_phrase(value: float | None, level: float = 0.05) -> str:
    """`p < 0.001` or `p = 0.021`, for a sentence."""
    told = p_value(value, level)
    if value is None:
        return f"p{NBSP}{told}"
    return f"p{NBSP}{told.replace(THIN, NBSP) if told[0] == '<' else f'={NBSP}{told}'}"


def _decimals(value: float) -> Iterator[str]:
    """A number with three decimals, with four, and so on."""
    return (f"{value:.{digits}f}" for digits in range(3, 16))


def _is_beside(value: float, level: float, told: str) -> bool:
    """Whether a p as it is told is not nothing, and lies on its own side of the level."""
    if float(told) == 0 < value:
        return False
    if math.isclose(value, level, rel_tol=1e-9):
        return True
    return not math.isclose(float(told), level, rel_tol=1e-9) and (float(told) < level) == (
        value < level
    )


def plain(value: float | None) -> str:
    """A number with two decimals."""
    return DASH if value is None else _signs(f"{value:.2f}")


def plain_number(value: float) -> str:
    """A number as it was declared: `0.9`, `1 000`."""
    return _signs(f"{value:,.10g}".replace(",", THIN))


def count(value: float | None) -> str:
    """A whole number with its thousands set apart."""
    return DASH if value is None else f"{round(value):,}".replace(",", THIN)


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it."""
    if value is None:
        return DASH
    if value == 0:
        return f"0{THIN}s"
    for limit, factor, unit in (
        (1e-3, 1e6, "µs"),
        (1, 1e3, "ms"),
        (120, 1, "s"),
        (7200, 1 / 60, "min"),
        (float("inf"), 1 / 3600, "h"),
    ):
        if value < limit:
            return f"{_digits(value * factor)}{THIN}{unit}"
    raise ValueError(f"{value} is no duration")


def size(value: float | None) -> str:
    """Bytes in the unit that suits them."""
    if value is None:
        return DASH
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{_digits(value)}{THIN}{unit}"
        value /= 1024
    return f"{_digits(value)}{THIN}GiB"


SIZED: Mapping[str, Callable[[float | None], str]] = {"seconds": seconds, "bytes": size}
"""Units whose numbers are written in whichever of their multiples suits."""

COUNTED = ("iterations", "tasks", "evaluations")
"""Units that are counted, whose names stand behind the number."""


def ratio(value: float | None) -> str:
    """A factor with two digits that count: `0.52`, `12`."""
    return DASH if value is None else f"{value:#.2g}".rstrip(".") if value < 100 else count(value)


def amount(value: float | None, unit: str) -> str:
    """A difference or a ratio together with its unit: `+2.10 points`, `0.52`, `−12.3 ms`."""
    if value is None:
        return DASH
    if unit == "ratio":
        return _digits(value)
    if unit in SIZED or unit in COUNTED:
        sign = "+" if value >= 0 else MINUS
        return f"{sign}{quantity(abs(value), unit)}{f' {unit}' if unit in COUNTED else ''}"
    return f"{difference(value, unit)}{' points' if unit == 'fraction' else ''}"


def amounts(low: float | None, high: float | None, unit: str) -> str:
    """The interval of an amount: `[+1.20, +3.00] points`, `[0.49, 0.52]`, `[−12.3 ms, −2.0 ms]`."""
    if low is None or high is None:
        return ""
    if unit == "fraction":
        return f"[{difference(low, unit)}, {difference(high, unit)}]"
    return f"[{amount(low, unit)}, {amount(high, unit)}]"


def quantity(value: float | None, unit: str) -> str:
    """A number in its own unit, as `1.2 s`, `612 MiB` or `8 000`."""
    return SIZED.get(unit, count)(value)


def span(ends: tuple[float, float] | None, write: Callable[[float | None], str]) -> str:
    """`41.0 s to 82.2 s`, or one of them where both read alike."""
    low, high = (write(end) for end in ends or (None, None))
    return low if low == high else f"{low} to {high}"


def metric(name: str) -> str:
    """A metric's name as a heading: `Accuracy`, `MSE`, `Macro F1`."""
    short = ("mse", "mae", "roc", "auc", "f1")
    words = [word.upper() if word in short else word for word in name.split("_")]
    if len(name) <= 4:
        return name.upper()
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def slug(text: str) -> str:
    """Text as part of an address: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _digits(value: float) -> str:
    """Three digits that count, and never an exponent where a plain number will do."""
    if (
        value and not 1e-4 <= abs(value) < 1e15
    ):  # infinite too, as the end of a ratio's interval can be
        return f"{value:.2e}"
    if abs(value) < 1:
        return f"{value:#.3g}"
    decimals = max(0, 3 - len(str(int(abs(value)))))
    return f"{value:,.{decimals}f}".replace(",", THIN)


def _signs(text: str) -> str:
    return text.replace("-", MINUS)


def fact_name(name: str) -> str:
    """A fact of the environment: `conditions · gpu name`; the path of a source stays as it is."""
    start = name.rfind(".", 0, name.find("/")) + 1 if "/" in name else len(name)
    said = name[:start].strip(".").replace("_", " ").replace(".", " · ")
    return " · ".join(filter(None, (said, name[start:])))
