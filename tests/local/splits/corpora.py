"""Small prepared corpora for tests of splits and audit, without going through a corpus module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from local.experiment import Split
from local.splits.data import Corpus, Fold, load
from local.splits.schemes import make_folds
from utils.data_dir import write_data_dir

FOUR = ("angry", "happy", "neutral", "sad")


def data_dir(
    folder: Path,
    rows: Iterable[tuple[str, str, str]],
    paths: Mapping[str, Path] | None = None,
    **tables: Mapping[str, str],
) -> Path:
    """Write a data directory.

    Parameters
    ----------
    folder : Path
        Where.
    rows : iterable of (str, str, str)
        Utterance, speaker, emotion.
    paths : mapping of str to Path, optional
        Utterance to audio; the default names files that are not there.
    **tables : mapping of str to str
        Further tables.
    """
    rows = list(rows)
    base = {
        "utt2spk": {utterance: speaker for utterance, speaker, _ in rows},
        "utt2emo": {utterance: emotion for utterance, _, emotion in rows},
        "utt2dur": dict.fromkeys((utterance for utterance, _, _ in rows), "1.0"),
        "wav.scp": {utterance: str((paths or {}).get(utterance, "/none.wav")) for utterance, _, _ in rows},
    }
    write_data_dir(folder, base | tables)
    (folder / ".done").write_text("{}")
    return folder


def grid(folder: Path, speakers: int, each: int = 2, emotions: Iterable[str] = FOUR) -> Path:
    """Write a data directory where all speakers, women and men in turn, say as much with every emotion."""
    names = [f"c_{speaker:02d}" for speaker in range(speakers)]
    rows = [(f"{name}-{emotion}{n}", name, emotion) for name in names for emotion in emotions for n in range(each)]
    genders = {name: "fm"[number % 2] for number, name in enumerate(names)}
    return data_dir(folder, rows, spk2gender=genders)


def corpus(folder: Path, emotions: Iterable[str] = FOUR) -> Corpus:
    """Load a data directory."""
    return load(folder, emotions)


def folds_of(corpus_: Corpus, **split: object) -> list[Fold]:
    """Cut a corpus."""
    return make_folds(corpus_, Split(**split), "c")[0]


def speakers(corpus_: Corpus, utterances: tuple[str, ...]) -> set[str]:
    """Who says some utterances."""
    return {corpus_.speaker[utterance] for utterance in utterances}
