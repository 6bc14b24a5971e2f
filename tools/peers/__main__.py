"""MAML by metabench and by what could be used in its place, on the same work, side by side on this
machine; writes docs/performance.md.

    pip install '.[peers]'                      # TorchOpt and JAX, beside what metabench needs
    make perf-peers                             # or: python tools/peers.py --learn2learn CHECKOUT

All begin with the same weights and train on the same tasks; before anything is timed, the
meta-gradient of each is held against that of `higher`. Then all take an iteration in turn, Adam's
step included, the first of a round another one each time; a ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median

# JAX reads this once, when it is imported
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import torch
from torch import Tensor
from ways import Way, jax_way, learn2learn_way, ours, torchopt_way
from works import Work, conv4, in_place_of, sinusoid

from metabench.provenance.compiler import cpp_compiler

WORKS = {"sinusoid": sinusoid, "conv4": conv4}

TOLERANCE = 2e-3
"""How far a meta-gradient in float32 may be from that of `higher`, relative to its length."""


class Peer:
    """A way to do a work: `step` is an outer iteration with Adam, `gradient` the meta-gradient at
    the initial weights."""

    def __init__(self, make: Way) -> None:
        step, weights = make(True)  # plain descent at rate 1: the weights move by the gradient
        before = [w.clone() for w in weights()]
        step()
        self.gradient = [b - w for b, w in zip(before, weights(), strict=True)]
        self.step, _ = make(False)
        self.step()


def peers_of(work: Work, learn2learn: Path | None) -> dict[str, Peer]:
    """All ways, each with its meta-gradient checked."""
    ways: dict[str, Way] = {
        "metabench": ours(work, work.own),
        "metabench, the plain module": ours(work, lambda: in_place_of(work)),
        "higher": ours(work, work.module, engine="higher"),
        "TorchOpt": torchopt_way(work),
        "JAX, compiled": jax_way(work),
    }
    if compiler := cpp_compiler():
        ways["metabench, compiled"] = ours(work, work.own, compiled=compiler)
    if learn2learn is not None:
        ways["learn2learn"] = learn2learn_way(work, learn2learn)
    found = {}
    for name, make in ways.items():
        print(f"{work.name}: {name}", file=sys.stderr)
        found[name] = Peer(make)
    whole = found["higher"].gradient
    for name, peer in found.items():
        whole_of_it = len(peer.gradient) == len(whole)
        expected = whole if whole_of_it else [whole[at] for at in work.shared]
        off = _apart(peer.gradient, expected)
        if not off < TOLERANCE:
            sys.exit(f"{work.name}: {name}: its meta-gradient is off that of higher by {off:.2g}")
    return found


def _apart(gradient: list[Tensor], other: list[Tensor]) -> float:
    """Distance of two gradients over the length of the other."""
    flat, expected = (torch.cat([part.flatten() for part in each]) for each in (gradient, other))
    return float((flat - expected).norm() / expected.norm())


def timed(peers: Mapping[str, Peer], rounds: int) -> dict[str, list[float]]:
    """Seconds of an iteration of each, in turns."""
    names, seconds = list(peers), {name: [] for name in peers}
    for turn in range(rounds + 2):  # the first two are warm-up
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            peers[name].step()
            if turn > 1:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def table(work: Work, seconds: Mapping[str, list[float]]) -> str:
    """The fastest first."""
    lines = ["", f"## {work.name}", "", "| | an iteration | over metabench's |", "|---|---|---|"]
    for name in sorted(seconds, key=lambda name: median(seconds[name])):
        pairs = zip(seconds[name], seconds["metabench"], strict=True)
        ratio = median(one / own for one, own in pairs)
        lines.append(f"| {name} | {1000 * median(seconds[name]):.3g} ms | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learn2learn", type=Path, help="a checkout of it")
    parser.add_argument("--work", choices=WORKS, nargs="+", default=list(WORKS))
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    said = parser.parse_args()
    torch.set_num_threads(1)
    tables = []
    for name in said.work:
        work = WORKS[name]()
        tables.append(table(work, timed(peers_of(work, said.learn2learn), work.rounds)))
        print(tables[-1])
        write(said.out, tables)


def write(path: Path, tables: Sequence[str]) -> None:
    """Write the page, with as many tables as there are."""
    names = ("torch", "higher", "torchopt", "jax")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    path.write_text(HEAD.format(versions=versions, cpu=_cpu()) + "\n".join(tables) + "\n")


HEAD = """# What an iteration of MAML takes, beside what else could be used

```console
$ pip install '.[peers]'
$ make perf-peers                                   # some ten minutes
$ make perf-peers WORK=sinusoid LEARN2LEARN=../l2l  # one alone; with learn2learn, from a checkout
```

An outer iteration, Adam's step included, on the same tasks from the same weights, in float32 on
one thread; each meta-gradient was held against that of `higher` before. All take their turns in
every round, and a ratio is the median over rounds: machines differ and drift, ratios hardly.
{versions}; {cpu}.

*metabench* is what `metabench run` does unless said otherwise; *compiled* is with
`--compile always` ([compile.md](compile.md)); *the plain module* is a network of torch's own layers
in the place of ours. What an iteration of JAX takes is without what it takes to compile it.
"""


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    named = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")]
    return named[0] if named else platform.machine()


if __name__ == "__main__":
    main()
