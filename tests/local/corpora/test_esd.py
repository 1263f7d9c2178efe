"""ESD under its real names, from study A's lists: every listed file is found, and the folds are those listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.corpora import spec
from local.corpora.registry import CorpusSpec, module
from local.splits.overlap import audit_fold, count_test
from tests.local.corpora.published import folds_of, labels, lists_of
from tests.local.corpora.trees import excluded, prepared, speech, table
from utils.errors import UserError

CHINESE = {"neutral": "中立", "angry": "生气", "happy": "快乐", "sad": "伤心"}
# Of the first release, as issue 1 of the corpus's page lists them; the other Mandarin transcripts are in GB 2312.
UTF_16 = {"0003", "0006", "0007", "0008", "0010"}


@pytest.fixture(scope="module", params=["first release", "second release"])
def esd(request: pytest.FixtureRequest, corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an ESD that has the listed files only."""
    root = tmp_path_factory.mktemp("esd")
    names = labels(lists_of(corpora, "CN_ESD"))
    rows: dict[str, list[str]] = {}
    for name, label in sorted(names.items()):
        below = "train" if request.param == "first release" else ""
        path = root / "Emotion Speech Dataset" / name[:4] / label.title() / below / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        # One recording a speaker will do: what is in a file plays no role here.
        if name[:4] not in rows:
            speech(root / f"audio/{name[:4]}", 0.05, format="WAV")
        os.link(root / f"audio/{name[:4]}", path)
        rows.setdefault(name[:4], []).append(f"{name}\t第{(int(name[5:]) - 1) % 350 + 1}句。\t{CHINESE[label]}\r\n")
    for speaker, lines in rows.items():
        text = root / "Emotion Speech Dataset" / speaker / f"{speaker}.txt"
        text.write_bytes("".join(lines).encode("utf-16" if speaker in UTF_16 else "gb2312"))
    module(spec("esd")).check(root, spec("esd"))
    return prepared(root, tmp_path_factory.mktemp("data") / "esd", "esd")


def test_an_entry_must_say_which_half() -> None:
    for options in ({}, {"half": "german"}, {"half": ["mandarin"]}):
        entry = CorpusSpec("mine", "esd", "zh", options=options)
        with pytest.raises(UserError, match="corpus 'mine': options.half is .*; expected mandarin or english"):
            module(entry).check(Path(), entry)


def test_every_listed_file_is_found_with_its_label(esd: Path, corpora: Path) -> None:
    named = labels(lists_of(corpora, "CN_ESD"))
    assert len(named) == 2000
    assert excluded(esd) == {}
    assert {utt.split("-")[1]: emo for utt, emo in table(esd, "utt2emo").items()} == named
    # The text says which sentence it is.
    assert {utt: f"esd_{int(text[1:-2]):03d}" for utt, text in table(esd, "text").items()} == table(esd, "utt2sent")


def test_its_published_folds_are_study_as(esd: Path, corpora: Path) -> None:
    found, folds = folds_of(esd, lists_of(corpora, spec("esd").published))
    audited = [audit_fold(found, fold, {}, {}) for fold in folds]
    for fold in folds:
        assert {found.speaker[utt] for utt in fold.dev} == {found.speaker[utt] for utt in fold.test}
    assert [fold["speakers"] for fold in audited] == [{"train": 8, "dev": 2, "test": 2}] * 5
    assert [fold["shared"]["speakers"] for fold in audited] == [{"train_dev": 0, "train_test": 0, "dev_test": 2}] * 5
    assert [round(100 * fold["test_seen"]["sentences"], 1) for fold in audited] == [97.5, 100, 100, 98.5, 100]
    assert count_test(folds) == {"slots": 1000, "distinct": 1000, "repeated": 0}
