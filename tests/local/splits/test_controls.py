"""Schemes that differ from another in one thing: sentences that nobody in train says, and their controls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from local.experiment import Cap, Split
from local.splits.data import Corpus
from local.splits.overlap import audit_fold
from local.splits.schemes import make_folds
from tests.local.corpora.trees import prepared
from tests.local.splits.corpora import FOUR, corpus, data_dir, folds_of, grid, speakers
from utils.errors import UserError


def with_sentences(folder: Path, speakers: int, sentences: int) -> Corpus:
    """Everybody says every sentence with every emotion."""
    grid(folder, speakers, each=sentences)
    names = [line.split()[0] for line in (folder / "utt2spk").read_text().splitlines()]
    (folder / "utt2sent").write_text("".join(f"{name} c_{name[-1]}\n" for name in names))
    return corpus(folder)


@pytest.mark.parametrize(("sentences", "folds"), [(2, 3), (2, 4), (5, 3), (9, 5)])
def test_folds_by_speaker_and_sentence_test_neither_that_is_known(tmp_path: Path, sentences: int, folds: int) -> None:
    corpus_ = with_sentences(tmp_path / "c", 10, sentences)
    found, notes = make_folds(corpus_, Split(scheme="speaker+sentence", folds=folds), "c")
    plain = folds_of(corpus_, folds=folds)
    said = [{part: {corpus_.sentence[u] for u in own} for part, own in fold.parts().items()} for fold in found]
    for fold, sentences_of, by_speaker in zip(found, said, plain, strict=True):
        # The same speakers as without sentences, so that both schemes stand side by side.
        for part, own in fold.parts().items():
            assert speakers(corpus_, own) == speakers(corpus_, getattr(by_speaker, part))
            assert set(own) < set(getattr(by_speaker, part))
        assert not sentences_of["test"] & (sentences_of["train"] | sentences_of["dev"])
        assert len(sentences_of["test"] | sentences_of["train"]) == sentences
    # Every sentence is tested by some, and nothing twice.
    assert len(set().union(*(own["test"] for own in said))) == sentences
    tested = Counter(u for fold in found for u in fold.test)
    assert set(tested.values()) == {1} and 0.3 < len(tested) / len(corpus_.emotion) < 0.7
    assert notes == [
        f"half of the sentences are tested in each fold: {len(tested)} of {len(corpus_.emotion)} utterances"
    ]


@pytest.mark.parametrize(("sentences", "cap"), [(2, None), (5, None), (5, Cap(train=9, dev=4, test=3))])
def test_the_control_of_unheard_sentences_differs_in_sentences_alone(
    tmp_path: Path, sentences: int, cap: Cap | None
) -> None:
    corpus_ = with_sentences(tmp_path / "c", 10, sentences)
    own = {"folds": 3, "cap": cap or Cap()}
    apart, control = (folds_of(corpus_, scheme=f"speaker+{name}", **own) for name in ("sentence", "matched"))
    for unheard, heard in zip(apart, control, strict=True):
        assert heard.test == unheard.test
        for part in ("train", "dev"):
            kinds = [
                Counter((corpus_.speaker[u], corpus_.emotion[u]) for u in getattr(fold, part))
                for fold in (unheard, heard)
            ]
            assert kinds[0] == kinds[1]
        said = {corpus_.sentence[u] for u in heard.train}
        assert said >= {corpus_.sentence[u] for u in heard.test} and len(said) == sentences
    assert control == folds_of(corpus_, scheme="speaker+matched", **own)


@pytest.mark.parametrize("cap", [None, Cap(train=9, dev=4, test=3)])
@pytest.mark.parametrize("sizes", [(3,) * 8, (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_the_control_of_heard_speakers_differs_in_who_speaks_alone(
    tmp_path: Path, sizes: tuple[int, ...], cap: Cap | None
) -> None:
    rows = [
        (f"c_{s:02d}-{emotion}{n}", f"c_{s:02d}", emotion)
        for s, size in enumerate(sizes) for emotion in FOUR for n in range(size)
    ]  # fmt: skip
    corpus_ = corpus(data_dir(tmp_path / "c", rows))
    own = {"folds": 3, "cap": cap or Cap()}
    apart, mixed = folds_of(corpus_, **own), folds_of(corpus_, scheme="speaker+mixed", **own)
    tested = [sorted(utterance for fold in folds for utterance in fold.test) for folds in (apart, mixed)]
    assert tested[0] == tested[1]
    for one, other in zip(apart, mixed, strict=True):
        for part in ("train", "dev") if cap else ("train", "dev", "test"):
            assert corpus_.count(getattr(one, part)) == corpus_.count(getattr(other, part))
        train, dev, test = map(set, other.parts().values())
        assert not train & dev and not train & test and not dev & test
        assert not speakers(corpus_, one.train) & speakers(corpus_, one.test)
        heard = [corpus_.speaker[utterance] in speakers(corpus_, other.train) for utterance in other.test]
        assert sum(heard) > 0.8 * len(heard)
    assert mixed == folds_of(corpus_, scheme="speaker+mixed", **own)
    assert mixed != folds_of(corpus_, scheme="speaker+mixed", seed=1, **own)


def test_folds_by_sentence_need_sentences(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no utt2sent, so no folds by sentence; set split.scheme to speaker"):
        folds_of(corpus(grid(tmp_path / "c", speakers=6)), scheme="speaker+sentence", folds=3)
    with pytest.raises(UserError, match="has one sentence, which cannot be kept apart"):
        folds_of(with_sentences(tmp_path / "d", 6, 1), scheme="speaker+sentence", folds=3)


@pytest.mark.parametrize(("name", "sentences", "folds"), [("ravdess", 2, 4), ("emodb", 10, 5)])
def test_real_speech_is_cut_by_speaker_and_sentence(
    corpora: Path, tmp_path: Path, name: str, sentences: int, folds: int
) -> None:
    if not (corpora / name).is_dir():
        pytest.skip(f"{corpora / name} is not here: folds by speaker and sentence are not tried on it")
    corpus_ = corpus(prepared(corpora / name, tmp_path / "data", name))
    assert len(set(corpus_.sentence.values())) == sentences
    for scheme, seen in (("speaker", 1.0), ("speaker+sentence", 0.0)):
        for fold in folds_of(corpus_, scheme=scheme, folds=folds):
            audited = audit_fold(corpus_, fold, {}, {})
            assert audited["test_seen"]["sentences"] == seen
            assert audited["shared"]["speakers"] == {"train_dev": 0, "train_test": 0, "dev_test": 0}
            assert scheme == "speaker" or audited["shared"]["sentences"]["dev_test"] == 0
