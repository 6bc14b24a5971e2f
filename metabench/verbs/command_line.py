"""The verbs of the command line, and what each takes. Declared here and not beside their code, so
that help and a wrong word are answered without importing what a verb needs to work."""

from __future__ import annotations

from functools import partial
from typing import Any

from metabench.verbs.argument_types import count, ratio, seconds, share
from metabench.verbs.arguments import (
    add_cells,
    add_compile,
    add_confidence,
    add_device,
    add_json,
    add_no_report,
    add_only,
    add_outcome,
    add_run_folder,
    add_seeds,
    add_selection,
    add_suite,
    add_workers,
)
from metabench.verbs.parser import Parser

DESCRIPTION = "A reproducible benchmark for meta-learning and few-shot learning."

EPILOGUE = """\
examples:
  metabench list                        what there is
  metabench plan sinusoid               what a run would do, and how long it would take
  metabench run sinusoid                run what is not done yet, then report
  metabench run sinusoid --profile smoke --workers 2
  metabench status sinusoid             how far it is

SUITE is a name in the project's suites folder or a path to a TOML file; without one, benchmark.toml
names the default.
exit status: 0 all well, 1 something differs (verify) or regressed (compare, ab), 2 bad
configuration or use, 3 cells failed or are missing, 4 something is open (compare and ab, with
--strict), 130 stopped by Ctrl-C, 141 its reader has gone, 129 and 143 hung up and terminated."""


def command_line() -> Parser:
    """Return the parser of the whole command line. What it parses says in `call` which function
    does the work, as `module:function` of `metabench.verbs`."""
    top = Parser(prog="metabench", description=DESCRIPTION, epilog=EPILOGUE)
    top.add_argument("--version", action="store_true", help="show the version and exit")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    for add in (
        *(_add_plan, _add_run, _add_time, _add_freeze, _add_status, _add_report, _add_publish),
        _add_list,
        *(_add_verify, _add_compare, _add_ab, _add_data, _add_doctor),
    ):
        add(verbs)
    return top


def _verb(verbs: Any, name: str, summary: str, example: str, call: str) -> Parser:
    verb: Parser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
    )
    verb.set_defaults(call=call, parser=verb)
    return verb


def _add_plan(verbs: Any) -> None:
    summary = "show fits and cells: done, stale, failed, missing; and the time expected"
    plan = _verb(verbs, "plan", summary, "metabench plan sinusoid --json", "plan:plan")
    add_selection(plan)
    plan.add_argument(
        "--probe",
        action="store_true",
        help="run a few iterations of each kind of fit whose time is not known yet, and nothing "
        "else",
    )
    add_json(plan)


def _add_run(verbs: Any) -> None:
    summary = "run what is not done (failed cells again), then report"
    example = "metabench run sinusoid --only algorithm=maml,fomaml --seeds 0-4"
    run = _verb(verbs, "run", summary, example, "run:run")
    add_selection(run)
    run.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="kill a fit that takes longer"
    )
    run.add_argument("--fail-fast", action="store_true", help="stop at the first fit that fails")
    run.add_argument(
        "--stale",
        choices=("keep", "rerun"),
        help="records made under other conditions: let them count, or make them again",
    )
    run.add_argument(
        "--repeat-timing",
        action="store_true",
        help="then time the training step of each algorithm alone on the machine, as `metabench "
        "time` does; scores are not touched",
    )
    add_no_report(run)


def _add_time(verbs: Any) -> None:
    summary = "time the training step of each algorithm of a run, one alone and in turn"
    time = _verb(verbs, "time", summary, "metabench time sinusoid", "timing:timing")
    add_suite(time, "the run of this profile of the suite")
    add_only(time)
    add_seeds(time)
    add_device(time)
    add_compile(time)
    time.add_argument("--out", metavar="FOLDER", help="the run folder (default: reports/SUITE)")
    time.add_argument(
        "--blocks",
        type=count,
        default=8,
        metavar="N",
        help="rounds of each setting, its algorithms forth and back (default: 8)",
    )
    time.add_argument(
        "--iterations",
        type=partial(count, least=20),
        default=60,
        metavar="N",
        help="of each short training, at least 20, of which 10 warm up (default: 60)",
    )
    time.add_argument(
        "--again", action="store_true", help="begin anew, in the place of what was timed before"
    )
    add_no_report(time)


def _add_freeze(verbs: Any) -> None:
    summary = "write what a suite declares into a file, to be committed before the first run"
    freeze = _verb(verbs, "freeze", summary, "metabench freeze sinusoid", "freeze:freeze_suite")
    add_suite(freeze, "this profile of the suite")
    freeze.add_argument(
        "--again", action="store_true", help="replace what was frozen before, whatever it says"
    )


def _add_status(verbs: Any) -> None:
    summary = "what is done, running, failed and missing"
    status = _verb(verbs, "status", summary, "metabench status sinusoid", "status:status")
    add_run_folder(status, "suite")


def _add_report(verbs: Any) -> None:
    summary = "render the report again from the records"
    report = _verb(verbs, "report", summary, "metabench report reports/sinusoid", "report:report")
    add_run_folder(report, "suite")
    add_confidence(report)


def _add_publish(verbs: Any) -> None:
    summary = "a static site over run folders, with the history of each suite"
    example = "metabench publish reports/sinusoid --to site"
    publish = _verb(verbs, "publish", summary, example, "publish:publish")
    publish.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="run folders, or suites by name (default: all in the project's reports)",
    )
    publish.add_argument(
        "--to", metavar="SITE", required=True, help="the site's folder: a new one, or the last one"
    )
    publish.add_argument(
        "--history", metavar="FOLDER", help="where the history is kept (default: history)"
    )


def _add_list(verbs: Any) -> None:
    summary = "suites, methods, datasets, models and figures, one line each"
    listing = _verb(verbs, "list", summary, "metabench list methods", "listing:listing")
    listing.add_argument(
        "kind",
        nargs="?",
        choices=("suites", "methods", "datasets", "models", "figures"),
        help="one kind only",
    )


def _add_verify(verbs: Any) -> None:
    summary = "run cells of a run folder again, and hold them bit for bit against their records"
    example = "metabench verify reports/sinusoid --sample 4"
    verify = _verb(verbs, "verify", summary, example, "verify:verify")
    add_run_folder(verify, "folder")
    verify.add_argument(
        "--sample",
        type=count,
        metavar="N",
        help="only so many fits, spread evenly over the algorithms",
    )
    add_cells(verify)
    add_json(verify)


def _add_compare(verbs: Any) -> None:
    summary = "set a run beside an earlier one: what became worse, and with which certainty"
    example = "metabench compare reports/ci-main reports/ci --confirm"
    compare = _verb(verbs, "compare", summary, example, "compare:compare")
    compare.add_argument(
        "baseline",
        metavar="BASELINE",
        help="the earlier run: its folder, its suite, or an entry of the history: "
        "history/ci.jsonl for the latest, history/ci.jsonl@COMMIT for one by its commit or id",
    )
    compare.add_argument("head", metavar="HEAD", help="the run that is judged, named likewise")
    compare.add_argument(
        "--confirm",
        action="store_true",
        help="run fresh seeds of what looks worse on both sides, and decide by those",
    )
    for side, otherwise in (
        ("baseline", "the commit that its records name"),
        ("head", "the project as it stands"),
    ):
        compare.add_argument(
            f"--{side}-sources",
            metavar="COMMIT|FOLDER",
            help=f"what fresh seeds of {side} are run from (default: {otherwise})",
        )
    for option, kind, meaning in (
        ("margin", share, "a loss of accuracy that must not pass unnoticed (default: 0.03)"),
        ("trivial", share, "one below which none matters (default: 0.01)"),
        ("margin-ratio", ratio, "the same of errors, as ratios (default: 1.25)"),
        ("trivial-ratio", ratio, "(default: 1.08)"),
    ):
        compare.add_argument(f"--{option}", type=kind, metavar="M", help=meaning)
    add_workers(compare)
    add_device(compare)
    add_outcome(compare)


def _add_ab(verbs: Any) -> None:
    summary = "run two commits in turn on this machine: what became slower, or takes more memory"
    ab = _verb(verbs, "ab", summary, "metabench ab main", "ab:ab")
    ab.add_argument("base", metavar="BASE", help="a commit, or the folder of a checkout")
    ab.add_argument(
        "head", nargs="?", metavar="HEAD", help="another one (default: the project as it stands)"
    )
    ab.add_argument("--suite", default="ci", help="what both run (default: ci)")
    ab.add_argument("--profile", metavar="NAME", help="of the suite (default: ab, if it has that)")
    add_only(ab)
    ab.add_argument(
        "--blocks", type=count, default=8, metavar="N", help="of four passes (default: 8)"
    )
    ab.add_argument(
        "--margin",
        type=ratio,
        default=1.10,
        metavar="M",
        help="the ratio of times that matters (default: 1.1)",
    )
    add_device(ab)
    add_outcome(ab)


def _add_data(verbs: Any) -> None:
    call = "data:data"
    summary = "where each dataset stands, and how to get it"
    data = _verb(verbs, "data", summary, "metabench data prepare omniglot", call)
    actions = data.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    summary = "every dataset: source, licence, whether it is ready"
    _verb(actions, "list", summary, "metabench data list", call)
    for action, summary in (
        ("prepare", "download or build a dataset, or say which files to put where"),
        ("check", "read a dataset as the suites use it, and show its digest"),
    ):
        verb = _verb(actions, action, summary, f"metabench data {action} omniglot", call)
        verb.add_argument(
            "name", metavar="NAME", help="a registered dataset, or an entry of a suite"
        )


def _add_doctor(verbs: Any) -> None:
    summary = "look for what is wrong here, and say what to do about it"
    _verb(verbs, "doctor", summary, "metabench doctor", "doctor:doctor")
