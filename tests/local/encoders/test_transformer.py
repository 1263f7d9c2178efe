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


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wavlm-large", "data2vec-audio"])
def test_frames_are_the_hidden_states(variant: str) -> None:
    waves = [speech(12000), speech(5000)]
    frames = encoder(variant).frames(waves)
    assert frames.lengths == [1 + (len(wave) - FIELD) // HOP for wave in waves]
    for row, wave in enumerate(waves):
        for layer, want in enumerate(published(encoder(variant).model, wave)):
            got = frames.states[layer][row].numpy()
            np.testing.assert_allclose(got[: len(want)], want, rtol=0, atol=TOLERANCE)
            assert not got[len(want) :].any()


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


def test_shortest_input_and_empty_batch() -> None:
    assert encoder("hubert-base").min_samples == FIELD
    assert np.isfinite(encoder("hubert-base").pooled([speech(FIELD)])).all()
    assert encoder("hubert-base").pooled([]).shape == (0, LAYERS, DIM)
