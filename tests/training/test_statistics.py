"""Paired statistics: against scipy and published tables, by simulation, and by what must hold for any differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dr_transformer.training.statistics import (
    bootstrap_interval,
    holm,
    mean_band,
    needed_pairs,
    paired_statistics,
    power,
)

# Student (1908), extra hours of sleep by two drugs in ten patients: t = 4.06, p = 0.0028 (R, `t.test`, paired).
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

losses = st.lists(st.tuples(*[st.floats(0.1, 10).map(lambda x: round(x, 3))] * 2), min_size=2, max_size=7)


def test_a_known_case() -> None:
    found = paired_statistics(SECOND, FIRST)
    assert (found.n, round(found.mean, 10)) == (10, 1.58)
    assert found.t_p == pytest.approx(0.002832890197384)
    assert found.t_interval == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found.interval is not None
    assert 0.9 < found.interval[0] < 1.2
    assert 2.2 < found.interval[1] < 2.7
    assert found.p == found.t_p


@pytest.mark.parametrize("seed", range(5))
def test_the_tests_are_scipys(seed: int) -> None:
    left, right = np.random.default_rng(seed).normal(size=(2, 9))
    found = paired_statistics(left, right)
    expected = stats.ttest_rel(left, right)
    assert found.t_p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.t_interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(left, right).pvalue)


def test_fewer_than_two_pairs_say_nothing() -> None:
    for values in ([], [1.0]):
        found = paired_statistics(values, [0.5] * len(values))
        assert found.n == len(values)
        assert found.interval is None
        assert found.t_interval is None
        assert math.isnan(found.p)


def test_equal_differences_have_no_t_test() -> None:
    """0.3 − 0.2 and 0.2 − 0.1 differ by rounding alone; a t-test of two such pairs would be surer than sure."""
    found = paired_statistics([0.3, 0.2], [0.2, 0.1])
    assert found.sd == 0
    assert math.isnan(found.t_p)
    assert found.p == found.wilcoxon_p == 0.5
    assert found.interval == pytest.approx((0.1, 0.1))
    same = paired_statistics([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.mean, same.p) == (0, 1)
    many = paired_statistics(np.arange(6) + 0.5, np.arange(6))
    assert many.p == stats.wilcoxon([0.5] * 6, method="exact").pvalue == 1 / 32


@settings(deadline=None, max_examples=40)
@given(losses)
def test_swapping_the_variants_turns_every_sign(pairs: list[tuple[float, float]]) -> None:
    left, right = np.array(pairs).T
    one, other = paired_statistics(left, right), paired_statistics(right, left)
    assert other.mean == -one.mean
    assert other.sd == one.sd
    assert other.t_p == one.t_p or (math.isnan(one.t_p) and math.isnan(other.t_p))
    assert other.wilcoxon_p == one.wilcoxon_p
    for a, b in ((one.interval, other.interval), (one.t_interval, other.t_interval)):
        assert a is not None
        assert b is not None
        assert b == (-a[1], -a[0])


@settings(deadline=None, max_examples=40)
@given(losses, st.randoms(use_true_random=False))
def test_order_changes_nothing(pairs: list[tuple[float, float]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = paired_statistics(*np.array(pairs).T)
    other = paired_statistics(*np.array(shuffled).T)
    assert str(one) == str(other)  # NaN equals itself


@settings(deadline=None, max_examples=40)
@given(losses)
def test_the_interval_lies_among_the_differences(pairs: list[tuple[float, float]]) -> None:
    left, right = np.array(pairs).T
    low, high = bootstrap_interval(left - right) if np.ptp(left - right) > 1e-9 else (left[0] - right[0],) * 2
    assert (left - right).min() - 1e-9 <= low <= high <= (left - right).max() + 1e-9


@pytest.mark.parametrize(("n", "least", "most"), [(5, 0.80, 0.90), (20, 0.89, 0.97)])
def test_coverage_of_the_bootstrap_interval(n: int, least: float, most: float) -> None:
    """Of 300 sets of normal differences; that of few is too low, as its docstring says (85 % at 5, 93 % at 20)."""
    random = np.random.default_rng(n)
    held = [low <= 1 <= high for low, high in (bootstrap_interval(random.normal(1, 2, n)) for _ in range(300))]
    assert least <= np.mean(held) <= most


def test_coverage_of_students_interval() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        found = paired_statistics(random.normal(1, 2, 6), np.zeros(6))
        assert found.t_interval is not None
        held += found.t_interval[0] <= 1 <= found.t_interval[1]
    assert 0.91 <= held / 200 <= 0.99


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_needed_pairs_are_those_of_the_tables(effect: float, pairs: int) -> None:
    """Cohen's small, medium and large effects, two-sided at 5 %, 80 % power: G*Power's matched pairs."""
    assert needed_pairs(effect, 1.0) == needed_pairs(-2 * effect, 2.0) == pairs
    assert power(effect, pairs) >= 0.8 > power(effect, pairs - 1)


@pytest.mark.parametrize(("effect", "alpha"), [(0.5, 0.05), (1.2, 0.05), (0.9, 0.0125)])
def test_power_by_simulation(effect: float, alpha: float) -> None:
    n = needed_pairs(effect, 1.0, alpha)
    assert n is not None
    draws = np.random.default_rng(3).normal(effect, 1, (20_000, n))
    seen = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < alpha)
    assert seen == pytest.approx(power(effect, n, alpha), abs=0.01)


def test_needed_pairs_at_the_ends() -> None:
    assert needed_pairs(0.0, 1.0) is None
    assert needed_pairs(math.nan, math.nan) is None
    assert needed_pairs(1e-4, 1.0) is None  # 785 million times the square root: out of reach
    assert needed_pairs(100.0, 1.0) == 2
    assert needed_pairs(0.1, 0.0) == 6  # Wilcoxon's least p: 1/16 with five pairs, 1/32 with six
    assert power(0.09, 1001) == pytest.approx(power(0.09, 1002), abs=1e-3)  # the two ways meet


@settings(deadline=None, max_examples=40)
@given(st.floats(0.02, 5), st.floats(1.01, 3))
def test_a_larger_effect_needs_no_more_pairs(effect: float, factor: float) -> None:
    small, large = needed_pairs(effect, 1.0), needed_pairs(factor * effect, 1.0)
    assert small is not None
    assert large is not None
    assert large <= small


def test_holm() -> None:
    """R: p.adjust(c(0.01, 0.04, 0.03), "holm")."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    corrected = holm([0.01, math.nan, 0.5])
    assert corrected[0] == pytest.approx(0.02)
    assert math.isnan(corrected[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_raises_p_values_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= min(1, len(p_values) * p) for p, q in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_bands_are_students_intervals_at_each_place() -> None:
    curves = np.random.default_rng(0).normal(size=(6, 4))
    band = mean_band([1, 2, 3, 4], curves)
    assert band.low is not None
    assert band.high is not None
    for place in range(4):
        expected = stats.ttest_1samp(curves[:, place], 0).confidence_interval()
        assert (band.low[place], band.high[place]) == pytest.approx(tuple(expected))
    assert mean_band([1, 2, 3, 4], curves[:1]).low is None


def test_smoothing_is_a_running_mean_and_keeps_a_line() -> None:
    band = mean_band(range(6), [[1.0, 2.0, 6.0, 2.0, 1.0, 0.0]], window=3)
    assert band.mean == pytest.approx([1.5, 3, 10 / 3, 3, 1, 0.5])
    line = np.arange(9.0)
    assert mean_band(line, [line], window=5).mean[2:-2] == pytest.approx(line[2:-2])
    assert (mean_band(line, [line], window=1).mean == line).all()
