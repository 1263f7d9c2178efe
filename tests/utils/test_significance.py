"""The paired tests against enumeration, scipy and statsmodels; Holm against his own step-down procedure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import weightstats
from statsmodels.stats.power import TTestPower

from utils import metrics, significance
from utils.significance import block_differences, holm, randomisation_test


def enumerate_all(differences: np.ndarray) -> float:
    observed = abs(differences.sum())
    signs = list(itertools.product((-1, 1), repeat=len(differences)))
    return sum(abs(np.dot(s, differences)) >= observed - 1e-12 for s in signs) / len(signs)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_few_blocks_are_enumerated(values: list[int]) -> None:
    differences = np.array(values) / 40
    p = randomisation_test(differences, 10, np.random.default_rng(0))
    assert p == pytest.approx(enumerate_all(differences))
    assert p == randomisation_test(-differences, 10, np.random.default_rng(1))


def test_many_blocks_are_sampled_near_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(0).normal(0.02, 0.05, 14)
    exact = randomisation_test(differences, 1, np.random.default_rng(0))
    monkeypatch.setattr("utils.significance.EXACT_BLOCKS", 4)
    monkeypatch.setattr("utils.significance._CHUNK", 14 * 999)
    sampled = randomisation_test(differences, 20000, np.random.default_rng(0))
    assert sampled == pytest.approx(exact, abs=0.015)
    assert randomisation_test(np.ones(40), 999, np.random.default_rng(0)) == 1 / 1000


def test_no_difference_gives_one() -> None:
    assert randomisation_test(np.zeros(5), 100, np.random.default_rng(0)) == 1.0


def test_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    p = [randomisation_test(rng.normal(0, 1, 12) * rng.uniform(0.2, 3, 12), 1, rng) for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)


def test_block_differences_sum_to_the_difference_in_ua() -> None:
    rng = np.random.default_rng(0)
    block, reference = rng.integers(0, 5, 80), rng.integers(0, 3, 80)
    systems = [np.where(rng.random(80) < skill, reference, rng.integers(0, 3, 80)) for skill in (0.7, 0.4)]
    hits = np.zeros((2, 5, 3))
    totals = np.zeros((5, 3))
    np.add.at(totals, (block, reference), 1)
    for index, hypothesis in enumerate(systems):
        np.add.at(hits[index], (block, reference), hypothesis == reference)
    ua = [metrics.unweighted_accuracy(metrics.confusion(reference, hypothesis, 3)) for hypothesis in systems]
    assert block_differences(*hits, totals).sum() == pytest.approx(ua[0] - ua[1])


def step_down(p: list[float], level: float) -> list[bool]:
    """Holm's procedure as he gives it: from the smallest p up, until one is not below level / tests left."""
    rejected = [False] * len(p)
    for left, index in zip(range(len(p), 0, -1), sorted(range(len(p)), key=lambda i: p[i]), strict=True):
        if p[index] > level / left:
            break
        rejected[index] = True
    return rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_his_procedure_rejects(p: list[float], level: float) -> None:
    adjusted = holm(np.array(p))
    near = np.isclose(adjusted, level, rtol=1e-9)  # rounding decides there
    assert ((adjusted <= level) | near).tolist() == (np.array(step_down(p, level)) | near).tolist()


def test_holm_on_published_numbers() -> None:
    # R's p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm(np.array([0.03, 0.01, 0.05, 0.02, 0.04])) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])


def test_the_smallest_p_is_that_of_speakers_who_all_agree() -> None:
    for blocks in range(1, 8):
        agreeing = randomisation_test(np.arange(1.0, blocks + 1), 1, np.random.default_rng(0))
        assert agreeing == significance.smallest_p(blocks)


def sample(shift: float = 0.02, size: int = 7) -> tuple[np.ndarray, tuple[float, float, int]]:
    values = np.random.default_rng(3).normal(shift, 0.05, size)
    return values, (values.mean(), stats.sem(values), size - 1)


def test_the_t_test_is_that_of_the_interval() -> None:
    values, found = sample()
    assert significance.t_test(*found) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    edge = stats.t.ppf(0.975, found[2]) * found[1]
    assert significance.t_test([edge, -edge], found[1], found[2]) == pytest.approx([0.05, 0.05])
    special = significance.t_test([0.0, 0.1, 0.1], [0.0, 0.0, np.nan], [5, 5, np.nan])
    assert special[:2].tolist() == [1, 0] and np.isnan(special[2])


@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
def test_equivalence_is_two_one_sided_tests(margin: float) -> None:
    values, found = sample()
    p, _, _ = weightstats.DescrStatsW(values).ttost_mean(-margin, margin)
    assert significance.equivalence(*found, margin) == pytest.approx(p)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (significance.equivalence(*found, margin) < 0.05) == (-margin < low and high < margin)
    with pytest.raises(ValueError, match="a margin of 0"):
        significance.equivalence(*found, 0)


def corrected(values: list[np.ndarray], margin: float = 0.05) -> list[dict[str, str]]:
    """A family of tests of speakers' differences."""
    mean, se, df = ([pick(own) for own in values] for pick in (np.mean, stats.sem, lambda own: len(own) - 1.0))
    p = [randomisation_test(own, 2000, np.random.default_rng(0)) for own in values]
    smallest = [significance.smallest_p(len(own), 2000) for own in values]
    return significance.correct_rows(*map(np.array, (p, smallest, mean, se, df)), margin=margin)


def test_equivalence_agrees_with_the_paired_test_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.6, 0.08, 30)
    b = a + rng.normal(0.01, 0.04, 30)
    (row,) = corrected([a - b])
    p, lower, upper = weightstats.ttost_paired(a, b, -0.05, 0.05)
    assert float(row["p_equivalent"]) == pytest.approx(p, rel=1e-4) and p == max(lower[1], upper[1])
    assert row["p_equivalent_holm"] == row["p_equivalent"] and row["equivalent"] == "1"


def test_systems_that_are_alike_are_equivalent_on_many_speakers_and_neither_on_few() -> None:
    rng = np.random.default_rng(1)
    many, few, ahead = (rng.normal(shift, 0.09, size) for shift, size in ((0, 60), (0, 4), (0.12, 60)))
    rows = corrected([many, few, ahead])
    assert [row["equivalent"] for row in rows] == ["1", "0", "0"]
    assert [float(row["p_holm"]) < 0.05 for row in rows] == [False, False, True]
    # A small difference that is certain is both different and equivalent.
    (both,) = corrected([0.01 + rng.normal(0, 0.01, 30)])
    assert float(both["p_holm"]) < 0.05 and both["equivalent"] == "1"


def test_equivalence_is_corrected_for_all_that_a_family_asks() -> None:
    values = [np.random.default_rng(n).normal(0, 0.05, 12) for n in range(8)]
    rows = corrected(values)
    plain = np.array([float(row["p_equivalent"]) for row in rows])
    assert [float(row["p_equivalent_holm"]) for row in rows] == pytest.approx(holm(plain), rel=1e-4)
    assert sum(row["equivalent"] == "1" for row in rows) < (plain < 0.05).sum()
    # One without an interval still counts.
    numbers = np.array([[0.2, 0.2], [0.01, 0.01], [0.0, 0.0], [0.02, np.nan], [20.0, np.nan]])
    known, unknown = significance.correct_rows(*numbers, margin=0.05)
    assert (unknown["p_equivalent"], unknown["p_equivalent_holm"], unknown["equivalent"]) == ("", "", "")
    assert float(known["p_equivalent_holm"]) == pytest.approx(2 * float(known["p_equivalent"]), rel=1e-4)


@pytest.mark.parametrize("speakers", [3, 4, 10, 43])
@pytest.mark.parametrize("tests", [1, 12])
def test_detectable_differences_have_the_power_asked_for(speakers: int, tests: int) -> None:
    se = np.array([0.01, 0.03])
    found = significance.detectable(se, speakers - 1, tests=tests)
    effects = found / (se * np.sqrt(speakers))
    assert TTestPower().power(effects, speakers, 0.05 / tests) == pytest.approx(0.8, abs=1e-3)


def test_detectable_differences_of_no_or_endless_degrees_of_freedom() -> None:
    found = significance.detectable([0.1, np.nan], [np.inf, np.nan])
    assert found[0] == pytest.approx(0.1 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)), rel=1e-4)
    assert np.isnan(found[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_q_values_are_those_of_scipy(p: list[float]) -> None:
    assert significance.benjamini_hochberg(np.array(p)) == pytest.approx(stats.false_discovery_control(p))
