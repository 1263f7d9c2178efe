"""What the languages of an encoder and of corpora make of a condition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def describe(encoder: list[str], heard: Iterable[list[str]], test: str) -> dict[str, Any]:
    """Say what a condition's languages are: a part of its ``meta.json``.

    Parameters
    ----------
    encoder : list of str
        Languages the encoder was pre-trained on; empty if it is not bound to any.
    heard : iterable of list of str
        Languages of every corpus that it is trained on, in any stage of training.
    test : str
        Language of the test corpus.
    """
    trained = sorted({language for own in heard for language in own})
    return {
        "setting": setting(encoder, trained, test), "encoder_languages": encoder, "train_languages": trained,
        "test_language": test,
    }  # fmt: skip


def setting(encoder_languages: list[str], train_languages: list[str], test_language: str) -> str:
    """Derive a condition's setting from its languages (study A, section III-B).

    An encoder that is not bound to a language (spectral features, random weights) counts as being of
    the training language.

    Parameters
    ----------
    encoder_languages : list of str
        Languages the encoder was pre-trained on; empty if it is not bound to any.
    train_languages : list of str
        Languages of the training corpora.
    test_language : str
        Language of the test corpus.

    Returns
    -------
    str
        ``mono`` (encoder, training and test language agree), ``cross`` (trained on the encoder's language,
        tested on another), ``trans`` (trained and tested on a language that is not the encoder's) or
        ``cross-trans`` (trained on a language that is not the encoder's, tested on yet another), which the
        study does not have and which a full source x target matrix brings. ``unknown`` where nothing is known of what
        it was trained on (local/outside).

    Examples
    --------
    >>> setting(["zh"], ["zh"], "de"), setting(["zh"], ["de"], "de"), setting([], ["de"], "de")
    ('cross', 'trans', 'mono')
    """
    if not train_languages:
        return "unknown"
    at_home = not encoder_languages or set(train_languages) <= set(encoder_languages)
    if test_language in train_languages:
        return "mono" if at_home else "trans"
    return "cross" if at_home else "cross-trans"
