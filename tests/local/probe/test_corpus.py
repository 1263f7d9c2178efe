"""Reading a corpus: every fault of its folds or features is an error that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local.probe import corpus as reader
from tests.local.probe import tree
from utils.errors import UserError


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tree.Corpus:
    monkeypatch.chdir(tmp_path)
    return tree.write_corpus(tmp_path, "aa", n=24, language="pl")


def read() -> reader.Corpus:
    return reader.read("aa", "enc", "speaker", tree.EMOTIONS)


def features() -> np.ndarray:
    return reader.read_features(read(), "enc")


def fails(what: str, call=read) -> None:
    with pytest.raises(UserError, match=what):
        call()


def test_reads_what_was_written(written: tree.Corpus) -> None:
    corpus = read()
    row = {utt: index for index, utt in enumerate(written.utts)}
    order = [row[utt] for utt in corpus.utts]
    assert corpus.utts == sorted(written.utts)
    assert [tree.EMOTIONS[label] for label in corpus.labels] == [written.emotions[index] for index in order]
    np.testing.assert_array_equal(features(), written.features[order])
    assert [corpus.utts[index] for index in corpus.folds[2]["test"]] == sorted(written.utts[2::3])
    assert (corpus.languages, corpus.one_speaker, corpus.excluded) == (["pl"], False, 0)


def test_excluded_utterances_are_left_out(written: tree.Corpus) -> None:
    gone = written.utts[2]
    tree.write_features(Path(), "aa", "enc", written.utts[:2] + written.utts[3:], np.delete(written.features, 2, 0))
    fails(f"1 utterances have no features, first {gone}", features)
    Path("dump/enc/aa/excluded.tsv").write_text(f"item\treason\n{gone}\ttoo short, 20 ms\nunknown\tother\n")
    corpus = read()
    assert gone not in corpus.utts
    assert corpus.excluded == 1
    assert len(features()) == len(written.utts) - 1
    assert len(corpus.folds[2]["test"]) == len(written.utts) // 3 - 1
    assert [corpus.utts[index] for index in corpus.folds[0]["train"]] == sorted(set(written.utts[2::3]) - {gone})


def test_features_that_are_not_finite(written: tree.Corpus) -> None:
    written.features[5, 1, 2] = np.nan
    tree.write_features(Path(), "aa", "enc", written.utts, written.features)
    fails(f"{written.utts[5]} are not finite", features)


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


def test_damaged_info(written: tree.Corpus) -> None:
    Path("dump/enc/aa/info.json").write_text("{}")
    fails("dump/enc/aa/info.json: cannot be read")
