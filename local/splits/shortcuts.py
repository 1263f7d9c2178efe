"""What classifiers reach that never hear the voice: from an utterance's length, its words, or who speaks.

Each is trained on the training lists and tested on the test lists of every fold; recalls are pooled over the folds.
What these reach, a recogniser may reach without having recognised any emotion.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.splits.data import Corpus, Fold

Predict = Callable[[Corpus, Sequence[str], Sequence[str]], list[str]]


def shortcuts(corpus: Corpus, folds: Sequence[Fold]) -> dict[str, dict | None]:
    """Train and test the shortcut classifiers.

    Returns
    -------
    dict of str to dict or None
        ``duration`` (logistic regression on the logarithm of the duration), ``text`` (logistic regression on
        the transcript's character n-grams, or on the sentence's name where there are no transcripts; None where there
        is neither) and ``speaker`` (the speaker's most over-represented emotion; for a speaker who is not in the
        training list always the same one): each with ``ua``, ``recalls`` by emotion, and ``uses``.
    """
    uses = "text" if corpus.text else "sentence" if corpus.sentence else None
    return {
        "duration": _score(corpus, folds, _by_duration, "duration"),
        "text": _score(corpus, folds, _by_text, uses) if uses else None,
        "speaker": _score(corpus, folds, _by_speaker, "speaker"),
    }


def _score(corpus: Corpus, folds: Sequence[Fold], predict: Predict, uses: str) -> dict:
    right, total = Counter(), Counter()
    for fold in folds:
        for utterance, emotion in zip(fold.test, predict(corpus, fold.train, fold.test), strict=True):
            total[corpus.emotion[utterance]] += 1
            right[corpus.emotion[utterance]] += emotion == corpus.emotion[utterance]
    recalls = {emotion: right[emotion] / total[emotion] for emotion in corpus.emotions}
    return {"ua": sum(recalls.values()) / len(recalls), "recalls": recalls, "uses": uses}


def _by_duration(corpus: Corpus, train: Sequence[str], test: Sequence[str]) -> list[str]:
    from sklearn.preprocessing import StandardScaler

    seen = {utterance: [math.log(seconds)] for utterance, seconds in corpus.duration.items()}
    return _regress(corpus, seen, StandardScaler(), 1.0, train, test)


def _by_text(corpus: Corpus, train: Sequence[str], test: Sequence[str]) -> list[str]:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    if corpus.text:
        features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    else:
        features = CountVectorizer(analyzer=lambda sentence: [sentence])
    return _regress(corpus, corpus.text or corpus.sentence, features, 10.0, train, test)


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


def _by_speaker(corpus: Corpus, train: Sequence[str], test: Sequence[str]) -> list[str]:
    totals = corpus.count(train)
    spoken = {speaker: dict.fromkeys(corpus.emotions, 0) for speaker in {corpus.speaker[u] for u in train}}
    for utterance in train:
        spoken[corpus.speaker[utterance]][corpus.emotion[utterance]] += 1
    most = {
        speaker: max(corpus.emotions, key=lambda emotion: counts[emotion] / totals[emotion])
        for speaker, counts in spoken.items()
    }
    return [most.get(corpus.speaker[utterance], corpus.emotions[0]) for utterance in test]
