"""Decode a corpus's audio once: a digest and a fingerprint of every utterance, and what is odd about its samples."""

from __future__ import annotations

import csv
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from utils import audio, stamp
from utils.atomic import atomic_file
from utils.data_dir import UNKNOWN, Utterance, read_utterances
from utils.errors import UserError
from utils.table import format_table

if TYPE_CHECKING:
    import numpy as np

TABLE, PRINTS = "audit/digests.tsv", "audit/fingerprints.npz"  # in the data directory
# Decoding releases Python's lock; more threads than cores hide the waiting for disks.
THREADS = 8
SILENT_PEAK = 1e-4  # -80 dB of full scale
FULL_SCALE = 0.999
CLIPPED_SHARE = 0.001


class Digest(NamedTuple):
    """What decoding one utterance showed.

    ``samples`` is a hash of the decoded samples, empty if they could not be decoded; ``problem`` is empty, or one
    of ``unreadable: ...``, ``near silent``, ``clipped``; ``level`` is the root mean square in dB of full scale, empty
    where nothing sounds.
    """

    utterance: str
    samples: str
    problem: str
    level: str = ""


def ensure(data_dir: Path) -> None:
    """Decode a prepared corpus's audio, unless that has been done: :data:`TABLE`, :data:`PRINTS` and ``utt2digest``."""
    folder, table = data_dir / "audit", data_dir / "utt2digest"
    # The data directory's own stamp changes when any audio file does.
    done = stamp.make({}, ["local.splits.digests"], [data_dir / name for name in ("wav.scp", "segments", ".done")])
    if table.is_file() and stamp.why_stale(folder, done) is None:
        return
    found, prints = digest_all(data_dir)
    write(data_dir, found, prints)
    with atomic_file(table) as file:
        file.write(format_table(table, {one.utterance: one.samples or UNKNOWN for one in found}))
    stamp.write(folder, done)


def digest_all(data_dir: Path) -> tuple[list[Digest], list[np.ndarray]]:
    """Decode every utterance of a data directory, in parallel; the order of both lists is that of ``utt2spk``."""
    from tqdm import tqdm

    utterances = read_utterances(data_dir)
    with ThreadPoolExecutor(THREADS) as pool:
        made = tqdm(pool.map(_digest, utterances), f"decoding {data_dir}", len(utterances), False, disable=None)
        digests, prints = zip(*made, strict=True)
    return list(digests), list(prints)


def write(data_dir: Path, digests: list[Digest], prints: list[np.ndarray]) -> None:
    """Write digests as a TSV file with a header, fingerprints as one array and their lengths."""
    import numpy as np

    with atomic_file(data_dir / PRINTS, "wb") as file:
        np.savez(file, words=np.concatenate(prints), lengths=[len(own) for own in prints])
    with atomic_file(data_dir / TABLE) as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(Digest._fields)
        writer.writerows(digests)


def read(path: Path) -> list[Digest]:
    """Read the digests that :func:`write` wrote."""
    with open(path, encoding="utf-8", newline="") as file:
        return [Digest(*row) for row in list(csv.reader(file, delimiter="\t"))[1:]]


def read_prints(path: Path) -> list[np.ndarray]:
    """Read the fingerprints that :func:`write` wrote, in the order of the digests."""
    import numpy as np

    with np.load(path) as file:
        return np.split(file["words"], np.cumsum(file["lengths"])[:-1])


def _digest(utterance: Utterance) -> tuple[Digest, np.ndarray]:
    import numpy as np

    from utils import fingerprint

    try:
        # At the file's own rate: resampling is deterministic, so it would find the same duplicates, slowly.
        samples, rate = audio.read(utterance.source, utterance.start, utterance.end)
    except UserError as error:
        return Digest(utterance.id, "", f"unreadable: {error}"), np.zeros(0, np.uint32)
    loudness = np.abs(samples)
    if loudness.max() < SILENT_PEAK:
        problem = "near silent"
    elif (loudness >= FULL_SCALE).mean() > CLIPPED_SHARE:
        problem = "clipped"
    else:
        problem = ""
    power = np.square(samples, dtype=np.float64).mean()
    digest = hashlib.sha256(f"{rate} ".encode() + samples.tobytes()).hexdigest()[:32]
    level = f"{10 * np.log10(power):.3f}" if power else ""
    return Digest(utterance.id, digest, problem, level), fingerprint.fingerprint(samples, rate)
