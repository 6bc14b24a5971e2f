"""The page in a real browser: by keyboard and by screen reader, narrow and dark, with and without
its script."""

import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

import pytest
from synthetic_run import Synthetic, troubled

from metabench.report import render
from metabench.tables import load

pytestmark = pytest.mark.slow
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CLAIM = {"id": "a", "says": "MAML is better", "source": "", "metric": "score", "of": "maml"}
CLAIM |= {"against": "fomaml", "published": False, "where": {}, "versus_where": None}
CLAIM |= {"bound": "difference_above", "limits": [0.0]}
SUITES = {
    "whole": Synthetic(figures=True, claims=[CLAIM]),
    "troubled": troubled(),
    "many settings": Synthetic(
        algorithms=("maml", "fomaml", "protonet"),
        shots=(1,),
        axes={"train.iterations": [10, 20, 40, 80, 160]},
    ),
    "waves": Synthetic(
        ways=None, dataset="sinusoid", algorithms=("maml", "protonet"), shots=(5,), figures=True
    ),
}
WIDTHS = (320, 390, 768, 1280)
ROWS = "#comparisons table.sortable tbody:first-of-type tr:not(.of)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The address of each suite's page."""
    return {
        name: render(suite.write(tmp_path_factory.mktemp("run") / "run")).as_uri()
        for name, suite in SUITES.items()
    }


@pytest.fixture
def visit(browser, pages):
    """Open the page of a suite in a window of its own."""
    opened = []

    def visit(name="whole", width=1280, part="", **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        opened.append(context)
        page = context.new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(pages[name] + part)
        return page

    yield visit
    for context in opened:
        context.close()


def names(page, selector=ROWS):
    return page.locator(f"{selector} th .name").all_inner_texts()


@pytest.mark.parametrize("suite", SUITES)
def test_one_request_and_no_complaint(visit, suite):
    page = visit(suite)
    assert [url for url in page.requests if not url.startswith("data:")] == [page.url]
    assert page.complaints == []


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, suite, scheme):
    page = visit(suite, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_is_never_wider_than_its_window(visit, suite, scripts):
    for width in WIDTHS:
        page = visit(suite, width, java_script_enabled=scripts)
        assert page.locator("html").evaluate("(root) => root.scrollWidth") <= width


def test_a_click_on_a_heading_sorts_within_each_block(visit):
    page = visit()
    heading = page.locator("#comparisons thead th").nth(1)
    heading.get_by_role("button").click()
    rising = names(page)
    assert heading.get_attribute("aria-sort") == "ascending"
    values = [
        float(cell.get_attribute("data-sort"))
        for cell in page.locator(f"{ROWS} > td:nth-of-type(1)").all()
    ]
    assert values == sorted(values)
    assert len(set(values)) == 3
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert names(page) == rising[::-1]
    titles = page.locator("#comparisons table.sortable tbody tr:first-child").all()
    assert [title.get_attribute("class") for title in titles] == ["of", "of"]


def test_the_keyboard_reaches_headings_and_sorts(visit):
    page = visit()
    button = page.locator("#results thead th button").first
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#results th[aria-sort=ascending]").count() == 1
    first = page.locator("#results table").first
    assert first.locator("tbody .name").all_inner_texts() == sorted(
        first.locator("tbody .name").all_inner_texts()
    )


def test_what_is_typed_leaves_the_rows_that_hold_it(visit):
    page = visit("many settings")
    page.get_by_text("All costs").click()
    table = page.locator("#cost table")
    field = page.locator("#cost").get_by_label("Filter rows")
    shown = table.locator("tbody tr:not(.of):visible")
    assert shown.count() == 15
    field.fill("PROTO")
    assert shown.count() == 5
    assert page.locator("#cost output").inner_text() == "5 rows"
    field.fill("nobody proto")
    assert table.locator("tbody tr:visible").count() == 0
    field.fill("")
    assert shown.count() == 15


def test_the_first_stop_skips_to_the_results_and_only_what_scrolls_is_a_stop(visit):
    page = visit(width=390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    stops = page.locator(".scroll")
    for scrolls, stop in stops.evaluate_all(
        "(all) => all.map((one) => [one.scrollWidth > one.clientWidth + 1, one.tabIndex === 0])"
    ):
        assert scrolls == stop
    assert stops.evaluate_all("(all) => all.filter((one) => one.tabIndex === 0).length") > 0


def test_what_is_pressed_is_large_enough(visit):
    page = visit()
    for selector in ("nav a", "button:visible", "summary", "dl.facts a", ".anchor"):
        heights = page.locator(selector).evaluate_all(
            "(all) => all.map((one) => one.getBoundingClientRect().height)"
        )
        assert heights
        assert min(heights) >= 24, selector


def test_without_its_script_the_page_lacks_nothing_but_comforts(visit):
    with_it, without = visit(), visit(java_script_enabled=False)
    assert without.locator("button, input").count() == 0
    for part in ("table tbody tr", "figure svg", "section h2", "a[download]"):
        assert without.locator(part).count() == with_it.locator(part).count() > 0
    assert without.locator("#results table").first.is_visible()


def test_a_link_to_a_block_that_is_folded_away_unfolds_it(visit):
    key = "omniglot-5w1s-train-iterations-80"
    page = visit("many settings")
    assert page.locator("#results details[open]").count() == 1
    page.locator(f"#overview a[href='#{key}']").click()
    page.wait_for_function(f"document.getElementById('{key}').open")
    assert visit("many settings", part=f"#{key}").locator(f"[id='{key}'] table").is_visible()


def saved(page, press):
    with page.expect_download() as download:
        press()
    return download.value


def test_tables_can_be_taken_away_from_the_page_alone(visit, pages):
    page = visit()
    file = saved(page, lambda: page.locator("#cite a[download$='groups.csv']").click())
    folder = urllib.parse.unquote(urllib.parse.urlparse(pages["whole"]).path).rpartition("/")[0]
    text = file.path().read_text()
    assert text == Path(folder, "tables", "groups.csv").read_text()
    assert load(folder).groups.shape[0] == text.count("\n") - 1


def test_a_figure_is_saved_with_its_colours_on_light_paper(visit):
    light, dark = (visit(color_scheme=scheme) for scheme in ("light", "dark"))
    told = []
    for page in (light, dark):
        button = page.get_by_role("button", name="Save as SVG: Differences").first
        file = saved(page, button.click)
        assert file.suggested_filename == "omniglot-5w1s-forest.svg"
        text = file.path().read_text()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "var(" not in text
        assert "class=" not in text
        told.append(text)
    assert told[0] == told[1]
    root = ElementTree.fromstring(told[0])
    svg = "{http://www.w3.org/2000/svg}"
    assert any(
        "rgb(0, 115, 125)" in use.get("style") for use in root.iter(f"{svg}use")
    )  # the third
    marks = [path.get("style", "") for path in root.findall(f".//{svg}defs/{svg}path")]
    assert marks
    assert not any(style.startswith("fill:") for style in marks)  # they take it from there


@pytest.mark.parametrize("title", ["Differences", "Queries as maml"])
def test_a_figure_is_saved_as_a_picture(visit, title):
    page = visit()
    file = saved(page, page.get_by_role("button", name=f"Save as PNG: {title}").first.click)
    picture = file.path().read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000
    assert page.complaints == []


def test_printing_shows_what_is_folded_away(visit):
    page = visit("many settings")
    page.emulate_media(media="print")
    assert page.locator("#results table").last.is_visible()
    assert not page.locator("nav").is_visible()
