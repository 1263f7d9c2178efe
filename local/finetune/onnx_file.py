"""An exported model as one ONNX file: posteriors of a wave of any length, by onnxruntime alone.

The input ``samples`` is 16 kHz mono float32, shape (1, samples); the output ``posteriors`` has shape (1, emotions).
Normalisation of the wave, where the encoder wants it, is part of the file. What it gives is compared with the
classifier's own posteriors at several lengths before the file is kept.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.audio import SAMPLE_RATE
from utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from local.finetune.model import EmotionClassifier

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_SECONDS = (0.3, 1.0, 2.7)  # tried; it is traced with the second
_TALKERS = ("torch.onnx", "onnxscript", "onnx_ir")  # tell of every node that they leave as it is


def check() -> None:
    """Raise a UserError where a package that writing or trying needs is not installed."""
    if lacking := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"--onnx: {' and '.join(lacking)} missing; run utils/install.sh --extra onnx")


def write(model: PreTrainedModel, classifier: EmotionClassifier, path: Path, tolerance: float) -> None:
    """Write a model that scores waves as a classifier does.

    Parameters
    ----------
    model : PreTrainedModel
        Made by :func:`local.finetune.export.convert`.
    classifier : EmotionClassifier
        Of which it was made.
    path : Path
        Of the file. Weights of more than 1.5 GB go to another beside it.
    tolerance : float
        By which posteriors may differ.

    Raises
    ------
    UserError
        This version of torch cannot write it, or what it wrote gives other posteriors.
    """
    import onnxruntime
    import torch

    rng = np.random.default_rng(0)
    waves = [rng.normal(scale=0.1, size=(1, round(SAMPLE_RATE * own))).astype(np.float32) for own in _SECONDS]
    design = classifier.design
    kind = f"a {classifier.model.config.model_type} encoder tuned by {design.strategy} with the {design.head} head"
    whole = _with_both_ends(model, classifier.encoder.normalise)
    try:
        with _quiet(), torch.no_grad():
            made = torch.onnx.export(
                whole, (torch.from_numpy(waves[1]),), dynamo=True, verbose=False, input_names=["samples"],
                output_names=["posteriors"], dynamic_shapes={"samples": {1: torch.export.Dim.DYNAMIC}},
            )  # fmt: skip
    except Exception as error:  # of many kinds, from many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"--onnx: torch {torch.__version__} cannot write {kind} as ONNX ({reason}); leave --onnx out"
        ) from error
    for node in made.model.graph.all_nodes():
        node.metadata_props.clear()  # where on this machine each was traced
    made.model.metadata_props.update({"emotions": " ".join(classifier.emotions), "sampling_rate": str(SAMPLE_RATE)})
    made.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(None, {"samples": wave})[0] for wave in waves])
    difference = float(np.abs(found - np.concatenate([classifier.posteriors(wave) for wave in waves])).max())
    if not difference <= tolerance:
        raise UserError(
            f"--onnx: torch {torch.__version__} writes {kind}, but its posteriors differ by {difference:.2g}; leave "
            "--onnx out, and report it"
        )


def _with_both_ends(model: PreTrainedModel, normalise: bool):
    """Join what the feature extractor does before a model, and the softmax behind it, to it."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            if normalise:
                centred = samples - samples.mean(dim=1, keepdim=True)
                samples = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-7)
            return torch.softmax(self.model(samples).logits, dim=-1)

    return Whole().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter and its optimiser tell of single nodes from the terminal."""
    loggers = [logging.getLogger(name) for name in _TALKERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
