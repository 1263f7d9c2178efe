"""Plant copies of real speech and count which utils/fingerprint.py finds: tests/benchmarks/fingerprints.csv.

Run in the repository (minutes, one process; always the same numbers)::

    . ./path.sh; python3 -m tests.benchmarks.fingerprints [--corpora DIR] [--every 3]

Reads emodb, ravdess, urdu and nemo of ``--corpora``. Every third utterance is altered in each way of ``FAULTS``, and
all originals are searched together with what was altered in one way, and with everything. An altered one is found if it
is paired with what it was made of. A false alarm is a pair of originals, or of what was made of two, whose waveforms
are not the same where they lie over each other (correlation 0.8: a measure that knows nothing of fingerprints). RAVDESS
has every sentence twice by the same person in the same manner: pairs that are alike, and no copies.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import time
from collections.abc import Callable
from math import gcd
from pathlib import Path

import numpy as np

from utils import audio, fingerprint
from utils.atomic import atomic_file
from utils.errors import run_main

RESULTS = Path(__file__).with_name("fingerprints.csv")
CORPORA = {"emodb": "wav/*.wav", "ravdess": "Actor_*/*.wav", "urdu": "*/*.wav", "nemo": "samples/*"}
SAME = 0.8

Signal = tuple[np.ndarray, int]


def gain(signal: Signal, factor: float) -> Signal:
    """Make it louder."""
    return signal[0] * np.float32(factor), signal[1]


def trim(signal: Signal, before: float, after: float) -> Signal:
    """Cut off so many seconds at the ends."""
    samples, rate = signal
    return samples[round(before * rate) : len(samples) - round(after * rate)], rate


def resampled(signal: Signal, rate: int) -> Signal:
    """Change the sampling rate."""
    from scipy.signal import resample_poly

    common = gcd(signal[1], rate)
    return resample_poly(signal[0], rate // common, signal[1] // common).astype(np.float32), rate


def noisy(signal: Signal, ratio: float) -> Signal:
    """Add white noise, so many dB below."""
    samples, rate = signal
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples))
    return (samples + noise * samples.std() * 10 ** (-ratio / 20)).astype(np.float32), rate


def coded(signal: Signal, container: str, codec: str) -> Signal:
    """Write and read it again, with libsndfile's default quality."""
    import soundfile

    # Opus knows these rates only.
    samples, rate = signal if codec != "OPUS" or signal[1] in (8000, 16000, 24000, 48000) else resampled(signal, 24000)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=codec)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


def mp3(signal: Signal) -> Signal:
    """Code as MP3."""
    return coded(signal, "MP3", "MPEG_LAYER_III")


def opus(signal: Signal) -> Signal:
    """Code as Opus."""
    return coded(signal, "OGG", "OPUS")


FAULTS: dict[str, Callable[[Signal], Signal]] = {
    "gain -12 dB": lambda s: gain(s, 0.25),
    "trimmed 10 + 10 ms": lambda s: trim(s, 0.010, 0.010),
    "trimmed 35 + 50 ms": lambda s: trim(s, 0.0353, 0.050),
    "trimmed 90 + 90 ms": lambda s: trim(s, 0.090, 0.090),
    "MP3": mp3,
    "Ogg Vorbis": lambda s: coded(s, "OGG", "VORBIS"),
    "Opus": opus,
    "noise 30 dB below": lambda s: noisy(s, 30),
    "noise 20 dB below": lambda s: noisy(s, 20),
    "8 kHz": lambda s: resampled(s, 8000),
    "22.05 kHz": lambda s: resampled(s, 22050),
    "44.1 kHz": lambda s: resampled(s, 44100),
    "gain, trimmed 23 + 40 ms, MP3": lambda s: mp3(trim(gain(s, 0.4), 0.023, 0.040)),
    "22.05 kHz, noise 20 dB below, Ogg Vorbis": lambda s: coded(noisy(resampled(s, 22050), 20), "OGG", "VORBIS"),
    "trimmed 18 + 30 ms, 8 kHz, noise 20 dB below, Opus": lambda s: opus(
        noisy(resampled(trim(s, 0.0177, 0.030), 8000), 20)
    ),
}


def correlation(one: Signal, other: Signal) -> float:
    """Correlate two signals where they lie over each other best, over their common part."""
    from scipy.signal import fftconvolve

    (a, _), (b, _) = resampled(one, 16000), resampled(other, 16000)
    lag = int(np.abs(fftconvolve(a, b[::-1])).argmax()) - len(b) + 1
    first, last = max(0, lag), min(len(a), len(b) + lag)
    a, b = a[first:last], b[first - lag : last - lag]
    return float(abs(a @ b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def measure(paths: list[Path], every: int) -> tuple[list[dict], list[str]]:
    """Plant and look for copies.

    Parameters
    ----------
    paths : list of Path
        Recordings.
    every : int
        Of which each so many is altered.

    Returns
    -------
    list of dict
        A row a fault, one for the originals alone and one for everything together, as the CSV file has them.
    list of str
        What is to be known besides.
    """
    signals = [audio.read(path) for path in paths]
    begin = time.process_time()
    originals = [fingerprint.fingerprint(*signal) for signal in signals]
    spent = time.process_time() - begin
    chosen = list(range(0, len(paths), every))
    altered = {
        name: [fingerprint.fingerprint(*fault(signals[place])) for place in chosen] for name, fault in FAULTS.items()
    }
    everything = [own for name in FAULTS for own in altered[name]]
    searches = {"none": ([], []), **{name: (altered[name], chosen) for name in FAULTS}}
    searches["all together"] = everything, chosen * len(FAULTS)
    rows, alike = [], {}
    for name, (copies, places) in searches.items():
        source = [*range(len(paths)), *places]
        begin = time.process_time()
        pairs = {(one, other) for one, other, _ in fingerprint.copies([*originals, *copies])}
        searched = time.process_time() - begin
        # What the corpora themselves hold twice is no false alarm.
        apart = {tuple(sorted((source[one], source[other]))) for one, other in pairs if source[one] != source[other]}
        alike |= {pair: correlation(*(signals[place] for place in pair)) for pair in apart - alike.keys()}
        found = sum((place, len(paths) + number) in pairs for number, place in enumerate(places))
        one_fault = name in FAULTS
        rows.append(
            {
                "fault": name, "searched": len(source), "planted": len(copies), "found": found if one_fault else "",
                "recall": f"{found / len(copies):.4f}" if one_fault else "",
                "false_alarms": sum(alike[pair] < SAME for pair in apart),
            }
        )  # fmt: skip
    notes = [f"{paths[one]} {paths[other]}: correlation {value:.3f}" for (one, other), value in sorted(alike.items())]
    notes.append(f"{len(paths) / spent:.0f} fingerprints a second; {len(source)} searched in {searched:.1f} s")
    return rows, notes


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("XSER_TEST_CORPORA", str(Path(__file__).parents[3] / "shared/corpora"))
    parser.add_argument("--corpora", type=Path, default=Path(shared), help=f"folder of corpora (default: {shared})")
    parser.add_argument("--every", type=int, default=3, help="alter each so many utterances (default: 3)")
    arguments = parser.parse_args()
    paths = [path for name, files in CORPORA.items() for path in sorted((arguments.corpora / name).glob(files))]
    rows, notes = measure(paths, arguments.every)
    for note in notes:
        print(note.replace(f"{arguments.corpora}/", ""))
    with atomic_file(RESULTS) as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    run_main(main)
