"""Properties that folds must have, whatever the corpus."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.experiment import Cap, Experiment, Split
from local.grid.factors import schemes
from local.probe.conditions import STAGE
from local.splits.data import Corpus, Fold
from local.splits.make import make
from local.splits.overlap import audit_fold
from local.splits.partition import partition
from local.splits.schemes import make_folds
from tests.local.splits.corpora import FOUR, corpus, data_dir, folds_of, grid, speakers
from utils import config
from utils.data_dir import read_utt2
from utils.errors import UserError


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Speakers who say between nothing and five utterances with each emotion, and everyone says something."""
    counts = draw(st.lists(st.tuples(*[st.integers(0, 5)] * 4).filter(any), min_size=3, max_size=14))
    rows = [
        (f"c_{s:02d}-{FOUR[e]}{n}", f"c_{s:02d}", FOUR[e])
        for s, row in enumerate(counts) for e, count in enumerate(row) for n in range(count)
    ]  # fmt: skip
    rows += [(f"c_{len(counts):02d}-{emotion}", f"c_{len(counts):02d}", emotion) for emotion in FOUR]
    with tempfile.TemporaryDirectory() as folder:
        return corpus(data_dir(Path(folder) / "c", rows))


def check_partition(corpus_: Corpus, folds: list[Fold]) -> None:
    everything = sorted(corpus_.emotion)
    assert sorted(utterance for fold in folds for utterance in fold.test) == everything
    for k, fold in enumerate(folds):
        assert sorted(fold.train + fold.dev + fold.test) == everything
        assert fold.dev == folds[(k + 1) % len(folds)].test
        assert all(list(part) == sorted(part, key=str.encode) for part in fold.parts().values())


@settings(max_examples=60, deadline=None)
@given(corpora(), st.integers(3, 5), st.integers(0, 3))
def test_speaker_folds_are_disjoint_partitions_or_an_error_that_is_true(corpus_: Corpus, k: int, seed: int) -> None:
    having = Counter(emotion for _, emotion in {(corpus_.speaker[u], e) for u, e in corpus_.emotion.items()})
    try:
        folds = folds_of(corpus_, scheme="speaker", folds=k, seed=seed)
    except UserError as error:
        scarce = min(FOUR, key=lambda emotion: having[emotion])
        if having[scarce] < k:
            assert f"only {having[scarce]} have '{scarce}'" in str(error)
        else:
            assert "has no '" in str(error)
        return
    check_partition(corpus_, folds)
    for fold in folds:
        train, dev, test = (speakers(corpus_, part) for part in fold.parts().values())
        assert not train & dev and not train & test and not dev & test
        assert all(set(corpus_.count(part).values()).isdisjoint({0}) for part in fold.parts().values())
    assert folds == folds_of(corpus_, scheme="speaker", folds=k, seed=seed)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 5), st.integers(0, 3), st.lists(st.integers(5, 30), min_size=4, max_size=4))
def test_random_folds_are_stratified_partitions(k: int, seed: int, counts: list[int]) -> None:
    rows = [
        (f"s-{emotion}{n}", "s", emotion) for emotion, count in zip(FOUR, counts, strict=True) for n in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        corpus_ = corpus(data_dir(Path(folder) / "c", rows))
    folds = folds_of(corpus_, scheme="random", folds=k, seed=seed)
    check_partition(corpus_, folds)
    for emotion, count in zip(FOUR, counts, strict=True):
        assert {corpus_.count(fold.test)[emotion] for fold in folds} <= {count // k, -(-count // k)}
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_speaker_folds_are_balanced_in_emotion_and_gender(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", speakers=10))
    for fold in folds_of(corpus_, folds=5):
        assert sorted(corpus_.gender[speaker] for speaker in speakers(corpus_, fold.test)) == ["f", "m"]
        assert set(corpus_.count(fold.test).values()) == {4}


def test_what_is_left_for_training_differs_little(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", speakers=6))
    assert {len(speakers(corpus_, fold.train)) for fold in folds_of(corpus_, folds=4)} == {3}


def test_partition_finds_the_best_of_all_partitions() -> None:
    # Of six units there are few enough partitions into three to try them all.
    import itertools

    import numpy as np

    classes = {"a": [9, 1], "b": [1, 2], "c": [2, 5], "d": [3, 3], "e": [0, 4], "f": [5, 0]}
    others = {unit: [float(unit in "ace")] for unit in classes}

    def cost(groups: list[list[str]]) -> tuple[int, float]:
        counts = np.array([[sum(classes[unit][c] for unit in group) for c in range(2)] for group in groups])
        extra = np.array([[sum(others[unit][0] for unit in group), len(group)] for group in groups])
        shares = np.hstack([counts, extra]) / np.hstack([counts, extra]).sum(axis=0)
        return int((counts == 0).sum()), round(float(((shares - 1 / 3) ** 2).sum()), 9)

    every = []
    for assigned in itertools.product(range(3), repeat=6):
        groups = [[unit for unit, group in zip(classes, assigned, strict=True) if group == g] for g in range(3)]
        if all(groups):
            every.append(cost(groups))
    assert cost(partition(classes, others, 3, seed=0)) == min(every)


def test_a_scarce_emotion_is_spread_over_the_groups(tmp_path: Path) -> None:
    # Three big speakers without sadness, and three small ones with: dealing by size alone would not do.
    rows = [(f"big{s}-{e}{n}", f"big{s}", e) for s in range(3) for e in FOUR[:3] for n in range(10)]
    rows += [(f"small{s}-{e}", f"small{s}", e) for s in range(3) for e in FOUR]
    corpus_ = corpus(data_dir(tmp_path / "c", rows))
    for fold in folds_of(corpus_, folds=3):
        assert corpus_.count(fold.test) == {"angry": 11, "happy": 11, "neutral": 11, "sad": 1}


def test_the_seed_changes_the_folds_and_nothing_else_does(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", speakers=12))
    by_seed = [tuple(folds_of(corpus_, seed=seed)) for seed in range(4)]
    assert len(set(by_seed)) > 1
    # Pinned: the same on every machine and for ever, or published results cannot be repeated.
    assert [sorted(speakers(corpus_, fold.test)) for fold in by_seed[0]] == [
        ["c_00", "c_03", "c_11"],
        ["c_09", "c_10"],
        ["c_02", "c_05", "c_06"],
        ["c_07", "c_08"],
        ["c_01", "c_04"],
    ]  # fmt: skip
    assert folds_of(corpus_, scheme="random", seed=1) != folds_of(corpus_, scheme="random", seed=2)


def test_caps_hold_and_take_from_the_speakers_in_turn(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", speakers=10, each=6))
    whole = folds_of(corpus_)
    for k, fold in enumerate(folds_of(corpus_, cap=Cap(train=9, dev=None, test=3))):
        assert set(corpus_.count(fold.train).values()) == {9}
        assert set(corpus_.count(fold.test).values()) == {3}
        assert fold.dev == whole[k].dev
        assert set(fold.train) < set(whole[k].train)
        by_speaker = Counter((corpus_.speaker[u], corpus_.emotion[u]) for u in fold.train)
        assert max(by_speaker.values()) - min(by_speaker.values()) <= 1
    few, many = folds_of(corpus_, cap=Cap(train=4)), folds_of(corpus_, cap=Cap(train=5))
    assert all(set(a.train) < set(b.train) for a, b in zip(few, many, strict=True))


def test_sessions_stay_whole(tmp_path: Path) -> None:
    grid(tmp_path / "c", speakers=10)
    # Two speakers a session, as in IEMOCAP.
    rows = [line.split() for line in (tmp_path / "c/utt2spk").read_text().splitlines()]
    sessions = {utterance: f"c_ses{int(speaker[2:]) // 2}" for utterance, speaker in rows}
    with pytest.raises(UserError, match="there is no utt2sess"):
        folds_of(corpus(tmp_path / "c"), scheme="session")
    (tmp_path / "c/utt2sess").write_text("".join(f"{utterance} {session}\n" for utterance, session in sessions.items()))
    corpus_ = corpus(tmp_path / "c")
    folds = folds_of(corpus_, scheme="session", folds=5)
    check_partition(corpus_, folds)
    for fold in folds:
        assert len({sessions[utterance] for utterance in fold.test}) == 1
        assert len(speakers(corpus_, fold.test)) == 2


@pytest.mark.parametrize(
    ("count", "split", "words"),
    [
        (1, {}, "has one speaker, so no speaker-disjoint folds; set split.one_speaker to random"),
        (1, {"reserve": 1, "one_speaker": "random"}, "has one speaker, so none can be reserved"),
        (4, {}, "5 folds need 5 speakers of every emotion, and only 4 have 'angry'; set split.folds to at most 4"),
        (2, {}, "only 2 have 'angry'; choose another split.scheme"),
    ],
)
def test_too_few_speakers_is_an_error(tmp_path: Path, count: int, split: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        folds_of(corpus(grid(tmp_path / "c", speakers=count)), **split)


def test_an_emotion_that_too_few_speakers_have_is_named(tmp_path: Path) -> None:
    rows = [(f"c_{s}-{e}", f"c_{s}", e) for s in range(8) for e in FOUR[: 4 if s < 3 else 3]]
    corpus_ = corpus(data_dir(tmp_path / "c", rows))
    with pytest.raises(
        UserError, match="5 speakers of every emotion, and only 3 have 'sad'; set split.folds to at most 3"
    ):
        folds_of(corpus_)
    assert len(folds_of(corpus_, folds=3)) == 3


def test_an_emotion_that_nobody_has_is_named(tmp_path: Path) -> None:
    folder = grid(tmp_path / "c", speakers=5)
    with pytest.raises(UserError, match=r"utt2emo: no utterance is 'bored' \(there are: angry, happy, neutral, sad\)"):
        corpus(folder, ("angry", "bored"))


def test_random_folds_too_small_for_an_emotion_name_it(tmp_path: Path) -> None:
    rows = [(f"s-{e}{n}", "s", e) for e in FOUR for n in range(2 if e == "sad" else 9)]
    with pytest.raises(UserError, match=r"fold \d of the scheme 'random' has no 'sad' in (dev|test)"):
        folds_of(corpus(data_dir(tmp_path / "c", rows)), scheme="random")


def test_only_emotions_asked_for_are_in_folds(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", speakers=5, emotions=(*FOUR, "bored")))
    assert not any(
        "bored" in utterance for fold in folds_of(corpus_) for utterance in fold.train + fold.dev + fold.test
    )


def test_random_folds_say_that_they_flatter(tmp_path: Path) -> None:
    _, notes = make_folds(corpus(grid(tmp_path / "c", speakers=5)), Split(scheme="random"), "c")
    assert "speakers of the test part are in train too" in notes[0]


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("scheme: speakers", "split.scheme: 'speakers' is not one of speaker, session, published, random"),
        ("folds: 2", "split.folds must be at least 3"),
        ("cap: {train: 0}", "split.cap must be positive"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(tmp_path: Path, split: str, words: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(f"corpora: [c]\nencoders: [logmel]\nsplit: {{{split}}}\n")
    with pytest.raises(UserError, match=words):
        config.load(Experiment, path)


def test_reserved_speakers_train_in_every_fold_and_only_they_do(tmp_path: Path) -> None:
    own = corpus(grid(tmp_path / "c", 8))
    folds = folds_of(own, scheme="speaker", folds=3, reserve=2)
    seen = [speakers(own, fold.dev) | speakers(own, fold.test) for fold in folds]
    always = set.intersection(*(speakers(own, fold.train) for fold in folds))
    assert len(folds) == 3 and len(always) in (2, 3) and always == set(own.speakers) - set.union(*seen)
    assert sorted(u for fold in folds for u in fold.test) == sorted(
        u for u, s in own.speaker.items() if s not in always
    )


@pytest.mark.parametrize(("scheme", "reserve"), [("random", 1), ("published", 1), ("speaker", -1)])
def test_what_cannot_be_reserved_is_refused(scheme: str, reserve: int) -> None:
    with pytest.raises(ValueError, match="split.reserve must be 0 or more"):
        Split(scheme=scheme, reserve=reserve)


def test_too_few_speakers_to_reserve_any_is_said(tmp_path: Path) -> None:
    own = corpus(grid(tmp_path / "c", 5))
    with pytest.raises(UserError, match="3 folds and 3 reserved groups need 6 speakers .* set split.reserve lower"):
        folds_of(own, scheme="speaker", folds=3, reserve=3)


def test_reserved_speakers_get_a_data_directory_with_all_that_they_say(tmp_path: Path) -> None:
    data = grid(tmp_path / "c", 8, emotions=[*FOUR, "fear"])
    split = Split(folds=3, reserve=2)
    make(data, split, FOUR, "c")
    reserved = data / "folds/speaker/reserved"
    heard = read_utt2(reserved, "spk")
    tested = {
        line.split("-")[0]
        for fold in "012" for part in ("dev", "test")
        for line in (data / f"folds/speaker/{fold}/{part}").read_text().splitlines()
    }  # fmt: skip
    assert set(heard.values()) == set(read_utt2(data, "spk").values()) - tested
    assert sorted(set(read_utt2(reserved, "emo").values())) == sorted([*FOUR, "fear"])
    make(data, Split(folds=3), FOUR, "c")
    assert not reserved.exists()


def test_a_corpus_of_one_speaker_is_refused_or_cut_at_random(tmp_path: Path) -> None:
    own = corpus(grid(tmp_path / "c", 1, each=6))
    with pytest.raises(UserError, match="has one speaker, .* set split.one_speaker to random"):
        folds_of(own, scheme="speaker", folds=3)
    folds, notes = make_folds(own, Split(folds=3, one_speaker="random"), "c")
    assert folds == folds_of(own, scheme="random", folds=3) and "random folds" in notes[0]
    several = corpus(grid(tmp_path / "d", 6))
    assert folds_of(several, folds=3, one_speaker="random") == folds_of(several, folds=3)


def test_a_person_stays_in_one_part_whatever_they_are_called(tmp_path: Path) -> None:
    folder = grid(tmp_path / "c", speakers=8)
    plain = folds_of(corpus(folder), folds=3)
    persons = {f"c_{s:02d}": f"c_{s:02d}" for s in range(8)} | {"c_07": "c_00"}
    (folder / "spk2person").write_text("".join(f"{key} {value}\n" for key, value in persons.items()))
    corpus_ = corpus(folder)
    for fold in folds_of(corpus_, folds=3):
        parts = [speakers(corpus_, own) for own in fold.parts().values()]
        assert any({"c_00", "c_07"} <= part for part in parts)
        assert audit_fold(corpus_, fold, {}, {})["shared"]["speakers"]["train_test"] == 0
    # Other words for the same people cut the same folds.
    (folder / "spk2person").write_text("".join(f"c_{s:02d} elsewhere_{7 - s}\n" for s in range(8)))
    assert folds_of(corpus(folder), folds=3) == plain


def test_both_schemes_stand_side_by_side() -> None:
    both = ["speaker", "speaker+sentence"]
    experiment = Experiment(corpora=["c"], encoders=["logmel"], vary={"split": both})
    assert schemes(experiment) == both
    made = STAGE.conditions(experiment)
    assert [one.factors["split"] for one in made] == both
    assert [one.name for one in made] == ["logmel.linear.c-c", "logmel.linear.c-c.split=speaker+sentence"]
    assert [group.scheme for group in STAGE.groups(experiment)] == both
