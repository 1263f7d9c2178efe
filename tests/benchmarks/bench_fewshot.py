"""Few-shot probes over twelve ordered pairs against a plain loop of scikit-learn's regressions.

Four corpora of 2,000 utterances, one fold of 1600/200/200 each, 13 layers of 768 dimensions, four classes; of all pairs
0, 5, 10, 25, 50, 100, 200 and 500 utterances of the test corpus are known, in ten draws each. Ours trains the heads of
the sources, then those of every pair, size and draw, chooses their strength among four by cross-validation in five
folds, and tests them. The loop does the same in the plain way, a grid search by head on the source and the utterances
together (of a source alone, a single regression), and is measured on a sample of heads. Both count seconds of cores,
the loop's on one thread, so that other work beside and threads that wait for each other favour neither.
"""

from __future__ import annotations

import time
import warnings
from itertools import permutations
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from local.experiment import Experiment, Probe
from local.grid.conditions import Group, expand
from local.grid.factors import PROBE
from local.probe import fewshot
from local.probe.group import Heads, train
from local.results.corpus import Corpus
from tests.benchmarks.bench_probe import CLASSES, DIM, LAYERS, UTTERANCES
from utils import metrics

NAMES = ("first", "second", "third", "fourth")
SIZES = (5, 10, 25, 50, 100, 200, 500)
DRAWS = 10
SECONDS = 180.0  # that all of it may take on two cores
TARGET = 10.0
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
SAMPLE = (0, 6)  # layers that the loop is measured on, of one pair and draw


def run(work: Path) -> list[dict]:
    """Measure.

    Parameters
    ----------
    work : Path
        Not needed: nothing is written.

    Returns
    -------
    list of dict
        One row.
    """
    corpora = {name: synthetic(seed) for seed, name in enumerate(NAMES)}
    began, used = time.perf_counter(), time.process_time()
    sources = {name: train(_group(name, name, 0), [corpora[name]], [corpora[name]]) for name in NAMES}
    ua: dict[int, list[float]] = {}
    for first, second in permutations(NAMES, 2):
        ua.setdefault(0, []).append(_ua(sources[first], corpora[second]))
        for k in SIZES:
            known = _drawn(corpora[second][0], k)
            heads = fewshot.beside(_group(first, second, k), corpora[second], known, sources[first])
            ua.setdefault(k, []).append(_ua(heads, corpora[second]))
    ours, used = time.perf_counter() - began, time.process_time() - used
    with threadpool_limits(1):
        alone, searched = _loop(corpora[NAMES[0]], corpora[NAMES[1]])
    reference = 12 * LAYERS * (alone + len(SIZES) * DRAWS * searched)
    curve = ", ".join(f"{k}: {np.mean(scores):.3f}" for k, scores in ua.items())
    return [
        {
            "name": "fewshot_speed", "ours_s": used, "reference_s": reference, "ratio": reference / used,
            "target": TARGET,
            "note": (
                f"seconds of cores; by the clock 12 pairs x {len(SIZES) + 1} sizes x {DRAWS} draws x {LAYERS} layers "
                f"took {ours:.0f} s (at most {SECONDS:.0f} s on two cores); reference: a grid search of four strengths "
                f"in five folds, {searched:.2f} s a head, and {alone:.2f} s for a source's, on "
                f"{len(SAMPLE) * (len(SIZES) + 1)} heads; mean UA by utterances: {curve}"
            ),
        }
    ]  # fmt: skip


def synthetic(seed: int) -> tuple[Corpus, np.ndarray]:
    """Make a corpus and its features, whose classes lie where those of others do, for the one half."""
    rng, shared = np.random.default_rng(seed + 1), np.random.default_rng(0)
    labels = rng.permutation(np.arange(UTTERANCES) % CLASSES)
    shape = CLASSES, LAYERS, DIM
    centres = 0.1 * (shared.standard_normal(shape) + rng.standard_normal(shape)).astype(np.float32)
    features = rng.standard_normal((UTTERANCES, LAYERS, DIM), dtype=np.float32) + centres[labels]
    rows = np.arange(UTTERANCES)
    folds = [{"train": rows[:1600], "dev": rows[1600:1800], "test": rows[1800:]}]
    utts = [f"utt{number:04d}" for number in rows]
    return Corpus(NAMES[seed], ["de"], False, utts, labels, folds, utts, 0), features


def _group(source: str, test: str, shots: int) -> Group:
    probe = Probe(heads=["logreg"], select="dev", shots=shots, draws=DRAWS)
    experiment = Experiment(corpora=list(NAMES), encoders=["synthetic"], probe=probe)
    factors = {"encoder": "synthetic", "method": "logreg", "train": (source,), "test": test}
    return Group(tuple(expand(PROBE, experiment, lambda own: [factors])))


def _drawn(corpus: Corpus, k: int) -> fewshot.Drawn:
    """Draw k utterances in rounds of one a class, ten times."""
    found = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(corpus.folds[0]["train"])
        by_class = [order[corpus.labels[order] == label] for label in range(CLASSES)]
        found.append(np.concatenate(list(zip(*by_class, strict=False)))[:k])
    return [found]


def _ua(heads: Heads, target: tuple[Corpus, np.ndarray]) -> float:
    said = heads.test(*target)[0].argmax(-1)
    reference = target[0].labels[target[0].folds[0]["test"]]
    return float(metrics.unweighted_accuracy(metrics.confusion(reference, said, CLASSES)).mean())


def _loop(source: tuple[Corpus, np.ndarray], target: tuple[Corpus, np.ndarray]) -> tuple[float, float]:
    """Fit heads one after another, as one would write it; give mean seconds of a source's, and of one with shots."""
    (own, features), (other, more) = source, target
    rows = own.folds[0]["train"]
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for layer in SAMPLE:
        x, y = features[rows, layer], own.labels[rows]
        mean, sd = x.mean(0), x.std(0)
        x = (x - mean) / sd
        for k in (0, *SIZES):
            known = _drawn(other, k)[0][0] if k else np.array([], dtype=int)
            table = np.concatenate([x, (more[known, layer] - mean) / sd])
            labels = np.concatenate([y, other.labels[known]])
            weight = np.concatenate([np.ones(len(y)), np.full(k, len(y) / max(k, 1))])
            model = LogisticRegression(max_iter=1000)
            if k:
                model = GridSearchCV(model, {"C": STRENGTHS}, cv=5)
            began = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(table, labels, sample_weight=weight)
            model.predict((more[other.folds[0]["test"], layer] - mean) / sd)
            seconds[k > 0].append(time.process_time() - began)
    return float(np.mean(seconds[False])), float(np.mean(seconds[True]))
