"""Factor project: as many dimensions for every encoder, ``pca:64`` or ``random:64``.

``pca``: the principal components of the training utterances, layer by layer, with the variance that they have: what
follows is scaled for no encoder in another way. ``random``: Gaussian directions of variance 1 / dimensions, which keep
distances (Johnson and Lindenstrauss 1984; Dasgupta and Gupta 2003) and look at no data; the same for all layers, folds
and corpora of an encoder, since they are drawn from its number of dimensions alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from local.probe.scale import Training
from utils.errors import UserError


def fit(value: str, training: Training) -> Callable[[np.ndarray, str], np.ndarray]:
    """Find the directions; give what projects on them.

    Parameters
    ----------
    value : str
        ``pca:K`` or ``random:K``.
    training : Training
        Of a fold.

    Raises
    ------
    UserError
        There are fewer than K dimensions, or, for ``pca``, than K training utterances beside the mean.
    """
    kind, number = value.split(":")
    _, utterances, dim = training.x.shape
    most = min(dim, utterances - 1) if kind == "pca" else dim
    if int(number) > most:
        raise UserError(
            f"probe.project: {value}: {utterances} training utterances of {dim} dimensions have {most} directions; "
            f"ask for {most} or fewer of all encoders, or leave this one out"
        )
    if kind == "random":
        drawn = np.random.default_rng([dim, int(number)]).standard_normal((dim, int(number))) / np.sqrt(int(number))
        directions = drawn.astype(np.float32)
        return lambda x, corpus: x @ directions
    mean = training.x.mean(axis=1, keepdims=True)
    _, _, turned = np.linalg.svd(training.x - mean, full_matrices=False)
    directions = np.ascontiguousarray(turned[:, : int(number)].transpose(0, 2, 1))
    # The sign of a component is arbitrary: its largest share is made positive, whatever library finds it.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1, keepdims=True), axis=1)
    directions *= np.sign(largest)
    return lambda x, corpus: (x - mean) @ directions
