"""The action and the workflow: what they use is pinned, what they run exists, and nothing that
others can write is pasted into a shell."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from metabench.suite.finding import find_suite
from metabench.suite.project import load_project
from metabench.verbs.command_line import command_line

yaml = pytest.importorskip("yaml", reason="PyYAML reads the workflows; `make setup` installs it")

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "bench.yml"
PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}")
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
KNOWN_STEP = {"name", "id", "if", "uses", "with", "run", "env", "shell", "working-directory"}


def read(path):
    return yaml.safe_load(path.read_text())


def steps():
    """Every step of both files, with the file that it stands in."""
    found = [("action", step) for step in read(ACTION)["runs"]["steps"]]
    for job in read(WORKFLOW)["jobs"].values():
        found += [("workflow", step) for step in job["steps"]]
    return found


def commands():
    """The metabench command lines of all steps, with the variables of the shell set."""
    set_to = {"SUITE": "ci", "BASE": "HEAD~1"}
    for _, step in steps():
        text = step.get("run", "").replace("\\\n", " ")
        for line in re.findall(r'(?:"\$METABENCH"|\.venv/bin/metabench) (.*)', text):
            told = re.sub(r"\$(\w+)", lambda name: set_to[name[1]], line.split(">>")[0])
            yield shlex.split(told)


def test_every_step_uses_one_thing_and_has_no_key_that_is_none():
    for _, step in steps():
        assert ("uses" in step) != ("run" in step), step
        assert set(step) <= KNOWN_STEP, step
    for kind, step in steps():
        assert kind == "workflow" or "run" not in step or step["shell"] == "bash", step


def test_whatever_is_used_is_pinned_to_a_commit_and_says_its_version():
    for path in (ACTION, WORKFLOW):
        for line in path.read_text().splitlines():
            if found := re.search(r"uses: (\S+)(.*)", line):
                if found[1] == "./":
                    continue
                assert PINNED.fullmatch(found[1]), line
                assert re.fullmatch(r" # v\d+(\.\d+)+", found[2]), line


def test_no_expression_is_pasted_into_a_shell():
    for _, step in steps():
        assert "${{" not in step.get("run", ""), step


def test_every_command_of_metabench_is_one_that_it_knows():
    verbs = [command_line().parse(line).verb for line in commands()]
    assert sorted(verbs) == ["ab", "compare", "publish", "run"]


def test_the_action_takes_the_inputs_that_the_workflow_gives():
    inputs = read(ACTION)["inputs"]
    used = {name for _, step in steps() for name in re.findall(r"inputs\.(\w+)", str(step))}
    assert used == set(inputs)
    given = [step["with"] for _, step in steps() if step.get("uses") == "./"]
    assert len(given) == 1
    assert set(given[0]) <= set(inputs)
    assert find_suite(given[0]["suite"], load_project(ROOT)).is_file()


def test_each_variable_of_a_script_is_set_where_the_script_stands():
    known = {"GITHUB_STEP_SUMMARY", "GITHUB_SHA"}
    for _, step in steps():
        used = set(re.findall(r"\$(\w+)", step.get("run", "")))
        assert used <= set(step.get("env", {})) | known, step


def test_nothing_may_be_written_but_where_the_site_is_published():
    workflow = read(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["regressions"]
    assert "push" in workflow["jobs"]["site"]["if"]
    # YAML reads the key `on` as true
    assert "pull_request_target" not in workflow[True]


def test_every_script_is_one_that_bash_can_read():
    for _, step in steps():
        if "run" in step:
            done = subprocess.run(
                ["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
