"""Several partitions of one corpus (``split.repeats``), whose spread is part of what intervals cover.

The folds of one partition come after another's: fold k belongs to partition k // split.folds, and the first partition
is that of a single one. Of the others each is drawn with a seed of its own. To balance emotions as well as can be would
cut a corpus of few speakers in the same way whatever the seed, so their speakers count for more or less at random:
partitions then are other ones, and a little less even. Speakers whom ``split.reserve`` keeps for training are the same
in all.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

from local.experiment import Split
from local.splits.data import Corpus, Fold
from local.splits.partition import key
from local.splits.schemes import make_folds
from utils.errors import UserError

_SPREAD = 0.4  # standard deviation of the logarithm of what a speaker counts for


def partitions(corpus: Corpus, split: Split, published: str = "") -> tuple[list[Fold], list[str]]:
    """Cut a corpus as often as ``split.repeats`` says: the folds of all partitions, and notes for a person.

    Raises
    ------
    UserError
        The corpus cannot be cut so.
    """
    if split.repeats > 1 and split.reserve and split.cap.train:
        raise UserError("split.repeats, reserve and cap.train do not go together; leave one out")
    first, notes = make_folds(corpus, split, published)
    rest, kept = corpus, ()
    if split.reserve:
        # Whoever is in no dev or test list; encoders have heard them, and must not hear others.
        others = {corpus.person[utterance] for fold in first for utterance in fold.dev + fold.test}
        kept = tuple(utterance for utterance, person in corpus.person.items() if person not in others)
        rest = _without(corpus, {*kept})
    folds = list(first)
    for number in range(1, split.repeats):
        own = dataclasses.replace(split, seed=split.seed + number, reserve=0)
        more, said = make_folds(_weighed(rest, own.seed), own, published)
        folds += (dataclasses.replace(fold, train=tuple(sorted(fold.train + kept))) for fold in more)
        notes += (note for note in said if note not in notes)
    return folds, notes


class _Weighed(Corpus):
    """A corpus in which people count for more or less than their utterances."""

    weights: dict[str, float]

    def count(self, utterances: Iterable[str]) -> dict[str, float]:
        """Add up what utterances count for, by emotion."""
        counts = dict.fromkeys(self.emotions, 0.0)
        for utterance in utterances:
            counts[self.emotion[utterance]] += self.weights[self.person[utterance]]
        return counts


def _weighed(corpus: Corpus, seed: int) -> Corpus:
    """Draw what each person counts for, by what their utterances hold and not by their name."""
    weighed = _Weighed(**{item.name: getattr(corpus, item.name) for item in dataclasses.fields(Corpus)})
    content: dict[str, str] = {}
    for utterance, person in corpus.person.items():
        content[person] = min(content.get(person, corpus.content[utterance]), corpus.content[utterance])
    draws = {person: random.Random(key("weight", seed, own)) for person, own in content.items()}
    object.__setattr__(weighed, "weights", {who: draw.lognormvariate(0, _SPREAD) for who, draw in draws.items()})
    return weighed


def _without(corpus: Corpus, utterances: set[str]) -> Corpus:
    """Leave out some utterances; all tables but ``gender`` go by utterance."""
    every = {item.name: getattr(corpus, item.name) for item in dataclasses.fields(Corpus) if item.name != "gender"}
    tables = {name: table for name, table in every.items() if isinstance(table, dict)}
    left = {name: {one: table[one] for one in table if one not in utterances} for name, table in tables.items()}
    return dataclasses.replace(corpus, **left)
