"""Normalisation: which utterances its statistics come from, and what it does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from local.probe import features as reading
from local.probe.scale import FoldFeatures, pick
from local.results import corpus as reader
from tests.local.probe import tree


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[reader.Corpus, np.ndarray]]:
    """Two corpora that differ in level."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for name, shift in (("aa", 0.0), ("bb", 50.0)):
        tree.write_corpus(tmp_path, name, shift=shift)
        corpus = reader.read(name, "enc", "speaker", tree.EMOTIONS)
        found[name] = corpus, reading.read(corpus, "enc")
    return found


def rows(source: tuple[reader.Corpus, np.ndarray], part: str, layer: int, fold: int = 1) -> np.ndarray:
    corpus, features = source
    return features[corpus.folds[fold][part], layer]


def test_train_uses_the_training_lists_of_all_training_corpora_together(sources) -> None:
    a, b = sources["aa"], sources["bb"]
    fold = FoldFeatures([a, b], 1, range(1, 3), "train")
    for place, layer in enumerate((1, 2)):
        scaler = StandardScaler().fit(np.concatenate([rows(a, "train", layer), rows(b, "train", layer)]))
        expected = np.concatenate([scaler.transform(rows(source, "train", layer)) for source in (a, b)])
        np.testing.assert_allclose(fold.x[place], expected, atol=1e-4)
        np.testing.assert_allclose(fold.of(*b, "test")[place], scaler.transform(rows(b, "test", layer)), atol=1e-4)


def test_per_corpus_uses_each_corpus_s_own_training_list(sources) -> None:
    a, b = sources["aa"], sources["bb"]
    fold = FoldFeatures([a], 1, range(3), "per-corpus")
    for source, part in ((a, "dev"), (b, "dev"), (b, "test")):
        for layer in range(3):
            scaler = StandardScaler().fit(rows(source, "train", layer))
            np.testing.assert_allclose(
                fold.of(*source, part)[layer], scaler.transform(rows(source, part, layer)), atol=1e-4
            )
    assert abs(FoldFeatures([a, b], 1, range(3), "per-corpus").x.mean()) < 1e-5


def test_none_leaves_features_alone(sources) -> None:
    a, b = sources["aa"], sources["bb"]
    fold = FoldFeatures([a], 1, range(3), "none")
    np.testing.assert_array_equal(fold.x, a[1][a[0].folds[1]["train"]].transpose(1, 0, 2))
    np.testing.assert_array_equal(fold.of(*b, "test"), b[1][b[0].folds[1]["test"]].transpose(1, 0, 2))


@pytest.mark.parametrize("normalise", ["train", "per-corpus"])
def test_test_utterances_do_not_enter_the_statistics(sources, normalise: str) -> None:
    a, (target, features) = sources["aa"], sources["bb"]
    disturbed = features.copy()
    disturbed[target.folds[1]["test"][1:]] = 1e6
    before, after = (FoldFeatures([a], 1, range(3), normalise).of(target, f, "test") for f in (features, disturbed))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])


def test_pick_takes_rows_and_layers() -> None:
    features = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    picked = pick(features, np.array([3, 0]), range(1, 3))
    assert picked.shape == (2, 2, 3)
    np.testing.assert_array_equal(picked[1, 0], features[3, 2])
    assert picked.flags.c_contiguous
