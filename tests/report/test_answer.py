"""The first sentences say what the tables say, and no more."""

import json
import re

from synthetic_run import Synthetic

from metabench.report import words
from metabench.report.answer import answer
from metabench.report.blocks import blocks_of
from metabench.report.cost import cost
from metabench.report.headline import headline
from metabench.tables import load

BASE = [0.90, 0.91, 0.93, 0.92, 0.90]


def sentences(folder, scores, **settings):
    algorithms = tuple(dict.fromkeys(algorithm for algorithm, _ in scores))
    shots = tuple(dict.fromkeys(shots for _, shots in scores))
    blocks = blocks_of(
        load(
            Synthetic(algorithms=algorithms, shots=shots, scores=scores, **settings).write(
                folder / "run"
            )
        )
    )
    return [
        sentence.replace(words.NBSP, " ")
        for sentence in (*headline(blocks, "maml"), answer(blocks[0], "maml"))
    ]


def test_a_clear_lead(tmp_path):
    better = [0.951, 0.957, 0.98, 0.969, 0.95]
    first, _ = sentences(tmp_path, {("maml", 1): BASE, ("protonet", 1): better})
    assert first.startswith("On omniglot · 5-way 1-shot: protonet has the best mean: 96.14 %")
    assert "4.94 points above the reference maml (p < 0.001, Holm over 1)" in first


def test_a_lead_that_could_be_chance(tmp_path):
    first, _ = sentences(
        tmp_path, {("maml", 1): BASE, ("protonet", 1): [0.92, 0.90, 0.95, 0.91, 0.91]}
    )
    assert "not separated from it" in first
    assert re.search(r"5 seeds could have found [\d.]+ if the spread is as observed", first)


def test_the_reference_leads(tmp_path):
    worse = [score - 0.1 - 0.001 * place for place, score in enumerate(BASE)]
    level = [0.89, 0.92, 0.92, 0.92, 0.90]
    scores = {
        (name, shots): values
        for shots in (1, 5)
        for name, values in (("maml", BASE), ("fomaml", level), ("scratch", worse))
    }
    first, second, one = sentences(tmp_path, scores)
    assert first == "maml, the reference, has the best mean in both settings."
    assert second == "fomaml is not separated from it; scratch is behind it by 10.20 points."
    assert "scratch is behind it; fomaml is not separated from it." in one


def test_nobody_leads_everywhere(tmp_path):
    high = [score + 0.03 for score in BASE]
    first, second, _ = sentences(
        tmp_path, {("maml", 1): BASE, ("fomaml", 1): high, ("maml", 5): high, ("fomaml", 5): BASE}
    )
    assert (
        first
        == "No algorithm has the best mean everywhere: of 2 settings, fomaml has it in 1 and maml "
        "has it in 1."
    )
    # every pair differs by the same amount
    assert second == "Of 2 comparisons with maml, 2 could not be tested."


def test_settings_that_differ_in_their_data_are_named(tmp_path):
    high = [score + 0.03 for score in BASE]
    scores = {("maml", 1): BASE, ("fomaml", 1): high, ("maml", 5): high, ("fomaml", 5): BASE}
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1, 5), scores=scores).write(
        tmp_path / "run"
    )
    described = json.loads((folder / "cells.json").read_text())
    for entry in described["cells"]:
        entry["group"]["dataset"] = {1: "omniglot", 5: "glyphs"}[entry["group"]["shots"]]
    (folder / "cells.json").write_text(json.dumps(described))
    assert (
        headline(blocks_of(load(folder)), "maml")[0]
        == "fomaml has the best mean on omniglot and maml has the best mean on glyphs."
    )


def test_the_headline_is_silent_on_few_seeds(tmp_path):
    scores = {("maml", 1): BASE[:3], ("protonet", 1): [0.95, 0.97, 0.96]}
    first, of_block = sentences(tmp_path, scores, seeds=(0, 1, 2))
    assert first == "3 seeds tell no order: what follows is described, and nothing is tested."
    assert "descriptive, not tested" in of_block
    assert "p " not in of_block.split("reference")[1]


def test_who_lost_a_seed_does_not_lead(tmp_path):
    better = [0.951, 0.957, 0.98, 0.969, 0.95]
    scores = {("maml", 1): BASE, ("protonet", 1): better}
    first, _ = sentences(tmp_path, scores, change={("protonet", 1, 0): "failed"})
    assert "maml, the reference, has the best mean of those that lost no seed: 91.20 %" in first
    assert "protonet is not decided, since seeds were lost" in first


def test_who_lost_a_seed_and_is_behind_is_not_spoken_of(tmp_path):
    worse = [score - 0.1 - 0.001 * place for place, score in enumerate(BASE)]
    scores = {("maml", 1): BASE, ("protonet", 1): worse}
    first, _ = sentences(tmp_path, scores, change={("protonet", 1, 0): "failed"})
    assert "maml, the reference, has the best mean: 91.20 %" in first


def test_a_divided_field_tells_who_was_left_out(tmp_path):
    high, top = [score + 0.03 for score in BASE], [score + 0.05 for score in BASE]
    scores = {("maml", 1): BASE, ("fomaml", 1): high, ("maml", 5): high, ("fomaml", 5): BASE}
    scores |= {("protonet", 1): top, ("protonet", 5): BASE}
    first, *_ = sentences(tmp_path, scores, change={("protonet", 1, 0): "failed"})
    assert first.endswith(
        "fomaml has it in 1 and maml has it in 1 (those left out that lost a seed)."
    )


ERRORS = [0.20, 0.24, 0.30, 0.22, 0.26]


def scaled(*factors):
    return [error * factor for error, factor in zip(ERRORS, factors, strict=True)]


def test_errors_are_told_by_the_ratio_that_was_tested(tmp_path):
    """One bad seed turns the mean difference round, and not the ratio of the geometric means."""
    scores = {("maml", 1): [0.9, 0.3, 0.3, 0.3, 0.3], ("fomaml", 1): [1.4, 0.2, 0.2, 0.2, 0.2]}
    first, _ = sentences(tmp_path / "turned", scores, dataset="sinusoid", ways=None)
    assert "fomaml has the best mean: 0.295 MSE" in first
    assert "over 5 seeds, 0.79 times the MSE of the reference maml, but not separated" in first

    half = [
        error * factor for error, factor in zip(ERRORS, (0.48, 0.5, 0.52, 0.5, 0.5), strict=True)
    ]
    scores = {
        (name, shots): values
        for shots in (5, 10)
        for name, values in (("maml", ERRORS), ("fomaml", half))
    }
    (first, *_) = sentences(tmp_path / "ahead", scores, dataset="sinusoid", ways=None)
    assert "fomaml has the best mean in both settings, 0.50 times the MSE of the reference" in first


def test_errors_behind_the_reference_are_told_by_their_ratio(tmp_path):
    twice = [
        error * factor for error, factor in zip(ERRORS, (1.9, 2.0, 2.1, 2.0, 2.0), strict=True)
    ]
    thrice = [
        error * factor for error, factor in zip(ERRORS, (2.9, 3.0, 3.1, 3.0, 3.0), strict=True)
    ]
    scores = {("maml", 5): ERRORS, ("fomaml", 5): twice, ("maml", 10): ERRORS}
    scores["fomaml", 10] = thrice
    _, second, _ = sentences(tmp_path, scores, dataset="sinusoid", ways=None)
    assert second == "fomaml is behind it, at 2.0 to 3.0 times its MSE."


def test_where_all_lost_a_seed_nobody_leads(tmp_path):
    change = {(name, 1, 0): "failed" for name in ("maml", "fomaml")}
    scores = {(name, shots): BASE for shots in (1, 5) for name in ("maml", "fomaml")}
    scores["fomaml", 5] = [score + 0.03 for score in BASE]
    first, second, one = sentences(tmp_path, scores, change=change)
    assert first == (
        "No algorithm has the best mean everywhere: of 2 settings, 1 is without a leader that "
        "completed all seeds and fomaml has it in 1."
    )
    assert second == "Of 2 comparisons with maml, 2 could not be tested."
    assert one == "Nobody leads: every algorithm lost a seed to failure or divergence."


def test_tie(tmp_path):
    first, _ = sentences(tmp_path, {("maml", 1): BASE, ("fomaml", 1): BASE})
    assert "maml and fomaml share the best mean" in first


def test_only_contested_settings_are_counted(tmp_path):
    """At ten shots nobody but the reference has a score."""
    worse = [score - 0.1 - 0.001 * place for place, score in enumerate(BASE)]
    scores = {
        (name, shots): values
        for shots in (1, 5, 10)
        for name, values in (("maml", BASE), ("fomaml", worse))
    }
    absent = {("fomaml", 10, seed): "missing" for seed in range(5)}
    first, *_ = sentences(tmp_path, scores, change=absent)
    assert (
        first
        == "maml, the reference, has the best mean in both settings with more than one algorithm "
        "that has a score (of 3 in all)."
    )


def cost_sentence(folder, **settings):
    blocks = blocks_of(load(Synthetic(**settings).write(folder / "run")))
    told = cost(blocks, "maml")
    return told and told.replace(words.NBSP, " ")


def test_cost_is_told_where_the_intervals_bear_it(tmp_path):
    told = cost_sentence(tmp_path / "all")
    assert re.fullmatch(
        r"Training time against that of maml: fomaml × 0\.5\d( to 0\.\d\d)? and protonet × "
        r"0\.\d\d( to .*)?; scratch does not train\. The whole fit, with choice, validation and "
        r"test: fomaml × 0\.\d\d( to .*)?, protonet × 0\.\d\d( to .*)? and scratch × 0\.1\d"
        r"( to .*)?\.",
        told,
    )
    assert cost_sentence(tmp_path / "one", seeds=(0,)) is None  # no interval

    def elsewhere(record):
        record["provenance"]["cpu"] = "Another"

    other = {("fomaml", shots, seed): elsewhere for shots in (1, 5) for seed in range(5)}
    assert "fomaml" not in cost_sentence(tmp_path / "machines", change=other)


def test_as_long_as_the_reference_is_not_told(tmp_path):
    def take(seconds):
        took = {"training_seconds": seconds, "wall_seconds": seconds + 8}
        return lambda record: record["measured"].update(took)

    close = {
        ("fomaml", 1, seed): take(seconds)
        for seed, seconds in enumerate([40.0, 50.0, 45.0, 50.0, 40.0])
    }
    close |= {("maml", 1, seed): take(45.0) for seed in range(5)}
    assert cost_sentence(tmp_path, algorithms=("maml", "fomaml"), shots=(1,), change=close) is None


def test_what_takes_longest_though_it_does_not_train_is_told(tmp_path):
    """Training and whole fit as long as the reference's, but for one that only chooses; a test
    episode is told where it takes another time."""

    def take(seed, **seconds):
        noise = 1 + 0.001 * seed
        took = {name: value * noise for name, value in seconds.items()}
        return lambda record: record["measured"].update(took)

    def told(folder, slow, episode):
        change = {
            (name, 1, seed): take(
                seed * place,
                training_seconds=40.0 * place,
                wall_seconds=wall,
                seconds_per_episode=one,
            )
            for place, (name, wall, one) in enumerate(
                (("maml", 50.0, 0.01), ("fomaml", 100.0, 0.02), ("scratch", slow, episode)), 1
            )
            for seed in range(5)
        }
        names = ("maml", "fomaml", "scratch")
        return cost_sentence(tmp_path / folder, algorithms=names, shots=(1,), change=change)

    assert told("slow", 150.0, 0.03) == (
        "Training time against that of maml: fomaml × 2.0; scratch does not train. "
        "The whole fit, with choice, validation and test: fomaml × 2.0 and scratch × 3.0. "
        "A test episode: fomaml × 2.0 and scratch × 3.0."
    )
    assert "scratch × 0.50" in told("fast", 25.0, 0.03)


def test_another_cost_that_tells_the_same_story_is_not_told(tmp_path):
    def take(seed, factor):
        took = {"training_seconds": 40.0, "wall_seconds": 50.0, "seconds_per_episode": 0.01}
        noise = factor * (1 + 0.001 * seed * factor)
        took = {name: value * noise for name, value in took.items()}
        return lambda record: record["measured"].update(took)

    change = {("maml", 1, seed): take(seed, 1.0) for seed in range(5)}
    change |= {("fomaml", 1, seed): take(seed, 0.5) for seed in range(5)}
    told = cost_sentence(tmp_path, algorithms=("maml", "fomaml"), shots=(1,), change=change)
    assert told == "Training time against that of maml: fomaml × 0.50."


def test_many_algorithms_are_told_by_their_extremes(tmp_path):
    def take(seconds):
        return lambda record: record["measured"].update(training_seconds=seconds)

    names = ("maml", *(f"method_{i}" for i in range(6)))
    times = {
        (name, 1, seed): take(10.0 * place + 0.01 * (seed + 1) * place)
        for place, name in enumerate(names, 1)
        for seed in range(5)
    }
    noise = {("maml", 1, seed): take(10.0 + 0.02 * seed) for seed in range(5)}
    told = cost_sentence(tmp_path, algorithms=names, shots=(1,), change=times | noise)
    assert told == "Training time against that of maml: from × 2.0 (method_0) to × 7.0 (method_5)."
