"""Do posteriors mean what they say?  Rows of exp/calibration.csv and exp/reliability.csv, of the headlines.

``calibration.csv``, a row a condition: mean ``confidence`` and ``accuracy``; ``overconfidence``, their difference, with
its interval; ``ece``, with a jackknife interval over speakers, and ``ece_chance``, what it would be if the posteriors
were right; ``brier``, with its interval; ``log_loss``. All are means over seeds and over utterances, whatever their
emotion (utils/calibration.py).

``reliability.csv``, a row a bin of confidence, of each system in all conditions of a group, all seeds: ``n``, mean
``confidence`` and ``accuracy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from local.experiment import Score
from local.score.tabulate import Names, Scored, number
from utils import calibration, student, uncertain
from utils.estimates import FEWEST, Estimate
from utils.intervals import Blocks

BINNED = ["recipe", "stage", "system", "group", "bin", "n", "confidence", "accuracy"]


def columns(names: Names) -> list[str]:
    """Header of exp/calibration.csv."""
    scores = ("overconfidence", "ece", "brier")
    return [
        *("recipe", "stage", "train", "test", "setting", "system", "n", "speakers", "confidence", "accuracy"),
        *(f"{score}{end}" for score in scores for end in ("", "_lo", "_hi")),
        *("ece_chance", "log_loss", "df", "no_interval", *names.header),
    ]


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Measure how well each headline is calibrated.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    blocks : mapping of str to Blocks
        By test corpus.
    names : Names
        How tables call systems.
    score : Score
        Confidence and seed.

    Returns
    -------
    list of dict
    """
    return [_row(one, blocks[one.condition.test], names, score) for one in scored]


def _row(one: Scored, blocks: Blocks, names: Names, score: Score) -> dict:
    condition = one.condition
    reference, posteriors = condition.reference, condition.posteriors.astype(float)
    confidence, correct = posteriors.max(axis=-1), one.correct.astype(float)
    brier = calibration.brier(reference, posteriors)
    surplus = _mean(one, blocks, confidence - correct, score, share=False)
    # Half of it lies between 0 and 1, and so does its interval.
    half = _mean(one, blocks, brier / 2, score)
    rng = np.random.default_rng(score.seed)
    chance = np.mean([calibration.expected_ece(run, rng) for run in confidence])
    return {
        "recipe": names.recipe, "stage": condition.stage, "train": condition.train, "test": condition.test,
        "setting": condition.meta["setting"], "system": names.system(condition),
        "n": len(set(condition.utts.tolist())), "speakers": one.speakers, "confidence": number(confidence.mean()),
        "accuracy": number(correct.mean()), "overconfidence": number(surplus.value),
        "overconfidence_lo": number(surplus.low), "overconfidence_hi": number(surplus.high), "df": number(surplus.df),
        "brier": number(2 * half.value), "brier_lo": number(2 * half.low), "brier_hi": number(2 * half.high),
        "ece_chance": number(chance), "log_loss": number(calibration.log_loss(reference, posteriors).mean()),
        "no_interval": surplus.reason,
    } | _ece(one, confidence, score) | names.values(condition)  # fmt: skip


def _mean(one: Scored, blocks: Blocks, values: np.ndarray, score: Score, share: bool = True) -> Estimate:
    """Average over utterances, whatever their emotion: all are of one class."""
    together = np.zeros(len(one.blocks), dtype=int)
    figure = uncertain.figure(one.condition.test, blocks, one.blocks, together, values, 1, share, one.partition)
    return uncertain.combine([figure], None, score.confidence)


def _ece(one: Scored, confidence: np.ndarray, score: Score) -> dict[str, str]:
    """Calibration error with its interval: a mean over seeds, whose jackknife errors go together."""
    runs = list(zip(confidence, one.correct, strict=True))
    ece = float(np.mean([calibration.reliability(*run).ece for run in runs]))
    found = {"ece": number(ece)}
    if len(set(one.blocks.tolist())) >= FEWEST:
        se = float(np.mean([calibration.jackknife(*run, one.blocks) for run in runs]))
        half = student.quantile((1 + score.confidence) / 2, len(set(one.blocks.tolist())) - 1) * se
        found |= {"ece_lo": number(max(ece - half, 0.0)), "ece_hi": number(min(ece + half, 1.0))}
    return found


def bins(scored: Sequence[Scored], names: Names) -> list[dict]:
    """Sort the utterances of each system and group of conditions into bins of confidence.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    names : Names
        How tables call systems.

    Returns
    -------
    list of dict
        Of the bins that hold any; ``bin`` is the upper edge.
    """
    pooled: dict[tuple, calibration.Reliability] = {}
    for one in scored:
        condition = one.condition
        key = condition.stage, names.system(condition), condition.group
        confidence = condition.posteriors.max(axis=-1).astype(float)
        found = calibration.reliability(confidence.ravel(), one.correct.ravel())
        pooled[key] = pooled[key] + found if key in pooled else found
    return [
        {
            "recipe": names.recipe, "stage": stage, "system": system, "group": group,
            "bin": number((place + 1) / calibration.BINS), "n": int(found.n[place]),
            "confidence": number(found.confidence[place] / found.n[place]),
            "accuracy": number(found.correct[place] / found.n[place]),
        }
        for (stage, system, group), found in pooled.items() for place in np.flatnonzero(found.n)
    ]  # fmt: skip
