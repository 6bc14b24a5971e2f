"""What `make bench` runs, in its short profile: it ends well, and a browser shows its report
without complaint."""

import shutil
import subprocess
from pathlib import Path

import pytest

from metabench.report import render
from metabench.verbs.run import run_project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def short_bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the default suite, one seed of its short profile."""
    project = tmp_path_factory.mktemp("bench")
    shutil.copy(ROOT / "benchmark.toml", project)
    shutil.copytree(ROOT / "suites", project / "suites")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        summary = run_project(None, profile="short", seeds=[0])
    assert (summary.exit_status, summary.finished, summary.failed) == (0, 12, [])
    return summary.folder


def test_the_default_bench_ends_with_a_report(short_bench: Path) -> None:
    page = render(short_bench)
    text = page.read_text()
    assert page.stat().st_size > 100_000
    assert all(
        f">{name}" in text
        for name in ("maml", "fomaml", "reptile", "pretrained", "scratch", "oracle", "protonet")
    )
    assert "12 of 24" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_the_report_without_complaint(short_bench: Path, tmp_path: Path) -> None:
    page, picture = render(short_bench), tmp_path / "page.png"
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        *QUIET,
        "--enable-logging=stderr",
        "--v=0",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [*command, f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 10_000
