"""Factor erase: who speaks is taken out of the features, as far as linear classifiers can tell; and controls.

``inlp``: by iterative null-space projection (local/probe/steps/nullspace.py). ``random``: as many directions as
``inlp`` takes away in that fold and layer, at random. ``emotion``: as ``inlp``, but emotions are erased, not speakers.
``leace``: speakers by least-squares concept erasure (local/probe/steps/leace.py). All are learnt on train lists alone:
on two thirds of the utterances of each speaker, so that the third can tell how far it went.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from local.probe.scale import Looked, Training
from local.probe.steps import curve, leace, nullspace
from local.representation.reader import hold_out, numbered
from utils.errors import UserError

_NOTHING = 1e-9  # of the variance
COLUMNS = {"erasure.csv": curve.COLUMNS}


def fit(value: str, training: Training) -> Callable[[np.ndarray, str], np.ndarray]:
    """Learn what is to be erased.

    Parameters
    ----------
    value : str
        ``inlp``, ``random``, ``emotion`` or ``leace``.
    training : Training
        Of a fold.

    Raises
    ------
    UserError
        The train lists hold one speaker, or no speaker with two utterances.
    """
    erase = _eraser(value, training)
    before, after = (own.var(axis=1, dtype=np.float64).sum(axis=1) for own in (training.x, erase(training.x)))
    # Of features that are all gone, rounding would be left, on which no regression converges.
    there = (after > _NOTHING * before)[:, None, None]
    return lambda x, corpus: np.where(there, erase(x), np.float32(0))


def _eraser(value: str, training: Training) -> Callable[[np.ndarray], np.ndarray]:
    speakers, held = shared(training)
    if value == "leace":
        return leace.erase(training.x[:, ~held], speakers[~held])
    y = training.labels if value == "emotion" else speakers
    found = nullspace.erase(training.x, y, held)
    gone = found.directions
    if value == "random":
        gone = nullspace.draw(gone.shape[1], found.ranks[-1], [zlib.crc32(training.labels.tobytes())])
    gone = gone.astype(np.float32)
    return lambda x: x - (x @ gone) @ gone.transpose(0, 2, 1)


def shared(training: Training) -> tuple[np.ndarray, np.ndarray]:
    """Number the speakers of training utterances, and choose which utterances are held out; see :func:`fit`."""
    speakers = numbered(training.persons)
    held = hold_out(speakers, training.labels)
    names = "+".join(dict.fromkeys(training.corpora))
    if speakers.max() == 0 or not held.any():
        what = "of one speaker" if speakers.max() == 0 else "of speakers with one utterance each"
        raise UserError(
            f"probe.erase: a train list of {names} is {what}, from which nothing can be told of speakers; leave "
            f"{names} out of probe.pairs, or erase out of vary"
        )
    return speakers, held


def record(value: str, looked: Looked) -> dict[str, list[dict]]:
    """Say of one fold and layer what each iteration does to speakers and emotions, beside its controls.

    Parameters
    ----------
    value : str
        As of :func:`fit`; there is nothing to say of any but ``inlp``.
    looked : Looked
        Training and test utterances, as they are before anything is erased.

    Returns
    -------
    dict of str to list of dict
        Rows of ``erasure.csv`` of the condition's directory.
    """
    if value != "inlp":
        return {}
    return {"erasure.csv": curve.rows(looked, *shared(looked.training))}
