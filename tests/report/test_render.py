"""The page: its numbers are those of the tables, nothing of a suite's text becomes markup, and it
stands alone."""

import base64
import hashlib
import html
import itertools
import json
import re
from html.parser import HTMLParser

import pytest
from synthetic_run import Synthetic, troubled

from metabench.errors import FolderError
from metabench.report import render, words
from metabench.tables import load, rows

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Just enough of a browser: elements with attributes, whether tags match, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & {*self.open}:
            self.words.append(data)
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder):
    return Page(render(folder).read_text())


CLAIM = {
    "id": "a",
    "says": "MAML is better",
    "source": "a paper",
    "metric": "score",
    "of": "maml",
    "against": "fomaml",
    "published": False,
}
CLAIM |= {"where": {}, "versus_where": None, "bound": "difference_above", "limits": [0.0]}
CHEAP = {"bound": "ratio_below", "limits": [0.7]}
CLAIMS = (
    CLAIM,
    CLAIM
    | {
        "id": "b",
        "says": "First-order is cheap",
        "metric": "seconds_per_task",
        "of": "fomaml",
        "against": "maml",
    }
    | CHEAP,
    CLAIM
    | {
        "id": "c",
        "says": "Prototypes reach 90 %",
        "of": "protonet",
        "against": 0.9,
        "where": {"shots": 1},
    },
    CLAIM
    | {
        "id": "d",
        "says": "As published",
        "against": None,
        "published": True,
        "bound": "equivalent_within",
        "limits": [0.01],
    },
    CLAIM
    | {
        "id": "e",
        "says": "The gap closes",
        "where": {"shots": 5},
        "versus_where": {"shots": 1},
        "bound": "difference_below",
    },
    {"id": "f", "says": "Nobody knows what", "source": ""},
)

SUITES = {
    "classification": Synthetic(),
    "regression": Synthetic(
        ways=None, dataset="sinusoid", algorithms=("maml", "fomaml", "scratch")
    ),
    "troubled": troubled(),
    "one seed": Synthetic(seeds=(0,)),
    "three seeds": Synthetic(seeds=(0, 1, 2)),
    "one algorithm": Synthetic(algorithms=("maml",)),
    "no reference": Synthetic(algorithms=("fomaml", "scratch"), shots=(1,)),
    "all failed": Synthetic(
        shots=(1,), algorithms=("maml",), change={("maml", 1, seed): "failed" for seed in range(5)}
    ),
    "all missing": Synthetic(
        shots=(1,), algorithms=("maml",), change={("maml", 1, seed): "missing" for seed in range(5)}
    ),
    "all diverged": Synthetic(
        shots=(1,),
        change={
            (name, 1, seed): "diverged"
            for name in ("maml", "fomaml", "protonet")
            for seed in range(5)
        },
    ),
    "diverged regression": Synthetic(
        shots=(1,),
        ways=None,
        algorithms=("maml",),
        change={("maml", 1, seed): "diverged" for seed in range(5)},
    ),
    "perfect": Synthetic(
        shots=(1,),
        algorithms=("maml", "fomaml"),
        scores={("maml", 1): [1.0] * 5, ("fomaml", 1): [1.0] * 5},
    ),
    "useless": Synthetic(
        shots=(1,),
        ways=None,
        algorithms=("maml", "fomaml"),
        scores={("maml", 1): [0.0] * 5, ("fomaml", 1): [1e9] * 5},
    ),
    "many": Synthetic(
        algorithms=[f"algorithm_with_a_rather_long_name_{i}" for i in range(12)],
        shots=(1,),
        reference="none of them",
    ),
    "axes": Synthetic(shots=(1,), axes={"train.iterations": [10, 20, 40]}),
    "claims and figures": Synthetic(shots=(1, 5), figures=True, claims=CLAIMS),
    "waves": Synthetic(
        ways=None, dataset="sinusoid", algorithms=("maml", "protonet"), shots=(1,), figures=True
    ),
}


@pytest.fixture(scope="module", params=SUITES)
def page(request, tmp_path_factory):
    return page_of(SUITES[request.param].write(tmp_path_factory.mktemp("run") / "run"))


def test_every_svg_has_a_text_alternative(page):
    ids = {attributes.get("id") for _, attributes in page.elements}
    for svg in page.all("svg"):
        if svg.get("aria-hidden") != "true":
            assert svg["role"] == "img"
            assert {
                *svg["aria-labelledby"].split(),
                *svg.get("aria-describedby", "").split(),
            } <= ids


def test_ids_are_unique_and_links_inside_the_page_arrive(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if (target := attributes.get("href") or "").startswith("#"):
            assert target[1:] in ids
        for value in attributes.values():
            assert set(re.findall(r"url\(#([^)]+)\)", value or "")) <= set(ids)


def test_nothing_is_loaded(page):
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert "src" not in attributes
        target = attributes.get("href", "#")
        assert target.startswith(("#", "data:")) or (tag == "a" and target.startswith("https://"))
        assert not any(name.startswith("on") for name in attributes)
    assert [link["rel"] for link in page.all("link")] == ["icon"]


def test_the_policy_lets_the_one_script_of_the_page_run_and_no_other(page):
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy


def test_no_number_is_written_as_nan(page):
    assert not re.search(r"\b(nan|None|NaN|inf|undefined)\b", page.text)
    assert not any("nan" in (attributes.get("d") or "") for attributes in page.all("path"))


@pytest.mark.parametrize("name", ["classification", "regression"])
def test_numbers_are_those_of_the_tables(name, tmp_path):
    folder = SUITES[name].write(tmp_path / "run")
    page, run = page_of(folder), load(folder)
    for group in rows(run.groups):
        assert words.score(group["score"], group["unit"]) in page.text
        assert words.interval(group["score_low"], group["score_high"], group["unit"]) in page.text
        assert words.seconds(group["training_seconds"]).replace(
            words.THIN, " "
        ) in page.text.replace(words.THIN, " ")
    for row in rows(run.comparisons):
        if row["scale"] != "log":
            assert words.difference(row["difference"], row["unit"]) in page.text
        if row["scale"] == "linear":
            assert words.interval(row["low"], row["high"], row["unit"]) in page.text
            assert words.score(row["detectable_difference"], row["unit"]) in page.text
        else:
            keys = ("ratio", "ratio_low", "ratio_high", "detectable_ratio")
            found, low, high, least = (words.amount(row[key], "ratio") for key in keys)
            text = "".join(page.text.split())
            assert f"×{found}[{low},{high}]" in text
            assert f"×{least}" in text


@pytest.mark.parametrize(("seeds", "told"), [(5, False), (6, True)])
def test_second_opinions_stand_below_p_where_they_can_say_anything(tmp_path, seeds, told):
    folder = Synthetic(shots=(1,), seeds=tuple(range(seeds))).write(tmp_path / "run")
    table = page_of(folder).text.partition("Against the reference")[2]
    assert "with fewer than six pairs neither can reach 5 %" in table
    for row in rows(load(folder).comparisons):
        flips, ranks = (words.p_value(row[f"p_{test}"]) for test in ("sign_flip", "wilcoxon"))
        assert (f"sign flips {flips}, Wilcoxon {ranks}" in table) == told
        margin = "3 points" if row["scale"] == "linear" else "× 1.25"
        assert f"{margin}: {row['seeds_for_margin']} seeds" in table


def test_what_was_declared_after_the_data_is_marked(tmp_path):
    kept, dropped = (
        {"id": "a", "says": "Kept claim", "source": ""},
        {"id": "b", "says": "Dropped claim", "source": ""},
    )
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), claims=[kept, dropped]).write(
        tmp_path / "run"
    )
    text = Page(render(folder).read_text()).text
    assert "declared beforehand" in text
    assert "2: 2 not judged" in text
    assert "post hoc" not in text
    assert "withdrawn" not in text
    described = json.loads((folder / "cells.json").read_text())
    later = {
        "reference": "fomaml",
        "claims": [kept, {"id": "c", "says": "New claim", "source": ""}],
    }
    (folder / "cells.json").write_text(json.dumps(described | later))
    text = Page(render(folder).read_text()).text
    assert "The reference changed after the first data: post hoc" in text
    assert "declared beforehand" not in text
    assert re.search(r"Dropped claim\s*withdrawn after the first data", text)
    assert re.search(r"New claim\s*post hoc", text)
    assert "2: 2 not judged (1 post hoc)" in text
    assert not re.search(r"Kept claim\s*post hoc", text)
    assert (
        "level of confidence, 80 %, was chosen after the first data"
        in Page(render(folder, confidence=0.8).read_text()).text
    )


def test_what_changed_after_the_first_data_is_on_the_first_screen(tmp_path):
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,)).write(tmp_path / "run")
    assert "Changed after" not in page_of(folder).text
    described = json.loads((folder / "cells.json").read_text())
    described["declared_before_data"] |= {
        "cells_digest": "a",
        "resolved": {"train": {"iterations": 20}},
        "seeds": [0, 1, 2],
    }
    now = {"cells_digest": "b", "resolved": {"train": {"iterations": 30}}, "seeds": [0, 1, 2, 3, 4]}
    (folder / "cells.json").write_text(json.dumps(described | now))
    first = page_of(folder).text.partition("Cells finished")[0]
    assert "Changed after the first data, post hoc: train.iterations 20 -> 30." in first
    assert "Added after the first data, post hoc: seeds 3 and 4." in first


def test_the_command_to_run_it_again_knows_the_profile(tmp_path):
    folder = Synthetic(suite="small-short").write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    (folder / "cells.json").write_text(
        json.dumps(described | {"argument": "small", "profile": "short"})
    )
    assert "metabench run small --profile short" in Page(render(folder).read_text()).text


def test_confidence_is_said_and_used(tmp_path):
    folder = Synthetic(shots=(1,)).write(tmp_path / "run")
    text = Page(render(folder, confidence=0.8).read_text()).text
    group = rows(load(folder, 0.8).groups)[0]
    assert "80 % Student t interval" in text
    assert words.interval(group["score_low"], group["score_high"], group["unit"]) in text


def test_hostile_text_stays_text(tmp_path):
    evil = (
        "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)> "
        "${jndi} {{ 7 * 7 }}"
    )

    def complain(record):
        record["result"] |= {
            "outcome": "failed",
            "score": None,
            "interval": None,
            "validation": None,
            "training": None,
            "adaptation": None,
            "error": {"type": evil, "message": evil, "traceback": evil},
        }
        record["provenance"] |= {"cpu": evil, "log": "../../../etc/passwd"}

    name = "<b>&$\\frac{"
    claims = [
        CLAIM | {"id": evil, "says": evil, "source": evil},
        CLAIM | {"metric": evil},
        CLAIM | {"of": evil, "versus_where": {evil: evil}},
    ]
    texts = {"title": evil, "description": evil, "suite": "<i>x", "claims": claims}
    suite = Synthetic(
        algorithms=(name, "maml"), change={("maml", 1, 0): complain}, figures=True, **texts
    )
    page = page_of(suite.write(tmp_path / "run"))
    assert not {"img", "b", "i"} & {tag for tag, _ in page.elements}
    assert len(page.all("script")) == len(page.scripts) == 1
    assert "alert(1)" not in page.scripts[0]
    assert " ".join(evil.split()) in page.text
    assert name in page.text
    assert "root:" not in page.text


@pytest.mark.parametrize("suite", [troubled(), SUITES["claims and figures"], SUITES["waves"]])
def test_same_records_give_the_same_bytes(tmp_path, suite):
    folder = suite.write(tmp_path / "run")
    first = {
        path.name: path.read_bytes()
        for path in [render(folder), *sorted((folder / "tables").iterdir())]
    }
    again = {
        path.name: path.read_bytes()
        for path in [render(folder), *sorted((folder / "tables").iterdir())]
    }
    assert first == again
    assert sorted(first) == [
        "cells.csv",
        "claims.csv",
        "comparisons.csv",
        "groups.csv",
        "index.html",
        "over_settings.csv",
        "pairs.csv",
        "spread.csv",
    ]


def test_troubles_are_told(tmp_path):
    folder = troubled().write(tmp_path / "run")
    (folder / "records" / "stranger-0123456789ab.json").write_text("{}")
    page = page_of(folder)
    for told in (
        "Out of memory",
        "Timeout",
        "Diverged",
        "Damaged",
        "stranger-0123456789ab.json",
        "4 of 5",
        "35 of 40",
        "RuntimeError: boom",
    ):
        assert told in page.text
    assert "warning: learning rate <b>0.4</b> is high" in page.text
    assert str(tmp_path) not in html.unescape(page.text)


def test_verdicts_are_those_of_the_table_and_counted_on_the_first_screen(tmp_path):
    folder = SUITES["claims and figures"].write(tmp_path / "run")
    page, table = page_of(folder), rows(load(folder).claims)
    verdicts = {row["id"]: row["verdict"] for row in table}
    assert verdicts["b"] == "supported"
    told = [
        f"{n} {verdict}"
        for verdict in ("supported", "refuted", "inconclusive", "not judged")
        if (n := [*verdicts.values()].count(verdict))
    ]
    assert f"6: {', '.join(told)}" in page.text
    assert any(link.get("href") == "#claims" for link in page.all("a"))
    for claim in CLAIMS:
        assert re.search(rf"[✓✗?–] {verdicts[claim['id']]} {re.escape(claim['says'])} #", page.text)
    for row in table:
        if row["unit"] == "ratio":
            assert words.amounts(row["low"], row["high"], "ratio") in page.text
    assert "seconds per task, fomaml over maml" in page.text
    assert "score, maml less fomaml, less the same at shots 1" in page.text
    assert "score, protonet less 90 %" in page.text
    assert "against 0.987 ± 0.004 (Model-agnostic meta-learning" in page.text


def test_memory_is_told_above_the_baseline_where_records_know_it(tmp_path):
    """Older records do not, and tell all that was resident."""

    def known(mebibytes):
        above = {"training": mebibytes * 2**20, "test": 2**20}
        return lambda record: record["measured"].update(peak_resident_above_bytes=above)

    peaks = {"maml": 7, "fomaml": 3}
    change = {(name, 1, seed): known(peaks[name]) for name in peaks for seed in range(5)}
    old, new = Synthetic(shots=(1,)), Synthetic(shots=(1,), change=change)
    old, new = (page_of(one.write(tmp_path / name)) for one, name in ((old, "o"), (new, "n")))
    assert "above baseline" not in old.text
    assert "Resident peak above baseline" in new.text
    assert "Resident peak above baseline" not in old.text
    assert "above what was resident before" in new.text
    assert new.text.count("Resident peak") == old.text.count("Resident peak")
    assert words.size(7 * 2**20).replace(words.THIN, " ") in new.text


def test_a_block_says_what_scores_it_and_how_many_queries_its_classes_have(tmp_path):
    class Odd(Synthetic):
        def _entry(self, *at):
            entry = super()._entry(*at)
            entry["group"] |= {"query_shots": [45, 2, 1, 1, 1], "scored_by": "log_loss"}
            own = {"name": "log_loss", "unit": "nats", "higher_is_better": False, "chance": 1.609}
            return entry | {"metric": own}

    text = page_of(Odd(shots=(1,)).write(tmp_path / "run")).text
    assert "5-way 1-shot · by log loss" in text
    assert "45 + 2 + 1 + 1 + 1 queries of the classes, dealt out anew in each episode" in text
    assert "each episode, chance 1.609" in text


def test_differences_and_their_cost_are_on_the_first_screen(tmp_path):
    folder = Synthetic(shots=(1,)).write(tmp_path / "run")
    top = page_of(folder).text.partition("Cells finished")[0]
    for row in rows(load(folder).comparisons):
        assert words.difference(row["difference"], row["unit"]) in top
        assert row["verdict"] in top
        assert row["time_ratio"] is None or f"× {words.ratio(row['time_ratio'])} of the time" in top


def test_a_run_that_is_not_whole_says_so_before_anything_else(tmp_path):
    page = page_of(troubled().write(tmp_path / "run"))
    first = page.text.partition("Difference to")[0]
    assert "35 of 40 cells have finished" in first
    assert [attributes["href"] for attributes in page.all("a")][1] == "#troubles"
    assert page.text.index("What went wrong Groups") < page.text.index("Scores at a glance")
    whole = page_of(Synthetic(shots=(1,)).write(tmp_path / "whole"))
    assert "have finished" not in whole.text


def test_anchors_are_names_that_stay(tmp_path):
    page = page_of(Synthetic(claims=CLAIMS).write(tmp_path / "run"))
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {"omniglot-5w1s", "omniglot-5w5s", "claim-a", "comparisons", "cite"} <= ids
    waves = page_of(SUITES["waves"].write(tmp_path / "waves"))
    assert "sinusoid-1s" in {attributes.get("id") for _, attributes in waves.elements}


def test_fits_that_were_still_improving_are_counted_on_the_first_screen(tmp_path):
    def last(record):
        record["config"]["fit"]["validate"] = {"select": "best"}
        record["result"]["best_iteration"] = 2000

    change = {(name, 1, 0): last for name in ("maml", "protonet")}
    page = page_of(Synthetic(shots=(1,), change=change).write(tmp_path / "run"))
    told = "Still improving when stopped: 2 of 15 fits on omniglot · 5-way 1-shot."
    assert told in page.text.partition("Cells finished")[0]
    none = page_of(Synthetic(shots=(1,)).write(tmp_path / "none"))
    assert "Still improving when stopped" not in none.text.partition("Cells finished")[0]


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_table_has_a_caption(page):
    assert len(page.all("caption")) == len(page.all("table"))


def test_costs_of_several_machines_are_not_set_side_by_side(tmp_path):
    def elsewhere(record):
        record["provenance"]["cpu"] = "Another"

    whole = page_of(Synthetic(shots=(1,)).write(tmp_path / "one"))
    assert "All on one machine: Imaginary Epyc 9999" in whole.text
    assert "Score against whole fit" in whole.text
    mixed = page_of(
        Synthetic(shots=(1,), change={("maml", 1, 0): elsewhere}).write(tmp_path / "two")
    )
    assert "measured on different machines" in mixed.text
    assert "maml: averaged over 2 machines" in mixed.text
    assert "Score against whole fit" not in mixed.text


def test_control_characters_do_not_reach_the_page(tmp_path):
    def complain(record):
        record["result"] |= {
            "outcome": "failed",
            "score": None,
            "interval": None,
            "adaptation": None,
        }
        record["result"]["error"] = {
            "type": "E",
            "message": "bell\x07 half\ud800",
            "traceback": "\x1b[31mred",
        }

    folder = Synthetic(
        shots=(1,), title="ti\u202etle\ud800", change={("maml", 1, 0): complain}
    ).write(tmp_path / "run")
    described = (folder / "cells.json").read_text()
    (folder / "cells.json").write_text(
        described.replace('"name": "accuracy"', '"name": "acc\\u0001uracy"')
    )
    text = render(folder).read_text()
    assert "<h1>title</h1>" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "Accuracy" in Page(text).text


def test_nothing_half_written_is_left(tmp_path):
    folder = Synthetic(shots=(1,)).write(tmp_path / "run")
    render(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells.json",
        "index.html",
        "records",
        "suite.toml",
        "tables",
    ]


def test_not_a_run_folder(tmp_path):
    with pytest.raises(FolderError):
        render(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_scores_in_training_are_drawn_where_a_test_is_scored_like_them(tmp_path):
    def by_macro_f1(record):
        record["metric"]["name"] = "macro_f1"

    few = {"algorithms": ("maml", "fomaml"), "shots": (1,)}
    page = render(Synthetic(**few).write(tmp_path / "accuracy")).read_text()
    assert "Training score by iteration" in page
    change = dict.fromkeys(
        ((name, 1, seed) for name in few["algorithms"] for seed in range(5)), by_macro_f1
    )
    folder = Synthetic(**few, change=change).write(tmp_path / "other")
    cells = json.loads((folder / "cells.json").read_text())
    for cell in cells["cells"]:
        cell["metric"]["name"] = "macro_f1"
    (folder / "cells.json").write_text(json.dumps(cells))
    page = render(folder).read_text()
    assert "Training score by iteration" not in page
    assert "Training loss by iteration" in page


def test_departures_from_what_was_frozen_are_told_first_and_in_the_paragraph(tmp_path):
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,)).write(tmp_path / "run")
    assert "frozen" not in render(folder).read_text()
    described = json.loads((folder / "cells.json").read_text())
    described["frozen"] = {
        "commit": None,
        "frozen": "2026-01-01T00:00:00+00:00",
        "records_before": 0,
        "departures": ["train.iterations 20 -> 10", "claim '<b>' is new"],
    }
    (folder / "cells.json").write_text(json.dumps(described))
    page = render(folder).read_text()
    first = page[: page.index('<main id="main">')]
    assert "Not as frozen beforehand: train.iterations 20 -&gt; 10" in first
    assert "The run departs from its frozen declaration: train.iterations 20 -&gt; 10" in page
    assert "<b>" not in page
