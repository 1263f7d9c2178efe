"""Posteriors do not depend on the windows they were run in, and a saved diarizer comes back to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from local import encoders
from local.encoders.transformer import Transformer
from local.models import windows
from local.sed.model.decode import Decoder
from local.sed.model.diarizer import Diarizer
from local.sed.model.load import load
from tests.local.encoders.checkpoints import DIM, LAYERS, make_model, spec_of, write_checkpoint
from tests.local.encoders.test_transformer import speech
from utils.errors import UserError

EMOTIONS = ["angry", "happy", "neutral", "sad"]


def make(mode: str, variant: str = "hubert-base", attention: bool = True) -> Diarizer:
    """A diarizer that is sure of itself; without attention a frame sees 0.2 s to either side at the most."""
    encoder = Transformer(spec_of(variant), make_model(variant), False, "cpu", "fp32")
    made = Diarizer(encoder, EMOTIONS, mode)
    with torch.no_grad():
        (made.classifier.out if mode == "context" else made.classifier).weight.mul_(10)
        if mode in ("frozen", "context"):
            made.layer_weights.copy_(torch.linspace(-1, 1, LAYERS))
        if not attention:
            for block in encoder.model.encoder.layers:
                block.attention.out_proj.weight.zero_()
    return made


@pytest.mark.parametrize(
    ("mode", "variant"),
    [
        ("frozen", "hubert-base"), ("frozen", "wavlm-large"), ("tuned", "wavlm-large"), ("recipe", "wavlm-large"),
        ("recipe", "hubert-base"),
    ],
)  # fmt: skip
def test_posteriors_by_hand(mode: str, variant: str) -> None:
    made, wave = make(mode, variant), speech(20000)
    with torch.no_grad():
        out = made.encoder.model(torch.from_numpy(wave)[None], output_hidden_states=True)
        hidden = out.last_hidden_state[0]
        if mode == "frozen":
            states = torch.stack(out.hidden_states)[:, 0]
            states = (states - states.mean(-1, keepdim=True)) / (
                states.var(-1, correction=0, keepdim=True) + 1e-5
            ).sqrt()
            weights = torch.exp(made.layer_weights) / torch.exp(made.layer_weights).sum()
            hidden = sum(weight * state for weight, state in zip(weights, states, strict=True))
        if mode == "recipe":
            hidden = (hidden - hidden.mean()) / (hidden.var(correction=0) + 1e-5).sqrt()
        scores = hidden @ made.classifier.weight.T
        want = torch.softmax(scores if mode == "recipe" else scores + made.classifier.bias, dim=1).numpy()
    got = made.posteriors(wave)
    assert got.shape == ((20000 - 400) // 320 + 1, 4) and got.dtype == np.float32
    assert np.ptp(want, axis=0).max() > 0.5
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=0, atol=1e-5)


def test_context_by_hand() -> None:
    made, waves = make("context"), [speech(20000), speech(9000)]
    head, inputs = made.classifier, [made.cached_input(wave) for wave in waves]
    with torch.no_grad():
        got = made(torch.from_numpy(np.concatenate(inputs)).float(), [len(own) for own in inputs])
        for own, scores in zip(inputs, got.split([len(own) for own in inputs]), strict=True):
            states = torch.einsum("l,fld->fd", torch.softmax(made.layer_weights, 0), torch.from_numpy(own).float())
            steps = torch.stack([states[place : place + 5].mean(0) for place in range(0, len(states), 5)])
            rows = torch.cat([steps, steps - steps.mean(0)], 1)
            heard = head.recurrent(torch.nn.functional.gelu(head.narrow(rows))[None])[0][0]
            want = head.out(heard)[torch.arange(len(states)) // 5]
            assert len(states) % 5, "the last step is to be a part"
            torch.testing.assert_close(scores, want, rtol=0, atol=1e-4)


def test_context_hears_the_whole_recording_and_no_other() -> None:
    made, inputs = make("context"), [torch.randn(frames, LAYERS, DIM) for frames in (40, 23)]
    with torch.no_grad():
        alone = [made(own, [len(own)]) for own in inputs]
        together = made(torch.cat(inputs), [40, 23]).split([40, 23])
        changed = inputs[0].clone()
        changed[-1] += 3
        later = made(changed, [40])
    for one, same in zip(alone, together, strict=True):
        torch.testing.assert_close(one, same, rtol=0, atol=1e-5)
    assert (later[0] - alone[0][0]).abs().max() > 1e-3


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_seams_leave_no_trace_where_context_suffices(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, wave = make(mode, attention=False), speech(64000)
    whole, cached = made.posteriors(wave), made.cached_input(wave)
    monkeypatch.setattr(windows, "WINDOW", 60)
    monkeypatch.setattr(windows, "SPAN", 60)
    monkeypatch.setattr(windows, "CONTEXT", 9)
    np.testing.assert_allclose(made.posteriors(wave), whole, rtol=0, atol=1e-4)
    np.testing.assert_allclose(made.cached_input(wave), cached, rtol=0, atol=0.01)
    # Without context they would.
    monkeypatch.setattr(windows, "CONTEXT", 0)
    assert np.abs(made.posteriors(wave) - whole).max() > (0.02 if mode == "context" else 0.05)


@pytest.mark.parametrize("mode", ["frozen", "tuned"])
def test_posteriors_of_windows_are_near_those_of_one_pass(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, wave = make(mode, "wavlm-large"), speech(128000)
    whole = made.posteriors(wave)
    monkeypatch.setattr(windows, "WINDOW", 200)
    monkeypatch.setattr(windows, "SPAN", 200)
    monkeypatch.setattr(windows, "CONTEXT", 25)
    cut = made.posteriors(wave)
    assert cut.shape == whole.shape and np.abs(cut - whole).mean() < 0.05
    assert (cut.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.9


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_work_grows_linearly(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(mode)
    monkeypatch.setattr(windows, "WINDOW", 100)
    monkeypatch.setattr(windows, "SPAN", 100)
    monkeypatch.setattr(windows, "CONTEXT", 10)
    seen: list[int] = []
    original = Transformer.states
    monkeypatch.setattr(
        Transformer, "states", lambda self, features, lengths: seen.extend(lengths) or original(self, features, lengths)
    )
    counts = {}
    for frames in (100, 900, 1800):
        seen.clear()
        made.posteriors(speech(400 + 320 * (frames - 1)))
        assert max(seen) <= 100
        counts[frames] = len(seen)
    assert counts == {100: 1, 900: 11, 1800: 23}


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_training_sees_what_posteriors_see(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, waves = make(mode), [speech(30000), speech(400), speech(9000)]
    monkeypatch.setattr(windows, "WINDOW", 60)
    monkeypatch.setattr(windows, "SPAN", 60)
    monkeypatch.setattr(windows, "CONTEXT", 9)
    inputs = [made.cached_input(wave) for wave in waves]
    assert {part.dtype for part in inputs} == {np.dtype(np.float16)}
    assert inputs[0].shape[1:] == ((LAYERS, DIM) if mode in ("frozen", "context") else (16,))
    lengths = [len(part) for part in inputs]
    with torch.no_grad():
        scores = made(torch.from_numpy(np.concatenate(inputs)).float(), lengths)
    got = torch.softmax(scores, dim=1).split(lengths)
    for wave, part in zip(waves, got, strict=True):
        # 16 bits leave a thousandth.
        np.testing.assert_allclose(part.numpy(), made.posteriors(wave), rtol=0, atol=0.02)


def test_training_mode_is_no_matter_for_posteriors() -> None:
    made, wave = make("tuned"), speech(8000)
    want = made.posteriors(wave)
    made.train()
    assert np.array_equal(made.posteriors(wave), want)
    assert made.training and made.blocks.training


def test_parameters_are_what_training_changes() -> None:
    assert {name.split(".")[0] for name in make("frozen").state_dict()} == {"classifier", "layer_weights"}
    assert {name.split(".")[0] for name in make("context").state_dict()} == {"classifier", "layer_weights"}
    assert make("context").input_kind() == make("frozen").input_kind(), "what is computed once serves both"
    assert {name.split(".")[0] for name in make("tuned").state_dict()} == {"classifier", "blocks"}
    stable = make("tuned", "wavlm-large")
    assert {name.split(".")[0] for name in stable.state_dict()} == {"classifier", "blocks", "last_norm"}
    recipe = make("recipe")
    names = {name.split(".")[0] for name in recipe.state_dict()}
    assert names == {"classifier", "blocks", "last_norm", "projection", "position"}
    assert recipe.classifier.bias is None
    for model in (stable, recipe):
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert not any(parameter.requires_grad for parameter in model.encoder.model.feature_extractor.parameters())
    # All but the convolutions, and what only pre-training uses.
    left = {name.split(".")[0] for name, own in recipe.encoder.model.named_parameters() if not own.requires_grad}
    assert left <= {"feature_extractor", "masked_spec_embed"}


def test_the_recipe_trains_positions_and_projection_too() -> None:
    made, wave = make("recipe"), speech(9000)
    inputs = torch.from_numpy(made.cached_input(wave)).float()
    made(inputs, [len(inputs)])[:, 0].sum().backward()
    without = {name for name, own in made.named_parameters() if own.grad is None or not own.grad.any()}
    assert all("k_proj.bias" in name for name in without), without
    before = made.posteriors(wave)
    with torch.no_grad():
        made.position.conv.bias += 1.0
    assert np.abs(made.posteriors(wave) - before).max() > 0.01
    made.train()
    assert made.encoder.model.encoder.dropout.training


def test_too_short_names_the_least_length() -> None:
    made = make("frozen")
    assert len(made.posteriors(speech(400))) == 1
    for run in (made.posteriors, made.cached_input):
        with pytest.raises(UserError, match=r"0.0249 s of audio are too short for the encoder small, .* 0.0250 s"):
            run(speech(399))


def saved(folder: Path, mode: str) -> Diarizer:
    """A diarizer whose parameters all differ from what its encoder's checkpoint says."""
    checkpoint = write_checkpoint(folder / "encoder", "wavlm-large")
    made = Diarizer(encoders.load(spec_of(checkpoint)), EMOTIONS, mode, seed=3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    made.decoder, made.provenance = Decoder("median", 25), {"seed": 3, "corpora": ["emodb"]}
    made.save(folder / "model")
    return made


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_a_round_trip_is_exact(mode: str, tmp_path: Path) -> None:
    made, wave = saved(tmp_path, mode), speech(20000)
    again = load(tmp_path / "model")
    assert np.array_equal(again.posteriors(wave), made.posteriors(wave))
    assert again.state_dict().keys() == made.state_dict().keys()
    for name, tensor in made.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    for attribute in ("emotions", "mode", "decoder", "provenance"):
        assert getattr(again, attribute) == getattr(made, attribute)
    assert not again.training
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert set(config["versions"]) == {"torch", "transformers", "speechbrain"}
    sizes = [(tmp_path / folder / "model.safetensors").stat().st_size for folder in ("model", "encoder")]
    assert sizes[0] < {"frozen": 2000, "context": 300_000}.get(mode, 0.9 * sizes[1])


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_an_encoder_that_is_left_alone_is_loaded_once_while_its_files_are_the_same(mode: str, tmp_path: Path) -> None:
    saved(tmp_path, mode)
    one, same = (load(tmp_path / "model") for _ in range(2))
    assert (one.encoder is same.encoder) is (mode in ("frozen", "context"))
    # As they were, but written anew; then others.
    write_checkpoint(tmp_path / "encoder", "wavlm-large")
    assert load(tmp_path / "model").encoder is not one.encoder
    write_checkpoint(tmp_path / "encoder", "hubert-large")
    with pytest.raises(UserError):
        load(tmp_path / "model")


def test_initial_weights_depend_on_the_seed_alone() -> None:
    encoder = make("frozen").encoder
    torch.manual_seed(7)
    after = torch.random.get_rng_state()
    one, same, other = (Diarizer(encoder, EMOTIONS, "frozen", seed).classifier.weight for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), after)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def test_damage_is_found(tmp_path: Path) -> None:
    saved(tmp_path, "frozen")
    folder = tmp_path / "model"
    with pytest.raises(UserError, match="nowhere: neither a folder with a model"):
        load(tmp_path / "nowhere")
    whole = (folder / "config.json").read_text()
    for text in (whole[:50], "[]", "{}", whole.replace('"mode": "frozen"', '"mode": "thawed"')):
        (folder / "config.json").write_text(text)
        with pytest.raises(UserError, match="config.json: damaged"):
            load(folder)
    (folder / "config.json").write_text(whole.replace('"neutral",', ""))
    with pytest.raises(UserError, match="does not fit the weights"):
        load(folder)
    (folder / "config.json").write_text(whole)
    damage(folder / "model.safetensors")
    with pytest.raises(UserError, match="model.safetensors: damaged"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: no such file"):
        load(folder)


@pytest.mark.parametrize("mode", ["frozen", "tuned"])
def test_another_encoder_is_found(mode: str, tmp_path: Path) -> None:
    saved(tmp_path, mode)
    changed = make_model("wavlm-large")
    changed.feature_projection.projection.bias.data[0] += 1e-3
    changed.save_pretrained(tmp_path / "encoder")
    with pytest.raises(UserError, match="is not the one that the model was trained with"):
        load(tmp_path / "model")


def test_a_repository_that_has_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = saved(tmp_path, "frozen")
    (tmp_path / "encoder").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="small"):
        load("model")
    (tmp_path / "conf").mkdir()
    entry = f"small:\n  source: ./elsewhere\n  layers: {LAYERS}\n  dim: {DIM}\n"
    (tmp_path / "conf/encoders.yaml").write_text(entry)
    assert np.array_equal(load("model").posteriors(speech(4000)), made.posteriors(speech(4000)))


def test_what_was_cut_otherwise_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [make(mode) for mode in ("frozen", "context", "tuned", "recipe")]
    before = [model.input_kind() for model in models]
    monkeypatch.setattr(windows, "SPAN", windows.SPAN + 1)
    # The others keep what the front end gives, which is not cut.
    assert [model.input_kind() == old for model, old in zip(models, before, strict=True)] == [False, False, True, True]
