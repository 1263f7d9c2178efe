"""Logistic regressions of many layers against a loop of scikit-learn's over them, to the same place.

As in egs/confound: 13 layers of 400 utterances, 768 dimensions, five strengths. As in egs/mini: 7 layers of 60
utterances, 256 dimensions, one strength. As of a large corpus: a layer of 5,000 utterances, 1,024 dimensions, a usual
strength and a large one. Features are correlated dimensions of unequal strength, in which classes overlap; what both
sides say of them is compared.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from local.probe import logreg
from local.probe.descent import Lesson
from utils.reproducible import threads

CLASSES = 4
# By name: layers, utterances, dimensions, strengths; how often; target.
CASES = {
    "logreg_grid": ((13, 400, 768, (0.0001, 0.001, 0.01, 0.1, 1.0)), 1, 1.5),
    "logreg_small": ((7, 60, 256, (1.0,)), 20, 4.0),
    "logreg_large": ((1, 5000, 1024, (1.0, 100.0)), 1, 1.5),
}


def run(work: Path) -> list[dict]:
    """Measure both sides of both cases.

    Parameters
    ----------
    work : Path
        Not needed: nothing is written.

    Returns
    -------
    list of dict
        A row a case.
    """
    # One core each, as a thread of the probes has; so the time that it computes is what counts.
    with threads(1):
        return [_compare(name, *case) for name, case in CASES.items()]


def _compare(name: str, sizes: tuple, times: int, target: float) -> dict:
    layers, utterances, dim, strengths = sizes
    x, y = _features(layers, utterances, dim)
    tensor, labels = torch.from_numpy(x), torch.from_numpy(y)
    lesson = Lesson(tensor, labels, tensor[:, :20].contiguous(), labels[:20])
    _loop(x[0, :20], y[:20], 1.0)  # what is imported late
    ours, found = _timed(lambda: logreg.train_together([lesson], strengths), times)
    reference, said = _timed(lambda: [[_loop(layer, y, c) for layer in x] for c in strengths], times)
    apart = max(
        np.abs(softmax(layer @ matrix.T + bias.T, axis=1) - theirs).max()
        for fit, own in zip(found, said, strict=True)
        for layer, matrix, bias, theirs in zip(x, *(part.numpy() for part in fit.weights[0]), own, strict=True)
    )
    note = (
        f"processor seconds of {times} times {layers} layers x {len(strengths)} strengths of {utterances} utterances, "
        f"{dim} dimensions, {CLASSES} classes; scikit-learn's newton-cg to a tolerance of 1e-8; probabilities differ "
        f"by {apart:.0e} at most"
    )
    return {"name": name, "ours_s": ours, "reference_s": reference, "ratio": reference / ours, "target": target,
            "note": note}  # fmt: skip


def _timed(function, times: int) -> tuple[float, list]:
    began = time.process_time()
    for _ in range(times):
        found = function()
    return time.process_time() - began, found


def _features(layers: int, utterances: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    y = np.arange(utterances) % CLASSES
    parts = []
    for _ in range(layers):
        mix = draw.standard_normal((dim, dim)) / (1 + np.arange(dim))[:, None] ** 0.5
        x = draw.standard_normal((utterances, dim)) + 0.4 * draw.standard_normal((CLASSES, dim))[y]
        parts.append(x @ mix)
    x = np.stack(parts)
    return ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)).astype(np.float32), y


def _loop(x: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=c, tol=1e-8, max_iter=10_000, solver="newton-cg")
        return model.fit(x.astype(np.float64), y).predict_proba(x.astype(np.float64))
