"""What can be taken away: tables for a paper, a paragraph, an entry to cite; none of it runs."""

import io
import re
import shutil
import subprocess
import urllib.parse

import pandas as pd
import pytest
from synthetic_run import Synthetic

from metabench.report import words
from metabench.report.blocks import blocks_of
from metabench.report.citation import bibtex, paragraph
from metabench.report.exports import downloads, latex, markdown, scores
from metabench.tables import environment, load

ODD = "[a_b & 50 % #1 {x} $y$ ~ ^ \\ | `c` <d>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(Synthetic().write(tmp_path_factory.mktemp("run") / "run"))


def facts(run):
    told = {}
    for fact in environment(run):
        told.setdefault(fact.key, []).append(fact)
    return told


def test_downloads_hold_the_tables_as_they_are(run):
    files = {file.name: file for file in downloads(run, blocks_of(run))}
    assert set(files) == {
        "omniglot-small-groups.csv",
        "omniglot-small-comparisons.csv",
        "omniglot-small-claims.csv",
        "omniglot-small.tex",
        "omniglot-small.md",
    }
    head, _, content = files["omniglot-small-groups.csv"].address.partition(",")
    assert head == "data:text/csv;charset=utf-8"
    table = pd.read_csv(io.StringIO(urllib.parse.unquote(content)))
    assert table["score"].tolist() == pytest.approx(run.groups["score"].tolist(), rel=1e-12)
    assert not any(re.search(r'["<>\n]', file.address) for file in files.values())


def test_every_score_of_the_page_is_in_the_tables_for_a_paper(run):
    blocks = blocks_of(run)
    tex, text = latex(scores(blocks), "95 %"), markdown(scores(blocks))
    for block in blocks:
        for group in block.groups:
            told = words.score(group.score.value, group.metric.unit, block.decimals)
            assert f"{told} " in tex
            assert f"| {group.name} | {told} " in text
    assert tex.count(r"\midrule") == len(blocks) == 2
    times = re.findall(r"& \$\\times\$\\,([\d.]+) \\\\", tex)
    assert len(times) == len([row for row in run.rows.comparisons if row.time_ratio]) == 4


def test_no_name_is_taken_for_a_command(tmp_path):
    run = load(Synthetic(algorithms=(ODD, "maml"), shots=(1,)).write(tmp_path / "run"))
    blocks = blocks_of(run)
    tex = latex(scores(blocks), "95 %")
    assert (
        r"{}[a\_b \& 50 \% \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{} |"
    ) in tex
    body = tex.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    assert {line.count(" & ") for line in body.splitlines() if line.endswith(r"\\")} == {0, 4}
    line = next(line for line in markdown(scores(blocks)).splitlines() if "50 %" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 6


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_takes_the_table(run, tmp_path):
    text = latex(scores(blocks_of(run)), "95 %")
    whole = (
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\end{{document}}"
    )
    (tmp_path / "a.tex").write_text(whole)
    subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )


def test_the_paragraph_says_what_was_done(run):
    told = paragraph(run, blocks_of(run), facts(run))
    for part in (
        "maml, fomaml, protonet and scratch",
        "omniglot (5-way 1-shot) and omniglot (5-way 5-shot)",
        "5 seeds",
        "600 episodes",
        "95% Student t intervals",
        "compared with maml, declared before any data",
        "metabench 0.1.0 (commit 0123456789ab)",
        "Imaginary Epyc 9999",
        "Where both means were at least 0.95, accuracies were compared by the ratio",
    ):
        assert part in told
    assert "logarithms" not in told


def test_the_paragraph_says_that_errors_were_analysed_on_logarithms(tmp_path):
    scores = {("maml", 5): [0.2, 0.3, 0.25, 0.24], ("fomaml", 5): [0.3, 0.3, 0.35, 0.28]}
    folder = Synthetic(("maml", "fomaml"), "sinusoid", None, (5,), range(4), scores=scores).write(
        tmp_path / "run"
    )
    told = paragraph(load(folder), blocks_of(load(folder)), {})
    assert "Errors were averaged and compared on their logarithms" in told
    assert "error rates" not in told


def test_errors_are_told_by_their_ratio_alone(tmp_path):
    """Their mean difference may lie on the other side: here it is +0.020, and the ratio 0.79."""
    errors = {("maml", 5): [0.9, 0.3, 0.3, 0.3, 0.3], ("fomaml", 5): [1.4, 0.2, 0.2, 0.2, 0.2]}
    folder = Synthetic(("maml", "fomaml"), "sinusoid", None, (5,), scores=errors).write(
        tmp_path / "run"
    )
    ((_, rows),) = scores(blocks_of(load(folder))).parts
    first, second = rows
    assert (first[0], second[0]) == ("fomaml", "maml")
    assert re.fullmatch(r"× 0\.790 \[0\.\d+, [\d.]+\]", first[2].replace(words.THIN, " "))


def test_the_entry_names_commit_and_year_and_its_braces_close(run):
    told = bibtex(run, facts(run))
    assert told.startswith("@software{metabench-omniglot-small,")
    assert "commit 0123456789ab" in told
    assert "year = {2026}" in told
    assert told.count("{") == told.count("}")
