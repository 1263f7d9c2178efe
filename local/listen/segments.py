"""Where people hear the emotion: EDER of the segments that they mark, against a reference or against each other.

A listener's segment, with the emotion that was named, is the hypothesis; the rest of the clip is neutral. The reference
is the corpus's (``data/<corpus>/ref.rttm``, as of ZED). Where there is none, or besides, each listener is scored
against every other listener of the group on the same clip, and the mean is taken: *leave one out*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from local.grid import manifest
from local.listen.answers import SEGMENT, Answer
from local.listen.items import text, unweighted
from local.listen.recognition import PEOPLE
from local.results.eder import score_all
from utils import csv_file, two_way
from utils.estimates import Estimate
from utils.rttm import Segment

COLUMNS = ("who", "group", "reference", "emotion", "listeners", "clips", "simulated", "eder", "eder_lo", "eder_hi")
CORPUS, OTHERS, ALL = "corpus", "leave one out", "all"


def table(
    answers: Iterable[Answer], references: Mapping[str, Sequence[Segment]], durations: Mapping[str, float]
) -> Iterator[dict]:
    """Rates of every group, by emotion and the mean over emotions, with intervals for other listeners and clips.

    Parameters
    ----------
    answers : iterable of Answer
        Those of the segment task are used.
    references : mapping of str to sequence of Segment
        Utterance to what its corpus says; may lack utterances.
    durations : mapping of str to float
        Utterance to seconds; those that lack are left out.

    Yields
    ------
    dict
        Rows of :data:`COLUMNS`; rates from 0 to 1.
    """
    marked = [own for own in answers if own.task == SEGMENT and own.start is not None and own.utt in durations]
    for group in sorted({own.group for own in marked}):
        mine = [own for own in marked if own.group == group]
        truth = {own.utt: own.emotion for own in mine}
        for name, rates in (
            (CORPUS, _against([own for own in mine if own.utt in references], references, durations)),
            (OTHERS, _among(mine, durations)),
        ):
            simulated = any(own.simulated for own in mine)
            yield from (own | {"who": PEOPLE, "group": group} for own in _rows(name, rates, truth, simulated))


def models(exp: Path, answers: Iterable[Answer]) -> Iterator[dict]:
    """Rates of every diarizer of stage 6 that was tested on all clips which have been marked; its seeds are averaged.

    Parameters
    ----------
    exp : Path
        Holds ``sed/<condition>/eder.csv``.
    answers : iterable of Answer
        As of :func:`table`.

    Yields
    ------
    dict
        Rows of :data:`COLUMNS`; intervals are for other clips.
    """
    truth = {own.utt: own.emotion for own in answers if own.task == SEGMENT}
    asked = [entry for entry in manifest.read(exp / "sed") if (entry.path / "eder.csv").is_file()] if truth else []
    for entry in asked:
        found: dict[tuple[str, str], list[float]] = {}
        for row in csv_file.read(entry.path / "eder.csv"):
            if row["utterance"] in truth:
                found.setdefault(("", row["utterance"]), []).append(float(row["eder"]))
        if found.keys() == {("", utt) for utt in truth}:
            rates = {key: float(np.mean(own)) for key, own in found.items()}
            for own in _rows(CORPUS, rates, truth, False):
                yield own | {"who": entry.path.name, "group": "", "listeners": ""}


def _segment(own: Answer, durations: Mapping[str, float]) -> list[Segment]:
    start, end = own.start, min(own.end, durations[own.utt])
    return [Segment(own.utt, start, end, own.answer)] if end > start else []


def _against(
    answers: Sequence[Answer], references: Mapping[str, Sequence[Segment]], durations: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    rates = {}
    for listener in sorted({own.listener for own in answers}):
        said = {own.utt: _segment(own, durations) for own in answers if own.listener == listener}
        found = score_all({utt: references[utt] for utt in said}, said, {utt: durations[utt] for utt in said})
        rates |= {(listener, utt): own.rate for utt, own in found.items()}
    return rates


def _among(answers: Sequence[Answer], durations: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Mean rate of every listener and clip against the others who heard it."""
    said: dict[str, dict[str, list[Segment]]] = {}
    for own in answers:
        said.setdefault(own.listener, {})[own.utt] = _segment(own, durations)
    rates: dict[tuple[str, str], list[float]] = {}
    for one, other in permutations(sorted(said), 2):
        both = said[one].keys() & said[other].keys()
        found = score_all(*({utt: said[who][utt] for utt in sorted(both)} for who in (other, one)),
                          {utt: durations[utt] for utt in both})  # fmt: skip
        for utt, own in found.items():
            rates.setdefault((one, utt), []).append(own.rate)
    return {key: float(np.mean(own)) for key, own in rates.items()}


def _rows(
    reference: str, rates: Mapping[tuple[str, str], float], truth: Mapping[str, str], simulated: bool
) -> Iterator[dict]:
    listeners, utts = (sorted({key[place] for key in rates}) for place in (0, 1))
    kinds = sorted({truth[utt] for utt in utts})
    scores = np.array([[rates.get((who, utt), np.nan) for utt in utts] for who in listeners])
    classes = np.array([kinds.index(truth[utt]) for utt in utts])
    for emotion in [*kinds, ALL] if rates else []:
        chosen = np.ones(len(utts), dtype=bool) if emotion == ALL else classes == kinds.index(emotion)
        found = two_way.estimate(scores[:, chosen], classes[chosen]) if len(listeners) > 1 else _one(
            scores[0, chosen], classes[chosen])  # fmt: skip
        yield {
            "reference": reference, "emotion": emotion, "listeners": len(listeners),
            "clips": int(chosen.sum()), "simulated": str(simulated).lower(), "eder": text(found.value),
            "eder_lo": text(found.low), "eder_hi": text(found.high),
        }  # fmt: skip


def _one(scores: np.ndarray, classes: np.ndarray) -> Estimate:
    """Average one system's rates over classes, with an interval for other clips."""
    kinds = np.unique(classes, return_inverse=True)[1]
    return unweighted(kinds, scores, np.arange(len(scores)), kinds.max() + 1)
