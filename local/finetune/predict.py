"""Tell the emotion of recordings.

    python3 -m local.finetune.predict --model exp/finetune/models/<group>/fold0.seed0 a.wav b.flac
    python3 -m local.finetune.predict --model exp/finetune/models/<group>/fold0.seed0 --json *.wav > emotions.jsonl

Recordings may have any length, sampling rate and format that libsndfile reads. Standard output has a table, or with
``--json`` an object a line, with a row a recording in the order of the command line. Nothing is written unless every
recording could be classified.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from local.models import recordings
from utils import audio
from utils.errors import run_main

if TYPE_CHECKING:
    from local.finetune.model import EmotionClassifier


@dataclass(frozen=True)
class Result:
    """What was found in one recording."""

    path: str
    duration: float  # seconds
    posteriors: np.ndarray  # float32, (emotions,), sum to 1


def main() -> None:
    """Classify the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", nargs="+", help="recordings, at least 25 ms long")
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model of stage 4")
    parser.add_argument("--device", default="cpu", help="where to run, as torch names it: cpu, cuda:0")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead of a table")
    arguments = parser.parse_args()
    # A bad file is found before a large model is loaded.
    for path in arguments.audio:
        audio.verify(path)
    from local.finetune.model import EmotionClassifier

    model = EmotionClassifier.load(arguments.model, arguments.device)
    results = predict(model, arguments.audio)
    print(as_json(results, model.emotions) if arguments.json else as_table(results, model.emotions), end="")


def predict(model: EmotionClassifier, paths: Sequence[str]) -> list[Result]:
    """Run a model on recordings; the results are in their order.

    Raises
    ------
    UserError
        A recording cannot be read, or is too short for the model.
    """

    def find(path: str, samples: np.ndarray) -> Result:
        return Result(path, audio.info(path).duration, model.posteriors([samples])[0])

    return list(recordings.each(paths, find, "predict"))


def as_table(results: Sequence[Result], emotions: Sequence[str]) -> str:
    """Turn results into an aligned table: file, likeliest emotion, and the posterior of every emotion.

    Examples
    --------
    >>> print(as_table([Result("long name.wav", 1.0, np.array([0.25, 0.75]))], ["sad", "neutral"]), end="")
    file           emotion    sad  neutral
    long name.wav  neutral  0.250    0.750
    """
    rows = [["file", "emotion", *emotions]]
    for result in results:
        shares = [f"{share:.3f}" for share in result.posteriors]
        rows.append([result.path, emotions[int(result.posteriors.argmax())], *shares])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    layout = "  ".join(f"{{:{'<' if place < 2 else '>'}{width}}}" for place, width in enumerate(widths))
    return "".join(layout.format(*row) + "\n" for row in rows)


def as_json(results: Sequence[Result], emotions: Sequence[str]) -> str:
    """Turn results into lines of JSON, one a recording, with durations in seconds.

    Examples
    --------
    >>> print(as_json([Result("a.wav", 1.0, np.array([0.25, 0.75]))], ["sad", "happy"]), end="")
    {"path": "a.wav", "duration": 1.0, "emotion": "happy", "posteriors": {"sad": 0.25, "happy": 0.75}}
    """
    lines = []
    for result in results:
        entry = {
            "path": result.path, "duration": round(result.duration, 3),
            "emotion": emotions[int(result.posteriors.argmax())],
            "posteriors": {
                name: round(float(share), 7) for name, share in zip(emotions, result.posteriors, strict=True)
            },
        }  # fmt: skip
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    return "".join(lines)


if __name__ == "__main__":
    run_main(main)
