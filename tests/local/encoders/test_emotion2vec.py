"""emotion2vec as FunASR builds it, with random weights: every block is a layer, and nothing of a checkpoint is run."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from local import encoders
from local.encoders import emotion2vec
from local.encoders.emotion2vec import read_convolutions
from local.encoders.registry import EncoderSpec
from tests.local.encoders.test_logmel import noise
from utils.errors import UserError

CONVOLUTIONS = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
# The architecture of emotion2vec_base: what of its configuration a forward pass reads.
BASE = {
    "depth": 8, "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0, "num_heads": 12, "norm_eps": 1e-5,
    "norm_affine": True, "encoder_dropout": 0.1, "post_mlp_drop": 0.1, "attention_dropout": 0.1,
    "activation_dropout": 0.0, "dropout_input": 0.0, "layerdrop": 0.05, "embed_dim": 768, "mlp_ratio": 4.0,
    "layer_norm_first": False, "end_of_block_targets": False, "clone_batch": 8, "normalize": True,
    "modalities": {"audio": {
        "type": "AUDIO", "prenet_depth": 4, "prenet_layerdrop": 0.05, "prenet_dropout": 0.1,
        "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0, "num_extra_tokens": 10, "init_extra_token_zero": True,
        "local_grad_mult": 1.0, "use_alibi_encoder": True, "alibi_scale": 1.0, "learned_alibi": False,
        "alibi_max_pos": None, "learned_alibi_scale": True, "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False, "num_alibi_heads": 12, "model_depth": 8,
        "decoder": {"decoder_dim": 384, "decoder_groups": 16, "decoder_kernel": 7, "decoder_layers": 4,
                    "input_dropout": 0.1, "add_positions_masked": False, "add_positions_all": False,
                    "decoder_residual": True, "projection_layers": 1, "projection_ratio": 2.0},
        "extractor_mode": "layer_norm", "feature_encoder_spec": CONVOLUTIONS, "conv_pos_width": 95,
        "conv_pos_groups": 16, "conv_pos_depth": 5, "conv_pos_pre_ln": False,
    }},
}  # fmt: skip


def configuration(**audio: object) -> dict:
    """The same architecture, small: 2 prenet and 3 main blocks of 32."""
    conf = copy.deepcopy(BASE) | {"depth": 3, "num_heads": 4, "embed_dim": 32}
    small = {"prenet_depth": 2, "model_depth": 3, "num_alibi_heads": 4, "conv_pos_groups": 4}
    conf["modalities"]["audio"] |= small | {"feature_encoder_spec": CONVOLUTIONS.replace("512", "16")} | audio
    return conf


def write(folder: Path, conf: dict, tuned: bool = False) -> torch.nn.Module:
    """Write a checkpoint with the model that FunASR makes of a configuration, and give that model."""
    pytest.importorskip("funasr")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = emotion2vec._funasr()(model_conf=conf, vocab_size=9 if tuned else -1).eval()
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": "Emotion2vec", "model_conf": conf}))
    torch.save({"model": model.state_dict(), "epoch": 3} if tuned else model.state_dict(), folder / "model.pt")
    return model


def spec(folder: Path, **fields: object) -> EncoderSpec:
    known = {"kind": "emotion2vec", "source": "model", "base": str(folder.parent), "layers": 6, "dim": 32}
    return EncoderSpec(name="small", **(known | {"source": folder.name} | fields))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("emotion2vec") / "model"
    write(place, configuration())
    return place


def states(model: torch.nn.Module, wave: np.ndarray) -> list[np.ndarray]:
    """What FunASR's own forward pass goes through, a step at a time: the means of all hidden states."""
    audio = model.modality_encoders["AUDIO"]
    source = torch.from_numpy(wave)[None]
    source = torch.nn.functional.layer_norm(source, source.shape[1:])
    with torch.inference_mode():
        x = audio.local_features(source)
        frames = x.shape[1]
        x = torch.cat([audio.extra_tokens, x + audio.relative_positional_encoder(x)], dim=1)
        x = audio.context_encoder.norm(x)
        bias = audio.get_alibi_bias(
            batch_size=1, time_steps=frames, heads=audio.modality_cfg.num_alibi_heads, dtype=torch.float32, device="cpu"
        )
        bias = torch.nn.functional.pad(bias * audio.alibi_scale.clamp_min(0).squeeze(0), (10, 0, 10, 0))
        found = [x]
        for block in [*audio.context_encoder.blocks, *model.blocks]:
            found.append(block(found[-1], None, bias)[0])
        whole = model.extract_features(source)["x"]
    torch.testing.assert_close(found[-1][:, 10:], whole, atol=1e-5, rtol=1e-4)
    return [x[0, 10:].mean(dim=0).numpy() for x in found]


@pytest.mark.parametrize("tuned", [False, True])
def test_every_block_is_a_layer_of_funasrs_own_forward(tmp_path: Path, tuned: bool) -> None:
    model = write(tmp_path / "model", configuration(), tuned)
    encoder = encoders.load(spec(tmp_path / "model"))
    wave = noise(9000)
    got = encoder.pooled([wave])
    assert got.shape == (1, 6, 32) and got.dtype == np.float32
    np.testing.assert_allclose(got[0], states(model, wave), atol=1e-4)
    assert min(np.abs(a - b).max() for a, b in zip(got[0], got[0, 1:], strict=False)) > 0.05


def test_the_published_size(tmp_path: Path) -> None:
    pytest.importorskip("funasr")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model_conf": BASE}))
    encoder = encoders.load(spec(tmp_path, layers=13, dim=768, init="random"))
    # Without the decoder, which only pre-training needs.
    assert 88e6 < sum(parameter.numel() for parameter in encoder.model.parameters()) < 93.2e6
    entries = [encoders.spec(name) for name in encoders.names()]
    published = [one for one in entries if one.kind == "emotion2vec" and one.dim == 768]
    assert {(one.layers, one.dim) for one in published} == {(13, 768)}
    wave = noise(3000)
    np.testing.assert_allclose(encoder.pooled([wave])[0], states(encoder.model, wave), atol=1e-4)


def test_neither_neighbours_nor_threads_matter_and_the_shortest_has_a_frame(folder: Path) -> None:
    from local.features import pipeline

    encoder = encoders.load(spec(folder))
    assert encoder.min_samples == 400
    waves = [noise(length, number) for number, length in enumerate((400, 12000, 7001, 12000))]
    together = encoder.pooled(waves)
    for wave, row in zip(waves, together, strict=True):
        np.testing.assert_allclose(encoder.pooled([wave])[0], row, atol=1e-4)
    assert encoder.pooled([]).shape == (0, 6, 32) and np.isfinite(together).all()

    class One:
        def __init__(self, number: int):
            self.id = str(number % 4)

    batches = [[One(number)] for number in range(32)]
    made = pipeline.run(encoder, batches, threads=4, decode=lambda batch: [waves[int(one.id)] for one in batch])
    for [(name, row)] in made:
        np.testing.assert_allclose(row, together[int(name)], atol=1e-4)


def test_input_is_normalised_as_configuration_or_entry_say(tmp_path: Path, folder: Path) -> None:
    loud = [noise(6000), 10 * noise(6000) + 1]
    same, other = encoders.load(spec(folder)), encoders.load(spec(folder, normalise=False))
    np.testing.assert_allclose(*same.pooled(loud), atol=1e-4)
    assert np.abs(np.subtract(*other.pooled(loud))).max() > 1e-2
    write(tmp_path / "model", configuration() | {"normalize": False})
    np.testing.assert_allclose(encoders.load(spec(tmp_path / "model")).pooled(loud), other.pooled(loud), atol=1e-4)


def test_random_weights_depend_on_the_seed_alone(folder: Path) -> None:
    wave = [noise(5000)]
    first, again, other = (encoders.load(spec(folder, init="random", seed=seed)).pooled(wave) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 < np.abs(first - encoders.load(spec(folder)).pooled(wave)).max()
    assert [path.name for path in spec(folder, init="random").files()] == ["config.yaml"]
    assert [path.name for path in spec(folder).files()] == ["config.yaml", "model.pt"]


def test_convolutions_are_data() -> None:
    assert read_convolutions(CONVOLUTIONS) == [(512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2]
    assert read_convolutions("[(8, 2, 1), (4, 2, 2)] * 2") == [(8, 2, 1), (4, 2, 2)] * 2


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {made}') or [(16, 10, 5)]", "[(16, 10, 5)] + open('{made}', 'w').close()",
        "[(16, int(10), 5)]", "[(16, 10, 5) for x in [0]]", "[(16, 10)]", "[(16, 10, True)]", "[(16, 10, -5)]",
        "[(16, 10, 5)] * 10 ** 9", "[(16, 10, 5)] * 1000000000", "([(16, 10, 5)] * 30) * 30", "[(999999, 10, 5)]",
        "[]", "", "[" * 900, "lambda: 0", "[(16, 10, 5)", "(" * 400 + "[]" + ")" * 400, None, [[16, 10, 5]],
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_not_run(tmp_path: Path, text: object) -> None:
    pytest.importorskip("funasr")
    made = tmp_path / "made"
    text = text.replace("{made}", str(made)) if isinstance(text, str) else text
    (tmp_path / "model").mkdir()
    conf = {"model_conf": configuration(feature_encoder_spec=text)}
    (tmp_path / "model/config.yaml").write_text(yaml.safe_dump(conf))
    with pytest.raises(UserError, match="feature_encoder_spec holds .*do not trust this checkpoint"):
        encoders.load(spec(tmp_path / "model"))
    assert not made.exists()


class Evil:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_damaged_checkpoints_are_told_apart(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with pytest.raises(UserError, match=r"no checkpoint in .*model \(config.yaml, model.pt\)"):
        encoders.load(spec(place))
    model = write(place, configuration())
    with pytest.raises(UserError, match="layers: 7, dim: 32, but .* has layers: 6, dim: 32"):
        encoders.load(spec(place, layers=7))
    some = {name: value for name, value in model.state_dict().items() if "blocks.1.mlp" not in name}
    torch.save(some, place / "model.pt")
    with pytest.raises(UserError, match=r"lacks 8 of the model's weights, first .*blocks.1.mlp"):
        encoders.load(spec(place))
    torch.save({"model": model.state_dict(), "args": Evil(tmp_path / "made")}, place / "model.pt")
    with pytest.raises(UserError, match="more than numbers"):
        encoders.load(spec(place))
    assert not (tmp_path / "made").exists()
    torch.save([1, 2], place / "model.pt")
    with pytest.raises(UserError, match="not a table of weights"):
        encoders.load(spec(place))
    (place / "model.pt").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(UserError, match="model.pt cannot be read"):
        encoders.load(spec(place))
    (place / "model.pt").unlink()
    with pytest.raises(UserError, match="there is no .*model.pt"):
        encoders.load(spec(place))
    (place / "config.yaml").write_text("model_conf: {depth: 2}\n")
    with pytest.raises(UserError, match="not the configuration of an emotion2vec model"):
        encoders.load(spec(place))


@pytest.mark.parametrize(("source", "get"), [("iic/none", "modelscope download iic/none --revision v2"),
                                             ("nobody/none", "hf download nobody/none --revision v2")])  # fmt: skip
def test_a_hub_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, source: str, get: str) -> None:
    pytest.importorskip("funasr")
    import huggingface_hub
    from modelscope.hub import file_download

    def none(*arguments: object, **options: object) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", none)
    monkeypatch.setattr(file_download, "model_file_download", none)
    with pytest.raises(UserError, match=f"cannot be had .no route.*'{get} --local-dir DIR'"):
        encoders.load(EncoderSpec(name="x", kind="emotion2vec", source=source, revision="v2", layers=6, dim=32))


def test_without_funasr_the_mend_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoders.untunable(spec(folder)) == "it is an emotion2vec model, which is only read frozen"
    assert encoders.unavailable(spec(folder)) is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert encoders.unavailable(spec(folder)) == "funasr is not installed (utils/install.sh --extra emotion2vec)"
    with pytest.raises(UserError, match="utils/install.sh --extra emotion2vec"):
        encoders.load(spec(folder))


def test_funasr_itself_is_left_as_it_is(folder: Path) -> None:
    encoders.load(spec(folder))
    assert "funasr" not in sys.modules or sys.modules["funasr"].__file__
