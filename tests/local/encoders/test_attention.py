"""Attention in training is the textbook's, and keeps none of its weights."""

from __future__ import annotations

import pytest
import torch

from local.encoders.attention import attend
from utils.dropout import dropout

HEADS, FRAMES, SIZE = 3, 40, 8


def inputs(gated: bool) -> list[torch.Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(HEADS, FRAMES, SIZE)] * 3 + [(HEADS, FRAMES), (HEADS, 2 * (FRAMES + 9) - 1)]
    made = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    return made if gated else [*made[:3], None, None]


def textbook(query, key, value, gate, bias, p: float) -> torch.Tensor:
    scores = torch.einsum("hqd,hkd->hqk", query, key) / SIZE**0.5
    if gate is not None:
        places = torch.arange(FRAMES)
        scores = scores + gate[:, :, None] * bias[:, FRAMES + 8 + places[None] - places[:, None]]
    shares = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
    # Drawn for the last query first.
    return torch.einsum("hqk,hkd->hqd", dropout(shares.flip(1), p).flip(1) if p else shares, value)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_values_and_gradients_are_the_textbooks(gated: bool, p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = torch.randn(HEADS, FRAMES, SIZE, generator=torch.Generator().manual_seed(1))
    found = []
    for run in (attend, textbook):
        given = inputs(gated)
        torch.manual_seed(7)
        out = run(*given, p)
        (out * probe).sum().backward()
        found.append([out.detach(), *(one.grad for one in given if one is not None)])
    for got, want in zip(*found, strict=True):
        assert want.abs().max() > 0.1
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr("local.encoders.attention._QUERIES", FRAMES if p else 7)  # the draws are those of a whole
    with torch.no_grad():
        torch.manual_seed(7)
        torch.testing.assert_close(attend(*inputs(gated), p), found[1][0], rtol=1e-4, atol=1e-5)


def test_what_is_given_is_kept_and_nothing_else() -> None:
    given = inputs(gated=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.data_ptr()) or one, lambda one: one):
        out = attend(*given, 0.3)
    assert out.requires_grad and kept and set(kept) <= {one.data_ptr() for one in given}
