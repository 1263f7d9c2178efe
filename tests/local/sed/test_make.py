"""Sets are made whole, repeat themselves, keep to the folds, and their times are those of the sound."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from local import experiment
from local.sed import make
from local.sed.data import sets
from local.splits.make import make as make_folds
from tests.conftest import REPO
from utils import audio
from utils.data_dir import write_data_dir
from utils.errors import UserError
from utils.folds import PARTS
from utils.table import read_list, read_table

RATE = 16000
EMOTIONS = ["angry", "happy", "neutral", "sad"]
PITCH = {"neutral": 300, "angry": 700, "happy": 1100, "sad": 1500}


def write_corpus(name="toy", speakers=4, each=2, neutral=2, only=(), scale=1.0):
    """A corpus of tones, whose frequency tells the emotion, in folds without a speaker in two parts."""
    tables = {table: {} for table in ("utt2spk", "utt2emo", "utt2lang", "wav.scp", "utt2dur")}
    folder = Path("audio", name)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(name))
    for s, emotion in itertools.product(range(speakers), EMOTIONS):
        for n in range(neutral if emotion == "neutral" and (not only or s in only) else each * (emotion != "neutral")):
            speaker = f"{name}_{s}"
            utterance = f"{speaker}-{emotion}{n}"
            length = round(random.uniform(0.6, 0.9) * RATE)
            tone = random.uniform(0.05, 0.6) * np.sin(2 * np.pi * PITCH[emotion] * np.arange(length) / RATE)
            path = folder / f"{utterance}.wav"
            soundfile.write(path, scale * np.pad(tone, int(random.uniform(0, 6000))), RATE)
            values = (speaker, emotion, "de", str(path), str(soundfile.info(path).duration))
            for table, value in zip(tables, values, strict=True):
                tables[table][utterance] = value
    genders = {speaker: "fm"[int(speaker[-1]) % 2] for speaker in tables["utt2spk"].values()}
    write_data_dir(Path("data", name), tables | {"spk2gender": genders})
    Path("data", name, ".done").write_text("{}")
    return tables


def settings(*overrides: str) -> experiment.Experiment:
    """The recipe's experiment as the command reads it."""
    return experiment.load(argparse.Namespace(config=Path("conf/experiment.yaml"), overrides=list(overrides)))


def prepare(name="toy", **kwargs):
    tables = write_corpus(name, **kwargs)
    make_folds(Path("data", name), settings().split, EMOTIONS, "")
    return tables


def amplitude(samples: np.ndarray, frequency: float) -> np.ndarray:
    """Amplitude of one frequency over 10 ms around every sample."""
    carrier = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / RATE)
    return np.abs(np.convolve(samples * carrier, np.ones(160) / 80, "same"))


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".done"):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(autouse=True)
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {
        "corpora": ["toy"], "encoders": ["logmel"], "split": {"folds": 4},
        "sed": {"encoders": ["mini"], "corpora": ["toy"]},
    }  # fmt: skip
    Path("conf").mkdir()
    Path("conf/experiment.yaml").write_text(yaml.safe_dump(config))


def test_sets_are_data_directories_whose_folds_follow_the_corpus(capsys):
    prepare()
    make.make(Path("data/toy"), settings())
    said = capsys.readouterr().out
    assert "sed/single: 28 recordings, 0.01 h, 4 speakers (e 6, en 6, ne 6, nen 6, nn 4) [not made yet]" in said
    lists = [Path("data/toy/folds/speaker", str(k)) for k in range(4)]
    corpus_folds = [{name: part for part in PARTS for name in read_list(fold / part)} for fold in lists]
    for kind, count in (("single", 28), ("double", 12), ("noisy", 28)):
        folder = Path("data/toy/sed", kind)
        checked = subprocess.run(
            [REPO / "utils/validate_data_dir.sh", "--no-text", folder], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stderr
        got = sets.read(f"toy.{kind}", "speaker", EMOTIONS)
        assert len(got.utterances) == count and got.left_out == 0 and len(got.folds) == 4
        parts = read_table(folder / "utt2parts")
        for fold, corpus_fold in zip(got.folds, corpus_folds, strict=True):
            for part, names in fold.items():
                assert {corpus_fold[source] for name in names for source in parts[name].split()} == {part}
            assert sum(map(len, fold.values())) == count
        for name, utterance in got.utterances.items():
            info = soundfile.info(utterance.source)
            assert (info.samplerate, info.channels, info.format, info.subtype) == (RATE, 1, "FLAC", "PCM_16")
            assert got.duration[name] == info.frames / RATE == got.reference[name][-1].end
            assert got.reference[name][0].start == 0.0 and got.speaker[name] == name.split("-")[0]
            for before, after in itertools.pairwise(got.reference[name]):
                assert before.end == after.start and before.label != after.label


@pytest.mark.parametrize("kind", ["single", "double"])
def test_every_stretch_sounds_as_labelled_but_for_half_a_cross_fade(kind):
    prepare()
    make.make(Path("data/toy"), settings("sed.sets=[double]"))
    got = sets.read(f"toy.{kind}", "speaker", EMOTIONS)
    for name, utterance in got.utterances.items():
        samples = utterance.load()
        loud = {emotion: amplitude(samples, pitch) for emotion, pitch in PITCH.items()}
        for segment in got.reference[name]:
            others = np.max([loud[emotion] for emotion in EMOTIONS if emotion != segment.label], axis=0)
            inside = slice(round((segment.start + 0.02) * RATE), round((segment.end - 0.02) * RATE))
            # Tones have an amplitude of 0.07 (-26 dB); at their ends a window is partly empty.
            heard = np.maximum(loud[segment.label], others)[inside] > 0.04
            assert (loud[segment.label] >= others)[inside][heard].all(), (name, segment)
            assert heard.mean() > 0.6


def test_a_rerun_skips_and_making_again_gives_the_same_bytes(capsys):
    prepare(each=1)
    make.make(Path("data/toy"), settings())
    before = digest(Path("data/toy/sed"))
    capsys.readouterr()
    make.make(Path("data/toy"), settings())
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"data/toy/sed/{kind}: up to date" for kind in ("single", "double", "noisy")]
    shutil.rmtree("data/toy/sed")
    prepare("other", each=1)
    make.make(Path("data/other"), settings())
    make.make(Path("data/toy"), settings())
    assert digest(Path("data/toy/sed")) == before
    capsys.readouterr()
    make.make(Path("data/toy"), settings("sed.seed=1"))
    assert capsys.readouterr().out.count("[seed changed from 0 to 1]") == 3
    assert digest(Path("data/toy/sed")) != before


def test_sets_keep_who_speaks_across_corpora():
    prepare()
    speakers = sorted(set(read_table("data/toy/utt2spk").values()))
    Path("data/toy/spk2person").write_text("".join(f"{name} person_{n}\n" for n, name in enumerate(speakers)))
    make.make(Path("data/toy"), settings("sed.sets=[noisy]"))
    for kind in ("single", "noisy"):
        got = sets.read(f"toy.{kind}", "speaker", EMOTIONS)
        assert got.person == {name: f"person_{speakers.index(own)}" for name, own in got.speaker.items()}


def test_new_folds_make_new_sets_and_only_what_is_asked_for_is_made(capsys):
    prepare()
    make.make(Path("data/toy"), settings("sed.sets=[single]"))
    assert sorted(path.name for path in Path("data/toy/sed").iterdir()) == ["single"]
    make_folds(Path("data/toy"), settings("split.folds=3").split, EMOTIONS, "")
    make.make(Path("data/toy"), settings("sed.sets=[]", "split.folds=3"))
    assert "/sed/single: 28 recordings" in capsys.readouterr().out
    assert len(sets.read("toy.single", "speaker", EMOTIONS).folds) == 3


def test_noisy_recordings_have_the_same_reference_and_the_stated_noise():
    prepare()
    make.make(Path("data/toy"), settings())
    clean, noisy = (sets.read(f"toy.{kind}", "speaker", EMOTIONS) for kind in ("single", "noisy"))
    assert list(noisy.utterances) == sorted(f"{name}_noisy" for name in clean.utterances)
    ratios = read_table("data/toy/sed/noisy/utt2snr")
    for name, segments in clean.reference.items():
        other = noisy.reference[f"{name}_noisy"]
        assert [(s.start, s.end, s.label) for s in other] == [(s.start, s.end, s.label) for s in segments]
        assert len(clean.utterances[name].load()) == len(noisy.utterances[f"{name}_noisy"].load())
    assert len(set(ratios.values())) > 20 and all(5 <= float(ratio) <= 20 for ratio in ratios.values())


def test_what_has_no_speech_or_too_little_or_too_much_is_excluded_by_name(capsys):
    tables = prepare(each=3, neutral=3)
    path = Path("audio/toy")
    soundfile.write(path / "toy_0-angry0.wav", np.zeros(RATE), RATE)
    soundfile.write(path / "toy_0-neutral0.wav", np.pad(0.3 * np.sin(np.arange(3200)), 8000), RATE)
    soundfile.write(path / "toy_1-sad0.wav", 0.3 * np.sin(np.arange(16 * RATE)), RATE)
    make.make(Path("data/toy"), settings())
    rows = dict(line.split("\t") for line in Path("data/toy/sed/single/excluded.tsv").read_text().splitlines())
    assert rows == {
        "item": "reason", "toy_0-angry0": "no speech",
        "toy_0-neutral0": "too short: 0.28 s of speech, at least 0.4 are needed",
        "toy_1-sad0": "too long: 16.0 s of speech, at most 15 are used",
    }  # fmt: skip
    used = {part for parts in read_table("data/toy/sed/single/utt2parts").values() for part in parts.split()}
    assert used == tables["utt2spk"].keys() - rows.keys()
    assert "left out: 1 no speech, 1 too long, 1 too short [not made yet]" in capsys.readouterr().out


def test_capped_utterances_are_left_out():
    write_corpus(each=3, neutral=3)
    capped = ["split.cap.train=4", "split.cap.dev=2", "split.cap.test=2"]
    make_folds(Path("data/toy"), settings(*capped).split, EMOTIONS, "")
    make.make(Path("data/toy"), settings(*capped, "sed.sets=[]"))
    rows = dict(line.split("\t") for line in Path("data/toy/sed/single/excluded.tsv").read_text().splitlines())
    in_folds = {
        name for k in range(4) for part in PARTS for name in read_list(f"data/toy/folds/speaker/{k}/{part}")
    }
    out = {name for name, why in rows.items() if why == "in no fold"}
    assert out and out == read_table("data/toy/utt2spk").keys() - in_folds


def test_a_set_that_would_leave_a_part_empty_is_not_made(capsys):
    # Only one speaker has neutral speech, so that the other folds have no pairs with neutral speech between.
    write_corpus(only=(0,), neutral=2)
    lists = Path("data/toy/folds/speaker")
    for k, part in itertools.product(range(4), PARTS):
        (lists / str(k)).mkdir(parents=True, exist_ok=True)
        speakers = {"test": [k], "dev": [(k + 1) % 4], "train": [(k + 2) % 4, (k + 3) % 4]}[part]
        names = [name for name in read_table("data/toy/utt2spk") if int(name[4]) in speakers]
        (lists / str(k) / part).write_text("".join(f"{name}\n" for name in names))
    (lists / ".done").write_text("{}")
    earlier = Path("data/toy/sed/double")
    earlier.mkdir(parents=True)
    (earlier / ".done").write_text("{}")
    make.make(Path("data/toy"), settings())
    said = capsys.readouterr().out
    assert "data/toy/sed/double: not made: fold 0 has no recording in train" in said
    assert "18 recordings are of an emotion alone: no neutral speech of the speaker" in said
    assert not earlier.exists()


def test_a_failure_leaves_the_earlier_set_as_it_was():
    prepare()
    make.make(Path("data/toy"), settings("sed.sets=[single]"))
    before = digest(Path("data/toy/sed"))
    Path("audio/toy/toy_2-sad1.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"audio/toy/toy_2-sad1\.wav: not readable"):
        make.make(Path("data/toy"), settings("sed.sets=[single]", "sed.seed=1"))
    assert digest(Path("data/toy/sed")) == before
    assert [path.name for path in Path("data/toy/sed").iterdir()] == ["single"]


@pytest.mark.parametrize(
    ("spoil", "overrides", "message"),
    [
        (lambda: Path("data/toy/.done").unlink(), [], r"data/toy: not prepared; run the data stage"),
        (lambda: shutil.rmtree("data/toy/folds"), [], r"data/toy/folds/speaker: no folds; run the data stage"),
        (lambda: None, ["split.scheme=random"], r"data/toy/folds/random: no folds"),
        (lambda: Path("data/toy/ref.rttm").touch(), [], r"it has segment-level labels; name it in sed\.test"),
        (lambda: None, ["emotions=[angry,sad]"], r"emotions: diarization needs neutral"),
        (lambda: None, ["emotions=[neutral]"], r"needs neutral and at least one other emotion"),
        (lambda: None, ["emotions=[neutral,bored]"], r"single: no speaker has neutral and emotional speech"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_said(spoil, overrides, message):
    prepare()
    spoil()
    with pytest.raises(UserError, match=message):
        make.make(Path("data/toy"), settings(*overrides))
    assert not Path("data/toy/sed").exists()


def test_a_folder_of_something_else_is_not_replaced():
    prepare()
    Path("data/toy/sed/single").mkdir(parents=True)
    Path("data/toy/sed/single/thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"exists and is not a data directory"):
        make.make(Path("data/toy"), settings())
    assert Path("data/toy/sed/single/thesis.txt").read_text() == "mine"


def test_real_speech_is_joined_at_its_own_level(corpora):
    paths = sorted((corpora / "emodb" / "wav").glob("0[38]*.wav"))
    emotion_of = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
    names = {f"toy_{path.stem[:2]}-{path.stem}": path for path in paths if path.stem[5] in emotion_of}
    tables = {
        "utt2spk": {name: name[:6] for name in names}, "utt2lang": dict.fromkeys(names, "de"),
        "utt2emo": {name: emotion_of[path.stem[5]] for name, path in names.items()},
        "wav.scp": {name: str(path) for name, path in names.items()},
    }  # fmt: skip
    write_data_dir("data/toy", tables)
    Path("data/toy/.done").write_text("{}")
    folder = Path("data/toy/folds/speaker/0")
    folder.mkdir(parents=True)
    speech = {"train": "toy_03", "dev": "toy_08"}
    for part in PARTS:
        own = [name for name in names if name.startswith(speech.get(part, "toy_08"))]
        # Two speakers make three parts: the second's utterances are dealt to dev and test.
        own = own if part == "train" else own[::2] if part == "dev" else own[1::2]
        (folder / part).write_text("".join(f"{name}\n" for name in own))
    (folder.parent / ".done").write_text("{}")
    make.make(Path("data/toy"), settings("sed.sets=[]"))
    got = sets.read("toy.single", "speaker", EMOTIONS)
    parts = read_table("data/toy/sed/single/utt2parts")
    fold = {name: part for part in PARTS for name in read_list(folder / part)}
    for part, recordings in got.folds[0].items():
        assert {fold[source] for name in recordings for source in parts[name].split()} == {part}
    for name, utterance in itertools.islice(got.utterances.items(), 20):
        samples = audio.load(utterance.source)
        assert 0.1 < np.abs(samples).max() <= 0.99 and abs(samples.mean()) < 0.01
        assert min(segment.duration for segment in got.reference[name]) > 0.4


def renamed(name: str, other: str) -> None:
    """Write the corpus again: speakers and utterances are called otherwise, and sort in the other order."""
    old = Path("data", name)
    utts, speakers = read_table(old / "utt2spk"), read_table(old / "spk2gender")
    calls = {speaker: f"{other}_{99 - number:02d}" for number, speaker in enumerate(sorted(speakers))}
    new = {utt: f"{calls[speaker]}-{999 - place:03d}" for place, (utt, speaker) in enumerate(sorted(utts.items()))}
    tables = {table: {new[utt]: value for utt, value in read_table(old / table).items()}
              for table in ("utt2emo", "utt2lang", "wav.scp", "utt2dur")}  # fmt: skip
    tables["utt2spk"] = {new[utt]: calls[speaker] for utt, speaker in utts.items()}
    tables["spk2gender"] = {calls[speaker]: gender for speaker, gender in speakers.items()}
    write_data_dir(Path("data", other), tables)
    Path("data", other, ".done").write_text("{}")


@pytest.mark.parametrize("kind", ["single", "double", "noisy"])
def test_recordings_depend_on_no_name(kind):
    prepare(speakers=4)
    renamed("toy", "zoo")
    make_folds(Path("data/zoo"), settings().split, EMOTIONS, "")
    found = []
    for name in ("toy", "zoo"):
        make.make(Path("data", name), settings(f"sed.sets=[single,{kind}]"))
        folder = Path("data", name, "sed", kind)
        audio_of, sounds = read_table(folder / "wav.scp"), read_table(folder / "utt2order")
        fold = [{utt: part for part in PARTS for utt in read_list(folder / "folds/speaker" / k / part)} for k in "012"]
        found.append({
            hashlib.sha256(Path(path).read_bytes()).hexdigest(): (sounds[utt], [own[utt] for own in fold])
            for utt, path in audio_of.items()
        })  # fmt: skip
    assert found[0] == found[1]
