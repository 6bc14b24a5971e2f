"""Write `metabench/datasets/splits/omniglot-vinyals.json` from published class lists.

    python tools/vinyals_split.py FOLDER

FOLDER holds `train.txt`, `val.txt` and `test.txt` with one class a line,
`Alphabet/characterNN/rotNNN`: the lists under `data/omniglot/splits/vinyals` of the Prototypical
Networks repository (github.com/jakesnell/prototypical-networks). Each names a class once for every
rotation; rotations are a setting here, so characters alone are kept. Within an alphabet a split is
one run of characters: its ends say it all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SOURCE = (
    "Split of Vinyals et al. 2016 (1028/172/423 characters) as used by Snell et al. 2017: "
    "class lists data/omniglot/splits/vinyals/{train,val,test}.txt of "
    "github.com/jakesnell/prototypical-networks, "
    "commit c9bb4d258267c11cb6e23f0a19242d24ca98ad8a; "
    "the same as torchmeta/datasets/assets/omniglot of github.com/tristandeleu/pytorch-meta"
)
LISTS = {"train": ("train.txt", 1028), "validation": ("val.txt", 172), "test": ("test.txt", 423)}
TARGET = Path(__file__).parents[1] / "metabench" / "datasets" / "splits" / "omniglot-vinyals.json"


def runs(path: Path, expected: int) -> dict[str, list[int]]:
    """Return the first and last character of each alphabet in the list at `path`, which must hold
    `expected` characters."""
    characters: dict[str, set[int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        alphabet, character, _rotation = line.split("/")
        characters.setdefault(alphabet, set()).add(int(character.removeprefix("character")))
    for alphabet, numbers in characters.items():
        if numbers != set(range(min(numbers), max(numbers) + 1)):
            raise SystemExit(f"{path}: the characters of {alphabet} have gaps")
    if (found := sum(map(len, characters.values()))) != expected:
        raise SystemExit(f"{path}: {found} characters, {expected} expected")
    return {
        alphabet: [min(numbers), max(numbers)] for alphabet, numbers in sorted(characters.items())
    }


def main() -> None:
    """Read the three lists and write the split, an alphabet a line."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    lines = [f'  "source": {json.dumps(SOURCE)}']
    for split, (name, expected) in LISTS.items():
        alphabets = runs(Path(sys.argv[1]) / name, expected)
        body = ",\n".join(
            f"    {json.dumps(alphabet)}: {json.dumps(ends)}"
            for alphabet, ends in alphabets.items()
        )
        lines.append(f'  "{split}": {{\n{body}\n  }}')
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
