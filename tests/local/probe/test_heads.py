"""Heads trained together give what torch gives when they are trained one after another."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from local.experiment import Probe
from local.probe.descent import train
from local.probe.heads import HEADS, Linear, Mlp, cross_entropy, initial_weights

DIM, CLASSES = 20, 4
SEEDS = (11, 12)


def data(layers: int = 5, n: int = 77, dev: int = 40) -> tuple[torch.Tensor, ...]:
    """Overlapping classes; a higher layer tells them apart better, so that heads stop at different epochs."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.randn(CLASSES, DIM, generator=generator)
    parts = []
    for number in (n, dev):
        y = torch.arange(number) % CLASSES
        strength = torch.linspace(0, 0.8, layers)[:, None, None]
        parts += [strength * centres[y] + torch.randn(layers, number, DIM, generator=generator), y]
    return tuple(parts)


def module(kind: Linear | Mlp, seed: int) -> nn.Sequential:
    """The head as a torch module, with the same initial weights."""
    weights = initial_weights(kind, seed)
    stages: list[nn.Module] = []
    for matrix, bias in zip(weights[::2], weights[1::2], strict=True):
        matrix = matrix if isinstance(kind, Linear) else matrix.T
        stage = nn.Linear(matrix.shape[1], matrix.shape[0])
        stage.weight.data, stage.bias.data = matrix.clone().contiguous(), bias.flatten().clone()
        stages += [stage, nn.ReLU()]
    return nn.Sequential(*stages[:-1])


def one_after_another(kind, x, y, dev_x, dev_y, settings: Probe) -> list[tuple[nn.Sequential, int, float]]:
    """Train each head alone with autograd and torch.optim.AdamW."""
    results = []
    for layer in range(len(x)):
        model = module(kind, SEEDS[0])
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=settings.lr, eps=settings.eps, weight_decay=settings.weight_decay
        )
        generator = torch.Generator().manual_seed(SEEDS[1])
        best, lowest, rated = (copy.deepcopy(model), 0, float("inf")), (float("inf"), 0), -float("inf")
        order = torch.randperm(len(y), generator=generator)
        for epoch in range(1, settings.epochs + 1):
            if settings.reshuffle and epoch > 1:
                order = torch.randperm(len(y), generator=generator)
            for batch in order.split(settings.batch_size):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x[layer, batch]), y[batch]).backward()
                optimiser.step()
            with torch.no_grad():
                scores = model(dev_x[layer])
                loss = float(nn.functional.cross_entropy(scores, dev_y))
                recalls = [
                    float((scores.argmax(1) == dev_y)[dev_y == label].float().mean()) for label in range(CLASSES)
                ]
            rating = -loss if settings.keep == "loss" else round(sum(recalls), 5)
            if rating > rated:
                best, rated = (copy.deepcopy(model), epoch, loss), rating
            lowest = min(lowest, (loss, epoch))
            if epoch - lowest[1] >= settings.patience:
                break
        results.append(best)
    return results


def assert_same(kind, fit, layer: int, model: nn.Sequential) -> None:
    for stage, linear in enumerate(m for m in model if isinstance(m, nn.Linear)):
        matrix, bias = fit.weights[2 * stage][layer], fit.weights[2 * stage + 1][layer].flatten()
        torch.testing.assert_close(
            matrix if isinstance(kind, Linear) else matrix.T, linear.weight.data, atol=1e-4, rtol=0
        )
        torch.testing.assert_close(bias, linear.bias.data, atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "settings",
    [
        Probe(lr=1e-2, epochs=25, patience=4, batch_size=16),  # the last batch is smaller; heads stop early
        Probe(lr=3e-3, epochs=8, patience=8, batch_size=11),  # batches fit exactly; nobody stops
        Probe(lr=1e-2, epochs=6, patience=3, batch_size=500),  # one batch an epoch
        Probe(lr=1e-2, eps=1e-2, weight_decay=0.5, epochs=6, patience=3, batch_size=32),  # every term of AdamW counts
        Probe(lr=1e-2, epochs=25, patience=4, batch_size=16, keep="ua"),
        Probe(lr=1e-2, epochs=12, patience=4, batch_size=16, reshuffle=False),
    ],
)
def test_equals_heads_trained_one_after_another(head: str, settings: Probe) -> None:
    kind = HEADS[head](DIM, CLASSES)
    x, y, dev_x, dev_y = data()
    fit = train(kind, x, y, dev_x, dev_y, settings, SEEDS)
    expected = one_after_another(kind, x, y, dev_x, dev_y, settings)
    assert fit.epoch.tolist() == [epoch for _, epoch, _ in expected]
    for layer, (model, _, loss) in enumerate(expected):
        assert_same(kind, fit, layer, model)
        assert float(fit.dev_loss[layer]) == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_has_stopped_does_not_come_back(head: str) -> None:
    """With few dev utterances and large steps some heads would become better again after they stop."""
    kind = HEADS[head](DIM, CLASSES)
    arguments = data(dev=12)
    patient, hasty = (Probe(lr=3e-2, epochs=25, patience=patience, batch_size=16) for patience in (25, 1))
    epochs = train(kind, *arguments, hasty, SEEDS).epoch.tolist()
    assert epochs != train(kind, *arguments, patient, SEEDS).epoch.tolist()
    assert epochs == [epoch for _, epoch, _ in one_after_another(kind, *arguments, hasty)]


def test_the_best_by_ua_is_another_epoch_than_by_loss() -> None:
    arguments = data()
    by_loss, by_ua = (
        train(HEADS["linear"](DIM, CLASSES), *arguments, Probe(lr=1e-2, epochs=25, patience=4, keep=keep), SEEDS)
        for keep in ("loss", "ua")
    )
    assert by_loss.epoch.tolist() != by_ua.epoch.tolist()


def test_heads_of_that_comparison_stop_at_different_epochs() -> None:
    x, y, dev_x, dev_y = data()
    settings = Probe(lr=1e-2, epochs=25, patience=4, batch_size=16)
    for head in HEADS:
        epochs = train(HEADS[head](DIM, CLASSES), x, y, dev_x, dev_y, settings, SEEDS).epoch
        assert len(set(epochs.tolist())) >= 3
        assert int(epochs.min()) + settings.patience < settings.epochs


@pytest.mark.parametrize("head", HEADS)
def test_gradients_equal_automatic_differentiation(head: str) -> None:
    kind = HEADS[head](DIM, CLASSES)
    x, y, _, _ = data(layers=3)
    start = [weight.expand(3, -1, -1).clone().requires_grad_() for weight in initial_weights(kind, 5)]
    cross_entropy(kind.logits(start, x), y).sum().backward()
    out = [torch.full_like(weight, torch.nan) for weight in start]
    with torch.no_grad():
        kind.gradients(start, x, nn.functional.one_hot(y).T.float(), out)
    for ours, weight in zip(out, start, strict=True):
        torch.testing.assert_close(ours, weight.grad)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kept", [[2], [0, 4], [4, 3, 2, 1]])
def test_a_head_does_not_depend_on_its_neighbours(head: str, kept: list[int]) -> None:
    kind = HEADS[head](DIM, CLASSES)
    x, y, dev_x, dev_y = data()
    settings = Probe(lr=1e-2, epochs=25, patience=4, batch_size=16)
    together = train(kind, x, y, dev_x, dev_y, settings, SEEDS)
    alone = train(kind, x[kept].contiguous(), y, dev_x[kept], dev_y, settings, SEEDS)
    assert alone.epoch.tolist() == together.epoch[kept].tolist()
    for a, b in zip(alone.weights, together.weights, strict=True):
        torch.testing.assert_close(a, b[kept], atol=1e-6, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_the_same_twice_and_other_seeds_differ(head: str) -> None:
    kind = HEADS[head](DIM, CLASSES)
    arguments = (*data(), Probe(lr=1e-2, epochs=5, batch_size=16))
    first, second = (train(kind, *arguments, SEEDS) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))
    for seeds in ((SEEDS[0], 99), (99, SEEDS[1])):
        assert not torch.equal(train(kind, *arguments, seeds).weights[0], first.weights[0])


def test_layers_with_the_same_features_get_the_same_head() -> None:
    """All layers of a fold and seed share start and batch order."""
    x, y, dev_x, dev_y = data()
    kind = Mlp(DIM, CLASSES)
    copies = train(
        kind, x[3:4].expand(4, -1, -1).contiguous(), y, dev_x[3:4].expand(4, -1, -1), dev_y, Probe(epochs=3), SEEDS
    )
    for weight in copies.weights:
        assert torch.equal(weight, weight[:1].expand_as(weight))


def test_initial_weights_are_those_of_torch_linear() -> None:
    torch.manual_seed(5)
    layer = nn.Linear(DIM, CLASSES)
    matrix, bias = initial_weights(Linear(DIM, CLASSES), 5)
    assert torch.equal(matrix, layer.weight)
    assert torch.equal(bias[:, 0], layer.bias)
    for weight, inputs in zip(initial_weights(Mlp(768, 4), 5), Mlp(768, 4).inputs, strict=True):
        assert weight.abs().max() <= inputs**-0.5
    assert [weight.shape for weight in initial_weights(Mlp(768, 4), 5)][::2] == [(768, 128), (128, 16), (16, 4)]


def test_cross_entropy_is_that_of_torch() -> None:
    logits, y = torch.randn(3, CLASSES, 10), torch.arange(10) % CLASSES
    for layer, loss in enumerate(cross_entropy(logits, y)):
        torch.testing.assert_close(loss, nn.functional.cross_entropy(logits[layer].T, y))
