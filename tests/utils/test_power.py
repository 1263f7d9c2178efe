"""Planned power against experiments that are drawn, closed forms and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from utils import intervals, power, significance, uncertain
from utils.power import Part


def alike(speakers: int, between: float = 0.05, within: float = 0.3, **more: float) -> Part:
    return Part(np.full((speakers, 4), 8), between, within, **more)


def rare(speakers: int) -> Part:
    """Four of the speakers have the first class, as in URDU."""
    totals = np.full((speakers, 4), 6)
    totals[:, 0] = 0
    totals[:4, 0] = 24, 18, 12, 6
    return Part(totals, 0.05, 0.3)


def experiment(part: Part, difference: float, rng: np.random.Generator) -> uncertain.Figure:
    """Draw two systems' scores: of an utterance, one is right and the other wrong, or they agree."""
    totals = part.totals.astype(int)
    block, reference = (np.repeat(index.ravel(), totals.ravel()) for index in np.indices(totals.shape))
    shared, apart = rng.normal(size=(len(totals), 1)), rng.normal(size=totals.shape)
    own = part.effect * np.sqrt(0.5) * (shared + apart)
    mean = difference + own[block, reference]
    beats = np.clip((part.within + mean**2 + mean) / 2, 0, 1)
    loses = np.clip((part.within + mean**2 - mean) / 2, 0, 1)
    draw = rng.random(len(block))
    scores = (draw < beats).astype(int) - (draw > 1 - loses)
    speakers = {str(place): str(one) for place, one in enumerate(block)}
    blocks = intervals.Blocks("speaker", speakers, np.zeros((0, len(totals))))
    return uncertain.figure("made", blocks, block, reference, scores[None], totals.shape[1], share=False)


@pytest.mark.parametrize(
    ("part", "tests"),
    [(alike(7), 1), (alike(10), 1), (alike(10), 6), (alike(24), 1), (alike(24), 30), (rare(12), 1)],
    ids=["7", "10", "10 of 6", "24", "24 of 30", "rare"],
)
def test_experiments_show_the_difference_in_four_of_five(part: Part, tests: int) -> None:
    rng, level = np.random.default_rng(5), 0.05 / tests
    for seen in (power.seen_by_flips, power.seen_by_t):
        (difference,) = seen([part], rng, [level])
        clear = []
        for _ in range(400):
            figure = experiment(part, difference, rng)
            if seen is power.seen_by_flips:
                p, _ = uncertain.p_values([figure], None, 4000, rng)
            else:
                found = uncertain.combine([figure])
                p = significance.t_test(found.value, found.se, found.df)
            clear.append(p < level)
        # The standard error of the share is 0.02, that of the planned difference as much again.
        assert np.mean(clear) == pytest.approx(0.8, abs=0.08)


def test_six_speakers_must_all_show_it() -> None:
    """Of 64 patterns of signs two give p < 0.05, so all noise must be above -D: Phi(D / sd)^6 = 0.8."""
    (found,) = power.seen_by_flips([alike(6, 0.05, 0.0)], np.random.default_rng(0))
    assert found == pytest.approx(0.05 * stats.norm.ppf(0.8 ** (1 / 6)), rel=0.05)


def test_no_difference_is_large_enough_where_p_cannot_be_small_enough() -> None:
    rng = np.random.default_rng(0)
    for speakers, levels in ((4, [0.05]), (5, [0.05]), (6, [0.05 / 2]), (10, [0.05 / 30])):
        part = alike(speakers)
        assert power.smallest_p([part], 50000) >= levels[0]
        assert np.isinf(power.seen_by_flips([part], rng, levels)).all()
        assert np.isfinite(power.seen_by_t([part], rng, levels)).all()
    found = power.seen_by_flips([alike(6)], rng, [0.05, 0.05 / 2])
    assert np.isfinite(found[0]) and np.isinf(found[1])
    # A p that is just at the level is not below it.
    assert np.isinf(power.seen_by_flips([alike(6)], rng, [2**-5])).all()
    assert np.isnan(power.seen_by_t([alike(2)], rng)).all()


@pytest.mark.parametrize("speakers", [8, 24])
def test_equal_speakers_are_a_sample_of_numbers(speakers: int) -> None:
    part = alike(speakers, 0.04, 0.32)
    # 4 classes of 8 utterances each: 0.32 / 32 is their chance.
    sd = np.sqrt(0.04**2 + 0.01)
    shift, spread = part.blocks()
    assert shift == pytest.approx(1 / speakers) and spread * speakers == pytest.approx(sd)
    for level in (0.05, 0.02):
        effect = TTestPower().solve_power(None, speakers, level, 0.8)
        found = [seen([part], np.random.default_rng(0), [level])[0] for seen in (power.seen_by_t, power.seen_by_flips)]
        assert found[0] == pytest.approx(sd * effect, rel=0.03)
        assert 0.95 < found[1] / found[0] < 1.25


def test_more_of_everything_shows_more() -> None:
    def seen(*parts: Part) -> float:
        return float(power.seen_by_flips(parts, np.random.default_rng(0))[0])

    one = seen(alike(12))
    assert seen(alike(12, runs=0.03)) > seen(alike(12, runs=0.03, seeds=5)) > one
    assert seen(Part(np.full((12, 4), 40), 0.05, 0.3)) < one < seen(Part(np.full((12, 4), 3), 0.05, 0.3))
    assert seen(alike(12, share=0.5), alike(12, share=0.5)) < one
    # Speakers who say nothing, and classes that nobody has, count for nothing.
    padded = np.pad(np.full((12, 4), 8), ((0, 3), (0, 1)))
    assert seen(Part(padded, 0.05, 0.3)) == one


def test_enumeration_and_its_stand_in_agree() -> None:
    part = alike(14)
    shift, spread = part.blocks()
    noise = spread * np.random.default_rng(0).normal(size=(400, len(shift)))
    exact, near = (limit(shift, noise, [0.05, 0.005]) for limit in (power._limits_exact, power._limits_near))
    assert np.quantile(near, 0.8, axis=1) == pytest.approx(np.quantile(exact, 0.8, axis=1), rel=0.05)
