"""A corpus as classifiers see it: labels and folds of the utterances that an encoder can take."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.encoders import fusion
from utils.data_dir import Utterance, content_keys, read_persons, read_utt2, read_utterances
from utils.errors import UserError
from utils.folds import DIGEST, indices, read_excluded, read_folds

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Corpus:
    """A corpus without its audio and features.

    Attributes
    ----------
    name : str
    languages : list of str
    one_speaker : bool
    utts : list of str
        Every utterance in a fold that the encoder can take, sorted.
    labels : ndarray of int64, shape (utterances,)
        Indices into the experiment's emotions.
    folds : list of dict of str to ndarray of int64
        For each fold, ``train``, ``dev`` and ``test``: indices into ``utts``. What is learnt from is ordered by what
        it holds, so that a training does not depend on what utterances are called.
    persons : list of str
        Who speaks each of ``utts``, by an id that a person keeps in all corpora.
    excluded : int
        Utterances of the folds that the features stage found the encoder, or one of the others, could not take.
    """

    name: str
    languages: list[str]
    one_speaker: bool
    utts: list[str]
    labels: np.ndarray
    folds: list[dict[str, np.ndarray]]
    persons: list[str]
    excluded: int

    @functools.cached_property
    def utterances(self) -> list[Utterance]:
        """Where the audio of each of ``utts`` is; read when it is asked for."""
        known = {utterance.id: utterance for utterance in read_utterances(Path("data", self.name))}
        return [known[utt] for utt in self.utts]


def read(name: str, encoder: str, scheme: str, emotions: Sequence[str], others: Iterable[str] = ()) -> Corpus:
    """Read a corpus's tables and fold lists.

    Parameters
    ----------
    name : str
        data/<name> is read, and of dump/<encoder>/<name> which utterances the encoder cannot take.
    encoder : str
        Its name in the registry.
    scheme : str
        The split scheme, data/<name>/folds/<scheme>.
    emotions : sequence of str
        The classes.
    others : iterable of str
        Further encoders: what one of them cannot take is left out too.

    Returns
    -------
    Corpus

    Raises
    ------
    UserError
        A file is missing or malformed, an utterance of a fold is not in the data directory or has no emotion among
        ``emotions``, or a part of a fold is empty or overlaps another.
    """
    import numpy as np

    data = Path("data", name)
    person = read_persons(data)
    emotion, language, speaker = (read_utt2(data, what) for what in ("emo", "lang", "spk"))
    directory = data / "folds" / scheme
    lists = read_folds(directory)
    wanted = sorted({utt for fold in lists for part in fold.values() for utt in part})
    for utt in wanted:
        if emotion.get(utt) not in emotions:
            what = f"has the emotion {emotion[utt]}" if utt in emotion else "is not in utt2emo"
            raise UserError(f"{directory}: {utt} {what}; run the data stage again")
    excluded = set().union(*(left_out(name, own) for own in (encoder, *others))).intersection(wanted)
    utts = [utt for utt in wanted if utt not in excluded]
    index = {label: number for number, label in enumerate(emotions)}
    folds, content = indices(directory, lists, utts), content_keys(data)
    for fold in folds:
        for part in ("train", "dev"):
            fold[part] = np.array(sorted(fold[part], key=lambda row: content[utts[row]]))
    return Corpus(
        name=name,
        languages=sorted({language[utt] for utt in utts}),
        one_speaker=len({speaker[utt] for utt in utts}) == 1,
        utts=utts,
        labels=np.array([index[emotion[utt]] for utt in utts], dtype=np.int64),
        folds=folds,
        persons=[person[utt] for utt in utts],
        excluded=len(excluded),
    )


def left_out(name: str, encoder: str) -> set[str]:
    """List a corpus's utterances that an encoder, or a part of it, could not take, says the features stage."""
    return {utt for part in fusion.parts(encoder) for utt in read_excluded(Path("dump", part, name, "excluded.tsv"))}


def check_folds(corpora: Iterable[Corpus], scheme: str) -> None:
    """Refuse corpora with different numbers of folds: fold k of one is paired with fold k of another."""
    numbers = {corpus.name: len(corpus.folds) for corpus in corpora}
    if len(set(numbers.values())) > 1:
        listed = ", ".join(f"data/{name}/folds/{scheme} has {number}" for name, number in numbers.items())
        raise UserError(f"corpora of one condition need the same number of folds: {listed}")


def check_classes(labels: np.ndarray, emotions: Sequence[str], corpora: Iterable[str], fold: int) -> None:
    """Refuse a fold whose training utterances lack an emotion."""
    for number, emotion in enumerate(emotions):
        if not (labels == number).any():
            raise UserError(
                f"{'+'.join(corpora)}: fold {fold} has no training utterance of '{emotion}'; "
                "take it out of emotions or choose other folds"
            )


def inputs(names: Iterable[str], encoder: str, scheme: str, others: Iterable[str] = ()) -> list[Path]:
    """List the files that :func:`read` reads of some corpora, or that stand for them, for stamps."""
    files = []
    for name in sorted(set(names)):
        data = Path("data", name)
        files += [data / name for name in ("utt2emo", "utt2lang", "utt2spk", "utt2digest", "spk2person")]
        files += [data / "folds" / scheme / DIGEST]
        encoders = [part for own in (encoder, *others) for part in fusion.parts(own)]
        files += [Path("dump", part, name, "excluded.tsv") for part in dict.fromkeys(encoders)]
    return files
