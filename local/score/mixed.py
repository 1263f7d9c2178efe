"""One answer over corpora, for other speakers, sentences and corpora than these: rows of exp/mixed.csv.

Encoders are compared under the same method in all conditions of a group. What is modelled is the difference of the two
systems on an utterance (1, 0 or -1; a mean over seeds and training corpora), so that what makes an utterance hard for
both drops out:

    difference = mean + emotion + corpus + speaker + sentence + residual

Emotions are fixed and count the same, as in UA. Speakers, sentences and corpora are crossed random effects: of the
difference, so that a system may suit one speaker more than another (random slopes of the system; intercepts would leave
these out, and give intervals that are too narrow). Corpora are random where there are three or more (``corpora`` is
then ``random``, and the interval is about other corpora too, with few degrees of freedom), fixed where there are two.
A corpus that does not name its sentences, or whose sentences are mostly said once, has no sentence effect; nor have
sentences of which there are two.

Beside the same means in significance.csv, which are about these sentences and corpora and other speakers, the interval
is wider, and corpora count by what they tell. ``var_...`` are the variances of the difference. A family of tests is all
of one group (``mixed within``).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from local.experiment import Score
from local.score import compare
from local.score.facts import Facts
from local.score.tabulate import Names, Scored, number
from utils import mixed, significance, student
from utils.estimates import FEWEST

FACTORS = ("speaker", "sentence", "corpus")


def columns(names: Names) -> list[str]:
    """Header of exp/mixed.csv."""
    return [
        *("recipe", "stage", "setting", "a", "b", "diff", "lo", "hi", "se", "df", "no_interval", "n"),
        *("speakers", "sentences", "test", "corpora", *(f"var_{name}" for name in (*FACTORS, "residual"))),
        *compare.FAMILY,
        *names.header,
    ]


def rows(scored: Sequence[Scored], facts: Facts, names: Names, score: Score) -> list[dict]:
    """Compare encoders over all conditions of a group.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    facts : Facts
        What data directories say of utterances.
    names : Names
        How tables call systems.
    score : Score
        Confidence.

    Returns
    -------
    list of dict
    """
    groups: dict[tuple, dict[tuple, dict[tuple[str, str], Scored]]] = {}
    for one in scored:
        condition = one.condition
        rest = tuple((name, value) for name, value in condition.system if name != "encoder")
        systems = groups.setdefault((condition.stage, condition.group, rest), {})
        systems.setdefault(condition.system, {})[condition.train, condition.test] = one
    found = []
    for (stage, group, _), systems in groups.items():
        for a, b in itertools.combinations(systems.values(), 2):
            pairs = [(a[key], b[key]) for key in a if key in b]
            row = _row({"stage": stage, "setting": group}, pairs, facts, names, score) if pairs else None
            if row:
                found.append(row)
    compare.corrected([row for row in found if "family" in row], score)
    return found


def _row(labels: dict, pairs: Sequence[tuple[Scored, Scored]], facts: Facts, names: Names, score: Score) -> dict | None:
    """Fit one comparison; None of fewer than three speakers, who say nothing of others."""
    utterances = [one for test in _by_test(pairs).values() for one in test]
    corpora = dict.fromkeys(corpus for corpus, *_ in utterances)
    difference, design, factors = _columns(utterances, facts)
    sides = [pairs[0][side].condition for side in (0, 1)]
    row = {"recipe": names.recipe} | labels | names.values(*sides) | {
        "a": names.system(sides[0]), "b": names.system(sides[1]), "test": "+".join(corpora), "n": len(utterances),
        "corpora": "one" if len(corpora) == 1 else "random" if "corpus" in factors else "fixed",
        **{f"{name}s": int(factors[name].max()) + 1 if name in factors else "" for name in FACTORS[:2]},
    }  # fmt: skip
    if "speaker" not in factors:
        return None
    try:
        fitted = mixed.fit(difference, design, list(factors.values()))
    except ValueError:
        return row | {"diff": number(0.0), "no_interval": "the two never differ"}
    value, se, df = fitted.contrast(np.eye(design.shape[1])[0])
    half = student.quantile((1 + score.confidence) / 2, df) * se
    variances = dict(zip(factors, fitted.variances, strict=True)) | {"residual": fitted.residual}
    return row | {f"var_{name}": number(variance) for name, variance in variances.items()} | {
        "diff": number(value), "lo": number(value - half), "hi": number(value + half), "se": se, "df": df,
        "p": float(significance.t_test(value, se, df)), "p_smallest": np.nan, "family": f"mixed {labels['setting']}",
    }  # fmt: skip


Utterance = tuple[str, str, int | None, int, float]  # corpus, id, speaker's block, emotion, difference


def _by_test(pairs: Sequence[tuple[Scored, Scored]]) -> dict[str, list[Utterance]]:
    """Difference of two systems on each utterance, mean over seeds, folds and training corpora."""
    found: dict[str, dict[str, list]] = {}
    for a, b in pairs:
        at_a, at_b = compare.on_both(a, b)
        differences = a.correct.mean(axis=0)[at_a] - b.correct.mean(axis=0)[at_b]
        blocks = a.blocks[at_a].tolist() if a.unit == "speaker" else [None] * len(at_a)
        own = found.setdefault(a.condition.test, {})
        for utt, block, emotion, difference in zip(
            a.condition.utts[at_a].tolist(), blocks, a.condition.reference[at_a].tolist(), differences.tolist(),
            strict=True,
        ):  # fmt: skip
            kept = own.setdefault(utt, [block, emotion, 0.0, 0])
            kept[2] += difference
            kept[3] += 1
    return {
        test: [(test, utt, block, emotion, total / count) for utt, (block, emotion, total, count) in own.items()]
        for test, own in found.items()
    }


def _columns(utterances: Sequence[Utterance], facts: Facts) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Differences, fixed effects (the mean first) and the levels of random effects."""
    tests, _, _, emotions, differences = zip(*utterances, strict=True)
    corpora = list(dict.fromkeys(tests))
    fixed = [np.ones((len(utterances), 1)), _contrasts(emotions)]
    random = {
        "speaker": _levels([None if block is None else (test, block) for test, _, block, *_ in utterances]),
        "sentence": _levels(list(_sentences(utterances, facts))),
    }
    if len(corpora) >= FEWEST:
        random["corpus"] = _levels(tests)
    else:
        fixed.append(_contrasts([corpora.index(test) for test in tests]))
    # Two levels do not say how others would differ.
    kept = {name: own for name, own in random.items() if own.max() + 1 >= FEWEST}
    return np.array(differences), np.hstack(fixed), kept


def _sentences(utterances: Sequence[Utterance], facts: Facts) -> Iterator[tuple[str, str] | None]:
    """Name each utterance's sentence; None in corpora whose sentences are mostly said once."""
    said = {test: facts.sentence(test) for test, *_ in utterances}
    sentence = [(test, said[test][utt]) if utt in said[test] else None for test, utt, *_ in utterances]
    number_of = Counter(one[0] for one in sentence if one)
    distinct = Counter(test for test, _ in {one for one in sentence if one})
    return (one if one and number_of[one[0]] >= 2 * distinct[one[0]] else None for one in sentence)


def _levels(values: Sequence) -> np.ndarray:
    """Number distinct values from 0; -1 for None."""
    number_of: Mapping = {value: place for place, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return np.array([-1 if value is None else number_of[value] for value in values])


def _contrasts(levels: Sequence[int]) -> np.ndarray:
    """Code levels so that they sum to zero: the intercept is the mean over levels, each counting the same."""
    found = sorted(set(levels))
    indicator = (np.array(levels)[:, None] == found).astype(float)
    return indicator[:, :-1] - indicator[:, -1:]
