"""The model card of an exported model: what it is, what it has heard, how well it does, what it must not be used for.

Facts come from the model, the registries of corpora and encoders, and the results beside the model; where something is
not known the card says so. The words are in ``card.md.j2``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import corpora
from local.corpora import CorpusSpec
from local.finetune.strategies import words
from local.results import heard
from utils import csv_file, stamp
from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders import EncoderSpec
    from local.finetune.model import EmotionClassifier


def text(classifier: EmotionClassifier, folder: Path, batches: bool, plain: bool = True, onnx: bool = False) -> str:
    """Write the card of an exported model, in Markdown with a YAML header, as the Hugging Face hub reads.

    Results are looked for beside the folder that it was loaded from; ``batches`` says whether padded batches have the
    scores of single recordings, ``plain`` whether transformers' own classes load it, and ``onnx`` whether there is a
    ``model.onnx``.
    """
    import jinja2

    spec, provenance = classifier.encoder.spec, classifier.provenance
    stages = [list(names) for names in provenance.get("trained_on", [])]
    specs = {name: _spec(name, folder) for names in stages for name in names}
    scores = ["ua", "wa", *(f"recall_{emotion}" for emotion in classifier.emotions)]
    counted = (("n_train", "to train on"), ("n_dev", "to stop by"))
    # What is filled in are names and numbers in Markdown: nothing to be escaped as HTML is.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["row"] = _table_row
    return environment.get_template("card.md.j2").render(
        header=_header(spec, specs),
        emotions=classifier.emotions,
        spec=spec,
        design=classifier.design,
        words=words(classifier.design.strategy),
        batches=batches,
        plain=plain,
        onnx=onnx,
        stages=stages,
        specs=specs,
        counts=[f"{provenance[key]} utterances {what}" for key, what in counted if key in provenance],
        header_of_results=[
            *("tested on", "utterances", "UA", "WA"),
            *(f"recall {emotion}" for emotion in classifier.emotions),
            "note",
        ],  # fmt: skip
        tested=[
            [row["test"], row["n_test"], *(f"{100 * float(row[score]):.1f}" for score in scores), row["notes"]]
            for row in results(folder)
        ],
    )


def results(folder: Path) -> list[dict[str, str]]:
    """Read what testing found of a model that lies where stage 4 puts it, ``exp/finetune/models/<group>/fold0.seed0``.

    There is a row a test corpus, of this model's fold and seed: columns of ``scores.csv``, ``test`` and ``notes``; none
    if the model lies elsewhere. Conditions that were not tested since it was trained are left out.
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
    if meta["voices_seen"] and not meta["one_speaker"] and factors["split"] != "random":
        yield f"{meta['voices_seen']} of the tested people trained it, in another corpus"
    if meta["contaminated"]:
        yield f"its encoder heard {heard.in_words(meta['contaminated'])}"


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
    return yaml.safe_dump(header, sort_keys=False)


def _table_row(cells: Sequence[str], unknown: str = "not known") -> str:
    return "| " + " | ".join(cell.replace("|", "/") or unknown for cell in cells) + " |"
