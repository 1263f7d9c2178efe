"""Tell the emotion of recordings.

    python3 -m local.finetune.predict --model exp/finetune/models/<group>/fold0.seed0 a.wav b.flac
    python3 -m local.finetune.predict --model exp/finetune/models/<group>/fold0.seed0 --json *.wav > emotions.jsonl
    python3 -m local.finetune.predict --model exp/finetune/models/<group>/fold0.seed0 --window 6 --shift 3 long.wav
    sox long.flac -t wav -b 16 - | python3 -m local.finetune.predict --model ... --window 6 --shift 3 --stream

Recordings may have any length, sampling rate and format that libsndfile reads. Standard output has a table, or with
``--json`` an object a line, with a row a recording in the order of the command line. Nothing is written unless every
recording could be classified.

With ``--window`` there is a row a window instead, tab-separated, written as soon as the window is whole; each is
classified as a recording of its own. What is left in the end, in no window yet, is one more, shorter. Memory does not
grow with the length, so standard input (``--stream``: WAV, or raw 16-bit samples of one channel) may go on for ever.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from local.models import recordings
from utils import audio, audio_stream
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    from local.finetune.model import EmotionClassifier


@dataclass(frozen=True)
class Result:
    """What was found in one recording."""

    path: str
    duration: float  # seconds
    posteriors: np.ndarray  # float32, (emotions,), sum to 1


@dataclass(frozen=True)
class Window:
    """What was found in one window of a recording."""

    path: str
    start: float  # seconds
    end: float  # seconds
    posteriors: np.ndarray  # float32, (emotions,), sum to 1


def main() -> None:
    """Classify the files of the command line, or standard input."""
    arguments = _arguments()
    # A bad file is found before a large model is loaded.
    for path in arguments.audio:
        audio.verify(path)
    from local.finetune.model import EmotionClassifier

    model = EmotionClassifier.load(arguments.model, arguments.device)
    if arguments.window is None:
        results = predict(model, arguments.audio)
        print(as_json(results, model.emotions) if arguments.json else as_table(results, model.emotions), end="")
        return
    sources = {path: audio_stream.of_file(path) for path in arguments.audio}
    if arguments.stream:
        sources["-"] = audio_stream.of_stream(sys.stdin.buffer, arguments.rate)
    if not arguments.json:
        print("file", "start", "end", "emotion", *model.emotions, sep="\t", flush=True)
    write = json_line if arguments.json else tsv_line
    for path, pieces in sources.items():
        for found in windowed(model, path, pieces, arguments.window, arguments.shift):
            print(write(found, model.emotions), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", nargs="*", help="recordings, at least 25 ms long")
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model of stage 4")
    parser.add_argument("--device", default="cpu", help="where to run, as torch names it: cpu, cuda:0")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead of a table")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="classify windows of this length")
    parser.add_argument("--shift", type=float, metavar="SECONDS", help="from one window to the next (half of --window)")
    parser.add_argument("--stream", action="store_true", help="read WAV or raw 16-bit samples from standard input")
    rate = audio.SAMPLE_RATE
    parser.add_argument("--rate", type=int, default=rate, metavar="HZ", help=f"of raw samples with --stream ({rate})")
    arguments = parser.parse_args()
    if bool(arguments.audio) is arguments.stream:
        parser.error("give recordings, or --stream for standard input")
    if arguments.window is None and (arguments.stream or arguments.shift is not None):
        parser.error("--stream and --shift go with --window, such as --window 6")
    if arguments.window is not None:
        arguments.shift = arguments.window / 2 if arguments.shift is None else arguments.shift
        if not 1 / rate <= arguments.shift <= arguments.window or arguments.rate < 1:
            parser.error("--window, --shift and --rate must be positive, and --shift no longer than --window")
    return arguments


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


def windowed(
    model: EmotionClassifier, path: str, pieces: Iterable[np.ndarray], window: float, shift: float
) -> Iterator[Window]:
    """Classify windows of a recording that comes in pieces (utils/audio_stream.py), each as soon as it is whole.

    Parameters
    ----------
    model : EmotionClassifier
        In use.
    path : str
        What results and errors call the recording.
    pieces : iterable of ndarray
        16 kHz mono.
    window, shift : float
        Length of a window, and from one's beginning to the next one's, in seconds.

    Raises
    ------
    UserError
        The recording cannot be read, or a window or all of it is too short for the model.
    """
    size, step = (round(seconds * audio.SAMPLE_RATE) for seconds in (window, shift))
    for begin, samples in audio_stream.windows(pieces, size, step, model.encoder.min_samples):
        try:
            posteriors = model.posteriors([samples])[0]
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        yield Window(path, begin / audio.SAMPLE_RATE, (begin + len(samples)) / audio.SAMPLE_RATE, posteriors)


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
        entry = {"path": result.path, "duration": round(result.duration, 3)} | _said(result.posteriors, emotions)
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    return "".join(lines)


def json_line(found: Window, emotions: Sequence[str]) -> str:
    """Turn a window's result into a line of JSON, with times in seconds.

    Examples
    --------
    >>> json_line(Window("a.wav", 3.0, 9.0, np.array([0.25, 0.75])), ["sad", "happy"])
    '{"path": "a.wav", "start": 3.0, "end": 9.0, "emotion": "happy", "posteriors": {"sad": 0.25, "happy": 0.75}}'
    """
    entry = {"path": found.path, "start": round(found.start, 3), "end": round(found.end, 3)}
    return json.dumps(entry | _said(found.posteriors, emotions), ensure_ascii=False)


def tsv_line(found: Window, emotions: Sequence[str]) -> str:
    r"""Turn a window's result into tab-separated values: file, start and end in seconds, emotion, posteriors.

    Examples
    --------
    >>> tsv_line(Window("a.wav", 3.0, 9.0, np.array([0.25, 0.75])), ["sad", "happy"])
    'a.wav\t3.000\t9.000\thappy\t0.250\t0.750'
    """
    shares = [f"{share:.3f}" for share in found.posteriors]
    times = f"{found.start:.3f}", f"{found.end:.3f}"
    return "\t".join([found.path, *times, emotions[int(found.posteriors.argmax())], *shares])


def _said(posteriors: np.ndarray, emotions: Sequence[str]) -> dict[str, object]:
    shares = {name: round(float(share), 7) for name, share in zip(emotions, posteriors, strict=True)}
    return {"emotion": emotions[int(posteriors.argmax())], "posteriors": shares}


if __name__ == "__main__":
    run_main(main)
