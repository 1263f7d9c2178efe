"""What the head ``aligned`` makes of a layer: who and what is read from its input and from its hidden values.

    found = records(heads, [(source, features), ...], (target, features), emotions, seeds)

It gives the rows of two files of a condition's directory (local/representation/records.py), of the layers that dev
chose: ``input`` is what the head is given, ``hidden`` its hidden values, of each seed. Points are of the first fold and
seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from local.representation.records import HIDDEN, INPUT, Records
from local.results.corpus import Corpus

if TYPE_CHECKING:
    from local.probe.group import Heads

Source = tuple[Corpus, np.ndarray]


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
    corpora = [*sources, target]
    found = Records([corpus for corpus, _ in corpora], emotions)
    chosen = heads.selection.layer
    for trained in heads.trained:
        fold, layers = trained.task.fold, trained.task.layers
        for layer in sorted({int(own) for own in chosen[fold]} & set(layers)):
            place, features = layer - layers.start, trained.features[0]
            x = [np.concatenate([features.of(*own, part)[place] for own in corpora]) for part in ("train", "test")]
            before = found.pair(fold, *x)
            found.read(fold, layer, INPUT, "", before)
            for seed in np.flatnonzero(chosen[fold] == layer):
                own = [weight[place : place + 1] for weight in trained.weights[seed]]
                after = found.pair(fold, *(_represented(trained.kind, own, part) for part in x))
                found.read(fold, layer, HIDDEN, seeds[seed], after)
                if fold == 0 and seed == 0:
                    found.lay_out(layer, before, after)
    return found.files


def _represented(kind: object, weights: Sequence[torch.Tensor], x: np.ndarray) -> np.ndarray:
    return kind.represent(weights, torch.from_numpy(x)[None])[0].numpy()
