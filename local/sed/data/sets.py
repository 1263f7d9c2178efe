"""The sets of recordings whose emotion changes: what models are trained and tested on.

A set is a data directory with ``ref.rttm``. ``zed`` is a corpus that comes with the times of its emotions,
``data/zed``; ``emodb.single`` was made of a corpus's utterances by ``local.sed.make``, ``data/emodb/sed/single``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.results.eder_names import NEUTRAL
from utils.data_dir import Utterance, read_persons, read_utt2, read_utterances
from utils.errors import UserError
from utils.folds import PARTS, read_folds
from utils.rttm import Segment, read_rttm

if TYPE_CHECKING:
    import numpy as np

KINDS = ("single", "double", "noisy")
# Frames of the wav2vec 2.0 family: 25 ms long, 20 ms apart.
HOP, CENTRE = 0.02, 0.0125
# As utils.audio.load: an end past the end of the audio by less is taken as the end.
_TOLERANCE = 0.05
_ROUNDING = 0.001  # of times in RTTM files, in seconds


@dataclass(frozen=True)
class SedSet:
    """A set, without its audio (``utterances[id].load()``)."""

    name: str  # such as `zed` or `emodb.single`
    utterances: dict[str, Utterance]  # those whose labels are all asked for, sorted by id
    # By utterance, in order of time, without overlap; time that none covers is neutral.
    reference: dict[str, list[Segment]]
    speaker: dict[str, str]  # this and the next four by utterance
    person: dict[str, str]  # the same in all sets
    emotion: dict[str, str]  # the emotional span's, or neutral
    language: dict[str, str]
    duration: dict[str, float]  # seconds
    # A fold's train, dev and test, sorted ids; empty for a corpus that has not been cut into folds of this scheme.
    folds: list[dict[str, list[str]]]
    left_out: int = 0  # utterances with a label that is not asked for


def path_of(name: str) -> Path:
    """Tell where a set is, from the recipe's folder.

    Raises
    ------
    UserError
        It is neither the name of a corpus nor that of a corpus and one of ``single``, ``double`` and ``noisy``.

    Examples
    --------
    >>> str(path_of("zed")), str(path_of("emodb.single"))
    ('data/zed', 'data/emodb/sed/single')
    """
    corpus, dot, kind = name.partition(".")
    if not corpus or "/" in name or (dot and kind not in KINDS):
        raise UserError(f"'{name}' is not a set; expected the name of a corpus, or '<corpus>.{'|'.join(KINDS)}'")
    return Path("data", corpus, "sed", kind) if dot else Path("data", corpus)


def read(name: str, scheme: str, emotions: Sequence[str]) -> SedSet:
    """Read a set, called as for :func:`path_of`, and of its folds those of a split scheme, ``folds/<scheme>``.

    Utterances with other labels than ``emotions`` are left out and counted.

    Raises
    ------
    UserError
        The set has not been made, has no ``ref.rttm``, an utterance has no segments or no duration, segments overlap or
        lie past the end, no utterance is left, or the folds are malformed or of another scheme.
    """
    folder = path_of(name)
    mend = f"run python3 -m local.{'sed.make' if '.' in name else 'corpora.prepare'} again"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such set; {mend.removesuffix(' again')} first")
    path = folder / "ref.rttm"
    if not path.is_file():
        raise UserError(f"{path}: no such file; {folder.name} has no segment-level labels: name it in sed.corpora")
    utterances = {utterance.id: utterance for utterance in read_utterances(folder)}
    segments = read_rttm(path)
    strange = sorted(segments.keys() - utterances.keys())
    if strange:
        raise UserError(f"{path}: {strange[0]} is not in {folder}/utt2spk; {mend}")
    reference = {id_: _checked(path, utterance, segments.get(id_), mend) for id_, utterance in utterances.items()}
    emotion = read_utt2(folder, "emo")
    kept = [
        utterance
        for utterance, own in sorted(reference.items())
        if {emotion[utterance], *(segment.label for segment in own)} <= set(emotions)
    ]
    if not kept:
        raise UserError(f"{path}: every utterance has a label that is not asked for; change `emotions`")
    language, person = read_utt2(folder, "lang"), read_persons(folder)
    return SedSet(
        name=name,
        utterances={utterance: utterances[utterance] for utterance in kept},
        reference={utterance: reference[utterance] for utterance in kept},
        speaker={utterance: utterances[utterance].speaker for utterance in kept},
        person={utterance: person[utterance] for utterance in kept},
        emotion={utterance: emotion[utterance] for utterance in kept},
        language={utterance: language[utterance] for utterance in kept},
        duration={utterance: float(utterances[utterance].duration or 0) for utterance in kept},
        folds=_folds(folder, scheme, "." in name, set(utterances), set(kept), mend),
        left_out=len(utterances) - len(kept),
    )


def frame_labels(segments: Sequence[Segment], frames: int, emotions: Sequence[str]) -> np.ndarray:
    """Label the frames of an utterance: int64, shape (frames,), indices into ``emotions``.

    Frame t is centred at 0.02 t + 0.0125 s and has the label of the segment there, neutral where there is none.
    Segments are in order of time and do not overlap; ``emotions`` holds neutral and every label.
    """
    import numpy as np

    index = {emotion: number for number, emotion in enumerate(emotions)}
    centres = HOP * np.arange(frames) + CENTRE
    labels = np.full(frames, index[NEUTRAL], dtype=np.int64)
    for segment in segments:
        first, last = np.searchsorted(centres, (segment.start, segment.end))
        labels[first:last] = index[segment.label]
    return labels


def tile(utterance: str, pieces: Iterable[tuple[float, str]]) -> list[Segment]:
    """Make segments of consecutive pieces (end in seconds, label), the first from 0; neighbours with one label join.

    What RTTM, which counts in milliseconds, cannot hold is added to the segment before.
    """
    segments: list[Segment] = []
    start = 0.0
    for end, label in pieces:
        if segments and round(1000 * end) <= round(1000 * start):
            label = segments[-1].label
        if segments and segments[-1].label == label:
            start = segments.pop().start
        segments.append(Segment(utterance, start, end, label))
        start = end
    return segments


def _checked(path: Path, utterance: Utterance, segments: list[Segment] | None, mend: str) -> list[Segment]:
    """An utterance's segments, cut where they overlap or end past the end by no more than rounding explains."""
    if not segments:
        raise UserError(f"{path}: {utterance.id} has no segments; {mend}")
    if utterance.duration is None:
        raise UserError(f"{path.parent}/utt2dur: no such file; {mend}")
    last = segments[-1]
    if last.end > utterance.duration + _TOLERANCE or last.start >= utterance.duration:
        raise UserError(
            f"{path}: {utterance.id} is {utterance.duration:g} s long, but has a segment at "
            f"{last.start:g}-{last.end:g} s; {mend}"
        )
    limits = [segment.start for segment in segments[1:]] + [utterance.duration]
    for before, limit in zip(segments[:-1], limits, strict=False):
        if before.end > limit + _ROUNDING:
            raise UserError(f"{path}: two segments of {utterance.id} overlap at {limit:g} s; correct them")
    return [
        dataclasses.replace(segment, end=min(segment.end, limit))
        for segment, limit in zip(segments, limits, strict=True)
    ]


def _folds(
    folder: Path, scheme: str, required: bool, known: set[str], kept: set[str], mend: str
) -> list[dict[str, list[str]]]:
    place = folder / "folds" / scheme
    if not place.is_dir() and not required:
        return []
    folds = []
    for number, fold in enumerate(read_folds(place, mend)):
        everything = [utterance for part in PARTS for utterance in fold[part]]
        strange = sorted(set(everything) - known)
        if strange:
            raise UserError(f"{place}/{number}: {strange[0]} is not in {folder}/utt2spk; {mend}")
        if len(set(everything)) < len(everything):
            raise UserError(f"{place}/{number}: an utterance is in two of train, dev and test, or twice in one; {mend}")
        fold = {part: sorted(kept.intersection(utterances)) for part, utterances in fold.items()}
        empty = [part for part in PARTS if not fold[part]]
        if empty:
            raise UserError(f"{place}/{number}/{empty[0]}: no utterances; choose another split or fewer folds")
        folds.append(fold)
    return folds
