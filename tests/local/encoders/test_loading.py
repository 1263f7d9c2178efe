"""Checkpoints: what is loaded, what is refused, and what the refusal says."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from local import encoders
from local.encoders import loading, registry
from tests.local.encoders.checkpoints import make_model, spec_of, write_checkpoint
from tests.local.encoders.test_transformer import published, speech
from utils.errors import UserError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), "wav2vec2-base")


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def pooled(spec: encoders.EncoderSpec) -> np.ndarray:
    return encoders.load(spec).pooled([speech(8000)])[0]


def test_the_checkpoint_says_whether_to_normalise(tmp_path: Path) -> None:
    wave = speech(8000)
    scaled = (wave - wave.mean()) / wave.std()
    for normalise, heard in ((True, scaled), (False, wave)):
        folder = write_checkpoint(tmp_path / str(normalise), "wav2vec2-large", normalise)
        want = np.stack([state.mean(axis=0) for state in published(make_model("wav2vec2-large"), heard)])
        np.testing.assert_allclose(pooled(spec_of(folder)), want, rtol=0, atol=1e-4)
        assert np.abs(pooled(spec_of(folder, normalise=not normalise)) - want).max() > 0.01


def test_without_its_settings_the_registry_must_say_whether_to_normalise(copy: Path) -> None:
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="normalise: true"):
        encoders.load(spec_of(copy))
    assert np.isfinite(pooled(spec_of(copy, normalise=True))).all()


def test_half_precision_weights_run_in_float32(copy: Path, checkpoint: Path) -> None:
    make_model("wav2vec2-base").half().save_pretrained(copy)
    assert json.loads((copy / "config.json").read_text())["dtype"] == "float16"
    difference = np.abs(pooled(spec_of(copy)) - pooled(spec_of(checkpoint))).max()
    assert 0 < difference < 0.02


def test_random_weights_depend_on_the_seed_alone(checkpoint: Path) -> None:
    torch.manual_seed(1)
    first = pooled(spec_of(checkpoint, init="random"))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(pooled(spec_of(checkpoint, init="random")), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.abs(pooled(spec_of(checkpoint, init="random", seed=1)) - first).max() > 0.01
    assert np.abs(pooled(spec_of(checkpoint)) - first).max() > 0.01


def test_random_weights_need_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert np.isfinite(pooled(spec_of(copy, init="random"))).all()
    with pytest.raises(UserError, match="cannot be read"):
        encoders.load(spec_of(copy))


@pytest.mark.parametrize("wrong", [{"layers": 5}, {"dim": 64}])
def test_the_registry_must_agree_with_the_checkpoint(checkpoint: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"has layers: 4, dim: 32"):
        encoders.load(spec_of(checkpoint, **wrong))


def test_missing_weights_are_not_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layers.1.attention.q_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 of the model's weights, first encoder\.layers\.1"):
        encoders.load(spec_of(copy))


def test_damaged_weights(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(UserError, match="cannot be read"):
        encoders.load(spec_of(copy))


def test_a_pickle_is_never_run(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "exploded",)

    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(UserError, match="safetensors"):
        encoders.load(spec_of(copy))
    torch.save({"encoder.layer_norm.weight": Bomb()}, copy / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        encoders.load(spec_of(copy))
    assert not (tmp_path / "exploded").exists()


def test_weights_saved_by_torch_are_read_safely(copy: Path, checkpoint: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    np.testing.assert_array_equal(pooled(spec_of(copy)), pooled(spec_of(checkpoint)))


def test_another_architecture_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="is a bert model; kind hf reads wav2vec2, hubert"):
        encoders.load(spec_of(copy))


def test_without_a_connection_the_error_says_how_to_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="hf download nobody/nothing --revision abc123") as caught:
        encoders.load(spec_of("nobody/nothing", revision="abc123"))
    assert "\n" not in str(caught.value) and "HF_HOME" in str(caught.value)


def test_the_pinned_revision_is_read_from_the_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    pinned, other = "a" * 40, "b" * 40
    snapshots = tmp_path / "models--owner--name/snapshots"
    shutil.copytree(checkpoint, snapshots / pinned)
    write_checkpoint(snapshots / other, "hubert-large")
    want = pooled(spec_of(checkpoint))
    np.testing.assert_array_equal(pooled(spec_of("owner/name", revision=pinned)), want)
    assert np.abs(pooled(spec_of("owner/name", revision=other)) - want).max() > 0.01
    # A branch or an abbreviated commit is what the hub said that it was when it was fetched.
    refs = tmp_path / "models--owner--name/refs"
    refs.mkdir()
    (refs / "main").write_text(other)
    (refs / "aaaaaaa").write_text(pinned)
    commits = [encoders.load(spec_of("owner/name", revision=name)).commit for name in (pinned, "aaaaaaa", "main")]
    assert commits == [pinned, pinned, other]
    assert encoders.load(spec_of(checkpoint)).commit == ""
    with pytest.raises(UserError, match=f"hf download owner/name --revision {'c' * 40}"):
        encoders.load(spec_of("owner/name", revision="c" * 40))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no checkpoint in {tmp_path}/none"):
        encoders.load(spec_of(tmp_path / "none"))


def test_a_missing_gpu_is_named(checkpoint: Path) -> None:
    with pytest.raises(UserError, match="device cuda:97"):
        encoders.load(spec_of(checkpoint), device="cuda:97")


def test_bf16_falls_back_where_it_would_be_slower(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(loading, "has_native_bf16", lambda device: False)
    encoder = encoders.load(spec_of(checkpoint), precision="bf16")
    assert encoder.precision == "fp32"
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(loading, "has_native_bf16", lambda device: True)
    assert encoders.load(spec_of(checkpoint), precision="bf16").precision == "bf16"
    assert capsys.readouterr().err == ""


def test_an_unknown_precision_is_refused(checkpoint: Path) -> None:
    with pytest.raises(UserError, match="fp16"):
        encoders.load(spec_of(checkpoint), precision="fp16")


def test_weights_in_parts_count_too(copy: Path) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    make_model("wav2vec2-base").save_pretrained(copy, max_shard_size="20KB")
    (copy / "model.safetensors").unlink(missing_ok=True)
    names = [path.name for path in spec_of(copy).files()]
    assert names[:2] == ["config.json", "preprocessor_config.json"] and len(names) > 4
    parts = pooled(spec_of(copy))
    for path in copy.glob("model*"):
        path.unlink()
    (copy / "model.safetensors").write_bytes(weights)
    np.testing.assert_array_equal(pooled(spec_of(copy)), parts)
    assert [path.name for path in spec_of(copy, init="random").files()] == names[:2]


def test_a_small_one_is_read_once_for_many_that_do_not_touch_each_other(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, times = loading._model, []
    monkeypatch.setattr(loading, "_model", lambda *place: times.append(place) or read(*place))
    spoilt, want = encoders.load(spec_of(copy)), pooled(spec_of(copy))
    with torch.no_grad():
        for parameter in spoilt.model.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(pooled(spec_of(copy)), want)
    assert len(times) == 1
    make_model("wav2vec2-base").half().save_pretrained(copy)
    assert np.abs(pooled(spec_of(copy)) - want).max() > 0 and len(times) == 2
    monkeypatch.setattr(registry, "_SMALL", 0)
    for _ in range(2):
        pooled(spec_of(copy, init="random"))
    assert len(times) == 4
