"""Checkpoints of every architecture, written once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from local.encoders import loading
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from tests.local.encoders.checkpoints import spec_of, write_checkpoint

Trained = Callable[..., EmotionClassifier]
Save = Callable[..., Path]
EMOTIONS = ["angry", "happy", "neutral", "sad"]
LAYER = 2


def perturb(parameters: dict[str, nn.Parameter], size: float = 0.05) -> None:
    """Move parameters a little, always alike."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter += size * torch.randn(parameter.shape, generator=generator)


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    # Models this small gain nothing from more, and wait for them on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="package")
def _read_once() -> Iterator[None]:
    """Keep all small checkpoints that are read, not one: tests take turns with them."""

    class Kept(dict):
        def clear(self) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_read", Kept())
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a variant's checkpoint."""
    root = tmp_path_factory.mktemp("checkpoints")
    return functools.cache(lambda variant: write_checkpoint(root / variant, variant, normalise=False))


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Callable[..., EmotionClassifier]:
    """Make a classifier by variant, strategy and what else a design has."""

    def function(variant: str = "hubert-base", strategy: str = "head", seed: int = 0, **design) -> EmotionClassifier:
        fields = {"layer": LAYER, "strategy": strategy} | design
        return EmotionClassifier(spec_of(checkpoint(variant)), EMOTIONS, Design(**fields), seed)

    return function


@pytest.fixture
def trained(checkpoint: Callable[[str], Path]) -> Trained:
    """Make a classifier as training might leave it."""

    def function(variant: str = "hubert-base", **design) -> EmotionClassifier:
        spec = spec_of(checkpoint(variant), normalise=variant in ("wav2vec2-large", "wavlm-large", "hubert-base"))
        made = EmotionClassifier(spec, EMOTIONS, Design(**({"layer": 2} | design)))
        perturb(made.trainable(), 0.1)
        return made

    return function


@pytest.fixture
def save(trained: Trained, tmp_path: Path) -> Save:
    """Make one and save it."""

    def function(*variant: str, folder: Path = tmp_path / "model", trained_on=(), **design) -> Path:
        made = trained(*variant, **design)
        made.provenance = {"trained_on": [list(names) for names in trained_on]}
        made.save(folder)
        return folder

    return function
