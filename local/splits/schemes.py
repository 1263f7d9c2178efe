"""The split schemes: how a corpus is cut into K folds of train, dev and test.

Of K groups, fold k tests on group k, develops on group k + 1 (modulo K) and trains on the rest, so that
every utterance is tested once. Groups of speakers that ``split.reserve`` adds train in every fold. With
``split.one_speaker``, scheme ``speaker`` cuts a corpus of one speaker at random.

Scheme ``speaker+sentence`` keeps sentences apart too. The corpus's sentences are cut into two halves; of the speakers
of scheme ``speaker``, even folds test the first half and odd ones the second, and train and dev have the other half.
That no speaker and no sentence is known costs half of all: of the utterances, each of which is tested at most once, and
of what a fold trains and develops on. Beside scheme ``speaker`` it therefore stands for less training too. Its control
is ``speaker+matched``: the same tests, and train and dev lists with as many utterances of each speaker and emotion,
drawn from all sentences. What separates these two is whether the tested sentences were heard, and nothing else.

Scheme ``speaker+mixed`` is the control of scheme ``speaker``: the same folds, with the utterances of each emotion dealt
out anew among the places of that emotion. Every fold tests, develops and trains on as many utterances of each emotion
as there, and the same utterances are tested, each once; but their speakers are in train too. What separates the two is
whether the tested speakers were heard, and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

from local.experiment import Cap, Split
from local.splits.data import Corpus, Fold
from local.splits.emobox import read_emobox
from local.splits.partition import key, partition
from local.splits.published import read_published
from utils.errors import UserError
from utils.folds import PARTS

HALVED = ("speaker+sentence", "speaker+matched")  # test half of the sentences
READ = {"published": read_published, "emobox": read_emobox}  # not cut but read


def make_folds(corpus: Corpus, split: Split, published: str) -> tuple[list[Fold], list[str]]:
    """Cut a corpus into folds, in every part of which every emotion occurs, with notes for a person, a line each.

    ``published`` is the corpus's folder in ``split.published_dir``, or its name in EmoBox.

    Raises
    ------
    UserError
        The corpus cannot be cut so: the message says which speakers or which emotion are lacking where.
    """
    folds, notes = READ[split.scheme](corpus, split, published) if split.scheme in READ else _cut(corpus, split)
    for k, fold in enumerate(folds):
        _check(corpus, split, k, fold)
    return folds, notes


def _cut(corpus: Corpus, split: Split) -> tuple[list[Fold], list[str]]:
    schemes = {"speaker": _speaker_groups, "session": _session_groups, "random": _random_groups}
    schemes |= dict.fromkeys((*HALVED, "speaker+mixed"), _speaker_groups)
    scheme, notes = split.scheme, []
    if scheme == "speaker" and len(corpus.speakers) == 1 and split.one_speaker == "random" and not split.reserve:
        scheme = "random"
    groups = schemes[scheme](corpus, split)
    halves = _sentence_halves(corpus, split) if scheme in HALVED else None
    folds = [_fold(corpus, split, groups, k, halves and halves[k % 2]) for k in range(split.folds)]
    if scheme == "speaker+matched":
        everything = dataclasses.replace(split, cap=Cap())
        folds = [_matched(corpus, split, own, _fold(corpus, everything, groups, k)) for k, own in enumerate(folds)]
    if scheme == "speaker+mixed":
        tested = {utterance for fold in folds for utterance in fold.test}
        dealt = _dealt_anew(corpus, split, groups)
        whole = dataclasses.replace(split, cap=dataclasses.replace(split.cap, test=None))
        folds = [_fold(corpus, whole, dealt, k) for k in range(split.folds)]
        folds = [dataclasses.replace(fold, test=tuple(u for u in fold.test if u in tested)) for fold in folds]
    if halves:
        tested = sum(len(fold.test) for fold in folds)
        notes = [f"half of the sentences are tested in each fold: {tested} of {len(corpus.emotion)} utterances"]
    if scheme in ("random", "speaker+mixed"):
        notes = [f"{scheme} folds: speakers of the test part are in train too, so scores flatter"]
    return folds, notes


def _speaker_groups(corpus: Corpus, split: Split) -> list[set[str]]:
    if len(corpus.speakers) == 1 and split.reserve:
        raise UserError(f"{corpus.folder}: has one speaker, so none can be reserved; set split.reserve to 0")
    if len(corpus.speakers) == 1:
        raise UserError(
            f"{corpus.folder}: has one speaker, so no speaker-disjoint folds; set split.one_speaker to random (or "
            f"split.scheme to published where there are published folds), and its results are marked so"
        )
    return _whole_groups(corpus, split, corpus.person, "speakers")


def _session_groups(corpus: Corpus, split: Split) -> list[set[str]]:
    if not corpus.session:
        raise UserError(f"{corpus.folder}: there is no utt2sess, so no folds by session; set split.scheme to speaker")
    return _whole_groups(corpus, split, corpus.session, "sessions")


def _whole_groups(corpus: Corpus, split: Split, unit_of: dict[str, str], what: str) -> list[set[str]]:
    """Group utterances so that those of one speaker or session stay together."""
    members = _members(corpus, unit_of)
    counts = {unit: list(corpus.count(utterances).values()) for unit, utterances in members.items()}
    having = {emotion: sum(row[c] > 0 for row in counts.values()) for c, emotion in enumerate(corpus.emotions)}
    emotion, most = min(having.items(), key=lambda item: item[1])
    number = split.folds + split.reserve
    if most < number:
        needed = f"{split.folds} folds" + (f" and {split.reserve} reserved groups" if split.reserve else "")
        raise UserError(
            f"{corpus.folder}: {needed} need {number} {what} of every emotion, and only {most} have '{emotion}'; "
            + (
                f"set split.folds to at most {most - split.reserve}"
                if most - split.reserve >= 3
                else "set split.reserve lower"
                if split.reserve and most >= 3
                else "choose another split.scheme"
            )
            + ", or drop the emotion from `emotions`"
        )
    genders = {unit: [0.0, 0.0] for unit in members}
    for unit, utterances in members.items():
        for speaker in {corpus.speaker[utterance] for utterance in utterances}:
            if speaker in corpus.gender:
                genders[unit]["fm".index(corpus.gender[speaker])] += 1
    groups = [
        {utterance for unit in units for utterance in members[unit]}
        for units in partition(counts, genders, number, split.seed)
    ]
    # The largest beside the smallest, and so on: a fold's test and dev are neighbours, so that what is left for
    # training differs least from fold to fold.
    by_size = sorted(groups, key=lambda group: (-len(group), min(corpus.content[utterance] for utterance in group)))
    return [by_size.pop(0 if place % 2 == 0 else -1) for place in range(len(groups))]


def _members(corpus: Corpus, unit_of: dict[str, str]) -> dict[str, list[str]]:
    """List the utterances of each unit, which is named by what its utterances hold."""
    members = defaultdict(list)
    for utterance, unit in unit_of.items():
        members[unit].append(utterance)
    return {key(*sorted(corpus.content[utterance] for utterance in own)): own for own in members.values()}


def _sentence_halves(corpus: Corpus, split: Split) -> tuple[set[str], set[str]]:
    """Cut a corpus's utterances into two halves that share no sentence."""
    if not corpus.sentence:
        raise UserError(f"{corpus.folder}: there is no utt2sent, so no folds by sentence; set split.scheme to speaker")
    members = _members(corpus, corpus.sentence)
    if len(members) < 2:
        raise UserError(f"{corpus.folder}: has one sentence, which cannot be kept apart; set split.scheme to speaker")
    counts = {sentence: list(corpus.count(utterances).values()) for sentence, utterances in members.items()}
    halves = partition(counts, {sentence: [] for sentence in members}, 2, split.seed)
    first, second = ({utterance for sentence in half for utterance in members[sentence]} for half in halves)
    return first, second


def _random_groups(corpus: Corpus, split: Split) -> list[set[str]]:
    groups: list[set[str]] = [set() for _ in range(split.folds)]
    dealt = 0
    for emotion in corpus.emotions:
        utterances = [utterance for utterance, own in corpus.emotion.items() if own == emotion]
        # Counting on from emotion to emotion keeps the groups' sizes equal too.
        for utterance in sorted(utterances, key=lambda utterance: key(split.seed, corpus.content[utterance])):
            groups[dealt % split.folds].add(utterance)
            dealt += 1
    return groups


def _dealt_anew(corpus: Corpus, split: Split, groups: list[set[str]]) -> list[set[str]]:
    """Exchange the utterances of each emotion at random, so that every group keeps its number of each."""
    dealt: list[set[str]] = [set() for _ in groups]
    for emotion in corpus.emotions:
        drawn = sorted(
            (utterance for utterance, own in corpus.emotion.items() if own == emotion),
            key=lambda utterance: key(split.seed, "mixed", corpus.content[utterance]),
        )
        for group, own in zip(dealt, groups, strict=True):
            count = sum(corpus.emotion[utterance] == emotion for utterance in own)
            group.update(drawn[:count])
            del drawn[:count]
    return dealt


def _fold(corpus: Corpus, split: Split, groups: list[set[str]], k: int, tested: set[str] | None = None) -> Fold:
    """Put a fold together; of ``tested``, where it is given, the test part alone has anything, and nothing else."""
    dev = (k + 1) % split.folds
    parts = {
        "train": set().union(*(group for g, group in enumerate(groups) if g not in (k, dev))),
        "dev": groups[dev],
        "test": groups[k],
    }
    if tested is not None:
        parts = {part: own & tested if part == "test" else own - tested for part, own in parts.items()}
    return Fold(**{part: _capped(corpus, parts[part], getattr(split.cap, part), split.seed) for part in PARTS})


def _matched(corpus: Corpus, split: Split, apart: Fold, whole: Fold) -> Fold:
    """Draw train and dev from whole parts, as many utterances of each speaker and emotion as sentences apart leave."""

    def draw(part: str) -> tuple[str, ...]:
        left = Counter((corpus.speaker[utterance], corpus.emotion[utterance]) for utterance in getattr(apart, part))
        drawn = []
        for utterance in sorted(getattr(whole, part), key=lambda one: key(split.seed, "matched", corpus.content[one])):
            kind = corpus.speaker[utterance], corpus.emotion[utterance]
            if left[kind]:
                left[kind] -= 1
                drawn.append(utterance)
        return tuple(sorted(drawn))

    return Fold(train=draw("train"), dev=draw("dev"), test=apart.test)


def _capped(corpus: Corpus, utterances: set[str], cap: int | None, seed: int) -> tuple[str, ...]:
    """Keep at most ``cap`` utterances of each emotion, taken from the speakers in turn."""
    if cap is None:
        return tuple(sorted(utterances))
    turns: dict[tuple[str, str], int] = defaultdict(int)
    queue: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for order, utterance in sorted((key(seed, corpus.content[utterance]), utterance) for utterance in utterances):
        emotion, speaker = corpus.emotion[utterance], corpus.speaker[utterance]
        queue[emotion].append((turns[emotion, speaker], order, utterance))
        turns[emotion, speaker] += 1
    return tuple(sorted(utterance for waiting in queue.values() for *_, utterance in sorted(waiting)[:cap]))


def _check(corpus: Corpus, split: Split, k: int, fold: Fold) -> None:
    for part, utterances in fold.parts().items():
        lacking = [emotion for emotion, count in corpus.count(utterances).items() if not count]
        if lacking:
            speakers = ", ".join(sorted({corpus.speaker[utterance] for utterance in utterances})) or "none"
            raise UserError(
                f"{corpus.folder}: fold {k} of the scheme '{split.scheme}' has no '{lacking[0]}' in {part} (its "
                f"speakers: {speakers}); lower split.folds, drop it from `emotions`, or choose another split.scheme"
            )
