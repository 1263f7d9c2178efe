"""Which pairs of corpora an experiment's words stand for."""

from __future__ import annotations

import pytest

from local.grid.pairs import pairs as pairs_of
from local.grid.pairs import staged_pairs
from utils.errors import UserError


def pairs(*words: str, corpora: str = "a b c") -> list[str]:
    found = pairs_of(words, corpora.split())
    return [f"{'+'.join(train)}:{test}" for train, test in found]


def test_words_for_pairs() -> None:
    assert pairs("within") == ["a:a", "b:b", "c:c"]
    assert pairs("across") == ["a:b", "a:c", "b:a", "b:c", "c:a", "c:b"]
    assert sorted(pairs("all")) == sorted(pairs("within", "across"))
    assert pairs("b:a", "c+a:b", "a+c:b", "b:a") == ["b:a", "a+c:b"]
    assert pairs("a+b:b") == ["a+b:b"]
    assert pairs("others") == ["b+c:a", "a+c:b", "a+b:c"]


def test_languages_are_trained_on_as_a_whole_and_tested_on_corpus_by_corpus() -> None:
    corpora = "emodb ravdess pavoque urdu cremad"  # German, English, German, Urdu, English
    assert pairs("languages", corpora=corpora) == [
        "emodb+pavoque:ravdess", "emodb+pavoque:cremad", "emodb+pavoque:urdu",
        "cremad+ravdess:emodb", "cremad+ravdess:pavoque", "cremad+ravdess:urdu",
        "urdu:emodb", "urdu:pavoque", "urdu:ravdess", "urdu:cremad",
    ]  # fmt: skip
    alone = pairs("languages", corpora="emodb ravdess urdu esd")
    assert len(alone) == 12 and sorted(alone) == sorted(pairs("across", corpora="emodb ravdess urdu esd"))
    with pytest.raises(UserError, match="needs two corpora"):
        pairs("languages", corpora="emodb pavoque")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("al", "'al' is not all, within, across, others, languages or"),
        ("emodb:ravdes", "no corpus 'ravdes'; did you mean 'ravdess'"),
        ("emodb+:ravdess", "no corpus ''"),
        ("emodb+emodb:ravdess", "twice"),
        ("emodb:", "no corpus ''"),
    ],
)
def test_bad_pairs_are_named(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        pairs(word, corpora="emodb ravdess")


def test_across_needs_two_corpora() -> None:
    with pytest.raises(UserError, match="needs two corpora"):
        pairs("across", corpora="a")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("a>b:a", "first stage trains on"),
        ("a>b", "is not all, within"),
        ("c>b:b", "no corpus 'c'"),
        ("a>b:a+b", r"no corpus 'a\+b'"),
        ("a+a>b:b", "twice"),
    ],
)
def test_a_pair_that_makes_no_sense_is_refused(pair, message):
    with pytest.raises(UserError, match=f"finetune.pairs.*{message}"):
        staged_pairs([pair], ["a", "b"])


def test_across_needs_two_corpora_but_within_beside_it_does_not():
    assert staged_pairs(["within", "across"], ["a"]) == [((), ("a",), "a")]
    with pytest.raises(UserError, match="finetune.pairs: no pair"):
        staged_pairs(["across"], ["a"])
