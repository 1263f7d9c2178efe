"""Encoders side by side: what a+b is, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local import encoders
from local.encoders import fusion, needs
from tests.local.encoders.test_registry import recipe
from utils.errors import UserError

ENTRIES = """
a: {source: x/a, layers: 3, dim: 8, languages: [de, en], pretrained_on: [one]}
b: {source: x/b, layers: 2, dim: 4, languages: [en, zh], finetuned_on: [one, two], unlisted: true}
deep: {source: x/c, layers: 101, dim: 4}
"""


def test_it_has_every_combination_of_layers_and_has_heard_what_any_part_has(tmp_path: Path) -> None:
    spec = encoders.spec("a+b", recipe(tmp_path, ENTRIES))
    assert (spec.layers, spec.dim) == (6, 12) and [part.name for part in spec.parts] == ["a", "b"]
    assert (spec.languages, spec.pretrained_on, spec.finetuned_on) == (["de", "en", "zh"], ["one"], ["one", "two"])
    assert spec.unlisted and not encoders.spec("a", tmp_path).unlisted
    names = [spec.layer_name(layer) for layer in range(6)]
    assert names == ["a 0 + b 0", "a 0 + b 1", "a 1 + b 0", "a 1 + b 1", "a 2 + b 0", "a 2 + b 1"]
    assert encoders.spec("a", tmp_path).layer_name(2) == "2"
    three = encoders.spec("b+logmel+a", tmp_path)
    assert three.layers == 6 and three.layer_name(5) == "b 1 + logmel 0 + a 2"
    assert [fusion.split(number, [2, 3, 2]) for number in (0, 1, 2, 11)] == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 2, 1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a+deep", "a+deep: its parts' layers have 303 combinations, of which at most 200 can be tried; join"),
        ("a+a", "a+a: names an encoder twice"), ("a+", "no encoder ''"), ("a+lgomel", "did you mean 'logmel'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        encoders.spec(name, recipe(tmp_path, ENTRIES))


def test_it_is_neither_tuned_nor_loaded_nor_an_entry(tmp_path: Path) -> None:
    spec = encoders.spec("mini+logmel")
    assert encoders.untunable(spec).startswith("it is the features of mini and logmel, side by side")
    for load in (encoders.load, encoders.load_tunable):
        with pytest.raises(UserError, match="mini.logmel"):
            load(spec)
    with pytest.raises(UserError, match="kind 'fusion' is not one of"):
        encoders.spec("mine", recipe(tmp_path, "mine: {kind: fusion, layers: 1, dim: 1}\n"))


def test_it_needs_what_its_parts_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "utt2spk").write_text("a a\n")
    assert needs.unavailable(encoders.spec("logmel+duration"), data) is None
    reason = needs.unavailable(encoders.spec("logmel+text"), data)
    assert reason == f"{data} has no text or utt2sent, of which text is made"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "opensmile" in needs.unavailable(encoders.spec("logmel+egemaps"), data)
    assert [needs.hears(name) for name in ("level+text", "level+mini", "gone+level")] == [False, True, True]
