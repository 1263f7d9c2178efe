"""What groups and languages do to the odds of being right, listeners and clips being some of many.

A mixed logistic model with crossed random intercepts of listeners and clips (utils/logistic_mixed.py) has an effect for
every group and language that was heard, and for every emotion (the same everywhere). Differences are in log odds, with
t-intervals of listeners - groups degrees of freedom: for other listeners and clips, where a listener is as good in one
language as in another but for what the group has in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from local.listen.gather import NOTHING, Heard
from local.listen.items import text
from utils import student
from utils.significance import holm

COLUMNS = (
    "contrast", "a", "b", "in", "answers", "listeners", "clips", "log_odds", "se", "lo", "hi", "df", "p", "p_holm",
    "sd_listener", "sd_clip",
)  # fmt: skip


def table(heard: Sequence[Heard], confidence: float = 0.95) -> list[dict]:
    """Compare groups within languages, and languages within groups, by one model of all answers.

    Parameters
    ----------
    heard : sequence of Heard
        Of one set of emotions.
    confidence : float
        Of the intervals.

    Returns
    -------
    list of dict
        Rows of :data:`COLUMNS`, Holm's p over all of them; none with fewer than two groups and languages together, or
        with no more listeners than groups.
    """
    from utils.logistic_mixed import fit

    cells = [(own.group, own.language) for own in heard]
    listeners = sorted({name for own in heard for name in own.listeners})
    clips = sorted({utt for own in heard for utt in own.utts})
    df = len(listeners) - len({own.group for own in heard})
    if len(cells) < 2 or df < 1:
        return []
    rows = []
    for cell, own in enumerate(heard):
        people, items = ([names.index(one) for one in mine] for names, mine in
                         ((listeners, own.listeners), (clips, own.utts)))  # fmt: skip
        for who, what in zip(*np.nonzero(own.said != NOTHING), strict=True):
            rows.append((cell, people[who], items[what], own.reference[what], own.right[who, what]))
    cell, person, item, emotion, right = (np.array(column) for column in zip(*rows, strict=True))
    # Emotions sum to nothing, so that the cells' effects are means over them.
    kinds, emotion = np.unique(emotion, return_inverse=True)
    coded = np.vstack([np.eye(len(kinds) - 1), -np.ones(len(kinds) - 1)])[emotion]
    model = fit(right, np.hstack([np.eye(len(cells))[cell], coded]), person, item)
    made = []
    for a, b in combinations(range(len(cells)), 2):
        (group_a, language_a), (group_b, language_b) = cells[a], cells[b]
        if language_a == language_b:
            about = {"contrast": "groups", "a": group_a, "b": group_b, "in": language_a}
        elif group_a == group_b:
            about = {"contrast": "languages", "a": language_a, "b": language_b, "in": group_a}
        else:
            continue
        weights = np.zeros(len(cells) + len(kinds) - 1)
        weights[[a, b]] = 1, -1
        value, se = model.contrast(weights)
        half = student.quantile((1 + confidence) / 2, df) * se
        made.append(about | {
            "answers": len(right), "listeners": len(listeners), "clips": len(clips), "log_odds": text(value),
            "se": text(se), "lo": text(value - half), "hi": text(value + half), "df": df,
            "p": text(2 * student.tail(abs(value) / se, df)), "sd_listener": text(model.spread[0]),
            "sd_clip": text(model.spread[1]),
        })  # fmt: skip
    adjusted = holm(np.array([float(row["p"]) for row in made]))
    return [row | {"p_holm": text(p)} for row, p in zip(made, adjusted, strict=True)]
