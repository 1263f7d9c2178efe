"""The supervised contrastive loss against a double loop, and against pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from local.losses.supcon import supcon


def by_hand(z: np.ndarray, labels: list[int], languages: list[int], temperature: float, across: float) -> float:
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    total, anchors = 0.0, 0
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        whole = math.log(sum(math.exp(z[i] @ z[j] / temperature) for j in others))
        positives = [j for j in others if labels[j] == labels[i]]
        weights = [1.0 if languages[j] == languages[i] else across for j in positives]
        if sum(weights):
            own = sum(w * (z[i] @ z[j] / temperature - whole) for w, j in zip(weights, positives, strict=True))
            total, anchors = total - own / sum(weights), anchors + 1
    return total / max(anchors, 1)


@pytest.mark.parametrize("across", [1.0, 2.5, 0.0])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_it_is_the_double_loop(across: float, temperature: float) -> None:
    rng = np.random.default_rng(1)
    z, labels, languages = rng.standard_normal((9, 5)), [0, 0, 1, 1, 1, 2, 2, 0, 3], [0, 1, 0, 1, 1, 0, 1, 0, 0]
    found = supcon(torch.tensor(z), torch.tensor(labels), torch.tensor(languages), temperature, across)
    assert float(found) == pytest.approx(by_hand(z, labels, languages, temperature, across), rel=1e-9)


def test_without_weights_it_is_that_of_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    rng = torch.Generator().manual_seed(0)
    z, labels = torch.randn(24, 16, generator=rng), torch.arange(24) % 4
    theirs = losses.SupConLoss(temperature=0.1)(z, labels)
    assert float(supcon(z, labels, torch.zeros_like(labels), 0.1)) == pytest.approx(float(theirs), rel=1e-5)


def test_runs_side_by_side_are_each_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(3, 8, 4, generator=rng)
    labels, languages = torch.randint(0, 2, (3, 8), generator=rng), torch.randint(0, 2, (3, 8), generator=rng)
    temperature = torch.tensor([0.1, 0.2, 0.7])
    together = supcon(z, labels, languages, temperature, 2.0)
    alone = [supcon(z[k], labels[k], languages[k], float(temperature[k]), 2.0) for k in range(3)]
    assert torch.allclose(together, torch.stack(alone))


def test_a_batch_without_positives_costs_nothing_and_has_a_gradient_of_nothing() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    loss = supcon(z, torch.arange(3), torch.zeros(3, dtype=torch.int64), 0.1)
    loss.backward()
    assert float(loss.detach()) == 0 and torch.equal(z.grad, torch.zeros(3, 4))


def test_descending_it_aligns_a_planted_shift_of_language() -> None:
    rng = torch.Generator().manual_seed(0)
    labels, languages = torch.arange(80) % 4, torch.arange(80) // 40
    centres, shift = torch.randn(4, 6, generator=rng), 3 * torch.randn(6, generator=rng)
    x = centres[labels] + languages[:, None] * shift + 0.3 * torch.randn(80, 6, generator=rng)
    matrix = torch.eye(6).requires_grad_()
    optimiser = torch.optim.Adam([matrix], lr=0.02)

    def apart() -> float:
        """Cosine of an emotion's centroids in both languages, the mean of emotions."""
        z = torch.nn.functional.normalize(x @ matrix, dim=1).detach()
        means = torch.stack([z[(labels == k) & (languages == n)].mean(0) for k in range(4) for n in range(2)])
        pairs = means.view(4, 2, -1) - means.view(4, 2, -1).mean(dim=(0, 1))
        return float(torch.cosine_similarity(pairs[:, 0], pairs[:, 1]).mean())

    before = apart()
    for _ in range(150):
        optimiser.zero_grad()
        supcon(x @ matrix, labels, languages, 0.2, 2.0).backward()
        optimiser.step()
    assert apart() > 0.9 and before < 0.3
