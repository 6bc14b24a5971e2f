"""`metabench data`: where each dataset stands, as the project's suites use it, and how to get
it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metabench import registry
from metabench.cells import Part
from metabench.errors import ConfigError, DataError, MetabenchError, no_such, some
from metabench.identity import digest
from metabench.io.files import make_folder
from metabench.suite import Suite, every_suite
from metabench.suite.project import Project
from metabench.suite.toml import toml_value
from metabench.verbs.target import current_project


@dataclass(frozen=True)
class Use:
    """A dataset under the settings that suites use it with.

    Attributes
    ----------
    labels
        What suites call it.
    suites
        Those that use it so. Without any, it is a registered dataset with its default settings.
    """

    part: Part
    labels: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The registered name, who uses it, and which settings differ from the defaults, lists left
        out."""
        facts = [f"suite{'s' * (len(self.suites) > 1)} {some(self.suites)}"] if self.suites else []
        facts += [
            f"{key} = {toml_value(value)}"
            for key, value in self.part.said.items()
            if not isinstance(value, list | tuple)
        ]
        return self.part.name + (f" ({', '.join(facts)})" if facts else "")

    def open(self, data: Path) -> str | None:
        """Load the dataset, and return the digest of its content; None where it is made on the fly.

        Raises
        ------
        DataError, ConfigError
            It is not ready, or a plugin that cannot be used.
        """
        from metabench.experiment.parts import open_dataset
        from metabench.experiment.returned.datasets import checked_content

        try:
            with registry.blamed("datasets", self.part.name, OSError):
                return checked_content(open_dataset(self.part, data))
        except OSError as error:
            raise DataError(
                f"dataset '{self.part.name}': {error.filename or data}: cannot be read: "
                f"{error.strerror or error}"
            ) from error


def data(options: argparse.Namespace) -> int:
    """The verb: `list`, or `prepare` and `check` of one dataset."""
    project = current_project()
    suites = [
        suite for suite in every_suite(project).values() if isinstance(suite, Suite)
    ]  # a broken one is the matter of those who run it
    if options.action == "list":
        return _list(project, suites)
    found = uses(options.name, suites)
    if options.action == "prepare":
        return _prepare(found, project)
    return _check(found, remarks(options.name, suites, project), project)


def _list(project: Project, suites: Sequence[Suite]) -> int:
    print(f"data folder: {project.data}")
    for name in registry.names("datasets"):
        try:
            registered = registry.get("datasets", name)
        except ConfigError as error:
            print(f"{name}: cannot be used: {error}")
            continue
        for use in uses(name, suites):
            problem = standing(use, project).partition("\n")[0]
            advice = f"(`metabench data check {name}` says what to do)"
            print(f"{use.title}: {f'not ready: {problem} {advice}' if problem else 'ready'}")
        for remark in remarks(name, suites, project):
            print(f"    {remark}")
        print(f"    {registered.kind}; source: {registered.source}; licence: {registered.licence}")
    return 0


def _prepare(found: Iterable[Use], project: Project) -> int:
    make_folder(project.data)
    for use in found:
        print(f"{use.title}: {_prepared(use, project)}")
    return 0


def _prepared(use: Use, project: Project) -> str:
    with registry.blamed("datasets", use.part.name, OSError):
        return str(registry.make("datasets", use.part).prepare(project.data))


def _check(found: Iterable[Use], notes: Iterable[str], project: Project) -> int:
    """A line for each use, the `notes` on the data, and then, once, what each kind of problem
    asks for."""
    problems: list[str] = []
    for use in found:
        try:
            content = use.open(project.data)
        except DataError as error:
            print(f"{use.title}: not ready")
            problems += [str(error)] if str(error) not in problems else []
        else:
            print(f"{use.title}: ready, {f'content {content}' if content else 'made on the fly'}")
    for note in notes:
        print(f"    {note}")
    if problems:
        raise DataError("\n\n".join(problems))
    return 0


def uses(name: str, suites: Iterable[Suite]) -> list[Use]:
    """Return every configuration in which suites use a dataset of this name, registered or their
    own; the default one where none does.

    Raises
    ------
    ConfigError
        Nothing is called so.
    """
    everything = _all_uses(suites)
    found = [use for use in everything if name == use.part.name or name in use.labels]
    if not found and name in registry.names("datasets"):
        return [Use(registry.configured("datasets", name, {}))]
    if not found:
        known = sorted(
            {*registry.names("datasets"), *(label for use in everything for label in use.labels)}
        )
        raise ConfigError(no_such("dataset, nor an entry of a suite,", name, known))
    return found


def standing(use: Use, project: Project) -> str:
    """What keeps a dataset from being used; empty where nothing does."""
    try:
        use.open(project.data)
    except MetabenchError as error:
        return str(error)
    return ""


def remarks(name: str, suites: Iterable[Suite], project: Project) -> list[str]:
    """What there is to say of the data of a dataset, however it is used; nothing of one that cannot
    be used, which `standing` speaks of."""
    try:
        part = uses(name, suites)[0].part
        with registry.blamed("datasets", part.name):
            return [str(remark) for remark in registry.make("datasets", part).remarks(project.data)]
    except MetabenchError:
        return []


def _all_uses(suites: Iterable[Suite]) -> list[Use]:
    found: dict[str, Use] = {}
    for suite in suites:
        for label, part in _datasets_of(suite):
            use = found.setdefault(digest(part.identity()), Use(part))
            labels, names = (
                dict.fromkeys((*use.labels, label)),
                dict.fromkeys((*use.suites, suite.name)),
            )
            found[digest(part.identity())] = replace(use, labels=tuple(labels), suites=tuple(names))
    return list(found.values())


def _datasets_of(suite: Suite) -> list[tuple[str, Part]]:
    """The datasets that a suite trains and tests on, each once, with what it calls them."""
    found: dict[tuple[str, int], tuple[str, Part]] = {}
    for cell in suite.cells:
        named = [
            (cell.labels["dataset"], cell.fit.dataset),
            *([(cell.labels["on"], cell.evaluate.on)] if cell.evaluate.on else []),
        ]
        found |= {(label, id(part)): (label, part) for label, part in named}
    return list(found.values())
