"""Reading a corpus's features: every fault of them is an error that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local.probe import features
from local.results import corpus as reader
from tests.local.probe import tree
from utils.errors import UserError


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tree.Corpus:
    monkeypatch.chdir(tmp_path)
    return tree.write_corpus(tmp_path, "aa", n=24, encoder_languages=["pl"], pretrained_on=["zz"])


def read() -> np.ndarray:
    return features.read(reader.read("aa", "enc", "speaker", tree.EMOTIONS), "enc")


def test_reads_what_was_written_in_the_corpus_s_order(written: tree.Corpus) -> None:
    order = np.argsort(written.utts)
    np.testing.assert_array_equal(read(), written.features[order])
    # Written before it was asked what an encoder was taught.
    info = {"languages": ["pl"], "pretrained_on": ["zz"], "finetuned_on": [], "unlisted": False}
    assert features.read_info("aa", "enc") == info


def test_only_excluded_utterances_may_lack_features(written: tree.Corpus) -> None:
    gone = written.utts[2]
    tree.write_features(Path(), "aa", "enc", written.utts[:2] + written.utts[3:], np.delete(written.features, 2, 0))
    with pytest.raises(UserError, match=f"1 utterances have no features, first {gone}"):
        read()
    Path("dump/enc/aa/excluded.tsv").write_text(f"item\treason\n{gone}\ttoo short, 20 ms\n")
    assert len(read()) == len(written.utts) - 1


def test_features_that_are_not_finite(written: tree.Corpus) -> None:
    written.features[5, 1, 2] = np.nan
    tree.write_features(Path(), "aa", "enc", written.utts, written.features)
    with pytest.raises(UserError, match=f"{written.utts[5]} are not finite"):
        read()


@pytest.mark.parametrize("text", ["{}", "[]", "{", None])
def test_damaged_info(written: tree.Corpus, text: str | None) -> None:
    path = Path("dump/enc/aa/info.json")
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UserError, match="dump/enc/aa/info.json: cannot be read .*run the features stage again"):
        features.read_info("aa", "enc")
