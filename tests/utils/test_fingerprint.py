"""Fingerprints find copies whatever was done to them, and tell apart what is only alike."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from tests.benchmarks.fingerprints import CORPORA, FAULTS, measure
from utils import audio, fingerprint
from utils.table import read_text


def bundled(repo: Path) -> list[tuple[np.ndarray, int]]:
    """Speech that the repository holds: what the first German voice says, which is synthetic."""
    header, *rows = (line.split("\t") for line in read_text(repo / "egs/mini/corpus/metadata.tsv").splitlines())
    rows = [dict(zip(header, row, strict=True)) for row in rows]
    return [
        audio.read(repo / f"egs/mini/corpus/de/{row['recording']}.ogg", float(row["start"]), float(row["end"]))
        for row in rows if row["recording"] == "de1"
    ]  # fmt: skip


@pytest.mark.integration
def test_every_fault_is_found_on_bundled_speech_and_nothing_else(repo: Path) -> None:
    signals = bundled(repo)
    signals = [signal for signal in signals if len(signal[0]) > 1.2 * signal[1]]
    assert len(signals) >= 10
    prints = [fingerprint.fingerprint(*signal) for signal in signals]
    assert fingerprint.copies(prints) == []
    for name, fault in FAULTS.items():
        altered = [fingerprint.fingerprint(*fault(signal)) for signal in signals]
        found = {(one, other) for one, other, _ in fingerprint.copies([*prints, *altered])}
        wanted = {(place, place + len(signals)) for place in range(len(signals))}
        assert found <= wanted, name
        assert len(found) >= 0.9 * len(wanted), (name, len(found), len(wanted))


def test_gain_changes_no_bit_and_silence_has_none() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(16000).astype(np.float32)
    assert (fingerprint.fingerprint(noise, 16000) == fingerprint.fingerprint(noise / 8, 16000)).all()
    assert not fingerprint.fingerprint(np.zeros(16000, np.float32), 16000).any()
    assert fingerprint.copies([fingerprint.fingerprint(np.zeros(16000, np.float32), 16000)] * 2) == []
    assert len(fingerprint.fingerprint(noise[:3000], 16000)) == len(fingerprint.fingerprint(noise[:100], 16000)) == 0
    assert fingerprint.copies([]) == []


@pytest.mark.parametrize("factor", [2, 4, 7])
def test_the_filter_that_is_kept_is_scipys_own(factor: int) -> None:
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    own = resample_poly(samples, 1, factor, window=fingerprint._taps(factor))
    assert np.array_equal(own, resample_poly(samples, 1, factor))


def test_excerpts_that_overlap_are_copies_and_neighbours_are_not() -> None:
    rng = np.random.default_rng(1)
    whole = rng.standard_normal(16000 * 6).astype(np.float32)
    cuts = [whole[16000 * first : 16000 * last] for first, last in ((0, 3), (2, 4), (4, 6))]
    found = fingerprint.copies([fingerprint.fingerprint(cut, 16000) for cut in cuts])
    assert [pair for *pair, _ in found] == [[0, 1]] and found[0][2] < 0.05


def test_large_groups_are_connected() -> None:
    rng = np.random.default_rng(2)
    wave = rng.standard_normal(24000).astype(np.float32)
    prints = [fingerprint.fingerprint(wave[shift:], 16000) for shift in range(0, 3000, 50)]
    prints.append(fingerprint.fingerprint(rng.standard_normal(24000).astype(np.float32), 16000))
    assert fingerprint.groups([(a, b) for a, b, _ in fingerprint.copies(prints)]) == [list(range(60))]


def test_searching_does_not_compare_every_pair() -> None:
    """Ten thousand recordings of random words, two of which are copies: their 50 million pairs would take an hour."""
    rng = np.random.default_rng(3)
    prints = list(rng.integers(1, 1 << 32, (10_000, 150), dtype=np.uint32))
    prints[7000] = prints[5].copy()
    prints[7000][::3] ^= 1 << 7
    begin = time.process_time()
    assert fingerprint.copies(prints) == [(5, 7000, pytest.approx(1 / 96))]
    assert time.process_time() - begin < 60


@pytest.mark.integration
def test_real_speech_copies_are_found_and_second_takes_are_not(corpora: Path) -> None:
    """Some utterances of four corpora, altered in all ways; the table in docs/audit.md is of more of them."""
    paths = [path for name, files in CORPORA.items() for path in sorted((corpora / name).glob(files))[::8]]
    # The same actors say the same sentence in the same manner twice: all takes of four of them.
    paths += [path for actor in ("01", "23", "24") for path in sorted((corpora / f"ravdess/Actor_{actor}").glob("*"))]
    rows, _ = measure(sorted(set(paths)), 12)
    assert [row["false_alarms"] for row in rows] == [0] * len(rows)
    recall = {row["fault"]: float(row["recall"]) for row in rows if row["recall"]}
    hardest = list(FAULTS)[-1]
    assert min(value for name, value in recall.items() if name != hardest) >= 0.97
    assert recall[hardest] >= 0.8
