"""Fits whose steps are compiled by Inductor and the C++ compiler that is here."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from few_shot import HERE, make_cell, reproducible
from few_shot import run as run_eager
from torch.fx.experimental.proxy_tensor import make_fx

from metabench.errors import FolderError
from metabench.experiment.compiling import inductor, private_folder
from metabench.experiment.fit import CellOutcome, Progress, run_fit
from metabench.experiment.weights import Keeping
from metabench.provenance.compiler import Compilation, cpp_compiler

COMPILER = cpp_compiler()
needs_a_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")


def run(
    checkpoints: Path | None = None, progress: Callable[[Progress], None] = lambda _: None
) -> CellOutcome:
    """Train MAML on sinusoids, compiled, with a checkpoint after every iteration."""
    (outcome,) = run_fit(
        [make_cell("maml")],
        data=Path(),
        device="cpu",
        threads=1,
        workers=1,
        progress=progress,
        keeping=Keeping(checkpoints=checkpoints, every=1e-9, provenance=HERE),
        compilation=Compilation(COMPILER),
    )
    return outcome


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def stop_at_three(progress: Progress) -> None:
    if progress.phase == "train" and progress.iteration >= 3:
        raise StoppedError


@pytest.mark.slow
@needs_a_compiler
def test_bits_are_the_same_after_an_interruption_and_close_to_eager_ones(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    whole = run()
    with pytest.raises(StoppedError):
        run(tmp_path, stop_at_three)
    assert reproducible(run(tmp_path)) == reproducible(whole)
    (eager,) = run_eager(make_cell("maml"), data=Path())
    ours, theirs = (o.arrays["result/train_loss"] for o in (whole, eager))
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert not whole.provenance_extra["remarks"]
    assert "not_compiled" not in whole.provenance_extra
    assert whole.arrays["measured/iteration_seconds"].sum() < whole.measured["training_seconds"]
    assert whole.measured["compile_seconds"] > 0
    assert whole.measured["wall_seconds"] > whole.measured["compile_seconds"]
    assert "compile_seconds" not in eager.measured
    assert not set(psutil.Process().children()) - before


@pytest.mark.slow
def test_a_compiler_that_fails_leaves_steps_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'c++ 1.2.3' && exit\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    outcome = run()
    (remark,) = outcome.provenance_extra["remarks"]
    assert remark.startswith("training steps are not compiled: ")
    assert outcome.provenance_extra["not_compiled"] == remark.removeprefix(
        "training steps are not compiled: "
    )
    (eager,) = run_eager(make_cell("maml"), data=Path())
    assert reproducible(outcome) == reproducible(eager)


@pytest.mark.slow
def test_a_machine_that_lacks_memory_for_the_compiler_is_another_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another time it would come through, and leave other digits than steps as they are."""
    killed = tmp_path / "c++"
    killed.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'c++ 1.2.3' && exit\n"
        "echo 'c++: fatal error: Killed signal terminated program cc1plus'; exit 1\n"
    )
    killed.chmod(0o755)
    monkeypatch.setenv("CXX", str(killed))
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    example = [torch.ones(4)]
    graph = make_fx(lambda x: [(x + 1).exp()])(*example)
    with pytest.raises(OSError, match="killed signal"):
        inductor("c++ 1.2.3", 1)(graph, example)


def test_what_is_compiled_lies_where_nobody_else_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "compiled"
    for _ in range(2):  # made, and found with a mode that lets others read
        assert stat.S_IMODE(private_folder(folder).stat().st_mode) == 0o700
        folder.chmod(0o755)


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_could_write_to_is_refused(mode: int, tmp_path: Path) -> None:
    """What they put there would be run."""
    tmp_path.chmod(mode)
    with pytest.raises(FolderError, match="others can write to it"):
        private_folder(tmp_path)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_no_link_and_no_file_is_taken_for_that_folder(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "compiled"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("")
    with pytest.raises(FolderError, match="METABENCH_CACHE"):
        private_folder(place)
