"""Which sources a fit uses, and what they say: the modules that its parts import, one after the
other, and a digest of each over its syntax tree.

Nothing is imported to find out. A module that another one imports within a function counts too;
what of a source counts is the business of `syntax`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metabench.provenance.syntax import Import, Source, digest_of, read_source

OWN = "metabench"
PAGE = f"{OWN}.experiment.fit"
"""The experiment on one page, which every fit uses."""

HARMLESS = {
    OWN: "the door for notebooks, which nothing here passes",
    f"{OWN}.bounds": "what a suite may say",
    f"{OWN}.claims": "what is made of numbers",
    f"{OWN}.errors": "what is told of errors",
    f"{OWN}.experiment.measure": "time and memory",
    f"{OWN}.experiment.returned.*": "checks what plugins return, and changes nothing",
    f"{OWN}.quantities": "what is made of numbers",
    f"{OWN}.readings": "what is made of numbers",
    f"{OWN}.io.*": "files, and what is read from them within bounds",
    f"{OWN}.provenance.*": "where numbers come from",
    f"{OWN}.records.*": "the format of what is kept",
    f"{OWN}.registry": "classes by their names",
    f"{OWN}.registry.blame": "whose fault an error is",
    f"{OWN}.registry.catalogue": "names of classes",
    f"{OWN}.registry.contract": "whether a class has what it must have",
    f"{OWN}.registry.promises": "how a fault is worded",
    f"{OWN}.registry.requirements": "what a class must have",
    f"{OWN}.stats": "names of statistics; those that a fit uses count as modules of their own",
    f"{OWN}.stats.aggregates": "statistics over runs",
    f"{OWN}.stats.bootstrap": "statistics over runs",
    f"{OWN}.stats.comparison": "statistics over runs",
    f"{OWN}.stats.contrasts": "statistics over runs",
    f"{OWN}.stats.costs": "statistics over runs",
    f"{OWN}.stats.decisions": "statistics over runs",
    f"{OWN}.stats.equivalence": "statistics over runs",
    f"{OWN}.stats.exact": "statistics over runs",
    f"{OWN}.stats.failures": "statistics over runs",
    f"{OWN}.stats.families": "statistics over runs",
    f"{OWN}.stats.letters": "statistics over runs",
    f"{OWN}.stats.looks": "statistics over runs",
    f"{OWN}.stats.means": "statistics over runs",
    f"{OWN}.stats.noise": "statistics over runs",
    f"{OWN}.stats.paired": "statistics over runs",
    f"{OWN}.stats.power": "statistics over runs",
    f"{OWN}.stats.prediction": "statistics over runs",
    f"{OWN}.stats.ranks": "statistics over runs",
    f"{OWN}.stats.regressions": "statistics over runs",
    f"{OWN}.stats.scales": "statistics over runs",
    f"{OWN}.stats.student": "statistics over runs",
    f"{OWN}.stats.unpaired": "statistics over runs",
    f"{OWN}.terminal.*": "what a terminal shows, and signals",
    f"{OWN}.text": "what a terminal shows",
}
"""Modules that fits load and that shape no number, and why; `.*` is a package with all in it."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})

_PACKAGE = "__init__.py"


@dataclass(frozen=True)
class Sources:
    """What a fit uses.

    Attributes
    ----------
    files
        Digests by file, named from the folder of its topmost package: `metabench/cells.py`.
    packages
        What plugins among them import from elsewhere, as it is imported.
    """

    files: dict[str, str]
    packages: tuple[str, ...]


def sources_of(targets: Iterable[str], project: Path | None = None) -> Sources:
    """Find the sources that a fit uses.

    Parameters
    ----------
    targets
        `module:Class` of its parts.
    project
        Folder of the project: what its plugins import from there counts as theirs.

    Raises
    ------
    OSError
        A source cannot be read.
    """
    roots = [PAGE, *(target.partition(":")[0] for target in targets)]
    walk = _Walk({root.partition(".")[0] for root in roots}, project)
    for root in roots:
        walk.follow(root)
    return Sources(dict(sorted(walk.files.items())), tuple(sorted(walk.packages)))


def is_harmless(module: str) -> bool:
    """Whether a module of this package shapes no number."""
    packages = (name.removesuffix(".*") for name in HARMLESS if name.endswith(".*"))
    return module in HARMLESS or any(
        module == package or module.startswith(f"{package}.") for package in packages
    )


def hold_imported() -> None:
    """Keep what the sources of this package's modules say that this process has imported by now,
    for it and its children: an edit after that changes nothing of what they run.

    Raises
    ------
    OSError
        A source cannot be read.
    """
    for name, module in list(sys.modules.items()):
        if name in _held or name.partition(".")[0] != OWN or is_harmless(name):
            continue
        if file := getattr(module, "__file__", None):
            _held[name] = (Path(file), read_source(Path(file)))


_held: dict[str, tuple[Path, Source]] = {}
"""Module → its file, and what that said when the module had been imported."""


class _Walk:
    """From module to module, along their imports."""

    def __init__(self, tops: set[str], project: Path | None) -> None:
        self.files: dict[str, str] = {}
        self.packages: set[str] = set()
        self._tops = tops
        self._project = project.resolve() if project else None
        self._seen: set[str] = set()
        self._places: dict[str, tuple[Path | None, Sequence[str]]] = {}

    def follow(self, module: str) -> None:
        """Take a module, the packages that it lies in, and whatever they import."""
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in self._seen:
                continue
            self._seen.add(name)
            if is_harmless(name) or (file := self._file(name)) is None:
                continue
            waiting += name.rpartition(".")[:1] if "." in name else ()
            source = _held[name][1] if name in _held else read_source(file)
            is_package = file.name == _PACKAGE
            path = name.replace(".", "/")
            self.files[f"{path}/{_PACKAGE}" if is_package else f"{path}.py"] = source.digest
            folder = path if is_package else path.rpartition("/")[0]
            for data in _beside(file, source.data):
                self.files[f"{folder}/{data}".lstrip("/")] = digest_of(file.parent / data)
            for found in _absolute(source.imports, name, is_package):
                if self._is_followed(found):
                    waiting.append(found)
                elif name.partition(".")[0] != OWN:
                    self.packages |= {found.partition(".")[0]} - sys.stdlib_module_names

    def _is_followed(self, module: str) -> bool:
        """Whether a module is this package's, a plugin's, or of the project."""
        top = module.partition(".")[0]
        if top in self._tops or top == OWN:
            return True
        if top in sys.stdlib_module_names or self._project is None:
            return False
        file, places = self._place(top)
        where = file or next(iter(map(Path, places)), None)
        return (
            where is not None
            and where.is_relative_to(self._project)
            and _INSTALLED.isdisjoint(where.parts)
        )

    def _file(self, module: str) -> Path | None:
        """The source of a module; None where there is none of that name."""
        if module in _held:
            return _held[module][0]
        above = module.rpartition(".")[0]
        if above in _held and _held[above][0].name != _PACKAGE:
            return None
        top, *rest = module.split(".")
        file, places = self._place(top)
        if not rest:
            return file
        for place in places:
            base = Path(place, *rest)
            for source in (base / _PACKAGE, base.with_name(f"{base.name}.py")):
                if source.is_file():
                    return source
        return None

    def _place(self, top: str) -> tuple[Path | None, Sequence[str]]:
        """The source of a topmost module or package, and where its submodules lie."""
        if top not in self._places:
            try:
                spec = importlib.util.find_spec(top)
            except (ImportError, ValueError):
                spec = None
            file = Path(spec.origin) if spec and spec.origin and spec.has_location else None
            self._places[top] = (
                file if file and file.suffix == ".py" else None,
                list((spec and spec.submodule_search_locations) or ()),
            )
        return self._places[top]


def _absolute(imports: Iterable[Import], module: str, is_package: bool) -> Iterator[str]:
    """The modules that import statements may mean; what they import from one may be one itself."""
    for level, name, names in imports:
        if level:
            parts = module.split(".")
            above = parts[: len(parts) - level + is_package]
            base = ".".join([*above, *([name] if name else [])])
        else:
            base = name
        if not base:
            continue
        yield base
        yield from (f"{base}.{inner}" for inner in names)


def _beside(file: Path, names: Iterable[str]) -> Iterator[str]:
    """Those of the named data files that lie beside a source, or one folder below."""
    for name in names:
        found = [file.parent / name, *file.parent.glob(f"*/{name}")]
        yield from (path.relative_to(file.parent).as_posix() for path in found if path.is_file())
