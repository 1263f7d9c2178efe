"""Training utterances with speakers and emotions in directions that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local.probe.scale import Looked, Training

SPEAKERS, EMOTIONS, DIM = 8, 4, 24


@dataclass
class Planted:
    """Training and test utterances: emotions are in the first dimensions, speakers in the next, or in the same."""

    training: Training
    looked: Looked


def planted(
    overlap: bool = False, layers: int = 2, each: int = 6, seed: int = 0, corpus: str = "aa", noise: float = 0.5
) -> Planted:
    """Make ``each`` utterances of every speaker and emotion; the test list is of other speakers.

    Emotions are means in dimensions 0 to 2, speakers in 3 to 9; with ``overlap`` speakers too are in 0 to 2 alone.
    """
    rng = np.random.default_rng(seed)
    emotional, personal = np.zeros((EMOTIONS, DIM)), np.zeros((2 * SPEAKERS, DIM))
    emotional[:, :3] = 4 * (np.vstack([np.eye(3), -np.ones(3)]))
    where, spread = (slice(0, 3), 2) if overlap else (slice(3, 10), 6)
    personal[:, where] = spread * rng.standard_normal(personal[:, where].shape)
    made = []
    for voices in (range(SPEAKERS), range(SPEAKERS, 2 * SPEAKERS)):
        who, labels, _ = (part.ravel() for part in np.meshgrid(voices, range(EMOTIONS), range(each), indexing="ij"))
        x = emotional[labels] + personal[who] + noise * rng.standard_normal((layers, len(who), DIM))
        made.append((x.astype(np.float32), labels.astype(np.int64), [f"{corpus}{one}" for one in who]))
    (x, labels, persons), (test, truth, others) = made
    utts = [f"{corpus}{number}" for number in range(len(labels))]
    training = Training(x, labels, utts, persons, [corpus] * len(labels), None)
    one = Training(x[:1], labels, utts, persons, [corpus] * len(labels), None)
    return Planted(training, Looked(0, 0, one, test[:1], truth, others))


def linear_accuracy(x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return float(LogisticRegression(max_iter=1000).fit(x, y).score(test, truth))
