"""What models say of the clips that people heard: predictions that stages 3 and 4 have left, an utterance at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.grid import manifest
from local.results import heard, read


@dataclass(frozen=True)
class Model:
    """A condition's headline: the layers that dev chose, over all seeds and partitions.

    Attributes
    ----------
    stage, encoder, system, train, test : str
        As in exp/results.csv.
    emotions : list of str
    utts : list of str
        Tested ones, sorted.
    reference : ndarray of int, shape (utterances,)
    answers : ndarray, shape (utterances, emotions)
        Share of the runs that tested an utterance in which an emotion was said.
    belief : ndarray, shape (utterances, emotions)
        Mean posteriors.
    runs : int
        Trainings that tested an utterance, at least.
    heard : str
        How the encoder's training heard the test corpus, in words as of local/results/heard.py; ``no`` if it did not.
    """

    stage: str
    encoder: str
    system: str
    train: str
    test: str
    emotions: list[str]
    utts: list[str]
    reference: np.ndarray
    answers: np.ndarray
    belief: np.ndarray
    runs: int
    heard: str = "no"

    @property
    def right(self) -> np.ndarray:
        """Share of runs in which each utterance was recognised."""
        return self.answers[np.arange(len(self.utts)), self.reference]

    @property
    def belief_right(self) -> np.ndarray:
        """Mean posterior of each utterance's own emotion."""
        return self.belief[np.arange(len(self.utts)), self.reference]


def load(exp: Path) -> list[Model]:
    """Read every finished condition without few shots; none where stages 3 and 4 have not been run."""
    conditions = [read.read(path) for path in read.finished(exp)[0]]
    conditions = [one for one in conditions if not one.factors.get("shots")]
    differing = manifest.varied(one.factors for one in conditions)
    return [_model(one, manifest.system_name(one.stage, one.factors, differing)) for one in conditions]


def _model(condition: read.Finished, name: str) -> Model:
    utts, place = np.unique(condition.utts, return_inverse=True)
    classes, seeds = len(condition.emotions), len(condition.seeds)
    answers, belief = np.zeros((2, len(utts), classes))
    for hypotheses, posteriors in zip(condition.hypotheses[:, -1], condition.posteriors, strict=True):
        np.add.at(answers, (place, hypotheses), 1)
        np.add.at(belief, place, posteriors)
    reference = np.zeros(len(utts), dtype=int)
    reference[place] = condition.reference
    times = np.bincount(place) * seeds
    return Model(
        condition.stage, condition.factors["encoder"], name, condition.train, condition.test, condition.emotions,
        utts.tolist(), reference, answers / times[:, None], belief / times[:, None], int(times.min()),
        heard.read(condition.meta["contaminated"]).get(condition.test, "no"),
    )  # fmt: skip
