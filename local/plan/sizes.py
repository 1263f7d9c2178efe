"""How large corpora are: as stage 1 has found, or, before it has run, as their entries in the registry say."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from local.corpora import registry
from local.experiment import Experiment
from utils import stamp
from utils.data_dir import read_utt2
from utils.errors import UserError

SECONDS = 4.0  # of an utterance, where neither stage 1 nor the entry says


@dataclass(frozen=True)
class Size:
    """What a corpus holds of the emotions that an experiment asks for.

    Attributes
    ----------
    utterances : int
        Zero where nobody says.
    seconds : float
        Of all of them.
    speakers : int
        Of the corpus; zero where nobody says.
    told : str
        Whence this is known; empty where stage 1 has found it.
    """

    utterances: int
    seconds: float
    speakers: int
    told: str = ""


def of(corpus: str, settings: Experiment) -> Size:
    """Tell a corpus's size for an experiment."""
    folder = Path("data", corpus).absolute()
    return _of(folder, (folder / stamp.NAME).is_file(), tuple(settings.emotions), tuple(settings.labels))


@functools.cache
def _of(folder: Path, made: bool, emotions: tuple[str, ...], labels: tuple[str, ...]) -> Size:
    if made:
        try:
            duration, emotion = read_utt2(folder, "dur"), read_utt2(folder, "emo")
        except UserError as error:
            return Size(0, 0.0, 0, str(error).split("; ")[0].replace(f"{folder.parent}/", "data/"))
        own = [float(duration[utterance]) for utterance, said in emotion.items() if said in emotions]
        return Size(len(own), sum(own), len(set(read_utt2(folder, "spk").values())))
    entry = registry.spec(folder.name)
    whole, words = entry.expected, registry.emotion_words(entry, labels)
    counted = sum(number for word, number in whole.emotions.items() if words.get(word.casefold()) in emotions)
    utterances = counted if whole.emotions else whole.utterances
    if not utterances:
        return Size(0, 0.0, whole.speakers, "its entry does not say how many utterances it has")
    if whole.hours:
        return Size(utterances, 3600 * whole.hours * utterances / whole.utterances, whole.speakers, "by its entry")
    told = f"by its entry, {SECONDS:g} s an utterance taken for granted"
    return Size(utterances, SECONDS * utterances, whole.speakers, told)


def parts(corpora: tuple[str, ...], settings: Experiment) -> tuple[float, float, float]:
    """Estimate how many utterances a fold of some corpora together trains, develops and tests on."""
    split = settings.split

    def part(share: int, cap: int | None) -> float:
        wholes = [of(corpus, settings).utterances for corpus in corpora]
        most = cap * len(settings.emotions) if cap else max(wholes, default=0)
        return sum(min(most, whole * share / (split.folds + split.reserve)) for whole in wholes)

    return part(split.folds - 2 + split.reserve, split.cap.train), part(1, split.cap.dev), part(1, split.cap.test)
