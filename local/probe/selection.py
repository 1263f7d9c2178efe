"""Who chooses a head's layer, epochs and strength of penalty: a dev list, or folds within training and dev lists.

``languages``: as ``nested``, with inner folds that leave out one training language after the other: what transfers to a
language that is not heard is chosen by such transfer.

``dev``: heads are trained on the train list and chosen by the dev list, whose utterances train nothing. ``nested``: the
train and the dev list of a fold are cut into inner folds, which share no speaker; heads of all inner folds are trained,
and layer, epochs and penalty are those that are best on what each inner fold leaves out, all of them together. Then a
head is trained on train and dev, for as many epochs. It goes through more utterances in an epoch, hence makes more
updates; what its inner folds were stopped at is how often each utterance may be looked at. The test list has no part in
any of it.

``auto`` is ``nested`` where the train and dev lists of a fold hold fewer than 40 speakers: one of four parts of them,
a dev list, then is of fewer than ten speakers, too few to rank layers by, and too many not to be trained on.

Source: M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of the Royal Statistical
Society B 36, 1974; S. Varma, R. Simon, "Bias in error estimation when using cross-validation for model selection", BMC
Bioinformatics 7, 2006.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from local.grid.conditions import Condition
from local.results.corpus import Corpus
from utils.errors import UserError

DEV, NESTED, LANGUAGES = RULES = ("dev", "nested", "languages")
SHOTS = "shots"  # what else may come of it: the few utterances that are known choose, see local/probe/fewshot.py
WORDS = {
    DEV: "by the dev list",
    NESTED: "by inner folds of train and dev lists, on both of which heads are then trained",
    LANGUAGES: "by leaving out one training language after the other, on all of which heads are then trained",
    SHOTS: "by cross-validation within the shots",
}
SPEAKERS, UTTERANCES, WHOLE_LANGUAGES = "speakers", "utterances", "languages"  # what inner folds keep whole
FEW = 40  # speakers in train and dev
INNER = 4  # folds, at most: each is about as large as the dev list of five outer folds


def resolve(condition: Condition, corpora: Mapping[str, Corpus]) -> str:
    """Tell which rule a condition's heads are chosen by; where ``auto`` leaves it open, by the number of speakers.

    Where the test corpus's dev list is to choose (``probe.cross_dev: target``), ``auto`` is ``dev``.

    Parameters
    ----------
    condition : Condition
        Any of its group.
    corpora : mapping of str to Corpus
        Those that it is trained on, at least.

    Returns
    -------
    str
        One of :data:`RULES`.
    """
    wanted = condition.factors["select"]
    if wanted in RULES:
        return wanted
    if condition.dev != condition.train:
        return DEV
    own = [corpora[name] for name in condition.train]
    speakers = [
        {corpus.persons[row] for corpus in own for part in ("train", "dev") for row in corpus.folds[k][part]}
        for k in range(len(own[0].folds))
    ]
    return NESTED if min(map(len, speakers)) < FEW else DEV


def merged(corpus: Corpus) -> Corpus:
    """Give a corpus whose train lists hold the dev lists too, and whose dev lists are the same: all of them choose."""
    folds = []
    for fold in corpus.folds:
        both = np.concatenate([fold["train"], fold["dev"]])
        folds.append({"train": both, "dev": both, "test": fold["test"]})
    return dataclasses.replace(corpus, folds=folds)


def inner(corpora: Sequence[Corpus], fold: int, rule: str = NESTED) -> tuple[list[Corpus], str]:
    """Cut the train lists of a fold into inner folds.

    By rule ``languages``, each leaves out one. Otherwise speakers stay whole, whatever the corpus. Utterances are dealt
    out one by one where an emotion has one speaker, who would leave none to train on, and of a corpus of one speaker.

    Parameters
    ----------
    corpora : sequence of Corpus
        Trained on together.
    fold : int
        Which fold.
    rule : str
        ``nested`` or ``languages``.

    Returns
    -------
    corpora : list of Corpus
        The same, with the inner folds as folds: ``train``, ``dev``, and an empty ``test``.
    unit : str
        What stays whole: ``languages``; ``speakers``, or ``utterances`` where that is not so for all.

    Raises
    ------
    UserError
        All corpora are of one language, and that is to be left out.
    """
    rows = [corpus.folds[fold]["train"] for corpus in corpora]
    if rule == LANGUAGES:
        return _by_language(corpora, rows), WHOLE_LANGUAGES
    labels = np.concatenate([corpus.labels[own] for corpus, own in zip(corpora, rows, strict=True)])
    origin = np.repeat(np.arange(len(corpora)), [len(own) for own in rows])
    speakers = [[corpus.persons[row] for row in own] for corpus, own in zip(corpora, rows, strict=True)]
    alone = [f" {place}" for place in range(len(labels))]
    units = []
    for own in speakers:
        units += own if len(set(own)) > 1 else alone[len(units) : len(units) + len(own)]
    groups = _deal(units, labels, origin)
    if not all(len(set(groups[labels == label])) > 1 for label in set(labels)):
        units = alone
        groups = _deal(units, labels, origin)
    found = []
    for number, (corpus, own) in enumerate(zip(corpora, rows, strict=True)):
        mine = groups[origin == number]
        folds = [{"train": own[mine != g], "dev": own[mine == g], "test": own[:0]} for g in range(groups.max() + 1)]
        found.append(dataclasses.replace(corpus, folds=folds))
    return found, SPEAKERS if units == [name for own in speakers for name in own] else UTTERANCES


def _by_language(corpora: Sequence[Corpus], rows: Sequence[np.ndarray]) -> list[Corpus]:
    spoken = ["+".join(corpus.languages) for corpus in corpora]
    if len(set(spoken)) < 2:
        raise UserError(
            f"probe.select: languages leaves out one training language after the other, and "
            f"{'+'.join(corpus.name for corpus in corpora)} is of one; train on several, or set select to auto"
        )
    found = []
    for corpus, own, language in zip(corpora, rows, spoken, strict=True):
        lists = [(own[:0], own) if left_out == language else (own, own[:0]) for left_out in sorted(set(spoken))]
        # What is left out altogether is scaled by itself, where corpora are.
        folds = [{"train": train, "dev": dev, "test": own[:0], "scale": own} for train, dev in lists]
        found.append(dataclasses.replace(corpus, folds=folds))
    return found


def _deal(units: Sequence[str], labels: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Deal units, which stay whole, out to groups as alike as can be: the group of each utterance.

    Those that have the largest share of any emotion of a corpus come first; each goes to the group where the squared
    shares grow least. There are as many groups as the rarest emotion has units, at most ``INNER``.
    """
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    _, kind = np.unique(np.stack([origin, labels]), axis=1, return_inverse=True)
    counts = np.zeros((len(first), kind.max() + 2))
    np.add.at(counts, (unit, kind.reshape(-1)), 1)
    counts[:, -1] = 1  # as many units, too, so that no group stays empty
    rarest = min(len(set(unit[labels == label])) for label in set(labels))
    number = min(INNER, max(rarest, 2))
    shares = counts / counts.sum(axis=0)
    # Equals in an order drawn once and for all, and not by their names: actors may alternate in gender.
    order = np.random.default_rng(0).permutation(len(first))[np.argsort(np.argsort(first))]
    sums, group = np.zeros((number, shares.shape[1])), np.zeros(len(first), dtype=int)
    for one in np.lexsort((order, -shares.max(axis=1).round(12))):
        harm = (2 * sums * shares[one] + shares[one] ** 2).sum(axis=1)
        group[one] = int(harm.round(12).argmin())
        sums[group[one]] += shares[one]
    return group[unit]
