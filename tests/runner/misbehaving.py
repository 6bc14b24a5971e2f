"""A method that misbehaves as its settings say: the plugin of the runner's tests. Copied into their
projects, not collected."""

import ctypes
import dataclasses
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import torch

from metabench.methods.fomaml import FOMAML


class Misbehaving(FOMAML):
    """First-order MAML with a deed of its own before every step."""

    version = 1

    @dataclass(frozen=True)
    class Settings(FOMAML.Settings):
        deed: str = "none"
        """A method below, without its underscore."""

    def step(self, *arguments: Any, **options: Any) -> Any:
        getattr(self, f"_{self.settings.deed}")()
        result = super().step(*arguments, **options)
        return (
            dataclasses.replace(result, loss=result.loss * float("nan"))
            if self.settings.deed == "diverge"
            else result
        )

    def _none(self) -> None: ...

    _diverge = _none

    def _raise(self) -> None:
        raise ValueError("the deed was done\nand this is its second line")

    def _leave(self) -> None:
        sys.exit("left without a word")

    def _exit(self) -> None:
        os._exit(7)

    def _exit_well(self) -> None:
        os._exit(0)

    def _kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _crash(self) -> None:
        ctypes.string_at(0)

    def _hang(self) -> None:
        time.sleep(3600)

    def _memory(self) -> None:
        raise MemoryError("no room")

    def _allocate(self) -> None:
        torch.empty(2**55)

    def _print(self) -> None:
        print("said by Python")
        os.write(2, b"said by C\n")

    def _dawdle(self) -> None:
        time.sleep(0.05)

    def _leave_behind(self) -> None:
        """One process in a session of its own, and one that it has left behind there."""
        subprocess.run(
            ["sh", "-c", "sleep 3600.5 & exec setsid sleep 3600.5 & exit"],
            start_new_session=True,
            check=True,
        )

    def _leave_behind_and_raise(self) -> None:
        self._leave_behind()
        raise ValueError("left")

    def _leave_behind_and_hang(self) -> None:
        self._leave_behind()
        time.sleep(3600)

    def _leave_behind_and_exit(self) -> None:
        self._leave_behind()
        os._exit(3)

    def _spawn(self) -> None:
        subprocess.Popen(["sleep", "3600.25"])
        time.sleep(3600)
