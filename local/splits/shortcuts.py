"""What classifiers reach that never hear the voice: from an utterance's length, its level, its words, or who speaks.

Each is trained on the training lists and tested on the test lists of every fold; recalls are pooled over the folds.
What these reach, a recogniser may reach without having recognised any emotion.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from local.splits.data import Corpus, Fold
from utils.data_dir_parts import spread

Predict = Callable[[Corpus, Sequence[str], Sequence[str]], list[str]]
BINS = 8  # of equal numbers of training utterances
TRAINED_ON = 50_000  # utterances at most, evenly from throughout a training list: more do not teach a shortcut more
PERMUTATIONS = 200


def shortcuts(corpus: Corpus, folds: Sequence[Fold], level: Mapping[str, float]) -> dict[str, dict | None]:
    """Train and test the shortcut classifiers.

    ``level`` is the utterances' in dB; without that of some, nothing is classified by it.

    Returns
    -------
    dict of str to dict or None
        ``duration`` and ``level`` (logistic regression on the logarithm of the duration, or on the level),
        ``duration bins`` and ``level bins`` (on which of eight ranges it is in, which finds what is neither most nor
        least), ``text`` (logistic regression on the transcript's character n-grams, or on the sentence's name where
        there are no transcripts) and ``speaker`` (:func:`by_speaker`): each with ``ua``, ``recalls`` by emotion, and
        ``uses``; None where the corpus does not say.
    """
    uses = "text" if corpus.text else "sentence" if corpus.sentence else None
    values = {"duration": {utterance: math.log(own) for utterance, own in corpus.duration.items()}, "level": level}
    found: dict[str, dict | None] = {}
    for name, of in values.items():
        known = all(utterance in of for fold in folds for part in fold.parts().values() for utterance in part)
        for suffix, features in (("", _scaled), (" bins", _in_bins)):
            found[name + suffix] = _score(corpus, folds, _by_value(of, features), name) if known else None
    found["text"] = _score(corpus, folds, _by_text, uses) if uses else None
    return found | {"speaker": by_speaker(corpus, folds)}


def by_speaker(corpus: Corpus, folds: Sequence[Fold]) -> dict:
    """Score who says, of everything that somebody says, the emotion that this person is over-represented in.

    Somebody who is in train too is judged by what they say there; anybody else, whom nobody can know from training, by
    what they say in the test lists: this is how far emotions and people are tied together there. With few utterances of
    each person they are by chance too. ``chance`` is what is reached on average when the emotions are dealt out anew
    among all utterances.

    Returns
    -------
    dict
        ``ua``, ``recalls``, ``uses``, and ``chance``.
    """
    utterances = sorted({utterance for fold in folds for part in fold.parts().values() for utterance in part})
    place = {utterance: number for number, utterance in enumerate(utterances)}
    person = np.unique([corpus.person[utterance] for utterance in utterances], return_inverse=True)[1]
    emotion = np.array([corpus.emotions.index(corpus.emotion[utterance]) for utterance in utterances])
    lists = [[np.array([place[utterance] for utterance in part]) for part in (fold.train, fold.test)] for fold in folds]
    everything = np.concatenate([test for _, test in lists])

    def shares(own: np.ndarray, said: np.ndarray) -> np.ndarray:
        """Each person's share of all that is said with each emotion; shape (persons, emotions)."""
        shape = person.max() + 1, len(corpus.emotions)
        counts = np.bincount(person[own] * shape[1] + said[own], minlength=shape[0] * shape[1]).reshape(shape)
        return counts / np.maximum(counts.sum(axis=0), 1)

    def recalls(said: np.ndarray) -> np.ndarray:
        guesses, unknown = [], shares(everything, said)
        for train, test in lists:
            known = shares(train, said)
            best = np.where(known.any(axis=1, keepdims=True), known, unknown).argmax(axis=1)
            guesses.append(best[person[test]])
        true = said[everything]
        right = np.bincount(true[np.concatenate(guesses) == true], minlength=len(corpus.emotions))
        return right / np.maximum(np.bincount(true, minlength=len(corpus.emotions)), 1)

    rng, reached = np.random.default_rng(0), recalls(emotion)
    chance = float(np.mean([recalls(rng.permutation(emotion)) for _ in range(PERMUTATIONS)]))
    return {
        "ua": float(reached.mean()), "recalls": dict(zip(corpus.emotions, reached.tolist(), strict=True)),
        "uses": "speaker", "chance": chance,
    }  # fmt: skip


def _score(corpus: Corpus, folds: Sequence[Fold], predict: Predict, uses: str) -> dict:
    right, total = Counter(), Counter()
    for fold in folds:
        train = spread(fold.train, min(TRAINED_ON, len(fold.train)))
        for utterance, emotion in zip(fold.test, predict(corpus, train, fold.test), strict=True):
            total[corpus.emotion[utterance]] += 1
            right[corpus.emotion[utterance]] += emotion == corpus.emotion[utterance]
    recalls = {emotion: right[emotion] / total[emotion] for emotion in corpus.emotions}
    return {"ua": sum(recalls.values()) / len(recalls), "recalls": recalls, "uses": uses}


def _by_value(values: Mapping[str, float], features: Callable) -> Predict:
    """Classify by a number, scaled or in bins as the training list says."""

    def predict(corpus: Corpus, train: Sequence[str], test: Sequence[str]) -> list[str]:
        known = np.array([values[utterance] for utterance in train])
        made = features(known, np.array([values[utterance] for utterance in (*train, *test)]))
        return _regress(corpus, dict(zip((*train, *test), made, strict=True)), "passthrough", 1.0, train, test)

    return predict


def _scaled(train: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (values[:, None] - train.mean()) / (train.std() or 1.0)


def _in_bins(train: np.ndarray, values: np.ndarray) -> np.ndarray:
    edges = np.unique(np.quantile(train, np.arange(1, BINS) / BINS))
    return np.eye(len(edges) + 1)[np.digitize(values, edges)]


def _by_text(corpus: Corpus, train: Sequence[str], test: Sequence[str]) -> list[str]:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    if corpus.text:
        features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    else:
        features = CountVectorizer(analyzer=lambda sentence: [sentence])
    seen = corpus.text or corpus.sentence
    once = {seen[utterance]: utterance for utterance in test}  # many say the same
    guessed = dict(zip(once, _regress(corpus, seen, features, 10.0, train, list(once.values())), strict=True))
    return [guessed[seen[utterance]] for utterance in test]


def _regress(
    corpus: Corpus, seen: Mapping[str, Any], features: Any, strength: float, train: Sequence[str], test: Sequence[str]
) -> list[str]:
    """Fit a logistic regression on what is seen of utterances, turned into features, and apply it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # Balanced: what counts is the mean of recalls.
    model = make_pipeline(features, LogisticRegression(C=strength, class_weight="balanced", max_iter=1000))
    model.fit([seen[utterance] for utterance in train], [corpus.emotion[utterance] for utterance in train])
    return model.predict([seen[utterance] for utterance in test]).tolist()
