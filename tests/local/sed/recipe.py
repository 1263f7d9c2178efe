"""A recipe folder with finished diarization conditions, made up by tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from local.experiment import Experiment, Score, Sed, Split
from local.grid import manifest
from local.grid.conditions import Condition
from local.sed.conditions import folds_of
from local.sed.conditions import settings as settings_of
from local.sed.data.sets import SedSet
from local.sed.score import condition as score
from utils import stamp
from utils.data_dir import Utterance
from utils.rttm import Segment

EMOTIONS = ["angry", "happy", "neutral", "sad"]


def experiment(**sed: object) -> Experiment:
    """Two corpora, one encoder, two folds."""
    default = {"encoders": ["mini"], "corpora": ["emodb", "nemo"], "train": ["all", "others"], "sets": ["single"]}
    return Experiment(
        corpora=["emodb", "nemo"], encoders=["mini"], split=Split(folds=3), sed=Sed(**{**default, **sed}),
        score=Score(resamples=300, permutations=500),
    )  # fmt: skip


def made_up(name: str, speakers: int = 6, each: int = 4, folds: int = 3) -> SedSet:
    """Recordings of 4 s: neutral but for the second from 1 to 3; speaker s is tested in fold s % folds."""
    ids, speaker, reference = [], {}, {}
    for s in range(speakers):
        for n in range(each):
            utterance = f"{name}_{s}-{n}"
            ids.append(utterance)
            speaker[utterance] = f"{name}_{s}"
            emotion = EMOTIONS[(0, 1, 3)[n % 3]]
            times = [(0.0, 1.0, "neutral"), (1.0, 3.0, emotion), (3.0, 4.0, "neutral")]
            reference[utterance] = [Segment(utterance, *time) for time in times]
    lists = [
        {
            part: [u for u in ids if (int(speaker[u].rsplit("_", 1)[1]) + k) % folds in chosen]
            for part, chosen in (("test", {0}), ("dev", {1}), ("train", set(range(2, folds))))
        }
        for k in range(folds)
    ]
    return SedSet(
        name, {u: Utterance(u, speaker[u], u, "/none.wav", 0.0, None, 4.0) for u in ids}, reference, speaker,
        dict(speaker), {u: reference[u][1].label for u in ids}, dict.fromkeys(ids, "de"), dict.fromkeys(ids, 4.0),
        lists,
    )  # fmt: skip


def shifted(data: SedSet, shift: Callable[[str], float]) -> dict[str, list[Segment]]:
    """Hypotheses that are right but for the emotional span, which comes later by a shift in seconds."""
    found = {}
    for utterance, (_, span, _) in data.reference.items():
        late = shift(utterance)
        times = [(0.0, 1 + late, "neutral"), (1 + late, 3 + late, span.label), (3 + late, 4.0, "neutral")]
        found[utterance] = [Segment(utterance, *time) for time in times]
    return found


def write(condition: Condition, data: SedSet, shift: float, seed: int = 0) -> manifest.Entry:
    """Score a made-up condition whose spans are late by about a shift."""
    rng = np.random.default_rng(seed)
    hypothesis = shifted(data, lambda utterance: shift * rng.uniform(0.5, 1.5))
    fold_of = folds_of(data, 3)
    condition.directory.parent.mkdir(parents=True, exist_ok=True)
    made_from = stamp.make(settings_of(condition), [], [])
    score.write(condition, data, fold_of, {0: hypothesis}, made_from)
    return manifest.Entry(condition.directory, condition.identity, manifest.digest(made_from["config"]))


def root(folder: Path) -> Path:
    """Make the folder of a recipe."""
    (folder / "conf").mkdir(parents=True, exist_ok=True)
    for corpus in ("emodb", "nemo"):
        for fold in range(3):
            (folder / "data" / corpus / "folds/speaker" / str(fold)).mkdir(parents=True, exist_ok=True)
    return folder
