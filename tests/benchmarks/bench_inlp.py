"""Speakers erased from several layers together against a plain loop over layers with scikit-learn.

7 layers of 2,000 utterances by 24 speakers, 768 dimensions, a third of the utterances held out. Both sides repeat the
same: a linear classifier of speakers, what it reads by taken away, until held-out accuracy is within the interval of
chance. The loop fits scikit-learn's logistic regression to projected features each time; ours is least squares in
closed form. Another logistic regression then listens to what each side left. Features are speakers and emotions in
some directions each, with ever weaker ones, in noise of unequal variance, so that several iterations are needed.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from local.probe.steps import nullspace
from local.representation.reader import hold_out

LAYERS, DIM, SPEAKERS, UTTERANCES = 7, 768, 24, 2000
MEASURED = 2  # layers that the reference goes through; the others cost it as much
NAME, TARGET = "inlp_speed", 10.0


def run(work: Path) -> list[dict]:
    """Measure both sides.

    Parameters
    ----------
    work : Path
        Not needed: nothing is written.

    Returns
    -------
    list of dict
        One row.
    """
    # One core each, as a thread of the probes has; so the time that it computes is what counts.
    with threadpool_limits(1):
        return [_compare()]


def _compare() -> dict:
    x, y = synthetic()
    held = hold_out(y, np.arange(len(y)))
    share, high = nullspace.chance(y[held])
    nullspace.erase(x[:1, :, :64], y, held)  # what is imported late
    began = time.process_time()
    found = nullspace.erase(x, y, held)
    first = time.process_time() - began
    began = time.process_time()
    bases = [loop(layer, y, held, high) for layer in x[:MEASURED]]
    reference = (time.process_time() - began) * LAYERS / MEASURED
    began = time.process_time()
    nullspace.erase(x, y, held)
    ours = (first + time.process_time() - began) / 2
    left = [
        [_heard(features - features @ basis @ basis.T, y, held) for features, basis in zip(x, sides, strict=False)]
        for sides in (found.directions[:MEASURED], bases)
    ]
    before = _heard(x[0], y, held)
    ranks = found.ranks[-1][:MEASURED].tolist(), [basis.shape[1] for basis in bases]
    return {
        "name": NAME,
        "ours_s": ours,
        "reference_s": reference,
        "ratio": reference / ours,
        "target": TARGET,
        "note": (
            f"seconds of one core; ours: {LAYERS} layers, mean of two runs around the reference; reference: "
            f"{MEASURED} layers, scaled; "
            f"directions taken away: ours {ranks[0]}, reference {ranks[1]}; accuracy of another logistic "
            f"regression on held-out utterances: {before:.3f} before, ours {np.round(left[0], 3).tolist()}, "
            f"reference {np.round(left[1], 3).tolist()}, chance {share:.3f} (at most {high:.3f})"
        ),
    }


def synthetic() -> tuple[np.ndarray, np.ndarray]:
    """Make features, shape (layers, utterances, dim), standardised; and who speaks."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(UTTERANCES) % SPEAKERS)
    emotion = rng.integers(0, 4, UTTERANCES)
    x = np.empty((LAYERS, UTTERANCES, DIM), dtype=np.float32)
    strength = 0.9 ** np.arange(DIM)
    for layer in range(LAYERS):
        turned = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
        own = rng.standard_normal((SPEAKERS, DIM)) * strength
        own += 0.25 * rng.standard_normal((SPEAKERS, DIM)) * (np.arange(DIM) < 200)
        latent = own[y] + rng.standard_normal((4, DIM))[emotion] * (np.arange(DIM) % 50 == 0)
        latent += rng.standard_normal(latent.shape)
        x[layer] = (latent * np.linspace(2, 0.5, DIM)) @ turned
    x -= x.mean(axis=1, keepdims=True)
    return x / x.std(axis=1, keepdims=True), y


def loop(x: np.ndarray, y: np.ndarray, held: np.ndarray, high: float) -> np.ndarray:
    """Erase the speakers of one layer as one would write it, and give the directions."""
    basis = np.zeros((DIM, 0))
    for _ in range(nullspace.ITERATIONS):
        left = x - x @ basis @ basis.T
        model = _model(left[~held], y[~held])
        if model.score(left[held], y[held]) <= high:
            break
        vectors, sizes, _ = np.linalg.svd(model.coef_.T, full_matrices=False)
        basis = np.linalg.qr(np.hstack([basis, vectors[:, sizes > 1e-6 * sizes[0]]]))[0]
    return basis


def _heard(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> float:
    return float(_model(x[~held], y[~held]).score(x[held], y[held]))


def _model(x: np.ndarray, y: np.ndarray):
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(max_iter=1000).fit(x, y)
