"""Checkpoints of every architecture, written once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from tests.local.encoders.checkpoints import spec_of, write_checkpoint

EMOTIONS = ["angry", "happy", "neutral", "sad"]
LAYER = 2


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    # Models this small gain nothing from more, and wait for them on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
