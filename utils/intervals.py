"""Speakers as blocks, and confidence intervals of UA by a bootstrap of them (``utils.estimates``: better ones).

Utterances of one speaker resemble each other, so an interval that resamples utterances is too narrow.
Resampling speakers needs no utterance at all: a replicate's recalls are ratios of weighted sums of each
speaker's hits and totals, so a multinomial weight matrix (replicates x speakers) times the tables of
counts gives all replicates of all layers in one matrix product.

Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, chapters 8
(the unit) and 13 (the percentile interval); M. Bisani, H. Ney, "Bootstrap estimates for confidence
intervals in ASR performance evaluation", ICASSP 2004 (blocks of a speaker's utterances).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """What a test corpus is resampled by.

    Attributes
    ----------
    unit : str
        ``speaker``; ``utterance`` for a corpus of one speaker, which says nothing about other speakers.
    of : dict of str to int
        Utterance id to the index of its block.
    weights : ndarray of float, shape (resamples, blocks)
        How often each block is in each replicate.
    """

    unit: str
    of: dict[str, int]
    weights: np.ndarray

    @property
    def number(self) -> int:
        """How many blocks there are."""
        return self.weights.shape[1]


def number_blocks(speakers: Mapping[str, str]) -> tuple[str, dict[str, int]]:
    """Say what a test corpus consists of: of speakers, or, where there is one, of utterances.

    Parameters
    ----------
    speakers : mapping of str to str
        Utterance to its speaker.

    Returns
    -------
    tuple of str and dict of str to int
        The unit (``speaker`` or ``utterance``), and utterance to the number of its block.
    """
    unit = "speaker" if len(set(speakers.values())) > 1 else "utterance"
    block = {utt: speakers[utt] if unit == "speaker" else utt for utt in speakers}
    number = {name: index for index, name in enumerate(sorted(set(block.values())))}
    return unit, {utt: number[name] for utt, name in block.items()}


def make_blocks(speakers: dict[str, str], classes: dict[str, int], resamples: int, rng: np.random.Generator) -> Blocks:
    """Resample a test corpus: all systems tested on it share the replicates, so differences are paired.

    Parameters
    ----------
    speakers : dict of str to str
        Tested utterance to its speaker.
    classes : dict of str to int
        Tested utterance to its class index.
    resamples : int
        Number of replicates; 0 where nothing is to be resampled.
    rng : Generator
        Source of the draws.

    Returns
    -------
    Blocks
    """
    unit, of = number_blocks(speakers)
    totals = np.zeros((len(set(of.values())), max(classes.values()) + 1))
    for utt, index in of.items():
        totals[index, classes[utt]] += 1
    return Blocks(unit, of, draw_weights(totals, resamples, rng))


def draw_weights(totals: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw blocks with replacement, as many as there are.

    UA is the mean over all classes, so a replicate in which a class does not occur (its speakers were
    not drawn) has no UA. Such a replicate is drawn again: the interval is that of UA given that every
    class is heard. Averaging over the classes left would mix replicates of different, easier tasks.

    Parameters
    ----------
    totals : ndarray, shape (blocks, classes)
        Utterances of each class in each block.
    resamples : int
        Number of replicates.
    rng : Generator
        Source of the draws.

    Returns
    -------
    ndarray of float, shape (resamples, blocks)
        Whole numbers; each row sums to the number of blocks.
    """
    blocks = len(totals)
    occurs = totals[:, totals.sum(axis=0) > 0] > 0
    drawn = [np.empty((0, blocks))]
    missing = resamples
    while missing:
        weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples).astype(float)
        whole = weights[(weights @ occurs > 0).all(axis=1)][:missing]
        drawn.append(whole)
        missing -= len(whole)
    return np.concatenate(drawn)


def count_blocks(block: np.ndarray, reference: np.ndarray, correct: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sum hits over each block's utterances of each class.

    Parameters
    ----------
    block, reference : ndarray of int, shape (utterances,)
        Block and class of each utterance.
    correct : ndarray of int, shape (..., utterances)
        1 where the utterance was recognised; a sum over seeds may be given.
    shape : tuple of int
        Number of blocks and of classes.

    Returns
    -------
    ndarray of float, shape (blocks, ..., classes)

    Examples
    --------
    >>> count_blocks(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1, 0, 1]), (2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    blocks, classes = shape
    cell = np.asarray(block) * classes + np.asarray(reference)
    correct = np.asarray(correct)
    rows = correct.reshape(-1, len(cell))
    counts = np.stack([np.bincount(cell, weights=row, minlength=blocks * classes) for row in rows])
    return np.moveaxis(counts.reshape(*correct.shape[:-1], blocks, classes), -2, 0)


def replicate_ua(weights: np.ndarray, hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """UA in every replicate.

    Parameters
    ----------
    weights : ndarray, shape (replicates, blocks)
        A row of ones gives UA itself.
    hits : ndarray, shape (blocks, ..., classes)
        Whole numbers, so that the matrix product is exact and does not depend on the number of threads.
    totals : ndarray, shape (blocks, classes)
        Utterances (times seeds, if hits are summed over seeds).

    Returns
    -------
    ndarray of float, shape (replicates, ...)
        NaN where a class that the totals hold does not occur.
    """
    present = totals.sum(axis=0) > 0
    hits, totals = hits[..., present], totals[:, present]
    numerator = (weights @ hits.reshape(len(hits), -1)).reshape(len(weights), *hits.shape[1:])
    denominator = weights @ totals
    denominator = denominator.reshape(len(weights), *[1] * (hits.ndim - 2), denominator.shape[1])
    shares = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    return shares.mean(axis=-1)


def percentile_interval(replicates: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the percentile interval.

    With few speakers it is too narrow, as every bootstrap of few units is: of intervals meant to hold the truth 95% of
    the time, about 73% do with 3 speakers and 90% with 10 (docs/statistics.md).

    Parameters
    ----------
    replicates : ndarray, shape (replicates, ...)
        NaN replicates are left out.
    confidence : float
        0.95 for a 95% interval.

    Returns
    -------
    tuple of ndarray, shape (...)
        Lower and upper end.
    """
    tail = 100 * (1 - confidence) / 2
    low, high = np.nanpercentile(replicates, [tail, 100 - tail], axis=0)
    return low, high
