"""Ways to damage a run folder, each drawn from the generator of a case: as bit rot does, as an
editor does, and as somebody does who means it.

`reseal` gives a record, or a file of tensors, digests that fit what it says now: whoever can edit a
file can do that, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metabench.experiment import tensor_files

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**64), 10**30, 0.5, -0.0, 1e308, -1e308, 1e-308, 1e99,
    "", "x", "NaN", "5", "a\0b", "\ud800",
    "\u202etxt.exe", "\x1b[2J\x1b]0;title\x07", "=cmd|' /C calc'!A0", "<script>alert(1)</script>",
    "../../outside/secret", "x" * 5000, "é" * 300,
    [], {}, [[]], {"": {}}, [None], [1, "two"], {"a": [1e308]}, "score", "cell", "maml", [0.1] * 3,
)  # fmt: skip
LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 400,
    "9" * 5000,
    "[" * 2000 + "]" * 2000,
    '{"a":' * 1200 + "1" + "}" * 1200,
    "0x10",
    "'a'",
    "",
)
MARK = "@@literal@@"

Document = dict[str, Any]
Damage = Callable[[Path, random.Random], None]


def damage(run: Path, outside: Path, rng: random.Random) -> str:
    """Do one to three of all that can be done to a run folder; return what it was."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        deed = rng.choice(DEEDS)
        done.append(deed.__name__)
        try:
            deed(run, rng) if deed is not a_link else a_link(run, rng, outside)
        except Exception:
            done[-1] += (
                # an earlier deed has left nothing of the kind, or nothing whole
                " (nothing to do it to)"
            )
    return ", ".join(done)


def a_value(run: Path, rng: random.Random) -> None:
    """Something else stands somewhere in a JSON file."""
    path = _json(run, rng)
    document = _read(path)
    inside, key = rng.choice(places_of(document))
    if rng.random() < 0.25:
        inside[key] = MARK
        text = _dump(path, document, rng).replace(json.dumps(MARK), rng.choice(LITERALS))
        path.write_text(_resealed(text) if rng.random() < 0.7 else text)
    else:
        inside[key] = rng.choice(ODD)
        path.write_text(_dump(path, document, rng))


def a_key(run: Path, rng: random.Random) -> None:
    """A key is gone, renamed, or there is one more."""
    path = _json(run, rng)
    document = _read(path)
    inside, key = rng.choice(places_of(document))
    match rng.randrange(3):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[
                str(
                    rng.choice(
                        ("score", "cell", "seed", "outcome", "group", "a.b", "\0", "x" * 300)
                    )
                )
            ] = inside.pop(key)
        case _ if isinstance(inside, list):
            inside.extend([inside[key]] * rng.choice((1, 2, 200)))
        case _:
            inside[str(rng.choice(ODD))] = rng.choice(ODD)
    path.write_text(_dump(path, document, rng))


def a_swap(run: Path, rng: random.Random) -> None:
    """Two values of a JSON file change places."""
    path = _json(run, rng)
    document = _read(path)
    (one, here), (other, there) = rng.sample(places_of(document), 2)
    one[here], other[there] = other[there], one[here]
    path.write_text(_dump(path, document, rng))


def some_bytes(run: Path, rng: random.Random) -> None:
    """A file of any kind has lost its end, holds other bytes or other bits, or is empty."""
    path = rng.choice([path for path in run.rglob("*") if path.is_file() and not path.is_symlink()])
    content = bytearray(path.read_bytes())
    match rng.randrange(5):
        case 0:
            content = content[: rng.randrange(len(content) + 1)]
        case 1:
            for _ in range(rng.choice((1, 1, 1, 10, 1000))):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        case 2:
            at = rng.randrange(len(content) + 1)
            content[at:at] = rng.randbytes(rng.choice((1, 8, 500)))
        case 3:
            content = bytearray(
                rng.choice(
                    (
                        b"",
                        b"\0" * 100,
                        b"\xff\xfe",
                        b"PK\5\6" + bytes(18),
                        b"{}",
                        b"[]",
                        b"null",
                        b"\n",
                    )
                )
            )
        case _:
            content = content * 2
    path.write_bytes(content)


def an_archive(run: Path, rng: random.Random) -> None:
    """The arrays of a record are others, of other names, types and shapes, with the digest that
    fits."""
    path = rng.choice(sorted((run / "records").glob("*.npz")))
    with np.load(path) as opened:
        arrays = dict(opened)
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    new: list[Any] = [
        np.zeros((0,)), np.zeros((3, 0, 2)), np.array(1.0), np.full(array.shape, np.nan),
        array.astype("S3") if array.dtype.kind != "S" else array,
        np.full(array.shape, 1e308), np.full(array.shape, -(2**31), dtype=np.int32),
        array[..., None], array[:1], np.repeat(array, 3, 0),
        array.astype(np.complex128) if array.dtype.kind != "S" else array,
        np.zeros(array.shape, dtype=bool), np.array([[[[[[1]]]]]]),
        np.zeros((2, 3, 2000, 4, 1), np.uint8), np.full(array.shape, 127, np.int16),
    ]  # fmt: skip
    arrays[name] = rng.choice(new)
    if rng.random() < 0.2:
        del arrays[name]
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    _put_archive(path, content.getvalue())


def a_crafted_archive(run: Path, rng: random.Random) -> None:
    """An archive that lies about itself: a bomb, a header of brackets, a type of nothing, sizes
    that do not fit."""
    path = rng.choice(sorted((run / "records").glob("*.npz")))
    shape = rng.choice(
        (
            "(1000000000000000000,)",
            "(-1,)",
            "(2,)",
            "(True,)",
            "(" * 3000,
            "(4294967296, 4294967296)",
            "()",
            "(1,)*9",
        )
    )
    descr = rng.choice(
        ("'<f8'", "'|O'", "'<U1000000000'", "[('a','<f8')]", "'|V0'", "'<q9'", "'<M8[ns]'")
    )
    header = (
        f"{{'descr': {descr}, 'fortran_order': "
        f"{rng.choice(('True', 'False', '1', '[]'))}, 'shape': {shape}, }}\n"
    ).encode()
    member = (
        b"\x93NUMPY"
        + rng.choice((b"\1\0", b"\2\0", b"\3\0", b"\7\7"))
        + len(header).to_bytes(2, "little")
        + header
    )
    content = io.BytesIO()
    with zipfile.ZipFile(
        content,
        "w",
        rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    ) as archive:
        for name in rng.sample(
            (
                "result/scores",
                "figures/support_x",
                "figures/prediction",
                "measured/iteration_seconds",
                "../../outside/x",
            ),
            3,
        ):
            archive.writestr(f"{name}.npy", member + bytes(rng.choice((0, 8, 16, 2**22))))
    raw = bytearray(content.getvalue())
    for _ in range(rng.choice((0, 0, 1, 3))):
        at = raw.rfind(b"PK\1\2") + rng.randrange(46)
        raw[at] = rng.randrange(256)
    _put_archive(path, bytes(raw))


def some_tensors(run: Path, rng: random.Random) -> None:
    """Weights or a checkpoint say other things, with the digest that fits."""
    path = rng.choice(
        [*(run / "weights").glob("*.safetensors"), *(run / "checkpoints").glob("*.safetensors")]
    )
    facts, tensors = tensor_files.read(path) or ({}, {})
    if rng.random() < 0.6:
        inside, key = rng.choice(places_of(facts))
        inside[key] = rng.choice([odd for odd in ODD if odd != "\ud800"])
    else:
        name = rng.choice(sorted(tensors))
        new = [
            torch.zeros(0),
            torch.zeros(3, 3),
            torch.full_like(tensors[name].double(), float("nan")),
            tensors[name].to(torch.int8),
            tensors[name][None],
        ]
        tensors[name] = rng.choice(new)
    tensor_files.write(path, facts, tensors)


def a_link(run: Path, rng: random.Random, outside: Path) -> None:
    """A file or folder is a link, to something outside, to itself, or to nothing."""
    path = rng.choice(
        [
            *run.rglob("*"),
            run / "tables",
            run / "checkpoints",
            run / ".lock",
            run / ".run.json",
            run / "index.html",
        ]
    )
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    path.symlink_to(
        rng.choice(
            (
                outside / "secret",
                outside / "folder",
                outside,
                path,
                run,
                Path("/dev/zero"),
                Path("nowhere"),
                Path("/etc/hostname"),
            )
        )
    )


def something_else(run: Path, rng: random.Random) -> None:
    """A named pipe, a folder, or a file that cannot be read, in the place of a file or folder."""
    path = rng.choice(
        [*run.rglob("*"), run / "tables", run / ".lock", run / ".run.json", run / "index.html"]
    )
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    rng.choice((os.mkfifo, Path.mkdir, Path.touch))(path)


def a_copy(run: Path, rng: random.Random) -> None:
    """A record lies there twice, or under another name, or in the place of another."""
    one, other = rng.sample(sorted((run / "records").glob("*.json")), 2)
    name = rng.choice(
        (
            f"aaa-{one.name}",
            f"zzz-{one.name}",
            other.name,
            f"copy-{one.stem[-12:]}.json",
            f"{'x' * 200}-{one.stem[-12:]}.json",
        )
    )
    target = run / "records" / name
    shutil.copy(one, target)
    if rng.random() < 0.5 and one.with_suffix(".npz").exists():  # a cell that has failed has none
        shutil.copy(one.with_suffix(".npz"), target.with_suffix(".npz"))
    if rng.random() < 0.3:
        one.unlink()


def a_stranger(run: Path, rng: random.Random) -> None:
    """Files that nobody asked for."""
    name = rng.choice(
        (
            "=1+1.json",
            "\x1b[31mred.json",
            "\u202ejson.exe.json",
            f"{'a' * 240}.json",
            "-000000000000.json",
            "x-aaaaaaaaaaaa.json",
            ".x.json.1.tmp",
            "a\nb.json",
        )
    )
    (run / rng.choice(("", "records", "weights")) / name).write_bytes(
        rng.choice((b"", b"{}", b"[", b"\xff" * 100))
    )


def a_loss(run: Path, rng: random.Random) -> None:
    """A file or folder is gone."""
    path = rng.choice(list(run.rglob("*")))
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


DEEDS: tuple[Callable[..., None], ...] = (
    a_value, a_value, a_value, a_value, a_key, a_key, a_swap, some_bytes, some_bytes, an_archive,
    a_crafted_archive, some_tensors, a_link, a_link,
    something_else, a_copy, a_stranger, a_loss,
)  # fmt: skip


def _json(run: Path, rng: random.Random) -> Path:
    records = sorted((run / "records").glob("*.json"))
    return rng.choice(
        [rng.choice(records), rng.choice(records), run / "cells.json", run / ".run.json"]
    )


def _read(path: Path) -> Document:
    if path.name == ".run.json" and not path.exists():
        return {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "since": "2026-01-01T00:00:00+00:00",
            "fits": ["a fit", "another"],
        }
    document: Document = json.loads(path.read_bytes())
    return document


def _dump(path: Path, document: Document, rng: random.Random) -> str:
    """The text of a document; most records with the digests that fit."""
    if "integrity" not in document or rng.random() < 0.2:
        return json.dumps(document)
    if rng.random() < 0.1:
        document.pop("integrity")
        return json.dumps(document)
    integrity = document.pop("integrity")
    text = json.dumps(document)[:-1] + ',\n"integrity": ' + json.dumps(integrity) + "\n}\n"
    return _resealed(text)


def _resealed(text: str) -> str:
    """A record whose digest fits; any other text as it is."""
    before, mark, last = text.rpartition(',\n"integrity": ')
    if not mark:
        return text
    try:
        arrays = json.loads(last.rstrip()[:-1]).get("arrays")
    except (ValueError, AttributeError):
        return text
    seal = {"record": hashlib.sha256(before.encode()).hexdigest(), "arrays": arrays}
    return before + mark + json.dumps(seal) + "\n}\n"


def _put_archive(path: Path, content: bytes) -> None:
    """Write an archive, and its digest into the record beside it."""
    path.write_bytes(content)
    record = path.with_suffix(".json")
    before, mark, _ = record.read_text().rpartition(',\n"integrity": ')
    seal = {
        "record": hashlib.sha256(before.encode()).hexdigest(),
        "arrays": hashlib.sha256(content).hexdigest(),
    }
    record.write_text(before + mark + json.dumps(seal) + "\n}\n")


def places_of(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as what it is in and its key there; of long lists a few."""
    found: list[tuple[Any, Any]] = []
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))[:4]
    for key, item in items:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += places_of(item)
    return found
