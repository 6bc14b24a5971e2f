"""Whatever is wrong with a plugin is told as its own fault, with its file and line, and hurts
nothing but its own cells."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from broken_plugins import WAYS, Broken
from harness import Outcome, command
from workshop import records, wait_for

from metabench.suite.schema import SECTION_OF, TABLE_OF

pytestmark = pytest.mark.slow

RECIPE = """
[train]
iterations = 2
tasks_per_batch = 2

[validate]
every = 2
episodes = 4

[evaluate]
episodes = 8
"""
GOOD = '[grid]\nalgorithms = ["fomaml"]\ndatasets = ["sinusoid"]\nshots = 5\nseeds = 1\n' + RECIPE
BESIDE = {"methods": "fomaml", "datasets": "sinusoid", "models": "mlp"}
READ, LATER = (
    [way for way in WAYS if way.stage == "read"],
    [way for way in WAYS if way.stage != "read"],
)


def grid(way: Broken) -> str:
    """A grid of a broken plugin and whatever good ones it needs, the good one of its kind among
    them."""
    named = {
        group: [good, way.name] if group == way.group else [good] for group, good in BESIDE.items()
    }
    return (
        "[[grid]]\n"
        + "".join(f"{TABLE_OF[group]} = {json.dumps(names)}\n" for group, names in named.items())
        + "shots = 5\nseeds = 1\n"
    )


def write(folder: Path, ways: Sequence[Broken]) -> Path:
    """A project with these plugins, a suite for each, a good one, and one of all that can be
    read."""
    (folder / "suites").mkdir(parents=True)
    plugins: dict[str, str] = {}
    for way in ways:
        (folder / f"{way.name}.py").write_bytes(way.source)
        (folder / "suites" / f"{way.name}.toml").write_text(grid(way) + RECIPE)
        plugins[way.group] = plugins.get(way.group, "") + f'{way.name} = "{way.name}:Odd"\n'
    (folder / "suites" / "good.toml").write_text(GOOD)
    (folder / "suites" / "later.toml").write_text(
        "".join(grid(way) for way in ways if way.stage != "read") + RECIPE
    )
    (folder / "benchmark.toml").write_text(
        "".join(f"[plugins.{group}]\n{names}" for group, names in plugins.items())
    )
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project in which every plugin is broken."""
    return write(tmp_path_factory.mktemp("broken") / "project", WAYS)


def assert_told(way: Broken, text: str) -> None:
    assert way.says in text, text[:4000]
    if way.in_file:
        assert f"{way.group[:-1]} '{way.name}'" in text, text[:4000]
        assert f"{way.name}.py" in text, text[:4000]


def test_there_are_many_ways() -> None:
    assert len({way.name for way in WAYS}) == len(WAYS)


@pytest.mark.parametrize("way", READ, ids=lambda way: way.name)
def test_a_suite_that_names_it_says_so_and_is_not_run(project: Path, way: Broken) -> None:
    # both read a suite first, and alike
    for verb in ("plan", "run") if READ.index(way) % 6 == 0 else ("plan",):
        found = command(verb, way.name, "--device", "cpu", folder=project)
        found.assert_fair((2,))
        assert f"metabench: suites/{way.name}.toml:" in found.output
        assert_told(way, found.output)
        assert len(found.output) < 5000
    assert not (project / "reports" / way.name).exists()


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way.group == "datasets"], ids=lambda way: way.name
)
def test_a_check_of_its_data_says_so(project: Path, way: Broken) -> None:
    found = command("data", "check", way.name, folder=project)
    found.assert_fair((2,) if way.stage == "load" else (0, 2))
    if found.status:
        assert_told(way, found.output)


def test_others_are_not_hurt(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of them in one project: other suites, and the verbs that look at everything."""
    monkeypatch.setattr("harness.SECONDS", 120.0)  # of so many suites
    told: dict[str, Outcome] = {
        name: command(*name.split(), folder=project)
        for name in (
            "list",
            "list methods",
            "data list",
            "data check sinusoid",
            "doctor",
            "plan good --device cpu",
            "plan later --device cpu",
        )
    }
    for outcome in told.values():
        outcome.assert_fair((0,))
    for way in WAYS:
        assert f"\n  {way.name}" in told["list"].output
        if way.group == "datasets":
            assert f"\n{way.name}" in told["data list"].output
        if way.stage == "load":
            suites = ", ".join(sorted((way.name, "later")))
            assert (
                f"\n{way.name} (suites {suites}): not ready: dataset '{way.name}'"
                in told["data list"].output
            )
        if way.stage != "fit":
            assert_told(way, told["doctor"].output)
    assert "\nsinusoid" in told["data list"].output
    assert "sinusoid (" in told["data check sinusoid"].output
    assert "ok   suite good" in told["doctor"].output


@pytest.fixture(scope="module")
def run(project: Path) -> tuple[Outcome, dict[str, Any]]:
    """One run of all that break in a fit, each beside what is good; and the records by the label of
    what is odd in them."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr("harness.SECONDS", 240.0)
    outcome = command(
        "run", "later", "--device", "cpu", "--no-report", "--workers", "2", folder=project
    )
    monkey.undo()
    found: dict[str, Any] = {}
    for path in (project / "reports" / "later" / "records").glob("*.json"):
        record = json.loads(path.read_text())
        odd = {record["labels"][SECTION_OF[group]] for group in BESIDE} - {*BESIDE.values()}
        found[odd.pop() if odd else ""] = record
    return outcome, found


def test_a_run_goes_on_for_all_others(run: tuple[Outcome, dict[str, Any]]) -> None:
    outcome, found = run
    assert outcome.status == 3
    assert "Traceback (most recent call last)" not in outcome.output
    assert len(outcome.output) < 200_000
    assert set(found) == {"", *(way.name for way in LATER)}
    assert found[""]["result"]["outcome"] == "completed"


@pytest.mark.parametrize("way", LATER, ids=lambda way: way.name)
def test_a_fit_that_breaks_says_whose_fault_it_is(
    run: tuple[Outcome, dict[str, Any]], way: Broken
) -> None:
    result = run[1][way.name]["result"]
    assert result["outcome"] == "failed", result["outcome"]
    error = result["error"]
    assert_told(way, f"{error['type']}: {error['message']}")
    assert len(error["message"]) < 3000
    assert len(error["traceback"] or "") < 21_000


def test_a_plugin_may_print_and_wander_and_close_what_it_likes(tmp_path: Path) -> None:
    """What a program reads from stdout is not for plugins."""
    noise = "print('x' * 100_000)\nos.chdir('/')\nsys.stdout.close()\nsys.stderr.close()\n"
    source = (
        WAYS[-1].source.decode().partition("class Odd")[0]
        + noise
        + "class Odd(FOMAML):\n    version = 1\n"
    )
    project = write(tmp_path / "project", [Broken("methods", "prattling", source.encode(), "")])
    found = command("plan", "prattling", "--json", "--device", "cpu", folder=project)
    found.assert_fair((0,))
    assert json.loads(found.output[found.output.index("{") :])["fits"] == 2
    ran = command("run", "prattling", "--no-report", "--device", "cpu", folder=project)
    ran.assert_fair((0,))
    assert {
        record["result"]["outcome"]
        for record in records(project / "reports" / "prattling").values()
    } == {"completed"}


STOPPED = {signal.SIGINT: "stopped", signal.SIGTERM: "terminated"}


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_stops_the_command_is_not_taken_for_a_plugin(
    tmp_path: Path, how: signal.Signals, status: int
) -> None:
    """Though it is a plugin's code that runs at the moment."""
    slow = Broken(
        "methods", "slow", b"import time\nopen('here', 'w').close()\ntime.sleep(60)\n", ""
    )
    project = write(tmp_path / "project", [slow])
    command_line = [sys.executable, "-m", "metabench", "plan", "slow", "--device", "cpu"]
    child = subprocess.Popen(command_line, cwd=project, stderr=subprocess.PIPE, text=True)
    wait_for((project / "here").exists)
    child.send_signal(how)
    _, told = child.communicate(timeout=30)
    assert child.returncode == status
    assert "slow" not in told
    assert f"metabench: {STOPPED[how]}" in told
