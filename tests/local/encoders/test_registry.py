"""The registry of encoders."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import corpora, encoders
from utils.errors import UserError


def recipe(folder: Path, text: str) -> Path:
    (folder / "conf").mkdir()
    (folder / "conf" / "encoders.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_entry_of_the_repository_is_whole(repo: Path) -> None:
    specs = [encoders.spec(name) for name in encoders.names()]
    assert {"logmel", "egemaps", "mini", "mini_random", "wav2vec2_zh", "wav2vec2_de", "wav2vec2_en"} <= {
        spec.name for spec in specs
    }
    for spec in specs:
        assert spec.folder or spec.kind != "hf" or re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{7}", spec.revision)
        assert len(set(spec.languages)) == len(spec.languages)
        # Random weights and spectra have heard nothing.
        heard = spec.languages, spec.pretrained_on, spec.finetuned_on
        assert not any(heard) or (spec.kind in ("hf", "emotion2vec") and spec.init == "pretrained")
        assert {*spec.pretrained_on, *spec.finetuned_on} <= set(corpora.names())
    # A list that is empty says that an encoder is bound to no language, which is not the same as to many.
    assert all(
        len(encoders.spec(name).languages) > 90 for name in ("xlsr_300m", "mms_300m", "w2v_bert2", "whisper_small")
    )
    assert encoders.spec("mini").folder == repo / "egs/mini/encoder"
    assert "emodb" in encoders.spec("mini").pretrained_on


def test_every_public_encoder_says_what_it_has_heard_and_is_pinned(repo: Path) -> None:
    import yaml

    entries = yaml.safe_load((repo / "conf/encoders.yaml").read_text(encoding="utf-8"))
    public = {name: entry for name, entry in entries.items() if "source" in entry and "egs" not in entry["source"]}
    assert len(public) > 20
    for name, entry in public.items():
        # An empty list says that its card names none of our corpora; no list, that nobody has looked.
        assert "pretrained_on" in entry, name
        assert entry.get("revision", "main") not in ("main", "master"), name


def test_looking_up_imports_nothing_heavy() -> None:
    code = "from local import encoders; import sys; encoders.spec('mini'); print({'torch', 'numpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_recipe_adds_and_overrides(tmp_path: Path) -> None:
    place = recipe(tmp_path, "mine: {source: exp/x/mine, layers: 3, dim: 8}\nwav2vec2_de: {revision: abc}\n")
    assert encoders.spec("mine", place).folder == tmp_path / "exp/x/mine"
    changed, original = encoders.spec("wav2vec2_de", place), encoders.spec("wav2vec2_de")
    assert changed.revision == "abc" and changed.source == original.source and changed.dim == original.dim
    assert set(encoders.names(place)) == {*encoders.names(), "mine"}
    assert encoders.spec("mini", place).folder == encoders.spec("mini").folder


def test_hub_ids_and_folders_are_told_apart(tmp_path: Path) -> None:
    place = recipe(
        tmp_path,
        "hub: {source: owner/name, layers: 1, dim: 1}\n"
        "near: {source: ./name, layers: 1, dim: 1}\n"
        "far: {source: /a/b, layers: 1, dim: 1}\n",
    )
    assert encoders.spec("hub", place).folder is None
    (tmp_path / "owner/name").mkdir(parents=True)
    assert encoders.spec("hub", place).folder == tmp_path / "owner/name"
    assert encoders.spec("near", place).folder == tmp_path / "name"
    assert encoders.spec("far", place).folder == Path("/a/b")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{source: a/b, layer: 3, dim: 8}", "did you mean 'layers'"),
        ("{source: a/b, layers: three, dim: 8}", "layers is 'three', expected a int"),
        ("{source: a/b, layers: true, dim: 8}", "layers is True"),
        ("{source: a/b, dim: 8}", "layers and dim must be given"),
        ("{layers: 3, dim: 8}", "kind hf needs a 'source'"),
        ("{kind: logmel, source: a/b, layers: 1, dim: 160}", "kind logmel has no 'source'"),
        ("{kind: logmel, layers: 1, dim: 80}", "kind logmel has layers: 1, dim: 160"),
        ("{kind: mfcc, layers: 1, dim: 8}", "'mfcc' is not one of"),
        ("{source: a/b, init: zeros, layers: 3, dim: 8}", "'zeros' is not one of"),
        ("{source: a/b, layers: 3, dim: 8, languages: [true]}", "languages holds True"),
        ("{source: a/b, layers: 3, dim: 8, languages: [German]}", "expected an ISO 639-1 code"),
        ("just text", "expected a name and its fields"),
    ],
)
def test_malformed_entries(tmp_path: Path, entry: str, message: str) -> None:
    place = recipe(tmp_path, f"mine: {entry}\n")
    with pytest.raises(UserError, match=re.escape(message)):
        encoders.spec("mine", place)


def test_unknown_names_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'mini'"):
        encoders.spec("minni")
    with pytest.raises(UserError, match="not valid YAML"):
        encoders.spec("mini", recipe(tmp_path, "a: [b"))
    (tmp_path / "conf/encoders.yaml").write_text("a.b: {source: a/b, layers: 1, dim: 1}\n")
    with pytest.raises(UserError, match="may hold letters"):
        encoders.spec("a.b", tmp_path)


def test_what_a_checkpoint_has_heard_is_read_from_it_and_cannot_be_hidden(tmp_path: Path) -> None:
    place = recipe(tmp_path, "mine: {source: ./mine, layers: 3, dim: 8}\n")
    assert encoders.spec("mine", place).pretrained_on == []
    (tmp_path / "mine").mkdir()
    heard = {"languages": ["de", "ur"], "data": {"emodb": {}, "urdu": {}}}
    (tmp_path / "mine/pretrain.json").write_text(json.dumps(heard))
    spec = encoders.spec("mine", place)
    assert (spec.languages, spec.pretrained_on) == (["de", "ur"], ["emodb", "urdu"])
    (tmp_path / "conf/encoders.yaml").write_text(
        "mine: {source: ./mine, layers: 3, dim: 8, pretrained_on: [emodb], languages: [de]}\n"
        "control: {source: ./mine, layers: 3, dim: 8, init: random}\n"
    )
    with pytest.raises(UserError, match="pretrained_on lacks urdu"):
        encoders.spec("mine", place)
    assert encoders.spec("control", place).pretrained_on == []


def test_identity_changes_with_what_changes_features_only(tmp_path: Path) -> None:
    text = "mine: {source: a/b, revision: %s, layers: 3, dim: 8, note: %s}\n"
    place = recipe(tmp_path, text % ("r1", "n1"))
    first = encoders.spec("mine", place).identity()
    (tmp_path / "conf/encoders.yaml").write_text(text % ("r1", "n2"))
    assert encoders.spec("mine", place).identity() == first
    (tmp_path / "conf/encoders.yaml").write_text(text % ("r2", "n2"))
    assert encoders.spec("mine", place).identity() != first
