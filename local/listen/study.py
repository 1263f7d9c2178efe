"""What can be checked of a published study of listeners whose answers are not public: study A's tables and tests.

``study.listeners`` of the experiment names the file of its figures (conf/study_a_listeners.yaml). Its t values cannot
be made again without the twelve listeners' scores; what can be checked is whether p follows from t and 10 degrees of
freedom (Student's, for six and six listeners), what p would be with as few as Welch's test or pairs may have (5), what
Holm leaves of five tests, and the standard error that t implies for the difference that Table III shows. And whether
figures agree with each other: UA with confusions, numbers of clips with accuracies, models with listeners.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from local.experiment import Experiment
from local.listen.items import text
from local.listen.recognition import PEOPLE
from utils import student
from utils.config import read_yaml
from utils.errors import UserError
from utils.registry import folders
from utils.significance import holm

TESTS = ("claim", "t", "printed_p", "difference", "implied_se", "p_10", "p_10_holm", "p_5", "p_5_holm")
FIGURES = ("what", "of", "on", "published", "computed", "lo", "hi", "note")
EMOTIONS = ("angry", "happy", "neutral", "sad")
_HALF = 0.005  # of a figure of two decimals


def file(experiment: Experiment) -> Path | None:
    """Find the file of figures, in the recipe or else in the repository; None without one, and in a smoke run."""
    if not experiment.study.listeners or experiment.study.smoke:
        return None
    found = [path for folder in folders(".") if (path := folder / experiment.study.listeners).is_file()]
    if not found:
        raise UserError(f"{experiment.study.listeners}: no such file; correct study.listeners, or empty it")
    return found[-1]


def tests(path: Path) -> list[dict]:
    """Say of every test what it is worth; rows of :data:`TESTS`."""
    whole = read_yaml(path)
    t = np.array([abs(one["t"]) for one in whole["tests"]])
    ten, five = (2 * student.tail(t, df) for df in (10, 5))
    rows = []
    for place, one in enumerate(whole["tests"]):
        apart = _difference(whole["confusions"], one)
        rows.append({
            "claim": one["claim"], "t": one["t"], "printed_p": one["p"], "difference": text(apart),
            "implied_se": text(apart / one["t"]), "p_10": text(ten[place]), "p_10_holm": text(holm(ten)[place]),
            "p_5": text(five[place]), "p_5_holm": text(holm(five)[place]),
        })  # fmt: skip
    return rows


def _difference(confusions: dict[str, Any], one: dict[str, Any]) -> float:
    """What Table III says of a test's difference; NaN where the test does not say which."""
    if "a" not in one:
        return float("nan")
    place = EMOTIONS.index(one["emotion"])
    tables = (np.array(confusions[group][language]) for group, language in (one["a"], one["b"]))
    # Rows do not sum to 1 exactly: a recall is what is printed.
    a, b = (own[place, place] / (own[:, place].sum() if one["measure"] == "precision" else 1) for own in tables)
    return float(a - b)


def figures(path: Path, scores: Sequence[Mapping] = (), corpora: Sequence[str] = ()) -> Iterator[dict]:
    """Set figures beside ours, and check them against each other.

    Parameters
    ----------
    path : Path
        The file.
    scores : sequence of mapping
        Our groups' rows of scores.csv; groups and languages as the study's, but for a dialect's.
    corpora : sequence of str
        The experiment's; one of a dialect alone tells whose column ours is.

    Yields
    ------
    dict
        Rows of :data:`FIGURES`, in percent.
    """
    whole = read_yaml(path)
    dialect = whole["dialects"].get(corpora[0]) if len(corpora) == 1 else None
    ours = {(row["group"], dialect or row["language"]): row for row in scores if row["who"] == PEOPLE}
    for group, languages in whole["ua"].items():
        for language, published in languages.items():
            if (dialect or language) != language:
                continue
            own = ours.get((group, language))
            numbers = {"computed": "ua", "lo": "ua_lo", "hi": "ua_hi"} if own else {}
            yield {
                "what": "UA of listeners, beside ours", "of": group, "on": language, "published": published,
                "computed": "", "note": "" if own else "no listeners of ours",
            } | {
                name: f"{100 * float(own[column]):.1f}" for name, column in numbers.items() if own[column]
            }  # fmt: skip
    if dialect is None:
        yield from _checks(whole)


def _checks(whole: dict[str, Any]) -> Iterator[dict]:
    """Check figures against each other."""
    for group, languages in whole["confusions"].items():
        for language, rows in languages.items():
            ua, published = 100 * float(np.diagonal(rows).mean()), whole["ua"][group][language]
            fits = abs(ua - published) <= 100 * _HALF + 0.05
            yield {
                "what": "UA of listeners, by Table III's confusions", "of": group, "on": language,
                "published": published, "computed": f"{ua:.2f}", "lo": f"{ua - 100 * _HALF:.2f}",
                "hi": f"{ua + 100 * _HALF:.2f}", "note": "agrees" if fits else "does not agree, whatever the rounding",
            }  # fmt: skip
    clips, said = 4 * whole["clips"]["an_emotion"], whole["clips"]["said"]
    shares = np.array([value for own in whole["models"] for value in own[2:]])
    whole_clips = bool((abs(shares * clips - np.round(shares * clips)) < 5e-5 * clips).all())
    yield {
        "what": "clips a language", "of": "", "on": "", "published": said, "computed": clips,
        "note": f"{whole['clips']['an_emotion']} an emotion are {clips} a language, and {said} in three; all "
        f"{len(shares)} accuracies in the logs are {'' if whole_clips else 'not '}of {clips}",
    }  # fmt: skip
    yield from _samples(whole["models"], clips)


def _samples(models: list[list], clips: int) -> Iterator[dict]:
    """Accuracy of five folds' models on the same few clips, with an interval for other clips and other folds."""
    from scipy import special

    for encoder, run, *folds in models:
        value, number = float(np.mean(folds)), len(folds)
        inner = (value * clips + 0.5) / (clips + 1)
        over_clips, over_folds = inner * (1 - inner) / clips, np.var(folds, ddof=1) / number
        variance = over_clips + over_folds
        df = variance**2 / (over_folds**2 / (number - 1)) if over_folds else np.inf
        slope = student.quantile(0.975, df) * np.sqrt(variance) / (inner * (1 - inner))
        low, high = (float(special.expit(special.logit(inner) + sign * slope)) for sign in (-1, 1))
        yield {
            "what": "UA of models on the listeners' clips", "of": f"{encoder} encoder", "on": run,
            "published": f"{100 * value:.1f}", "computed": "", "lo": f"{100 * min(low, value):.1f}",
            "hi": f"{100 * max(high, value):.1f}", "note": f"{clips} clips, {number} folds",
        }  # fmt: skip
