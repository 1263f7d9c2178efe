"""The audit finds what was planted, and the commands make and skip what they should."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.experiment import Split
from local.splits import digests
from local.splits.audit import audit
from local.splits.make import make
from tests.local.corpora.trees import cut_short, prepared, speech
from tests.local.splits.corpora import FOUR, data_dir
from utils.errors import UserError

TWO = FOUR[:2]


def planted(folder: Path, text: dict[str, str] | None = None, speakers: int = 6) -> Path:
    """Six speakers, two emotions, three utterances of each; half a second of noise an utterance."""
    rows, paths = [], {}
    for s in range(speakers):
        for emotion in TWO:
            for n in range(3):
                utterance = f"c_{s}-{emotion}{n}"
                rows.append((utterance, f"c_{s}", emotion))
                paths[utterance] = speech(folder / f"wav/{utterance}.wav", 0.5)
    words = {"text": {utterance: text[emotion] for utterance, _, emotion in rows}} if text else {}
    return data_dir(folder / "c", rows, paths, **words)


def audited(data: Path, scheme: str = "speaker", **split: object) -> dict:
    make(data, Split(scheme=scheme, folds=3, **split), TWO, "c")
    audit(data, scheme, TWO)
    return json.loads((data / "audit.json").read_text(encoding="utf-8"))


def test_a_clean_corpus_has_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = audited(planted(tmp_path))
    nothing = dict.fromkeys(("duplicates", "near_duplicates", "unreadable", "near_silent", "clipped"), [])
    assert report["audio"] == {"utterances": 36} | nothing
    found = report["schemes"]["speaker"]
    assert found["speakers_disjoint"] and not found["one_speaker"]
    assert found["test"] == {"slots": 36, "distinct": 36, "repeated": 0}
    for fold in found["folds"]:
        assert fold["n"] == {part: {"angry": 6, "happy": 6} for part in ("train", "dev", "test")}
        assert fold["speakers"] == {"train": 2, "dev": 2, "test": 2}
        none = {"train_dev": 0, "train_test": 0, "dev_test": 0}
        assert fold["shared"]["speakers"] == fold["shared"]["audio"] == fold["shared"]["near"] == none
        assert fold["shared"]["sentences"] is None and fold["test_seen"]["sessions"] is None
    assert found["shortcuts"]["text"] is None
    # Everybody says as much with each emotion: that ties emotions to people less than chance does.
    assert found["shortcuts"]["speaker"]["ua"] == found["chance"] == 0.5
    assert 0.55 < found["shortcuts"]["speaker"]["chance"] < 0.75
    assert found["effective_speakers"] == {"angry": 6.0, "happy": 6.0} and found["voices_elsewhere"] == {}
    assert "no two parts share any" in found["summary"][0]
    printed = capsys.readouterr().out
    assert all(line in printed for line in found["summary"])


def test_a_copy_under_another_speaker_is_found_across_train_and_test(tmp_path: Path) -> None:
    data = planted(tmp_path)
    one, other = "c_0-angry0", "c_4-happy2"
    # As other bytes: what is compared are the samples.
    samples, rate = soundfile.read(tmp_path / f"wav/{one}.wav", dtype="int16")
    soundfile.write(tmp_path / f"wav/{other}.wav", samples, rate, format="WAVEX")
    report = audited(data)
    assert report["audio"]["duplicates"] == [[one, other]]
    crossing = dict.fromkeys(("train_dev", "train_test", "dev_test"), 0)
    lists = data / "folds/speaker"
    for k, fold in enumerate(report["schemes"]["speaker"]["folds"]):
        where = {u: part for part in ("train", "dev", "test") for u in (lists / f"{k}/{part}").read_text().split()}
        expected = dict(crossing)
        for pair in crossing:
            expected[pair] += {where[one], where[other]} == set(pair.split("_"))
        assert fold["shared"]["audio"] == expected
        assert fold["test_seen"]["audio"] == expected["train_test"] / 12
    total = sum(fold["shared"]["audio"]["train_test"] for fold in report["schemes"]["speaker"]["folds"])
    assert total == 1  # of three folds, in the one that tests on one's group and trains on the other's
    assert f"1 group of utterances, {total} across train and test; first {one}, {other}" in " ".join(
        report["schemes"]["speaker"]["summary"]
    )


def test_text_that_tells_the_emotion_gives_it_away(tmp_path: Path) -> None:
    telling = audited(planted(tmp_path / "a", {"angry": "Geh weg!", "happy": "Komm her!"}))
    assert telling["schemes"]["speaker"]["shortcuts"]["text"] == {
        "ua": 1.0, "recalls": {"angry": 1.0, "happy": 1.0}, "uses": "text",
    }  # fmt: skip
    mute = audited(planted(tmp_path / "b", {"angry": "Ja.", "happy": "Ja."}))
    assert mute["schemes"]["speaker"]["shortcuts"]["text"]["ua"] == 0.5


def test_sentences_stand_in_for_text(tmp_path: Path) -> None:
    data = planted(tmp_path)
    lines = (data / "utt2emo").read_text().splitlines()
    (data / "utt2sent").write_text("".join(f"{line.split()[0]} c_{line.split()[1]}\n" for line in lines))
    found = audited(data)["schemes"]["speaker"]
    assert found["shortcuts"]["text"]["ua"] == 1.0 and found["shortcuts"]["text"]["uses"] == "sentence"
    assert all(fold["test_seen"]["sentences"] == 1.0 for fold in found["folds"])
    assert "sentences: 100.0% of the test utterances say a sentence that is also in train" in found["summary"]


def test_durations_that_tell_the_emotion_give_it_away(tmp_path: Path) -> None:
    data = planted(tmp_path)
    lines = [line.split() for line in (data / "utt2emo").read_text().splitlines()]
    (data / "utt2dur").write_text("".join(f"{u} {1.0 if emotion == 'angry' else 2.0}\n" for u, emotion in lines))
    assert audited(data)["schemes"]["speaker"]["shortcuts"]["duration"]["ua"] == 1.0


def test_durations_in_the_middle_give_the_emotion_away_in_bins_only(tmp_path: Path) -> None:
    data = planted(tmp_path)
    lines = [line.split() for line in (data / "utt2emo").read_text().splitlines()]
    far = (0.5, 4.0, 0.6)
    (data / "utt2dur").write_text(
        "".join(f"{u} {1.5 if emotion == 'angry' else far[int(u[-1])]}\n" for u, emotion in lines)
    )
    found = audited(data)["schemes"]["speaker"]["shortcuts"]
    assert found["duration bins"]["ua"] == 1.0 and found["duration"]["ua"] < 0.9


def test_loudness_that_tells_the_emotion_gives_it_away(tmp_path: Path) -> None:
    data = planted(tmp_path)
    found = audited(data)["schemes"]["speaker"]["shortcuts"]
    assert found["level"]["ua"] < 0.9 and found["level"]["uses"] == "level"
    for path in (tmp_path / "wav").glob("*angry*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples / 4, rate)
    (data / ".done").write_text("{'again': 1}")
    found = audited(data)["schemes"]["speaker"]
    assert found["shortcuts"]["level"]["ua"] == found["shortcuts"]["level bins"]["ua"] == 1.0
    assert "level 1.000" in found["summary"][-1]
    path = tmp_path / "wav/c_0-angry0.wav"
    level = {row.utterance: row.level for row in digests.read(data / "audit/digests.tsv")}["c_0-angry0"]
    assert float(level) == pytest.approx(10 * np.log10(np.mean(soundfile.read(path)[0] ** 2)), abs=1e-3)


def test_people_who_say_little_count_for_little(tmp_path: Path) -> None:
    rows = [(f"c_{s}-{emotion}{n}", f"c_{s}", emotion) for s in range(6) for emotion in TWO
            for n in range(8 if (s, emotion) == (0, "happy") else 1)]  # fmt: skip
    paths = {utterance: speech(tmp_path / f"{utterance}.wav") for utterance, _, _ in rows}
    found = audited(data_dir(tmp_path / "c", rows, paths))["schemes"]["speaker"]
    assert found["effective_speakers"] == {"angry": 6.0, "happy": pytest.approx(13**2 / (8**2 + 5))}


def test_people_whom_another_corpus_trains_on_are_counted(tmp_path: Path) -> None:
    first, second = planted(tmp_path / "a"), planted(tmp_path / "b")
    split, names = Split(folds=3), [f"c_{s}" for s in range(6)]
    second = second.rename(tmp_path / "b/other")
    for data in (first, second):
        make(data, split, TWO, "c")
    for data in (first, second):
        (data / "spk2person").write_text("".join(f"{name} {data.name}_{name}\n" for name in names))
    audit(first, "speaker", TWO, [second])
    report = json.loads((first / "audit.json").read_text(encoding="utf-8"))["schemes"]["speaker"]
    assert report["voices_elsewhere"] == {}
    # Both are cut alike, so a person of the same name is tested in the same fold; of another name they may not be.
    tested = (first / "folds/speaker/0/test").read_text().split()
    trained = (second / "folds/speaker/0/train").read_text().split()
    one, other = tested[0].split("-")[0], trained[0].split("-")[0]
    persons = {name: "somebody" if name == other else f"other_{name}" for name in names}
    (second / "spk2person").write_text("".join(f"{name} {person}\n" for name, person in persons.items()))
    persons = {name: "somebody" if name == one else f"c_{name}" for name in names}
    (first / "spk2person").write_text("".join(f"{name} {person}\n" for name, person in persons.items()))
    audit(first, "speaker", TWO, [second])
    report = json.loads((first / "audit.json").read_text(encoding="utf-8"))["schemes"]["speaker"]
    assert report["voices_elsewhere"] == {"other": 1}
    assert "voices: 1 people who are tested are trained on by the same fold of other" in report["summary"]


def test_speakers_who_are_always_angry_give_it_away_in_random_folds(tmp_path: Path) -> None:
    rows = [(f"c_{s}-{n}", f"c_{s}", TWO[s % 2]) for s in range(6) for n in range(6)]
    paths = {utterance: speech(tmp_path / f"{utterance}.wav") for utterance, _, _ in rows}
    data = data_dir(tmp_path / "c", rows, paths)
    report = audited(data, "random")
    assert report["schemes"]["random"]["shortcuts"]["speaker"]["ua"] == 1.0
    assert not report["schemes"]["random"]["speakers_disjoint"]
    assert "train and test" in report["schemes"]["random"]["summary"][0]
    report = audited(data, "speaker")
    # Nobody who is tested is known, but who is told what each of them says is right.
    found = report["schemes"]["speaker"]["shortcuts"]["speaker"]
    assert found["ua"] == 1.0 and 0.5 < found["chance"] < 0.8
    assert set(report["schemes"]) == {"random", "speaker"}


def test_chance_by_speaker_is_not_that_of_guessing_where_a_fold_tests_one(tmp_path: Path) -> None:
    """A dozen tosses a person are never even: of six people, each in a fold of their own, too."""
    data = planted(tmp_path)
    make(data, Split(folds=6), TWO, "c")
    audit(data, "speaker", TWO)
    found = json.loads((data / "audit.json").read_text(encoding="utf-8"))["schemes"]["speaker"]["shortcuts"]["speaker"]
    # Six utterances a person: the mean of max(k, 6 - k) / 6, of nearly binomial k.
    expected = sum(math.comb(6, k) * max(k, 6 - k) for k in range(7)) / 6 / 2**6
    assert found["ua"] == 0.5 and found["chance"] == pytest.approx(expected, abs=0.03)


def test_one_speaker_is_said(tmp_path: Path) -> None:
    rows = [(f"s-{emotion}{n}", "s", emotion) for emotion in TWO for n in range(6)]
    paths = {utterance: speech(tmp_path / f"{utterance}.wav") for utterance, _, _ in rows}
    found = audited(data_dir(tmp_path / "c", rows, paths), "random")["schemes"]["random"]
    assert found["one_speaker"]
    assert found["summary"][0] == "speakers: the corpus has one, who is in train, dev and test"


def test_damaged_silent_and_clipped_audio_is_named(tmp_path: Path) -> None:
    data = planted(tmp_path)
    (tmp_path / "wav/c_0-angry0.wav").write_bytes(b"no audio")
    soundfile.write(tmp_path / "wav/c_1-angry0.wav", np.full(8000, 1e-5), 16000, subtype="PCM_24")
    soundfile.write(tmp_path / "wav/c_2-angry0.wav", np.sign(np.sin(np.arange(8000))), 16000)
    report = audited(data)
    assert report["audio"]["unreadable"] == ["c_0-angry0"]
    assert report["audio"]["near_silent"] == ["c_1-angry0"]
    assert report["audio"]["clipped"] == ["c_2-angry0"]
    assert "unreadable audio: 1: c_0-angry0" in report["schemes"]["speaker"]["summary"]


def test_flac_damaged_in_its_middle_is_found_when_decoded(tmp_path: Path) -> None:
    path = speech(tmp_path / "a.flac", 2.0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    data = data_dir(tmp_path / "c", [("s-a", "s", "angry")], {"s-a": path})
    assert digests.digest_all(data)[0][0].problem.startswith("unreadable: ")


def test_segments_of_one_recording_are_told_apart(tmp_path: Path) -> None:
    samples = np.tile(np.random.default_rng(0).standard_normal(8000) * 0.1, 3)
    soundfile.write(tmp_path / "r.wav", samples, 16000)
    rows = [(f"s-{n}", "s", "angry") for n in range(3)]
    times = {"s-0": "r 0.0 0.5", "s-1": "r 0.5 1.0", "s-2": "r 1.0 1.4"}
    data = data_dir(tmp_path / "c", rows, segments=times)
    (data / "wav.scp").write_text(f"r {tmp_path / 'r.wav'}\n")
    found = {row.utterance: row.samples for row in digests.digest_all(data)[0]}
    assert found["s-0"] == found["s-1"] != found["s-2"]


def test_audio_is_decoded_once_for_all_schemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = planted(tmp_path)
    audited(data)
    monkeypatch.setattr(digests, "digest_all", None)
    audited(data, "random")
    make(data, Split(folds=6), TWO, "c")
    audit(data, "speaker", TWO)
    report = json.loads((data / "audit.json").read_text(encoding="utf-8"))
    assert [len(report["schemes"][scheme]["folds"]) for scheme in ("random", "speaker")] == [3, 6]


def test_a_rerun_says_what_it_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = planted(tmp_path)
    audited(data)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    capsys.readouterr()
    audited(data)
    assert capsys.readouterr().out == (
        f"{data}/folds/speaker: up to date\n{data}/audit.json: scheme 'speaker' is up to date\n"
    )
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    audited(data, seed=1)
    assert f"{data}/folds/speaker: 3 folds: train 12, dev 12, test 12 utterances [split.seed changed from 0 to 1]" in (
        capsys.readouterr().out
    )


def test_stages_that_come_too_early_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not prepared; run the data stage \(python3 -m local.corpora.prepare\)"):
        make(tmp_path / "nowhere", Split(), TWO, "c")
    with pytest.raises(UserError, match=r"no folds; run the data stage \(python3 -m local.splits.make\)"):
        audit(planted(tmp_path), "speaker", TWO)


def test_real_speech_the_duplicate_in_ravdess_is_found(corpora: Path, tmp_path: Path) -> None:
    # Two files of Actor 7 are byte for byte the same, which md5sum shows.
    for actor in ("05", "06", "07", "08", "09", "10"):
        shutil.copytree(corpora / f"ravdess/Actor_{actor}", tmp_path / f"ravdess/Actor_{actor}")
    data = prepared(tmp_path / "ravdess", tmp_path / "data", "ravdess")
    make(data, Split(folds=3), FOUR, "ravdess")
    audit(data, "speaker", FOUR)
    report = json.loads((data / "audit.json").read_text(encoding="utf-8"))
    same = [f"ravdess_07-03-01-03-01-02-{repetition}-07" for repetition in ("01", "02")]
    assert report["audio"]["duplicates"] == [same]
    # These are reported once, and the other repetitions are no copies, though person, words and manner are the same.
    assert report["audio"]["near_duplicates"] == []
    found = report["schemes"]["speaker"]
    assert all(fold["test_seen"]["sentences"] == 1.0 for fold in found["folds"])
    # Two sentences that everybody says with every emotion tell nothing.
    assert found["shortcuts"]["text"]["ua"] == pytest.approx(0.25, abs=0.03)


@pytest.mark.integration
def test_the_commands_follow_one_another(tmp_path: Path, repo: Path) -> None:
    for speaker in ("03", "08", "09", "10", "11", "12"):
        for letter in "WFNT":
            speech(tmp_path / f"db/emodb/wav/{speaker}a01{letter}a.wav")
    cut_short(tmp_path / "db/emodb/wav/03a01Wa.wav")
    speech(tmp_path / "db/emodb/wav/03a02Wa.wav")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiment.yaml").write_text("corpora: [emodb]\nencoders: [logmel]\nsplit: {folds: 3}\n")

    def run(module: str, *options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"local.{module}", *options],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    db_root = ("--db-root", str(tmp_path / "db"))
    assert "1 excluded (1 truncated; see data/emodb/excluded.tsv)" in run("corpora.prepare", *db_root)
    assert "3 folds: train 8, dev 8, test 8 utterances" in run("splits.make")
    assert "UA without hearing the voice (chance 0.250)" in run("splits.audit")
    again = run("corpora.prepare", *db_root) + run("splits.make") + run("splits.audit")
    assert again.count("up to date") == again.count("\n") == 3
