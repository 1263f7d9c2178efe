"""How well groups of listeners recognise emotions, and models on the same clips.

Intervals of people are for other listeners and other clips (utils/two_way.py), those of models for other clips. A model
is also given samples of as many clips an emotion, drawn from all utterances that it was tested on: how far UA of so few
clips strays, and how the listeners' clips compare with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from local.listen.gather import NOTHING, Heard
from local.listen.items import People, text, unweighted
from local.listen.models import Model
from utils import metrics, two_way
from utils.agreement import alpha_interval, fleiss_kappa, krippendorff_alpha

SAMPLES, SEED = 2000, 0
SCORES = (
    "who", "group", "language", "simulated", "listeners", "clips", "n", "ua", "ua_lo", "ua_hi", "ua_all", "n_all",
    "sample_lo", "sample_hi",
)  # fmt: skip
CONFUSIONS = ("who", "group", "language", "emotion", "answer", "n", "share")
MEASURES = ("recall", "precision", "f1")
BY_LISTENER = ("listener", "group", "language", "emotion", "n", *MEASURES)
ALL = "all"  # in the place of an emotion: the mean over emotions, of recall UA
RELIABILITY = ("group", "language", "listeners", "clips", "kappa", "alpha", "alpha_lo", "alpha_hi")
PEOPLE = "people"


def scores(heard: Heard, models: Sequence[Model], corpus: Mapping[str, str]) -> Iterator[dict]:
    """UA of a group on the clips of a language, then of every model that was tested on these clips."""
    found = two_way.estimate(heard.right, heard.reference)
    about = {"group": heard.group, "language": heard.language, "simulated": str(heard.simulated).lower()}
    yield {
        "who": PEOPLE, **about, "listeners": len(heard.listeners), "clips": len(heard.utts),
        "n": int((heard.said != NOTHING).sum()), "ua": text(found.value), "ua_lo": text(found.low),
        "ua_hi": text(found.high), **_recalls(heard.counts.sum(axis=0), heard.emotions),
    }  # fmt: skip
    for model, place in _same(heard, models, corpus):
        reference, right = model.reference[place], model.right[place]
        own = unweighted(reference, right, np.arange(len(place)), len(model.emotions))
        low, high = _samples(model, np.bincount(reference, minlength=len(model.emotions)))
        whole = unweighted(model.reference, model.right, np.arange(len(model.utts)), len(model.emotions))
        yield {
            "who": _name(model), "group": "", "language": heard.language, "simulated": "false", "clips": len(place),
            "n": len(place), "ua": text(own.value), "ua_lo": text(own.low), "ua_hi": text(own.high),
            "ua_all": text(whole.value), "n_all": len(model.utts), "sample_lo": text(low), "sample_hi": text(high),
            **_recalls(_confusion(model, place), model.emotions),
        }  # fmt: skip


def _name(model: Model) -> str:
    return f"{model.system}, trained on {model.train}"


def _same(heard: Heard, models: Sequence[Model], corpus: Mapping[str, str]) -> Iterator[tuple[Model, list[int]]]:
    """Models that were tested on the clips of a table, all of them, with where they are."""
    for model in models:
        place = {utt: index for index, utt in enumerate(model.utts)}
        wanted = [utt for utt in heard.utts if corpus.get(utt) == model.test]
        if wanted and len(wanted) == len(heard.utts) and place.keys() >= set(wanted):
            yield model, [place[utt] for utt in wanted]


def _confusion(model: Model, place: Sequence[int]) -> np.ndarray:
    counts = np.zeros((len(model.emotions),) * 2)
    np.add.at(counts, model.reference[place], model.answers[place])
    return counts


def _recalls(counts: np.ndarray, emotions: Sequence[str]) -> dict[str, str]:
    return {f"recall_{name}": text(value) for name, value in zip(emotions, metrics.recalls(counts), strict=True)}


def _samples(model: Model, sizes: np.ndarray) -> tuple[float, float]:
    """Where UA of 95% of random samples lies that have so many clips an emotion."""
    rng, recalls = np.random.default_rng(SEED), []
    for emotion, size in enumerate(sizes):
        own = model.right[model.reference == emotion]
        if size:
            recalls.append(rng.permuted(np.tile(own, (SAMPLES, 1)), axis=1)[:, :size].mean(axis=1))
    low, high = np.percentile(np.mean(recalls, axis=0), [2.5, 97.5])
    return float(low), float(high)


def confusions(heard: Heard, models: Sequence[Model], corpus: Mapping[str, str]) -> Iterator[dict]:
    """Row-normalised confusions: of a group, and of models on its clips (where n is in runs, not whole)."""
    yield from _cells(PEOPLE, heard.group, heard.language, heard.emotions, heard.counts.sum(axis=0))
    for model, place in _same(heard, models, corpus):
        yield from _cells(_name(model), "", heard.language, model.emotions, _confusion(model, place))


def _cells(who: str, group: str, language: str, emotions: Sequence[str], counts: np.ndarray) -> Iterator[dict]:
    for emotion, row in zip(emotions, counts, strict=True):
        for answer, number in zip(emotions, row, strict=True):
            share = text(number / row.sum()) if row.sum() else ""
            yield {"who": who, "group": group, "language": language, "emotion": emotion, "answer": answer,
                   "n": f"{number:.10g}", "share": share}  # fmt: skip


def by_listener(heard: Heard) -> Iterator[dict]:
    """Precision, recall and F1 of every listener and emotion, and their means over emotions."""
    for listener, counts in zip(heard.listeners, heard.counts, strict=True):
        values = measures(counts)
        about = {"listener": listener, "group": heard.group, "language": heard.language}
        for place, emotion in enumerate(heard.emotions):
            own = {name: text(values[name][place]) for name in MEASURES}
            yield about | {"emotion": emotion, "n": int(counts[place].sum())} | own
        means = {name: text(_mean(values[name])) for name in MEASURES}
        yield about | {"emotion": ALL, "n": int(counts.sum())} | means


def measures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Recall, precision and F1 of every class; NaN for a class that was not heard, or was never said.

    Parameters
    ----------
    counts : ndarray of int, shape (classes, classes)
        Reference down, answer across.

    Returns
    -------
    dict of str to ndarray, shape (classes,)

    Examples
    --------
    >>> {name: value.round(2).tolist() for name, value in measures(np.array([[3, 1], [2, 2]])).items()}
    {'recall': [0.75, 0.5], 'precision': [0.6, 0.67], 'f1': [0.67, 0.57]}
    """
    hits, heard, said = np.diagonal(counts).astype(float), counts.sum(axis=1), counts.sum(axis=0)

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

    # A class that was heard and never said has been missed every time: F1 is 0.
    f1 = np.where(heard > 0, share(2 * hits, heard + said), np.nan)
    return {"recall": share(hits, heard), "precision": share(hits, said), "f1": f1}


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def reliability(heard: Heard) -> dict:
    """Whether listeners of a group agree on the clips of a language."""
    low, high = alpha_interval(heard.votes, np.random.default_rng(SEED))
    return {
        "group": heard.group, "language": heard.language, "listeners": len(heard.listeners), "clips": len(heard.utts),
        "kappa": text(fleiss_kappa(heard.votes)), "alpha": text(float(krippendorff_alpha(heard.votes))),
        "alpha_lo": text(low), "alpha_hi": text(high),
    }  # fmt: skip


def people(heard: Heard, corpus: Mapping[str, str]) -> Iterator[People]:
    """Shares of a group that recognised each clip, a corpus each, for :func:`local.listen.items.compare`."""
    right = heard.right
    number = (~np.isnan(right)).sum(axis=0)
    for name in sorted({corpus[utt] for utt in heard.utts if utt in corpus}):
        own = [place for place, utt in enumerate(heard.utts) if corpus.get(utt) == name]
        found = two_way.estimate(right[:, own], heard.reference[own])
        yield People(
            f"listeners {heard.group}", name,
            {heard.utts[place]: float(np.nanmean(right[:, place])) for place in own},
            {heard.utts[place]: int(number[place]) for place in own},
            0.0 if np.isnan(found.people) else found.people, found.persons,
        )  # fmt: skip
