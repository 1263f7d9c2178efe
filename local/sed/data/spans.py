"""Which utterances are joined to recordings, and in which order: a plan, without any audio.

Utterances meet only within a group: one speaker's, in the same part of every fold. What chance decides is drawn from
the names of the utterances, so that one corpus's recordings do not depend on which others there are.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from local.sed.data.sets import NEUTRAL
from utils.folds import PARTS

# n is a neutral utterance, e an emotional one. As in Wang et al. 2023 the emotion comes after, before or
# between neutral speech, or fills the recording.
SINGLE = ("ne", "en", "nen", "e")
# Two emotions always have neutral speech between them: their boundary is where either meets it.
DOUBLE = ("ene", "nene", "enen", "nenen")

# Why an utterance is in no recording.
NO_NEUTRAL = "no neutral speech of the speaker in the same part of every fold"
NO_PARTNER = "no partner of another emotion"
NOT_NEEDED = "more neutral speech than is needed"

Places = tuple[str, ...]  # the part (train, dev, test) in every fold; empty for none


@dataclass(frozen=True)
class Recording:
    """Utterances to be joined."""

    id: str  # the first emotional utterance's (of neutral recordings, the first's) and `_<order>`
    utterances: tuple[str, ...]
    labels: tuple[str, ...]  # the emotion of each
    order: str  # n for each neutral, e for each emotional utterance
    places: Places

    @property
    def emotion(self) -> str:
        """The first emotional utterance's, or neutral."""
        return next((label for label in self.labels if label != NEUTRAL), NEUTRAL)


@dataclass
class Group:
    """One speaker's utterances that are in the same part of every fold, the emotional ones with their emotions."""

    speaker: str
    places: Places
    neutral: list[str] = field(default_factory=list)  # sorted
    emotional: list[tuple[str, str]] = field(default_factory=list)  # sorted by emotion and utterance


@dataclass(frozen=True)
class Plan:
    """Recordings, sorted by id, and the utterances that are in none: utterance to reason."""

    recordings: list[Recording]
    left_out: dict[str, str]


def key(*values: object) -> str:
    """Order things at random, the same everywhere and for ever: sort by ``key(seed, thing)``."""
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()


def group(
    emotion: Mapping[str, str], speaker: Mapping[str, str], folds: Sequence[Mapping[str, Iterable[str]]]
) -> list[Group]:
    """Put utterances that may be used into groups, sorted by speaker and places; those that are in no fold are in none.

    Emotion and speaker are given by utterance, and for each fold the utterances of each part.
    """
    part_in = [{utterance: part for part in PARTS for utterance in fold[part]} for fold in folds]
    groups: dict[tuple[str, Places], Group] = {}
    for utterance in sorted(emotion, key=lambda utterance: (emotion[utterance], utterance)):
        places = tuple(parts.get(utterance, "") for parts in part_in)
        if any(places):
            own = groups.setdefault((speaker[utterance], places), Group(speaker[utterance], places))
            if emotion[utterance] == NEUTRAL:
                own.neutral.append(utterance)
            else:
                own.emotional.append((utterance, emotion[utterance]))
    return [groups[name] for name in sorted(groups)]


def plan_single(groups: Iterable[Group], seed: int) -> Plan:
    """Plan recordings with one emotional span.

    Every emotional utterance is in exactly one recording. Orders are dealt evenly within each emotion of a group, of an
    emotion and of the corpus; without neutral utterances in the group there is only ``e``. Neutral recordings are
    joined of two utterances, where there are two, so that a join alone does not tell a change. There are as many as
    recordings of one emotion alone have on average (at least one a group with neutral speech, at most one a neutral
    utterance): what holds one emotion throughout is then balanced over all emotions.
    """
    groups, recordings, left_out = list(groups), [], {}
    rotations = [_Rotation(own.neutral, seed) for own in groups]
    counts: Counter[tuple] = Counter()
    alone: list[tuple[str, int]] = []  # emotion and number of the group of recordings of one emotion alone
    for number, (own, rotation) in enumerate(zip(groups, rotations, strict=True)):
        for utterance, emotion in sorted(own.emotional, key=lambda item: key(seed, item[0])):
            order = _deal(counts, SINGLE, own, (emotion,), seed, utterance)
            recordings.append(_recording(own, order, [(utterance, emotion)], rotation))
            if order == "e":
                alone.append((emotion, number))
    for own, rotation, wanted in zip(groups, rotations, _neutral_wanted(groups, alone), strict=True):
        for utterance in sorted(own.neutral, key=lambda utterance: key(seed, "neutral", utterance))[:wanted]:
            rotation.used[utterance] += 1
            both = (utterance, *rotation.take(1, utterance, but=utterance))
            order = "n" * len(both)
            recordings.append(Recording(f"{utterance}_{order}", both, (NEUTRAL,) * len(both), order, own.places))
        left_out |= rotation.unused()
    return Plan(sorted(recordings, key=lambda recording: recording.id), left_out)


def plan_double(groups: Iterable[Group], seed: int) -> Plan:
    """Plan recordings with two spans of different emotions and neutral speech between them.

    Every emotional utterance is in at most one recording. Pairs are of the two emotions that most utterances of the
    group are left of, which leaves the fewest over; orders, and which emotion comes first, are dealt evenly.
    """
    recordings, left_out = [], {}
    counts: Counter[tuple] = Counter()
    for own in groups:
        if not own.neutral:
            left_out |= {utterance: NO_NEUTRAL for utterance, _ in own.emotional}
            continue
        rotation = _Rotation(own.neutral, seed)
        for pair in _pairs(own, seed):
            name = " ".join(sorted(utterance for utterance, _ in pair))
            emotions = tuple(sorted(emotion for _, emotion in pair))
            # In alphabetical order, or the other way round.
            turned = min((False, True), key=lambda way: (counts[emotions, way], key(seed, name, way)))
            counts[emotions, turned] += 1
            pair.sort(key=lambda item: item[1], reverse=turned)
            order = _deal(counts, DOUBLE, own, emotions, seed, name)
            recordings.append(_recording(own, order, pair, rotation))
        used = {utterance for recording in recordings for utterance in recording.utterances}
        left_out |= {utterance: NO_PARTNER for utterance, _ in own.emotional if utterance not in used}
        left_out |= rotation.unused()
    return Plan(sorted(recordings, key=lambda recording: recording.id), left_out)


def _neutral_wanted(groups: Sequence[Group], alone: Sequence[tuple[str, int]]) -> list[int]:
    """Say how many neutral recordings each group gives."""
    emotions = [max(1, len({emotion for _, emotion in own.emotional})) for own in groups]
    in_group = Counter(number for _, number in alone)
    wanted = [
        min(len(own.neutral), max(1, round(in_group[number] / emotions[number]))) for number, own in enumerate(groups)
    ]
    # Where many groups have no neutral speech, those that have it make up for them.
    target = round(len(alone) / max(1, len({emotion for emotion, _ in alone})))
    while sum(wanted) < target:
        spare = [number for number, own in enumerate(groups) if wanted[number] < len(own.neutral)]
        if not spare:
            break
        wanted[min(spare, key=lambda number: wanted[number] / len(groups[number].neutral))] += 1
    return wanted


class _Rotation:
    """Deals a group's neutral utterances out, those that were used least first."""

    def __init__(self, utterances: Iterable[str], seed: int):
        self.used = dict.fromkeys(utterances, 0)
        self.seed = seed

    def take(self, count: int, name: str, but: str = "") -> list[str]:
        """Take up to so many different ones for the recording of that name."""
        waiting = sorted(
            (utterance for utterance in self.used if utterance != but),
            key=lambda utterance: (self.used[utterance], key(self.seed, name, utterance)),
        )
        for utterance in waiting[:count]:
            self.used[utterance] += 1
        return waiting[:count]

    def unused(self) -> dict[str, str]:
        """Those that were never taken, with the reason."""
        return {utterance: NOT_NEEDED for utterance, times in self.used.items() if not times}


def _recording(own: Group, order: str, emotional: list[tuple[str, str]], rotation: _Rotation) -> Recording:
    name = f"{emotional[0][0]}_{order}"
    neutral = [(utterance, NEUTRAL) for utterance in rotation.take(order.count("n"), name)]
    waiting = {"n": iter(neutral), "e": iter(emotional)}
    utterances, labels = zip(*(next(waiting[letter]) for letter in order), strict=True)
    return Recording(name, utterances, labels, order, own.places)


def _deal(
    counts: Counter[tuple], orders: Sequence[str], own: Group, emotions: tuple[str, ...], seed: int, name: str
) -> str:
    """Choose the order that was dealt least in the group and emotion, then in the emotion, then in the corpus."""
    levels = ((own.speaker, own.places, emotions), (emotions,), ())
    # With fewer neutral utterances than an order asks for, the same would be heard twice.
    possible = [order for order in orders if order.count("n") <= len(own.neutral)]
    chosen = min(possible, key=lambda order: (*(counts[level, order] for level in levels), key(seed, name, order)))
    # What leaves no choice does not count as dealt.
    if len(possible) > 1:
        counts.update((level, chosen) for level in levels)
    return chosen


def _pairs(own: Group, seed: int) -> Iterable[list[tuple[str, str]]]:
    waiting: dict[str, list[str]] = defaultdict(list)
    for utterance, emotion in sorted(own.emotional, key=lambda item: key(seed, "double", item[0])):
        waiting[emotion].append(utterance)
    while sum(map(bool, waiting.values())) > 1:
        most = sorted(waiting, key=lambda emotion: (-len(waiting[emotion]), key(seed, own.speaker, emotion)))[:2]
        yield [(waiting[emotion].pop(), emotion) for emotion in most]
