"""Average ranks, tie groups and rank intervals, held against Demšar and a second implementation."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scikit_posthocs import compact_letter_display
from scipy import stats

from metabench.stats import compact_letters, rank_analysis, rank_intervals, tie_groups

AUC = """
.763 .768 .771 .798 | .599 .591 .590 .569 | .954 .971 .968 .967 | .628 .661 .654 .657
| .882 .888 .886 .898 | .936 .931 .916 .931 | .661 .668 .609 .685 | .583 .583 .563 .625
| .775 .838 .866 .875 | 1 1 1 1 | .940 .962 .965 .962 | .619 .666 .614 .669
| .972 .981 .97501 .975 | .957 .978 .946 .970
"""
DEMSAR = np.array([[float(value) for value in row.split()] for row in AUC.split("|")])


def test_demsars_table():
    result = rank_analysis(DEMSAR)
    assert result.average_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert result.chi_square == pytest.approx(9.2786, abs=5e-5)
    assert result.f == pytest.approx(3.6863, abs=5e-5)
    assert result.p == pytest.approx(0.0198, abs=5e-5)
    assert result.n == 14


@pytest.mark.parametrize(("level", "nemenyi", "dunn"), [(0.05, 1.25, 1.17), (0.10, 1.12, 1.04)])
def test_demsars_critical_differences(level, nemenyi, dunn):
    result = rank_analysis(DEMSAR, level=level)
    assert result.critical_difference == pytest.approx(nemenyi, abs=0.006)
    assert result.bonferroni_dunn == pytest.approx(dunn, abs=0.006)
    # at 10 %, C4.5 differs from C4.5+m and from C4.5+m+cf; at 5 % nothing does
    assert result.separated() == ([(0, 1), (0, 3)] if level == 0.10 else [])


def test_ties_are_not_corrected_for_as_in_the_source():
    table = DEMSAR.copy()
    table[12, 2] = 0.975
    result = rank_analysis(table)
    assert result.average_ranks[[2, 3]] == pytest.approx([2.929, 1.929], abs=5e-4)
    assert result.chi_square == pytest.approx(9.857, abs=5e-4)
    corrected = stats.friedmanchisquare(*DEMSAR.T)
    assert (corrected.statistic, corrected.pvalue) == pytest.approx((10.228, 0.01672), abs=5e-4)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_without_ties_it_is_scipys_friedman_and_blind_to_the_order_of_data_sets(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(9, 4))
    result = rank_analysis(table)
    assert result.chi_square == pytest.approx(stats.friedmanchisquare(*table.T).statistic)
    assert rank_analysis(rng.permutation(table)).p == pytest.approx(result.p)
    lower = rank_analysis(table, higher_is_better=False)
    assert lower.average_ranks == pytest.approx(5 - result.average_ranks)


def test_seven_data_sets_are_described():
    result = rank_analysis(DEMSAR[:7])
    assert (result.p, result.critical_difference, result.separated()) == (None, None, [])
    assert "8 are needed" in result.caveats[0]


def test_perfect_agreement_leaves_no_doubt():
    result = rank_analysis(np.tile([3.0, 2.0, 1.0], (8, 1)))
    assert (result.average_ranks.tolist(), result.p) == ([1, 2, 3], 0.0)


@pytest.mark.parametrize("scores", [[], [[1.0]], [[1.0, np.nan]], [1.0, 2.0]])
def test_what_is_no_table_is_refused(scores):
    with pytest.raises(ValueError, match="finite scores"):
        rank_analysis(scores)


def test_letters_of_a_chain():
    assert compact_letters(3, [(0, 2)]) == ["a", "ab", "b"]
    assert compact_letters(3, []) == ["a", "a", "a"]
    assert compact_letters(2, [(1, 0)]) == ["a", "b"]
    assert compact_letters(0, []) == []
    many = compact_letters(30, combinations(range(30), 2))
    assert (many[25], many[26], len(set(many))) == ("z", "a′", 30)


relations = st.integers(1, 8).flatmap(
    lambda size: st.tuples(
        st.just(size), st.sets(st.sampled_from(list(combinations(range(size + 1), 2))))
    )
)


@settings(deadline=None)
@given(relations, st.randoms())
def test_two_share_a_letter_exactly_where_they_are_not_separated(relation, random):
    size, separated = relation[0] + 1, sorted(relation[1])
    letters = compact_letters(size, separated)
    for first, second in combinations(range(size), 2):
        shared = set(letters[first]) & set(letters[second])
        assert bool(shared) == ((first, second) not in separated)
    groups = tie_groups(size, separated)
    assert not any(one < other for one in groups for other in groups)
    random.shuffle(separated)
    assert tie_groups(size, separated) == groups


@settings(deadline=None)
@given(relations)
def test_tie_groups_are_those_of_a_second_implementation(relation):
    size, separated = relation[0] + 1, relation[1]
    p_values = np.ones((size, size))
    for first, second in separated:
        p_values[first, second] = p_values[second, first] = 0.001
    display = compact_letter_display(p_values)
    columns = {letter for row in display for letter in row if letter != " "}
    groups = {
        frozenset(place for place, row in enumerate(display) if letter in row) for letter in columns
    }
    largest = {one for one in groups if not any(one < other for other in groups)}
    assert set(tie_groups(size, separated)) == largest


def test_ranks_lie_between_those_shown_better_and_those_shown_worse():
    assert rank_intervals(3, [(2, 0), (2, 1)]) == [(1, 2), (1, 2), (3, 3)]
    assert rank_intervals(2, []) == [(1, 2), (1, 2)]
