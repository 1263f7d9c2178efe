"""The model card of an exported model: what it is, what it has heard, how well it does, what it must not be used for.

Facts come from the model, the registries of corpora and encoders, and the results beside the model; where something is
not known the card says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import corpora
from local.corpora import CorpusSpec
from utils import csv_file, stamp
from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders import EncoderSpec
    from local.finetune.model import EmotionClassifier

_STRATEGIES = {
    "head": "nothing but the classifier was trained", "full": "all blocks were trained",
    "lora": "low-rank matrices, merged", "ia3": "scaling vectors, merged", "bitfit": "the blocks' biases were trained",
}  # fmt: skip
_USE = """\
## Use

```python
import soundfile
from transformers import pipeline

classify = pipeline("audio-classification", model=".", top_k=None)  # the folder with this file
samples, rate = soundfile.read("speech.wav", dtype="float32", always_2d=True)
print(classify({"raw": samples.mean(axis=1), "sampling_rate": rate}))
```

The pipeline resamples to 16 kHz. Given a file's name instead it needs ffmpeg, whose resampling differs a little, and so
do the scores then. Cut recordings of more than 30 s: the model was trained and tested with attention over 30 s at the
most, and the pipeline's spans a whole recording. """
_ALONE = """\
Give recordings one at a time (`batch_size=1`, the default):
the encoder takes the padding of a batch for audio, and scores would depend on what else is in it.
"""
_TOGETHER = """\
Padding is masked, so a recording has the same scores in a batch as alone.
"""
_LIMITS = """\
## What it is for, and its limits

For research on how emotion is expressed in speech, and on how recognisers of it carry over to other languages and
corpora. It tells which of its emotions a recording resembles most: it has no answer "none of these", and its scores
are not calibrated probabilities. It hears how something was said, not what a person feels.

Emotion is clearer in acted speech than in life, and recognisers pick up sentences, speakers and microphones as well.
On other speech expect less than the results say, and errors that differ between groups: age, gender, accent and
illness change a voice as emotion does. Test it on labelled speech of your own first.
"""
_MISUSE = """\
## What it must not be used for

- To decide, or to advise on, anything about a person: hiring, work, school, credit, insurance, health, migration,
  policing, justice.
- To watch people, or to infer the emotions of anybody who does not know of it and has not agreed.
- To detect lies, intentions, disorders or risk of suicide.

Some of this is unlawful. In the European Union, Article 5(1)(f) of Regulation (EU) 2024/1689 prohibits systems that
infer emotions at the workplace and in education, medical and safety reasons aside; elsewhere, Article 50(3) obliges
those who use such a system to tell the people it is used on.
"""


def text(classifier: EmotionClassifier, folder: Path, batches: bool) -> str:
    """Write a model card.

    Parameters
    ----------
    classifier : EmotionClassifier
        What was exported; its ``provenance["trained_on"]`` lists, for each stage of training, corpora.
    folder : Path
        Where the classifier was loaded from; results are looked for beside it.
    batches : bool
        Whether padded batches have the scores of single recordings.

    Returns
    -------
    str
        Markdown with a YAML header, as the Hugging Face hub reads.
    """
    spec, provenance = classifier.encoder.spec, classifier.provenance
    stages = [list(names) for names in provenance.get("trained_on", [])]
    specs = {name: _spec(name, folder) for names in stages for name in names}
    parts = [
        _header(spec, specs),
        f"# Speech emotion: {', '.join(classifier.emotions)}\n",
        _what(classifier),
        _USE + (_TOGETHER if batches else _ALONE),
        _training(stages, specs, provenance),
        _results(results(folder), classifier.emotions),
        _LIMITS,
        _MISUSE,
    ]
    return "\n".join(parts)


def results(folder: Path) -> list[dict[str, str]]:
    """Read what testing found of a model that lies where stage 4 puts it, ``exp/finetune/models/<group>/fold0.seed0``.

    Parameters
    ----------
    folder : Path
        The model's.

    Returns
    -------
    list of dict of str to str
        A row a test corpus, of this model's fold and seed: columns of ``scores.csv``, ``test`` and ``notes``. Empty if
        the model lies elsewhere; conditions that were not tested since it was trained are left out.
    """
    folder = folder.resolve()
    fold, _, seed = folder.name.removeprefix("fold").partition(".seed")
    if folder.parent.parent.name != "models":
        return []
    found = []
    for done in sorted(folder.parents[2].glob(f"*/{stamp.NAME}")):
        try:
            meta = json.loads((done.parent / "meta.json").read_text(encoding="utf-8"))
            if meta["models"] != folder.parent.name or _newer(folder / stamp.NAME, done):
                continue
            rows = csv_file.read(done.parent / "scores.csv")
            rows = [row for row in rows if (row["fold"], row["seed"]) == (fold, seed)]
            found += [row | {"test": meta["factors"]["test"], "notes": "; ".join(_notes(meta))} for row in rows]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{done.parent}: damaged ({error}); run stage 4 again, or remove it") from error
    return found


def _notes(meta: dict[str, Any]) -> Iterator[str]:
    """Say what a condition's numbers must not be read without."""
    factors = meta["factors"]
    if factors["test"] not in (*factors["train"], *factors["source"]):
        yield "not trained on this corpus"
    if meta["dev"] != factors["train"]:
        yield f"training stopped by {'+'.join(meta['dev'])}"
    if meta["one_speaker"]:
        yield "a corpus has a single speaker"
    elif factors["split"] != "speaker":
        yield f"split by {factors['split']}"
    if meta["contaminated"]:
        yield f"pre-training heard {'+'.join(meta['contaminated'])}"


def _newer(model: Path, condition: Path) -> bool:
    return model.is_file() and model.stat().st_mtime_ns > condition.stat().st_mtime_ns


def _spec(name: str, folder: Path) -> CorpusSpec | None:
    """Look a corpus up in the registry of the recipe that the model belongs to, else of the working directory."""
    places = folder.resolve().parents[4:5]
    for recipe in (*places, Path(".")):
        try:
            return corpora.spec(name, recipe)
        except UserError:
            continue
    return None


def _header(spec: EncoderSpec, specs: dict[str, CorpusSpec | None]) -> str:
    import yaml

    languages = sorted({own.language for own in specs.values() if own and own.language != "mul"})
    header: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "audio-classification"}
    if languages:
        header["language"] = languages
    if spec.folder is None:
        header["base_model"] = spec.source
    header["tags"] = ["speech-emotion-recognition"]
    # `license` stays out: whoever shares the model has to choose one.
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n"


def _what(classifier: EmotionClassifier) -> str:
    spec, design = classifier.encoder.spec, classifier.design
    source = f"[{spec.source}](https://huggingface.co/{spec.source})" if spec.folder is None else "a local checkpoint"
    ways = "; ".join(_STRATEGIES[part] for part in design.strategy.split("+"))
    pooled = "of a trained weighted sum of all its hidden states" if design.pooling == "weighted" else "of its output"
    heard = f"; pre-trained on {', '.join(spec.languages)}" if spec.languages else ""
    random = ", with random weights" if spec.init == "random" else ""
    return (
        f"The encoder {spec.name} ({source}{random}{heard}), cut behind layer {design.layer} of {spec.layers - 1} and "
        f"tuned by `{design.strategy}` ({ways}); a linear classifier of the mean over time {pooled}. "
        f"Made with xser, recipes for cross-lingual speech emotion recognition.\n"
    )


def _training(stages: Sequence[Sequence[str]], specs: dict[str, CorpusSpec | None], provenance: dict[str, Any]) -> str:
    if not stages:
        return "## Training speech\n\nNot recorded: find out what the model was trained on before you share it.\n"
    lines = ["## Training speech\n"]
    if len(stages) > 1:
        lines.append(f"Trained in stages: {', then '.join('+'.join(names) for names in stages)}.\n")
    lines += ["| corpus | language | style | licence | from |", "|---|---|---|---|---|"]
    for name, own in specs.items():
        cells = ["", "", "", "not in the registry"]
        if own:
            cells = [own.language, own.style, own.licence, own.source]
            name = f"{own.title or name} (`{name}`)" + (", **synthetic: nobody spoke it**" if own.synthetic else "")
        lines.append(_table_row([name, *(cell or "not known" for cell in cells)]))
    counts = [
        f"{provenance[key]} utterances {what}"
        for key, what in (("n_train", "to train on"), ("n_dev", "to stop by")) if key in provenance
    ]  # fmt: skip
    lines += ["", f"{', '.join(counts)}.\n"] if counts else [""]
    lines.append(
        "These licences, and that of the encoder's checkpoint, bind whoever shares or uses the model; some allow\n"
        "research only. This card grants none: whoever publishes the model has to choose one that they allow.\n"
    )
    return "\n".join(lines)


def _results(tested: Sequence[dict[str, str]], emotions: Sequence[str]) -> str:
    if not tested:
        return "## Results\n\nNone came with the model. Test it before you rely on it.\n"
    scores = ["ua", "wa", *(f"recall_{emotion}" for emotion in emotions)]
    header = ["tested on", "utterances", "UA", "WA", *(f"recall {emotion}" for emotion in emotions), "note"]
    lines = ["## Results\n", _table_row(header), "|" + "---|" * len(header)]
    for row in tested:
        shares = [f"{100 * float(row[score]):.1f}" for score in scores]
        lines.append(_table_row([row["test"], row["n_test"], *shares, row["notes"]]))
    lines.append(
        "\nIn percent; UA is the mean of the recalls, WA the share of all utterances that are right. Tested on this\n"
        "model's own fold, which neither training nor stopping has seen. So few utterances leave wide intervals:\n"
        "compare models by all folds, in the recipe's `RESULTS.md`.\n"
    )
    return "\n".join(lines)


def _table_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
