"""The tables of the page in forms to take away, each within the page itself: links to files beside
it would break once it is shared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from metabench.report import words
from metabench.report.blocks import Block, Comparison, Group
from metabench.tables import Run
from metabench.tables.frames import csv_text

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    words.MINUS: r"$-$",
    words.DASH: "--",
    words.THIN: r"\,",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}
_TEX_SIGN = re.compile("|".join(map(re.escape, _TEX)))


@dataclass(frozen=True)
class File:
    """A file to take away: its name, the short word on the first screen if it stands there, what it
    holds, and its content as an address."""

    name: str
    label: str
    about: str
    address: str


@dataclass(frozen=True)
class Rows:
    """A table of text, in parts that have titles."""

    headings: Sequence[str]
    parts: Sequence[tuple[str, Sequence[Sequence[str]]]]


def downloads(run: Run, blocks: Sequence[Block]) -> list[File]:
    """Return the files of a run."""
    rows = scores(blocks)
    name = words.slug(str(run.info["suite"])) or "run"
    level = f"{100 * run.confidence:g} %"
    return [
        _file(f"{name}-groups.csv", "CSV", "all numbers, a row a group", csv_text(run.groups)),
        _file(
            f"{name}-comparisons.csv",
            "",
            "a row a comparison",
            csv_text(run.comparisons),
        ),
        _file(f"{name}-claims.csv", "", "a row a claim and setting", csv_text(run.claims)),
        _file(
            f"{name}.tex",
            "LaTeX",
            "scores and differences, for the package booktabs",
            latex(rows, level),
        ),
        _file(f"{name}.md", "Markdown", "the same", markdown(rows)),
    ]


def scores(blocks: Sequence[Block]) -> Rows:
    """Return score, difference and cost of every group, as the page writes them."""
    headings = ("Algorithm", "Score", "Difference", "Verdict", "Time")
    parts = []
    for block in blocks:
        unit = (
            f"{words.metric(block.metric.name)}{', %' if block.metric.unit == 'fraction' else ''}"
        )
        rows = [_row(block, group) for group in block.rows]
        parts.append((f"{block.title} ({unit})", rows))
    return Rows(headings, parts)


def latex(table: Rows, level: str) -> str:
    """Return a table for LaTeX with booktabs."""
    width = len(table.headings)
    lines = [
        rf"% \usepackage{{booktabs}}; means over seeds with half of their {_tex(level)} interval",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        rf"{' & '.join(map(_tex, table.headings))} \\",
    ]
    for title, rows in table.parts:
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\emph{{{_tex(title)}}}}} \\"]
        lines += [rf"{' & '.join(map(_tex, row))} \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def markdown(table: Rows) -> str:
    """Return a table for Markdown, one part after another."""
    parts = []
    for title, rows in table.parts:
        lines = [table.headings, ["---", *["---:"] * (len(table.headings) - 1)], *rows]
        told = "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)
        parts.append(f"**{_plain(title)}**\n\n{told}\n")
    return "\n".join(parts)


def _row(block: Block, group: Group) -> list[str]:
    unit, compared = group.metric.unit, group.compared
    score = words.score(group.score.value, unit, block.decimals)
    spread = words.spread(group.score, unit, block.decimals)
    return [
        group.name,
        f"{score} {spread}".strip(),
        _difference(compared) if compared else "",
        compared.verdict if compared else "reference" if group.is_reference else "",
        f"×{words.THIN}{words.ratio(compared.time_ratio)}"
        if compared and compared.time_ratio is not None
        else "",
    ]


def _difference(row: Comparison) -> str:
    """`+4.94 [3.20, 6.68]`, or a ratio of errors: `×0.527 [0.438, 0.635]`."""
    found = words.effect_interval(row)
    return f"{words.effect(row)} {'' if found == words.DASH else found}".strip()


def _file(name: str, label: str, about: str, text: str) -> File:
    kind = {"csv": "text/csv", "tex": "application/x-tex", "md": "text/markdown"}
    content = quote(text, safe="!$'()*+,-./:;=?@_~[]| ")
    address = f"data:{kind[name.rpartition('.')[2]]};charset=utf-8,{content}"
    return File(name, label, about, address)


def _tex(text: str) -> str:
    told = _TEX_SIGN.sub(lambda found: _TEX[found[0]], text)
    # a bracket or an asterisk at the beginning of a row would belong to the end of the one before
    return f"{{}}{told}" if told.startswith(("[", "*")) else told


def _plain(text: str) -> str:
    return re.sub(r"([\\|*_`<])", r"\\\1", text)
