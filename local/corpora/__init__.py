"""Stage 1: corpora become data directories: one small module per corpus, one registry, one writer.

This package is import-light: the registry reads YAML and nothing else.
"""

from local.corpora.records import Excluded, Span, Utterance
from local.corpora.registry import CorpusSpec, Expected, emotion_words, names, spec

__all__ = ["CorpusSpec", "Excluded", "Expected", "Span", "Utterance", "emotion_words", "names", "spec"]
