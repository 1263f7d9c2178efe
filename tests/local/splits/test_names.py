"""Folds are of recordings, whatever corpus, speakers and files are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.experiment import Cap, Split
from local.splits.make import make
from tests.local.splits.corpora import FOUR, data_dir
from utils.folds import PARTS, read_folds
from utils.table import read_table

SPLITS = {
    "speaker": Split(folds=3),
    "capped": Split(folds=3, cap=Cap(train=2, dev=None, test=3)),
    "reserve": Split(folds=3, reserve=3),
    "speaker+sentence": Split(folds=4, scheme="speaker+sentence"),
    "speaker+matched": Split(folds=4, scheme="speaker+matched"),
    "speaker+mixed": Split(folds=4, scheme="speaker+mixed"),
    "random": Split(folds=3, scheme="random"),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[dict]:
    """Ten speakers, all of whom say as much: nothing but what is drawn can tell them apart."""
    folder, random, rows = tmp_path_factory.mktemp("audio"), np.random.default_rng(0), []
    for speaker in range(10):
        for emotion in FOUR:
            for sentence in range(3):
                path = folder / f"{len(rows)}.wav"
                soundfile.write(path, random.normal(0, 0.1, 800), 16000)
                rows.append({"speaker": speaker, "emotion": emotion, "sentence": str(sentence), "path": path})
    return rows


def corpus(folder: Path, rows: list[dict], order: np.random.Generator | None = None) -> Path:
    """Write the corpus; with an order, speakers and utterances get other names."""
    speakers, places = np.arange(10), np.arange(len(rows))
    if order:
        order.shuffle(speakers)
        order.shuffle(places)
    called = [f"{folder.name}_{speakers[row['speaker']]:02d}" for row in rows]
    names = [f"{speaker}-{place:03d}" for speaker, place in zip(called, places, strict=True)]
    utts = [(name, name.partition("-")[0], row["emotion"]) for name, row in zip(names, rows, strict=True)]
    sentences = {name: f"{folder.name}{row['sentence']}" for name, row in zip(names, rows, strict=True)}
    return data_dir(folder, utts, dict(zip(names, (row["path"] for row in rows), strict=True)), utt2sent=sentences)


def cut(folder: Path, split: Split) -> list[dict[str, list[str]]]:
    """Cut it, and list the audio files of every part."""
    make(folder, split, FOUR, "")
    paths = read_table(folder / "wav.scp")
    return [
        {part: sorted(paths[utterance] for utterance in fold[part]) for part in PARTS}
        for fold in read_folds(folder / "folds" / split.scheme)
    ]


@pytest.mark.parametrize("name", SPLITS)
def test_other_names_give_the_same_folds(tmp_path: Path, recordings: list[dict], name: str) -> None:
    split = SPLITS[name]
    first = cut(corpus(tmp_path / "emovo", recordings), split)
    for number in range(3):
        other = corpus(tmp_path / "mycorpus", recordings, np.random.default_rng(number))
        assert cut(other, split) == first
        shutil.rmtree(other)


def test_other_recordings_give_other_folds(tmp_path: Path, recordings: list[dict]) -> None:
    exchanged = [row | {"path": other["path"]} for row, other in zip(recordings, recordings[::-1], strict=True)]
    by_place = []
    for folder, rows in (("one", recordings), ("two", exchanged)):
        place = {str(row["path"]): number for number, row in enumerate(rows)}
        folds = cut(corpus(tmp_path / folder, rows), Split(folds=3))
        by_place.append([{place[path] for path in fold["test"]} for fold in folds])
    assert by_place[0] != by_place[1]


def test_what_cannot_be_decoded_goes_by_its_place(tmp_path: Path, recordings: list[dict]) -> None:
    rows = [row | {"path": tmp_path / "none.wav"} for row in recordings]
    rows = [row | {"path": f"{row['path']}{number}"} for number, row in enumerate(rows)]
    assert cut(corpus(tmp_path / "a", rows), Split(folds=3)) == cut(corpus(tmp_path / "b", rows), Split(folds=3))
