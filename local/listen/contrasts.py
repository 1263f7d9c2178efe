"""Do groups of listeners differ, and does a group do better in one language than in another? A listener is the unit.

Groups are compared by Welch's t-test, which takes no variances for equal: with six listeners a group its degrees of
freedom lie between 5 and 10. A group's own languages are compared by the paired t-test, since the listeners are the
same; its degrees of freedom are listeners - 1. Student's test, which studies report with n + m - 2 degrees of freedom
in both cases, stands beside. Holm's correction is over all that one of the two kinds asks.

Source: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
involved", Biometrika 34, 1947; S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
of Statistics 6, 1979.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from local.listen.items import text
from local.listen.recognition import MEASURES
from utils.significance import holm

COLUMNS = (
    "kind", "measure", "emotion", "a", "b", "in", "n_a", "n_b", "mean_a", "mean_b", "difference", "difference_lo",
    "difference_hi", "t", "df", "p", "p_holm", "student_t", "student_df", "student_p",
)  # fmt: skip
BETWEEN, WITHIN = "groups", "languages"
_ALIKE = 1e-9  # scores that differ by rounding alone


def table(rows: Sequence[Mapping[str, object]]) -> list[dict]:
    """Test every pair of groups in a language, and every pair of languages of a group.

    Parameters
    ----------
    rows : sequence of mapping
        As of :func:`local.listen.recognition.by_listener`.

    Returns
    -------
    list of dict
        Rows of :data:`COLUMNS`. A measure that a listener does not have (precision of what was never said) leaves them
        out; without two listeners, or where nothing varies, there is no test.
    """
    values: dict[tuple, dict[str, float]] = {}
    for row in rows:
        for measure in MEASURES:
            if row[measure] != "":
                key = measure, row["emotion"], row["group"], row["language"]
                values.setdefault(key, {})[row["listener"]] = float(row[measure])
    found = [*_between(values), *_within(values)]
    for kind in (BETWEEN, WITHIN):
        own = [row for row in found if row["kind"] == kind]
        for row, adjusted in zip(own, holm(np.array([_p(row) for row in own])), strict=True):
            row["p_holm"] = text(adjusted) if row["p"] != "" else ""
    return found


def _p(row: Mapping) -> float:
    return 1.0 if row["p"] == "" else float(row["p"])


def _between(values: Mapping[tuple, Mapping[str, float]]) -> Iterator[dict]:
    for measure, emotion, language in dict.fromkeys((m, e, lang) for m, e, _, lang in values):
        groups = [g for m, e, g, lang in values if (m, e, lang) == (measure, emotion, language)]
        for a, b in combinations(sorted(groups), 2):
            first, second = (np.array([*values[measure, emotion, g, language].values()]) for g in (a, b))
            about = {"kind": BETWEEN, "measure": measure, "emotion": emotion, "a": a, "b": b, "in": language}
            yield about | compare(first, second, paired=False)


def _within(values: Mapping[tuple, Mapping[str, float]]) -> Iterator[dict]:
    for measure, emotion, group in dict.fromkeys((m, e, g) for m, e, g, _ in values):
        languages = [lang for m, e, g, lang in values if (m, e, g) == (measure, emotion, group)]
        for a, b in combinations(sorted(languages), 2):
            first, second = (values[measure, emotion, group, language] for language in (a, b))
            both = sorted(first.keys() & second.keys())
            about = {"kind": WITHIN, "measure": measure, "emotion": emotion, "a": a, "b": b, "in": group}
            one, other = (np.array([own[listener] for listener in both]) for own in (first, second))
            yield about | compare(one, other, paired=True)


def compare(a: np.ndarray, b: np.ndarray, paired: bool) -> dict[str, object]:
    """Test a difference of listeners' scores: by pairs, or by Welch's test, with Student's beside.

    Parameters
    ----------
    a, b : ndarray, shape (listeners,)
        If paired, of the same listeners.
    paired : bool
        Whether they are.

    Returns
    -------
    dict of str to object
        The columns from ``n_a`` on.
    """
    from scipy import stats

    found: dict[str, object] = dict.fromkeys(COLUMNS[COLUMNS.index("difference_lo") :], "")
    found |= {"n_a": len(a), "n_b": len(b), "mean_a": "", "mean_b": "", "difference": ""}
    if not len(a) or not len(b):
        return found
    found |= {"mean_a": text(a.mean()), "mean_b": text(b.mean()), "difference": text(a.mean() - b.mean())}
    varies = np.ptp(a - b) > _ALIKE if paired else max(np.ptp(a), np.ptp(b)) > _ALIKE
    if min(len(a), len(b)) < 2 or not varies:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a group whose listeners are all alike
        test = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
        student = stats.ttest_ind(a, b)
    ends = test.confidence_interval()
    return found | {
        "difference_lo": text(ends.low), "difference_hi": text(ends.high), "t": text(test.statistic),
        "df": text(test.df), "p": text(test.pvalue), "student_t": text(student.statistic),
        "student_df": text(student.df), "student_p": text(student.pvalue),
    }  # fmt: skip
