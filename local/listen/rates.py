"""Rates of recognition that corpora bring along: shares of listeners a recording, and no listener's answers.

They give UA with an interval for other speakers, and how people and models agree on items. They do not give confusions,
precision, anything of a single listener, agreement between listeners, or an interval for other listeners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local import corpora
from local.experiment import Experiment
from local.listen import erkennung
from local.listen.items import People, text, unweighted
from utils.data_dir import read_utt2
from utils.table import read_table

COLUMNS = ("people", "corpus", "clips", "n", "speakers", "choices", "ua", "ua_lo", "ua_hi")
EMODB = "EmoDB's perception test"


@dataclass(frozen=True)
class Published:
    """People of a published test, the speakers of what they rated, and rows for rates.csv."""

    people: People
    speakers: dict[str, str]
    rows: list[dict[str, object]]


def find(config: Experiment) -> list[Published]:
    """Read the rates of those of an experiment's corpora that have some beside their audio."""
    return [
        _emodb(name, _recordings(name), erkennung.read(file), config.emotions) for name, file in files(config).items()
    ]


def files(config: Experiment) -> dict[str, Path]:
    """List the files of rates, by corpus."""
    found = {}
    for name in config.corpora:
        if corpora.spec(name).module == "emodb" and Path("data", name, "wav.scp").is_file():
            file = next(iter(_recordings(name).values())).parent.parent / erkennung.NAME
            if file.is_file():
                found[name] = file
    return found


def _recordings(corpus: str) -> dict[str, Path]:
    return {utt: Path(path) for utt, path in read_table(Path("data", corpus, "wav.scp")).items()}


def _emodb(
    corpus: str, recordings: dict[str, Path], rated: dict[str, erkennung.Rated], emotions: Sequence[str]
) -> Published:
    emotion, speakers = (read_utt2(Path("data", corpus), what) for what in ("emo", "spk"))
    known = {
        utt: rated[path.stem] for utt, path in recordings.items() if path.stem in rated and emotion[utt] in emotions
    }
    people = People(
        EMODB, corpus, {utt: own.recognised for utt, own in known.items()},
        {utt: own.listeners for utt, own in known.items()},
    )  # fmt: skip
    # Names say the emotion by a letter and the speaker by two digits, of the recordings that were left out too.
    label = {recordings[utt].stem[5]: emotion[utt] for utt in known}
    everything = [name for name in rated if name[5] in label]
    rows = [
        _row(people, "tested by models", [known[utt].recognised for utt in known], [emotion[utt] for utt in known],
             [speakers[utt] for utt in known], emotions),
        _row(people, "all that were rated", [rated[name].recognised for name in everything],
             [label[name[5]] for name in everything], [name[:2] for name in everything], emotions),
    ]  # fmt: skip
    return Published(people, speakers, rows)


def _row(
    people: People, clips: str, share: Sequence[float], emotion: Sequence[str], speaker: Sequence[str],
    emotions: Sequence[str],
) -> dict[str, object]:  # fmt: skip
    scores, reference = np.array(share), np.array([emotions.index(own) for own in emotion])
    block = np.unique(speaker, return_inverse=True)[1]
    ua = unweighted(reference, scores, block, len(emotions))
    recalls = {
        f"recall_{name}": text(scores[reference == index].mean())
        for index, name in enumerate(emotions) if (reference == index).any()
    }  # fmt: skip
    return {
        "people": people.name, "corpus": people.corpus, "clips": clips, "n": len(scores), "speakers": block.max() + 1,
        "choices": erkennung.CHOICES, "ua": text(ua.value), "ua_lo": text(ua.low), "ua_hi": text(ua.high), **recalls,
    }  # fmt: skip
