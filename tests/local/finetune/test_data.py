"""What is read of corpora, and how it is cut into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local import encoders
from local.finetune import data
from local.finetune.data import Batches, Examples
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.results import corpus as reader
from tests.local.finetune.recipe import EMOTIONS, write_corpus, write_encoder


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path, "a", n=12)
    return tmp_path


def read() -> reader.Corpus:
    return reader.read("a", "small", "speaker", EMOTIONS)


def test_a_part_has_its_list_s_utterances_and_labels():
    part = data.part(read(), 1, "test")
    assert [utterance.id for utterance in part.utterances] == ["a_01-0001", "a_01-0007", "a_04-0004", "a_04-0010"]
    assert [EMOTIONS[label] for label in part.labels] == ["angry", "neutral", "happy", "sad"]


def test_parts_of_several_corpora_are_joined_in_their_order(recipe):
    write_corpus(recipe, "b", n=12)
    both = [data.part(reader.read(name, "small", "speaker", EMOTIONS), 0, "train") for name in "ba"]
    joined = Examples.joined(both)
    assert joined.utterances == both[0].utterances + both[1].utterances
    assert joined.labels.tolist() == both[0].labels.tolist() + both[1].labels.tolist()


class TestBatches:
    """Batches of utterances."""

    def test_hold_every_utterance_once_whatever_the_epoch(self):
        batches = Batches(list(range(30, 330, 10)), 8, seed=3)
        seen = []
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            seen.append(list(batches))
            assert sorted(sum(seen[-1], [])) == list(range(30))
            assert len(seen[-1]) == len(batches) == 4
        assert seen[0] != seen[1]

    def test_depend_on_nothing_but_seed_and_epoch(self):
        frames = np.random.default_rng(0).integers(20, 500, 40)
        one, other = (Batches(frames, 8, seed=3) for _ in range(2))
        other.set_epoch(5)
        other.set_epoch(0)
        assert list(one) == list(other) != list(Batches(frames, 8, seed=4))

    def test_hold_utterances_of_about_the_same_length(self):
        frames = np.random.default_rng(0).integers(50, 500, 64)
        spread = [np.ptp(frames[batch]) for batch in Batches(frames, 8, seed=0)]
        assert np.mean(spread) < 100

    @pytest.mark.parametrize(("count", "sizes"), [(17, [8, 9]), (18, [2, 8, 8]), (16, [8, 8]), (3, [3])])
    def test_are_never_of_one(self, count, sizes):
        assert sorted(len(batch) for batch in Batches([50] * count, 8, seed=0)) == sizes

    def test_are_shared_among_processes(self):
        frames = np.random.default_rng(0).integers(50, 500, 21)
        whole = list(Batches(frames, 8, seed=0))
        parts = [list(Batches(frames, 8, 0, rank, 2)) for rank in (0, 1)]
        assert [sorted(one + other) for one, other in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]


class TestCache:
    """The front end's features."""

    @pytest.fixture
    def classifier(self, recipe: Path) -> EmotionClassifier:
        write_encoder(recipe)
        return EmotionClassifier(encoders.spec("small"), EMOTIONS, Design(2, "lora"))

    def test_gives_what_the_classifier_computes(self, classifier):
        examples = data.part(read(), 0, "train")
        cache = data.open_cache(data.cache_folder("small"), classifier)
        cache.fill(examples.utterances, classifier.features, False, 2)
        batch = data.read_batch(cache, examples, [3, 1])
        own = [classifier.features(examples.utterances[row].load()) for row in (3, 1)]
        assert batch["lengths"] == [len(one) for one in own]
        assert np.abs(batch["features"].numpy() - np.concatenate(own)).max() < 1e-2
        assert batch["labels"].tolist() == examples.labels[[3, 1]].tolist()

    def test_is_filled_once_for_all(self, classifier, monkeypatch):
        corpus = read()
        for part in ("train", "dev"):
            cache = data.open_cache(Path("c"), classifier)
            cache.fill(data.part(corpus, 0, part).utterances, classifier.features, False, 1)
        monkeypatch.setattr(classifier, "features", None)
        cache = data.open_cache(Path("c"), classifier)
        for part in ("dev", "train"):
            cache.fill(data.part(corpus, 0, part).utterances, classifier.features, False, 1)
        assert all(cache.frames(one) for part in ("train", "dev") for one in data.part(corpus, 0, part).utterances)

    def test_is_another_for_another_encoder(self, recipe, classifier):
        write_encoder(recipe, "other", "hubert-base")
        other = EmotionClassifier(encoders.spec("other"), EMOTIONS, Design(2, "lora"))
        for one in (classifier, other):
            data.open_cache(Path("c"), one).fill(data.part(read(), 0, "train").utterances, one.features, False, 1)
        assert len(list(Path("c").iterdir())) == 2

    def test_of_a_frozen_encoder_holds_its_means_by_layer_and_pooling(self, classifier):
        examples = data.part(read(), 0, "train")
        for layer, pooling in ((2, "mean"), (1, "mean"), (2, "weighted")):
            frozen = EmotionClassifier(encoders.spec("small"), EMOTIONS, Design(layer, pooling=pooling))
            cache = data.open_cache(Path("c"), frozen)
            cache.fill(examples.utterances, frozen.features, False, 2)
            batch = data.read_batch(cache, examples, [3, 1])
            own = [frozen.features(examples.utterances[row].load()) for row in (3, 1)]
            assert batch["lengths"] == [layer + 1 if pooling == "weighted" else 1] * 2
            np.testing.assert_allclose(batch["features"], np.concatenate(own), rtol=0, atol=1e-6)
        data.open_cache(Path("c"), classifier).fill(examples.utterances, classifier.features, False, 1)
        assert sorted(path.name for path in Path("c").glob("*/inputs.*")) == ["inputs.f16"] + 3 * ["inputs.f32"]

    def test_cuts_for_use_the_longest_first(self, classifier):
        examples = data.part(read(), 0, "train")
        cache = data.open_cache(Path("c"), classifier)
        cache.fill(examples.utterances, classifier.features, False, 1)
        (first, second) = data.by_length(cache, examples, 3)
        frames = [cache.frames(examples.utterances[row]) for row in first + second]
        assert sorted(first + second) == [0, 1, 2, 3] and frames == sorted(frames, reverse=True)
