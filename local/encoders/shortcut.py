"""Kind shortcut: what a system without ears has of an utterance: its duration, its level, or its words.

An entry's ``sees`` says which: ``duration``, ``level``, both, or ``text`` alone. What such a system reaches, a
recogniser may reach without having recognised any emotion, so it is a row of the results like any encoder, with the
same heads, intervals and tests.

Numbers are given as they are and as hat functions (linear B-splines) on fixed knots, so that a linear head may prefer
what is neither most nor least. Text becomes counts of its character n-grams, hashed into ``dim`` buckets (Weinberger
et al., "Feature hashing for large scale multitask learning", ICML 2009): all corpora share the space. Where a corpus
has no transcripts, the name of the sentence stands in for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local.encoders import kinds
from local.encoders.base import Encoder
from local.encoders.registry import EncoderSpec
from utils.audio import SAMPLE_RATE
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# Lowest and highest knot, and how many: thirds of an octave between 0.25 and 32 s; each 3 dB, of full scale.
_KNOTS = {"duration": (-2.0, 5.0, 22), "level": (-60.0, 0.0, 21)}
_SILENCE = 1e-10  # power
_NGRAMS = (1, 3)  # characters


class Kind(kinds.Kind):
    """Features that need no ears."""

    hears = False

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Encoder:
        """Make the encoder, which runs on the CPU in fp32 whatever is asked for."""
        return Text(spec) if spec.sees == ["text"] else Numbers(spec)

    def tables(self, spec: EncoderSpec) -> tuple[str, ...]:
        """Transcripts, or sentences' names."""
        return ("text", "utt2sent") if spec.sees == ["text"] else ()

    def identity(self, spec: EncoderSpec) -> dict[str, Any]:
        """Say what it sees."""
        return super().identity(spec) | {"sees": spec.sees}

    def check(self, spec: EncoderSpec, place: str) -> None:
        """Refuse what cannot be seen, and sizes that do not belong to it."""
        numbers = [name for name in spec.sees if name in _KNOTS]
        if spec.sees != ["text"] and (not numbers or numbers != list(dict.fromkeys(spec.sees))):
            raise UserError(f"{place}: kind shortcut needs 'sees': [duration], [level], [duration, level] or [text]")
        if (spec.layers, spec.dim) != (1, _width(numbers) or spec.dim):
            dim = _width(numbers) or spec.dim
            raise UserError(f"{place}: what sees {', '.join(spec.sees)} has layers: 1, dim: {dim}")


def _width(numbers: Sequence[str]) -> int:
    return sum(1 + _KNOTS[name][2] for name in numbers)


class Numbers(Encoder):
    """Duration (binary logarithm of seconds) and level (root mean square, dB of full scale)."""

    min_samples = 1

    def __init__(self, spec: EncoderSpec):
        self.spec = spec

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give the numbers and their hats as one layer; see :meth:`Encoder.pooled`."""
        import numpy as np

        seen = {"duration": _duration, "level": _level}
        parts = [_spread([seen[name](wave) for wave in waves], *_KNOTS[name]) for name in self.spec.sees]
        return np.concatenate(parts, axis=1)[:, None].astype(np.float32)


def _duration(wave: np.ndarray) -> float:
    import numpy as np

    return float(np.log2(len(wave) / SAMPLE_RATE))


def _level(wave: np.ndarray) -> float:
    import numpy as np

    return float(10 * np.log10(np.square(wave, dtype=np.float64).mean() + _SILENCE))


def _spread(values: Sequence[float], low: float, high: float, knots: int) -> np.ndarray:
    """Give numbers and the hats that they touch, two neighbours that sum to 1; shape (values, 1 + knots)."""
    import numpy as np

    column = np.array(values, dtype=np.float64).reshape(-1, 1)
    place = np.clip((column - low) / (high - low), 0, 1) * (knots - 1)
    return np.hstack([column, np.maximum(0, 1 - np.abs(place - np.arange(knots)))])


class Text(Encoder):
    """Hashed counts of character n-grams, each of unit length."""

    min_samples = 0  # of an empty transcript there is nothing to count

    def __init__(self, spec: EncoderSpec):
        from sklearn.feature_extraction.text import HashingVectorizer

        self.spec = spec
        self._hash = HashingVectorizer(analyzer="char", ngram_range=_NGRAMS, n_features=spec.dim)

    def pooled(self, waves: Sequence[str]) -> np.ndarray:
        """Give the counts as one layer; what is given are transcripts; otherwise as :meth:`Encoder.pooled`."""
        import numpy as np

        if not waves:
            return np.empty((0, 1, self.spec.dim), dtype=np.float32)
        return self._hash.transform(waves).toarray()[:, None].astype(np.float32)
