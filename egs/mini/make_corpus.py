#!/usr/bin/env python3
"""Make the bundled corpus: formant-synthesised "emotional" speech in five languages.

    cd egs/mini && python3 make_corpus.py corpus

Needs the espeak-ng command. Every voice says every sentence of local/sentences.tsv in four manners. A manner
is a shift of speaking rate, pitch, pitch range, loudness and spectral tilt: one part that all languages
share, one of the language, one of the voice, and a jitter of the utterance. The language's own part is what
makes crossing languages cost something. The shipped files were made with eSpeak NG 1.51; another version
speaks a little differently.

Makes, under the named folder: <language>/<voice>.ogg (all utterances of one voice, silence between them),
metadata.tsv, and for emotion changes at known times <language>/<voice>-sed.ogg, sed.tsv and sed.rttm.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
RATE = 16000
EMOTIONS = ("angry", "happy", "neutral", "sad")
ESPEAK = {"zh": "cmn-latn-pinyin", "de": "de", "en": "en-us", "bn": "bn", "th": "th"}
# eSpeak NG's voice variants: f* female, m* male. No two voices of a language share one.
VARIANTS = {
    "zh": ("f1", "f2", "f3", "m1", "m3", "m6"),
    "de": ("f1", "f2", "f4", "m1", "m2", "m6"),
    "en": ("f1", "f2", "f3", "m2", "m3", "m6"),
    "bn": ("f1", "f2", "f3", "m1", "m2", "m6"),
    "th": ("f1", "f2", "f4", "m1", "m2", "m3"),
}
PACE = 0.14  # log speaking rate of everybody: a little brisk, to keep the files small
GAP = 0.15  # seconds of silence between the utterances of a recording
PAUSE = 0.10  # seconds between the spans of a recording whose emotion changes
SED_ORDERS = ("neutral emotional", "emotional neutral", "neutral emotional neutral", "emotional")

# Columns: log speaking rate, pitch (semitones), log pitch range, loudness (dB), tilt above 1.5 kHz (dB).
MANNER = {
    "angry": (0.18, 2.0, 0.30, 4.0, 9.0),
    "happy": (0.08, 6.0, 0.70, 1.5, 2.5),
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0),
    "sad": (-0.22, -2.0, -0.70, -3.0, -7.5),
}
LANGUAGE_SPREAD = np.array((0.08, 1.5, 0.25, 1.8, 3.0))
VOICE_SPREAD = np.array((0.03, 0.4, 0.10, 0.7, 0.8))
UTTERANCE_SPREAD = np.array((0.06, 0.6, 0.15, 1.6, 0.8))
IDENTITY_SPREAD = np.array((0.06, 0.6, 0.10, 1.2, 0.8))  # of a voice, whatever its manner


class Sentence(NamedTuple):
    """A sentence as written, and as eSpeak NG is given it (pinyin for Mandarin)."""

    name: str
    text: str
    spoken: str


class Voice(NamedTuple):
    """A synthetic speaker."""

    name: str
    language: str
    variant: str

    @property
    def gender(self) -> str:
        """``f`` or ``m``."""
        return self.variant[0]


def voices(language: str) -> list[Voice]:
    """List the voices of a language."""
    return [Voice(f"{language}{n}", language, variant) for n, variant in enumerate(VARIANTS[language], 1)]


def sentences(language: str) -> list[Sentence]:
    """List the sentences of a language."""
    with open(HERE / "local" / "sentences.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"] == language]
    return [Sentence(row["sentence"], row["text"], row["spoken"] or row["text"]) for row in rows]


def generator(*key: object) -> np.random.Generator:
    """Make a random generator that depends on nothing but the key."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, key)).encode()))


def manner(voice: Voice, emotion: str, utterance: str) -> np.ndarray:
    """Draw how one utterance is spoken: the five columns of MANNER."""
    draw = np.zeros(len(LANGUAGE_SPREAD))
    for spread, key in (
        (LANGUAGE_SPREAD, ("language", voice.language, emotion)),
        (VOICE_SPREAD, ("voice", voice.name, emotion)),
        (IDENTITY_SPREAD, ("identity", voice.name)),
        (UTTERANCE_SPREAD, ("utterance", utterance)),
    ):
        draw += spread * np.clip(generator(*key).standard_normal(len(spread)), -2, 2)
    return np.array(MANNER[emotion]) + draw


def synthesise(voice: Voice, emotion: str, sentence: Sentence, utterance: str) -> np.ndarray:
    """Speak one utterance.

    Returns
    -------
    ndarray of float64, shape (samples,)
        16 kHz, without silence around it.
    """
    from scipy.signal import resample_poly

    rate, pitch, span, loudness, tilt = manner(voice, emotion, utterance)
    rate += PACE
    markup = (
        f'<speak><prosody rate="{100 * np.exp(rate):.0f}%" pitch="{100 * (2 ** (pitch / 12) - 1):+.0f}%" '
        f'range="{100 * (np.exp(span) - 1):+.0f}%">{sentence.spoken}</prosody></speak>'
    )
    command = ["espeak-ng", "-v", f"{ESPEAK[voice.language]}+{voice.variant}", "-m", "-z", "--stdin", "--stdout"]
    output = subprocess.run(command, input=markup.encode(), capture_output=True, check=True).stdout
    # eSpeak NG writes 22,050 Hz, and a header whose length fields are those of an endless stream.
    speech = resample_poly(np.frombuffer(output[44:], "<i2") / 32768.0, 320, 441)
    loud = np.flatnonzero(np.abs(speech) > 0.01)
    return colour(speech[loud[0] : loud[-1] + 1], voice, loudness, tilt, utterance)


def colour(speech: np.ndarray, voice: Voice, loudness: float, tilt: float, utterance: str) -> np.ndarray:
    """Give speech its spectral tilt, loudness, the voice's room and a little noise."""
    from scipy.signal import fftconvolve, lfilter

    # A first-order high shelf: the part above 1.5 kHz, scaled and put back.
    pole = np.exp(-2 * np.pi * 1500 / RATE)
    low = lfilter([1 - pole], [1, -pole], speech)
    speech = low + 10 ** (tilt / 20) * (speech - low)
    room = generator("room", voice.name)
    decay = room.uniform(0.02, 0.06)
    time = np.arange(int(4 * decay * RATE)) / RATE
    response = room.standard_normal(len(time)) * np.exp(-time / decay)
    response *= 10 ** (room.uniform(-20, -14) / 20) / np.sqrt((response**2).sum())
    response[0] = 1.0
    speech = fftconvolve(speech, response)
    speech *= 10 ** ((-27 + loudness) / 20) / np.sqrt((speech**2).mean())
    noise = lfilter([1], [1, -0.9], generator("noise", utterance).standard_normal(len(speech)))
    fade = np.minimum(1, np.minimum(np.arange(len(speech)), np.arange(len(speech))[::-1]) / (0.01 * RATE))
    return np.clip((speech + 10 ** (room.uniform(-70, -62) / 20) * noise) * fade, -0.99, 0.99)


def write_audio(path: Path, pieces: list[np.ndarray]) -> None:
    """Write pieces one after another as Ogg/Vorbis at its lowest quality.

    Vorbis, not Opus, which would be half the size: seeking in Vorbis is sample-exact.
    """
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", RATE, 1, format="OGG", subtype="VORBIS", compression_level=1.0) as file:
        for piece in pieces:
            file.write(piece)


def make_voice(folder: Path, voice: Voice, script: list[Sentence]) -> list[dict]:
    """Write one voice's recording; return its rows of metadata.tsv."""
    silence = np.zeros(round(GAP * RATE))
    rows, pieces, position = [], [silence], len(silence)
    for sentence in script:
        for emotion in EMOTIONS:
            utterance = f"{voice.name}-{sentence.name}-{emotion}"
            speech = synthesise(voice, emotion, sentence, utterance)
            rows.append({
                "recording": voice.name, "utterance": utterance, "speaker": voice.name, "gender": voice.gender,
                "language": voice.language, "emotion": emotion, "sentence": f"{voice.language}-{sentence.name}",
                "start": f"{position / RATE:.4f}", "end": f"{(position + len(speech)) / RATE:.4f}",
                "text": sentence.text,
            })  # fmt: skip
            pieces += [speech, silence]
            position += len(speech) + len(silence)
    write_audio(folder / voice.language / f"{voice.name}.ogg", pieces)
    return rows


def make_changes(folder: Path, voice: Voice, script: list[Sentence], first: int, count: int) -> tuple[list, list]:
    """Write one voice's recording of utterances whose emotion changes; return rows of sed.tsv and lines of RTTM."""
    silence, pause = np.zeros(round(GAP * RATE)), np.zeros(round(PAUSE * RATE))
    rows, lines, pieces, position = [], [], [silence], len(silence)
    for number in range(first, first + count):
        emotion = ("angry", "happy", "sad")[number % 3]
        utterance = f"{voice.name}-sed{number - first + 1}"
        parts = [emotion if word == "emotional" else "neutral" for word in SED_ORDERS[number % len(SED_ORDERS)].split()]
        said = generator("sentences", utterance).permutation(len(script))
        length = 0
        for place, part in enumerate(parts):
            speech = synthesise(voice, part, script[said[place]], f"{utterance}-{place}")
            # The pause belongs to the span before it, so that the spans cover the utterance.
            piece = speech if place == len(parts) - 1 else np.concatenate([speech, pause])
            lines.append(
                f"SPEAKER {utterance} 1 {length / RATE:.4f} {len(piece) / RATE:.4f} <NA> <NA> {part} <NA> <NA>"
            )
            pieces.append(piece)
            length += len(piece)
        rows.append({
            "recording": f"{voice.name}-sed", "utterance": utterance, "speaker": voice.name, "gender": voice.gender,
            "language": voice.language, "emotion": emotion,
            "start": f"{position / RATE:.4f}", "end": f"{(position + length) / RATE:.4f}",
        })  # fmt: skip
        pieces.append(silence)
        position += length + len(silence)
    write_audio(folder / voice.language / f"{voice.name}-sed.ogg", pieces)
    return rows, lines


def write_table(path: Path, rows: list[dict]) -> None:
    """Write rows as tab-separated values with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def make(folder: Path, languages: tuple[str, ...], voices_each: int, sentences_each: int) -> None:
    """Make the corpus, or its first voices and sentences, in a folder."""
    utterances, changes, spans = [], [], []
    changing = 0
    for language in languages:
        script = sentences(language)[:sentences_each]
        chosen = voices(language)[:voices_each]
        for place, voice in enumerate(chosen):
            utterances += make_voice(folder, voice, script)
            count = 2 if place % 3 == 0 else 1
            rows, lines = make_changes(folder, voice, script, changing, count)
            changing += count
            changes += rows
            spans += lines
        print(f"{language}: {len(chosen)} voices", file=sys.stderr)
    write_table(folder / "metadata.tsv", utterances)
    write_table(folder / "sed.tsv", changes)
    (folder / "sed.rttm").write_text("".join(f"{line}\n" for line in spans), encoding="utf-8")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write; the shipped corpus is egs/mini/corpus")
    parser.add_argument("--languages", nargs="+", choices=sorted(ESPEAK), default=list(ESPEAK))
    parser.add_argument("--voices", type=int, default=6, help="of each language, at most 6")
    parser.add_argument("--sentences", type=int, default=8, help="of each language, at most 8")
    arguments = parser.parse_args()
    try:
        make(arguments.folder, tuple(arguments.languages), arguments.voices, arguments.sentences)
    except FileNotFoundError as error:
        if error.filename != "espeak-ng":
            raise
        print("error: espeak-ng is not installed: apt-get install espeak-ng", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
