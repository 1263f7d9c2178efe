"""Which corpora are trained and tested on together: the pairs that an experiment's words stand for; and settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local.corpora import registry
from utils.errors import UserError
from utils.registry import hint


def pairs(
    words: Iterable[str], corpora: Sequence[str], option: str = "probe.pairs"
) -> list[tuple[tuple[str, ...], str]]:
    """Resolve ``probe.pairs`` to training corpora and test corpus.

    Parameters
    ----------
    words : iterable of str
        ``all``, ``within``, ``across``, ``others`` (on each corpus, trained on all others together), ``languages`` (on
        each corpus, trained on all corpora of another language together) or ``TRAIN[+TRAIN]:TEST``.
    corpora : sequence of str
        The experiment's.
    option : str
        What asks for them, for messages.

    Returns
    -------
    list of (tuple of str, str)
        Each once; training corpora in alphabetical order.

    Raises
    ------
    UserError
        A word is none of these, or names a corpus that the experiment does not list.
    """
    within = [((corpus,), corpus) for corpus in corpora]
    across = [((train,), test) for train in corpora for test in corpora if train != test]
    others = [(tuple(sorted({*corpora} - {test})), test) for test in corpora if len(corpora) > 1]
    known = {"all": within + across, "within": within, "across": across, "others": others}
    found: dict[tuple[tuple[str, ...], str], None] = {}
    for word in words:
        if word == "languages":
            known[word] = _languages(corpora)
        found.update(dict.fromkeys(known[word] if word in known else [_pair(word, corpora, option)]))
    if not found:
        needed = "'across' needs two corpora, 'languages' two languages"
        raise UserError(f"{option}: no pair of corpora to train and test on; {needed}")
    return list(found)


def staged_pairs(words: Iterable[str], corpora: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[str, ...], str]]:
    """Resolve ``finetune.pairs`` to first training corpora (none in one-stage training), training corpora and test.

    Parameters
    ----------
    words : iterable of str
        As for :func:`pairs`, and ``SOURCE[+SOURCE]>TRAIN[+TRAIN]:TEST``.
    corpora : sequence of str
        The experiment's.

    Returns
    -------
    list of (tuple of str, tuple of str, str)
        Each once; corpora in alphabetical order.

    Raises
    ------
    UserError
        As :func:`pairs`, or a model is tested on a corpus that only its first stage has seen: it would pass for one
        that has not.

    Examples
    --------
    >>> staged_pairs(["within", "a>b:b"], ["a", "b"])
    [((), ('a',), 'a'), ((), ('b',), 'b'), (('a',), ('b',), 'b')]
    """
    option = "finetune.pairs"
    words = list(words)
    plain = [word for word in words if ">" not in word]
    found = {((), *pair): None for pair in pairs(plain, corpora, option)} if plain or not words else {}
    for word in words:
        first, arrow, rest = word.partition(">")
        if arrow:
            source = _joined(first, word, corpora, option)
            train, test = _pair(rest, corpora, option)
            if test in source and test not in train:
                raise UserError(f"{option}: '{word}' tests on {test}, which its first stage trains on; test on another")
            found[source, train, test] = None
    return list(found)


def _languages(corpora: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """Pair all corpora of a language, together, with each corpus of another."""
    spoken: dict[str, list[str]] = {}
    for name in corpora:
        spoken.setdefault(registry.spec(name).language, []).append(name)
    return [
        (tuple(sorted(own)), test)
        for language, own in spoken.items() for other in spoken if other != language for test in spoken[other]
    ]  # fmt: skip


def _pair(word: str, corpora: Sequence[str], option: str) -> tuple[tuple[str, ...], str]:
    source, colon, test = word.partition(":")
    if not colon:
        raise UserError(f"{option}: '{word}' is not all, within, across, others, languages or TRAIN[+TRAIN]:TEST")
    train = _joined(source, word, corpora, option)
    _check_known(test, word, corpora, option)
    return train, test


def _joined(names: str, word: str, corpora: Sequence[str], option: str) -> tuple[str, ...]:
    """Split corpora joined by ``+``; in alphabetical order."""
    train = names.split("+")
    for corpus in train:
        _check_known(corpus, word, corpora, option)
    if len(set(train)) < len(train):
        raise UserError(f"{option}: '{word}' names a training corpus twice")
    return tuple(sorted(train))


def _check_known(corpus: str, word: str, corpora: Sequence[str], option: str) -> None:
    if corpus not in corpora:
        raise UserError(f"{option}: '{word}': the experiment has no corpus '{corpus}'; {hint(corpus, corpora)}")
