"""Reading a corpus: every fault of its folds is an error that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local.results import corpus as reader
from tests.local.probe import tree
from utils.errors import UserError


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tree.Corpus:
    monkeypatch.chdir(tmp_path)
    return tree.write_corpus(tmp_path, "aa", n=24, language="pl")


def read(name: str = "aa", emotions: list[str] = tree.EMOTIONS) -> reader.Corpus:
    return reader.read(name, "enc", "speaker", emotions)


def fails(what: str, **arguments: object) -> None:
    with pytest.raises(UserError, match=what):
        read(**arguments)


def test_reads_what_was_written(written: tree.Corpus) -> None:
    corpus = read()
    emotion = dict(zip(written.utts, written.emotions, strict=True))
    assert corpus.utts == sorted(written.utts)
    assert [tree.EMOTIONS[label] for label in corpus.labels] == [emotion[utt] for utt in corpus.utts]
    assert [corpus.utts[index] for index in corpus.folds[2]["test"]] == sorted(written.utts[2::3])
    assert (corpus.languages, corpus.one_speaker, corpus.excluded) == (["pl"], False, 0)
    assert [utterance.id for utterance in corpus.utterances] == corpus.utts


def test_excluded_utterances_are_left_out(written: tree.Corpus) -> None:
    gone = written.utts[2]
    Path("dump/enc/aa/excluded.tsv").write_text(f"item\treason\n{gone}\ttoo short, 20 ms\nunknown\tother\n")
    corpus = read()
    assert gone not in corpus.utts
    assert corpus.excluded == 1
    assert len(corpus.utterances) == len(corpus.labels) == len(written.utts) - 1
    assert len(corpus.folds[2]["test"]) == len(written.utts) // 3 - 1
    assert [corpus.utts[index] for index in corpus.folds[0]["train"]] == sorted(set(written.utts[2::3]) - {gone})


def test_an_emotion_that_is_not_asked_for(written: tree.Corpus) -> None:
    fails("has the emotion sad; run the data stage again", emotions=tree.EMOTIONS[:3])


def test_an_utterance_with_another_emotion(written: tree.Corpus) -> None:
    path = Path("data/aa/utt2emo")
    path.write_text(path.read_text().replace("sad", "bored", 1))
    fails("has the emotion bored")


def test_an_utterance_that_the_corpus_does_not_have(written: tree.Corpus) -> None:
    tree.write_list(Path(), "aa", 0, "dev", ["aa_99-x"])
    fails("aa_99-x is not in utt2emo")


def test_an_empty_part(written: tree.Corpus) -> None:
    tree.write_list(Path(), "aa", 1, "dev", [])
    fails("folds/speaker/1/dev: no utterances")


def test_a_part_that_overlaps_another(written: tree.Corpus) -> None:
    tested = written.utts[4]
    tree.write_list(Path(), "aa", 1, "dev", [tested])
    fails(f"folds/speaker/1: {tested} is in two of")


def test_folds_with_a_gap_in_their_numbers(written: tree.Corpus) -> None:
    Path("data/aa/folds/speaker/1").rename("data/aa/folds/speaker/3")
    fails(r"expected folds 0, 1, 2 \.\.\., found \[0, 2, 3\]")


def test_one_speaker_and_several_languages(written: tree.Corpus) -> None:
    tree.write_corpus(Path(), "bb", n=24, speakers=1)
    path = Path("data/bb/utt2lang")
    path.write_text(path.read_text().replace(" de", " en", 3))
    assert (read("bb").languages, read("bb").one_speaker) == (["de", "en"], True)


def test_corpora_of_one_condition_have_as_many_folds(written: tree.Corpus) -> None:
    tree.write_corpus(Path(), "bb", n=24, folds=4)
    tree.write_corpus(Path(), "cc", n=24)
    reader.check_folds([read(), read("cc")], "speaker")
    with pytest.raises(UserError, match="the same number of folds: data/aa/folds/speaker has 3, data/bb.* has 4"):
        reader.check_folds([read(), read("bb")], "speaker")


def test_a_label_that_train_lacks_is_an_error() -> None:
    reader.check_classes(np.array([0, 1, 2, 3]), tree.EMOTIONS, ["a"], 0)
    with pytest.raises(UserError, match=r"a\+b: fold 4 has no training utterance of 'happy'; take it out of emotions"):
        reader.check_classes(np.array([0, 2, 3]), tree.EMOTIONS, ["a", "b"], 4)


def test_stamps_cover_the_files_that_are_read(written: tree.Corpus) -> None:
    """Every table and list that decides what ``read`` gives changes a file of ``inputs``."""
    paths = [str(path) for path in reader.inputs(["bb", "aa", "aa"], "enc", "speaker")]
    assert paths[:7] == [
        *(f"data/aa/{table}" for table in ("utt2emo", "utt2lang", "utt2spk", "utt2digest", "spk2person")),
        "data/aa/folds/speaker/digest", "dump/enc/aa/excluded.tsv",
    ]  # fmt: skip
    assert paths[7:] == [path.replace("aa", "bb") for path in paths[:7]]
