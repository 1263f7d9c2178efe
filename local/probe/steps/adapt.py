"""Factor adapt: what can be mended with utterances of the tested corpus that nobody has labelled.

``coral`` (Sun, Feng, Saenko, "Return of frustratingly easy domain adaptation", AAAI 2016): each corpus that is trained
on gets the means and covariances of the tested corpus's train list. So heads of several corpora are trained, and chosen
by dev lists, in one space, that in which they are tested, and test utterances stay as they are. With S and T the
covariances of the two, each with its mean variance added to the diagonal, and m and n the means, x becomes
n + (x - m) S^(-1/2) T^(1/2). On features standardised per corpus, which the source presupposes, that is its formula: it
adds the identity, and means are 0.

``em`` (Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a simple
procedure", Neural Computation 14, 2002): posteriors on a test list are corrected for emotions that are more or less
frequent there than in training, by the shares that make the list most likely. The list is looked at as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from local.probe.scale import Training

_ROUNDS, _ENOUGH = 1000, 1e-6  # of the expectation-maximisation; change of a share at which it ends


def fit(value: str, training: Training) -> Callable[[np.ndarray, str], np.ndarray]:
    """Learn how each training corpus is recoloured; what is of another corpus is left alone, and so is all with ``em``.

    Parameters
    ----------
    value : str
        ``coral``, ``em`` or ``coral+em``.
    training : Training
        With the train list of the corpus that is tested on.
    """
    maps: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    if "coral" in value:
        corpora = np.array(training.corpora)
        for name in dict.fromkeys(training.corpora):
            maps[name] = recolour(training.x[:, corpora == name], training.target)
    return lambda x, corpus: maps[corpus](x) if corpus in maps else x


def posteriors(value: str, probabilities: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Correct posteriors for other shares of emotions than in training; none without ``em``.

    Parameters
    ----------
    value : str
        As of :func:`fit`.
    probabilities : ndarray, shape (..., utterances, emotions)
        Posteriors on a whole test list, by many heads.
    shares : ndarray, shape (emotions,)
        Of the emotions in training.

    Returns
    -------
    ndarray
        As ``probabilities``.
    """
    if "em" not in value.split("+"):
        return probabilities
    given = probabilities.astype(np.float64)
    found = np.broadcast_to(shares, (*given.shape[:-2], len(shares)))
    for _ in range(_ROUNDS):
        before, corrected = found, given * (found / shares)[..., None, :]
        corrected /= corrected.sum(axis=-1, keepdims=True)
        found = corrected.mean(axis=-2)
        if np.abs(found - before).max() < _ENOUGH:
            break
    return corrected.astype(probabilities.dtype)


def recolour(source: np.ndarray, target: np.ndarray, ridge: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Make the map that gives one set of features the means and covariances of another.

    Parameters
    ----------
    source, target : ndarray, shape (layers, utterances, dim)
        Features.
    ridge : float
        How much of its mean variance is added to the variances of each.

    Returns
    -------
    callable
        Maps features of shape (layers, utterances, dim), of the source.
    """
    mean, other = (own.mean(axis=1, keepdims=True, dtype=np.float64) for own in (source, target))
    white, colour = _power(source, -0.5, ridge), _power(target, 0.5, ridge)

    def step(x: np.ndarray) -> np.ndarray:
        return (other + colour(white(x - mean))).astype(x.dtype)

    return step


def _power(x: np.ndarray, power: float, ridge: float) -> Callable[[np.ndarray], np.ndarray]:
    """Make the product with a power of x's covariance, ridge included: directions that x spans, and the rest alike."""
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    number, dim = centred.shape[1:]
    centred /= np.sqrt(max(number - 1, 1))
    turned = centred.transpose(0, 2, 1)
    if number < dim:
        variance, vectors = np.linalg.eigh(centred @ turned)
        there = variance > 1e-10 * variance[:, -1:]
        vectors = turned @ (vectors * np.where(there, np.maximum(variance, 1e-300), np.inf)[:, None] ** -0.5)
    else:
        variance, vectors = np.linalg.eigh(turned @ centred)
    variance = np.maximum(variance, 0)
    added = ridge * variance.sum(axis=1, keepdims=True) / dim + 1e-12
    rest = added**power
    change = (variance + added) ** power - rest
    return lambda own: rest[:, None] * own + ((own @ vectors) * change[:, None]) @ vectors.transpose(0, 2, 1)
