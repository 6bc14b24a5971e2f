"""The verbs of the command line and their options, in words. No logic: what a verb does is a
function of a module beside this one, imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE
from metabench.errors import nearest
from metabench.text import one_line
from metabench.verbs.kinds import confidence, count, count_or_none, ratio, seconds, share

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DESCRIPTION = "A reproducible benchmark for meta-learning and few-shot learning."

EPILOGUE = """\
examples:
  metabench list                        what there is
  metabench plan sinusoid               what a run would do, and how long it would take
  metabench run sinusoid                run what is not done yet, then report
  metabench run sinusoid --profile short --workers 2
  metabench status sinusoid             how far it is

SUITE is a name in the project's suites folder or a path to a TOML file; without one, benchmark.toml
names the default.
exit status: 0 all well, 1 something differs (verify) or regressed (compare, ab), 2 bad
configuration or use, 3 cells failed or are missing, 4 something is open (compare and ab, with
--strict), 130 stopped by Ctrl-C, 141 its reader has gone, 129 and 143 hung up and terminated."""

SUITE_HELP = "name in the suites folder, or path to a TOML file (default: that of benchmark.toml)"
FOLDER_HELP = "a suite by name or path, or a run folder (default: the suite of benchmark.toml)"
CONFIDENCE_HELP = (
    f"of every interval, between {LEAST_CONFIDENCE} and {MOST_CONFIDENCE} "
    "(default: that of the run)"
)


class Parser(argparse.ArgumentParser):
    """A parser that tells the nearest right word, and takes no abbreviation: one that works today
    is ambiguous tomorrow."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and where help is."""
        self.exit(
            2, f"{self.prog}: {one_line(message)}\n`{self.prog} --help` shows what there is\n"
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with the nearest of the choices."""
        choices = [str(choice) for choice in action.choices or ()]
        if choices and value not in choices:
            words = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise argparse.ArgumentError(
                action, f"'{value}': expected {words}{nearest(value, choices)}"
            )

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """As argparse does, which would keep to itself that there is no room for it."""
        if message:
            (file or sys.stderr).write(message)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command line; an option that nobody knows is told by the parser of its verb."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            parser: Parser = getattr(options, "parser", self)
            word = unknown[0].partition("=")[0]
            parser.error(
                "no such option or argument: "
                f"{unknown[0]}{nearest(word, parser._option_string_actions)}"
            )
        return options


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="metabench", description=DESCRIPTION, epilog=EPILOGUE)
    top.add_argument("--version", action="store_true", help="show the version and exit")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    _add_plan(verbs)
    _add_run(verbs)
    _add_freeze(verbs)
    _add_status(verbs)
    _add_report(verbs)
    _add_publish(verbs)
    _add_list(verbs)
    _add_verify(verbs)
    _add_compare(verbs)
    _add_ab(verbs)
    _add_data(verbs)
    _verb(
        verbs,
        "doctor",
        "look for what is wrong here, and say what to do about it",
        "doctor:doctor",
        "metabench doctor",
    )
    return top


def _verb(verbs: Any, name: str, summary: str, call: str, example: str) -> Parser:
    verb: Parser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
    )
    verb.set_defaults(call=call, parser=verb)
    return verb


def _add_selection(verb: Parser) -> None:
    verb.add_argument("suite", nargs="?", metavar="SUITE", help=SUITE_HELP)
    verb.add_argument(
        "--profile", metavar="NAME", help="a profile of the suite; has a run folder of its own"
    )
    _add_cells(verb)
    verb.add_argument("--out", metavar="FOLDER", help="the run folder (default: reports/SUITE)")


def _add_run_folder(verb: Parser, name: str) -> None:
    verb.add_argument(name, nargs="?", metavar="SUITE|FOLDER", help=FOLDER_HELP)
    verb.add_argument("--profile", metavar="NAME", help="the run of this profile of the suite")


def _add_cells(verb: Parser) -> None:
    _add_only(verb)
    verb.add_argument("--seeds", metavar="LIST", help="only these seeds: 0-4, or 0,2")
    _add_workers(verb)
    _add_device(verb)
    verb.add_argument(
        "--engine",
        choices=("process", "inline"),
        default="process",
        help="what fits run on: a process for each (default), or inline, one after another in this "
        "process, for debuggers and where no processes can be started; there is no timeout then",
    )


def _add_only(verb: Parser) -> None:
    verb.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only these cells, such as algorithm=maml,fomaml; may be given more than once",
    )


def _add_workers(verb: Parser) -> None:
    verb.add_argument(
        "--workers",
        type=count_or_none,
        metavar="N",
        help="fits at once, 0 for as many as cores or one a GPU (default: that of benchmark.toml, "
        "or 0)",
    )


def _add_device(verb: Parser) -> None:
    verb.add_argument(
        "--threads",
        type=count,
        metavar="N",
        help="threads of each fit (default: that of benchmark.toml, or 1)",
    )
    verb.add_argument(
        "--device",
        default="auto",
        help="auto (CUDA where there is any), cpu, cuda or cuda:N (default: auto)",
    )


def _add_plan(verbs: Any) -> None:
    plan = _verb(
        verbs,
        "plan",
        "show fits and cells: done, stale, failed, missing; and the time expected",
        "plan:plan",
        "metabench plan sinusoid --json",
    )
    _add_selection(plan)
    plan.add_argument(
        "--probe",
        action="store_true",
        help="run a few iterations of each kind of fit whose time is not known yet, and nothing "
        "else",
    )
    plan.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_run(verbs: Any) -> None:
    example = "metabench run sinusoid --only algorithm=maml,fomaml --seeds 0-4"
    run = _verb(
        verbs, "run", "run what is not done (failed cells again), then report", "run:run", example
    )
    _add_selection(run)
    run.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="kill a fit that takes longer"
    )
    run.add_argument("--fail-fast", action="store_true", help="stop at the first fit that fails")
    run.add_argument(
        "--stale",
        choices=("keep", "rerun"),
        help="records made under other conditions: let them count, or make them again",
    )
    run.add_argument("--no-report", action="store_true", help="do not render the report at the end")


def _add_freeze(verbs: Any) -> None:
    freeze = _verb(
        verbs,
        "freeze",
        "write what a suite declares into a file, to be committed before the first run",
        "freeze:freeze_suite",
        "metabench freeze sinusoid",
    )
    freeze.add_argument("suite", nargs="?", metavar="SUITE", help=SUITE_HELP)
    freeze.add_argument("--profile", metavar="NAME", help="this profile of the suite")
    freeze.add_argument(
        "--again", action="store_true", help="replace what was frozen before, whatever it says"
    )


def _add_status(verbs: Any) -> None:
    summary = "what is done, running, failed and missing"
    status = _verb(verbs, "status", summary, "status:status", "metabench status sinusoid")
    _add_run_folder(status, "suite")


def _add_report(verbs: Any) -> None:
    summary = "render the report again from the records"
    report = _verb(verbs, "report", summary, "report:report", "metabench report reports/sinusoid")
    _add_run_folder(report, "suite")
    report.add_argument("--confidence", type=confidence, metavar="C", help=CONFIDENCE_HELP)


def _add_publish(verbs: Any) -> None:
    summary = "a static site over run folders, with the history of each suite"
    publish = _verb(
        verbs, "publish", summary, "publish:publish", "metabench publish reports/sinusoid --to site"
    )
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
    listing = _verb(verbs, "list", summary, "listing:listing", "metabench list methods")
    listing.add_argument(
        "kind",
        nargs="?",
        choices=("suites", "methods", "datasets", "models", "figures"),
        help="one kind only",
    )


def _add_verify(verbs: Any) -> None:
    summary = "run cells of a run folder again, and hold them bit for bit against their records"
    verify = _verb(
        verbs, "verify", summary, "verify:verify", "metabench verify reports/sinusoid --sample 4"
    )
    _add_run_folder(verify, "folder")
    verify.add_argument(
        "--sample",
        type=count,
        metavar="N",
        help="only so many fits, spread evenly over the algorithms",
    )
    _add_cells(verify)
    verify.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_compare(verbs: Any) -> None:
    compare = _verb(
        verbs,
        "compare",
        "set a run beside an earlier one: what became worse, and with which certainty",
        "compare:compare",
        "metabench compare reports/ci-main reports/ci --confirm",
    )
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
    _add_workers(compare)
    _add_device(compare)
    _add_outcome(compare)


def _add_ab(verbs: Any) -> None:
    ab = _verb(
        verbs,
        "ab",
        "run two commits in turn on this machine: what became slower, or takes more memory",
        "ab:ab",
        "metabench ab main",
    )
    ab.add_argument("base", metavar="BASE", help="a commit, or the folder of a checkout")
    ab.add_argument(
        "head",
        nargs="?",
        metavar="HEAD",
        help="another one (default: the project as it stands)",
    )
    ab.add_argument("--suite", default="ci", help="what both run (default: ci)")
    ab.add_argument("--profile", metavar="NAME", help="of the suite (default: ab, if it has that)")
    _add_only(ab)
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
    _add_device(ab)
    _add_outcome(ab)


def _add_outcome(verb: Parser) -> None:
    verb.add_argument(
        "--format",
        choices=("text", "markdown", "json", "html"),
        default="text",
        help="of what is printed (default: text)",
    )
    verb.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write it there too, in the format that .txt, .md, .json or .html names; may be "
        "given more than once",
    )
    verb.add_argument(
        "--strict",
        action="store_true",
        help="exit status 4 where something is inconclusive or refused",
    )


def _add_data(verbs: Any) -> None:
    data = _verb(
        verbs,
        "data",
        "where each dataset stands, and how to get it",
        "data:data",
        "metabench data prepare omniglot",
    )
    actions = data.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    _verb(
        actions,
        "list",
        "every dataset: source, licence, whether it is ready",
        "data:data",
        "metabench data list",
    )
    for action, summary in (
        ("prepare", "download or build a dataset, or say which files to put where"),
        ("check", "read a dataset as the suites use it, and show its digest"),
    ):
        verb = _verb(actions, action, summary, "data:data", f"metabench data {action} omniglot")
        verb.add_argument(
            "name", metavar="NAME", help="a registered dataset, or an entry of a suite"
        )
