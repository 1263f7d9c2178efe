"""Turn a tuned encoder into a plain Hugging Face folder for audio classification.

    python3 -m local.finetune.export --model exp/finetune/models/<group>/fold0.seed0 --out FOLDER

``transformers.pipeline("audio-classification", model=FOLDER)`` loads the folder without any code of this repository,
and gives the scores that ``local.finetune.predict`` gives: before the folder gets its name this is tried out. What
LoRA or IA3 added is merged. Adapters, gates and the mlp head have no place in transformers' classes and are refused.

transformers' classes project hidden states, average them over time and classify the mean; both maps are linear.
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

from local.finetune import card
from local.finetune.strategies import STRATEGIES, Design, parse
from local.models import store
from utils.atomic import atomic_dir
from utils.audio import SAMPLE_RATE
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from local.finetune.model import EmotionClassifier

# Its exponential is 0 in every floating-point format, and it is finite in every one.
_NEVER = -1e4
_TOLERANCE = 1e-4


def main() -> None:
    """Export the model of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="folder of a model of stage 4")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="what to make; must not be there")
    arguments = parser.parse_args()
    export(arguments.model, arguments.out)
    print(arguments.out)


def export(folder: Path, out: Path) -> None:
    """Write ``config.json``, ``model.safetensors``, ``preprocessor_config.json`` and ``README.md``, or nothing.

    Raises
    ------
    UserError
        The model is damaged or cannot be expressed by transformers' classes, or ``out`` is not empty.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: is there already; remove it, or give --out another name")
    check(folder)
    from transformers import Wav2Vec2FeatureExtractor

    from local.finetune.model import EmotionClassifier

    classifier = EmotionClassifier.load(folder)
    probe = np.random.default_rng(0).normal(scale=0.1, size=SAMPLE_RATE).astype(np.float32)
    want = classifier.posteriors([probe])[0]
    classifier.merge()
    batches = masks_padding(classifier.model.config)
    extractor = Wav2Vec2FeatureExtractor(
        do_normalize=classifier.encoder.normalise, return_attention_mask=batches, sampling_rate=SAMPLE_RATE
    )
    with atomic_dir(out) as made:
        convert(classifier).save_pretrained(made)
        extractor.save_pretrained(made)
        readme = made / "README.md"
        readme.write_text(card.text(classifier, folder, batches), encoding="utf-8")
        for path in made.iterdir():
            path.chmod(readme.stat().st_mode)  # safetensors lets nobody else read what it writes
        difference = float(np.abs(_scores(made, probe) - want).max())
        if not difference <= _TOLERANCE:
            raise UserError(
                f"{folder}: transformers reads what was exported, but its scores differ by {difference:.2g}; this is "
                "a fault of the export or of this version of transformers, please report it with both versions"
            )


def check(folder: Path) -> None:
    """Refuse, with a UserError that gives the reason and the mend, a model that transformers cannot express."""
    try:
        design = Design(**json.loads((folder / store.CONFIG).read_text(encoding="utf-8"))["design"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return  # loading tells what is wrong with it
    place = f"{folder}: cannot be exported"
    for part in parse(design.strategy):
        if reason := STRATEGIES[part].unmergeable:
            mergeable = [name for name, strategy in STRATEGIES.items() if not strategy.unmergeable]
            raise UserError(
                f"{place}: transformers' classes have no place for what {part} adds, and it cannot be merged "
                f"({reason}); use local.finetune.predict, or train with {', '.join(mergeable[:-1])} or {mergeable[-1]}"
            )
    if design.head != "linear":
        raise UserError(
            f"{place}: transformers' classes have a linear classifier, and the {design.head} head has rectifiers; use "
            "local.finetune.predict, or train with finetune.head=linear"
        )


def masks_padding(config: PreTrainedConfig) -> bool:
    """Tell whether an encoder, given an attention mask, gives a padded utterance the scores that it has alone.

    Not if something that acts over time takes padding in: a normalisation behind the first convolution, or one before
    the positional convolution, or several positional convolutions, as data2vec-audio has.
    """
    if config.model_type == "data2vec-audio" or getattr(config, "conv_pos_batch_norm", False):
        return False
    return config.feat_extract_norm == "layer"


def convert(classifier: EmotionClassifier) -> PreTrainedModel:
    """Make a model of transformers' own with the weights of a classifier, which is merged and has a linear head.

    It is ``...ForSequenceClassification`` of the encoder's architecture, in evaluation mode.
    """
    import torch
    import transformers

    source, layer = classifier.model, classifier.design.layer
    config = _config(classifier)
    with torch.random.fork_rng(devices=[]):
        made = transformers.AutoModelForAudioClassification.from_config(config, dtype=torch.float32)
    # What follows the encoder's blocks in some checkpoints, and no hidden state depends on.
    weights = {name: value for name, value in source.state_dict().items() if not name.startswith("adapter.")}
    # All weights of a block that adds to its input are zero: it adds nothing.
    extra = f"encoder.layers.{layer}."
    target = made.base_model.state_dict()
    weights |= {name: torch.zeros_like(value) for name, value in target.items() if name.startswith(extra)}
    made.base_model.load_state_dict(weights)
    with torch.no_grad():
        made.projector.weight.copy_(torch.eye(config.hidden_size))
        made.projector.bias.zero_()
        made.classifier.load_state_dict(classifier.head.state_dict())
        if config.use_weighted_layer_sum:
            made.layer_weights.copy_(_layer_weights(classifier, config.num_hidden_layers))
    return made.eval()


def _config(classifier: EmotionClassifier) -> PreTrainedConfig:
    config, layer = copy.deepcopy(classifier.model.config), classifier.design.layer
    ends_with_norm = getattr(config, "do_stable_layer_norm", False)
    config.num_hidden_layers = layer + 1 if ends_with_norm else layer
    # Of a single hidden state the weighted sum is that state.
    config.use_weighted_layer_sum = ends_with_norm or (classifier.design.pooling == "weighted" and layer > 0)
    config.classifier_proj_size = config.hidden_size
    config.id2label = dict(enumerate(classifier.emotions))
    config.label2id = {emotion: index for index, emotion in enumerate(classifier.emotions)}
    config.problem_type = "single_label_classification"
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


def _scores(folder: Path, wave: np.ndarray) -> np.ndarray:
    """Classify as somebody would who has only the folder; shape (emotions,)."""
    import torch
    import transformers

    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    model: nn.Module = transformers.AutoModelForAudioClassification.from_pretrained(folder, local_files_only=True)
    inputs = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with warnings.catch_warnings(), torch.inference_mode():
        # torch's, of how transformers masks WavLM's attention.
        warnings.simplefilter("ignore", UserWarning)
        return torch.softmax(model.eval()(**inputs).logits[0], dim=-1).numpy()


if __name__ == "__main__":
    run_main(main)
