"""The site in a real browser: on a phone and on a wide screen, in the dark, without scripts."""

import pytest
from dated_run import run_at

from metabench.site import publish

pytestmark = pytest.mark.slow
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

TREND = "suites/omniglot-small/trend/index.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site over two runs of a suite."""
    root = tmp_path_factory.mktemp("root")
    publish([run_at(root / str(day), day) for day in range(2)], root / "site", root / "history")
    return root / "site"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("page", ["index.html", TREND])
def test_no_page_is_wider_than_its_window(browser, site, page, width):
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        opened = context.new_page()
        opened.goto((site / page).as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", TREND])
def test_axe_finds_nothing_serious(browser, site, page, scheme):
    with browser.new_context(color_scheme=scheme) as context:
        opened = context.new_page()
        opened.goto((site / page).as_uri())
        found = axe.Axe().run(opened).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_from_the_index_every_page_is_reached_without_a_script(browser, site):
    with browser.new_context(java_script_enabled=False) as context:
        opened = context.new_page()
        opened.goto((site / "index.html").as_uri())
        opened.get_by_role("link", name="Trend over 2 runs").click()
        opened.get_by_role("link", name="aaaaaaa").click()
        assert opened.url.endswith("aaaaaaaaaaaa/index.html")
        opened.get_by_role("link", name="Latest report of this suite").click()
        opened.get_by_role("link", name="This report for good").click()
        assert opened.url.endswith("bbbbbbbbbbbb/index.html")
        opened.get_by_role("link", name="All suites").click()
        assert opened.url == (site / "index.html").as_uri()
