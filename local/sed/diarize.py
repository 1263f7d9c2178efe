"""Find out which emotion appears when in recordings.

    python3 -m local.sed.diarize --model exp/sed/models/<model>/fold0.seed0 a.wav b.flac > hyp.rttm
    python3 -m local.sed.diarize --model speechbrain/emotion-diarization-wavlm-large --picture pictures a.wav

A model is called by its encoder, mode and training corpora, such as ``mini.frozen.mini_de+mini_en``.
Recordings may have any length, sampling rate and format that libsndfile reads. Segments go to standard output as RTTM,
or JSON with ``--json``; an utterance is called like its file. Nothing is written unless every file could be diarized.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local.corpora.sources import short_names
from local.models import recordings
from local.results.eder import score_all
from local.sed.data.sets import CENTRE, HOP
from local.sed.model.decode import Decoder, decode
from local.sed.model.load import PUBLISHED, load
from utils import audio
from utils.errors import UserError, run_main
from utils.registry import hint
from utils.rttm import Segment, format_rttm, read_rttm
from utils.textgrid import write_textgrid

if TYPE_CHECKING:
    from local.sed.model.diarizer import Diarizer


@dataclass(frozen=True)
class Result:
    """What was found in one recording."""

    path: str
    duration: float  # seconds
    posteriors: np.ndarray  # float32, (frames, emotions), rows sum to 1
    segments: list[Segment]  # from 0 to `duration`
    reference: list[Segment] | None = None
    eder: float | None = None  # the error rate, 0 to 1, where there is a reference

    @property
    def utterance(self) -> str:
        """Its name."""
        return self.segments[0].utterance


def main() -> None:
    """Diarize the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", nargs="+", help="recordings, at least 25 ms long")
    parser.add_argument("--model", required=True, help=f"folder of a model of stage 6, or {PUBLISHED}")
    parser.add_argument("--device", default="cpu", help="where to run, as torch names it: cpu, cuda:0")
    parser.add_argument("--json", action="store_true", help="print JSON instead of RTTM")
    parser.add_argument("--posteriors", action="store_true", help="put the posteriors of every 20 ms into the JSON")
    parser.add_argument("--textgrid", type=Path, metavar="DIR", help="write DIR/<utterance>.TextGrid for Praat")
    parser.add_argument("--picture", type=Path, metavar="DIR", help="write DIR/<utterance>.png")
    parser.add_argument("--reference", type=Path, metavar="RTTM", help="show it beside the hypothesis, with the EDER")
    arguments = parser.parse_args()
    if arguments.posteriors and not arguments.json:
        parser.error("--posteriors goes with --json")
    if arguments.reference and not (arguments.json or arguments.textgrid or arguments.picture):
        parser.error("--reference goes with --json, --textgrid or --picture")
    # What can be wrong with the command line is found before a large model is loaded.
    files = names(arguments.audio)
    for path in files:
        check(path)
    reference = read_reference(arguments.reference, list(files.values())) if arguments.reference else {}
    model = load(arguments.model, arguments.device)
    results, emotions = diarize(model, files, reference), list(model.emotions)
    for result in results:
        if arguments.textgrid:
            # The reference, where there is one, above the hypothesis.
            rows = {"reference": result.reference, "hypothesis": result.segments}
            tiers = {name: [(s.start, s.end, s.label) for s in row] for name, row in rows.items() if row is not None}
            write_textgrid(arguments.textgrid / f"{result.utterance}.TextGrid", result.duration, tiers)
        if arguments.picture:
            draw(arguments.picture / f"{result.utterance}.png", result, emotions)
    if arguments.json:
        print(as_json(results, emotions, arguments.posteriors), end="")
    else:
        print(format_rttm(segment for result in results for segment in result.segments), end="")


def names(paths: Sequence[str]) -> dict[str, str]:
    """Name recordings as shortly as keeps them apart (local/corpora/sources.py), white space turned to ``_``.

    A file that is given twice counts once.

    Raises
    ------
    UserError
        Two files would have the same name.

    Examples
    --------
    >>> names(["x/a.wav", "x/b c.flac", "x/../x/a.wav"])
    {'x/a.wav': 'a', 'x/b c.flac': 'b_c'}
    """
    whole: dict[str, str] = {}
    for path in paths:
        whole.setdefault(os.path.abspath(path), path)
    found: dict[str, str] = {}
    for place, short in short_names(whole).items():
        name = "_".join(short.split())
        if name in found:
            raise UserError(f"{found[name]} and {whole[place]} would both be called {name}; rename one")
        found[name] = whole[place]
    return {path: name for name, path in found.items()}


def check(path: str) -> None:
    """Raise a UserError that names the file if it is missing, not audio, truncated, or too short for one frame."""
    header = audio.verify(path)
    if header.duration < 2 * CENTRE:
        raise UserError(f"{path}: {header.duration:.3f} s is too short to diarize; it takes at least 0.025 s")


def read_reference(path: Path, utterances: Sequence[str]) -> dict[str, list[Segment]]:
    """Read an RTTM file that must hold the utterances; one that it lacks is a UserError."""
    reference = read_rttm(path)
    for utterance in utterances:
        if utterance not in reference:
            mend = hint(utterance, reference)
            raise UserError(f"{path}: has no utterance '{utterance}', which is called like its file; {mend}")
    return {utterance: reference[utterance] for utterance in utterances}


def diarize(model: Diarizer, files: dict[str, str], reference: dict[str, list[Segment]] | None = None) -> list[Result]:
    """Run a model on recordings, whose names are given by file; the results are in their order.

    The model's decoder smooths; without one each frame has its likeliest emotion. With a reference, by utterance, the
    results are scored.

    Raises
    ------
    UserError
        A file cannot be read, or is too short for the model; a reference does not fit its recording.
    """

    def find(path: str, samples: np.ndarray) -> Result:
        duration, posteriors = len(samples) / audio.SAMPLE_RATE, model.posteriors(samples)
        segments = decode(posteriors, files[path], duration, model.emotions, model.decoder or Decoder())
        return Result(path, duration, posteriors, segments)

    results = list(recordings.each(list(files), find, "diarize"))
    return [_scored(result, reference[result.utterance]) for result in results] if reference else results


def _scored(result: Result, reference: list[Segment]) -> Result:
    name = result.utterance
    score = score_all({name: reference}, {name: result.segments}, {name: result.duration})[name]
    return dataclasses.replace(result, reference=reference, eder=score.rate)


def as_json(results: Sequence[Result], emotions: Sequence[str], posteriors: bool) -> str:
    """Turn results into a line of JSON; times are in seconds, rounded to milliseconds as in RTTM.

    With posteriors (columns: ``emotions``), rows are ``frame_hop`` seconds apart, the first centred at ``first_frame``.
    """
    utterances = []
    for result in results:
        entry: dict[str, Any] = {
            "utterance": result.utterance, "path": result.path, "duration": round(result.duration, 3),
            "segments": [
                {"start": round(segment.start, 3), "end": round(segment.end, 3), "emotion": segment.label}
                for segment in result.segments
            ],
        }  # fmt: skip
        if result.eder is not None:
            entry["eder"] = round(result.eder, 6)
        if posteriors:
            entry["posteriors"] = [[round(value, 5) for value in row] for row in result.posteriors.tolist()]
        utterances.append(entry)
    frames = {"frame_hop": HOP, "first_frame": CENTRE} if posteriors else {}
    return json.dumps({"emotions": list(emotions), **frames, "utterances": utterances}, ensure_ascii=False) + "\n"


def draw(path: Path, result: Result, emotions: Sequence[str]) -> None:
    """Draw one result."""
    from local.sed.score import picture

    title = result.utterance if result.eder is None else f"{result.utterance}: EDER {100 * result.eder:.1f}%"
    picture.save(
        path, audio.load(result.path), result.posteriors, emotions, result.segments, result.reference, title
    )  # fmt: skip


if __name__ == "__main__":
    run_main(main)
