"""Run folders that look like real ones, without training anything: `cells.json`, `suite.toml`, and
records as the runner writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metabench.identity import digest
from metabench.records import FINISHED

ACCURACY = {"name": "accuracy", "unit": "fraction", "higher_is_better": True}
MSE = {"name": "mse", "unit": "squared amplitude", "higher_is_better": False, "chance": None}
LEVELS = {"maml": 0.951, "fomaml": 0.943, "protonet": 0.968, "scratch": 0.612}
BATCH_NORM = {"maml": "query", "fomaml": "query", "protonet": "running", "scratch": "support"}
SPEED = {"maml": 0.021, "fomaml": 0.012, "protonet": 0.006, "scratch": 0.0}
WEIGHTS = {
    "maml": (112_005, 112_005),
    "fomaml": (112_005, 112_005),
    "protonet": (111_936, 0),
    "scratch": (0, 112_005),
}

Record = dict[str, Any]


@dataclass
class Synthetic:
    """What to write. `change` maps (algorithm, shots, seed) to an outcome, or to a function that
    edits the record; without `arrays` there are none in the archives of the finished."""

    algorithms: Sequence[str] = ("maml", "fomaml", "protonet", "scratch")
    dataset: str = "omniglot"
    ways: int | None = 5
    shots: Sequence[int] = (1, 5)
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    title: str = "Second order, first order, or none at all"
    description: str = (
        "Does MAML's second derivative pay on Omniglot, and what does it cost next to prototypes?"
    )
    reference: str = "maml"
    suite: str = "omniglot-small"
    scores: Mapping[tuple[str, int], Sequence[float | None]] = field(default_factory=dict)
    change: Mapping[tuple[str, int, int], str | Callable[[Record], None]] = field(
        default_factory=dict
    )
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    claims: Sequence[Mapping[str, Any]] = ()
    arrays: bool = True
    figures: bool = False

    def write(self, folder: Path) -> Path:
        """Write the run folder and return it."""
        (folder / "records").mkdir(parents=True)
        entries = list(self.entries())
        declaration = {"claims": list(self.claims), "reference": self.reference, "confidence": 0.95}
        described = {
            "schema": 1,
            "suite": self.suite,
            "argument": self.suite,
            "profile": None,
            "title": self.title,
            "description": self.description,
            "reference": self.reference,
            "root_seed": 0,
            "confidence": 0.95,
            "claims": list(self.claims),
            "declaration_digest": digest(declaration),
            "declared_before_data": declaration,
            "cells": entries,
        }
        (folder / "cells.json").write_text(json.dumps(described))
        (folder / "suite.toml").write_text(
            f'title = "{self.suite}"\nreference = "{self.reference}"\n\n[[grid]]\nalgorithms = '
            '["maml"]\n'
        )
        for entry in entries:
            self._write_cell(folder, entry)
        return folder

    def entries(self) -> Iterable[Record]:
        """The cells as `cells.json` lists them: seed, then grid point, then algorithm."""
        points = (
            [{}]
            if not self.axes
            else [{key: value} for key, values in self.axes.items() for value in values]
        )
        for seed in self.seeds:
            for shots in self.shots:
                for point in points:
                    for algorithm in self.algorithms:
                        yield self._entry(algorithm, shots, seed, point)

    def _entry(self, algorithm: str, shots: int, seed: int, point: Mapping[str, Any]) -> Record:
        model = "conv4" if self.ways else "mlp"
        labels = {
            "algorithm": algorithm,
            "model": model,
            "dataset": self.dataset,
            "on": "same",
            **point,
        }
        evaluate = {
            "ways": self.ways,
            "shots": shots,
            "query_shots": 15,
            "episodes": 600,
            "sampling": "with_replacement",
        }
        norm = BATCH_NORM.get(algorithm, "query") if self.ways else None
        metric = ACCURACY | {"chance": 1 / self.ways} if self.ways else MSE
        fit = digest([labels, shots, seed, "fit"])
        cell = digest([labels, shots, seed])
        shape = f"{self.ways}w{shots}s" if self.ways else f"{shots}s"
        return {
            "cell": cell,
            "fit": fit,
            "stem": f"{algorithm}-{self.dataset}-{shape}-s{seed}-{cell[:12]}",
            "name": f"{algorithm}-{self.dataset}-{shape}-s{seed}",
            "labels": labels,
            "seed": seed,
            "group": {**labels, "method": algorithm, **evaluate, "batch_norm": norm},
            "metric": metric,
            "target": {"score": 0.9, "higher_is_better": True}
            if self.ways and WEIGHTS.get(algorithm, (1, 1))[0]
            else None,
        }

    def _write_cell(self, folder: Path, entry: Record) -> None:
        algorithm, shots, seed = (
            entry["labels"]["algorithm"],
            entry["group"]["shots"],
            entry["seed"],
        )
        change = self.change.get((algorithm, shots, seed))
        if change == "missing":
            return
        path = folder / "records" / f"{entry['stem']}.json"
        if change == "damaged":
            path.write_text('{"schema": 1, "cell": "')
            return
        record = self._record(entry, algorithm, shots, seed)
        if isinstance(change, str):
            fail(record, change)
        elif change is not None:
            change(record)
        path.write_text(json.dumps(record))
        path.with_suffix(".log").write_text(
            f"fit {entry['name']} began\nwarning: learning rate <b>0.4</b> is high\n"
        )
        if (result := record["result"]) and result["outcome"] in FINISHED:
            arrays = (
                {"result/scores": np.full(600, result["score"])}
                if self.arrays and result["score"] is not None
                else {}
            )
            if self.figures and result["adaptation"]:
                steps = len(result["adaptation"]["steps"])
                shown = images(self.ways, shots, steps, seed) if self.ways else waves(steps, seed)
                kind = "images" if self.ways else "waves"
                arrays |= {f"figures/{kind}/{name}": array for name, array in shown.items()}
            np.savez_compressed(path.with_suffix(".npz"), **arrays)

    def _record(self, entry: Record, algorithm: str, shots: int, seed: int) -> Record:
        rng = np.random.default_rng([sum(map(ord, algorithm)), shots, seed])
        shared = np.random.default_rng([shots, seed]).normal()
        place = list(self.seeds).index(seed)
        told = self.scores.get((algorithm, shots))
        if told is not None:
            score = told[place]
        elif self.ways:
            level = 1 - (1 - LEVELS.get(algorithm, 0.9)) / (1 + 0.5 * (shots > 1))
            score = float(np.clip(level + 0.004 * shared + 0.004 * rng.normal(), 0, 1))
        else:
            score = float(
                np.exp(
                    np.log(0.6 * (1.4 - LEVELS.get(algorithm, 0.9)))
                    - 0.15 * shots
                    + 0.1 * shared
                    + 0.1 * rng.normal()
                )
            )
        return {
            "schema": 1,
            **{key: entry[key] for key in ("cell", "fit", "labels", "seed")},
            "config": {"fit": {"seed": seed}, "evaluate": {}},
            "metric": entry["metric"],
            "result": self._result(algorithm, score, entry["metric"]["chance"], rng),
            "measured": self._measured(algorithm, shots, rng),
            "provenance": provenance(entry["stem"], seed),
        }

    def _result(
        self, algorithm: str, score: float, chance: float | None, rng: np.random.Generator
    ) -> Record:
        worst = chance if chance is not None else 4.2
        trains, adapts = WEIGHTS.get(algorithm, (10, 10))
        x = np.arange(100, 2001, 100)
        rise = 1 - np.exp(-x / 400)
        validation = (
            worst + (score - worst) * rise + 0.01 * abs(score - worst) * rng.normal(size=x.size)
        )
        steps = [0, 1, 2, 3, 5, 10] if adapts else [0]
        adaptation = (
            [worst + (score - worst) * (1 - 0.25**step) for step in steps] if adapts else [score]
        )
        bins = np.arange(10, 2001, 10)
        loss = 1.6 * np.exp(-bins / 500) + 0.2 + 0.02 * rng.normal(size=bins.size)
        met = worst + (score - worst) * (1 - np.exp(-bins / 500))
        return {
            "outcome": "completed",
            "score": score,
            "interval": [score - 0.01 * abs(score), score + 0.01 * abs(score)],
            "episodes": 600,
            "iterations": 2000 if trains else 0,
            "stopped": "budget",
            "best_iteration": 1800,
            "validation": {
                "iteration": x.tolist(),
                "score": validation.tolist(),
                "loss": [1.0] * x.size,
            }
            if trains
            else {"iteration": [], "score": [], "loss": []},
            "training": {"iteration": bins.tolist(), "loss": loss.tolist(), "score": met.tolist()}
            if trains
            else {"iteration": [], "loss": [], "score": []},
            "adaptation": {"steps": steps, "score": adaptation},
            "choice": {"step": steps[-1], "settings": {"inner_lr": 0.1}},
            "spent": {"tasks": 8000, "images": 640_000, "gradient_evaluations": 48_000},
            "weights": {"trained": trains, "adapted": adapts},
            "transductive": algorithm in ("maml", "fomaml"),
            "error": None,
        }

    def _measured(self, algorithm: str, shots: int, rng: np.random.Generator) -> Record:
        seconds = SPEED.get(algorithm, 0.02) * (1 + 0.1 * shots) * float(rng.uniform(0.95, 1.05))
        resident = int((620 + 900 * SPEED.get(algorithm, 0.02) * 20 + 20 * rng.uniform()) * 2**20)
        nothing = {"training": None, "test": None}
        return {
            "seconds_per_iteration": seconds or None,
            "seconds_per_task": seconds / 4 or None,
            "seconds_per_episode": 0.004,
            "training_seconds": seconds * 2000,
            "validation_seconds": 3.0,
            "test_seconds": 2.4,
            "wall_seconds": seconds * 2000 + 8,
            "warm_up_iterations": 10,
            "peak_gpu_allocated_bytes": nothing,
            "peak_gpu_reserved_bytes": nothing,
            "peak_resident_bytes": {"training": resident, "test": resident - 2**24},
            "workers": 2,
        }


def reached(iteration: int | None) -> Callable[[Record], None]:
    """Let a record reach its target at this iteration, or never."""
    score = 0.0 if iteration is None else 1.0
    curve = {"iteration": [50, iteration or 100], "score": [0.0, score], "loss": [1.0, 1.0]}
    return lambda record: record["result"].update(validation=curve)


def waves(steps: int, seed: int, told: bool = False) -> dict[str, np.ndarray]:
    """Two sines as records keep them: ten points, and predictions that come closer with every step.
    `told` adds amplitude and phase to the inputs."""
    rng = np.random.default_rng(seed)
    amplitude, phase = rng.uniform(1, 5, (2, 1, 1)), rng.uniform(0, 3, (2, 1, 1))
    support, query = (
        rng.uniform(-5, 5, (2, 10, 1)),
        np.tile(np.linspace(-5, 5, 101)[:, None], (2, 1, 1)),
    )
    truth = amplitude * np.sin(query - phase)
    known = np.concatenate((amplitude, phase), -1)
    parts = {
        "support_x": np.concatenate((support, np.tile(known, (1, 10, 1))), -1) if told else support,
        "support_y": amplitude * np.sin(support - phase),
        "query_x": np.concatenate((query, np.tile(known, (1, 101, 1))), -1) if told else query,
        "query_y": truth,
        "prediction": np.stack([truth * (1 - 0.5**step) for step in range(steps)], 1),
    }
    return {name: array.astype(np.float32) for name, array in parts.items()}


def images(ways: int, shots: int, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Two episodes of images of noise as records keep them, four queries a class; in each the first
    query of class 0 is taken for class 1."""
    rng = np.random.default_rng(seed)
    query_y = np.tile(np.arange(ways).repeat(4), (2, 1)).astype(np.int16)
    prediction = np.repeat(query_y[:, None], steps, axis=1)
    prediction[:, :, 0] = 1
    return {
        "support_x": rng.integers(0, 256, (2, ways * shots, 6, 6, 1), dtype=np.uint8),
        "support_y": np.tile(np.arange(ways).repeat(shots), (2, 1)).astype(np.int16),
        "query_x": rng.integers(0, 256, (2, ways * 4, 6, 6, 1), dtype=np.uint8),
        "query_y": query_y,
        "prediction": prediction,
    }


def provenance(stem: str, seed: int) -> Record:
    """Provenance as the runner's worker writes it."""
    return {
        "metabench": "0.1.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": False,
        "python": "3.11.9",
        "libraries": {"torch": "2.15.0", "numpy": "2.4.6"},
        "cuda": None,
        "gpu": None,
        "driver": None,
        "cpu": "Imaginary Epyc 9999",
        "cores": 2,
        "memory_bytes": 8 * 2**30,
        "host": "Linux 6.8 x86_64",
        "conditions": {
            "sources": "ab" * 32,
            "torch": "2.15.0",
            "device": "cpu",
            "threads": 1,
            "conditions_digest": "cd" * 32,
        },
        "data_digest": "ef" * 32,
        "started": f"2026-05-04T10:0{seed}:00+00:00",
        "ended": f"2026-05-04T10:0{seed}:50+00:00",
        "log": f"{stem}.log",
    }


def fail(
    record: Record, outcome: str, message: str = "loss is not finite at iteration 312"
) -> None:
    """Turn a completed record into one of another outcome, as the runner writes it."""
    result = record["result"]
    if outcome == "diverged":
        result |= {
            "outcome": outcome,
            "score": record["metric"]["chance"],
            "interval": None,
            "adaptation": None,
            "stopped": "diverged",
        }
        return
    record["result"] = dict.fromkeys(result) | {
        "outcome": outcome,
        "error": {
            "type": "RuntimeError",
            "message": message,
            "traceback": "Traceback (most recent call last):\n  ...\nRuntimeError: boom\n",
        },
    }
    record["measured"] = {}


def troubled() -> Synthetic:
    """A suite in which everything that can go wrong has."""
    return Synthetic(
        change={
            ("maml", 1, 3): "diverged",
            ("fomaml", 1, 1): "failed",
            ("fomaml", 5, 2): "out_of_memory",
            ("protonet", 5, 0): "missing",
            ("scratch", 1, 4): "damaged",
            ("scratch", 5, 4): "timeout",
        }
    )
