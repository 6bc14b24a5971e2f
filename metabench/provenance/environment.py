"""What machine and which versions: the provenance that a reader wants to know.

Nothing here imports torch: `doctor` asks on machines where torch is broken, and on a CPU the
process that watches over a run needs no torch for it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from metabench.identity import digest

PACKAGE = Path(__file__).parents[1]

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "higher", "pandas", "pillow", "safetensors")
MACHINE = ("cpu", "gpu", "driver", "machine_id", "boot_id")
"""What of the provenance tells one machine from another, or from itself before it was started
again."""


def provenance(device: str, project: Path) -> dict[str, Any]:
    """Where numbers come from, as far as it can be known before a fit: version, commit, machine."""
    return {"metabench": version("metabench"), **commit(project), **machine(device)}


def machine(device: str) -> dict[str, Any]:
    """What is true of the place where a fit runs: versions of libraries, and the hardware."""
    return {
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := version(name))},
        "cuda": _cuda_version(),
        **(gpu() if device.startswith("cuda") else {"gpu": None, "driver": None}),
        "cpu": cpu_name(),
        "machine_id": machine_id(),
        "boot_id": boot_id(),
        "cores": cores(),
        "memory_bytes": _memory_bytes(),
        "host": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


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
def machine_id() -> str:
    """What tells this machine from any other, another of its make included: a digest, which tells
    nobody who it is. Of the system's own id, or else of the name of the host."""
    return _fingerprint(_first_of("/etc/machine-id", "/var/lib/dbus/machine-id") or platform.node())


@cache
def boot_id() -> str:
    """What tells this start of the machine from any other: after one, clocks, governors and
    neighbours may be others."""
    return _fingerprint(
        _first_of("/proc/sys/kernel/random/boot_id") or str(round(psutil.boot_time(), -1))
    )


@cache
def gpu() -> dict[str, str | None]:
    """Name of the first GPU and version of its driver, from `nvidia-smi`; both None where there is
    none."""
    output = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    name, _, driver = (output or "").partition("\n")[0].partition(", ")
    return {"gpu": name or None, "driver": driver or None}


def commit(project: Path) -> dict[str, Any]:
    """Commit and dirty flag of the checkout that holds this package, or else of the user's project;
    both None outside of git."""
    found = _checked_out(PACKAGE, "__init__.py")
    commit, dirty = found if found[0] is not None else _checked_out(project, ".")
    return {"commit": commit, "dirty": dirty}


def project_commit(project: Path) -> dict[str, Any]:
    """Commit and dirty flag of the checkout that holds the user's project, its suites and plugins;
    both None outside of git."""
    commit, dirty = _checked_out(project, ".")
    return {"project_commit": commit, "project_dirty": dirty}


def _checked_out(folder: Path, tracked: str) -> tuple[str | None, bool | None]:
    """What is checked out where `tracked` in a folder is, and whether there are changes beside
    it."""
    if _git(folder, "ls-files", "--error-unmatch", "--", tracked) is None:
        return None, None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return _git(folder, "rev-parse", "HEAD"), None if changes is None else bool(changes)


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
def version(name: str) -> str | None:
    """The version of an installed distribution, or of that which installs a module of this name."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        found = metadata.packages_distributions().get(name)
        return metadata.version(found[0]) if found else None


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


def _first_of(*paths: str) -> str | None:
    """What stands in the first of these files that has anything in it."""
    for path in paths:
        with suppress(OSError, ValueError):
            if told := Path(path).read_text().strip():
                return told
    return None


def _fingerprint(identity: str) -> str:
    return digest({"purpose": "metabench machine", "identity": identity})[:12]


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
