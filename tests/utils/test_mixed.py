"""Mixed models against dense matrices, statsmodels and the t-interval; what their intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from utils import mixed


def crossed(
    rng: np.random.Generator, speakers: int, sentences: int, each: int, spread: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Everybody says everything ``each`` times; the residual's standard deviation is 1 and the mean 0."""
    speaker, sentence, _ = (axis.ravel() for axis in np.indices((speakers, sentences, each)))
    y = spread[0] * rng.normal(size=speakers)[speaker] + spread[1] * rng.normal(size=sentences)[sentence]
    return y + rng.normal(size=len(y)), np.ones((len(y), 1)), [speaker, sentence]


def unbalanced(seed: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Ninety observations, some of which have no sentence; a covariate beside the mean."""
    rng = np.random.default_rng(seed)
    speaker, sentence = rng.integers(0, 7, 90), rng.integers(-1, 12, 90)
    design = np.column_stack([np.ones(90), rng.normal(size=90)])
    y = design @ [0.3, -0.5] + rng.normal(size=7)[speaker] + np.append(0.7 * rng.normal(size=12), 0.0)[sentence]
    return y + rng.normal(size=90), design, [speaker, sentence]


def dense(factors: list[np.ndarray]) -> list[np.ndarray]:
    return [(factor[:, None] == np.arange(factor.max() + 1)).astype(float) for factor in factors]


def test_the_likelihood_and_the_degrees_of_freedom_are_those_of_dense_matrices() -> None:
    y, design, factors = unbalanced(0)
    found = mixed.fit(y, design, factors)
    maps = dense(factors)

    def whole(variances: np.ndarray) -> np.ndarray:
        return variances[-1] * np.eye(len(y)) + sum(v * z @ z.T for v, z in zip(variances[:-1], maps, strict=True))

    def deviance(variances: np.ndarray) -> float:
        v = np.linalg.inv(whole(variances))
        inner = design.T @ v @ design
        rest = y - design @ np.linalg.solve(inner, design.T @ v @ y)
        logs = [np.linalg.slogdet(one)[1] for one in (whole(variances), inner)]
        return sum(logs) + rest @ v @ rest

    own = np.append(found.variances, found.residual)
    for place in range(3):
        for factor in (0.95, 1.05):
            moved = own.copy()
            moved[place] *= factor
            assert deviance(moved) > deviance(own)
    v = np.linalg.inv(whole(own))
    covariance = np.linalg.inv(design.T @ v @ design)
    assert found.covariance == pytest.approx(covariance)
    assert found.effects == pytest.approx(covariance @ design.T @ v @ y)
    p = v - v @ design @ covariance @ design.T @ v
    parts = [z @ z.T for z in maps] + [np.eye(len(y))]
    information = np.array([[np.trace(p @ a @ p @ b) / 2 for b in parts] for a in parts])
    assert found.information == pytest.approx(information)
    for weights in ([1, 0], [0, 1], [1, 2]):
        value, se, df = found.contrast(weights)
        slopes = [weights @ covariance @ design.T @ v @ a @ v @ design @ covariance @ weights for a in parts]
        assert value == pytest.approx(weights @ found.effects)
        assert se**2 == pytest.approx(weights @ covariance @ weights)
        assert df == pytest.approx(2 * se**4 / (slopes @ np.linalg.inv(information) @ slopes))


@pytest.mark.parametrize("seed", range(3))
def test_crossed_effects_are_those_of_statsmodels(seed: int) -> None:
    import pandas
    from statsmodels.regression.mixed_linear_model import MixedLM

    y, design, (speaker, sentence) = unbalanced(seed)
    sentence = np.where(sentence < 0, 12, sentence)  # it knows none that are missing
    found = mixed.fit(y, design, [speaker, sentence])
    frame = pandas.DataFrame({"y": y, "x": design[:, 1], "a": speaker, "b": sentence, "all": 1})
    own = MixedLM.from_formula(
        "y ~ x", frame, groups="all", re_formula="0", vc_formula={"a": "0 + C(a)", "b": "0 + C(b)"}
    ).fit(reml=True, method="powell")  # its default does not converge on one of these
    assert found.effects == pytest.approx(own.fe_params.to_numpy(), abs=1e-3)
    assert np.sqrt(found.covariance.diagonal()) == pytest.approx(own.bse_fe.to_numpy(), rel=1e-2)
    assert [*found.variances, found.residual] == pytest.approx([*own.vcomp, own.scale], rel=1e-2)


def test_one_factor_gives_the_t_interval_over_its_levels() -> None:
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(5), 4)
    y = 2 * rng.normal(size=5)[block] + rng.normal(size=20)
    value, se, df = mixed.fit(y, np.ones((20, 1)), [block]).contrast([1])
    means = y.reshape(5, 4).mean(axis=1)
    assert (value, se) == (pytest.approx(means.mean()), pytest.approx(stats.sem(means), rel=1e-3))
    assert df == pytest.approx(4, rel=1e-3)


def test_the_order_of_factors_and_of_observations_does_not_matter() -> None:
    y, design, factors = unbalanced(3)
    shuffled = np.random.default_rng(0).permutation(len(y))
    one = mixed.fit(y, design, factors).contrast([1, 0])
    assert mixed.fit(y, design, factors[::-1]).contrast([1, 0]) == pytest.approx(one, rel=1e-2)
    assert mixed.fit(y[shuffled], design[shuffled], [f[shuffled] for f in factors]).contrast([1, 0]) == pytest.approx(
        one, rel=1e-6
    )


def test_observations_without_variance_are_refused() -> None:
    with pytest.raises(ValueError, match="explains all"):
        mixed.fit(np.zeros(8), np.ones((8, 1)), [np.arange(8) // 2])


@pytest.mark.parametrize("spread", [(0.0, 0.0), (0.8, 0.5)])
def test_intervals_hold_the_mean_of_other_speakers_and_sentences(spread: tuple[float, float]) -> None:
    rng = np.random.default_rng(7)
    held = plain = 0
    for _ in range(100):
        y, design, factors = crossed(rng, 6, 5, 1, spread)
        value, se, df = mixed.fit(y, design, factors).contrast([1])
        held += abs(value) <= stats.t.ppf(0.975, df) * se
        plain += abs(y.mean()) <= stats.t.ppf(0.975, len(y) - 1) * stats.sem(y)
    assert held >= 91
    # Utterances taken one by one do not know that speakers differ.
    assert spread[0] == 0 or plain < 80
