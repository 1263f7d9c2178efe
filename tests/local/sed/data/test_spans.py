"""Plans use every emotional utterance, deal orders evenly, and never leave a group."""

from __future__ import annotations

from collections import Counter

import pytest

from local.sed.data import spans

EMOTIONS = ["angry", "happy", "neutral", "sad"]


def corpus(speakers=6, each=5, neutral=5, folds=3):
    """Utterances s<speaker>-<emotion><number> in folds without a speaker in two parts."""
    names = [
        f"s{s}-{emotion}{n}" for s in range(speakers) for emotion in EMOTIONS
        for n in range(neutral if emotion == "neutral" else each)
    ]  # fmt: skip
    emotion = {name: name.split("-")[1].rstrip("0123456789") for name in names}
    speaker = {name: name.split("-")[0] for name in names}
    lists = [
        {
            part: [name for name in names if (int(name[1]) - k) % folds in residues]
            for part, residues in {"test": [0], "dev": [1], "train": range(2, folds)}.items()
        }
        for k in range(folds)
    ]
    return emotion, speaker, lists


def single(seed=0, **kwargs):
    return spans.plan_single(spans.group(*corpus(**kwargs)), seed)


def double(seed=0, **kwargs):
    return spans.plan_double(spans.group(*corpus(**kwargs)), seed)


def emotional(plan):
    return Counter(
        utterance for own in plan.recordings for utterance, label in zip(own.utterances, own.labels, strict=True)
        if label != "neutral"
    )  # fmt: skip


@pytest.mark.parametrize("neutral", [0, 1, 2, 5, 40])
def test_every_emotional_utterance_is_in_exactly_one_recording(neutral):
    plan = single(neutral=neutral)
    wanted = {name for name, emotion in corpus()[0].items() if emotion != "neutral"}
    assert emotional(plan) == Counter(wanted)
    assert len({recording.id for recording in plan.recordings}) == len(plan.recordings)
    assert [recording.id for recording in plan.recordings] == sorted(recording.id for recording in plan.recordings)


@pytest.mark.parametrize("plan", [single(), double(), single(neutral=1), double(neutral=2)])
def test_recordings_are_as_their_order_says(plan):
    for own in plan.recordings:
        assert own.order == "".join("n" if label == "neutral" else "e" for label in own.labels)
        assert len(set(own.utterances)) == len(own.utterances)
        assert {utterance.split("-")[0] for utterance in own.utterances} == {own.id.split("-")[0]}
        assert own.id.endswith(f"_{own.order}")
        for utterance, label in zip(own.utterances, own.labels, strict=True):
            assert utterance.split("-")[1].startswith(label)
        assert own.emotion == ("neutral" if set(own.order) == {"n"} else next(x for x in own.labels if x != "neutral"))


def test_orders_are_dealt_evenly_in_the_corpus_in_each_emotion_and_for_each_speaker():
    plan = single(each=7)
    spoken = [own for own in plan.recordings if "e" in own.order]
    for part in (lambda own: 0, lambda own: own.emotion, lambda own: (own.emotion, own.id.split("-")[0])):
        for group in {part(own) for own in spoken}:
            counts = Counter(own.order for own in spoken if part(own) == group)
            counts = [counts[order] for order in spans.SINGLE]
            assert max(counts) - min(counts) <= 1, group


@pytest.mark.parametrize("neutral", [3, 5])
@pytest.mark.parametrize("plan", [single, double])
def test_neutral_utterances_are_used_evenly(plan, neutral):
    used = Counter(
        name for own in plan(neutral=neutral).recordings for name in own.utterances if "neutral" in name
    )  # fmt: skip
    for speaker in {name.split("-")[0] for name in used}:
        times = [count for name, count in used.items() if name.startswith(f"{speaker}-")]
        assert max(times) - min(times) <= 1 and len(times) == neutral


def test_one_emotion_alone_is_as_frequent_as_neutral_alone():
    plan = single(each=8)
    alone = Counter(own.emotion for own in plan.recordings if len(set(own.labels)) == 1)
    assert alone == dict.fromkeys(EMOTIONS, 12)
    assert {own.order for own in plan.recordings if own.emotion == "neutral"} == {"nn"}


def test_without_neutral_speech_of_the_speaker_emotions_are_alone_and_others_make_up_for_it():
    emotion, speaker, lists = corpus()
    kept = {name: own for name, own in emotion.items() if own != "neutral" or name.startswith("s0")}
    plan = spans.plan_single(spans.group(kept, speaker, lists), 0)
    for own in plan.recordings:
        assert own.id.startswith("s0") or own.order == "e"
    assert sum(own.emotion == "neutral" for own in plan.recordings) == 5
    others = Counter(own.order for own in plan.recordings if own.id.startswith("s0") and own.emotion != "neutral")
    assert set(others.values()) <= {3, 4}
    left_out = spans.plan_double(spans.group(kept, speaker, lists), 0).left_out
    assert {name for name, why in left_out.items() if why == spans.NO_NEUTRAL} == {
        name for name in kept if not name.startswith("s0")
    }


def test_sources_of_a_recording_are_in_the_same_part_of_every_fold():
    emotion, speaker, _ = corpus(each=9, neutral=9)
    # Random folds: speakers are in all parts.
    lists = [
        {part: [name for name in emotion if int(spans.key(name), 16) % 4 in own] for part, own in parts.items()}
        for parts in ({"train": [0], "dev": [1], "test": [2]}, {"train": [2, 1], "dev": [0], "test": []})
    ]
    groups = spans.group(emotion, speaker, lists)
    for plan in (spans.plan_single(groups, 0), spans.plan_double(groups, 0)):
        for own in plan.recordings:
            for fold, part in zip(lists, own.places, strict=True):
                found = {next((p for p in fold if name in fold[p]), "") for name in own.utterances}
                assert found == {part}
    in_none = {name for name in emotion if int(spans.key(name), 16) % 4 == 3}
    assert in_none and not in_none & {name for own in groups for name in (*own.neutral, *dict(own.emotional))}


def test_pairs_are_of_different_emotions_and_leave_the_fewest_over():
    plan = double(each=6)
    assert set(emotional(plan).values()) == {1} and plan.left_out == {}
    for own in plan.recordings:
        first, second = (label for label in own.labels if label != "neutral")
        assert first != second and "ee" not in own.order
    emotion, speaker, lists = corpus(speakers=3)
    kept = {name: own for name, own in emotion.items() if own != "sad" and name not in ("s0-angry0", "s0-angry1")}
    plan = spans.plan_double(spans.group(kept, speaker, lists), 0)
    left = {name for name, why in plan.left_out.items() if why == spans.NO_PARTNER}
    assert len(left) == 2 and all(name.startswith("s0-happy") for name in left)


def test_either_emotion_comes_first_equally_often():
    firsts = Counter(tuple(x for x in own.labels if x != "neutral") for own in double(each=8).recordings)
    for first, second in firsts:
        assert abs(firsts[first, second] - firsts[second, first]) <= 1


def test_with_one_neutral_utterance_none_is_heard_twice():
    assert {own.order for own in double(neutral=1).recordings} == {"ene"}
    assert {own.order for own in single(neutral=1).recordings} == {"ne", "en", "e", "n"}


def test_the_same_seed_gives_the_same_plan_and_another_seed_another():
    assert single() == single() and double() == double()
    assert single() != single(seed=1) and double() != double(seed=1)


def test_a_speaker_more_does_not_change_who_is_joined_with_whom():
    few, many = (
        {frozenset(u for u in own.utterances if "neutral" not in u) for own in double(speakers=speakers).recordings}
        for speakers in (3, 6)
    )
    assert few < many
