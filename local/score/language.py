"""Does the encoder's language matter?  Paired tests between encoders of one language each: exp/language.csv.

Compared are, under the same method and on the same utterances,

- ``own``: trained and tested on one language, its encoder (setting ``mono``) and those of others (``trans``);
- ``train``: across languages, the encoder of the training language (``cross``) and those of neither language;
- ``test``: across languages, the encoder of the test language and those of neither language.

Everything but the encoder is matched: training set, test corpus, method. Means by setting are not compared, since their
members are other corpora. Rows with ``test`` ``*`` are means over all corpora or pairs of corpora, with the speakers of
all test corpora. Encoders of several languages, or of none, take no part. Families of tests: all means (``language``),
and all rows of single test corpora (``language by corpus``), over questions, stages and methods: what the table shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from local.experiment import Score
from local.score import compare
from local.score.compare import Pair
from local.score.tabulate import Names, Scored
from utils.intervals import Blocks

QUESTIONS = ("own", "train", "test")


def columns(names: Names) -> list[str]:
    """Header of exp/language.csv."""
    labels = ["recipe", "stage", "question", "method", "test"]
    return [*labels, *compare.TESTED, *names.header, "contaminated_a", "contaminated_b"]


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Ask the three questions wherever there are encoders to answer them.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    blocks : mapping of str to Blocks
        By test corpus.
    names : Names
        How tables call systems.
    score : Score
        Confidence, number of permutations, seed.

    Returns
    -------
    list of dict
        ``a`` is the encoder whose language is that of the question, ``b`` the mean of the others.
    """
    members: dict[tuple[str, str, str, str], list[Pair]] = {}
    for question, a, b in _comparable(scored):
        one = a.condition
        found = compare.pair(a, b, blocks[one.test])
        for test in ("*", one.test):
            members.setdefault((one.stage, question, names.system(one, encoder=""), test), []).append(found)
    made = []
    for (stage, question, method, test), found in members.items():
        labels = {"stage": stage, "question": question, "method": method, "test": test}
        labels["family"] = "language" if test == "*" else "language by corpus"
        made.append(compare.contrast(labels, found, names, score))
    return compare.corrected(made, score)


def _comparable(scored: Sequence[Scored]) -> Iterator[tuple[str, Scored, Scored]]:
    """Yield questions with an encoder of the language that they are about and one of another."""
    alike: dict[tuple, list[Scored]] = {}
    for item in scored:
        one, meta = item.condition, item.condition.meta
        if len(meta["encoder_languages"]) == 1 and len(meta["train_languages"]) == 1:
            rest = tuple((name, value) for name, value in one.system if name != "encoder")
            alike.setdefault((one.stage, rest, one.train, one.test), []).append(item)
    for items in alike.values():
        meta = items[0].condition.meta
        train, test = meta["train_languages"][0], meta["test_language"]
        others = [item for item in items if item.condition.meta["encoder_languages"][0] not in (train, test)]
        for question, language in (("own", test),) if train == test else (("train", train), ("test", test)):
            for item in items:
                if item.condition.meta["encoder_languages"] == [language]:
                    yield from ((question, item, other) for other in others)
