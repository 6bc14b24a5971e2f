"""Glyphs: the same bytes everywhere and at any size, characters and drawings that differ, and
splits, settings and episodes as of any dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import part, reproducible, run
from hypothesis import given, settings
from hypothesis import strategies as st

from metabench.cells import Cell, Evaluate, Fit, Train, Validate
from metabench.datasets import glyphs as module
from metabench.datasets.class_splits import SPLITS
from metabench.datasets.glyphs import Glyphs, GlyphsSettings, draw
from metabench.datasets.glyphs_alphabets import Dice
from metabench.datasets.glyphs_pen import ONE, ink
from metabench.experiment.streams import EpisodeStream
from metabench.tasks.episodes import EpisodeShape

CPU = torch.device("cpu")
NOWHERE = Path("no such folder")
FEW: dict[str, Any] = {"alphabets": 4, "characters": (5,), "drawers": 4}


def loaded(**said: Any) -> Glyphs:
    dataset = Glyphs(GlyphsSettings(**{**FEW, **said}))
    dataset.load(NOWHERE)
    return dataset


def drawn(**said: Any) -> np.ndarray:
    """Images ``[alphabet, character, drawer, H, W]`` of a few glyphs."""
    at = GlyphsSettings(**{**FEW, **said})
    return draw(at).images.reshape(
        at.alphabets, *at.characters, at.drawers, at.image_size, at.image_size
    )


@pytest.fixture(scope="module")
def default() -> Glyphs:
    """All that the default settings make."""
    dataset = Glyphs(GlyphsSettings())
    dataset.load(NOWHERE)
    return dataset


# --- the same bytes -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_default_has_the_pinned_content(default: Glyphs) -> None:
    """On every machine, and under every version of NumPy. A new generator has a new VERSION, and
    then a new digest here."""
    assert (module.VERSION, default.content_digest()) == (
        1,
        "7b42bbb0aa6b8768a4b0e613c5ff5db0db87abd2464d13360629316af7cba681",
    )


@pytest.mark.slow
@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**64),
    alphabet=st.integers(1, 3),
    characters=st.integers(1, 6),
    drawers=st.integers(1, 5),
    image_size=st.sampled_from([8, 28, 40]),
)
def test_a_glyph_does_not_depend_on_how_many_there_are(
    seed: int, alphabet: int, characters: int, drawers: int, image_size: int
) -> None:
    few = module.draw_alphabet(seed, alphabet, characters, drawers, image_size).reshape(
        characters, drawers, image_size, image_size
    )
    many = module.draw_alphabet(seed, alphabet, characters + 3, drawers + 2, image_size).reshape(
        -1, drawers + 2, image_size, image_size
    )
    assert np.array_equal(few, many[:characters, :drawers])


def test_more_alphabets_come_after_those_that_were_there() -> None:
    assert np.array_equal(drawn(), drawn(alphabets=6)[:4])


def test_the_seed_changes_every_character() -> None:
    one, other = drawn(), drawn(glyph_seed=1)
    assert (one != other).any((2, 3, 4)).all()


def test_dice_are_fair_and_bells_have_their_deviation() -> None:
    dice = Dice(0, "test")
    assert np.bincount([dice.between(2, 4) for _ in range(3000)], minlength=6)[2:5].min() > 900
    bells = dice.bells(200, 50)
    assert abs(bells.mean()) < 4 * ONE / 100
    assert abs(bells.std() / ONE - 1) < 0.03
    assert abs(bells).max() <= 3.5 * ONE


# --- what is drawn --------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_two_drawings_are_equal(default: Glyphs) -> None:
    images = default.pool.images.numpy()
    assert (
        len({image.tobytes() for image in images})
        == len(images)
        == 20 * len(default.pool.class_names)
    )


@pytest.mark.slow
def test_images_are_ink_on_nothing(default: Glyphs) -> None:
    images = default.pool.images.numpy()
    assert images.dtype == np.uint8
    assert images.shape[1:] == (28, 28, 1)
    ink_of_each = images.mean((1, 2, 3)) / 255
    # mostly paper, and nobody left the sheet blank
    assert ((ink_of_each > 0.01) & (ink_of_each < 0.3)).all()
    assert (images.max((1, 2, 3)) > 200).all()
    assert np.median(images) == 0


@pytest.mark.slow
def test_drawings_of_a_character_are_more_alike_than_characters(default: Glyphs) -> None:
    """Nearest neighbours of raw pixels are well above chance and far from perfect, as on
    Omniglot."""
    stream = EpisodeStream(default, {}, "test", EpisodeShape(5, 1, 5), root_seed=0, seed=0)
    episodes = stream.episodes(0, 200, CPU)
    nearest = torch.cdist(episodes.query_x.flatten(2), episodes.support_x.flatten(2)).argmin(2)
    assert 0.3 < (nearest == episodes.query_y).double().mean() < 0.6


@pytest.mark.slow
def test_alphabets_have_as_many_characters_as_those_of_omniglot(default: Glyphs) -> None:
    sizes = default.settings.sizes()
    assert len(sizes) == 25
    assert min(sizes) >= 14
    assert max(sizes) <= 55
    assert len(set(sizes)) > 10


@pytest.mark.parametrize("size", [8, 15, 28, 105])
def test_any_image_size_shows_the_same_glyph(size: int) -> None:
    images = drawn(alphabets=3, characters=(2,), image_size=size)
    assert images.shape == (3, 2, 4, size, size)
    shares = np.linspace(0, 1, size)
    large = drawn(alphabets=3, characters=(2,), image_size=84).astype(float)
    for axis in (3, 4):
        here = (images.mean(7 - axis) * shares).sum(-1) / images.mean(7 - axis).sum(-1)
        there = (large.mean(7 - axis) * np.linspace(0, 1, 84)).sum(-1) / large.mean(7 - axis).sum(
            -1
        )
        assert np.abs(here - there).max() < 0.05  # the middle of the ink stays where it was


def test_a_dot_is_round_and_dark_in_its_middle() -> None:
    (image,) = ink(np.array([[2048, 2048]]), np.array([300]), np.array([0]), 1, 33)
    assert image[16, 16] == 255
    assert np.array_equal(image, image.T)
    assert np.array_equal(image, image[::-1, ::-1])
    assert image[0].max() == 0


# --- the dataset ----------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    split=st.sampled_from(["random", "alphabet"]),
    rotations=st.sampled_from(["none", "train", "all"]),
    seed=st.integers(0, 20),
    alphabets=st.integers(3, 6),
)
def test_splits_share_no_class(split: str, rotations: str, seed: int, alphabets: int) -> None:
    dataset = loaded(
        split=split,
        rotations=rotations,
        split_seed=seed,
        alphabets=alphabets,
        characters=(3,),
        drawers=2,
        image_size=8,
    )
    names = [{dataset.pool.class_names[n] for n in dataset.pool.splits[s]} for s in SPLITS]
    turned = {"none": 0, "train": 1, "all": 3}[rotations]
    assert [sum("/rot" in name for name in those) for those in names] == [
        3 * len(those) // 4 if s < turned else 0 for s, those in enumerate(names)
    ]
    upright = [{name.split("/rot")[0] for name in those} for those in names]
    assert sum(map(len, upright)) == len(set.union(*upright)) == 3 * alphabets
    if split == "alphabet":
        groups = [{name.split("/")[0] for name in those} for those in names]
        assert sum(map(len, groups)) == len(set.union(*groups)) == alphabets


def test_classes_and_drawings_are_named_in_order() -> None:
    dataset = loaded(characters=(2, 3, 1, 4), split="alphabet")
    assert list(dataset.pool.class_names) == sorted(dataset.pool.class_names)
    assert list(dataset.image_ids) == sorted(dataset.image_ids)
    assert dataset.image_ids[:5] == [
        *(f"alphabet01/character01/{d:02d}" for d in range(1, 5)),
        "alphabet01/character02/01",
    ]
    assert dataset.pool.labels.tolist() == np.repeat(np.arange(10), 4).tolist()


def test_a_turned_character_is_the_same_drawing_turned() -> None:
    pool = loaded(rotations="all").pool
    upright = pool.image_ids.index("alphabet02/character03/01")
    turned = pool.image_ids.index("alphabet02/character03/01/rot090")
    assert torch.equal(pool.images[turned], torch.rot90(pool.images[upright]))


def test_named_alphabets_and_sizes_are_kept() -> None:
    named = loaded(
        split="alphabet",
        train_alphabets=("alphabet03",),
        validation_alphabets=("alphabet01",),
        test_alphabets=("alphabet02",),
    )
    assert [named.pool.splits[s].tolist() for s in SPLITS] == [
        [*range(10, 15)],
        [*range(5)],
        [*range(5, 10)],
    ]
    sized = loaded(train_classes=9, validation_classes=4, test_classes=7)
    assert [len(sized.pool.splits[s]) for s in SPLITS] == [9, 4, 7]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"characters": (3, 4)}, "characters says 2 numbers for 4 alphabets"),
        (
            {"split": "alphabet", "alphabets": 2},
            "needs an alphabet each for train, validation and test; there are 2",
        ),
        ({"alphabets": 1, "characters": (2,)}, "needs 3 classes; there are 2"),
        (
            {"train_classes": 15, "validation_classes": 3, "test_classes": 3},
            "needs 21 classes; there are 20",
        ),
        ({"train_classes": 5}, "train_classes without validation_classes, test_classes"),
        (
            {
                "split": "alphabet",
                "train_alphabets": ("alphabet1",),
                "validation_alphabets": ("alphabet02",),
                "test_alphabets": ("alphabet03",),
            },
            "'alphabet1', which is not there .did you mean 'alphabet01'",
        ),
        (
            {"alphabets": 99, "characters": (99,), "drawers": 99, "image_size": 105},
            r"970,299 images of 105 x 105 pixels take 10\.0 GiB of memory, and may",
        ),
        (
            {
                "alphabets": 99,
                "characters": (99,),
                "drawers": 20,
                "rotations": "train",
                "image_size": 105,
            },
            r"196,020 images and up to 588,060 turned ones",
        ),
    ],
)
def test_impossible_settings_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GlyphsSettings(**{**FEW, **said})


def test_glyphs_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded(glyph_seed=77)
    assert (
        Glyphs(first.settings).prepare(NOWHERE)
        == "4 alphabets, 20 characters, 80 drawings of 28 x 28"
    )
    monkeypatch.setattr(module, "draw", lambda _: pytest.fail("drawn again"))
    assert (
        loaded(glyph_seed=77, split="alphabet", rotations="train").content_digest()
        == first.content_digest()
    )
    for change in (
        {"glyph_seed": 78},
        {"alphabets": 5},
        {"characters": (6,)},
        {"drawers": 5},
        {"image_size": 27},
    ):
        with pytest.raises(pytest.fail.Exception):
            loaded(**{"glyph_seed": 77, **change})


def test_a_fit_on_glyphs_gives_the_same_bits_again() -> None:
    fit = Fit(
        algorithm="protonet",
        method=part("methods", "protonet"),
        model=part("models", "conv4", filters=4),
        dataset=part(
            "datasets", "glyphs", **FEW, split="alphabet", image_size=16, rotations="train"
        ),
        train=Train(iterations=4, tasks_per_batch=2, ways=3, shots=1, query_shots=2),
        validate=Validate(every=2, episodes=4, ways=3, shots=1, query_shots=2),
        seed=0,
        root_seed=0,
    )
    cell = Cell(
        fit,
        Evaluate(ways=3, shots=1, query_shots=2, episodes=20, batch_norm="running"),
        {"algorithm": "protonet", "dataset": "glyphs"},
    )
    (first,), (second,) = run(cell, data=NOWHERE), run(cell, data=NOWHERE)
    assert first.result["outcome"] == "completed"
    assert reproducible(first) == reproducible(second)
    assert first.provenance_extra["data_digest"] == loaded(image_size=16).content_digest()
