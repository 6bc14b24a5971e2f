"""What a run may use: devices, threads, and the engine that its fits run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from metabench.errors import ConfigError
from metabench.provenance import environment
from metabench.provenance.compiler import CompileMode

EngineName = Literal["process", "inline"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True)
class Resources:
    """What a run may use: one entry of `devices` for each fit at once, the threads of each, the
    engine, and which fits have their training steps compiled."""

    devices: tuple[str, ...]
    threads: int
    engine: EngineName = "process"
    compile: CompileMode = "never"

    @property
    def device(self) -> str:
        """Kind of device, the same for all fits."""
        return self.devices[0].partition(":")[0]

    def __str__(self) -> str:
        several = "s" if self.threads > 1 else ""
        at_once = "inline" if self.engine == "inline" else f"{len(self.devices)} at once"
        compiled = "" if self.compile == "never" else f", compiled: {self.compile}"
        return f"{at_once} on {self.device}, {self.threads} thread{several} each{compiled}"


def resources(device: str, workers: int, threads: int, engine: EngineName = "process") -> Resources:
    """Settle what a run may use.

    Parameters
    ----------
    device
        `auto` (CUDA where there is any), `cpu`, `cuda` (every GPU) or `cuda:N`.
    workers
        Fits at once, 0 for as many as fit: cores by threads on a CPU, one a GPU on CUDA. The inline
        engine runs one, whatever this says.

    Raises
    ------
    ConfigError
        There is no such device.
    """
    inline = engine == "inline"
    if device == "cpu":
        at_once = 1 if inline else workers or max(1, environment.cores() // threads)
        return Resources(("cpu",) * at_once, threads, engine)
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto" and not found:
        return resources("cpu", workers, threads, engine)
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or (number and not number.isdecimal()):
        raise ConfigError(f"--device {device}: expected auto, cpu, cuda or cuda:N")
    gpus = [f"cuda:{index}" for index in range(found)]
    chosen = [gpu for gpu in gpus if not number or gpu == f"cuda:{int(number)}"]
    if not chosen:
        raise ConfigError(
            f"--device {device}: torch finds {', '.join(gpus) or 'no GPU'} here; `metabench "
            "doctor` says more"
        )
    return Resources(tuple(chosen[: 1 if inline else workers or None]), threads, engine)
