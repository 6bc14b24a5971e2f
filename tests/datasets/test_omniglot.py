"""Omniglot on disk: the layout, the decoding, the splits, the download, and what a user is told
when something is missing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from metabench.datasets import class_splits
from metabench.datasets import omniglot_folder as on_disk
from metabench.datasets.class_splits import SPLITS
from metabench.datasets.omniglot import Omniglot, OmniglotSettings
from metabench.errors import DataError
from metabench.experiment.streams import EpisodeStream
from metabench.tasks.episodes import EpisodeShape

CPU = torch.device("cpu")
GREEK = Path("omniglot-py/images_background/Greek")


def loaded(root: Path, **said: object) -> Omniglot:
    dataset = Omniglot(OmniglotSettings(**{"split": "alphabet", **said}))  # type: ignore[arg-type]
    dataset.load(root)
    return dataset


@pytest.fixture
def folder(omniglot_folder: Path, tmp_path: Path) -> Path:
    """A copy of the made-up data folder, to be spoilt."""
    shutil.copytree(omniglot_folder / "omniglot-py", tmp_path / "data" / "omniglot-py")
    return tmp_path / "data"


# What is read


def test_classes_and_drawings_are_sorted_by_name(omniglot_folder: Path) -> None:
    dataset = loaded(omniglot_folder)
    assert list(dataset.pool.class_names) == sorted(dataset.pool.class_names)
    assert len(dataset.pool.class_names) == 36
    assert list(dataset.image_ids) == sorted(dataset.image_ids)
    assert dataset.image_ids[0] == "Angelic/character01/0001_01"
    assert dataset.pool.labels.tolist() == np.repeat(np.arange(36), 20).tolist()


def test_an_image_is_the_drawing_resized_with_ink_as_one(omniglot_folder: Path) -> None:
    dataset = loaded(omniglot_folder)
    number = list(dataset.image_ids).index("Greek/character02/0202_03")
    with Image.open(omniglot_folder / GREEK / "character02" / "0202_03.png") as drawing:
        assert drawing.mode == "1"
        expected = 255 - np.asarray(drawing.convert("L").resize((28, 28), Image.Resampling.LANCZOS))
    image = dataset.images(np.array([number]), CPU)
    assert np.array_equal(image[0, 0].numpy(), expected.astype(np.float32) / np.float32(255))
    assert image.mean() < 0.3  # mostly paper
    assert image.max() > 0.9


def test_a_character_with_fewer_drawings_than_others_is_named(folder: Path) -> None:
    """Without a word, every episode with it would be another than on whole data."""
    min((folder / GREEK / "character01").iterdir()).unlink()
    with pytest.raises(
        DataError,
        match=r"Greek/character01 has 19 drawings, where most characters have 20; put the original "
        r"files back",
    ):
        loaded(folder)
    with pytest.raises(DataError, match="Greek/character01 has 19 drawings"):
        prepared(folder)


def test_what_of_omniglot_is_missing_is_told(
    omniglot_folder: Path, omniglot_maker: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = Omniglot(OmniglotSettings())
    assert dataset.remarks(tmp_path) == []
    broken = (
        "Angelic has 6 of 20 characters, Braille has 6 of 26 characters, Greek has 6 "
        "of 24 characters"
    )
    assert dataset.remarks(omniglot_folder)[:2] == [
        "24 of 964 characters in images_background",
        "12 of 659 characters in images_evaluation",
    ]
    assert dataset.remarks(omniglot_folder)[2].startswith(broken)
    few = omniglot_maker(tmp_path / "few", alphabets=("Mine",), characters=2, drawings=3)
    assert dataset.remarks(few) == [
        "2 of 964 characters in images_background",
        "0 of 659 characters in images_evaluation",
        "every character has 3 drawings, where Omniglot has 20",
    ]
    assert prepared(omniglot_folder).startswith("36 of 1,623 characters, 720 drawings in ")
    assert (
        "; 24 of 964 characters in images_background; 12 of 659 characters in images_evaluation; "
        f"{broken}" in prepared(omniglot_folder)
    )


def test_whole_alphabets_are_no_fragments(tmp_path: Path) -> None:
    """The shared subset of Omniglot is eight whole alphabets: of each part less than all, and of no
    alphabet."""
    sizes = class_splits.published_sizes("omniglot-vinyals.json")
    assert (len(sizes), sum(sizes.values())) == (50, 1_623)
    parts = {
        "Greek": "images_background",
        "Tagalog": "images_background",
        "Tengwar": "images_evaluation",
    }
    there = {
        f"{alphabet}/character{n:02d}": [
            tmp_path / part / alphabet / f"character{n:02d}" / f"{drawing}.png"
            for drawing in range(20)
        ]
        for alphabet, part in parts.items()
        for n in range(1, sizes[alphabet] + 1)
    }
    assert on_disk.missing(there, sizes) == [
        "41 of 964 characters in images_background",
        "25 of 659 characters in images_evaluation",
    ]
    del there["Greek/character07"]
    assert on_disk.missing(there, sizes)[2] == "Greek has 23 of 24 characters"


def test_other_files_are_passed_over(folder: Path, omniglot_folder: Path) -> None:
    (folder / GREEK / "notes.txt").write_text("no drawing")
    (folder / GREEK / "character01" / "._0201_01.png").write_bytes(b"resource fork")
    (folder / GREEK / ".hidden").mkdir()
    assert loaded(folder).content_digest() == loaded(omniglot_folder).content_digest()


@pytest.mark.slow
def test_one_part_is_enough(folder: Path) -> None:
    shutil.rmtree(folder / "omniglot-py" / "images_evaluation")
    assert len(loaded(folder).pool.class_names) == 24


@pytest.mark.slow
def test_the_digest_speaks_of_content_not_of_place_or_time(
    folder: Path, omniglot_folder: Path
) -> None:
    before = loaded(omniglot_folder).content_digest()
    drawing = folder / GREEK / "character01" / "0201_01.png"
    drawing.touch()
    assert loaded(folder).content_digest() == before
    assert loaded(folder, rotations="all").content_digest() == before
    Image.new("1", (105, 105), 0).save(drawing)
    assert loaded(folder).content_digest() != before
    assert loaded(omniglot_folder, image_size=20).content_digest() != before


def test_the_folder_is_decoded_once(omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(omniglot_folder)
    monkeypatch.setattr(on_disk, "_drawing", lambda *_: pytest.fail("decoded again"))
    loaded(omniglot_folder, split="random")
    with pytest.raises(pytest.fail.Exception):
        loaded(omniglot_folder, image_size=17)


# What is wrong with it


@pytest.mark.slow
def test_a_damaged_drawing_is_named(folder: Path) -> None:
    drawing = folder / GREEK / "character03" / "0203_05.png"
    drawing.write_bytes(drawing.read_bytes()[:60])
    with pytest.raises(DataError, match=r"0203_05\.png: cannot be read as an image"):
        loaded(folder)
    drawing.write_bytes(b"not a PNG")
    with pytest.raises(DataError, match=r"0203_05\.png: cannot be read as an image"):
        loaded(folder)


def test_an_empty_character_is_named(folder: Path) -> None:
    (folder / GREEK / "character99").mkdir()
    with pytest.raises(DataError, match=r"Greek/character99: a character's folder without a PNG"):
        loaded(folder)


def test_a_character_in_both_parts_is_named(folder: Path) -> None:
    shutil.copytree(
        folder / GREEK / "character01", folder / "omniglot-py/images_evaluation/Greek/character01"
    )
    with pytest.raises(
        DataError, match=r"images_evaluation/Greek/character01: this character is in both parts"
    ):
        loaded(folder)


def test_missing_data_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        loaded(tmp_path)
    for said in (
        str(tmp_path / "omniglot-py" / "images_background"),
        str(tmp_path / "omniglot-py" / "images_evaluation"),
        "<Alphabet>/<characterNN>/*.png",
        "images_background.zip",
        "images_evaluation.zip",
        "metabench data prepare omniglot",
        "METABENCH_DATA",
    ):
        assert said in str(told.value)


def test_more_drawings_than_memory_holds_are_refused_before_one_is_read(
    omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OmniglotSettings(split="alphabet", image_size=512)
    monkeypatch.setattr("metabench.datasets.images.MOST_GIB", 0.17)
    with pytest.raises(
        DataError, match=r"dataset 'omniglot': 720 images of 512 x 512 pixels take 0\.2 GiB"
    ):
        Omniglot(settings).load(omniglot_folder)


def test_a_split_without_its_classes_says_what_is_there(omniglot_folder: Path) -> None:
    with pytest.raises(DataError) as told:
        loaded(omniglot_folder, split="vinyals")
    for said in (
        "split = 'vinyals'",
        "1028 train + 172 validation + 423 test",
        "36 classes of Angelic, Braille",
        "metabench data prepare omniglot",
    ):
        assert said in str(told.value)
    with pytest.raises(DataError, match=r"did you mean 'Tagalog'(.|\n)*METABENCH_DATA"):
        loaded(
            omniglot_folder,
            train_alphabets=("Greek",),
            validation_alphabets=("Latin",),
            test_alphabets=("Taglog",),
        )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"train_classes": 5}, "train_classes is for split = 'random', and split is 'vinyals'"),
        (
            {"split": "random", "test_alphabets": ("Greek",)},
            "test_alphabets is for split = 'alphabet', and split is 'random'",
        ),
        (
            {"split": "random", "train_classes": 5},
            "train_classes without validation_classes, test_classes",
        ),
        (
            {"split": "alphabet", "train_alphabets": ("A",), "test_alphabets": ("B",)},
            "without validation_alphabets",
        ),
        (
            {
                "split": "alphabet",
                "train_alphabets": ("A",),
                "validation_alphabets": ("B",),
                "test_alphabets": ("A",),
            },
            "'A' is named twice",
        ),
        ({"split_seed": 3}, "split_seed shuffles nothing"),
        (
            {"image_size": 1_024},
            r"32,460 images of 1024 x 1024 pixels take 31\.7 GiB of memory, and may take 8",
        ),
        (
            {"image_size": 300, "rotations": "all"},
            r"32,460 images and up to 97,380 turned ones \(rotations = 'all'\) of 300 x 300 pixels "
            r"take 10\.9 GiB",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    said: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OmniglotSettings(**said)  # type: ignore[arg-type]


# Splits and rotations


@pytest.mark.slow
@given(
    split=st.sampled_from(["random", "alphabet"]),
    rotations=st.sampled_from(["none", "train", "all"]),
    seed=st.integers(0, 20),
)
def test_splits_share_no_class(
    omniglot_folder: Path, split: str, rotations: str, seed: int
) -> None:
    dataset = loaded(omniglot_folder, split=split, rotations=rotations, split_seed=seed)
    names = {s: {dataset.pool.class_names[n] for n in dataset.pool.splits[s]} for s in SPLITS}
    characters = {s: {name.split("/rot")[0] for name in names[s]} for s in SPLITS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not characters[one] & characters[other]
        assert not set(dataset.split_images(one)) & set(dataset.split_images(other))  # type: ignore[arg-type]
    turned = {"none": (), "train": ("train",), "all": SPLITS}[rotations]
    assert all(len(names[s]) == (4 if s in turned else 1) * len(characters[s]) for s in SPLITS)
    if split == "alphabet":
        alphabets = [{name.split("/")[0] for name in names[s]} for s in SPLITS]
        assert sum(map(len, alphabets)) == len(set.union(*alphabets)) == 6


@pytest.fixture(scope="module")
def all_of_omniglot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every published character by its name, with two blank drawings of 4 x 4."""
    root = tmp_path_factory.mktemp("all")
    with Image.new("1", (4, 4), 1) as blank:
        blank.save(root / "blank.png")
    lists = json.loads(
        (files("metabench.datasets") / "splits" / "omniglot-vinyals.json").read_text()
    )
    for split in SPLITS:
        for alphabet, (first, last) in lists[split].items():
            for number in range(first, last + 1):
                character = (
                    root / "omniglot-py" / "images_background" / alphabet / f"character{number:02d}"
                )
                character.mkdir(parents=True)
                for drawing in (1, 2):
                    (character / f"{drawing:02d}.png").hardlink_to(root / "blank.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rotations", "sizes"),
    [("none", [1028, 172, 423]), ("train", [4112, 172, 423]), ("all", [4112, 688, 1692])],
)
def test_the_published_split_with_and_without_rotations(
    all_of_omniglot: Path, rotations: str, sizes: list[int]
) -> None:
    dataset = loaded(all_of_omniglot, split="vinyals", rotations=rotations, image_size=4)
    assert [len(dataset.pool.splits[split]) for split in SPLITS] == sizes


@pytest.mark.slow
def test_the_random_split_of_all_characters_is_that_of_maml(all_of_omniglot: Path) -> None:
    dataset = loaded(all_of_omniglot, split="random", image_size=4)
    assert [len(dataset.pool.splits[split]) for split in SPLITS] == [1100, 100, 423]


# Episodes of real data


@pytest.mark.slow
def test_episodes_of_the_data_at_hand(real_omniglot: Path) -> None:
    """On real Omniglot where it is at hand: nearest neighbours of raw pixels are well above chance,
    so labels and images belong together."""
    dataset = loaded(real_omniglot)
    stream = EpisodeStream(
        dataset, {"name": "omniglot"}, "test", EpisodeShape(5, 5, 5), root_seed=0, seed=0
    )
    episodes = stream.episodes(0, 200, CPU)
    assert episodes.query_x.shape == (200, 25, 1, 28, 28)
    distances = torch.cdist(episodes.query_x.flatten(2), episodes.support_x.flatten(2))
    nearest = episodes.support_y.gather(1, distances.argmin(2))
    assert (nearest == episodes.query_y).double().mean() > 0.5


@pytest.mark.slow
def test_disjoint_episodes_of_the_data_at_hand(real_omniglot: Path) -> None:
    dataset = loaded(real_omniglot)
    most = len(dataset.pool.splits["test"]) // 5
    stream = EpisodeStream(
        dataset,
        {},
        "test",
        EpisodeShape(5, 1, 15),
        root_seed=0,
        seed=0,
        sampling="disjoint",
        episodes=most,
    )
    draw = stream.draw(0, most)
    images = np.concatenate([draw["support"].ravel(), draw["query"].ravel()])
    assert len(set(images)) == images.size == most * 80
    too_many = EpisodeStream(
        dataset,
        {},
        "test",
        EpisodeShape(5, 1, 15),
        root_seed=0,
        seed=0,
        sampling="disjoint",
        episodes=most + 1,
    )
    with pytest.raises(
        DataError, match=f"the test split of Omniglot holds at most {most} disjoint 5-way"
    ):
        too_many.draw(0, 1)


# Download


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def archives(folder: Path, tmp_path: Path) -> Path:
    """The folder's two parts as the archives that are published; the folder itself is gone."""
    served = tmp_path / "served"
    served.mkdir()
    for part in on_disk.PARTS:
        shutil.make_archive(str(served / part), "zip", folder / "omniglot-py", part)
    shutil.rmtree(folder)
    return served


@pytest.fixture
def server(archives: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server of the archives on this machine, where torchvision looks for them."""
    from torchvision.datasets import Omniglot as Torchvision

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(archives))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        md5 = {
            part: hashlib.md5((archives / f"{part}.zip").read_bytes()).hexdigest()
            for part in on_disk.PARTS
        }
        monkeypatch.setattr(
            Torchvision, "download_url_prefix", f"http://127.0.0.1:{server.server_port}"
        )
        monkeypatch.setattr(Torchvision, "zips_md5", md5)
        yield server
        server.shutdown()
        thread.join()


def prepared(root: Path) -> str:
    return Omniglot(OmniglotSettings()).prepare(root)


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_the_download_ends_in_the_same_data(tmp_path: Path, omniglot_folder: Path) -> None:
    root = tmp_path / "downloaded"
    assert prepared(root).startswith(
        f"36 of 1,623 characters, 720 drawings in {root / 'omniglot-py'}; "
    )
    assert loaded(root).content_digest() == loaded(omniglot_folder).content_digest()
    assert sorted(path.name for path in (root / "omniglot-py").iterdir()) == [
        "images_background",
        "images_evaluation",
    ]
    assert prepared(root).startswith("36 of 1,623")


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_a_part_that_is_there_is_left_alone(
    tmp_path: Path, omniglot_maker: Callable[..., Path]
) -> None:
    mine = (
        omniglot_maker(tmp_path / "mine", alphabets=("Mine", "Ours", "Yours"), characters=2)
        / "omniglot-py"
    )
    shutil.rmtree(mine / "images_evaluation")
    assert prepared(tmp_path / "mine").startswith(f"{4 + 12} of 1,623 characters")
    assert sorted(alphabet.name for alphabet in (mine / "images_background").iterdir()) == [
        "Mine",
        "Ours",
    ]
    assert len(list((mine / "images_evaluation").iterdir())) == 2


@pytest.mark.slow
def test_a_download_that_fails_leaves_nothing_half_done(
    tmp_path: Path, server: ThreadingHTTPServer, archives: Path
) -> None:
    assert server.server_port
    evaluation = archives / "images_evaluation.zip"
    evaluation.write_bytes(evaluation.read_bytes()[:-100])
    said = prepared(tmp_path / "downloaded")
    assert said.startswith("24 of 1,623 characters")
    assert "images_evaluation could not be had: " in said
    assert [path.name for path in (tmp_path / "downloaded" / "omniglot-py").iterdir()] == [
        "images_background"
    ]


def test_without_network_or_files_the_message_says_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import Omniglot as Torchvision

    monkeypatch.setattr(Torchvision, "download_url_prefix", "http://127.0.0.1:9")
    with pytest.raises(DataError) as told:
        prepared(tmp_path)
    for said in (
        "images_background could not be had: ",
        "refused",
        "put images_background.zip and images_evaluation.zip",
    ):
        assert said in str(told.value)
    assert list((tmp_path / "omniglot-py").iterdir()) == []


@pytest.mark.slow
def test_archives_in_the_folder_are_unpacked(
    tmp_path: Path, archives: Path, omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    shutil.copytree(archives, tmp_path / "offline" / "omniglot-py")
    assert prepared(tmp_path / "offline").startswith("36 of 1,623 characters")
    assert loaded(tmp_path / "offline").content_digest() == loaded(omniglot_folder).content_digest()


@pytest.mark.slow
def test_a_damaged_archive_is_named(tmp_path: Path, archives: Path) -> None:
    offline = tmp_path / "offline" / "omniglot-py"
    shutil.copytree(archives, offline)
    (offline / "images_background.zip").write_bytes(b"PK no")
    with zipfile.ZipFile(offline / "images_evaluation.zip", "w") as content:
        content.writestr("elsewhere/readme.txt", "nothing of use")
    with pytest.raises(
        DataError, match=r"images_background\.zip: (.|\n)*images_evaluation could not be had: "
    ):
        prepared(tmp_path / "offline")


@pytest.mark.slow
def test_a_damaged_archive_is_an_error_even_where_the_other_part_is_whole(
    tmp_path: Path, archives: Path
) -> None:
    offline = tmp_path / "offline" / "omniglot-py"
    shutil.copytree(archives, offline)
    (offline / "images_background.zip").write_bytes(b"PK no")
    with pytest.raises(
        DataError,
        match=r"^dataset 'omniglot':\nimages_background could not be had: "
        r".*images_background\.zip: it is cut off, or no zip archive",
    ):
        prepared(tmp_path / "offline")
    assert sorted(path.name for path in offline.iterdir()) == [
        "images_background.zip",
        "images_evaluation",
        "images_evaluation.zip",
    ]
    (offline / "images_background.zip").write_bytes(
        (archives / "images_background.zip").read_bytes()
    )
    assert prepared(tmp_path / "offline").startswith("36 of 1,623 characters")


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        Path.touch,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("nowhere"),
        lambda path: (path / "x").mkdir(parents=True),
    ],
)
def test_what_is_in_the_place_of_a_part_is_told_before_anything_is_unpacked(
    make: Callable[[Path], object], tmp_path: Path, archives: Path
) -> None:
    offline = tmp_path / "offline" / "omniglot-py"
    shutil.copytree(archives, offline)
    make(offline / "images_background")
    with pytest.raises(
        DataError,
        match="images_background: there is something in its place, without a character in it",
    ):
        prepared(tmp_path / "offline")
    assert os.path.lexists(offline / "images_background")
    assert (offline / "images_evaluation").is_dir()


def test_an_archive_that_is_no_file_is_refused_without_waiting(
    tmp_path: Path, omniglot_folder: Path
) -> None:
    (tmp_path / "data" / "omniglot-py").mkdir(parents=True)
    for part in on_disk.PARTS:
        os.mkfifo(tmp_path / "data" / "omniglot-py" / f"{part}.zip")
    with pytest.raises(
        DataError, match=r"images_evaluation\.zip: cannot be read: it is a named pipe"
    ):
        prepared(tmp_path / "data")


# Folders of strangers


def links_to_other_disks(folder: Path, elsewhere: Path) -> None:
    """The data folder stays; `omniglot-py` and its first part are elsewhere."""
    elsewhere.mkdir()
    (folder / "omniglot-py").rename(elsewhere / "some")
    (folder / "omniglot-py").symlink_to(elsewhere / "some")
    (elsewhere / "some" / "images_background").rename(elsewhere / "part")
    (elsewhere / "some" / "images_background").symlink_to("../part")


def test_the_folder_and_its_parts_may_be_links(
    folder: Path, omniglot_folder: Path, tmp_path: Path
) -> None:
    links_to_other_disks(folder, tmp_path / "elsewhere")
    assert loaded(folder).content_digest() == loaded(omniglot_folder).content_digest()
    (tmp_path / "link").symlink_to(folder)
    assert loaded(tmp_path / "link").content_digest() == loaded(omniglot_folder).content_digest()


def test_a_link_within_its_part_is_followed(
    folder: Path, omniglot_folder: Path, tmp_path: Path
) -> None:
    drawing = folder / GREEK / "character01" / "0201_01.png"
    drawing.rename(drawing.with_name(".kept"))
    drawing.symlink_to(".kept")
    links_to_other_disks(folder, tmp_path / "elsewhere")
    assert loaded(folder).content_digest() == loaded(omniglot_folder).content_digest()


@pytest.mark.parametrize(
    "place",
    [
        GREEK,
        GREEK / "character01",
        GREEK / "character01" / "0201_01.png",
        GREEK / "character01" / "notes.txt",
    ],
)
@pytest.mark.parametrize("part_is_a_link", [False, True])
def test_a_link_out_of_its_part_is_refused(
    place: Path, part_is_a_link: bool, folder: Path, tmp_path: Path
) -> None:
    path = folder / place
    if path.exists():
        path.rename(tmp_path / "outside")
    else:
        (tmp_path / "outside").touch()
    path.symlink_to(tmp_path / "outside")
    if part_is_a_link:
        links_to_other_disks(folder, tmp_path / "elsewhere")
    with pytest.raises(
        DataError, match=rf"{path.name}: is a link out of .*; put what it leads to in its place"
    ):
        loaded(folder)


@pytest.mark.parametrize(
    ("place", "target", "reason"),
    [
        (GREEK / "loop", "loop", "Too many levels of symbolic links"),
        (GREEK / "character01" / "loop.png", "loop.png", "Too many levels of symbolic links"),
        (GREEK / "character01" / "gone.png", "nowhere", "No such file"),
        (GREEK / "character01" / "zero.png", "/dev/zero", "is a link out of"),
    ],
)
def test_a_link_to_nowhere_is_refused(place: Path, target: str, reason: str, folder: Path) -> None:
    (folder / place).symlink_to(target)
    with pytest.raises(DataError, match=f"{place.name}: .*{reason}"):
        loaded(folder)


def test_a_link_back_up_ends(folder: Path) -> None:
    (folder / GREEK / "character01" / "up").symlink_to("../..")
    (folder / GREEK.parent / "Up").symlink_to(".")
    with pytest.raises(DataError, match=r"Up/.*: a character's folder without a PNG"):
        loaded(folder)


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31mred", "\udcff", "\u2028", "\x7f"])
@pytest.mark.parametrize("place", [GREEK.parent, GREEK, GREEK / "character01"])
def test_a_name_that_cannot_be_shown_is_refused(name: str, place: Path, folder: Path) -> None:
    (folder / place / f"{name}.png").mkdir()
    with pytest.raises(DataError, match="is a name that cannot be shown") as told:
        loaded(folder)
    assert str(told.value).isprintable()


@pytest.mark.slow
def test_the_longest_names_are_names(folder: Path) -> None:
    (folder / GREEK).rename((folder / GREEK).with_name("\u00e9" * 127))
    drawing = folder / GREEK.with_name("\u00e9" * 127) / "character01" / "0201_01.png"
    drawing.rename(drawing.with_name("x" * 251 + ".png"))
    assert f"{'é' * 127}/character01/{'x' * 251}" in loaded(folder).image_ids


def test_a_pipe_in_place_of_a_drawing_is_refused_without_waiting(folder: Path) -> None:
    (folder / GREEK / "character01" / "0201_01.png").unlink()
    os.mkfifo(folder / GREEK / "character01" / "0201_01.png")
    with pytest.raises(
        DataError, match=r"0201_01\.png: cannot be read as an image \(it is a named pipe\)"
    ):
        loaded(folder)


def test_postscript_under_the_name_of_a_drawing_is_not_run(folder: Path) -> None:
    """Its reader starts Ghostscript: see `test_image_files`."""
    (folder / GREEK / "character01" / "0201_01.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n"
    )
    with pytest.raises(
        DataError, match=r"0201_01\.png: cannot be read as an image \(it is not a whole PNG file\)"
    ):
        loaded(folder)


def test_nothing_in_a_folder_that_cannot_be_listed_is_taken_for_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "Greek":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="Greek: cannot be read: Permission denied"):
        prepared(folder)
