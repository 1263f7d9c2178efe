"""Biases of classes: what is to be added to log posteriors for the best thresholds that labels could show.

A classifier that was trained under other frequencies of classes, or whose scores have moved, may rank utterances well
and still say the wrong class. A constant for each class, added to its log posterior, mends just that. :func:`held_out`
finds the constants from labels, so they are an oracle's; but those of a block (speaker) come from all other blocks, so
that the fit does not flatter itself.

What is sought is unweighted accuracy (UA) itself: with the class-balanced likelihood in its place, which is concave,
posteriors that are wrong and sure of it move the biases away from what they are for. UA is a step function of the
biases, so the one best is an accident of few utterances. Biases are therefore a mean over many that are drawn, crowded
around 0 and as wide as the scores are spread, each with the weight exp(n UA / 4): the mean of a Gibbs posterior, where
a quarter of the n utterances counts, since utterances of a speaker are alike. Width and quarter are those that left an
oracle neither gain nor loss where nothing was to be mended, on the conditions of egs/open and egs/mini.

Source: O. Catoni, "PAC-Bayesian supervised classification", IMS Lecture Notes 56, 2007 (exponential weights);
docs/statistics.md compares the ways to find biases.
"""

from __future__ import annotations

import numpy as np

DRAWS = 1000
_COUNTED = 0.25  # of the utterances


def held_out(scores: np.ndarray, reference: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Say the classes of utterances under biases that other blocks show.

    Parameters
    ----------
    scores : ndarray of float, shape (runs, utterances, classes)
        Log posteriors of each run (seed), which has biases of its own.
    reference : ndarray of int, shape (utterances,)
        Classes.
    block : ndarray of int, shape (utterances,)
        Speaker, or what else is held out as a whole.

    Returns
    -------
    ndarray of int, shape (runs, utterances)
        Of a single block, about which no other says anything, what is said without biases.
    """
    _, block = np.unique(block, return_inverse=True)
    return np.stack([(run + _biases(run, reference, block)[block]).argmax(axis=-1) for run in scores])


def _biases(scores: np.ndarray, reference: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Find the biases for each block, shape (blocks, classes), of all others."""
    rng, spread = np.random.default_rng(0), (scores - scores.mean(axis=1, keepdims=True)).std()
    # A third of the draws is so near 0 that hardly anything changes: without need, nothing is to be moved.
    draws = rng.standard_normal((DRAWS, scores.shape[1])) * 2 * spread * rng.random((DRAWS, 1)) ** 3
    blocks = int(block.max()) + 1
    ua, classes, n = np.zeros((DRAWS, blocks)), np.zeros(blocks), len(block) - np.bincount(block)
    for label in np.unique(reference):
        own = reference == label
        right = np.ones((DRAWS, own.sum()), dtype=bool)
        for other in range(scores.shape[1]):
            if other != label:
                ahead = scores[own, label] - scores[own, other]
                right &= ahead > (draws[:, other] - draws[:, label])[:, None]
        of = np.eye(blocks, dtype=np.float32)[block[own]]
        hits, totals = right.astype(np.float32) @ of, of.sum(axis=0)
        rest = totals.sum() - totals
        # A class that none of the others has says nothing.
        ua += np.divide(hits.sum(axis=1, keepdims=True) - hits, rest, out=np.zeros(ua.shape), where=rest > 0)
        classes += rest > 0
    ua /= np.maximum(classes, 1)
    weights = np.exp(_COUNTED * n * (ua - ua.max(axis=0)))
    return (weights.T @ draws) / weights.sum(axis=0)[:, None] * (n > 0)[:, None]
