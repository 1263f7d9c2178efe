"""What erasure does, iteration by iteration: rows of a condition's ``erasure.csv``, of a fold and a layer.

``kind``: what is erased, see local/probe/steps/erase.py; ``draw``: which of the random subspaces; ``iteration``: 0 is
before anything is erased; ``rank``: how many directions are gone. ``seen``: accuracy of a classifier of the speakers
that are trained on, on their held-out utterances; ``unseen``: of the speakers of the test list, learnt on half of
their utterances and tested on the others; beside each the accuracy of always naming the most frequent one, and how high
that may be by chance. ``emotion``: UA on the test list, learnt on the train list. All are least squares with a ridge
(local/representation/reader.py), learnt on what is left after the iteration; nothing in them is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from local.probe.scale import Looked
from local.probe.steps import leace, nullspace
from local.representation.reader import Reader, hold_out, numbered
from utils import metrics

DRAWS = 20  # random subspaces
_FACTS = ("speakers_seen", "seen_chance", "seen_high", "speakers_unseen", "unseen_chance", "unseen_high", "n_test")
COLUMNS = ["fold", "layer", "kind", "draw", "iteration", "rank", "seen", "unseen", "emotion", *_FACTS]


def rows(looked: Looked, speakers: np.ndarray, held: np.ndarray) -> list[dict]:
    """Follow every kind of erasure.

    Parameters
    ----------
    looked : Looked
        Of one layer.
    speakers : ndarray of int, shape (training utterances,)
        Who speaks, by number.
    held : ndarray of bool, shape (training utterances,)
        Utterances that no direction is learnt from.

    Returns
    -------
    list of dict
        Under :data:`COLUMNS`.
    """
    training, x = looked.training, looked.training.x
    listeners = _Listeners.of(looked, x, looked.x, speakers, held)
    found, other = (nullspace.erase(x, y, held) for y in (speakers, training.labels))
    ranks = found.ranks[:, 0]
    made = list(_followed("inlp", 0, listeners, found.blocks, ranks))
    for draw in range(DRAWS):
        drawn = nullspace.draw(x.shape[2], ranks[-1:], [draw])
        made += _followed("random", draw, listeners, np.split(drawn, ranks[1:-1], axis=2), ranks)
    made += _followed("emotion", 0, listeners, other.blocks, other.ranks[:, 0])
    erase = leace.erase(x[:, ~held], speakers[~held])
    after = _Listeners.of(looked, erase(x), erase(looked.x), speakers, held)
    for iteration, own in enumerate((listeners, after)):
        rank = iteration * min(int(speakers.max()), x.shape[2])
        made.append(_row("leace", 0, iteration, rank, own))
    facts = _facts(*listeners.named, looked)
    return [{"fold": looked.fold, "layer": looked.layer} | row | facts for row in made]


def _facts(seen: np.ndarray, unseen: np.ndarray, looked: Looked) -> dict[str, object]:
    """What all rows of a fold share, under ``_FACTS``."""
    found: dict[str, object] = {"n_test": len(looked.labels)}
    for name, own in (("seen", seen), ("unseen", unseen)):
        if len(own):
            limits = dict(zip((f"{name}_chance", f"{name}_high"), nullspace.chance(own), strict=True))
            found |= {key: f"{value:.6f}" for key, value in limits.items()}
        found[f"speakers_{name}"] = len(set(own.tolist()))
    return found


@dataclass
class _Listeners:
    """Three readers, and what they are tested on: features, and who or what is to be named."""

    readers: list[Reader]
    tests: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, looked: Looked, x: np.ndarray, test: np.ndarray, speakers: np.ndarray, held: np.ndarray) -> _Listeners:
        """Learn on features of the training utterances, and of half of the test list."""
        labels, unseen = looked.labels, numbered(looked.persons)
        half = hold_out(unseen, labels, 2)
        readers = [Reader(x[:, ~held], speakers[~held]), Reader(x, looked.training.labels, balanced=True)]
        tests = [(x[:, held], speakers[held]), (test, labels)]
        if unseen.max() and half.any():
            readers.append(Reader(test[:, ~half], unseen[~half]))
            tests.append((test[:, half], unseen[half]))
        return cls(readers, tests)

    @property
    def named(self) -> tuple[np.ndarray, np.ndarray]:
        """Speakers that are to be named: of training, and of the test list, none where that is of one."""
        return self.tests[0][1], self.tests[2][1] if len(self.tests) > 2 else np.zeros(0, dtype=int)

    def copy(self) -> _Listeners:
        """Give some that forget for themselves."""
        return _Listeners([reader.copy() for reader in self.readers], self.tests)

    def scores(self) -> dict[str, str]:
        """Say how much they hear."""
        found = {}
        for name, reader, (x, y) in zip(("seen", "emotion", "unseen"), self.readers, self.tests, strict=False):
            said = reader.classify(x)[0]
            counts = metrics.confusion(y, said, reader.weights.shape[2])
            found[name] = metrics.unweighted_accuracy(counts) if name == "emotion" else (said == y).mean()
        return {name: f"{value:.6f}" for name, value in found.items()}


def _followed(
    kind: str, draw: int, listeners: _Listeners, blocks: Iterable[np.ndarray], ranks: np.ndarray
) -> Iterator[dict]:
    """Yield what is heard before anything is erased, and after each iteration."""
    own = listeners.copy()
    yield _row(kind, draw, 0, 0, own)
    for iteration, (block, rank) in enumerate(zip(blocks, ranks[1:], strict=True), 1):
        if block.shape[2]:
            for reader in own.readers:
                reader.forget(block)
            yield _row(kind, draw, iteration, int(rank), own)


def _row(kind: str, draw: int, iteration: int, rank: int, listeners: _Listeners) -> dict:
    return {"kind": kind, "draw": draw, "iteration": iteration, "rank": rank} | listeners.scores()
