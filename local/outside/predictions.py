"""Files of predictions: an utterance with its emotion and, where known, a posterior of each emotion.

A ``.csv`` or ``.tsv`` has a header with the columns ``utt`` and ``emotion`` and, of posteriors, ``p_<emotion>``; a
``.jsonl`` has an object a line: ``{"utt": "03-a01", "emotion": "happy", "posteriors": {"angry": 0.1, "happy": 0.9}}``.
What else they hold is passed over. Both kinds say the same, to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import csv_file
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SLACK = 0.01  # of the sum of posteriors, which may be rounded


@dataclass(frozen=True)
class Prediction:
    """What a system says of an utterance, in its own words.

    Attributes
    ----------
    where : str
        File and line, for messages.
    emotion : str
    posteriors : dict of str to anything
        By emotion; empty without.
    """

    where: str
    emotion: str
    posteriors: Mapping[str, Any]


def read(path: Path) -> dict[str, Prediction]:
    """Read a file of predictions, by utterance.

    Raises
    ------
    UserError
        The file is missing or malformed, an utterance is there twice, or some have posteriors and others none.
    """
    kind = path.suffix.lower()
    if kind not in (*DELIMITERS, ".jsonl"):
        raise UserError(f"{path}: predictions are read from .csv, .tsv and .jsonl; give it the name of its kind")
    found: dict[str, Prediction] = {}
    for utt, one in _objects(path) if kind == ".jsonl" else _rows(path, DELIMITERS[kind]):
        if utt in found:
            raise UserError(f"{one.where}: {utt} is there twice, first in line {found[utt].where.rpartition(':')[2]}")
        found[utt] = one
    if not found:
        raise UserError(f"{path}: holds no predictions")
    without = next((one for one in found.values() if not one.posteriors), None)
    if without and any(one.posteriors for one in found.values()):
        raise UserError(f"{without.where}: has no posteriors, as other lines have; give all of them, or none")
    return found


def _rows(path: Path, delimiter: str) -> Iterator[tuple[str, Prediction]]:
    for number, row in enumerate(csv_file.read(path, delimiter), 2):
        for column in ("utt", "emotion"):
            if not row.get(column):
                raise UserError(f"{path}:{number}: nothing in the column {column}, which every row is to fill")
        # An empty field is a posterior that is not there.
        shares = {name.removeprefix("p_"): row[name] for name in row if name.startswith("p_") and row[name] != ""}
        yield row["utt"], Prediction(f"{path}:{number}", row["emotion"], shares)


def _objects(path: Path) -> Iterator[tuple[str, Prediction]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            utt, emotion, shares = one["utt"], one["emotion"], one.get("posteriors") or {}
            if not (isinstance(utt, str) and isinstance(emotion, str) and isinstance(shares, dict)):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            expected = '{"utt": "...", "emotion": "...", "posteriors": {"...": 0.5}}, the last one if there are any'
            raise UserError(f"{path}:{number}: expected {expected}") from None
        yield utt, Prediction(f"{path}:{number}", emotion, shares)


def probabilities(
    found: Sequence[Prediction], emotions: Sequence[str], words: Mapping[str, str]
) -> tuple[np.ndarray, bool]:
    """Turn predictions into a posterior of each emotion of the experiment.

    Parameters
    ----------
    found : sequence of Prediction
        All with posteriors, or all without.
    emotions : sequence of str
        The experiment's.
    words : mapping of str to str
        The system's words for emotions, and the experiment's; what several stand for has their sum.

    Returns
    -------
    ndarray of float32, shape (predictions, emotions)
        The largest of each row is what was said. Without posteriors, 1 for it and 0 for others.
    bool
        Whether there are posteriors.

    Raises
    ------
    UserError
        A word is no emotion of the experiment; or posteriors are no shares, lack an emotion, do not sum to 1, or have
        another for the largest than was said.
    """
    import numpy as np

    place = {emotion: number for number, emotion in enumerate(emotions)}

    def number(word: str, one: Prediction) -> int:
        emotion = words.get(word, word)
        if emotion not in place:
            raise UserError(
                f"{one.where}: '{word}' is not one of {', '.join(emotions)}; say which it stands for in its entry of "
                f"outside, words: {{'{word}': EMOTION}}"
            )
        return place[emotion]

    made = np.zeros((len(found), len(emotions)), dtype=np.float32)
    for row, one in zip(made, found, strict=True):
        said = number(one.emotion, one)
        if one.posteriors:
            row[:] = _shares(one, {word: number(word, one) for word in one.posteriors}, emotions)
            if row[said] < row.max():
                raise UserError(
                    f"{one.where}: says {emotions[said]}, but its posteriors say {emotions[int(row.argmax())]}; "
                    "make one of the other, or leave the posteriors out"
                )
            # Of equals, which rounding makes, that which was said; the five decimals that are kept stay the same.
            if row.argmax() != said:
                row[said] = np.nextafter(row[said], np.float32(2))
        else:
            row[said] = 1
    return made, bool(found and found[0].posteriors)


def _shares(one: Prediction, numbers: Mapping[str, int], emotions: Sequence[str]) -> list[float]:
    lacking = [emotion for place, emotion in enumerate(emotions) if place not in numbers.values()]
    if lacking:
        raise UserError(f"{one.where}: its posteriors lack {lacking[0]}; give one of each of {', '.join(emotions)}")
    shares = [0.0] * len(emotions)
    for word, place in numbers.items():
        try:
            share = float(one.posteriors[word])
        except (TypeError, ValueError):
            share = -1.0
        if not 0 <= share <= 1 + SLACK:
            raise UserError(f"{one.where}: '{one.posteriors[word]}' is no posterior of {word}; give numbers of 0 to 1")
        shares[place] += share
    if abs(sum(shares) - 1) > SLACK:
        raise UserError(f"{one.where}: its posteriors sum to {sum(shares):.3f}, not to 1; normalise them")
    return shares
