"""What becomes of each group between two runs, by known answers: outcomes, bits, scores, memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_sides import ACCURACY, MSE, side

from metabench.compare.joining import Joined
from metabench.compare.judging import Comparison, Confirm, Judged, compare
from metabench.compare.sides import Side
from metabench.tables.margins import MarginPair

MARGINS = MarginPair()
BASE = [0.80, 0.81, 0.79, 0.82, 0.80]
WOBBLE = [0.002, -0.001, 0.0, 0.001, -0.002]


def moved(by: float, wobble: Sequence[float] = WOBBLE) -> list[float]:
    """The scores of `BASE`, moved, each a little otherwise."""
    return [score + by + noise for score, noise in zip(BASE, wobble, strict=True)]


def judged(baseline: Side, head: Side, fresh: Confirm | None = None) -> Judged:
    """What becomes of the one group."""
    (group,) = compare(baseline, head, MARGINS, fresh).groups
    return group


def test_a_run_beside_itself_is_identical_and_needs_no_statistics() -> None:
    run = side({"maml": BASE, "fomaml": [*BASE[:4], "diverged"]})
    found = compare(run, run, MARGINS)
    assert found.counts == {"identical": 2}
    assert all(group.score is None for group in found.groups)


@pytest.mark.parametrize(
    ("by", "verdict"),
    [(-0.05, "regressed"), (-0.005, "fine"), (0.0, "fine"), (0.05, "improved")],
)
def test_a_change_that_all_seeds_show(by: float, verdict: str) -> None:
    group = judged(side({"maml": BASE}), side({"maml": moved(by)}))
    assert group.verdict == group.worst == verdict
    assert group.score is not None
    assert group.score.estimate == pytest.approx(by)
    assert group.means == pytest.approx((np.mean(BASE), np.mean(BASE) + by))
    assert "confirmed" not in group.score.method  # there were no fresh seeds


def test_a_change_lost_in_the_spread_is_open_and_says_what_would_settle_it() -> None:
    wide = [0.08, -0.07, 0.06, -0.09, 0.01]
    group = judged(side({"maml": BASE}), side({"maml": moved(-0.02, wide)}))
    assert group.verdict == "inconclusive"
    assert group.score is not None
    assert group.score.settled_by is not None
    assert group.score.settled_by > 5


@pytest.mark.parametrize(("by", "verdict"), [(-0.02, "regressed"), (-0.005, "fine")])
def test_changes_without_any_spread_are_taken_at_their_word(by: float, verdict: str) -> None:
    group = judged(side({"maml": BASE}), side({"maml": moved(by, [0.0] * 5)}))
    assert group.verdict == verdict


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize(
    ("by", "verdict"), [(-0.05, "regressed"), (-0.02, "inconclusive"), (-0.005, "fine")]
)
def test_few_seeds_are_held_to_a_tolerance_that_is_called_a_rule_of_thumb(
    seeds: int, by: float, verdict: str
) -> None:
    head = moved(by, [0.0] * 5)
    group = judged(side({"maml": BASE[:seeds]}), side({"maml": head[:seeds]}))
    assert group.verdict == verdict
    assert any("rule of thumb" in note for note in group.notes)


@pytest.mark.parametrize("outcome", ["failed", "missing", "diverged", "damaged", "timeout"])
def test_what_no_longer_completes_has_regressed_whatever_the_others_score(outcome: str) -> None:
    head = [*moved(0.1)[:4], outcome]
    group = judged(side({"maml": BASE}), side({"maml": head}))
    assert group.verdict == "regressed"
    assert group.score is None
    assert f"seed 4: {outcome}" in group.notes[0]


def test_nothing_is_decided_against_head_where_the_baseline_lost_cells() -> None:
    """The four that completed may have been its best."""
    group = judged(side({"maml": [*BASE[:4], "diverged"]}), side({"maml": moved(-0.05)}))
    assert group.verdict == "inconclusive"
    assert any("nothing is decided against head" in note for note in group.notes)


def test_nothing_is_decided_in_favour_of_a_head_that_lost_cells() -> None:
    baseline, head = [*BASE[:4], "failed"], [*moved(0.05)[:4], "failed"]
    group = judged(side({"maml": baseline}), side({"maml": head}))
    assert group.verdict == "fine"
    assert any("nothing is decided in its favour" in note for note in group.notes)


def test_what_never_completed_is_open() -> None:
    group = judged(side({"maml": ["failed"]}), side({"maml": [0.5]}))
    assert group.verdict == "inconclusive"
    assert "no seed completed on both sides" in group.notes


def test_what_nobody_has_run_in_the_baseline_gets_no_verdict_and_is_counted() -> None:
    """In head it would be a regression."""
    run = side({"maml": BASE, "fomaml": ["missing"] * 5})
    found = compare(run, run, MARGINS)
    assert found.counts == {"identical": 1}
    assert found.notes[0] == "in the baseline, groups that nobody has run: 1"
    whole = side({"maml": BASE, "fomaml": BASE})
    assert compare(whole, run, MARGINS).counts == {"regressed": 1, "identical": 1}
    later = compare(run, whole, MARGINS)
    assert [place["algorithm"] for place in later.new] == ["fomaml"]


def test_runs_without_a_seed_in_common_are_compared_as_unrelated_ones() -> None:
    group = judged(side({"maml": BASE}), side({"maml": moved(-0.1)}, first=5))
    assert group.verdict == "regressed"
    assert any("no seed in common" in note for note in group.notes)
    same = judged(side({"maml": BASE}), side({"maml": BASE}, first=5))
    assert same.verdict != "identical"


def test_runs_under_other_root_seeds_are_compared_as_unrelated_ones() -> None:
    group = judged(side({"maml": BASE}), side({"maml": moved(0.001)}, root_seed=7))
    assert group.verdict == "fine"
    assert any("other root seeds" in note for note in group.notes)


def test_only_seeds_that_both_have_count() -> None:
    group = judged(side({"maml": BASE}), side({"maml": [*BASE, 0.1, 0.1]}))
    assert group.verdict == "identical"
    assert group.notes == ("seeds that head alone has are left out: 5, 6",)


def test_errors_are_compared_as_ratios() -> None:
    baseline, head = [2.0, 3.0, 2.5, 4.0, 3.5], [2.8, 4.1, 3.6, 5.5, 5.0]
    group = judged(side({"maml": baseline}, metric=MSE), side({"maml": head}, metric=MSE))
    assert group.verdict == "regressed"
    assert group.score is not None
    assert group.score.estimate == pytest.approx(np.exp(np.mean(np.log(head) - np.log(baseline))))
    better = judged(side({"maml": head}, metric=MSE), side({"maml": baseline}, metric=MSE))
    assert better.verdict == "improved"


def test_an_error_of_nothing_has_no_ratio_and_is_open() -> None:
    group = judged(side({"maml": [0.0, 1.0]}, metric=MSE), side({"maml": [0.1, 1.0]}, metric=MSE))
    assert group.verdict == "inconclusive"
    assert "ratios need scores above 0" in group.notes[0]


# --- confirmation ---------------------------------------------------------------------------------

SUSPECT = moved(-0.02, [0.02, -0.02, 0.01, 0.0, -0.01])


def on_fresh_seeds(
    baseline: Sequence[float | str], head: Sequence[float | str], asked: list[object]
) -> Confirm:
    """Fresh seeds that come to these scores."""

    def run(groups: Sequence[Joined], seeds: int) -> tuple[Side, Side]:
        asked.extend([[group.place["algorithm"] for group in groups], seeds])
        return (
            side({"maml": baseline[:seeds]}, first=5),
            side({"maml": head[:seeds]}, first=5),
        )

    return run


@pytest.mark.parametrize(
    ("by", "verdict"), [(-0.03, "regressed"), (0.0, "fine"), (-0.005, "fine"), (0.03, "improved")]
)
def test_what_looks_worse_is_decided_by_fresh_seeds_alone(by: float, verdict: str) -> None:
    asked: list[object] = []
    rng = np.random.default_rng(0)
    before = (0.8 + 0.01 * rng.normal(size=20)).tolist()
    after = [score + by + 0.005 * rng.normal() for score in before]
    baseline = side({"maml": BASE, "fomaml": BASE})
    head = side({"maml": SUSPECT, "fomaml": moved(0.001)})
    found = compare(baseline, head, MARGINS, on_fresh_seeds(before, after, asked))
    assert asked == [["maml"], 15]
    assert found.fresh_seeds == 15
    maml, fomaml = found.groups
    assert (maml.verdict, maml.confirmed) == (verdict, True)
    assert maml.score is not None
    assert maml.score.n == 15
    assert (fomaml.verdict, fomaml.confirmed) == ("fine", False)


def test_a_failure_on_fresh_seeds_is_a_regression() -> None:
    run = on_fresh_seeds([0.8] * 20, [*[0.8] * 14, "failed", *[0.8] * 5], [])
    group = judged(side({"maml": BASE}), side({"maml": SUSPECT}), run)
    assert (group.verdict, group.confirmed) == ("regressed", True)
    assert "seed 19: failed" in group.notes[0]


def test_fresh_seeds_that_cannot_be_compared_leave_it_open() -> None:
    def run(groups: Sequence[Joined], seeds: int) -> tuple[Side, Side]:
        scores = {"maml": [0.8] * seeds}
        return side(scores, first=5, metric=MSE), side(scores, first=5, metric=ACCURACY)

    group = judged(side({"maml": BASE}), side({"maml": SUSPECT}), run)
    assert group.verdict == "inconclusive"
    assert "on fresh seeds it is scored by mse in the baseline, by accuracy in head" in group.notes


def test_where_nothing_looks_worse_no_seed_is_run() -> None:
    asked: list[object] = []
    found = compare(
        side({"maml": BASE}), side({"maml": moved(0.0)}), MARGINS, on_fresh_seeds([], [], asked)
    )
    assert (asked, found.fresh_seeds) == ([], 0)


# --- memory ---------------------------------------------------------------------------------------

MIB = 2.0**20


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(100, 100, "fine"), (100, 120, "fine"), (100, 122, "regressed"), (400, 430, "fine")],
)
def test_memory_has_a_margin_in_per_cent_and_in_bytes(
    before: int, after: int, verdict: str
) -> None:
    baseline = side({"maml": BASE}, peaks={"maml": before * MIB})
    group = judged(baseline, side({"maml": moved(0.0)}, peaks={"maml": after * MIB}))
    assert group.memory is not None
    assert group.memory.verdict == verdict
    assert group.worst == ("regressed" if verdict == "regressed" else "fine")
    assert group.memory_means == (before * MIB, after * MIB)


def test_memory_of_two_machines_is_not_compared() -> None:
    baseline = side({"maml": BASE}, peaks={"maml": 100 * MIB})
    head = side({"maml": moved(0.0)}, peaks={"maml": 900 * MIB}, machine="another")
    group = judged(baseline, head)
    assert (group.worst, group.memory) == ("fine", None)
    assert any("memory is not compared: the machines" in note for note in group.notes)


def test_memory_of_fewer_seeds_than_its_rule_wants_is_not_compared() -> None:
    group = judged(
        side({"maml": BASE[:4]}, peaks={"maml": 1.0}),
        side({"maml": moved(0.0)[:4]}, peaks={"maml": 2.0**40}),
    )
    assert (group.worst, group.memory) == ("fine", None)


# --- properties -----------------------------------------------------------------------------------

SCORES = st.lists(st.floats(0.05, 0.95), min_size=1, max_size=8)


@given(SCORES, st.data())
def test_a_head_that_is_nowhere_worse_never_regresses(
    scores: list[float], data: st.DataObject
) -> None:
    gains = data.draw(
        st.lists(st.floats(0, 0.04), min_size=len(scores), max_size=len(scores)), label="gains"
    )
    head = [score + gain for score, gain in zip(scores, gains, strict=True)]
    found = compare(side({"maml": scores}), side({"maml": head}), MARGINS)
    assert not found.counts["regressed"]


@given(SCORES, SCORES, st.randoms())
def test_the_order_of_seeds_says_nothing(
    before: list[float], after: list[float], random: object
) -> None:
    n = min(len(before), len(after))
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]

    def found(places: Sequence[int]) -> Comparison:
        return compare(
            side({"maml": [before[place] for place in places]}),
            side({"maml": [after[place] for place in places]}),
            MARGINS,
        )

    assert found(range(n)).counts == found(order).counts
