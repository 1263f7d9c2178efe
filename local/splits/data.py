"""What splits and audit need of a data directory, and the fold lists in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.data_dir import content_keys, read_persons, read_utt2
from utils.errors import UserError
from utils.folds import PARTS
from utils.folds import read_folds as folds_of
from utils.table import read_table

PAIRS = tuple(itertools.combinations(PARTS, 2))


@dataclass(frozen=True)
class Corpus:
    """The utterances of a data directory whose emotion an experiment asks for.

    What the corpus does not say is empty; all but ``gender`` goes by utterance, sorted.
    """

    folder: Path  # the data directory
    emotions: tuple[str, ...]  # asked for
    emotion: dict[str, str]
    speaker: dict[str, str]
    person: dict[str, str]  # one id across corpora, and for all names that a corpus has for somebody
    gender: dict[str, str]  # by speaker
    text: dict[str, str]
    sentence: dict[str, str]
    session: dict[str, str]
    delivery: dict[str, str]
    duration: dict[str, float]  # in seconds
    content: dict[str, str]  # what to draw an utterance by

    @property
    def speakers(self) -> list[str]:
        """Its speakers, sorted."""
        return sorted(set(self.speaker.values()))

    def count(self, utterances: Iterable[str]) -> dict[str, int]:
        """Count utterances by emotion; an emotion that does not occur counts zero."""
        counts = dict.fromkeys(self.emotions, 0)
        for utterance in utterances:
            counts[self.emotion[utterance]] += 1
        return counts


@dataclass(frozen=True)
class Fold:
    """One train/dev/test partition: utterances of each part, sorted."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Name the parts."""
        return {part: getattr(self, part) for part in PARTS}


def span(values: Sequence[int]) -> str:
    """Write the least and the greatest of some counts, or the one if they are the same."""
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)}-{max(values)}"


def load(folder: str | Path, emotions: Iterable[str]) -> Corpus:
    """Read a prepared corpus's utterances with some emotions.

    Raises
    ------
    UserError
        It has not been prepared, or an emotion does not occur in it.
    """
    folder, emotions = Path(folder), tuple(emotions)
    if not (folder / ".done").is_file():
        raise UserError(f"{folder}: not prepared; run the data stage (python3 -m local.corpora.prepare) first")
    all_emotions = read_utt2(folder, "emo")
    missing = [emotion for emotion in emotions if emotion not in all_emotions.values()]
    if missing:
        found = ", ".join(sorted(set(all_emotions.values())))
        raise UserError(f"{folder}/utt2emo: no utterance is '{missing[0]}' (there are: {found}); change `emotions`")
    keep = {utterance: emotion for utterance, emotion in sorted(all_emotions.items()) if emotion in emotions}

    person, content = read_persons(folder), content_keys(folder)

    def table(name: str) -> dict[str, str]:
        whole = read_table(folder / name) if (folder / name).is_file() else {}
        # A transcript may be empty; then the corpus as a whole counts as having none.
        return {key: whole[key] for key in keep} if all(whole.get(key) for key in keep) else {}

    return Corpus(
        folder=folder, emotions=emotions, emotion=keep, speaker=table("utt2spk"),
        person={key: person[key] for key in keep}, content={key: content[key] for key in keep},
        gender=read_table(folder / "spk2gender") if (folder / "spk2gender").is_file() else {},
        text=table("text"), sentence=table("utt2sent"), session=table("utt2sess"), delivery=table("utt2delivery"),
        duration={utterance: float(value) for utterance, value in table("utt2dur").items()},
    )  # fmt: skip


def read_folds(corpus: Corpus, scheme: str) -> list[Fold]:
    """Read a scheme's fold lists, which were made for the corpus's emotions.

    Raises
    ------
    UserError
        The folds have not been made, or were made for other emotions.
    """
    folder = corpus.folder / "folds" / scheme
    if not (folder / ".done").is_file():
        raise UserError(f"{folder}: no folds; run the data stage (python3 -m local.splits.make) first")
    folds = [Fold(**{part: tuple(fold[part]) for part in PARTS}) for fold in folds_of(folder)]
    strange = {utterance for fold in folds for part in fold.parts().values() for utterance in part}
    strange -= corpus.emotion.keys()
    if strange:
        raise UserError(
            f"{folder}: {min(strange)} has no emotion that is asked for; run python3 -m local.splits.make again"
        )
    return folds
