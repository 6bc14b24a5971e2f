"""What machine, which versions, which sources: the conditions that decide on bits, and the
provenance that a reader wants to know.

Nothing here imports torch: `doctor` asks on machines where torch is broken, and on a CPU the
process that watches over a run needs no torch for it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from metabench.identity import digest
from metabench.registry import source_file

PACKAGE = Path(__file__).parents[1]
SHAPING = (
    "identity.py",
    "cells.py",
    "experiment",
    "stats/intervals.py",
    "stats/results.py",
    "tasks",
    "datasets",
    "models",
    "methods",
)
"""The package's sources that can shape a number: files and whole folders, data files included."""

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "higher", "pandas", "pillow", "safetensors")


def conditions(threads: int, device: str, plugins: Iterable[str] = ()) -> dict[str, Any]:
    """All that bits depend on besides the configuration.

    Parameters
    ----------
    threads
        Threads of one fit.
    device
        `cpu`, `cuda` or `cuda:N`.
    plugins
        `module:Class` of what a fit uses from outside of this package; the sources of their modules
        count.

    Returns
    -------
    dict[str, Any]
        The facts, and `conditions_digest` over them.
    """
    kind = device.partition(":")[0]
    facts = {
        "sources": sources_digest(tuple(sorted(set(plugins)))),
        "torch": _version("torch"),
        "numpy": _version("numpy"),
        "scipy": _version("scipy"),
        "device": kind,
        "gpu": gpu()["gpu"] if kind == "cuda" else None,
        "threads": threads,
        "cpu_capability": cpu_capability(),
        "machine": platform.machine(),
    }
    return {**facts, "conditions_digest": digest(facts)}


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each condition that is not what it was: `torch 2.14.0 -> 2.15.0`."""
    names = [
        name
        for name in {**recorded, **now}
        if name != "conditions_digest" and recorded.get(name) != now.get(name)
    ]
    return [f"{name} {_short(recorded.get(name))} -> {_short(now.get(name))}" for name in names]


def provenance(device: str, project: Path) -> dict[str, Any]:
    """Where numbers come from, as far as it can be known before a fit: version, commit, machine."""
    return {"metabench": version(), **commit(project), **machine(device)}


def version() -> str | None:
    """Of this package, as it is installed; None where it is not."""
    return _version("metabench")


def machine(device: str) -> dict[str, Any]:
    """What is true of the place where a fit runs: versions of libraries, and the hardware."""
    return {
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "cuda": _cuda_version(),
        **(gpu() if device.startswith("cuda") else {"gpu": None, "driver": None}),
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_bytes": _memory_bytes(),
        "host": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def sources_digest(plugins: tuple[str, ...] = ()) -> str:
    """SHA-256 over the names and contents of the sources that can shape a number: this package's,
    and those of the plugin modules."""
    total = hashlib.sha256()
    own = (
        (f"metabench/{path.relative_to(PACKAGE).as_posix()}", path)
        for name in SHAPING
        for path in _files(PACKAGE / name)
    )
    foreign = ((f"{name}:{path.name}", path) for name in plugins for path in _plugin_files(name))
    for name, path in (*own, *foreign):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    available = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(available, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        return available


@cache
def cpu_capability() -> str:
    """Vendor and widest vector set that torch's kernels use, `AuthenticAMD avx512`;
    ATEN_CPU_CAPABILITY overrules the set as it does in torch."""
    facts = _cpuinfo()
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    vendor = (
        facts.get("vendor_id")
        or facts.get("CPU implementer")
        or platform.processor()
        or platform.machine()
    )
    if chosen := os.environ.get("ATEN_CPU_CAPABILITY"):
        return f"{vendor} {chosen.lower()}"
    if {"avx512f", "avx512vl", "avx512bw", "avx512dq", "fma"} <= flags:
        return f"{vendor} avx512"
    for name, needs in (("avx2", {"avx2", "fma"}), ("sve", {"sve"}), ("neon", {"asimd"})):
        if needs <= flags:
            return f"{vendor} {name}"
    return f"{vendor} default"


@cache
def cpu_name() -> str:
    """Model name of the processor, as the system tells it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


@cache
def gpu() -> dict[str, str | None]:
    """Name of the first GPU and version of its driver, from `nvidia-smi`; both None where there is
    none."""
    told = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    name, _, driver = (told or "").partition("\n")[0].partition(", ")
    return {"gpu": name or None, "driver": driver or None}


def commit(project: Path) -> dict[str, Any]:
    """Commit and dirty flag of the checkout that holds this package, or else of the user's project;
    both None outside of git."""
    for folder, tracked in ((PACKAGE, "__init__.py"), (project, ".")):
        if _git(folder, "ls-files", "--error-unmatch", "--", tracked) is not None:
            head = _git(folder, "rev-parse", "HEAD")
            changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
            return {"commit": head, "dirty": None if changes is None else bool(changes)}
    return {"commit": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str | None:
    """Ask git, which must run no hook, no monitor, and take no lock."""
    return _output(
        "git",
        "--no-optional-locks",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-C",
        str(folder),
        *arguments,
    )


def _output(*command: str) -> str | None:
    """What a command prints, or None where it is absent, fails, or takes more than ten seconds."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def _cuda_version() -> str | None:
    """The CUDA version that torch was built for, read from its `version.py`."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        source = Path(spec.origin).with_name("version.py").read_text()
    except OSError:
        return None
    found = re.search(r"^cuda\b.*=\s*['\"]([\d.]+)['\"]", source, flags=re.MULTILINE)
    return found[1] if found else None


@cache
def _cpuinfo() -> dict[str, str]:
    """The first processor's block of /proc/cpuinfo; empty where there is none."""
    try:
        block = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    return {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in block.splitlines())
    }


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _files(path: Path) -> Iterator[Path]:
    """A source, or the sources and data files under a folder, in an order of their own."""
    if path.is_file():
        yield path
    for file in sorted(path.rglob("*")) if path.is_dir() else ():
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _plugin_files(target: str) -> Iterator[Path]:
    """The source of a plugin's module, or, where it lives in a package, all Python sources beside
    it: it may import them."""
    origin = source_file(target)
    if origin is None:
        return
    in_package = "." in target.partition(":")[0] or origin.name == "__init__.py"
    yield from (
        (file for file in _files(origin.parent) if file.suffix == ".py")
        if in_package
        else (origin,)
    )


def _short(value: Any) -> str:
    return (
        value[:12] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else str(value)
    )
