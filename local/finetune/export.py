"""Turn a tuned encoder into a Hugging Face folder for audio classification.

    python3 -m local.finetune.export --model exp/finetune/models/<group>/fold0.seed0 --out FOLDER
    python3 -m local.finetune.export --model exp/finetune/models/<group>/fold0.seed0 --out FOLDER --onnx

``transformers.pipeline("audio-classification", model=FOLDER)`` loads the folder without this repository, and gives the
scores that ``local.finetune.predict`` gives: before the folder gets its name this is tried out. What LoRA or IA3 added
is merged. Adapters, gates, prompts and the mlp head have no place in transformers' classes: such a model brings a class
of its own, ``modeling_emotion.py``, which ``trust_remote_code=True`` lets transformers load. ``--onnx`` adds
``model.onnx``, which gives posteriors of a wave by onnxruntime alone (local/finetune/onnx_file.py).

transformers' own classes project hidden states, average them over time and classify the mean; both maps are linear.
An encoder cut behind layer L, a mean over time and a linear head are that with L blocks and the identity as
projection. Blocks that begin with a normalisation ("stable layer norm") are followed by one more, which acts on the
state that is classified unless that is chosen among all hidden states by ``use_weighted_layer_sum``. Whether that
list holds the last state before or after the normalisation differs between versions of transformers; those below the
last it always holds before. So such an encoder gets one block more, which does nothing, and the weighted sum gives
that block's output no weight.
"""

from __future__ import annotations

import argparse
import copy
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from local.finetune import card, onnx_file
from local.finetune.strategies import STRATEGIES, Design, parse
from local.models import store
from utils.atomic import atomic_dir
from utils.audio import SAMPLE_RATE
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from local.finetune.model import EmotionClassifier

# Its exponential is 0 in every floating-point format, and it is finite in every one.
_NEVER = -1e4
_TOLERANCE = 1e-4
_CARRIED = ("ba", "wg", "prompt")  # strategies that modeling_emotion.py has modules for


def main() -> None:
    """Export the model of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="folder of a model of stage 4")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="what to make; must not be there")
    parser.add_argument("--onnx", action="store_true", help="write model.onnx too, for onnxruntime")
    arguments = parser.parse_args()
    export(arguments.model, arguments.out, arguments.onnx)
    print(arguments.out)


def export(folder: Path, out: Path, onnx: bool = False) -> None:
    """Write ``config.json``, ``model.safetensors``, ``preprocessor_config.json`` and ``README.md``, or nothing.

    With them ``modeling_emotion.py`` where transformers' own classes do not do, and ``model.onnx`` with ``onnx``.

    Raises
    ------
    UserError
        The model is damaged or of a strategy that cannot be expressed, ``out`` is not empty, or what ``onnx`` needs is
        not there.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: is there already; remove it, or give --out another name")
    check(folder)
    if onnx:
        onnx_file.check()
    from transformers import Wav2Vec2FeatureExtractor

    from local.finetune.model import EmotionClassifier

    classifier = EmotionClassifier.load(folder)
    probe = np.random.default_rng(0).normal(scale=0.1, size=SAMPLE_RATE).astype(np.float32)
    want = classifier.posteriors([probe])[0]
    classifier.merge(_CARRIED)
    batches = masks_padding(classifier.model.config)
    extractor = Wav2Vec2FeatureExtractor(
        do_normalize=classifier.encoder.normalise, return_attention_mask=batches, sampling_rate=SAMPLE_RATE
    )
    with atomic_dir(out) as made:
        model = convert(classifier)
        model.save_pretrained(made)
        extractor.save_pretrained(made)
        readme = made / "README.md"
        readme.write_text(card.text(classifier, folder, batches, is_plain(classifier.design), onnx), encoding="utf-8")
        if onnx:
            onnx_file.write(model, classifier, made / "model.onnx", _TOLERANCE)
        for path in made.iterdir():
            path.chmod(readme.stat().st_mode)  # safetensors lets nobody else read what it writes
        difference = float(np.abs(_scores(made, type(model), probe) - want).max())
        if not difference <= _TOLERANCE:
            raise UserError(
                f"{folder}: transformers reads what was exported, but its scores differ by {difference:.2g}; this is "
                "a fault of the export or of this version of transformers, please report it with both versions"
            )


def check(folder: Path) -> None:
    """Refuse, with a UserError that gives the reason and the mend, a strategy that cannot be expressed."""
    try:
        design = Design(**json.loads((folder / store.CONFIG).read_text(encoding="utf-8"))["design"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return  # loading tells what is wrong with it
    for part in parse(design.strategy):
        reason = STRATEGIES[part].unmergeable
        if reason and part not in _CARRIED:
            raise UserError(
                f"{folder}: cannot be exported: modeling_emotion.py has no module for what {part} adds, and it cannot "
                f"be merged ({reason}); use local.finetune.predict"
            )


def is_plain(design: Design) -> bool:
    """Tell whether transformers' own classes express a model, once what can be merged is."""
    return design.head == "linear" and not set(_CARRIED).intersection(parse(design.strategy))


def masks_padding(config: PreTrainedConfig) -> bool:
    """Tell whether an encoder, given an attention mask, gives a padded utterance the scores that it has alone.

    Not if something that acts over time takes padding in: a normalisation behind the first convolution, or one before
    the positional convolution, or several positional convolutions, as data2vec-audio has.
    """
    if config.model_type == "data2vec-audio" or getattr(config, "conv_pos_batch_norm", False):
        return False
    return config.feat_extract_norm == "layer"


def convert(classifier: EmotionClassifier) -> PreTrainedModel:
    """Make a model with the weights of a classifier in which all is merged that can be, in evaluation mode.

    It is ``...ForSequenceClassification`` of the encoder's architecture where that does, else of
    local/finetune/modeling_emotion.py.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        return (_plain if is_plain(classifier.design) else _own)(classifier).eval()


def _plain(classifier: EmotionClassifier) -> PreTrainedModel:
    import torch
    import transformers

    layer, config = classifier.design.layer, _config(classifier)
    made = transformers.AutoModelForAudioClassification.from_config(config, dtype=torch.float32)
    weights = _weights(classifier)
    # All weights of a block that adds to its input are zero: it adds nothing.
    extra = f"encoder.layers.{layer}."
    target = made.base_model.state_dict()
    weights |= {name: torch.zeros_like(value) for name, value in target.items() if name.startswith(extra)}
    made.base_model.load_state_dict(weights)
    made.projector.weight.copy_(torch.eye(config.hidden_size))
    made.projector.bias.zero_()
    made.classifier.load_state_dict(classifier.head.state_dict())
    if config.use_weighted_layer_sum:
        made.layer_weights.copy_(_layer_weights(classifier, config.num_hidden_layers))
    return made


def _own(classifier: EmotionClassifier) -> PreTrainedModel:
    """Make a model of local/finetune/modeling_emotion.py, which is copied when it is saved."""
    import torch
    from torch import nn

    from local.finetune.modeling_emotion import EmotionConfig, EmotionForAudioClassification

    EmotionConfig.register_for_auto_class()
    EmotionForAudioClassification.register_for_auto_class("AutoModelForAudioClassification")
    design, encoder, weights = classifier.design, copy.deepcopy(classifier.model.config), _weights(classifier)
    encoder.num_hidden_layers, parts = design.layer, parse(design.strategy)
    if hasattr(encoder, "add_adapter"):
        encoder.add_adapter = False
    for block, module in enumerate(classifier.model.encoder.layers if "wg" in parts else ()):
        name = f"encoder.layers.{block}.input_gate"
        weights.pop(f"{name}.logits")
        weights[name] = module.input_gate(torch.ones(encoder.hidden_size))
    first = "encoder.layers.0."
    linear = [layer for layer in classifier.head.modules() if isinstance(layer, nn.Linear)]
    config = EmotionConfig(
        encoder.to_diff_dict() | {"model_type": encoder.model_type},
        adapters=len(weights[f"{first}feed_forward.down.bias"]) if "ba" in parts else 0, gates="wg" in parts,
        prompts=weights[f"{first}attention.prompts.keys"].shape[1] if "prompt" in parts else 0,
        weighted=design.pooling == "weighted", hidden=[layer.out_features for layer in linear[:-1]],
        **_labels(classifier),
    )  # fmt: skip
    made = EmotionForAudioClassification(config)
    if getattr(encoder, "do_stable_layer_norm", False):
        weights = {name: value for name, value in weights.items() if not name.startswith("encoder.layer_norm.")}
    made.model.load_state_dict(weights)
    for layer, own in zip([layer for layer in made.classifier if isinstance(layer, nn.Linear)], linear, strict=True):
        layer.load_state_dict(own.state_dict())
    if config.weighted:
        made.layer_weights.copy_(classifier.layer_weights)
    return made


def _weights(classifier: EmotionClassifier) -> dict[str, torch.Tensor]:
    """Name the encoder's weights, but for what follows its blocks in some checkpoints, as no hidden state needs it."""
    return {name: own for name, own in classifier.model.state_dict().items() if not name.startswith("adapter.")}


def _labels(classifier: EmotionClassifier) -> dict[str, object]:
    return {
        "id2label": dict(enumerate(classifier.emotions)),
        "label2id": {emotion: index for index, emotion in enumerate(classifier.emotions)},
        "problem_type": "single_label_classification",
    }


def _config(classifier: EmotionClassifier) -> PreTrainedConfig:
    config, layer = copy.deepcopy(classifier.model.config), classifier.design.layer
    ends_with_norm = getattr(config, "do_stable_layer_norm", False)
    config.num_hidden_layers = layer + 1 if ends_with_norm else layer
    # Of a single hidden state the weighted sum is that state.
    config.use_weighted_layer_sum = ends_with_norm or (classifier.design.pooling == "weighted" and layer > 0)
    config.classifier_proj_size = config.hidden_size
    for name, value in _labels(classifier).items():
        setattr(config, name, value)
    if hasattr(config, "add_adapter"):
        config.add_adapter = False
    return config


def _layer_weights(classifier: EmotionClassifier, blocks: int) -> torch.Tensor:
    """Give the logarithms, up to a constant, of the weights of all hidden states; shape (blocks + 1,)."""
    import torch

    layer = classifier.design.layer
    weights = torch.full((blocks + 1,), _NEVER)
    if classifier.design.pooling == "weighted":
        weights[: layer + 1] = classifier.layer_weights.detach()
    else:
        weights[layer] = 0.0
    return weights


def _scores(folder: Path, kind: type[PreTrainedModel], wave: np.ndarray) -> np.ndarray:
    """Classify as somebody would who has only the folder, and a model's class; shape (emotions,)."""
    import torch
    import transformers

    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    model = kind.from_pretrained(folder, local_files_only=True)
    inputs = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with warnings.catch_warnings(), torch.inference_mode():
        # torch's, of how transformers masks WavLM's attention.
        warnings.simplefilter("ignore", UserWarning)
        return torch.softmax(model.eval()(**inputs).logits[0], dim=-1).numpy()


if __name__ == "__main__":
    run_main(main)
