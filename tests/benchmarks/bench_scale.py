"""A million utterances through validate, split, subset, folds, audit and plan: minutes, and memory that a laptop has.

Their audio is made up, as what decoding it leaves: digests, levels and fingerprints. Among them are planted copies,
which the audit must find.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from local.splits import digests
from tests.conftest import REPO
from utils import fingerprint, stamp
from utils.data_dir import write_data_dir

UTTERANCES, SPEAKERS, SENTENCES, COPIES = 1_000_000, 2_000, 5_000, 100
EMOTIONS = ("angry", "happy", "neutral", "sad")
FEWER = 10  # the reference is linear growth from so many times fewer
RECIPE = """corpora: [large]
encoders: [duration]
split: {folds: 5}
probe: {heads: [logreg]}
"""
COMMANDS = {
    "validate": ["utils.data_dir_tools", "validate", "data/large"],
    "split": ["utils.data_dir_tools", "split", "data/large", "8"],
    "subset": ["utils.data_dir_tools", "subset", "data/large", "{}", "half"],
    "folds": ["local.splits.make"],
    "audit": ["local.splits.audit"],
    "plan": ["local.plan"],
}


def run(work: Path) -> list[dict]:
    """Run the commands on a corpus, and on one that is smaller.

    Parameters
    ----------
    work : Path
        Scratch folder.

    Returns
    -------
    list of dict
        A row of processor seconds, and one of peak memory.
    """
    return _rows(*(_commands(work / str(number), number) for number in (UTTERANCES // FEWER, UTTERANCES)))


def _rows(small: dict[str, tuple[float, float]], large: dict[str, tuple[float, float]]) -> list[dict]:
    """Set what :func:`_commands` gives of both beside each other."""
    ours, reference = sum(cpu for cpu, _ in large.values()), FEWER * sum(cpu for cpu, _ in small.values())
    peak, before = max(peak for _, peak in large.values()), FEWER * max(peak for _, peak in small.values())
    each = "; ".join(f"{name} {cpu:.0f} s, {own:.0f} MB" for name, (cpu, own) in large.items())
    note = f"{UTTERANCES} utterances of {SPEAKERS} speakers, each command in a process of its own: {each}"
    return [
        {
            "name": "scale_1000000", "ours_s": round(ours, 1), "reference_s": round(reference, 1),
            "ratio": round(reference / ours, 2), "target": "ours in minutes",
            "note": f"{note}; the reference is {FEWER} times what {UTTERANCES // FEWER} take; processor seconds",
        },
        {
            "name": "scale_1000000_memory", "ours_mb": round(peak), "reference_mb": round(before),
            "ratio": round(before / peak, 2), "target": "stated",
            "note": f"peak of the largest of these processes; the reference is {FEWER} times that of "
            f"{UTTERANCES // FEWER}",
        },
    ]  # fmt: skip


def _commands(root: Path, number: int) -> dict[str, tuple[float, float]]:
    """Run all commands: of each, processor seconds, and the peak of its memory in MB."""
    root.mkdir()
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    # In a process of its own: the memory of a child is never less than what its parent had when it began.
    subprocess.run([sys.executable, "-m", __name__, str(number)], cwd=root, env=environment, check=True)
    found = {}
    for name, words in COMMANDS.items():
        with open(root / f"{name}.log", "w+", encoding="utf-8") as log:
            words = [word.format(number // 2) for word in words]
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, (root / f"{name}.log").read_text()[-2000:]
        found[name] = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
        print(f"  {number} utterances, {name}: {found[name][0]:.1f} s, {found[name][1]:.0f} MB", flush=True)
    audio = json.loads((root / "data/large/audit.json").read_text(encoding="utf-8"))["audio"]
    assert (len(audio["duplicates"]), len(audio["near_duplicates"])) == (COPIES, COPIES)
    return found


def make(number: int) -> None:
    """Write, here, a recipe with a corpus of so many utterances, as stage 1 leaves it after decoding the audio."""
    for name, text in {"experiment": RECIPE, "corpora": "large: {module: table, language: en}\n"}.items():
        Path("conf").mkdir(exist_ok=True)
        Path(f"conf/{name}.yaml").write_text(text)
    Path("a.wav").write_bytes(b"RIFF")
    rng = np.random.default_rng(0)
    speaker = rng.integers(SPEAKERS, size=number)
    emotion, sentence = rng.integers(len(EMOTIONS), size=number), rng.integers(SENTENCES, size=number)
    seconds = rng.uniform(1, 5, number).round(2)
    names = sorted(f"s{own:04d}-{place:07d}" for place, own in enumerate(speaker))
    people = {name: name.partition("-")[0] for name in names}
    tables = {
        "utt2spk": people,
        "wav.scp": dict.fromkeys(names, str(Path("a.wav").absolute())),
        "utt2emo": {name: EMOTIONS[own] for name, own in zip(names, emotion, strict=True)},
        "utt2lang": dict.fromkeys(names, "en"),
        "utt2dur": {name: f"{own:.2f}" for name, own in zip(names, seconds, strict=True)},
        "utt2sent": {name: f"sentence{own}" for name, own in zip(names, sentence, strict=True)},
        "text": {name: f"these are words number {own}" for name, own in zip(names, sentence, strict=True)},
        "spk2gender": {own: "fm"[int(own[1:]) % 2] for own in sorted(set(people.values()))},
    }
    marks = {name: f"{place:032x}" for place, name in enumerate(names)}
    prints = _prints(rng, seconds)
    for copy in range(COPIES):
        # Of the first utterances, some are the same to the last sample, and some are other words here and there.
        marks[names[2 * copy + 1]] = marks[names[2 * copy]]
        prints[2 * copy + 1] = prints[2 * copy]
        last = number - 2 * copy - 1
        prints[last] = prints[last - 1] ^ np.where(rng.random(len(prints[last - 1])) < 0.2, np.uint32(1), np.uint32(0))
    folder = Path("data/large")
    write_data_dir(folder, tables | {"utt2digest": marks})
    levels = rng.normal(-25, 5, number)
    found = [digests.Digest(name, marks[name], "", f"{own:.3f}") for name, own in zip(names, levels, strict=True)]
    (folder / "audit").mkdir()
    digests.write(folder, found, prints)
    stamp.write(folder, {"config": {}, "code": {}, "inputs": {}})
    inputs = [folder / name for name in ("wav.scp", "segments", ".done")]
    stamp.write(folder / "audit", stamp.make({}, ["local.splits.digests"], inputs))


def _prints(rng: np.random.Generator, seconds: np.ndarray) -> list[np.ndarray]:
    """Make up fingerprints whose words last, in which every tenth frame is quiet."""
    frames = np.maximum(0, ((seconds - fingerprint.WINDOW) / fingerprint.HOP).astype(int) - 23)
    prints = []
    for first in range(0, len(frames), 10_000):
        own = frames[first : first + 10_000]
        flips = rng.integers(1 << 32, size=(3, own.sum()), dtype=np.uint32)
        words = np.bitwise_xor.accumulate(flips[0] & flips[1] & flips[2])
        words ^= np.repeat(rng.integers(1 << 32, size=len(own), dtype=np.uint32), own)
        words[rng.random(len(words)) < 0.1] = 0
        prints += np.split(words, np.cumsum(own)[:-1])
    return prints


if __name__ == "__main__":
    make(int(sys.argv[1]))
