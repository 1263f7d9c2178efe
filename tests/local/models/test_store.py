"""Folders of models come back to the bit; what is not theirs is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from local.encoders import EncoderSpec
from local.models import store
from utils.errors import UserError

SPEC = EncoderSpec(name="small", source="hub/small", layers=3, dim=4)


def put(folder: Path) -> nn.Linear:
    """Save a layer as if an encoder with hash e stood below it."""
    layer = nn.Linear(4, 2)
    store.save(folder, layer.state_dict(), SPEC, "e", ["torch"], emotions=["angry", "sad"])
    return layer


def get(folder: Path, sha256: str = "e", size: int = 4) -> nn.Linear:
    def build(found: Path, config: dict) -> nn.Linear:
        assert (store.encoder_of(config), config["emotions"]) == (SPEC, ["angry", "sad"])
        layer = nn.Linear(size, 2)
        store.restore(found, config, SPEC, sha256, layer.state_dict())
        return layer

    return store.load(folder, build)


def test_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    saved, loaded = put(tmp_path / "model"), get(tmp_path / "model")
    assert torch.equal(saved.weight, loaded.weight) and torch.equal(saved.bias, loaded.bias)


def test_what_does_not_belong_together_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config.json: no such file; train the model first"):
        get(tmp_path)
    put(tmp_path)
    with pytest.raises(UserError, match=r"the encoder small \(hub/small\) is not the one"):
        get(tmp_path, sha256="f")
    with pytest.raises(UserError, match=r"config.json: damaged \(it does not fit the weights\)"):
        get(tmp_path, size=5)
    other = tmp_path / "other"
    put(other)
    (other / store.WEIGHTS).rename(tmp_path / store.WEIGHTS)
    with pytest.raises(UserError, match=r"model.safetensors: damaged, or not that of config.json"):
        get(tmp_path)


def test_a_hash_is_of_the_weights_that_are_not_left_out() -> None:
    one = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    whole, below = store.sha256(one), store.sha256(one, but=one[1].parameters())
    with torch.no_grad():
        one[1].bias += 1
    assert store.sha256(one) != whole and store.sha256(one, but=one[1].parameters()) == below
    one.masked_spec_embed = nn.Parameter(torch.rand(2))
    assert store.sha256(one, but=one[1].parameters()) == below
