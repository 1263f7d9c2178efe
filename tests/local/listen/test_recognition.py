"""Groups of listeners: UA, confusions, precision and agreement by hand, and models on the same clips."""

from __future__ import annotations

import numpy as np
import pytest

from local.listen import contrasts, gather, logistic, recognition
from local.listen.answers import Answer
from local.listen.models import Model
from tests.local.listen.world import EMOTIONS, answer, clips
from utils.errors import UserError


def choice(listener: str, utt: str, truth: str, said: str, group: str = "g", language: str = "de") -> Answer:
    return Answer(listener, group, "choice", 1, utt, language, truth, said)


SMALL = [
    choice("a", "u1", "angry", "angry"), choice("a", "u2", "happy", "angry"), choice("a", "u3", "happy", "happy"),
    choice("b", "u1", "angry", "happy"), choice("b", "u2", "happy", "happy"),
]  # fmt: skip


def test_worked_numbers_with_an_answer_missing():
    (heard,) = gather.gather(SMALL, EMOTIONS)
    (row,) = recognition.scores(heard, [], {})
    assert (row["listeners"], row["clips"], row["n"]) == (2, 3, 5)
    assert float(row["ua"]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (row["recall_angry"], row["recall_sad"]) == ("0.5", "")
    cells = {(own["emotion"], own["answer"]): own["share"] for own in recognition.confusions(heard, [], {})}
    assert (cells["happy", "angry"], cells["happy", "happy"], cells["sad", "sad"]) == ("0.333333", "0.666667", "")
    single = {(own["listener"], own["emotion"]): own for own in recognition.by_listener(heard)}
    assert [single["a", "angry"][name] for name in recognition.MEASURES] == ["1", "0.5", "0.666667"]
    # Who never says what was heard has no precision, and F1 0.
    assert [single["b", "angry"][name] for name in recognition.MEASURES] == ["0", "", "0"]
    assert single["a", "all"]["recall"] == "0.75"


def test_listeners_who_agree_and_a_clip_answered_twice():
    heard = clips(["de"])
    (alike,) = gather.gather(answer(heard, {("g", "de"): 9.0}, spread=0), EMOTIONS)
    assert float(recognition.reliability(alike)["alpha"]) > 0.97
    assert alike.simulated
    with pytest.raises(UserError, match="a answered u1 twice"):
        gather.gather([*SMALL, SMALL[0]], EMOTIONS)
    with pytest.raises(UserError, match="'bored' is none of"):
        gather.gather([choice("a", "u1", "angry", "bored")], EMOTIONS)


def test_models_on_the_same_clips_and_on_samples_of_their_size():
    heard = clips(["de"], each=3)
    (people,) = gather.gather(answer(heard, {("g", "de"): 1.0}), EMOTIONS)
    utts = sorted([*(clip.utt for clip in heard), *(f"de_x-{place:03d}" for place in range(88))])
    reference = np.array([int(utt[-3:]) % 4 for utt in utts])
    right = np.array([utt.startswith("de_s") or place % 2 == 0 for place, utt in enumerate(utts)])
    said = np.eye(4)[np.where(right, reference, (reference + 1) % 4)]
    model = Model("probe", "m", "m.linear", "de", "de", EMOTIONS, utts, reference, said, said, 1)
    corpus = {clip.utt: "de" for clip in heard}
    _, row = recognition.scores(people, [model], corpus)
    assert float(row["ua"]) == 1 > float(row["ua_all"]) == pytest.approx(0.56, abs=0.02)
    assert float(row["sample_lo"]) < float(row["ua_all"]) < float(row["sample_hi"]) < 1
    # A model that was not tested on all of the clips is not beside people.
    assert len([*recognition.scores(people, [model], corpus | {heard[0].utt: "fr"})]) == 1
    shares = [float(own["share"]) for own in recognition.confusions(people, [model], corpus) if own["who"] != "people"]
    assert np.reshape(shares, (4, 4)).tolist() == np.eye(4).tolist()


def test_groups_by_welch_and_languages_by_pairs():
    skill = {("de", "de"): 2.5, ("de", "zh"): 1.0, ("zh", "de"): 0.5, ("zh", "zh"): 2.5}
    groups = gather.gather(answer(clips(["de", "zh"]), skill, people=8), EMOTIONS)
    rows = contrasts.table([row for own in groups for row in recognition.by_listener(own)])
    ua = {(r["kind"], r["in"]): r for r in rows if (r["measure"], r["emotion"]) == ("recall", "all")}
    assert set(ua) == {("groups", "de"), ("groups", "zh"), ("languages", "de"), ("languages", "zh")}
    apart = ua["groups", "de"]
    assert float(apart["difference"]) > 0.1 and float(apart["p_holm"]) < 0.05
    assert 7 <= float(apart["df"]) <= 14 == float(apart["student_df"])
    same = ua["languages", "zh"]
    assert float(same["difference"]) < 0 and (same["df"], same["student_df"]) == ("7", "14")
    assert len(rows) == 4 * 5 * 3
    odds = {(r["contrast"], r["in"]): r for r in logistic.table(groups)}
    assert set(odds) == set(ua) and float(odds["groups", "de"]["lo"]) > 0 > float(odds["languages", "zh"]["hi"])
    assert odds["groups", "de"]["df"] == 14


def test_welch_by_hand_and_where_there_is_no_test():
    a, b = np.array([0.2, 0.4, 0.6]), np.array([0.8, 0.9])
    found = contrasts.compare(a, b, paired=False)
    share_a, share_b = a.var(ddof=1) / 3, b.var(ddof=1) / 2
    assert float(found["t"]) == pytest.approx((0.4 - 0.85) / np.sqrt(share_a + share_b), abs=1e-4)
    df = (share_a + share_b) ** 2 / (share_a**2 / 2 + share_b**2 / 1)
    assert float(found["df"]) == pytest.approx(df, abs=1e-4)
    for one, other in ((a, np.array([])), (a, b[:1]), (np.ones(3), np.zeros(3))):
        assert contrasts.compare(one, other, paired=False)["p"] == ""
    assert contrasts.compare(a, a + 0.1, paired=True)["p"] == ""
