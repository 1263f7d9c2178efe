"""The audit hears: copies that are not the same to the last sample, in a corpus and in others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.experiment import Split
from local.splits import copies, digests
from local.splits.audit import audit
from local.splits.make import make
from tests.benchmarks.fingerprints import gain, noisy, resampled, trim
from tests.local.corpora.trees import prepared
from tests.local.splits.corpora import FOUR, data_dir

TWO = FOUR[:2]
RATE = 16000


def planted(folder: Path, name: str = "c", seed: int = 0) -> Path:
    """Six speakers, two emotions, three utterances of each; 1.5 s of noise an utterance, each its own."""
    rng = np.random.default_rng(seed)
    rows, paths = [], {}
    (folder / "wav").mkdir(parents=True)
    for speaker in range(6):
        for emotion in TWO:
            for n in range(3):
                utterance = f"{name}_{speaker}-{emotion}{n}"
                rows.append((utterance, f"{name}_{speaker}", emotion))
                paths[utterance] = folder / f"wav/{utterance}.flac"
                soundfile.write(paths[utterance], 0.05 * rng.standard_normal(RATE * 3 // 2), RATE)
    return data_dir(folder / name, rows, paths)


def copied(source: Path, target: Path, altered: bool = True) -> None:
    """Put a copy of a recording in the place of another: quieter, trimmed, with noise, at another rate; or as it is."""
    samples, rate = soundfile.read(source)
    if altered:
        samples, rate = noisy(resampled(trim(gain((samples, rate), 0.3), 0.03, 0.05), 8000), 25)
    soundfile.write(target, samples, rate, format="FLAC")


def audited(data: Path, beside: list[Path] | None = None, folds: int = 3) -> dict:
    for folder in (data, *(beside or ())):
        make(folder, Split(folds=folds), TWO, "c")
    audit(data, "speaker", TWO, beside or ())
    return json.loads((data / "audit.json").read_text(encoding="utf-8"))


def lists(data: Path, fold: int) -> dict[str, set[str]]:
    return {p: set((data / f"folds/speaker/{fold}/{p}").read_text().split()) for p in ("train", "dev", "test")}


def test_a_copy_that_is_not_the_same_is_counted_where_parts_share_it(tmp_path: Path) -> None:
    data = planted(tmp_path)
    one, other, third = "c_0-angry0", "c_5-happy2", "c_3-happy1"
    copied(tmp_path / f"wav/{one}.flac", tmp_path / f"wav/{other}.flac")
    report = audited(data)
    assert report["audio"]["duplicates"] == [] and report["audio"]["near_duplicates"] == [[one, other]]
    found = report["schemes"]["speaker"]
    crossing = 0
    for k, fold in enumerate(found["folds"]):
        parts = lists(data, k)
        expected = {one, other} & parts["test"] and {one, other} & parts["train"]
        assert fold["shared"]["near"]["train_test"] == bool(expected)
        assert fold["test_seen"]["near"] == bool(expected) / 12
        assert not any(fold["shared"]["audio"].values())
        crossing += bool(expected)
    assert crossing == 1
    line = f"nearly identical audio: 1 group of utterances, 1 across train and test; first {one}, {other}"
    assert line in found["summary"] and "identical audio: none" in found["summary"]
    # What is the same to the last sample is reported once, as that; with a copy of both, as a group of three.
    copied(tmp_path / f"wav/{one}.flac", tmp_path / f"wav/{third}.flac", altered=False)
    (data / ".done").write_text("{'again': 1}")
    audio = audited(data)["audio"]
    assert audio["duplicates"] == [[one, third]] and audio["near_duplicates"] == [[one, third, other]]
    copied(tmp_path / "wav/c_1-angry1.flac", tmp_path / f"wav/{other}.flac", altered=False)
    (data / ".done").write_text("{'again': 2}")
    audio = audited(data)["audio"]
    assert audio["duplicates"] == [[one, third], ["c_1-angry1", other]] and audio["near_duplicates"] == []


@pytest.mark.parametrize("altered", [True, False])
def test_what_another_corpus_holds_too_is_counted(tmp_path: Path, altered: bool) -> None:
    first, second = planted(tmp_path / "a"), planted(tmp_path / "b", "d", 1)
    found = audited(first, [second])["schemes"]["speaker"]
    assert found["copies_elsewhere"] == {}
    ours, theirs = sorted(lists(first, 0)["test"])[0], sorted(lists(second, 0)["train"])[0]
    unpaired = sorted(lists(first, 1)["test"])[0]
    copied(tmp_path / f"a/wav/{ours}.flac", tmp_path / f"b/wav/{theirs}.flac", altered)
    copied(tmp_path / f"a/wav/{unpaired}.flac", tmp_path / f"b/wav/{sorted(lists(second, 1)['test'])[1]}.flac", altered)
    # Digests alone are made again: the lists stay, and so does who is trained on.
    digests.write(second, *digests.digest_all(second))
    audit(first, "speaker", TWO, [second])
    report = json.loads((first / "audit.json").read_text(encoding="utf-8"))
    found = report["schemes"]["speaker"]
    assert found["copies_elsewhere"] == {"d": {"utterances": 2, "trained": 1}}
    assert "audio elsewhere: 2 utterances are in d too, 1 of them tested while the same fold of d trains on them" in (
        found["summary"]
    )
    assert report["audio"]["near_duplicates"] == []


def test_real_speech_excerpts_that_overlap_are_found_in_urdu(corpora: Path, tmp_path: Path) -> None:
    """Of talk shows were cut pieces that overlap by a second or two; two are of one voice that has two names."""
    data = prepared(corpora / "urdu", tmp_path / "data", "urdu")
    digests.ensure(data)
    found = copies.near(copies.find([data]), data)
    assert len(found) == 9 and sum(map(len, found)) == 19
    assert ["urdu_SF1-SF1_F4_H04", "urdu_SF4-SF4_F3_H019", "urdu_SF4-SF4_F4_H020"] in found
