"""Probes trained together against a plain PyTorch loop over heads with the same settings.

13 layers x 5 folds of 1600/200/200 utterances, 768 dimensions, 4 classes, at most 100 epochs in batches of 32.
Both sides standardise, train with early stopping, choose epochs on dev, and score the test utterances. The
features are Gaussian clusters whose distance depends on the layer, with a share of the labels wrong, so that
heads stop at different epochs and score between 0.5 and 0.9.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from local.experiment import Experiment, Probe
from local.grid.conditions import Group, expand
from local.grid.factors import PROBE
from local.probe.group import Heads, train
from local.probe.heads import HEADS, initial_weights
from local.results.corpus import Corpus
from utils import metrics

LAYERS, FOLDS, DIM, CLASSES, UTTERANCES = 13, 5, 768, 4, 2000
TARGETS = {"linear": ("probe_linear_vs_sequential", 15.0), "mlp": ("probe_vs_sequential", 6.0)}
SETTINGS = Probe()
NAME = "synthetic"


def run(work: Path) -> list[dict]:
    """Measure both heads.

    Parameters
    ----------
    work : Path
        Not needed: nothing is written.

    Returns
    -------
    list of dict
        A row a head.
    """
    return [compare(head) for head in TARGETS]


@functools.cache
def compare(head: str) -> dict:
    """Time one head, once in a process: ours, the reference on fold 0, and ours again."""
    corpus, features = synthetic()
    group = group_of(head)

    def together() -> tuple[Heads, list[np.ndarray]]:
        heads = train(group, [(corpus, features)], [(corpus, features)])
        return heads, heads.test(corpus, features)

    threads = torch.get_num_threads()
    sequential(head, corpus, features, [0], 1)  # torch imports parts of itself when an optimiser is first made
    trials = {n: _in_threads(n, lambda: sequential(head, corpus, features, [6], 2))[0] for n in (1, threads)}
    fastest = min(trials, key=trials.__getitem__)
    first, (heads, probabilities) = _timed(together)
    reference, ua = _in_threads(fastest, lambda: sequential(head, corpus, features, range(LAYERS), SETTINGS.epochs))
    second, _ = _timed(together)
    ours = (first + second) / 2
    # Both train a head for the same number of epochs, so epochs tell what the other folds would have cost.
    epochs = np.minimum(heads.selection.epoch[:, 0] + SETTINGS.patience, SETTINGS.epochs)
    reference *= epochs.sum() / epochs[0].sum()
    reference_labels = corpus.labels[corpus.folds[0]["test"]]
    our_ua = [_ua(reference_labels, layer.argmax(1)) for layer in probabilities[0][0]]
    name, target = TARGETS[head]
    return {
        "name": name,
        "ours_s": ours,
        "reference_s": float(reference),
        "ratio": float(reference / ours),
        "target": target,
        "note": (
            f"ours: {heads.number} heads, mean of two runs around the reference ({first:.1f} s, {second:.1f} s); "
            f"reference: the {LAYERS} heads of fold 0 in {fastest} thread(s), the faster of 1 and {threads}, scaled "
            f"by the epochs of all heads ({epochs.min()} to {epochs.max()} a head); UA of these {LAYERS} heads: ours "
            f"{np.mean(our_ua):.4f}, reference {np.mean(ua):.4f}, largest difference "
            f"{np.abs(np.subtract(our_ua, ua)).max():.4f}"
        ),
    }


def group_of(head: str) -> Group:
    """Make the group of one condition."""
    experiment = Experiment(corpora=[NAME], encoders=[NAME], probe=SETTINGS)
    factors = {"encoder": NAME, "method": head, "train": (NAME,), "test": NAME}
    return Group(tuple(expand(PROBE, experiment, lambda own: [factors])))


@functools.cache
def synthetic() -> tuple[Corpus, np.ndarray]:
    """Make a corpus and its features, shape (utterances, layers, dim)."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(UTTERANCES) % CLASSES)
    distance = np.linspace(0.08, 0.14, LAYERS)[:, None]
    features = np.empty((UTTERANCES, LAYERS, DIM), dtype=np.float32)
    centres = rng.standard_normal((CLASSES, LAYERS, DIM)) * distance
    features[:] = rng.standard_normal(features.shape, dtype=np.float32) + centres[labels]
    wrong = rng.random(UTTERANCES) < 0.1
    labels[wrong] = rng.integers(0, CLASSES, wrong.sum())
    blocks = np.arange(UTTERANCES).reshape(2 * FOLDS, -1)
    folds = []
    for k in range(FOLDS):
        dev, test = blocks[2 * k], blocks[2 * k + 1]
        folds.append({"train": np.setdiff1d(np.arange(UTTERANCES), [dev, test]), "dev": dev, "test": test})
    utts = [f"utt{number:04d}" for number in range(UTTERANCES)]
    return Corpus(NAME, ["de"], False, utts, labels, folds, 0, utts), features


def sequential(head: str, corpus: Corpus, features: np.ndarray, layers: list[int] | range, epochs: int) -> list[float]:
    """Train the heads of fold 0 one after another, as one would write it, and return their test UA."""
    parts = {part: torch.from_numpy(rows) for part, rows in corpus.folds[0].items()}
    labels = torch.from_numpy(corpus.labels)
    y, dev_y = labels[parts["train"]], labels[parts["dev"]]
    scores = []
    for layer in layers:
        table = torch.from_numpy(features[:, layer])
        x = table[parts["train"]]
        deviation, mean = torch.std_mean(x, 0, correction=0)
        x, dev_x, test_x = ((table[rows] - mean) / deviation for rows in parts.values())
        model = _model(head)
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=SETTINGS.lr, eps=SETTINGS.eps, weight_decay=SETTINGS.weight_decay
        )
        order = torch.Generator().manual_seed(group_of(head).draw(0, 0, "order"))
        best_loss, best_epoch, best = float("inf"), 0, {}
        for epoch in range(1, epochs + 1):
            for batch in torch.randperm(len(y), generator=order).split(SETTINGS.batch_size):
                loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            with torch.no_grad():
                dev_loss = float(nn.functional.cross_entropy(model(dev_x), dev_y))
            if dev_loss < best_loss:
                best_loss, best_epoch = dev_loss, epoch
                best = {name: value.clone() for name, value in model.state_dict().items()}
            elif epoch - best_epoch >= SETTINGS.patience:
                break
        model.load_state_dict(best)
        with torch.no_grad():
            scores.append(_ua(labels[parts["test"]].numpy(), model(test_x).argmax(1).numpy()))
    return scores


def _model(head: str) -> nn.Module:
    """A head as torch modules, started like ours."""
    kind = HEADS[head](DIM, CLASSES)
    weights = initial_weights(kind, group_of(head).draw(0, 0, "weights"))
    stages: list[nn.Module] = []
    for matrix, bias in zip(weights[::2], weights[1::2], strict=True):
        matrix = matrix if head == "linear" else matrix.T.contiguous()
        stage = nn.Linear(matrix.shape[1], matrix.shape[0])
        stage.load_state_dict({"weight": matrix, "bias": bias.flatten()})
        stages += [stage, nn.ReLU()]
    return stages[0] if head == "linear" else nn.Sequential(*stages[:-1])


def _ua(reference: np.ndarray, hypothesis: np.ndarray) -> float:
    return metrics.unweighted_accuracy(metrics.confusion(reference, hypothesis, CLASSES))


def _timed(function: Callable) -> tuple:
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def _in_threads(number: int, function: Callable) -> tuple:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        return _timed(function)
    finally:
        torch.set_num_threads(before)
