"""A classifier sees hidden state L, does not depend on its batch, and comes back from its files to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from local import encoders
from local.encoders.transformer import Transformer
from local.finetune import attach
from local.finetune.model import EmotionClassifier, _make_head
from local.finetune.strategies import HEADS, POOLINGS, STRATEGIES, Design
from local.models import windows
from tests.local.encoders.checkpoints import DIM, LAYERS, VARIANTS, make_model, spec_of, write_checkpoint
from tests.local.encoders.test_transformer import speech
from tests.local.finetune.conftest import EMOTIONS, LAYER
from tests.local.finetune.test_strategies import COMBINED, WAVES, computed, packed, perturb
from utils.errors import UserError

BOTH_NORMS = ["hubert-base", "wavlm-large"]
Make = Callable[..., EmotionClassifier]


def trained(make: Make, *arguments, **design) -> EmotionClassifier:
    """A classifier as training might leave it."""
    made = make(*arguments, **design)
    perturb(made.trainable(), 0.1)
    return made


def scores(made: EmotionClassifier, waves: list[np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return made(*computed(made, waves)).numpy()


def log(posteriors: np.ndarray) -> np.ndarray:
    """Scores but for a constant an utterance."""
    return np.log(posteriors) - np.log(posteriors).mean(axis=1, keepdims=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_layer_and_pooling_by_transformers(make: Make, variant: str) -> None:
    with torch.no_grad():
        states = make_model(variant)(torch.from_numpy(WAVES[0])[None], output_hidden_states=True).hidden_states
    means = torch.cat(states).mean(dim=1)
    for layer in range(LAYERS):
        for pooling in POOLINGS:
            made = trained(make, variant, layer=layer, pooling=pooling)
            assert len(made.model.encoder.layers) == layer
            with torch.no_grad():
                vector = means[layer]
                if pooling == "weighted":
                    weights = made.layer_weights.exp() / made.layer_weights.exp().sum()
                    assert len(weights) == layer + 1
                    vector = weights @ means[: layer + 1]
                want = vector @ made.head.weight.T + made.head.bias
            np.testing.assert_allclose(scores(made, WAVES[:1])[0], want, rtol=0, atol=2e-5)


def test_heads_by_hand(make: Make) -> None:
    vectors = torch.randn(5, DIM, generator=torch.Generator().manual_seed(0))
    linear, mlp = make(head="linear").head, make(head="mlp").head
    assert [tuple(parameter.shape) for parameter in linear.parameters()] == [(4, DIM), (4,)]
    shapes = [(128, DIM), (128,), (16, 128), (16,), (4, 16), (4,)]
    assert [tuple(parameter.shape) for parameter in mlp.parameters()] == shapes
    a, b, c, d, e, f = mlp.parameters()
    with torch.no_grad():
        want = ((vectors @ a.T + b).clamp(min=0) @ c.T + d).clamp(min=0) @ e.T + f
        np.testing.assert_allclose(mlp(vectors), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("variant", BOTH_NORMS)
@pytest.mark.parametrize("strategy", ["lora+ba+wg", "bitfit+ia3", "full", "prompt"])
def test_a_batch_is_its_utterances_one_by_one(make: Make, variant: str, strategy: str) -> None:
    made, labels = trained(make, variant, strategy, pooling="weighted"), torch.tensor([0, 3, 1])
    nn.functional.cross_entropy(made(*packed(made)), labels, reduction="sum").backward()
    together = {name: parameter.grad.clone() for name, parameter in made.trainable().items()}
    made.zero_grad()
    for wave, label in zip(WAVES, labels, strict=True):
        nn.functional.cross_entropy(made(*computed(made, [wave])), label[None], reduction="sum").backward()
    for name, parameter in made.trainable().items():
        scale = max(float(gradient.abs().max()) for gradient in together.values())
        np.testing.assert_allclose(together[name], parameter.grad, rtol=1e-3, atol=1e-5 * scale, err_msg=name)
    alone = np.concatenate([scores(made, [wave]) for wave in WAVES])
    np.testing.assert_allclose(scores(made, WAVES), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", BOTH_NORMS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_frozen_encoder_is_run_once_an_utterance(
    make: Make, variant: str, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trained(make, variant, pooling=pooling)
    cached = [made.features(wave) for wave in WAVES]
    rows = LAYER + 1 if pooling == "weighted" else 1
    assert all(own.dtype == np.float32 and own.shape == (rows, DIM) for own in cached)
    want = made.posteriors(WAVES)
    with torch.no_grad():
        uncached = made.head(made._pool(made._means(*made.encoder.features(WAVES))))
    monkeypatch.setattr(Transformer, "states", None)
    with torch.no_grad():
        logits = made(torch.from_numpy(np.concatenate(cached)), [rows] * 3)
    np.testing.assert_allclose(logits, uncached, rtol=0, atol=1e-5)
    np.testing.assert_allclose(torch.softmax(logits, 1), want, rtol=0, atol=1e-6)
    assert np.ptp(want, axis=0).max() > 1e-3


def test_cached_features_give_what_posteriors_give(make: Make) -> None:
    made = trained(make, "wavlm-base", "lora+ba+wg")
    cached = [made.features(wave) for wave in WAVES]
    assert cached[0].dtype == np.float32 and cached[0].shape == ((9000 - 400) // 320 + 1, 16)
    with torch.no_grad():
        logits = made(torch.from_numpy(np.concatenate(cached)), [len(part) for part in cached])
    got = made.posteriors(WAVES)
    assert got.shape == (3, 4) and got.dtype == np.float32
    np.testing.assert_allclose(got, torch.softmax(logits, dim=1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert np.ptp(got, axis=0).max() > 1e-3
    assert made.posteriors([]).shape == (0, 4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_long_files_are_averaged_over_windows(make: Make, pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trained(make, "wavlm-large", "lora+wg", pooling=pooling)
    waves = [speech(400 + 320 * (frames - 1)) for frames in (130, 7, 60, 61)]
    monkeypatch.setattr(windows, "WINDOW", 60)
    seen: list[list[int]] = []
    original = Transformer.states
    monkeypatch.setattr(
        Transformer, "states", lambda self, features, lengths: seen.append(lengths) or original(self, features, lengths)
    )
    got = made.posteriors(waves)
    assert [sum(lengths) for lengths in seen] == [43, 43, 44 + 7, 60, 30, 31]
    # Training sees the same.
    np.testing.assert_allclose(log(got), log(torch.softmax(torch.tensor(scores(made, waves)), 1).numpy()), atol=1e-5)
    seen.clear()
    # By hand: the means of windows, weighted by their lengths.
    features = made.encoder.features(waves[:1])[0]
    with torch.no_grad():
        pooled = [made._means(part, [len(part)]) * len(part) / 130 for part in features.split([43, 43, 44])]
        want = torch.softmax(made.head(made._pool(sum(pooled))), dim=1)
    np.testing.assert_allclose(got[:1], want, rtol=0, atol=1e-6)
    monkeypatch.setattr(windows, "WINDOW", 61)
    exact = made.posteriors(waves[1:])
    monkeypatch.setattr(windows, "WINDOW", 1500)
    np.testing.assert_allclose(made.posteriors(waves[1:]), exact, rtol=0, atol=1e-6)
    assert np.abs(made.posteriors(waves[:1]) - got[:1]).max() > 1e-6


@pytest.mark.parametrize("variant", ["hubert-base", "wav2vec2-large-with-adapters", "wavlm-base"])
@pytest.mark.parametrize("strategy", ["head", "full", "lora", "ia3", "bitfit+lora", "bitfit+ia3"])
def test_merged_is_a_plain_encoder_with_the_same_outputs(make: Make, variant: str, strategy: str) -> None:
    made = trained(make, variant, strategy)
    want, names = scores(made, WAVES), set(make(variant).state_dict())
    made.merge()
    assert set(made.state_dict()) == names
    np.testing.assert_allclose(scores(made, WAVES), want, rtol=0, atol=1e-5)
    # The weights themselves changed: transformers' own forward, which knows no strategy, agrees.
    with torch.no_grad():
        states = [made.model(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states for wave in WAVES]
        plain = made.head(torch.stack([state[LAYER][0].mean(dim=0) for state in states]))
    np.testing.assert_allclose(plain, want, rtol=0, atol=3e-5)
    if strategy != "head":
        assert np.abs(want - scores(trained(make, variant), WAVES)).max() > 1e-3


@pytest.mark.parametrize("strategy", ["ba", "wg", "prompt", "lora+ba", "lora+ba+wg"])
def test_adapters_cannot_be_merged(make: Make, strategy: str) -> None:
    made = trained(make, "hubert-base", strategy)
    want = scores(made, WAVES)
    with pytest.raises(UserError, match=r"(ba|wg|prompt) cannot be merged into the weights: (its|no) .+"):
        made.merge()
    assert np.array_equal(scores(made, WAVES), want)


def expected(dim: int, inner: int, blocks: int) -> dict[str, int]:
    """Parameters that each strategy trains in an encoder of the base variant, less the feature projection's."""
    matrices = 4 * dim * dim + 2 * dim * inner
    biases = 4 * dim + inner + dim + 2 * dim
    narrow = dim // 16
    return {
        "head": 0,
        "full": blocks * (matrices + biases + 2 * dim) + 2 * dim,
        "lora": blocks * 8 * (4 * 2 * dim + 2 * (dim + inner)),
        "ia3": blocks * (2 * dim + inner),
        "bitfit": blocks * biases,
        "ba": blocks * (2 * dim * narrow + narrow + dim),
        "wg": blocks * dim,
        "prompt": blocks * (2 * 10 * dim + dim // 64),
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_counts_at_base_size(strategy: str) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    with torch.device("meta"):
        base = Wav2Vec2Model(Wav2Vec2Config())
    assert sum(parameter.numel() for parameter in base.parameters()) == 94_371_712
    attach.apply(Design(12, strategy), base)
    got = sum(parameter.numel() for parameter in base.parameters() if parameter.requires_grad)
    by_hand = {
        "head": 0, "full": 85_056_000 + 395_008, "lora": 1_327_104, "ia3": 55_296, "bitfit": 101_376, "ba": 894_528,
        "wg": 9_216, "prompt": 184_464,
    }  # fmt: skip
    assert got == by_hand[strategy] == expected(768, 3072, 12)[strategy] + 395_008 * (strategy == "full")


def test_counts_of_a_classifier(make: Make) -> None:
    want = expected(DIM, 48, LAYER)
    _, plain = make("wav2vec2-base").counts()
    layers = [make("wav2vec2-base", layer=layer).counts()[1] for layer in range(LAYERS)]
    assert set(np.diff(layers)) == {4 * DIM * DIM + 2 * DIM * 48 + 4 * DIM + 48 + DIM + 4 * DIM}
    for head, size in (("linear", 4 * DIM + 4), ("mlp", DIM * 128 + 128 + 128 * 16 + 16 + 16 * 4 + 4)):
        made = make("wav2vec2-base", "lora+ba+wg", head=head, pooling="weighted")
        added = want["lora"] + want["ba"] + want["wg"]
        assert made.counts() == (added + size + LAYER + 1, plain - 4 * DIM - 4 + added + size + LAYER + 1)


def storages(made: EmotionClassifier) -> set[int]:
    tensors = [*made.parameters(), *made.buffers()]
    front, position = made.encoder._front_end, made.encoder._position
    tensors += [front._first_weight, position._spectrum, *(part for layer in front._rest for part in layer._weights)]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


@pytest.mark.parametrize("strategy", ["full", "lora+ba+wg"])
def test_a_new_one_shares_nothing_with_an_earlier_one(make: Make, strategy: str) -> None:
    first = make("hubert-base", strategy)
    want = {name: tensor.clone() for name, tensor in first.state_dict().items() if "masked_spec" not in name}
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.fill_(7.0)
    second = make("hubert-base", strategy)
    assert not storages(first) & storages(second)
    assert all(torch.equal(second.state_dict()[name], tensor) for name, tensor in want.items())


def test_the_seed_decides_all_that_is_added(make: Make) -> None:
    torch.manual_seed(7)
    after = torch.random.get_rng_state()
    one, same, other = (make("hubert-base", "lora+ba+wg", seed).trainable() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if not torch.equal(one[name], other[name])]
    assert {"head.weight", "head.bias"} < set(drawn) and sum("lora_A" in name for name in drawn) == 6 * LAYER
    assert sum("feed_forward.down" in name for name in drawn) == 2 * LAYER
    assert torch.equal(torch.random.get_rng_state(), after)


def test_training_mode(make: Make) -> None:
    made = make("hubert-with-batch-norm", "lora")
    want = scores(made, WAVES)
    statistics = made.model.encoder.pos_conv_embed.batch_norm.running_mean.clone()
    made.train()
    assert np.abs(scores(made, WAVES) - want).max() > 1e-3
    assert torch.equal(made.model.encoder.pos_conv_embed.batch_norm.running_mean, statistics)
    np.testing.assert_allclose(made.posteriors(WAVES), torch.softmax(torch.tensor(want), 1), rtol=0, atol=1e-6)
    assert made.training and made.model.encoder.layers.training
    # A frozen encoder gives the same in every epoch.
    frozen = make("hubert-with-batch-norm")
    want = scores(frozen, WAVES)
    assert np.array_equal(scores(frozen.train(), WAVES), want)


@pytest.mark.parametrize("variant", ["hubert-base", "hubert-large"])
def test_bf16_is_near(make: Make, variant: str) -> None:
    made = trained(make, variant, "lora+ba+wg")
    want = scores(made, WAVES)
    made.encoder.precision = "bf16"
    out = made(*packed(made))
    assert out.dtype == torch.float32 and 0 < np.abs(out.detach().numpy() - want).max() < 0.05
    out.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.trainable().values())


@pytest.mark.parametrize("variant", BOTH_NORMS)
@pytest.mark.parametrize("strategy", [*COMBINED, "published"])
def test_a_round_trip_is_exact(make: Make, variant: str, strategy: str, tmp_path: Path) -> None:
    design = {"pooling": "weighted", "head": "mlp"}
    if strategy == "published":
        strategy, design = "ba+wg", {"published_init": True}
    made = trained(make, variant, strategy, **design)
    made.provenance = {"seed": 3, "corpora": ["emodb"]}
    made.save(tmp_path / "model")
    again = EmotionClassifier.load(tmp_path / "model")
    assert np.array_equal(again.posteriors(WAVES), made.posteriors(WAVES))
    assert (again.design, again.emotions, again.provenance) == (made.design, made.emotions, made.provenance)
    assert not again.training and again.trainable().keys() == made.trainable().keys()
    for name, parameter in made.trainable().items():
        assert torch.equal(again.trainable()[name], parameter), name
    from safetensors.torch import load_file

    assert load_file(tmp_path / "model/model.safetensors").keys() == made.trainable().keys()
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert set(config["versions"]) == {"torch", "transformers", "peft"}


def test_merged_is_not_saved(make: Make, tmp_path: Path) -> None:
    made = trained(make, "hubert-base", "lora")
    made.merge()
    made.merge()
    with pytest.raises(UserError, match="a merged classifier cannot be saved; save it before merging"):
        made.save(tmp_path)
    made = trained(make, "hubert-base", "bitfit")
    made.merge()
    made.save(tmp_path)
    assert np.array_equal(EmotionClassifier.load(tmp_path).posteriors(WAVES), made.posteriors(WAVES))


def test_damage_is_found(make: Make, tmp_path: Path) -> None:
    trained(make, "hubert-base", "lora").save(tmp_path)
    with pytest.raises(UserError, match="nowhere/config.json: no such file; train the model first"):
        EmotionClassifier.load(tmp_path / "nowhere")
    path = tmp_path / "config.json"
    whole = path.read_text()
    for text in (whole[:50], "[]", "{}", whole.replace('"strategy": "lora"', '"strategy": "lorra"')):
        path.write_text(text)
        with pytest.raises(UserError, match="config.json: damaged"):
            EmotionClassifier.load(tmp_path)
    for text in (whole.replace('"neutral",', ""), whole.replace('"strategy": "lora"', '"strategy": "ia3"')):
        path.write_text(text)
        with pytest.raises(UserError, match="does not fit the weights"):
            EmotionClassifier.load(tmp_path)
    path.write_text(whole)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-3] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="model.safetensors: damaged"):
        EmotionClassifier.load(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: no such file"):
        EmotionClassifier.load(tmp_path)


@pytest.mark.parametrize("strategy", ["lora", "full"])
def test_another_encoder_is_found(strategy: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "encoder", "wavlm-large")
    EmotionClassifier(spec_of(folder), EMOTIONS, Design(LAYER, strategy)).save(tmp_path / "model")
    changed = make_model("wavlm-large")
    changed.feature_projection.projection.bias.data[0] += 1e-3
    changed.save_pretrained(folder)
    with pytest.raises(UserError, match="is not the one that the model was trained with"):
        EmotionClassifier.load(tmp_path / "model")


def test_a_repository_that_has_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = EmotionClassifier(spec_of(write_checkpoint(tmp_path / "encoder")), EMOTIONS, Design(LAYER, "lora"))
    made.save(tmp_path / "model")
    (tmp_path / "encoder").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    entry = f"small:\n  source: ./elsewhere\n  layers: {LAYERS}\n  dim: {DIM}\n"
    (tmp_path / "conf/encoders.yaml").write_text(entry)
    assert np.array_equal(EmotionClassifier.load("model").posteriors(WAVES), made.posteriors(WAVES))


def test_what_cannot_be_classified(make: Make) -> None:
    with pytest.raises(
        UserError, match="logmel can be neither tuned nor read frame by frame: kind logmel has no transformer blocks"
    ):
        EmotionClassifier(encoders.spec("logmel"), EMOTIONS, Design(0))
    with pytest.raises(UserError, match="encoder small has no layer 4; its last is 3"):
        make(layer=4)
    made = make()
    assert made.posteriors([speech(400)]).shape == (1, 4)
    for run in (made.features, lambda wave: made.posteriors([wave])):
        with pytest.raises(UserError, match=r"0.0249 s of audio are too short for the encoder small, .* 0.0250 s"):
            run(speech(399))


def test_heads_are_known() -> None:
    for head in HEADS:
        assert _make_head(head, DIM, 3)(torch.zeros(2, DIM)).shape == (2, 3)
