"""The logistic regression of scikit-learn as a head, one a layer."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from local.probe.heads import Fit, Linear, cross_entropy

MAX_ITERATIONS = 1000


def train(x: torch.Tensor, y: torch.Tensor, dev_x: torch.Tensor, dev_y: torch.Tensor, c: float) -> Fit:
    """Fit one regression on every row of features, with an L2 penalty.

    Parameters
    ----------
    x, dev_x : Tensor of float32, shape (layers, utterances, dim)
        Standardised features.
    y, dev_y : Tensor of int64, shape (utterances,)
        Class indices; every class is in ``y``.
    c : float
        Inverse strength of the penalty.

    Returns
    -------
    Fit
        Weights in the shapes of :class:`local.probe.heads.Linear`; ``epoch`` counts the solver's iterations.
    """
    matrices, biases, iterations = [], [], []
    for features in x.numpy():
        model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
        # The number of iterations in scores.csv says where it stopped early.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, y.numpy())
        # Of two classes it keeps the second's scores; the first's are then 0.
        pad = 1 if len(model.classes_) == 2 else 0
        matrices.append(np.pad(model.coef_, ((pad, 0), (0, 0))))
        biases.append(np.pad(model.intercept_, (pad, 0))[:, None])
        iterations.append(int(model.n_iter_[0]))
    weights = [torch.from_numpy(np.stack(parts)).float() for parts in (matrices, biases)]
    return Fit(weights, torch.tensor(iterations), cross_entropy(Linear.logits(weights, dev_x), dev_y))
