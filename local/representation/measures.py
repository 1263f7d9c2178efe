"""Who and what is read from features: emotions, languages, speakers; and where emotions lie in two languages.

    found = measure(train, test)

Classifiers (least squares with a ridge, local/representation/reader.py; nothing in them is chosen) learn from train
lists and read test lists, whose speakers are others than those of the train lists.

- ``emotion_target``, ``emotion_source``: UA on the test lists of the target and of the sources, learnt on the sources.
- ``language``: UA on all test lists, learnt on all train lists, the target's too; ``language_chance``.
- ``speaker``: accuracy on test lists, learnt on half of each speaker's utterances there and read from the other half,
  corpus by corpus, so that languages do not help; the mean over corpora; ``speaker_chance``, of the most frequent one.
- ``heard``: accuracy on held-out utterances of the speakers that were trained on, all sources together;
  ``heard_chance``.
- ``same``, ``other``: mean cosine between the centroids of test lists of two languages, of one emotion and of two.
  Centroids are taken from the mean over all of them. ``alignment`` is the difference.
- ``cka``: linear centred kernel alignment between the centroids of two languages, mean over pairs of languages: whether
  emotions lie to each other alike in both, wherever that is. Of few centroids it is high by chance; compare sides.

Source: S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of Neural Network Representations Revisited", ICML
2019, equation 4 (CKA).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from local.representation.reader import Reader, hold_out, numbered
from utils import metrics

MEASURES = ("emotion_target", "emotion_source", "language", "speaker", "heard", "same", "other", "alignment", "cka")
CHANCES = ("language_chance", "speaker_chance", "heard_chance")


@dataclass(frozen=True)
class Lists:
    """Utterances of the sources and, behind them, of the target.

    Attributes
    ----------
    x : ndarray of float32, shape (utterances, dim)
    labels, corpora : ndarray of int64, shape (utterances,)
        Emotions, and numbers of the corpora; the last of these is the target's.
    languages : ndarray of int64, shape (utterances,)
    persons, utts : list of str
    """

    x: np.ndarray
    labels: np.ndarray
    corpora: np.ndarray
    languages: np.ndarray
    persons: list[str]
    utts: list[str]

    @property
    def target(self) -> np.ndarray:
        """Which utterances are the target's."""
        return self.corpora == self.corpora.max()


def measure(train: Lists, test: Lists) -> dict[str, float]:
    """Read who and what one side tells; NaN where there is nothing to tell.

    Parameters
    ----------
    train, test : Lists
        Of the same corpora and dimensions; what is learnt from, and what is read.

    Returns
    -------
    dict of str to float
        Of :data:`MEASURES` and :data:`CHANCES`.
    """
    x, labels, known = train.x[~train.target][None], train.labels[~train.target], ~train.target
    reader = Reader(x, labels, balanced=True)
    found = {
        f"emotion_{name}": _ua(reader, test.x[rows], test.labels[rows])
        for name, rows in (("target", test.target), ("source", ~test.target))
    }
    found["language"] = _ua(Reader(train.x[None], train.languages, balanced=True), test.x, test.languages)
    found["language_chance"] = 1 / len(set(test.languages.tolist()))
    heard = numbered([person for person, own in zip(train.persons, known, strict=True) if own])
    found["heard"], found["heard_chance"] = _names(x[0], heard, labels, 3)
    voices = np.array([
        _names(test.x[own], numbered([test.persons[row] for row in np.flatnonzero(own)]), test.labels[own], 2)
        for own in (test.corpora == corpus for corpus in range(int(test.corpora.max()) + 1))
    ])  # fmt: skip
    there = voices[~np.isnan(voices[:, 0])]
    found["speaker"], found["speaker_chance"] = there.mean(axis=0) if len(there) else (np.nan, np.nan)
    return found | centroids(test.x, test.labels, test.languages)


def _ua(reader: Reader, x: np.ndarray, y: np.ndarray) -> float:
    counts = metrics.confusion(y, reader.classify(x[None])[0], reader.weights.shape[2])
    return float(metrics.unweighted_accuracy(counts))


def _names(x: np.ndarray, speakers: np.ndarray, order: np.ndarray, every: int) -> tuple[float, float]:
    """Name speakers on one in so many of each one's utterances, learnt on the others; and of the most frequent one."""
    held = hold_out(speakers, order, every)
    if not speakers.max() or not held.any():
        return np.nan, np.nan
    said = Reader(x[None][:, ~held], speakers[~held]).classify(x[None][:, held])[0]
    return float((said == speakers[held]).mean()), float(np.bincount(speakers[held]).max() / held.sum())


def centroids(x: np.ndarray, labels: np.ndarray, languages: np.ndarray) -> dict[str, float]:
    """Compare where emotions lie in two languages, mean over pairs of languages.

    Parameters
    ----------
    x : ndarray, shape (utterances, dim)
        Features.
    labels, languages : ndarray of int64, shape (utterances,)
        Emotion and language of each.

    Returns
    -------
    dict of str to float
        ``same``, ``other``, ``alignment`` and ``cka``; of emotions that all languages have, NaN of fewer than two.
    """
    spoken = np.unique(languages)
    told = [e for e in np.unique(labels) if all(((labels == e) & (languages == own)).any() for own in spoken)]
    if len(told) < 2 or len(spoken) < 2:
        return dict.fromkeys(("same", "other", "alignment", "cka"), np.nan)
    centre = np.array([[x[(labels == e) & (languages == own)].mean(axis=0) for e in told] for own in spoken], float)
    unit = centre - centre.mean(axis=(0, 1))
    unit /= np.maximum(np.linalg.norm(unit, axis=2, keepdims=True), 1e-12)
    pairs = list(itertools.combinations(range(len(spoken)), 2))
    cosines = np.mean([unit[a] @ unit[b].T for a, b in pairs], axis=0)
    same, apart = np.diag(cosines).mean(), cosines[~np.eye(len(told), dtype=bool)].mean()
    alike = np.mean([_cka(centre[a], centre[b]) for a, b in pairs])
    return {"same": same, "other": apart, "alignment": same - apart, "cka": alike}


def _cka(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (own - own.mean(axis=0) for own in (a, b))
    size = np.linalg.norm(a @ a.T) * np.linalg.norm(b @ b.T)
    return float(((a @ a.T) * (b @ b.T)).sum() / max(size, 1e-12))
