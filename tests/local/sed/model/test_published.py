"""The published format gives what SpeechBrain's own interface gives, without running the folder's settings."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from local.models import windows
from local.sed.model import published
from local.sed.model.decode import Decoder
from local.sed.model.diarizer import Diarizer
from local.sed.model.load import PUBLISHED, load
from tests.local.encoders.checkpoints import DIM, make_model, write_checkpoint
from tests.local.encoders.test_transformer import speech
from utils.errors import UserError

# SpeechBrain's, of transformers.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_disable:FutureWarning")

SETTINGS = """
HPARAMS_NEEDED: ["window_length", "stride", "avg_pool", "label_encoder"]
wav2vec2_hub: {hub}
pretrained_path: {folder}
window_length: {window}
stride: {stride}
encoder_dim: {dim}
out_n_neurons: 4
input_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
wav2vec2: !new:speechbrain.integrations.huggingface.wavlm.WavLM
    source: !ref <wav2vec2_hub>
    output_norm: True
    freeze: False
    freeze_feature_extractor: True
    save_path: {folder}/save
avg_pool: !new:speechbrain.nnet.pooling.Pooling1d
    pool_type: "avg"
    kernel_size: !ref <window_length>
    stride: !ref <stride>
    ceil_mode: True
output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <encoder_dim>
    n_neurons: !ref <out_n_neurons>
    bias: False
model: !new:torch.nn.ModuleList
    - [!ref <output_mlp>]
modules:
    input_norm: !ref <input_norm>
    wav2vec2: !ref <wav2vec2>
    output_mlp: !ref <output_mlp>
log_softmax: !new:speechbrain.nnet.activations.Softmax
    apply_log: True
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        wav2vec2: !ref <wav2vec2>
        model: !ref <model>
        label_encoder: !ref <label_encoder>
    paths:
        wav2vec2: !ref <pretrained_path>/wav2vec2.ckpt
        model: !ref <pretrained_path>/model.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""
LABELS = "'a' => 0\n'n' => 1\n'h' => 2\n's' => 3\n================\n'starting_index' => 0\n"
WORDS = ["angry", "neutral", "happy", "sad"]


def write(folder: Path, window: int = 1, stride: int = 1, normalise: bool = True) -> Path:
    """A small random diarizer in the published format; the encoder it was tuned from has other weights."""
    hub = write_checkpoint(folder / "hub", "wavlm-large", normalise)
    folder = folder / "published"
    folder.mkdir()
    settings = SETTINGS.format(hub=hub, folder=folder, window=window, stride=stride, dim=DIM)
    (folder / "hyperparams.yaml").write_text(settings)
    (folder / "label_encoder.txt").write_text(LABELS)
    torch.manual_seed(1)
    weights = {
        f"model.{name}": tensor + 0.02 * torch.randn_like(tensor)
        for name, tensor in make_model("wavlm-large").state_dict().items()
    }
    # The published file is of a time when torch named the parts of a normalised weight otherwise.
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        where = "model.encoder.pos_conv_embed.conv."
        weights[where + old] = weights.pop(f"{where}parametrizations.weight.{new}")
    torch.save(weights, folder / "wav2vec2.ckpt")
    torch.save({"0.w.weight": 3 * torch.randn(4, DIM)}, folder / "model.ckpt")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("published"))


def wave(samples: int = 30000) -> np.ndarray:
    return 0.02 * speech(samples) + 0.01


def oracle(folder: Path, samples: np.ndarray) -> tuple[np.ndarray, list[dict]]:
    """Posteriors and segments by SpeechBrain."""
    from speechbrain.inference.diarization import Speech_Emotion_Diarization

    interface = Speech_Emotion_Diarization.from_hparams(str(folder), savedir=str(folder / "save"))
    batch, length = torch.from_numpy(samples)[None], torch.tensor([1.0])
    with torch.no_grad():
        pooled = interface.hparams.avg_pool(interface.encode_batch(batch, length))
        scores = interface.hparams.log_softmax(interface.mods.output_mlp(pooled))
        segments = interface.diarize_batch(batch, length, ["one"])["one"]
    return scores[0].exp().numpy(), segments


def runs(labels: list[str]) -> list[dict]:
    """Segments of a label per 20 ms, as SpeechBrain writes them."""
    found, begin = [], 0
    for label, group in itertools.groupby(labels):
        end = begin + len(list(group))
        found.append({"start": round(0.02 * begin, 2), "end": round(0.02 * end, 2), "emotion": label})
        begin = end
    return found


@pytest.mark.parametrize("normalise", [True, False])
def test_posteriors_and_segments_are_speechbrain_s(normalise: bool, tmp_path: Path) -> None:
    folder = write(tmp_path, normalise=normalise)
    loaded = published.load(str(folder))
    assert loaded.emotions == WORDS
    # Quiet noise where it is normalised, so that what is added to variances shows.
    samples = wave() if normalise else 4 * speech(30000)
    got = loaded.posteriors(samples)
    want, segments = oracle(folder, samples)
    assert got.shape == want.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)
    assert len(segments) > 3 and len({segment["emotion"] for segment in segments}) > 2
    assert runs(["anhs"[index] for index in got.argmax(axis=1)]) == segments


def test_the_mode_that_trains_as_the_recipe_is_its_network(folder: Path) -> None:
    loaded = published.load(str(folder))
    loaded.encoder.normalise = True
    made = Diarizer(loaded.encoder, WORDS, "recipe")
    made.classifier.load_state_dict({"weight": loaded.classifier.weight})
    # Loud, so that it does not show that the two add another small number to the variance of the samples.
    samples = 1000 * wave()
    want, _ = oracle(folder, samples)
    np.testing.assert_allclose(made.posteriors(samples), want, rtol=0, atol=1e-3)


def test_averages_over_windows_are_speechbrain_s(tmp_path: Path) -> None:
    folder = write(tmp_path, window=5, stride=3)
    got, (want, _) = published.load(str(folder)).posteriors(wave()), oracle(folder, wave())
    assert len(got) == (30000 - 400) // 320 + 1
    np.testing.assert_allclose(got, np.repeat(want, 3, axis=0)[: len(got)], rtol=0, atol=1e-4)


def test_windows_do_not_change_the_normalisation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = published.load(str(folder))
    for block in loaded.encoder.model.encoder.layers:
        # Without attention a frame sees its neighbours alone, and windows must leave no trace.
        block.attention.out_proj.weight.zero_()
    whole = loaded.posteriors(wave())
    monkeypatch.setattr(windows, "WINDOW", 40)
    monkeypatch.setattr(windows, "CONTEXT", 12)
    np.testing.assert_allclose(loaded.posteriors(wave()), whole, rtol=0, atol=1e-4)


def test_columns_are_in_the_order_asked_for(folder: Path) -> None:
    order = ["angry", "happy", "neutral", "sad"]
    got = published.load(str(folder), emotions=order)
    assert got.emotions == order
    np.testing.assert_allclose(got.posteriors(wave())[:, [0, 2, 1, 3]], published.load(str(folder)).posteriors(wave()))
    with pytest.raises(UserError, match="knows angry, neutral, happy, sad; `emotions` asks for angry, bored"):
        published.load(str(folder), emotions=["angry", "bored"])


def test_it_is_saved_by_name(folder: Path, tmp_path: Path) -> None:
    made = published.load(str(folder), emotions=["sad", "happy", "neutral", "angry"])
    made.decoder = Decoder("minimum", 0.5)
    made.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    again = load(tmp_path)
    assert (again.emotions, again.decoder) == (made.emotions, made.decoder)
    assert np.array_equal(again.posteriors(wave()), made.posteriors(wave()))


class Evil:
    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit('ran')",))


def test_nothing_in_the_folder_is_run(tmp_path: Path) -> None:
    folder = write(tmp_path)
    settings = (folder / "hyperparams.yaml").read_text()
    (folder / "hyperparams.yaml").write_text(settings + "\nboom: !apply:os.abort []\n")
    assert published.load(str(folder)).emotions == WORDS
    (folder / "hyperparams.yaml").write_text(settings + "\nboom: !!python/object/apply:os.abort []\n")
    with pytest.raises(UserError, match="hyperparams.yaml: not the settings"):
        published.load(str(folder))
    (folder / "hyperparams.yaml").write_text(settings)
    with open(folder / "model.ckpt", "wb") as file:
        pickle.dump(Evil(), file, protocol=2)
    with pytest.raises(UserError, match="model.ckpt: damaged, or holds more than tensors"):
        published.load(str(folder))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("hyperparams.yaml", "stride:", "strude:", "hyperparams.yaml: not the settings"),
        ("hyperparams.yaml", "norm_type: sentence", "norm_type: global", "input_norm is"),
        ("label_encoder.txt", "'a' => 0", "'x' => 0", "expected each of a, h, n, s"),
        ("label_encoder.txt", "'a' => 0", "'a' => 4", "expected each of a, h, n, s"),
    ],
)
def test_faults_in_the_text_files(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    path = write(tmp_path) / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        published.load(str(path.parent))


def test_weights_that_are_missing(tmp_path: Path) -> None:
    folder = write(tmp_path)
    weights = torch.load(folder / "wav2vec2.ckpt")
    weights.pop("model.encoder.layers.1.attention.q_proj.weight")
    torch.save(weights, folder / "wav2vec2.ckpt")
    with pytest.raises(UserError, match="do not agree, first encoder.layers.1.attention.q_proj.weight"):
        published.load(str(folder))
    (folder / "model.ckpt").unlink()
    with pytest.raises(UserError, match="model.ckpt: no such file"):
        published.load(str(folder))


def test_offline_it_says_how_to_fetch_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=f"hf download {PUBLISHED} --revision {published.REVISION}"):
        published.load(PUBLISHED)


def test_the_registry_pins_the_encoder_it_was_tuned_from() -> None:
    assert len(published.REVISION) == 40
    assert json.dumps(published._revision("microsoft/wavlm-large")) != '"main"'
