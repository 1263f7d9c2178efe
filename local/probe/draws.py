"""Which utterances of a test corpus are known, where a few are: drawn from its train lists, balanced over emotions.

Of every fold and draw there is one order of the utterances of the train list, in rounds of one of each emotion; the
first k of it are the k that are known, so that the few are among the many. The order within a round is drawn too: of
5 utterances of four emotions, the emotion that has two is another in other draws. Draws derive from what the corpus
holds, the fold and the number of the draw: encoders, training corpora and names have no part in them, so that systems
which are compared are given the same utterances. Train lists share no speaker with the test list where the split
scheme keeps speakers apart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.data_dir import content_keys, fingerprint, read_utt2
from utils.errors import UserError
from utils.folds import read_folds

if TYPE_CHECKING:
    import numpy as np

    from local.results.corpus import Corpus


def drawn(corpus: Corpus, emotions: Sequence[str], k: int, draws: int) -> list[list[np.ndarray]]:
    """Draw k utterances from each train list, so many times.

    Parameters
    ----------
    corpus : Corpus
        With the train lists of its folds.
    emotions : sequence of str
        What its labels stand for.
    k : int
        How many utterances; one of each emotion at least.
    draws : int
        How many times.

    Returns
    -------
    list of list of ndarray of int64, shape (k,)
        For each fold, of each draw: rows of the corpus, in the order in which they are drawn.

    Raises
    ------
    UserError
        A train list lacks utterances that the encoder can take.
    """
    import numpy as np

    folder = Path("data", corpus.name)
    content, data = content_keys(folder), fingerprint(folder)
    found = []
    for number, fold in enumerate(corpus.folds):
        held = np.bincount(corpus.labels[fold["train"]], minlength=len(emotions))
        if held.min() * len(emotions) < k:
            raise UserError(
                f"probe.shots: {k} cannot be drawn from the train list of fold {number} of {corpus.name}: it holds "
                f"{held.min()} of '{emotions[held.argmin()]}' that the encoder can take; ask for fewer"
            )
        own = {row: content[corpus.utts[row]] for row in fold["train"].tolist()}
        texts = [f"{data} fold {number} draw {draw}" for draw in range(draws)]
        found.append([_order(corpus, own, emotions, text)[:k] for text in texts])
    return found


def _order(corpus: Corpus, content: dict[int, str], emotions: Sequence[str], text: str) -> np.ndarray:
    """Order the utterances of a train list, given what each holds, for one draw."""
    import numpy as np

    ranked: list[list[int]] = [[] for _ in emotions]
    for row in sorted(content, key=lambda row: _digest(f"{text} {content[row]}")):
        ranked[corpus.labels[row]].append(row)
    order = []
    for number, round_ in enumerate(zip(*ranked, strict=False)):
        places = sorted(range(len(emotions)), key=lambda place: _digest(f"{text} round {number} {emotions[place]}"))
        order += [round_[place] for place in places]
    return np.array(order)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def most(name: str, scheme: str, emotions: Sequence[str]) -> int | None:
    """Tell how many utterances can be drawn from each of a corpus's train lists, by the lists alone.

    Parameters
    ----------
    name, scheme : str
        The corpus and its split scheme.
    emotions : sequence of str
        The classes.

    Returns
    -------
    int or None
        As many of each emotion as the rarest has in any fold; None where it has not been cut into folds.
    """
    directory = Path("data", name, "folds", scheme)
    if not directory.is_dir():
        return None
    emotion = read_utt2(Path("data", name), "emo")
    lists = (Counter(emotion.get(utt) for utt in fold["train"]) for fold in read_folds(directory))
    return len(emotions) * min(held[one] for held in lists for one in emotions)
