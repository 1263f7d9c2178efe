"""What words for emotions mean: sets, and the choices that studies make differently."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local import corpora, experiment, labels
from local.corpora import spec
from utils.errors import UserError


@pytest.mark.parametrize(("name", "word", "plain", "chosen"), [
    ("exc_as_happy", "excited", "excited", "happy"), ("calm_as_neutral", "calm", "calm", "neutral"),
    ("amused_as_happy", "amused", "amused", "happy"), ("without_bored", "boredom", "bored", ""),
])  # fmt: skip
def test_a_choice_changes_its_words_alone(tmp_path: Path, name: str, word: str, plain: str, chosen: str) -> None:
    before, after = labels.words(["common"], recipe=tmp_path), labels.words(["common"], [name], tmp_path)
    assert before[word] == plain
    assert after[word] == chosen
    assert {own for own in before if before[own] != after[own]} == {own for own in before if before[own] == plain}


def test_every_corpus_reaches_the_sets_with_its_own_words(tmp_path: Path) -> None:
    for name in corpora.names(tmp_path):
        words = corpora.emotion_words(spec(name), recipe=tmp_path)
        known = {words[own.casefold()] for own in spec(name).expected.emotions}
        for emotions in ("four", "six", "seven"):
            assert set(labels.expand([emotions], tmp_path)) <= set(words.values())
        if known:
            # EmoV-DB has amusement in the place of joy, and no sadness.
            reached = known | {"happy"} if "amused" in known else known
            assert len(reached & set(labels.expand(["four"], tmp_path))) >= 3, name


def test_sets_stand_for_their_members(tmp_path: Path) -> None:
    assert labels.expand(["four"], tmp_path) == ["angry", "happy", "neutral", "sad"]
    assert labels.expand(["six", "bored"], tmp_path) == [
        "angry", "disgusted", "fearful", "happy", "neutral", "sad", "bored",
    ]  # fmt: skip
    assert set(labels.expand(["seven"], tmp_path)) - set(labels.expand(["six"], tmp_path)) == {"surprised"}
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/emotions.yaml").write_text("sets: {two: [angry, calm]}\n")
    assert labels.expand(["two"], tmp_path) == ["angry", "calm"]


def test_an_experiment_names_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "experiment.yaml"
    path.write_text("corpora: [a]\nencoders: [b]\nemotions: [six]\n")
    assert len(experiment.load(argparse.Namespace(config=path, overrides=[])).emotions) == 6
    with pytest.raises(UserError, match="names something twice: angry, disgusted"):
        experiment.load(argparse.Namespace(config=path, overrides=["emotions=[six, angry]"]))


@pytest.mark.parametrize(("text", "words"), [
    ("{}", "there is no variant 'exc_as_hapy' in conf/emotions.yaml; did you mean 'exc_as_happy'"),
    ("variants: {exc_as_hapy: excited}", "variants.exc_as_hapy: expected harmonised emotions"),
    ("variants: {exc_as_hapy: {excited: Happy}}", "variants.exc_as_hapy: expected harmonised emotions"),
    ("variants: exc", "variants: expected 'name: value' lines"),
])  # fmt: skip
def test_a_choice_that_is_none_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/emotions.yaml").write_text(text + "\n")
    with pytest.raises(UserError) as caught:
        labels.words(["common"], ["exc_as_hapy"], tmp_path)
    assert words in str(caught.value)
