"""Strategies train what they name and nothing else, and start where the plain encoder is."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft.tuners import lora
from torch import nn

from local.finetune import strategies
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import STRATEGIES, Design
from local.finetune.strategies.ba import Bottleneck
from local.finetune.strategies.wg import Gate
from tests.local.encoders.checkpoints import DIM, make_model, spec_of
from tests.local.encoders.test_transformer import speech
from tests.local.finetune.conftest import EMOTIONS, LAYER, perturb
from utils.errors import UserError

COMBINED = [*STRATEGIES, "lora+ba+wg", "bitfit+ba", "ia3+wg", "lora+prompt"]
ARCHITECTURES = ["wav2vec2-base", "wav2vec2-large-with-adapters", "hubert-large", "wavlm-base", "wavlm-large"]
ARCHITECTURES += ["data2vec-audio", "hubert-with-batch-norm"]
WAVES = [speech(9000), speech(4000), speech(6500)]
# Under model.encoder.layers or model, what a strategy trains.
_MATRIX = r"encoder\.layers\.\d+\.(attention|feed_forward(\.feed_forward)?)\.(\w+)"
_NAMED = {
    "head": r"$^",
    "full": r"(feature_projection|encoder\.layers)\..+",
    "lora": _MATRIX + r"\.lora_[AB]\.default\.weight",
    "ia3": _MATRIX + r"\.ia3_l\.default",
    "bitfit": r"encoder\.layers\..+\.bias",
    "ba": r"encoder\.layers\.\d+\.feed_forward\.(down|up)\.(weight|bias)",
    "wg": r"encoder\.layers\.\d+\.input_gate\.logits",
    "prompt": r"encoder\.layers\.\d+\.attention\.prompts\.(keys|values|gates)",
}


def is_named(name: str, strategy: str, variant: str) -> bool:
    """Whether a strategy trains a parameter of the classifier."""
    if name.startswith("head."):
        return True
    name = name.removeprefix("model.")
    if strategy == "full" and name.startswith("encoder.layer_norm."):
        return "large" not in variant
    return any(re.fullmatch(_NAMED[part], name) for part in strategy.split("+"))


def computed(made, waves: list[np.ndarray]) -> tuple[torch.Tensor, list[int]]:
    """What a classifier is called with."""
    features = [made.features(wave) for wave in waves]
    return torch.from_numpy(np.concatenate(features)), [len(own) for own in features]


def packed(made) -> tuple[torch.Tensor, list[int]]:
    return computed(made, WAVES)


@pytest.mark.parametrize("variant", ARCHITECTURES)
@pytest.mark.parametrize("strategy", COMBINED)
def test_gradients_reach_exactly_what_is_named(make: Callable, variant: str, strategy: str) -> None:
    made = make(variant, strategy)
    # At the start, zeros that make it the identity hold back the gradients of their factors.
    perturb(made.trainable())
    for module in made.modules():
        if isinstance(module, Bottleneck):
            # So small, it has two rectifiers, and both might be off.
            module.down.bias.data += 2
    nn.functional.cross_entropy(made(*packed(made)), torch.tensor([0, 3, 1])).backward()
    found = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    assert found == {name for name, _ in made.named_parameters() if is_named(name, strategy, variant)}
    assert found == set(made.trainable())
    largest = {name: float(parameter.grad.abs().max()) for name, parameter in made.trainable().items()}
    for name, size in largest.items():
        # Adding to all scores of a frame changes no attention.
        assert size > 1e-7 or re.search(r"k_proj(\.base_layer)?\.bias$", name), (name, size)


@functools.cache
def by_transformers(variant: str) -> torch.Tensor:
    """Means over the frames of the layer that classifiers here are cut behind."""
    model, pooled = make_model(variant), []
    for wave in WAVES:
        with torch.no_grad():
            states = model(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states
        pooled.append(states[LAYER][0].mean(dim=0))
    return torch.stack(pooled)


@pytest.fixture(scope="module")
def plain(checkpoint: Callable) -> Callable[[str], EmotionClassifier]:
    """Give a variant's encoder with a head alone, made once."""
    return functools.cache(lambda variant: EmotionClassifier(spec_of(checkpoint(variant)), EMOTIONS, Design(LAYER)))


@pytest.mark.parametrize("variant", ARCHITECTURES)
@pytest.mark.parametrize("strategy", COMBINED)
def test_untrained_is_the_plain_encoder_cut_behind_the_layer(
    make: Callable, plain: Callable, variant: str, strategy: str
) -> None:
    made = make(variant, strategy)
    with torch.no_grad():
        want, got = made.head(by_transformers(variant)), made(*packed(made))
        assert want.std() > 0.02
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)
        features = made.encoder.features(WAVES)
        # In the same batch, to the bit.
        assert torch.equal(made._means(*features), plain(variant)._means(*features))


@pytest.mark.parametrize("variant", ARCHITECTURES)
@pytest.mark.parametrize("strategy", ["ba", "wg"])
def test_published_start_is_another(make: Callable, variant: str, strategy: str) -> None:
    plain, published = make(variant, strategy), make(variant, strategy, published_init=True)
    with torch.no_grad():
        assert (plain(*packed(plain)) - published(*packed(plain))).abs().max() > 1e-3


def test_published_start_by_its_statistics() -> None:
    dim = 512
    bound = dim**-0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        bottleneck = Bottleneck(nn.Identity(), dim, published_init=True)
        x = torch.randn(20, dim)
    for weight, limit in (
        (bottleneck.down.weight, bound), (bottleneck.up.weight, (dim // 16) ** -0.5),
        (bottleneck.up.bias, (dim // 16) ** -0.5),
    ):  # fmt: skip
        assert weight.abs().max() <= limit and weight.abs().max() > 0.95 * limit
        assert float(weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.1)
    with torch.no_grad():
        np.testing.assert_allclose(Gate(dim, published_init=True)(x), 0.7310586 * x, rtol=1e-6)
        assert torch.equal(Gate(dim)(x), x)
        assert torch.equal(Bottleneck(nn.Identity(), dim)(x), x)
    assert bottleneck.down.out_features == dim // 16 and Bottleneck(nn.Identity(), 768).up.in_features == 48


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_gates_and_adapters_by_hooks_of_transformers(make: Callable, variant: str) -> None:
    # The model's own forward of one file, with hooks at the places that the study names.
    made = make(variant, "ba+wg", published_init=True)
    modules = [*made.model.modules()]
    gates = [module for module in modules if isinstance(module, Gate)]
    bottlenecks = [module for module in modules if isinstance(module, Bottleneck)]
    assert len(gates) == len(bottlenecks) == LAYER
    model = make_model(variant)
    for block, gate, bottleneck in zip(model.encoder.layers, gates, bottlenecks, strict=False):
        block.register_forward_pre_hook(
            lambda _, args, kwargs, by=gate.logits: ((args[0] / (1 + torch.exp(-by)), *args[1:]), kwargs),
            with_kwargs=True,
        )
        block.feed_forward.register_forward_hook(
            lambda _, args, out, by=bottleneck: (
                out + (out @ by.down.weight.T + by.down.bias).clamp(min=0) @ by.up.weight.T + by.up.bias
            )
        )
    with torch.no_grad():
        states = model(torch.from_numpy(WAVES[0])[None], output_hidden_states=True).hidden_states
        want = made.head(states[LAYER][0].mean(dim=0))
        got = made(*computed(made, WAVES[:1]))[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wavlm-large"])
def test_prompts_by_hand(make: Callable, variant: str) -> None:
    made = make(variant, "prompt", layer=1)
    perturb(made.trainable(), 0.5)
    plain, features = make(variant, layer=1), made.encoder.features(WAVES)
    attention = plain.model.encoder.layers[0].attention
    keys, values, gates = made.model.encoder.layers[0].attention.prompts.parameters()
    seen = {}
    attention.out_proj.register_forward_pre_hook(lambda _, args: (args[0] + seen["added"],))

    def add(module: nn.Module, args: tuple, out: torch.Tensor) -> None:
        parts = []
        for head, query in enumerate(out.view(len(out), *keys.shape[::2]).unbind(1)):
            shares = torch.softmax(query @ keys[head].T / keys.shape[2] ** 0.5, dim=1)
            parts.append(torch.tanh(gates[head]) * shares @ values[head])
        seen["added"] = torch.cat(parts, dim=1)

    attention.q_proj.register_forward_hook(add)
    with torch.no_grad():
        got, want = made._means(*features), plain._means(*features)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
        assert (got - make(variant, layer=1)._means(*features)).abs().max() > 1e-2


@pytest.mark.parametrize("variant", ["wav2vec2-base", "wavlm-large"])
@pytest.mark.parametrize("strategy", COMBINED)
def test_training_changes_what_is_named_alone(make: Callable, variant: str, strategy: str) -> None:
    made = make(variant, strategy)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    features, lengths = packed(made)
    optimiser = torch.optim.Adam(made.parameters(), lr=1e-2)
    made.train()
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(made(features, lengths), torch.tensor([0, 3, 1]))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = {name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == set(made.trainable())


def test_lora_is_as_the_study_sets_it(make: Callable) -> None:
    made = make("hubert-base", "lora")
    block = made.model.encoder.layers[0]
    matrices = [getattr(block.attention, name) for name in ("q_proj", "k_proj", "v_proj", "out_proj")]
    matrices += [block.feed_forward.intermediate_dense, block.feed_forward.output_dense]
    perturb(made.trainable())
    x = torch.randn(5, DIM, generator=torch.Generator().manual_seed(0))
    for matrix in matrices[:5]:
        a, b = matrix.lora_A["default"].weight, matrix.lora_B["default"].weight
        assert a.shape[0] == b.shape[1] == 8 and matrix.lora_dropout["default"].p == 0.1
        with torch.no_grad():
            want = nn.functional.linear(x, matrix.base_layer.weight + 16 / 8 * b @ a, matrix.base_layer.bias)
            np.testing.assert_allclose(matrix(x), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("full+lora", "full stands alone, .*; known: head, full, or lora, ia3, bitfit, ba, wg, prompt joined by '\\+'"),
        ("lora+head", "head stands alone"),
        ("ia3+lora", "ia3 and lora change the same matrices; choose one; known:"),
        ("lorra+ba", "there is no 'lorra'; did you mean 'lora'\\? known: head, full"),
        ("xyz", "there is no 'xyz'; known: head, full"),
        ("", "there is no ''; known: head"),
        ("ba+wg+ba", "names ba twice"),
        ("prompt+full", "full stands alone"),
    ],
)
def test_what_cannot_be(strategy: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Design(2, strategy)
    assert "\n" not in str(caught.value)


def test_designs() -> None:
    assert Design(3, "wg+ba+lora").strategy == "lora+ba+wg" and Design(3, "wg+ba+lora") == Design(3, "lora+ba+wg")
    with pytest.raises(UserError, match="layer -1 is negative"):
        Design(-1)
    with pytest.raises(UserError, match="layer 0 has no blocks to tune by lora"):
        Design(0, "lora")
    with pytest.raises(UserError, match="pooling 'max' is not one of mean, weighted"):
        Design(1, pooling="max")
    with pytest.raises(UserError, match="head 'svm' is not one of linear, mlp"):
        Design(1, head="svm")


def test_peft_has_no_prompts_for_these_encoders() -> None:
    # The reason that `prompt` is our own.
    import peft

    config = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=4)
    with pytest.raises(ValueError, match="does not support prompt learning"):
        peft.inject_adapter_in_model(config, make_model("hubert-base"))


def test_planning_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys; from local.finetune import strategies; strategies.Design(3, 'lora+ba'); "
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'peft', 'transformers')))"
    assert strategies.parse("lora") == ["lora"]
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_lora_is_pefts_in_training(make: Callable, biases: bool, precision: str) -> None:
    """The same draws, values and gradients; bits and its input are all that it keeps."""
    made = make("hubert-base", "bitfit+lora" if biases else "lora").train()
    perturb(made.trainable())
    matrix = made.model.encoder.layers[0].feed_forward.intermediate_dense
    trained = [*matrix.parameters()]
    found, kept = [], {}

    def keep(one: torch.Tensor) -> torch.Tensor:
        kept[one.untyped_storage().data_ptr()] = one.nbytes
        return one

    for run in (matrix, functools.partial(lora.Linear.forward, matrix)):
        torch.manual_seed(4)
        x = torch.randn(50, DIM, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            kept.clear() if run is matrix else None
            with torch.autograd.graph.saved_tensors_hooks(keep if run is matrix else lambda one: one, lambda one: one):
                out = run(x)
        matrix.zero_grad()
        (out.float() * torch.randn(out.shape)).sum().backward()
        found.append([out.detach(), x.grad, *(one.grad.clone() for one in trained if one.requires_grad)])
    assert len(found[0]) == (5 if biases else 4) and found[0][0].dtype == found[1][0].dtype
    tolerance = 1e-5 if precision == "fp32" else 2e-2
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=tolerance * float(want.abs().max()))
    weights = sum(one.nbytes for one in trained if one.dim() == 2)
    assert sum(kept.values()) <= weights + x.nbytes + x.numel() // 8 + 50 * 8 * x.element_size()


def test_lora_makes_what_is_between_its_matrices_anew(make: Callable) -> None:
    """The feed-forward layer is transformers' own, and of four arrays as wide as its middle it keeps one."""
    made = make("wav2vec2-base", "lora").train()
    perturb(made.trainable())
    module = made.model.encoder.layers[0].feed_forward
    width, found, kept = module.intermediate_dense.out_features, [], {}

    def keep(one: torch.Tensor) -> torch.Tensor:
        kept[one.untyped_storage().data_ptr()] = tuple(one.shape)
        return one

    for run in (module, functools.partial(type(module).__bases__[1].forward, module)):
        torch.manual_seed(4)
        x = torch.randn(50, DIM, requires_grad=True)
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one):
            out = run(x)
        wide = list(kept.values()).count((50, width))
        module.zero_grad()
        (out * torch.randn(out.shape)).sum().backward()
        found.append([out.detach(), x.grad, *(one.grad.clone() for one in module.parameters() if one.requires_grad)])
        assert wide == (1 if run is module else 2)
    assert module.intermediate_dropout.p > 0 and len(found[0]) == 6
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * float(want.abs().max()))
