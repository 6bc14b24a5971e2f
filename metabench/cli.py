"""The command line: its verbs and their options. No logic of its own: a verb is a function in
`metabench.verbs`, imported when it is called."""

from __future__ import annotations

import argparse
import atexit
import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE
from metabench.errors import MetabenchError, message_of, nearest
from metabench.terminal.printing import shown_streams
from metabench.terminal.signals import GOES_ON, stopped_well
from metabench.text import one_line

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

TRACEBACK = "METABENCH_TRACEBACK"
"""A variable of the environment under which an unforeseen error is shown in full."""

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
        wrong = re.search(r"invalid choice: '([^']*)'", message)
        hint = nearest(wrong[1], self._known()) if wrong else ""
        self.exit(
            2,
            f"{self.prog}: {one_line(message)}{one_line(hint)}\n`{self.prog} --help` shows what "
            "there is\n",
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
            parser.error(
                "no such option or argument: "
                f"{unknown[0]}{nearest(unknown[0].partition('=')[0], parser._known())}"
            )
        return options

    def _known(self) -> list[str]:
        words = list(self._option_string_actions)
        for action in self._actions:
            words += [str(choice) for choice in action.choices or ()]
        return words


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="metabench", description=DESCRIPTION, epilog=EPILOGUE)
    top.add_argument("--version", action="store_true", help="show the version and exit")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    _add_plan(verbs)
    _add_run(verbs)
    status = _verb(
        verbs,
        "status",
        "what is done, running, failed and missing",
        "status:status",
        "metabench status sinusoid",
    )
    status.add_argument("suite", nargs="?", metavar="SUITE", help=FOLDER_HELP)
    status.add_argument("--profile", metavar="NAME", help="the run of this profile of the suite")
    report = _verb(
        verbs,
        "report",
        "render the report again from the records",
        "report:report",
        "metabench report reports/sinusoid",
    )
    report.add_argument("suite", nargs="?", metavar="SUITE|FOLDER", help=FOLDER_HELP)
    report.add_argument("--profile", metavar="NAME", help="the run of this profile of the suite")
    report.add_argument("--confidence", type=_confidence, metavar="C", help=CONFIDENCE_HELP)
    listing = _verb(
        verbs,
        "list",
        "suites, methods, datasets and models, one line each",
        "listing:listing",
        "metabench list methods",
    )
    listing.add_argument(
        "kind",
        nargs="?",
        choices=("suites", "methods", "datasets", "models", "figures"),
        help="one kind only",
    )
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit status."""
    with stopped_well(), shown_streams():
        return _status(list(sys.argv[1:] if arguments is None else arguments))


def command() -> NoReturn:
    """The console script: `main`, and then the end, for which no thread is waited that a plugin may
    have left behind."""
    status = main()
    atexit._run_exitfuncs()
    os._exit(status)


def _status(arguments: Sequence[str]) -> int:
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except MetabenchError as error:
        print(f"metabench: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\nmetabench: stopped; {GOES_ON}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        return 141
    # what no verb foresaw: a folder without permission, a path that is too long, a full terminal
    except OSError as error:
        place = f"{one_line(error.filename)}: " if error.filename else ""
        print(f"metabench: {place}{one_line(error.strerror or error)}", file=sys.stderr)
        return 2
    except Exception as error:  # a bug of ours, or a plugin's that has changed what others rely on
        if os.environ.get(TRACEBACK):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        told = (
            f"unforeseen {type(error).__name__}: {one_line(message_of(error))} "
            f"({frame.filename}, line {frame.lineno})"
        )
        print(
            f"metabench: {told}. What is finished is kept; {TRACEBACK}=1 shows where it came from",
            file=sys.stderr,
        )
        return 2
    return status


def _dispatch(arguments: Sequence[str]) -> int:
    top = parser()
    try:
        options = top.parse(arguments)
    except SystemExit as stop:  # argparse has said what there is to say
        return int(str(stop.code))
    if options.version:
        from metabench import __version__

        print(f"metabench {__version__}")
        return 0
    if options.verb is None:
        top.print_help()
        return 2
    module, _, function = options.call.partition(":")
    status: int = getattr(importlib.import_module(f"metabench.verbs.{module}"), function)(options)
    return status


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


def _add_cells(verb: Parser) -> None:
    verb.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only these cells; can be said more than once",
    )
    verb.add_argument("--seeds", metavar="LIST", help="only these seeds: 0-4, or 0,2")
    _add_workers(verb)
    _add_device(verb)
    verb.add_argument(
        "--engine",
        choices=("process", "inline"),
        default="process",
        help="what fits run on: a process for each (default), or inline, one after another in this "
        "process, for debuggers and where no processes can be started; it can kill none",
    )


def _add_workers(verb: Parser) -> None:
    verb.add_argument(
        "--workers",
        type=_count_or_none,
        metavar="N",
        help="fits at once (default, and 0: as many as cores; one a GPU)",
    )


def _add_device(verb: Parser) -> None:
    verb.add_argument(
        "--threads",
        type=_count,
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
    plan.add_argument("--json", action="store_true", help="for programs")


def _add_run(verbs: Any) -> None:
    example = "metabench run sinusoid --only algorithm=maml,fomaml --seeds 0-4"
    run = _verb(
        verbs, "run", "run what is not done (failed cells again), then report", "run:run", example
    )
    _add_selection(run)
    run.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="kill a fit that takes longer"
    )
    run.add_argument("--fail-fast", action="store_true", help="stop at the first fit that fails")
    run.add_argument(
        "--stale",
        choices=("keep", "rerun"),
        help="records made under other conditions: let them count, or make them again",
    )
    run.add_argument("--no-report", action="store_true", help="do not render the report at the end")


def _add_verify(verbs: Any) -> None:
    summary = "run cells of a run folder again, and hold them bit for bit against their records"
    verify = _verb(
        verbs, "verify", summary, "verify:verify", "metabench verify reports/sinusoid --sample 4"
    )
    verify.add_argument("folder", nargs="?", metavar="FOLDER", help=FOLDER_HELP)
    verify.add_argument("--profile", metavar="NAME", help="the run of this profile of the suite")
    verify.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="only so many fits, spread evenly over the algorithms",
    )
    _add_cells(verify)
    verify.add_argument("--json", action="store_true", help="for programs")


def _add_compare(verbs: Any) -> None:
    compare = _verb(
        verbs,
        "compare",
        "set a run beside an earlier one: what became worse, and with which certainty",
        "compare:compare",
        "metabench compare reports/ci-main reports/ci --confirm",
    )
    compare.add_argument("baseline", metavar="BASELINE", help="the earlier run folder")
    compare.add_argument("head", metavar="HEAD", help="the run folder that is judged")
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
        ("margin", _share, "a loss of accuracy that must not pass unnoticed (default: 0.03)"),
        ("trivial", _share, "one below which none matters (default: 0.01)"),
        ("margin-ratio", _ratio, "the same of errors, as ratios (default: 1.25)"),
        ("trivial-ratio", _ratio, "(default: 1.08)"),
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
    ab.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only these cells; can be said more than once",
    )
    ab.add_argument(
        "--blocks", type=_count, default=8, metavar="N", help="of four passes (default: 8)"
    )
    ab.add_argument(
        "--margin",
        type=_ratio,
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
        help="write it there too, in the format that .txt, .md, .json or .html names; can be said "
        "more than once",
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


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text[:20]}': expected a whole number, at least 1")
    return int(text)


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of seconds, greater than 0")
    return seconds


def _share(text: str) -> float:
    return _between(text, 0, 1, "greater than 0 and less than 1")


def _ratio(text: str) -> float:
    return _between(text, 1, 1000, "greater than 1 and less than 1000")


def _between(text: str, low: float, high: float, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = low
    if not low < number < high:
        raise argparse.ArgumentTypeError(f"'{text[:20]}': expected a number {expected}")
    return number


def _confidence(text: str) -> float:
    try:
        confidence = float(text)
    except ValueError:
        confidence = 0.0
    if not LEAST_CONFIDENCE < confidence <= MOST_CONFIDENCE:
        raise argparse.ArgumentTypeError(
            f"'{text}': expected a number between {LEAST_CONFIDENCE} and {MOST_CONFIDENCE}"
        )
    return confidence
