"""The registry: one entry is all that a new corpus needs, and a wrong one says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.corpora import CorpusSpec, Expected, emotion_words, names, registry, spec
from utils.errors import UserError


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    return tmp_path


def entries(recipe: Path, text: str) -> None:
    (recipe / "conf/corpora.yaml").write_text(text)


def test_every_entry_has_a_module_words_and_an_official_source(tmp_path: Path) -> None:
    for name in names(tmp_path):
        corpus = spec(name, tmp_path)
        registry.module(corpus)
        words = emotion_words(corpus, recipe=tmp_path)
        assert set(corpus.expected.emotions) <= set(words)
        if corpus.expected.emotions:
            assert sum(corpus.expected.emotions.values()) == corpus.expected.utterances
        assert corpus.title and corpus.licence and corpus.source


def test_the_four_emotions_of_the_studies_are_in_every_corpus(tmp_path: Path) -> None:
    for name in names(tmp_path):
        assert {"angry", "happy", "neutral", "sad"} <= set(emotion_words(spec(name)).values())


def test_a_recipe_adds_and_changes_entries(recipe: Path) -> None:
    entries(recipe, "own: {module: table, language: it, root: own.tsv}\nemodb: {root: /data/berlin}\n")
    assert spec("own", recipe) == CorpusSpec("own", "table", "it", root="own.tsv", published="own")
    assert spec("emodb", recipe).root == "/data/berlin"
    whole = spec("emodb").expected
    assert spec("emodb", recipe).expected == whole == Expected(10, 535, whole.hours, whole.emotions)
    assert set(names(recipe)) == {*names(), "own"}


def test_roots(recipe: Path, repo: Path, tmp_path: Path) -> None:
    entries(recipe, "own: {module: table, language: it, root: own.tsv}\nemodb: {licence: mine}\n")
    for path in ("own.tsv", "db/emodb", "db/mini_de"):
        (recipe / path).mkdir(parents=True)
    db = recipe / "db"
    # A root of an entry starts at the folder that holds its conf, and counts before --db-root.
    assert registry.root_of(spec("own", recipe), db, recipe) == recipe / "own.tsv"
    assert registry.root_of(spec("mini_de", recipe), db, recipe) == repo / "egs/mini/corpus"
    assert registry.root_of(spec("emodb", recipe), db, recipe) == db / "emodb"
    with pytest.raises(UserError, match="corpus 'emodb': say where it is: --db-root DIR when it is at DIR/emodb"):
        registry.root_of(spec("emodb", recipe), None, recipe)
    with pytest.raises(UserError, match="there is no .*/db/urdu; get it from https://github.com/siddiquelatif"):
        registry.root_of(spec("urdu", recipe), db, recipe)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("own: {modul: table, language: it}", "own: unknown key 'modul'; did you mean 'module'?"),
        ("own: {module: table}", "own.language is '', expected an ISO 639-1 code"),
        ("own: {module: table, language: 7}", "language is 7, expected a str; quote it?"),
        ("own: {module: table, language: Italian}", "own.language is 'Italian'"),
        ("own: {module: table, language: it, expected: {speaker: 3}}", "did you mean 'speakers'"),
        ("own: table", "own: expected a name and its fields"),
        ("own-corpus: {module: table, language: it}", "may hold letters, digits and '_' only"),
        ("own: {module: [table", "not valid YAML"),
        ("- own", "expected 'key: value' lines"),
    ],
)
def test_a_wrong_entry_says_what_is_wrong(recipe: Path, text: str, words: str) -> None:
    entries(recipe, text)
    with pytest.raises(UserError) as caught:
        spec("own-corpus" if "own-corpus" in text else "own", recipe)
    assert words in str(caught.value) and "corpora.yaml" in str(caught.value)


def test_a_module_that_is_not_there_is_named(recipe: Path) -> None:
    entries(recipe, "own: {language: it}")
    with pytest.raises(UserError, match=r"there is no local/corpora/own.py; correct its 'module'"):
        registry.module(spec("own", recipe))


def test_words_of_a_recipe_go_before_those_of_the_module(recipe: Path) -> None:
    entries(recipe, "own: {module: table, language: it}")
    (recipe / "conf/emotions.yaml").write_text("labels: {own: {Rabbia: angry, calm: neutral}}\n")
    words = emotion_words(spec("own", recipe), recipe=recipe)
    assert (words["rabbia"], words["calm"], words["joy"]) == ("angry", "neutral", "happy")
    (recipe / "conf/emotions.yaml").write_text("labels: {own: {Rabbia: Very angry}}\n")
    with pytest.raises(UserError, match="labels.own: 'Rabbia: Very angry'"):
        emotion_words(spec("own", recipe), recipe=recipe)


def test_common_words_count_for_every_corpus_and_its_own_come_first(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    (recipe / "conf").mkdir(parents=True)
    (recipe / "conf/emotions.yaml").write_text("labels: {x: {joy: surprised}}\n")
    words = emotion_words(CorpusSpec(name="x", module="y"), recipe=recipe)
    assert words["anger"] == "angry"
    assert words["joy"] == "surprised"
