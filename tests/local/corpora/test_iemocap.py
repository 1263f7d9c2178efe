"""IEMOCAP under the names and labels of study A's lists: its folds, what they share, and what their happy is."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from local.corpora import spec
from local.corpora.prepare import prepare
from local.splits.overlap import audit_fold, count_delivery, count_test
from tests.local.corpora.published import folds_of, labels, lists_of
from tests.local.corpora.trees import excluded, speech, table
from utils.data_dir_check import validate
from utils.errors import UserError

pytestmark = pytest.mark.integration

CODES = {"angry": ("ang",), "happy": ("hap", "exc"), "neutral": ("neu",), "sad": ("sad",)}
# Utterances that most listeners called happy, not excited: 595 in all.
HAPPY = {"Ses01": 135, "Ses02": 117, "Ses03": 135, "Ses04": 65, "Ses05": 143}


@pytest.fixture(scope="module")
def lists(corpora: Path) -> Path:
    return lists_of(corpora, "EN_IEMOCAP")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, lists: Path) -> Path:
    """Every file that the lists name; of those they call happy, every other one is excited."""
    root = tmp_path_factory.mktemp("iemocap") / "IEMOCAP_full_release"
    rows = defaultdict(str)
    for n, (name, emotion) in enumerate(sorted(labels(lists).items())):
        dialogue, codes = name.rpartition("_")[0], CODES[emotion]
        speech(root / f"Session{name[4]}/sentences/wav/{dialogue}/{name}.wav", 0.02)
        rows[dialogue] += f"[{n}.0000 - {n}.0200]\t{name}\t{codes[n % len(codes)]}\t[2.5000, 2.5000, 2.5000]\n"
    for dialogue, text in rows.items():
        path = root / f"Session{dialogue[4]}/dialog/EmoEvaluation/{dialogue}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n{text}")
    return root.parent


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    data = tmp_path_factory.mktemp("data") / "iemocap"
    prepare(spec("iemocap"), root, data, ["exc_as_happy"])
    return data


def test_every_listed_utterance_is_prepared(data: Path) -> None:
    validate(data)
    assert excluded(data) == {}
    assert Counter(table(data, "utt2emo").values()) == {"angry": 500, "happy": 500, "neutral": 500, "sad": 500}
    speakers = {f"iemocap_Ses0{session}{letter}" for session in range(1, 6) for letter in "FM"}
    assert set(table(data, "utt2spk").values()) == speakers
    # The dialogue's letter is that of who wears the markers.
    assert table(data, "utt2spk")["iemocap_Ses02M-Ses02F_impro01_M002"] == "iemocap_Ses02M"


def test_study_a_tests_on_the_speakers_it_develops_on_and_half_on_scripted_speech(data: Path, lists: Path) -> None:
    corpus, folds = folds_of(data, lists)
    assert count_test(folds) == {"slots": 1000, "distinct": 1000, "repeated": 0}
    for fold in (audit_fold(corpus, fold, {}, {}) for fold in folds):
        assert fold["speakers"] == {"train": 8, "dev": 2, "test": 2}
        assert fold["shared"]["speakers"] == {"train_dev": 0, "train_test": 0, "dev_test": 2}
        assert fold["shared"]["sessions"] == {"train_dev": 0, "train_test": 0, "dev_test": 1}
    # The study says that it took improvised utterances only.
    assert count_delivery(corpus, folds) == {"scripted": 495, "improvised": 505}


def test_what_study_a_calls_happy_must_include_excited(lists: Path) -> None:
    assert sum(HAPPY.values()) == spec("iemocap").expected.emotions["happiness"]
    listed = Counter(name[:5] for name, emotion in labels(lists).items() if emotion == "happy")
    assert listed == dict.fromkeys(HAPPY, 100)
    assert listed["Ses04"] > HAPPY["Ses04"]


def test_without_the_variant_the_lists_do_not_fit(tmp_path: Path, root: Path, lists: Path) -> None:
    prepare(spec("iemocap"), root, tmp_path / "iemocap")
    with pytest.raises(UserError, match="does not have with one of the emotions asked for"):
        folds_of(tmp_path / "iemocap", lists)
