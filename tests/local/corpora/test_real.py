"""The corpora at hand prepare whole, with the counts that their README states."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.local.corpora.trees import excluded, files, prepared, table
from utils.data_dir_check import validate

FOUR = ("angry", "happy", "neutral", "sad")
COUNTS = {
    "emodb": (10, dict(zip(FOUR, (127, 71, 79, 62), strict=True)), "de"),
    "ravdess": (24, dict(zip(FOUR, (192, 192, 96, 192), strict=True)), "en"),
    "urdu": (29, dict.fromkeys(FOUR, 100), "ur"),
    "nemo": (9, dict.fromkeys(FOUR, 90), "pl"),
}
GENDERS = {"emodb": (5, 5), "ravdess": (12, 12), "urdu": (11, 18), "nemo": (4, 5)}


@pytest.mark.parametrize("corpus", COUNTS)
def test_every_file_is_prepared(corpora: Path, tmp_path: Path, corpus: str) -> None:
    data = prepared(corpora / corpus, tmp_path / corpus, corpus)
    validate(data)
    speakers, emotions, language = COUNTS[corpus]
    utterances = table(data, "utt2spk")
    assert len(utterances) == sum(1 for path in (corpora / corpus).rglob("*.wav")) == sum(emotions.values())
    assert excluded(data) == {}
    assert Counter(table(data, "utt2emo").values()) == emotions
    assert len(set(utterances.values())) == speakers
    genders = Counter(table(data, "spk2gender").values())
    assert (genders["f"], genders["m"]) == GENDERS[corpus]
    assert set(table(data, "utt2lang").values()) == {language}
    assert sorted(utterances, key=str.encode) == list(utterances)
    assert ("text" in files(data)) == ("utt2sent" in files(data)) == (corpus != "urdu")


def test_durations_are_those_of_the_samples(corpora: Path, tmp_path: Path) -> None:
    import soundfile

    data = prepared(corpora / "ravdess", tmp_path / "ravdess", "ravdess")
    durations, paths = table(data, "utt2dur"), table(data, "wav.scp")
    # Actor 1 is kept at 48 kHz, the others at 16 kHz.
    for utterance in ("ravdess_01-03-01-03-01-01-01-01", "ravdess_02-03-01-03-01-01-01-02"):
        samples, rate = soundfile.read(paths[utterance])
        assert float(durations[utterance]) == pytest.approx(len(samples) / rate, abs=1e-6)


def test_emodb_says_who_said_what(corpora: Path, tmp_path: Path) -> None:
    data = prepared(corpora / "emodb", tmp_path / "emodb", "emodb")
    utterance = "emodb_03-03a01Wa"
    assert table(data, "utt2emo")[utterance] == "angry"
    assert table(data, "utt2emo_raw")[utterance] == "anger"
    assert table(data, "utt2sent")[utterance] == "emodb_a01"
    assert table(data, "text")[utterance] == "Der Lappen liegt auf dem Eisschrank."
    assert table(data, "spk2gender")["emodb_03"] == "m"
    assert len(set(table(data, "utt2sent").values())) == 10


def test_nemo_sentences_have_one_text_each(corpora: Path, tmp_path: Path) -> None:
    data = prepared(corpora / "nemo", tmp_path / "nemo", "nemo")
    sentences, texts = table(data, "utt2sent"), table(data, "text")
    pairs = {(sentences[utterance], texts[utterance]) for utterance in sentences}
    assert len(pairs) == len(set(sentences.values())) == len(set(texts.values()))
