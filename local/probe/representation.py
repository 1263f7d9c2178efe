"""What the head ``aligned`` makes of a layer: who and what is read from its input and from its hidden values.

    found = records(heads, [(source, features), ...], (target, features), emotions)

It gives the rows of two files of a condition's directory, of the layers that dev chose. Features and hidden values are
read in the same way: classifiers (least squares with a ridge, local/probe/steps/reader.py; nothing in them is chosen)
learn from train lists and read test lists, whose speakers are others than those of the train lists.

``representation.csv``: a row a fold and side; ``side`` is ``input`` or ``hidden``, that of each seed.

- ``emotion_target``, ``emotion_source``: UA on the test lists of the target and of the sources, learnt on the sources.
- ``language``: UA on all test lists, learnt on all train lists, the target's too; ``language_chance``.
- ``speaker``: accuracy on test lists, learnt on half of each speaker's utterances there and read from the other half,
  corpus by corpus, so that languages do not help; the mean over corpora; ``speaker_chance``, of the most frequent one.
- ``heard``: accuracy on held-out utterances of the speakers that trained the head, all sources together;
  ``heard_chance``.
- ``same``, ``other``: mean cosine between the centroids of test lists of two languages, of one emotion and of two.
  Centroids are taken from the mean over all of them. ``alignment`` is the difference.
- ``cka``: linear centred kernel alignment between the centroids of two languages, mean over pairs of languages: whether
  emotions lie to each other alike in both, wherever that is. Of few centroids it is high by chance; compare sides.

``points.csv``: test utterances of the first fold and seed on the first two principal components of the source's train
lists, those of the hidden values turned to lie as near to the input's as can be, and both scaled alike.

Source: S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of Neural Network Representations Revisited", ICML
2019, equation 4 (CKA); P. H. Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika
31, 1966.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from local.probe.scale import FoldFeatures
from local.probe.steps.nullspace import hold_out, numbered
from local.probe.steps.reader import Reader
from local.results.corpus import Corpus
from utils import metrics

if TYPE_CHECKING:
    from local.probe.group import Heads

INPUT, HIDDEN = "input", "hidden"
MEASURES = ("emotion_target", "emotion_source", "language", "speaker", "heard", "same", "other", "alignment", "cka")
CHANCES = ("language_chance", "speaker_chance", "heard_chance")
COLUMNS = {
    "representation.csv": ["fold", "layer", "side", "seed", *MEASURES, *CHANCES],
    "points.csv": ["side", "layer", "utt", "speaker", "language", "emotion", "x", "y", "explained"],
}
POINTS = 48  # of each corpus, at most
Source = tuple[Corpus, np.ndarray]


@dataclass(frozen=True)
class Lists:
    """Utterances of the sources and, behind them, of the target.

    Attributes
    ----------
    x : ndarray of float32, shape (utterances, dim)
    labels, corpora : ndarray of int64, shape (utterances,)
        Emotions, and numbers of the corpora; the last of these is the target's.
    languages : ndarray of int64, shape (utterances,)
    persons, utts : list of str
    """

    x: np.ndarray
    labels: np.ndarray
    corpora: np.ndarray
    languages: np.ndarray
    persons: list[str]
    utts: list[str]

    @property
    def target(self) -> np.ndarray:
        """Which utterances are the target's."""
        return self.corpora == self.corpora.max()


def records(
    heads: Heads, sources: Sequence[Source], target: Source, emotions: Sequence[str], seeds: Sequence[int]
) -> dict[str, tuple[list[str], list[dict]]]:
    """Read the input and the hidden values of every fold.

    Parameters
    ----------
    heads : Heads
        Of method ``aligned``.
    sources : sequence of (Corpus, ndarray)
        What they are trained on, with all features.
    target : (Corpus, ndarray)
        What they are tested on.
    emotions : sequence of str
        What classes are called.
    seeds : sequence of int
        What seeds are called.

    Returns
    -------
    dict of str to (list of str, list of dict)
        Columns and rows by file.
    """
    found: dict[str, tuple[list[str], list[dict]]] = {name: (columns, []) for name, columns in COLUMNS.items()}
    chosen = heads.selection.layer
    for trained in heads.trained:
        fold, layers = trained.task.fold, trained.task.layers
        for layer in sorted({int(own) for own in chosen[fold]} & set(layers)):
            place, features = layer - layers.start, trained.features[0]
            train, test = (_lists(features, [*sources, target], fold, part, place) for part in ("train", "test"))
            where = {"fold": fold, "layer": layer}
            rows = found["representation.csv"][1]
            rows.append(where | {"side": INPUT, "seed": ""} | _written(measure(train, test)))
            for seed in np.flatnonzero(chosen[fold] == layer):
                own = [weight[place : place + 1] for weight in trained.weights[seed]]
                sides = [_represented(trained.kind, own, lists) for lists in (train, test)]
                rows.append(where | {"side": HIDDEN, "seed": seeds[seed]} | _written(measure(*sides)))
                if fold == 0 and seed == 0:
                    found["points.csv"][1].extend(_points(layer, (train, test), sides, emotions, [*sources, target]))
    return found


def _lists(features: FoldFeatures, corpora: Sequence[Source], fold: int, part: str, place: int) -> Lists:
    rows = [corpus.folds[fold][part] for corpus, _ in corpora]
    number = np.repeat(np.arange(len(corpora)), [len(own) for own in rows])
    spoken = numbered(["+".join(corpus.languages) for corpus, _ in corpora])
    names = [
        [getattr(corpus, key)[row] for (corpus, _), own in zip(corpora, rows, strict=True) for row in own]
        for key in ("persons", "utts")
    ]
    return Lists(
        np.concatenate([features.of(*source, part)[place] for source in corpora]),
        np.concatenate([corpus.labels[own] for (corpus, _), own in zip(corpora, rows, strict=True)]),
        number, spoken[number], *names,
    )  # fmt: skip


def _represented(kind: object, weights: Sequence[torch.Tensor], lists: Lists) -> Lists:
    hidden = kind.represent(weights, torch.from_numpy(lists.x)[None])[0].numpy()
    return Lists(hidden, lists.labels, lists.corpora, lists.languages, lists.persons, lists.utts)


def _written(measures: dict[str, float]) -> dict[str, str]:
    return {name: "" if np.isnan(value) else f"{value:.6f}" for name, value in measures.items()}


def measure(train: Lists, test: Lists) -> dict[str, float]:
    """Read who and what one side tells; NaN where there is nothing to tell.

    Parameters
    ----------
    train, test : Lists
        Of the same corpora and dimensions; what is learnt from, and what is read.

    Returns
    -------
    dict of str to float
        Of :data:`MEASURES` and :data:`CHANCES`.
    """
    x, labels, known = train.x[~train.target][None], train.labels[~train.target], ~train.target
    reader = Reader(x, labels, balanced=True)
    found = {
        f"emotion_{name}": _ua(reader, test.x[rows], test.labels[rows])
        for name, rows in (("target", test.target), ("source", ~test.target))
    }
    found["language"] = _ua(Reader(train.x[None], train.languages, balanced=True), test.x, test.languages)
    found["language_chance"] = 1 / len(set(test.languages.tolist()))
    heard = numbered([person for person, own in zip(train.persons, known, strict=True) if own])
    found["heard"], found["heard_chance"] = _names(x[0], heard, labels, 3)
    voices = np.array([
        _names(test.x[own], numbered([test.persons[row] for row in np.flatnonzero(own)]), test.labels[own], 2)
        for own in (test.corpora == corpus for corpus in range(int(test.corpora.max()) + 1))
    ])  # fmt: skip
    there = voices[~np.isnan(voices[:, 0])]
    found["speaker"], found["speaker_chance"] = there.mean(axis=0) if len(there) else (np.nan, np.nan)
    return found | centroids(test.x, test.labels, test.languages)


def _ua(reader: Reader, x: np.ndarray, y: np.ndarray) -> float:
    counts = metrics.confusion(y, reader.classify(x[None])[0], reader.weights.shape[2])
    return float(metrics.unweighted_accuracy(counts))


def _names(x: np.ndarray, speakers: np.ndarray, order: np.ndarray, every: int) -> tuple[float, float]:
    """Name speakers on one in so many of each one's utterances, learnt on the others; and of the most frequent one."""
    held = hold_out(speakers, order, every)
    if not speakers.max() or not held.any():
        return np.nan, np.nan
    said = Reader(x[None][:, ~held], speakers[~held]).classify(x[None][:, held])[0]
    return float((said == speakers[held]).mean()), float(np.bincount(speakers[held]).max() / held.sum())


def centroids(x: np.ndarray, labels: np.ndarray, languages: np.ndarray) -> dict[str, float]:
    """Compare where emotions lie in two languages, mean over pairs of languages.

    Parameters
    ----------
    x : ndarray, shape (utterances, dim)
        Features.
    labels, languages : ndarray of int64, shape (utterances,)
        Emotion and language of each.

    Returns
    -------
    dict of str to float
        ``same``, ``other``, ``alignment`` and ``cka``; of emotions that all languages have, NaN of fewer than two.
    """
    spoken = np.unique(languages)
    told = [e for e in np.unique(labels) if all(((labels == e) & (languages == own)).any() for own in spoken)]
    if len(told) < 2 or len(spoken) < 2:
        return dict.fromkeys(("same", "other", "alignment", "cka"), np.nan)
    centre = np.array([[x[(labels == e) & (languages == own)].mean(axis=0) for e in told] for own in spoken], float)
    unit = centre - centre.mean(axis=(0, 1))
    unit /= np.maximum(np.linalg.norm(unit, axis=2, keepdims=True), 1e-12)
    pairs = list(itertools.combinations(range(len(spoken)), 2))
    cosines = np.mean([unit[a] @ unit[b].T for a, b in pairs], axis=0)
    same, apart = np.diag(cosines).mean(), cosines[~np.eye(len(told), dtype=bool)].mean()
    alike = np.mean([_cka(centre[a], centre[b]) for a, b in pairs])
    return {"same": same, "other": apart, "alignment": same - apart, "cka": alike}


def _cka(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (own - own.mean(axis=0) for own in (a, b))
    size = np.linalg.norm(a @ a.T) * np.linalg.norm(b @ b.T)
    return float(((a @ a.T) * (b @ b.T)).sum() / max(size, 1e-12))


def _points(
    layer: int, before: Sequence[Lists], after: Sequence[Lists], emotions: Sequence[str], corpora: Sequence[Source]
) -> Iterable[dict]:
    """Lay both sides' test lists out in two dimensions."""
    test = before[1]
    rows = np.concatenate([_spread(np.flatnonzero(test.corpora == own)) for own in range(len(corpora))])
    first, share = plane_of(*before, rows)
    second, other = plane_of(*after, rows, first)
    for side, plane, explained in ((INPUT, first, share), (HIDDEN, second, other)):
        for row, (x, y) in zip(rows, plane, strict=True):
            yield {
                "side": side, "layer": layer, "utt": test.utts[row], "speaker": test.persons[row],
                "language": "+".join(corpora[test.corpora[row]][0].languages), "emotion": emotions[test.labels[row]],
                "x": f"{x:.4f}", "y": f"{y:.4f}", "explained": f"{explained:.4f}",
            }  # fmt: skip


def _spread(rows: np.ndarray) -> np.ndarray:
    """Take some of many rows, at even distances."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int))]


def plane_of(train: Lists, test: Lists, rows: np.ndarray, like: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Project test utterances on the first two principal components of the sources' train lists.

    Parameters
    ----------
    train, test : Lists
        What components are of, and what is projected.
    rows : ndarray of int, shape (n,)
        Which test utterances.
    like : ndarray, shape (n, 2), optional
        Where they lie in another plane: this one is turned or mirrored to lie as near to it as can be.

    Returns
    -------
    ndarray, shape (n, 2)
        At a mean square distance of 1 from the mean of the train lists.
    float
        The share of the train lists' variance that both have.
    """
    own = train.x[~train.target].astype(np.float64)
    mean = own.mean(axis=0)
    _, sizes, axes = np.linalg.svd(own - mean, full_matrices=False)
    plane = (test.x[rows] - mean) @ axes[:2].T
    plane = plane / max(float(np.sqrt((plane**2).sum(axis=1).mean())), 1e-12)
    if like is not None:
        left, _, right = np.linalg.svd(plane.T @ like)
        plane = plane @ left @ right
    return plane, float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))
