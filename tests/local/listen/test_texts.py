"""What the page says: whole in every language, and a recipe's own where it has some."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local import labels
from local.listen import texts
from utils.errors import UserError
from utils.registry import REPO

LANGUAGES = ("en", "de", "zh")


def test_every_language_says_everything() -> None:
    emotions = {own for name in ("four", "six", "seven") for own in labels.expand([name])}
    found = texts.read(LANGUAGES, sorted(emotions))
    names = {language: sorted(texts._names(own)) for language, own in found.items()}
    assert names["en"] == names["de"] == names["zh"]
    # Paragraphs are whole: a list in one line would be cut at its commas.
    assert paragraphs(found["en"]) == paragraphs(found["de"]) == paragraphs(found["zh"])


def paragraphs(own: dict) -> dict[str, int]:
    """Count each screen's."""
    sections = {name: part for name, part in own.items() if isinstance(part, dict)}
    return {name: len(part["text"]) for name, part in sections.items() if isinstance(part.get("text"), list)}


def test_places_for_numbers_are_the_same() -> None:
    found = texts.read(LANGUAGES, [])
    for name, where in (("progress", None), ("heard_of", None), ("attention", None), ("marked", "segment")):
        for own in found.values():
            text, model = ((it[where] if where else it)[name] for it in (own, found["en"]))
            assert sorted(part.split("}")[0] for part in text.split("{")[1:]) == sorted(
                part.split("}")[0] for part in model.split("{")[1:]
            )


def test_a_recipe_changes_single_entries_and_the_version_of_consent(tmp_path: Path) -> None:
    (tmp_path / "conf/listen").mkdir(parents=True)
    (tmp_path / "conf/listen/en.yaml").write_text(yaml.safe_dump({"consent": {"text": ["Ours."]}, "next": "On"}))
    own, ours = texts.read(["en"], [], str(tmp_path))["en"], texts.read(["en"], [])["en"]
    assert own["next"] == "On" and own["consent"]["text"] == ["Ours."] and own["consent"]["agree"]
    assert texts.consent_version(own, "en") != texts.consent_version(ours, "en")
    assert texts.consent_version(ours, "en").startswith("1.en.")


def test_what_is_not_translated_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "conf/listen"
    folder.mkdir(parents=True)
    words = yaml.safe_load((REPO / "conf/listen/en.yaml").read_text("utf-8"))
    del words["segment"]["mark"]
    (folder / "fr.yaml").write_text(yaml.safe_dump(words))
    with pytest.raises(UserError, match="fr.yaml: lacks segment.mark"):
        texts.read(["fr"], [], str(tmp_path))
    with pytest.raises(UserError, match="no conf/listen/it.yaml"):
        texts.read(["it"], [], str(tmp_path))
    with pytest.raises(UserError, match="emotions: lacks smug"):
        texts.read(["en"], ["smug"], str(tmp_path))
