"""What the parts of folds share: speakers, sentences, sessions, the same audio, and utterances tested twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from local.splits.data import PAIRS, Corpus, Fold
from local.splits.digests import Digest


def duplicates(digests: Iterable[Digest]) -> list[list[str]]:
    """Group utterances whose decoded samples are the same.

    Examples
    --------
    >>> duplicates([Digest("a", "1", ""), Digest("b", "2", ""), Digest("c", "1", ""), Digest("d", "", "unreadable")])
    [['a', 'c']]
    """
    groups = defaultdict(list)
    for digest in digests:
        if digest.samples:
            groups[digest.samples].append(digest.utterance)
    return [group for group in groups.values() if len(group) > 1]


def audit_fold(corpus: Corpus, fold: Fold, same_audio: Mapping[str, str], near: Mapping[str, int]) -> dict:
    """Count what the parts of one fold share.

    ``same_audio`` maps an utterance to something that only utterances with the same audio share; utterances whose audio
    could not be read are not in it. ``near`` does so for what sounds the same; others are not in it.

    Returns
    -------
    dict
        ``n`` (utterances by part and emotion), ``speakers`` (how many, by part), ``shared`` (how many speakers,
        sentences, sessions, audio signals and near-duplicates two parts have in common), ``test_seen`` (share of the
        test utterances whose speaker, sentence, session, audio or near-duplicate is also in train); None where the
        corpus does not say.
    """
    kinds = {
        "speakers": corpus.person, "sentences": corpus.sentence, "sessions": corpus.session, "audio": same_audio,
        "near": near,
    }  # fmt: skip
    parts = fold.parts()
    result = {
        "n": {part: corpus.count(utterances) for part, utterances in parts.items()},
        "speakers": {part: len({corpus.speaker[u] for u in utterances}) for part, utterances in parts.items()},
        "shared": {},
        "test_seen": {},
    }
    for kind, of in kinds.items():
        if not of and kind not in ("audio", "near"):
            result["shared"][kind] = result["test_seen"][kind] = None
            continue
        have = {part: {of[u] for u in utterances if u in of} for part, utterances in parts.items()}
        result["shared"][kind] = {f"{one}_{other}": len(have[one] & have[other]) for one, other in PAIRS}
        result["test_seen"][kind] = sum(u in of and of[u] in have["train"] for u in fold.test) / len(fold.test)
    return result


def effective_speakers(corpus: Corpus, folds: Sequence[Fold]) -> dict[str, float]:
    """Count the people behind each emotion's places in the test lists, as if all said equally much.

    Of n_s places of person s it is (sum n_s)^2 / sum n_s^2, Kish's effective size: the number of people where all have
    the same share, and nearly 1 where one person says nearly everything.

    Source: L. Kish, Survey Sampling (Wiley, 1965), section 8.2.
    """
    places = {emotion: Counter() for emotion in corpus.emotions}
    for fold in folds:
        for utterance in fold.test:
            places[corpus.emotion[utterance]][corpus.person[utterance]] += 1
    return {
        emotion: counts.total() ** 2 / sum(n**2 for n in counts.values()) if counts else 0.0
        for emotion, counts in places.items()
    }


def voices_elsewhere(
    corpus: Corpus, folds: Sequence[Fold], beside: Mapping[str, tuple[Mapping[str, str], Sequence[Mapping]]]
) -> dict[str, int]:
    """Count the people of a fold's test list on whom the same fold of another corpus trains.

    Parameters
    ----------
    corpus : Corpus
        Which is tested.
    folds : sequence of Fold
        Its folds.
    beside : mapping of str to (mapping of str to str, sequence of mapping)
        Other corpora by name: utterance to person, and fold lists. One with another number of folds is not paired
        with this corpus.

    Returns
    -------
    dict of str to int
        Of each corpus with any: how many, over all folds.
    """
    found = {}
    for name, (person, lists) in beside.items():
        seen = set()
        for fold, other in zip(folds, lists, strict=False) if len(lists) == len(folds) else ():
            trained = {person[utterance] for utterance in other["train"]}
            seen |= trained.intersection(corpus.person[utterance] for utterance in fold.test)
        if seen:
            found[name] = len(seen)
    return found


def count_test(folds: Sequence[Fold]) -> dict[str, int]:
    """Count the test lists' places, the utterances in them, and those that stand in several."""
    counts = Counter(utterance for fold in folds for utterance in fold.test)
    return {
        "slots": counts.total(), "distinct": len(counts), "repeated": sum(count > 1 for count in counts.values()),
    }  # fmt: skip


def count_delivery(corpus: Corpus, folds: Sequence[Fold]) -> dict[str, int] | None:
    """Count the test lists' places by how the utterance was brought about; None where the corpus does not say."""
    if not corpus.delivery:
        return None
    counts = Counter(corpus.delivery[utterance] for fold in folds for utterance in fold.test)
    return dict(sorted(counts.items()))
