"""Answers as tables: what every listener of a group said of every clip of a language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from local.listen.answers import CHOICE, Answer
from utils.errors import UserError

NOTHING = -1  # in ``said``: not heard, or not answered


@dataclass(frozen=True)
class Heard:
    """Forced choices of a group of listeners on the clips of one language.

    Attributes
    ----------
    group, language : str
    emotions : list of str
        What could be said.
    listeners, utts : list of str
        Sorted.
    reference : ndarray of int, shape (utterances,)
    said : ndarray of int, shape (listeners, utterances)
        Indices of emotions, or :data:`NOTHING`.
    simulated : bool
        Whether any of it was made up.
    """

    group: str
    language: str
    emotions: list[str]
    listeners: list[str]
    utts: list[str]
    reference: np.ndarray
    said: np.ndarray
    simulated: bool

    @property
    def right(self) -> np.ndarray:
        """1 where the emotion was recognised, 0 where not, NaN where nothing was said; shape of ``said``."""
        return np.where(self.said == NOTHING, np.nan, self.said == self.reference)

    @property
    def counts(self) -> np.ndarray:
        """Confusions of each listener, shape (listeners, emotions, emotions): reference down, answer across."""
        kinds = len(self.emotions)
        cells = np.zeros((len(self.listeners), kinds, kinds), dtype=int)
        who, what = np.nonzero(self.said != NOTHING)
        np.add.at(cells, (who, self.reference[what], self.said[who, what]), 1)
        return cells

    @property
    def votes(self) -> np.ndarray:
        """Listeners who said each emotion of each clip, shape (utterances, emotions)."""
        return np.stack([(self.said == index).sum(axis=0) for index in range(len(self.emotions))], axis=1)


def gather(answers: Iterable[Answer], emotions: Sequence[str], task: str = CHOICE) -> list[Heard]:
    """Put answers together, a table a group and language, in their order.

    Raises
    ------
    UserError
        An emotion is none of ``emotions``, or somebody answered a clip twice.
    """
    index = {emotion: number for number, emotion in enumerate(emotions)}
    cells: dict[tuple[str, str], list[Answer]] = {}
    for own in answers:
        if own.task == task:
            cells.setdefault((own.group, own.language), []).append(own)
    return [_table(*key, own, index) for key, own in sorted(cells.items())]


def _table(group: str, language: str, answers: list[Answer], index: dict[str, int]) -> Heard:
    listeners, utts = (sorted({getattr(own, name) for own in answers}) for name in ("listener", "utt"))
    row, column = ({name: place for place, name in enumerate(names)} for names in (listeners, utts))
    said = np.full((len(listeners), len(utts)), NOTHING)
    reference = np.zeros(len(utts), dtype=int)
    for own in answers:
        cell = row[own.listener], column[own.utt]
        if wrong := next((word for word in (own.emotion, own.answer) if word not in index), None):
            raise UserError(f"{own.listener}, {own.utt}: '{wrong}' is none of the experiment's {', '.join(index)}")
        if said[cell] != NOTHING:
            raise UserError(f"{own.listener} answered {own.utt} twice; keep one of the answers")
        said[cell], reference[cell[1]] = index[own.answer], index[own.emotion]
    return Heard(
        group, language, list(index), listeners, utts, reference, said, any(own.simulated for own in answers)
    )  # fmt: skip
