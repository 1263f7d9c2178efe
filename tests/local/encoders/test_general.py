"""Encoders that transformers runs: a batch gives what each file gives alone, and nothing of it is padding."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from local import encoders
from local.encoders import general, loading
from tests.local.encoders.checkpoints import DIM, GENERAL, LAYERS, WINDOW_SECONDS, spec_of, write_checkpoint
from tests.local.encoders.test_transformer import speech
from utils.errors import UserError

TOLERANCE = 1e-4
WINDOW = 16000 * WINDOW_SECONDS


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory):
    @functools.cache
    def load(variant: str, precision: str = "fp32") -> general.General:
        folder = tmp_path_factory.mktemp(variant)
        return encoders.load(spec_of(write_checkpoint(folder, variant)), precision=precision)

    return load


def published(encoder: general.General, wave: np.ndarray) -> list[np.ndarray]:
    """Hidden states by the model's own forward from the checkpoint's own preprocessing, one file, padding and all."""
    folder = encoder.spec.source
    model = transformers.AutoModel.from_pretrained(folder)
    model = (model.get_encoder() if model.config.is_encoder_decoder else model).eval()
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(wave, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("variant", GENERAL)
def test_a_batch_gives_what_each_file_gives_alone(load, variant: str) -> None:
    encoder = load(variant)
    waves = [speech(samples) for samples in (16000, encoder.min_samples, 70001, 7001, 12345)]
    pooled = encoder.pooled(waves)
    assert pooled.shape == (len(waves), LAYERS, DIM) and pooled.dtype == np.float32
    assert np.isfinite(pooled).all() and np.abs(pooled).max() > 0.1
    for wave, row in zip(waves, pooled, strict=True):
        np.testing.assert_allclose(encoder.pooled([wave])[0], row, rtol=0, atol=TOLERANCE)
    assert np.isfinite(encoder.pooled([np.zeros(8000, dtype=np.float32)])).all()
    assert encoder.pooled([]).shape == (0, LAYERS, DIM)


@pytest.mark.parametrize("variant", sorted(set(GENERAL) - {"whisper", "qwen2-audio", "wav2vec2-bert"}))
def test_it_is_the_mean_of_what_transformers_gives(load, variant: str) -> None:
    wave = speech(20001)
    want = np.stack([state.mean(axis=0) for state in published(load(variant), wave)])
    np.testing.assert_allclose(load(variant).pooled([wave])[0], want, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("samples", "frames"), [(560, 1), (16000, 49), (16160, 49), (16239, 49), (16240, 50)])
def test_of_wav2vec2_bert_half_a_frame_of_padding_is_left_out(load, samples: int, frames: int) -> None:
    wave = speech(samples)
    states = published(load("wav2vec2-bert"), wave)
    # 25 ms each 10 ms, two and two together; an odd one has a filled-up neighbour.
    assert len(states[0]) - frames in (0, 1)
    want = np.stack([state[:frames].mean(axis=0) for state in states])
    np.testing.assert_allclose(load("wav2vec2-bert").pooled([wave])[0], want, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("variant", ["whisper", "qwen2-audio"])
def test_the_silence_that_fills_a_window_is_not_averaged(load, variant: str) -> None:
    wave = speech(9000)
    states = published(load(variant), wave)
    # A frame is 320 samples: 28.1 of 100, the last in part; qwen2-audio's last state has frames of 640.
    assert [len(state) for state in states] == [100] * (LAYERS - 1) + [50 if variant == "qwen2-audio" else 100]
    want = np.stack([state[: 29 if len(state) == 100 else 15].mean(axis=0) for state in states])
    got = load(variant).pooled([wave])[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)
    assert np.abs(got - np.stack([state.mean(axis=0) for state in states])).max() > 100 * TOLERANCE


@pytest.mark.parametrize("variant", ["whisper", "qwen2-audio"])
def test_a_long_file_is_its_windows_weighed_by_their_frames(load, variant: str) -> None:
    wave = speech(2 * WINDOW + 6400)
    parts = load(variant).pooled([wave[:WINDOW], wave[WINDOW : 2 * WINDOW], wave[2 * WINDOW :]])
    want = np.average(parts, axis=0, weights=[100, 100, 20])
    np.testing.assert_allclose(load(variant).pooled([wave])[0], want, rtol=0, atol=TOLERANCE)


def test_windows_that_run_together_are_those_that_run_alone(load, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load("whisper")
    waves = [speech(samples) for samples in (40000, 9000, 70001, 500)]
    alone = encoder.pooled(waves)
    monkeypatch.setattr(encoder, "_device", type("Gpu", (), {"type": "gpu"}))
    states, together = encoder._states, []

    def on_cpu(waves: list[np.ndarray]):
        together.append(len(waves))
        encoder._device = torch.device("cpu")
        yield from states(waves)

    monkeypatch.setattr(encoder, "_states", on_cpu)
    np.testing.assert_allclose(encoder.pooled(waves), alone, rtol=0, atol=TOLERANCE)
    # 2 + 1 + 3 + 1 windows.
    assert together == [7]


def test_shortest_input(load) -> None:
    for variant in GENERAL:
        encoder = load(variant)
        assert np.isfinite(encoder.pooled([speech(encoder.min_samples)])).all(), variant
        if variant not in ("whisper", "qwen2-audio"):
            with pytest.raises((RuntimeError, ValueError)) if variant != "wav2vec2-bert" else pytest.warns():
                encoder.pooled([speech(encoder.min_samples - 1)])


def test_threads_may_share_an_encoder(load) -> None:
    for variant in GENERAL:
        encoder, waves = load(variant), [speech(6000 + 1000 * seed, seed) for seed in range(6)]
        alone = [encoder.pooled([wave]) for wave in waves]
        with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for one, other in zip(alone, pool.map(lambda wave: encoder.pooled([wave]), waves), strict=True):  # noqa: B023
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_bf16_falls_back_and_is_near(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = load("wav2vec2-conformer").pooled([speech(9000)])
    spec = load("wav2vec2-conformer").spec
    monkeypatch.setattr(loading, "has_native_bf16", lambda device: False)
    assert encoders.load(spec, precision="bf16").precision == "fp32"
    monkeypatch.setattr(loading, "has_native_bf16", lambda device: True)
    rough = encoders.load(spec, precision="bf16")
    assert rough.precision == "bf16" and 0 < np.abs(rough.pooled([speech(9000)]) - exact).max() < 0.2


def test_it_cannot_be_tuned_and_the_reason_is_told_before_it_is_loaded(load) -> None:
    spec = load("whisper").spec
    assert encoders.untunable(spec) == load("whisper").untunable
    with pytest.raises(UserError, match="small can be neither tuned nor read frame by frame: it is a whisper model"):
        encoders.load_tunable(spec)


def test_what_the_entry_says_must_fit(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "whisper", "whisper")
    with pytest.raises(UserError, match="'normalise' is for encoders that read waveforms"):
        encoders.load(spec_of(folder, normalise=True))
    with pytest.raises(UserError, match=f"has layers: {LAYERS}, dim: {DIM}; correct the entry"):
        encoders.load(spec_of(folder, layers=LAYERS + 1))
    transformers.WhisperFeatureExtractor(20, chunk_length=3).save_pretrained(folder)
    with pytest.raises(UserError, match="reads 2 s at a time, which is not what its preprocessor_config.json makes"):
        encoders.load(spec_of(folder))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="preprocessor_config.json of .* cannot be had"):
        encoders.load(spec_of(folder))


def test_normalise_overrides_the_checkpoint(tmp_path: Path) -> None:
    wave = 3 * speech(9000)
    folder = write_checkpoint(tmp_path / "sew", "sew", normalise=True)
    scaled = ((wave - wave.mean()) / wave.std()).astype(np.float32)
    got = encoders.load(spec_of(folder)).pooled([wave])
    plain = encoders.load(spec_of(folder, normalise=False))
    np.testing.assert_allclose(got, plain.pooled([scaled]), rtol=0, atol=TOLERANCE)
