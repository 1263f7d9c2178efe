"""Zaion Emotion Dataset (ZED): English from videos on the web, not acted, with the times of the emotion.

``ZED.json`` holds ``{id: {wav, duration, emotion: [{emo, start, end}], transcription}}``, all but ``transcription``
required; ``datafolder`` at the beginning of ``wav`` stands for the corpus's root. Every utterance has one stretch of
happy, sad or angry speech. What no stretch covers is neutral, and becomes a span too, so that the spans cover the
utterance. The utterance's emotion is the one heard longest apart from neutral, of equally long ones the first; neutral
where there is no other.

No documented field names the speaker. What stands before the last ``_`` of an id is taken for the speaker, and the
whole id where there is none; the count of speakers, 73 in the whole corpus, tells whether that holds for a copy.
Sources: https://github.com/BenoitWang/Speech_Emotion_Diarization; Wang, Ravanelli & Yacoubi, "Speech emotion
diarization: Which emotion appears when?", ASRU 2023 (arXiv:2306.12991).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from local.corpora.records import Excluded, Span, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root
from utils.errors import UserError
from utils.table import read_json

LAYOUT = "ZED.json and the files that it names after datafolder/"
_NEUTRAL = "neutral"
_SAME = 0.001  # two times of the annotation that differ by less are one, written with different precision


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold ZED."""
    if not (root / "ZED.json").is_file():
        raise wrong_root(root, LAYOUT, "there is no ZED.json")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of ZED.json, then the files that it does not name."""
    # Some copies have a folder of that name.
    folder = root / "datafolder" if (root / "datafolder").is_dir() else root
    named = set()
    for name, entry in _entries(root / "ZED.json").items():
        try:
            path = folder / entry["wav"].removeprefix("datafolder/")
            named.add(path)
            spans = tuple(_tile(entry["emotion"], float(entry["duration"])))
            text = entry.get("transcription") or ""
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            yield Excluded(f"ZED.json {name}", "entry not understood, or its times are not in order")
            continue
        yield Utterance(
            name=name, speaker=name.rpartition("_")[0] or name, path=path, emotion=_heard_longest(spans),
            text=str(text), spans=spans,
        )  # fmt: skip
    for path in audio_files(root):
        if path not in named:
            yield Excluded(path.relative_to(root).as_posix(), "not in ZED.json")


def _entries(path: Path) -> dict[str, Any]:
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected an object with an entry for every utterance")
    return entries


def _tile(events: Iterable[dict[str, Any]], duration: float) -> Iterator[Span]:
    """Yield the emotional stretches and, as neutral, what lies between, before and after them."""
    covered = 0.0
    for event in sorted(events, key=lambda event: float(event["start"])):
        start, end = float(event["start"]), float(event["end"])
        if start - covered >= _SAME:
            yield Span(covered, start - covered, _NEUTRAL)
            covered = start
        end = duration if abs(duration - end) < _SAME else end
        if not start > covered - _SAME or not end > covered:
            raise ValueError("stretches overlap, or one is empty")
        yield Span(covered, end - covered, str(event["emo"]))
        covered = end
    if duration > covered:
        yield Span(covered, duration - covered, _NEUTRAL)


def _heard_longest(spans: Iterable[Span]) -> str:
    heard = Counter()
    for span in spans:
        if span.emotion.casefold() != _NEUTRAL:
            heard[span.emotion] += span.duration
    return heard.most_common(1)[0][0] if heard else _NEUTRAL
