"""The site: every link leads somewhere within it, what was published stays, nothing of anybody
else is touched, and nothing of a suite's text becomes markup."""

import inspect
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from dated_run import COMMITS, run_at

from metabench.cli import main
from metabench.errors import FolderError
from metabench.history import read_history
from metabench.site import publish, trend
from metabench.tables.frames import read_csv

pytestmark = pytest.mark.slow

SUITE = "omniglot-small"
WAVES = {"dataset": "sinusoid", "ways": None, "shots": (10,), "suite": "waves", "title": "Waves"}
ATOM = "{http://www.w3.org/2005/Atom}"


class Links(HTMLParser):
    """The links, ids, scripts and elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.tags = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.tags.append(tag)
        self.ids |= {told["id"]} if "id" in told else set()
        self.links += [told[key] for key in ("href", "src") if told.get(key)]


def tree(folder):
    """Every file below a folder with what stands in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def broken_links(site):
    """Links of the site's pages that lead out of it, or nowhere."""
    pages = {page: Links(page.read_text()) for page in site.rglob("*.html")}
    found = []
    for page, told in pages.items():
        for link in told.links:
            parts = urlsplit(link)
            if parts.scheme in ("data", "https"):  # papers that a report cites
                continue
            place = Path(os.path.normpath(page.parent / parts.path)) if parts.path else page
            inside = not parts.scheme and not parts.netloc and place.is_relative_to(site)
            reached = inside and place.is_file()
            if reached and parts.fragment:
                reached = parts.fragment in pages[place].ids
            found += [] if reached else [f"{page.relative_to(site)} -> {link}"]
    return found


def short_page(run, trail=""):
    """What stands in for a report where it is not what a test is about: it has tests of its own,
    and takes a second."""
    return f"<!DOCTYPE html><title>{run.info['suite']}</title>{trail}<h1>A report</h1>"


@pytest.fixture
def short_pages(monkeypatch):
    """Sites without drawings in their reports."""
    monkeypatch.setattr("metabench.site.publishing.page", short_page)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of two suites at three commits, and the site over them. Do not write there."""
    root = tmp_path_factory.mktemp("made")
    runs = [run_at(root / f"glyphs{day}", day) for day in range(3)]
    runs += [run_at(root / f"waves{day}", day, **WAVES) for day in range(3)]
    publish(runs, root / "site", root / "history")
    return root, runs


def test_every_link_leads_to_a_place_within_the_site(made):
    root, _ = made
    assert broken_links(root / "site") == []


def test_the_site_has_the_pages_that_its_addresses_promise(made):
    site = made[0] / "site"
    for suite in (SUITE, "waves"):
        for place in ("", "trend/", *(f"{commit[:12]}/" for commit in COMMITS[:3])):
            assert (site / "suites" / suite / place / "index.html").is_file()
        for commit in COMMITS[:3]:
            tables = site / "suites" / suite / commit[:12] / "tables"
            assert len(read_csv(tables / "groups.csv")) == 4
    assert {"index.html", "feed.xml", "data", "suites"} == {path.name for path in site.iterdir()}


def test_no_page_asks_for_anything_from_elsewhere(made):
    for page in (made[0] / "site").rglob("*.html"):
        text = page.read_text()
        assert "default-src 'none'" in text
        assert not {"link", "iframe", "object", "img"} & {*Links(text).tags} - {"link"}
        assert not re.search(r"url\((?!#|data:)", text)


def test_publishing_twice_changes_no_byte(made):
    root, runs = made
    once = {place: tree(root / place) for place in ("site", "history")}
    publish(runs[::3], root / "site", root / "history")
    assert {place: tree(root / place) for place in once} == once


@pytest.mark.usefixtures("short_pages")
def test_the_latest_run_is_shown_in_whatever_order_they_are_published(made, tmp_path):
    _, runs = made
    for run in (runs[2], runs[0], runs[1]):
        publish([run], tmp_path / "site", tmp_path / "history")
    told = json.loads((tmp_path / "site/data/index.json").read_text())["suites"][SUITE]
    assert told["latest"]["commit"] == COMMITS[2]
    assert [run["commit"] for run in told["runs"]] == [*COMMITS[:3]]
    latest = (tmp_path / f"site/suites/{SUITE}/index.html").read_text()
    assert f'href="{COMMITS[2][:12]}/index.html"' in latest
    assert broken_links(tmp_path / "site") == []


@pytest.mark.usefixtures("short_pages")
def test_runs_that_were_published_before_stay_when_their_folders_are_gone(made, tmp_path):
    _, runs = made
    publish(runs, tmp_path / "site", tmp_path / "history")
    publish([run_at(tmp_path / "new", 3)], tmp_path / "site", tmp_path / "history")
    told = json.loads((tmp_path / "site/data/index.json").read_text())["suites"]
    assert len(told[SUITE]["runs"]) == 4
    assert len(told["waves"]["runs"]) == 3
    assert broken_links(tmp_path / "site") == []


@pytest.mark.parametrize("writes", [0, 5, 10, 13])
@pytest.mark.usefixtures("short_pages")
def test_a_site_whose_publication_is_killed_has_no_broken_link(made, tmp_path, writes):
    _, runs = made
    site, kept = tmp_path / "site", tmp_path / "history"
    publish(runs[:1], site, kept)
    program = f"""
import os
from pathlib import Path
from metabench.site import publish, publishing
{inspect.getsource(short_page)}
left = {writes}
def replace(self, target, real=Path.replace):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    return real(self, target)
Path.replace = replace
publishing.page = short_page
publish([Path({str(runs[1])!r})], Path({str(site)!r}), Path({str(kept)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == -9, done.stderr
    assert broken_links(site) == []
    publish(runs[1:2], site, kept)
    assert broken_links(site) == []
    assert len(json.loads((site / "data/index.json").read_text())["suites"][SUITE]["runs"]) == 2


@pytest.mark.usefixtures("short_pages")
def test_an_unfinished_run_has_a_banner_and_no_permanent_page(tmp_path):
    run = run_at(tmp_path / "run", 0, change={("maml", 1, 0): "missing"})
    done = publish([run], tmp_path / "site", tmp_path / "history")
    assert "missing" in done.remarks[0]
    assert "unfinished: 11 of 12 cells" in (tmp_path / "site/index.html").read_text()
    assert [
        path.name for path in (tmp_path / "site/suites" / SUITE).iterdir() if path.is_dir()
    ] == ["tables"]
    assert read_history(tmp_path / "history", SUITE).entries == ()
    assert broken_links(tmp_path / "site") == []


@pytest.mark.usefixtures("short_pages")
def test_a_run_that_is_finished_later_takes_the_unfinished_ones_place(tmp_path):
    half = run_at(tmp_path / "half", 0, change={("maml", 1, 2): "missing"})
    publish([half], tmp_path / "site", tmp_path / "history")
    publish([run_at(tmp_path / "whole", 0)], tmp_path / "site", tmp_path / "history")
    assert "unfinished" not in (tmp_path / "site/index.html").read_text()


@pytest.mark.usefixtures("short_pages")
def test_two_runs_of_one_commit_have_a_page_each(tmp_path):
    def other(record):
        record["measured"]["wall_seconds"] *= 2

    runs = [run_at(tmp_path / "a", 0), run_at(tmp_path / "b", 0, other)]
    for _ in range(2):
        publish(runs, tmp_path / "site", tmp_path / "history")
    told = json.loads((tmp_path / "site/data/index.json").read_text())["suites"][SUITE]["runs"]
    folders = [run["folder"] for run in told]
    assert len(folders) == 2
    assert COMMITS[0][:12] in folders
    assert all(folder.startswith(COMMITS[0][:12]) for folder in folders)


@pytest.mark.usefixtures("short_pages")
def test_a_run_outside_of_git_has_a_permanent_page_too(tmp_path):
    publish([run_at(tmp_path / "a", 0, commit=None)], tmp_path / "site", tmp_path / "history")
    assert (tmp_path / f"site/suites/{SUITE}/no-commit/index.html").is_file()


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7*7 }}"


def test_nothing_of_a_suites_text_becomes_markup(tmp_path):
    run = run_at(tmp_path / "run", 0, title=HOSTILE, description=HOSTILE)
    publish([run], tmp_path / "site", tmp_path / "history")
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text()
        assert "<img" not in text
        assert "<script>alert" not in text
        assert "49" not in re.findall(r"amp;\S* (\d+)", text)
    feed = ElementTree.parse(tmp_path / "site/feed.xml")
    assert len(feed.findall(f"{ATOM}entry")) == 1
    manifest = json.loads((tmp_path / "site/data/index.json").read_text())
    assert manifest["suites"][SUITE]["latest"]["title"] == HOSTILE


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "", ".hidden", "a" * 80])
@pytest.mark.usefixtures("short_pages")
def test_a_suite_whose_name_is_no_folders_is_not_published(tmp_path, name):
    good, bad = run_at(tmp_path / "good", 0), run_at(tmp_path / "bad", 1, suite=name)
    done = publish([bad, good], tmp_path / "site", tmp_path / "history")
    assert done.suites == [SUITE]
    assert "can name no folder" in done.problems[0]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.usefixtures("short_pages")
def test_a_damaged_folder_is_told_and_the_others_are_published(tmp_path):
    good, bad = run_at(tmp_path / "good", 0), run_at(tmp_path / "bad", 1, suite="waves")
    (bad / "cells.json").write_text('{"schema": 1, "cells": [')
    done = publish([bad, good], tmp_path / "site", tmp_path / "history")
    assert done.suites == [SUITE]
    assert str(bad / "cells.json") in done.problems[0]
    assert broken_links(tmp_path / "site") == []


@pytest.mark.usefixtures("short_pages")
def test_a_damaged_record_is_told(tmp_path):
    folder = run_at(tmp_path / "run", 0)
    path = min((folder / "records").glob("*.json"))
    path.write_text(path.read_text()[:100])
    published = publish([folder], tmp_path / "site", tmp_path / "history")
    assert published.suites == ["omniglot-small"]
    assert len(published.problems) == 1
    assert path.name in published.problems[0]


def test_suites_that_differ_in_case_alone_are_not_both_published(tmp_path):
    runs = [run_at(tmp_path / name, 0, suite=name) for name in ("quick", "Quick")]
    done = publish(runs, tmp_path / "site", tmp_path / "history")
    assert done.suites == ["quick"]
    assert "differ in case alone" in done.problems[0]


def test_where_nothing_can_be_published_nothing_is_written(tmp_path):
    bad = run_at(tmp_path / "bad", 1)
    (bad / "cells.json").write_text("{}")
    with pytest.raises(FolderError, match="nothing could be published"):
        publish([bad], tmp_path / "site", tmp_path / "history")
    assert not (tmp_path / "site").exists()


@pytest.mark.usefixtures("short_pages")
def test_a_folder_that_holds_anything_else_is_refused_and_left_alone(tmp_path):
    run = run_at(tmp_path / "run", 0)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(FolderError, match=r"holds index\.html, and is no site"):
        publish([run], other, tmp_path / "history")
    assert tree(other) == {"index.html": b"mine"}


@pytest.mark.usefixtures("short_pages")
def test_what_is_hidden_in_an_empty_folder_is_its_owners_and_stays(tmp_path):
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / ".nojekyll").write_text("")
    publish([run_at(tmp_path / "run", 0)], site, tmp_path / "history")
    assert {".git", ".nojekyll", "index.html"} <= {path.name for path in site.iterdir()}


@pytest.mark.parametrize("place", ["suites", "index.html", "data/index.json", f"suites/{SUITE}"])
@pytest.mark.usefixtures("short_pages")
def test_no_link_within_a_site_is_followed(tmp_path, place):
    run, site = run_at(tmp_path / "run", 0), tmp_path / "site"
    publish([run], site, tmp_path / "history")
    elsewhere = tmp_path / "elsewhere"
    (site / place).rename(elsewhere)
    (site / place).symlink_to(elsewhere)
    before = tree(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()
    with pytest.raises(FolderError, match="symbolic link"):
        publish([run_at(tmp_path / "new", 1)], site, tmp_path / "history")
    assert before == (tree(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes())


@pytest.mark.usefixtures("short_pages")
def test_a_run_in_the_list_without_an_id_of_its_own_is_damage(tmp_path):
    """The feed makes addresses of ids."""
    run, site = run_at(tmp_path / "run", 0), tmp_path / "site"
    publish([run], site, tmp_path / "history")
    path = site / "data/index.json"
    told = json.loads(path.read_text())
    told["suites"][SUITE]["runs"][0]["id"] = "x"
    path.write_text(json.dumps(told))
    with pytest.raises(FolderError, match=r"id is not as it should be"):
        publish([run_at(tmp_path / "new", 1)], site, tmp_path / "history")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"schema": 99}',
        '{"schema": 1, "suites": {"../..": {"latest": {}}}}',
        '{"schema": 1, "suites": {"a": null}}',
        '{"schema": 1, "suites": {"a": {"latest": {"title": 1}}}}',
    ],
)
@pytest.mark.usefixtures("short_pages")
def test_a_site_whose_list_is_damaged_is_told_and_not_written(tmp_path, content):
    run, site = run_at(tmp_path / "run", 0), tmp_path / "site"
    publish([run], site, tmp_path / "history")
    (site / "data/index.json").write_text(content)
    before = tree(site)
    with pytest.raises(FolderError, match=r"data/index\.json"):
        publish([run], site, tmp_path / "history")
    assert tree(site) == before


def test_the_feed_is_atom_with_an_entry_a_run_the_latest_first(made):
    feed = ElementTree.parse(made[0] / "site/feed.xml").getroot()
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated", "author/" + ATOM + "name"):
        assert feed.find(f"{ATOM}{name}") is not None
    entries = feed.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(entries) == len({*ids}) == 6
    times = [entry.findtext(f"{ATOM}updated") for entry in entries]
    assert times == sorted(times, reverse=True)
    for entry in entries:
        assert (made[0] / "site" / entry.find(f"{ATOM}link").get("href")).is_file()


@pytest.mark.usefixtures("short_pages")
def test_the_trend_marks_what_a_comparison_found_regressed(tmp_path):
    runs = [run_at(tmp_path / str(day), day) for day in range(2)]
    publish(runs, tmp_path / "site", tmp_path / "history")
    from metabench.tables import load

    rows = load(runs[1]).rows.groups
    told = {
        "kind": "compare",
        "baseline": {"suite": SUITE, "commits": [COMMITS[0][:12]]},
        "head": {"suite": SUITE, "commits": [COMMITS[1][:12]]},
        "groups": [
            {
                "coordinates": dict(row.place),
                "verdict": "regressed" if row.algorithm == "protonet" else "fine",
            }
            for row in rows
        ],
    }
    (runs[1] / "compare.json").write_text(json.dumps(told))
    publish(runs, tmp_path / "site", tmp_path / "history")
    page = (tmp_path / f"site/suites/{SUITE}/trend/index.html").read_text()
    assert "regressed: protonet on omniglot (5-way 1-shot)" in page
    assert page.count('class="regressed"') == 1
    assert "1 regressed" in (tmp_path / "site/index.html").read_text()


@pytest.mark.usefixtures("short_pages")
def test_a_line_joins_only_what_can_be_compared(tmp_path):
    """Scores of another recipe, and costs on another machine, are points without a line."""

    def elsewhere(record):
        record["provenance"]["cpu"] = "Another 1"

    def scores(seeds):
        return {("maml", 1): [0.9 + 0.001 * seed for seed in range(seeds)]}

    runs = [
        run_at(tmp_path / "0", 0, scores=scores(3)),
        run_at(tmp_path / "1", 1, elsewhere, scores=scores(3)),
        run_at(tmp_path / "2", 2, elsewhere, seeds=(0, 1), scores=scores(2)),
    ]
    publish(runs, tmp_path / "site", tmp_path / "history")
    told = read_history(tmp_path / "history", SUITE).entries
    group = next(one.group for one in told[0].groups if one.algorithm == "maml")
    score = trend.points_of(trend.SCORE, told, group)
    time = trend.points_of(trend.WHOLE_FIT, told, group)
    assert [point.joined for point in score] == [False, True, False]
    assert [point.joined for point in time] == [False, False, False]


@pytest.mark.usefixtures("short_pages")
class TestCommandLine:
    @pytest.fixture
    def project(self, tmp_path, monkeypatch):
        (tmp_path / "benchmark.toml").write_text("")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_without_folders_all_runs_of_the_project_are_published(self, project, capsys):
        run_at(project / "reports/omniglot-small", 0)
        run_at(project / "reports/waves", 0, **WAVES)
        (project / "reports/notes").mkdir()
        assert main(["publish", "--to", "site"]) == 0
        assert "omniglot-small, waves: " in capsys.readouterr().out
        assert {path.name for path in (project / "history").iterdir()} == {
            "omniglot-small.jsonl",
            "waves.jsonl",
        }

    def test_a_project_without_runs_is_told(self, project, capsys):
        assert main(["publish", "--to", "site"]) == 2
        assert "holds no run folder" in capsys.readouterr().err
        assert not (project / "site").exists()

    def test_a_folder_that_could_not_be_published_is_exit_status_3(self, project, capsys):
        run_at(project / "reports/omniglot-small", 0)
        bad = run_at(project / "reports/waves", 0, **WAVES)
        (bad / "cells.json").write_text("{")
        assert main(["publish", "--to", "site"]) == 3
        told = capsys.readouterr()
        assert "not published: " in told.err
        assert "Traceback" not in told.err

    @pytest.mark.parametrize("target", ["benchmark.toml", "reports", "benchmark.toml/site"])
    def test_a_target_that_can_be_none_is_exit_status_2_and_untouched(
        self, project, capsys, target
    ):
        run_at(project / "reports/omniglot-small", 0)
        before = tree(project)
        assert main(["publish", "--to", target]) == 2
        assert "Traceback" not in capsys.readouterr().err
        assert tree(project) == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full and /proc")
    def test_a_target_that_cannot_be_written_is_told_in_one_line(self, project, capsys):
        run_at(project / "reports/omniglot-small", 0)
        assert main(["publish", "--to", "/proc/site", "--history", "kept"]) == 2
        assert not (project / "kept").exists()
        (line,) = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("metabench:")
        ]
        assert "/proc/site" in line
        assert "Choose another folder with --to" in line

    def test_a_history_that_is_a_file_is_refused_before_anything_is_written(self, project, capsys):
        run_at(project / "reports/omniglot-small", 0)
        (project / "notes").write_text("mine")
        before = tree(project)
        assert main(["publish", "--to", "site", "--history", "notes"]) == 2
        assert "notes: is no folder; --history names the folder" in capsys.readouterr().err
        assert tree(project) == before
        assert not (project / "site").exists()


def test_a_run_whose_page_cannot_be_rendered_leaves_no_line_in_the_history(tmp_path, monkeypatch):
    run = run_at(tmp_path / "run", 1)

    def fails(*given):
        raise FolderError("no page")

    monkeypatch.setattr("metabench.site.publishing.page", fails)
    with pytest.raises(FolderError, match="no page"):
        publish([run], tmp_path / "site", tmp_path / "history")
    assert not (tmp_path / "history").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder that nobody writes")
def test_a_history_that_cannot_be_written_is_bad_input(tmp_path, capsys):
    run = run_at(tmp_path / "run", 1)
    words = ["publish", str(run), "--to", str(tmp_path / "site"), "--history", "/proc/history"]
    assert main(words) == 2
    assert "cannot be written" in capsys.readouterr().err
