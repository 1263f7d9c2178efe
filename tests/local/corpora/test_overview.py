"""The table of all corpora is the registry's, and complete."""

from __future__ import annotations

from pathlib import Path

from local.corpora import names, overview, spec
from local.corpora.registry import emotion_words
from utils.registry import REPO

STYLES = {"acted", "elicited", "natural", "synthesised"}


def test_the_committed_table_is_the_one_that_the_registry_gives() -> None:
    committed = (REPO / "egs/README.md").read_text(encoding="utf-8")
    assert committed == overview.overview(), "run python3 -m local.corpora.overview and commit egs/README.md"


def test_every_corpus_has_a_recipe_and_says_what_people_ask(tmp_path: Path) -> None:
    recipes = overview.recipes_of()
    for name in names(REPO):
        corpus = spec(name, REPO)
        assert recipes.get(name), f"{name}: no recipe names it"
        assert corpus.title and corpus.licence and corpus.source and corpus.access, name
        assert set(corpus.style.split(", ")) <= STYLES, name
        assert set(corpus.studies) <= {"A", "B", "C"}, name
        assert set(map(str.casefold, corpus.expected.emotions)) <= emotion_words(corpus, recipe=tmp_path).keys(), name
        if not corpus.synthetic:
            assert (REPO / "egs" / recipes[name][0] / "README.md").is_file()


def test_every_recipe_has_its_parts() -> None:
    for folder in sorted(path.parent for path in (REPO / "egs").glob("*/run.sh")):
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert (folder / "conf/experiment.yaml").is_file()
        assert text.startswith(f"# {folder.name}: "), folder
        assert f"egs/{folder.name}" in text and "run.sh" in text, folder
