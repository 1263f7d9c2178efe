"""Every layer of every architecture is what transformers computes from one file, whatever else is in the batch."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from local.encoders.transformer import Transformer
from tests.local.encoders.checkpoints import DIM, LAYERS, VARIANTS, make_model, spec_of

TOLERANCE = 1e-4
FIELD, HOP = 400, 320


@functools.cache
def encoder(variant: str) -> Transformer:
    return Transformer(spec_of(variant), make_model(variant), False, "cpu", "fp32")


def speech(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose level changes, with an offset, so that statistics over time matter."""
    rng = np.random.default_rng([seed, samples])
    level = np.repeat(rng.uniform(0.01, 0.5, samples // 800 + 1), 800)[:samples]
    return (rng.standard_normal(samples) * level + 0.02).astype(np.float32)


def published(model: torch.nn.Module, wave: np.ndarray) -> list[np.ndarray]:
    """Hidden states by the model's own forward, one file."""
    with torch.no_grad():
        states = model(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_gives_what_the_model_gives_for_each_file_alone(variant: str) -> None:
    waves = [speech(samples) for samples in (16000, FIELD, 90000, FIELD + HOP - 1, FIELD + HOP, 7001, 16000)]
    pooled = encoder(variant).pooled(waves)
    assert pooled.shape == (len(waves), LAYERS, DIM) and pooled.dtype == np.float32
    for wave, matrix in zip(waves, pooled, strict=True):
        want = np.stack([state.mean(axis=0) for state in published(encoder(variant).model, wave)])
        assert np.abs(want).max() > 0.1
        np.testing.assert_allclose(matrix, want, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wav2vec2-large", "hubert-base", "wavlm-base", "data2vec-audio"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(FIELD, 24000), min_size=2, max_size=5), data=st.data())
def test_neighbours_and_their_order_do_not_matter(variant: str, lengths: list[int], data: st.DataObject) -> None:
    waves = [speech(samples, seed) for seed, samples in enumerate(lengths)]
    order = data.draw(st.permutations(range(len(waves))))
    together = encoder(variant).pooled([waves[i] for i in order])
    alone = np.concatenate([encoder(variant).pooled([waves[i]]) for i in order])
    np.testing.assert_allclose(together, alone, rtol=0, atol=TOLERANCE)


def test_padding_would_have_mattered() -> None:
    # What the tests above guard against: zeros behind an utterance change its frames where GroupNorm spans time.
    model, wave = encoder("wav2vec2-base").model, speech(8000)
    padded = np.concatenate([wave, np.zeros(16000, dtype=np.float32)])
    frames = len(published(model, wave)[0])
    assert np.abs(published(model, padded)[0][:frames] - published(model, wave)[0]).max() > 100 * TOLERANCE


def test_long_utterances_are_cut_into_pieces_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = speech(60000)
    whole = encoder("wav2vec2-base").pooled([wave])
    monkeypatch.setattr("local.encoders.frontend._PIECE", 7)
    np.testing.assert_allclose(encoder("wav2vec2-base").pooled([wave]), whole, rtol=0, atol=1e-5)


def test_silence_is_no_division_by_zero() -> None:
    silence = np.zeros(8000, dtype=np.float32)
    want = np.stack([state.mean(axis=0) for state in published(encoder("wav2vec2-base").model, silence)])
    np.testing.assert_allclose(encoder("wav2vec2-base").pooled([silence])[0], want, rtol=0, atol=TOLERANCE)
    normalising = Transformer(spec_of("x"), make_model("wav2vec2-base"), True, "cpu", "fp32")
    assert np.isfinite(normalising.pooled([silence])).all()


def test_input_is_normalised_as_the_feature_extractor_does() -> None:
    from transformers import Wav2Vec2FeatureExtractor

    model, wave = make_model("hubert-large"), 7 * speech(9000) + 1
    prepared = Wav2Vec2FeatureExtractor(do_normalize=True)(wave, sampling_rate=16000).input_values[0]
    got = Transformer(spec_of("x"), model, True, "cpu", "fp32").pooled([wave])[0]
    want = np.stack([state.mean(axis=0) for state in published(model, prepared)])
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)
    assert np.abs(Transformer(spec_of("x"), model, False, "cpu", "fp32").pooled([wave])[0] - want).max() > 0.01


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wav2vec2-large", "wavlm-base", "data2vec-audio"])
def test_bf16_is_near(variant: str) -> None:
    waves = [speech(16000), speech(9000)]
    exact = encoder(variant).pooled(waves)
    rough = Transformer(spec_of(variant), make_model(variant), False, "cpu", "bf16").pooled(waves)
    assert 0 < np.abs(rough - exact).max() < 0.1


TRAINED = ["wav2vec2-base", "wav2vec2-large", "hubert-base", "hubert-large", "wavlm-base", "wavlm-large"]


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {name: weight.grad for name, weight in model.encoder.layers.named_parameters()}
    assert all(gradient is not None for gradient in found.values())
    return {name: gradient.clone() for name, gradient in found.items()}


@pytest.mark.parametrize("variant", TRAINED)
def test_gradients_of_a_batch_are_those_of_its_files(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.encoders.transformer._PIECE", 7)
    waves = [speech(12000), speech(5000), speech(FIELD)]
    trained = Transformer(spec_of(variant), make_model(variant), False, "cpu", "fp32")
    blocks = trained.model.encoder.layers.requires_grad_(True)
    features, lengths = trained.features(waves)
    assert not features.requires_grad
    rng = np.random.default_rng(0)
    probes = [torch.from_numpy(rng.standard_normal((sum(lengths), DIM)).astype(np.float32)) for _ in range(LAYERS)]
    # Every state counts, and so does the normalised last one, which output_hidden_states does not hold.
    states = [*trained.states(features, lengths), trained.last(features, lengths)]
    sum((probe * state).sum() for probe, state in zip([*probes, probes[0]], states, strict=True)).backward()
    got = gradients(trained.model)
    blocks.zero_grad()
    for row, wave in enumerate(waves):
        made = trained.model(torch.from_numpy(wave)[None], output_hidden_states=True)
        rows = [probe.split(lengths)[row] for probe in [*probes, probes[0]]]
        wanted = [*made.hidden_states, made.last_hidden_state]
        sum((probe * state[0]).sum() for probe, state in zip(rows, wanted, strict=True)).backward()
    wanted = gradients(trained.model)
    # The key's bias has none in theory: adding to all scores of a frame changes no attention.
    scale = max(float(gradient.abs().max()) for gradient in wanted.values())
    assert sum(float(gradient.abs().max()) > 1e-3 * scale for gradient in wanted.values()) > len(wanted) / 2
    for name, want in wanted.items():
        np.testing.assert_allclose(got[name], want, rtol=1e-3, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wavlm-large"])
def test_dropout_is_of_training_alone(variant: str) -> None:
    trained = Transformer(spec_of(variant), make_model(variant), False, "cpu", "fp32")
    features, lengths = trained.features([speech(9000)])
    want = trained.last(features, lengths)
    trained.model.encoder.layers.train()
    assert (trained.last(features, lengths) - want).abs().max() > 0.01
    for module in trained.model.encoder.layers.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    # What is left is attention's own.
    assert (trained.last(features, lengths) - want).abs().max() > 0.01
    for block in trained.model.encoder.layers:
        block.attention.dropout = 0.0
    assert torch.equal(trained.last(features, lengths), want)
    trained.model.encoder.layers.eval()
    assert torch.equal(trained.last(features, lengths), want)


@pytest.mark.parametrize("variant", ["wav2vec2-base", "hubert-large", "wavlm-base", "data2vec-audio"])
def test_augmenting_is_transformers_own(variant: str) -> None:
    """The same draws mask the same spans and drop the same blocks, all dropouts being off."""
    model = make_model(variant)
    model.config.update({"layerdrop": 0.5, "mask_time_prob": 0.3, "mask_time_length": 4})
    if variant != "wavlm-base":  # whose configuration lacks what transformers would read
        model.config.mask_feature_prob = 0.2
    trained = Transformer(spec_of(variant), model, False, "cpu", "fp32")
    trained.augment = True
    wave = speech(9000)
    features, lengths = trained.features([wave])
    plain = trained.last(features, lengths)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "head_dim"):
            module.dropout = 0.0
    model.train()
    model.encoder.pos_conv_embed.eval()
    apart = 0
    for seed in range(8):
        found = []
        for run in (
            lambda: trained.last(features, lengths),
            lambda: model(torch.from_numpy(wave)[None]).last_hidden_state[0],
        ):
            torch.manual_seed(seed)
            np.random.seed(seed)
            with torch.no_grad():
                found.append(run())
        torch.testing.assert_close(*found, rtol=0, atol=1e-4)
        apart += bool((found[0] - plain).abs().max() > 0.01)
    assert apart >= 7
    model.eval()
    assert torch.equal(trained.last(features, lengths), plain)


def test_what_is_shorter_than_a_span_is_not_masked() -> None:
    trained = Transformer(spec_of("wav2vec2-base"), make_model("wav2vec2-base"), False, "cpu", "fp32")
    features, lengths = trained.features([speech(9000), speech(1000)])
    want = trained.embed(features, lengths).split(lengths)
    trained.augment = True
    trained.model.train()
    trained.model.apply(lambda module: setattr(module, "p", 0.0) if isinstance(module, torch.nn.Dropout) else None)
    found = trained.embed(features, lengths).split(lengths)
    assert lengths[1] < trained.model.config.mask_time_length < lengths[0]
    assert not torch.equal(found[0], want[0]) and torch.equal(found[1], want[1])


def test_the_two_halves_are_the_forward() -> None:
    waves = [speech(9000), speech(4000)]
    features, lengths = encoder("hubert-large").features(waves)
    pooled = [
        [part.mean(dim=0) for part in state.split(lengths)]
        for state in encoder("hubert-large").states(features, lengths)
    ]
    want = encoder("hubert-large").pooled(waves)
    np.testing.assert_allclose(np.array(pooled).swapaxes(0, 1), want, rtol=0, atol=1e-6)


def test_shortest_input_and_empty_batch() -> None:
    assert encoder("hubert-base").min_samples == FIELD
    assert np.isfinite(encoder("hubert-base").pooled([speech(FIELD)])).all()
    assert encoder("hubert-base").pooled([]).shape == (0, LAYERS, DIM)
