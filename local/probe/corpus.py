"""What the probes read of a corpus: its labels and folds, and its features."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import ark
from utils.data_dir import read_utt2
from utils.errors import UserError
from utils.folds import indices, read_excluded, read_folds


@dataclass(frozen=True)
class Corpus:
    """A corpus as one encoder sees it; its features are read apart, since they are large.

    Attributes
    ----------
    name : str
    languages : list of str
    one_speaker : bool
    utts : list of str
        Every utterance in a fold that has features, sorted.
    labels : ndarray of int64, shape (utterances,)
        Indices into the experiment's emotions.
    folds : list of dict of str to ndarray of int64
        For each fold, ``train``, ``dev`` and ``test``: indices into ``utts``.
    excluded : int
        Utterances of the folds that the encoder could not take.
    info : dict
        The features' info.json.
    """

    name: str
    languages: list[str]
    one_speaker: bool
    utts: list[str]
    labels: np.ndarray
    folds: list[dict[str, np.ndarray]]
    excluded: int
    info: dict


def read(name: str, encoder: str, scheme: str, emotions: list[str]) -> Corpus:
    """Read a corpus's tables and fold lists, and which of its utterances have features.

    Parameters
    ----------
    name : str
        data/<name> and dump/<encoder>/<name> are read.
    encoder : str
        Whose features will be used.
    scheme : str
        The split scheme, data/<name>/folds/<scheme>.
    emotions : list of str
        The classes.

    Returns
    -------
    Corpus

    Raises
    ------
    UserError
        A file is missing or malformed; an utterance of a fold has no emotion among ``emotions``, or no
        features though it is not excluded; a part of a fold is empty or overlaps another.
    """
    data, dump = Path("data", name), Path("dump", encoder, name)
    emotion, language, speaker = (read_utt2(data, what) for what in ("emo", "lang", "spk"))
    lists = read_folds(data / "folds" / scheme)
    wanted = sorted({utt for fold in lists for part in fold.values() for utt in part})
    for utt in wanted:
        if emotion.get(utt) not in emotions:
            what = f"has the emotion {emotion[utt]}" if utt in emotion else "is not in utt2emo"
            raise UserError(f"{data}/folds/{scheme}: {utt} {what}; run the data stage again")
    excluded = read_excluded(dump / "excluded.tsv") & set(wanted)
    utts = [utt for utt in wanted if utt not in excluded]
    folds = indices(data / "folds" / scheme, lists, utts)
    index = {label: number for number, label in enumerate(emotions)}
    return Corpus(
        name=name,
        languages=sorted({language[utt] for utt in utts}),
        one_speaker=len({speaker[utt] for utt in utts}) == 1,
        utts=utts,
        labels=np.array([index[emotion[utt]] for utt in utts], dtype=np.int64),
        folds=folds,
        excluded=len(excluded),
        info=_info(dump / "info.json"),
    )


def read_features(corpus: Corpus, encoder: str) -> np.ndarray:
    """Read a corpus's features.

    Parameters
    ----------
    corpus : Corpus
        Says which utterances.
    encoder : str
        Whose features.

    Returns
    -------
    ndarray of float32, shape (utterances, layers, dim)
        In the order of ``corpus.utts``.

    Raises
    ------
    UserError
        An utterance is missing that is not excluded, a shape differs, or a value is not finite.
    """
    path = Path("dump", encoder, corpus.name, "feats.scp")
    features = ark.read_all(path, corpus.utts)
    for utt, matrix in zip(corpus.utts, features, strict=True):
        if not np.isfinite(matrix).all():
            raise UserError(f"{path}: the features of {utt} are not finite; delete {path.parent} and extract again")
    return features


def _info(path: Path) -> dict:
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        return {"languages": list(info["languages"]), "pretrained_on": list(info["pretrained_on"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run the features stage again") from error
