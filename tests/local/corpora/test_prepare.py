"""From a corpus to a data directory: ids, exclusions, stamps, and what the command says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.corpora import Excluded, Utterance, prepare, spec, writer
from local.corpora.prepare import fingerprint
from local.corpora.registry import CorpusSpec
from tests.local.corpora.trees import cut_short, excluded, files, prepared, speech, table
from utils.data_dir_check import validate
from utils.errors import UserError

GOLDEN = {
    "utt2spk": "emodb_03-03a01Fa emodb_03\nemodb_03-03b10Wc emodb_03\nemodb_08-08a02Lb emodb_08\n",
    "spk2utt": "emodb_03 emodb_03-03a01Fa emodb_03-03b10Wc\nemodb_08 emodb_08-08a02Lb\n",
    "utt2emo": "emodb_03-03a01Fa happy\nemodb_03-03b10Wc angry\nemodb_08-08a02Lb bored\n",
    "utt2emo_raw": "emodb_03-03a01Fa happiness\nemodb_03-03b10Wc anger\nemodb_08-08a02Lb boredom\n",
    "utt2lang": "emodb_03-03a01Fa de\nemodb_03-03b10Wc de\nemodb_08-08a02Lb de\n",
    "utt2dur": "emodb_03-03a01Fa 0.25\nemodb_03-03b10Wc 0.5\nemodb_08-08a02Lb 1.0\n",
    "utt2sent": "emodb_03-03a01Fa emodb_a01\nemodb_03-03b10Wc emodb_b10\nemodb_08-08a02Lb emodb_a02\n",
    "spk2gender": "emodb_03 m\nemodb_08 f\n",
    "text": (
        "emodb_03-03a01Fa Der Lappen liegt auf dem Eisschrank.\n"
        "emodb_03-03b10Wc Die wird auf dem Platz sein, wo wir sie immer hinlegen.\n"
        "emodb_08-08a02Lb Das will sie am Mittwoch abgeben.\n"
    ),
    "excluded.tsv": "item\treason\n",
}


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    speech(tmp_path / "emodb/wav/03a01Fa.wav", 0.25)
    speech(tmp_path / "emodb/wav/03b10Wc.wav", 0.5, rate=44100)
    speech(tmp_path / "emodb/wav/08a02Lb.wav", 1.0)
    return tmp_path / "emodb"


def test_golden_data_directory(emodb: Path, tmp_path: Path) -> None:
    data = prepared(emodb, tmp_path / "data/emodb", "emodb")
    scp = {
        "emodb_03-03a01Fa": emodb / "wav/03a01Fa.wav",
        "emodb_03-03b10Wc": emodb / "wav/03b10Wc.wav",
        "emodb_08-08a02Lb": emodb / "wav/08a02Lb.wav",
    }
    golden = GOLDEN | {"wav.scp": "".join(f"{utterance} {path}\n" for utterance, path in scp.items())}
    assert files(data) == {*golden, ".done"}
    for name, content in golden.items():
        assert (data / name).read_bytes() == content.encode(), name
    validate(data)


def test_planted_faults_are_excluded_by_name(emodb: Path, tmp_path: Path) -> None:
    for name in ("09a01Fa", "09a02Fa", "09a04Fa", "09a05Fa"):
        speech(emodb / f"wav/{name}.wav")
    cut_short(emodb / "wav/09a01Fa.wav")
    (emodb / "wav/09a02Fa.wav").write_bytes(b"")
    (emodb / "wav/09a04Fa.wav").write_text("no audio")
    soundfile.write(emodb / "wav/09a05Fa.wav", np.array([0.0, np.nan, 0.5] * 99), 16000, subtype="FLOAT")
    soundfile.write(emodb / "wav/09a07Fa.wav", np.zeros(0), 16000)
    speech(emodb / "wav/03a01Xa.wav")  # no such emotion
    speech(emodb / "wav/99a01Fa.wav")  # no such speaker
    speech(emodb / "wav/holiday.wav")
    speech(emodb / "wav/copy/03a01Fa.wav")
    data = prepared(emodb, tmp_path / "data/emodb", "emodb")
    assert excluded(data) == {
        "wav/03a01Xa.wav": "unknown emotion 'X': say in conf/emotions.yaml what it means",
        "wav/09a01Fa.wav": "truncated: its header promises more than the file holds",
        "wav/09a02Fa.wav": "the file is empty",
        "wav/09a04Fa.wav": "not readable as audio: Format not recognised",
        "wav/09a05Fa.wav": "holds NaN or infinite samples",
        "wav/09a07Fa.wav": "holds no samples",
        "wav/99a01Fa.wav": "name not understood",
        "wav/copy/03a01Fa.wav": "duplicate: wav/03a01Fa.wav has the same name",
        "wav/holiday.wav": "name not understood",
    }
    assert list(table(data, "utt2spk")) == ["emodb_03-03a01Fa", "emodb_03-03b10Wc", "emodb_08-08a02Lb"]
    validate(data)


def test_a_name_that_is_not_utf_8_is_excluded(emodb: Path, tmp_path: Path) -> None:
    bad = os.fsencode(emodb / "wav") + b"/M\xfcnchen.wav"
    os.rename(speech(emodb / "wav/a.wav"), bad)
    assert excluded(prepared(emodb, tmp_path / "data", "emodb")) == {"wav/M\\udcfcnchen.wav": "name not understood"}


def test_nothing_usable_is_an_error_that_says_why(tmp_path: Path) -> None:
    speech(tmp_path / "emodb/wav/holiday.wav")
    with pytest.raises(UserError, match="no usable utterance of 'emodb': 1 name not understood"):
        prepared(tmp_path / "emodb", tmp_path / "data", "emodb")
    assert not (tmp_path / "data").exists()


SPEC = CorpusSpec("c", "table", "de")
WORDS = {"joy": "happy"}


def build(tmp_path: Path, *items: Utterance | Excluded) -> writer.Prepared:
    return writer.build(items, SPEC, WORDS, tmp_path)


def test_ids_sort_by_speaker_whatever_speakers_are_called(tmp_path: Path) -> None:
    speakers = ["a", "a-b", "a b", "A", "10", "1", "ä", "a.b"]
    items = [Utterance("x y", speaker, speech(tmp_path / f"{n}.wav"), "joy") for n, speaker in enumerate(speakers)]
    # 'a-b' and 'a b' would both become a_b.
    with pytest.raises(UserError, match="'a-b' and 'a b' would both be called c_a_b"):
        build(tmp_path, *items)
    items.pop(2)
    tables = build(tmp_path, *items).tables
    assert [key for key, _ in sorted(tables["utt2spk"].items())] == [
        f"{speaker}-x_y" for speaker in sorted(set(tables["utt2spk"].values()))
    ]


def test_times_must_lie_in_the_recording(tmp_path: Path) -> None:
    path = speech(tmp_path / "a.wav", 1.0)
    times = {"good": (0.2, 0.5), "end": (0.5, 1.04), "late": (0.5, 1.2), "past": (1.5, 2.0), "turned": (0.5, 0.2)}
    built = build(tmp_path, *(Utterance(n, "s", path, "joy", start=a, end=b) for n, (a, b) in times.items()))
    assert built.tables["segments"] == {"c_s-good": "c_a 0.2 0.5", "c_s-end": "c_a 0.5 1.0"}
    assert built.tables["wav.scp"] == {"c_a": str(path)}
    assert built.tables["utt2dur"] == {"c_s-good": "0.3", "c_s-end": "0.5"}
    assert {row.item: row.kind for row in built.excluded} == dict.fromkeys(
        ("a.wav late", "a.wav past", "a.wav turned"), "times outside the recording"
    )


def test_recordings_that_would_share_an_id_are_an_error(tmp_path: Path) -> None:
    paths = [speech(tmp_path / "a b.wav"), speech(tmp_path / "a_b.wav")]
    with pytest.raises(UserError, match="several recordings would be called c_a_b"):
        build(tmp_path, *(Utterance(str(n), "s", path, "joy", end=0.2) for n, path in enumerate(paths)))


def test_contradictions_are_excluded(tmp_path: Path) -> None:
    paths = [speech(tmp_path / f"{n}.wav") for n in range(5)]
    built = build(
        tmp_path,
        Utterance("0", "s", paths[0], "Joy", gender="f"),
        Utterance("1", "s", paths[1], "joy", gender="m"),
        Utterance("2", "s", paths[2], "joy"),
        Utterance("3", "s", paths[3], "joy", language="German"),
        Utterance("4", "", paths[4], "joy"),
        Excluded("somewhere", "why: because"),
    )
    assert list(built.tables["utt2spk"]) == ["c_s-0", "c_s-2"]
    assert built.tables["utt2emo_raw"]["c_s-0"] == "Joy"
    assert built.tables["spk2gender"] == {"c_s": "f"}
    assert writer.count_kinds(built.excluded) == [
        "1 gender differs from the speaker's other utterances", "1 language is not an ISO 639-1 code",
        "1 no name or no speaker", "1 why",
    ]  # fmt: skip


def test_what_only_some_utterances_have_is_left_out_aloud(tmp_path: Path) -> None:
    paths = [speech(tmp_path / f"{n}.wav") for n in range(2)]
    built = build(
        tmp_path,
        Utterance("0", "s", paths[0], "joy", gender="f", sentence="p", text="ja"),
        Utterance("1", "t", paths[1], "joy"),
    )
    assert not {"spk2gender", "utt2sent", "utt2sess"} & built.tables.keys()
    assert built.tables["text"] == {"c_s-0": "ja", "c_t-1": ""}
    assert built.notes == [
        "spk2gender is not written: 1 of 2 have no value", "utt2sent is not written: 1 of 2 have no value",
    ]  # fmt: skip


def test_choices_on_emotions_change_labels_and_are_named(emodb: Path, tmp_path: Path) -> None:
    plain = prepared(emodb, tmp_path / "plain", "emodb")
    assert "bored" in table(plain, "utt2emo").values()
    prepare.prepare(spec("emodb"), emodb, tmp_path / "data", ["without_bored"])
    assert "bored" not in table(tmp_path / "data", "utt2emo").values()
    bored = {utt for utt, emotion in table(plain, "utt2emo").items() if emotion == "bored"}
    assert table(plain, "utt2emo").keys() - table(tmp_path / "data", "utt2emo").keys() == bored
    gone = excluded(tmp_path / "data").items() - excluded(plain).items()
    assert {reason for _, reason in gone} == {"left out by a variant of the labels: boredom"}
    assert len(gone) == len(bored)


def test_a_rerun_skips_what_has_not_changed(
    emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data/emodb"
    prepared(emodb, data, "emodb")
    assert "3 utterances, 0.00 h (angry 1, bored 1, happy 1); 0 excluded [not made yet]" in capsys.readouterr().out
    (data / "folds").mkdir()
    monkeypatch.setattr(writer, "build", None)
    prepared(emodb, data, "emodb")
    assert capsys.readouterr().out == f"{data}: up to date\n"
    monkeypatch.undo()
    speech(emodb / "wav/08a02Lb.wav", 0.75)
    prepared(emodb, data, "emodb")
    assert "files and annotations changed" in capsys.readouterr().out
    assert table(data, "utt2dur")["emodb_08-08a02Lb"] == "0.75"
    assert not (data / "folds").exists()


def test_the_fingerprint_of_many_files_is_quick(tmp_path: Path) -> None:
    source = speech(tmp_path / "0.wav")
    paths = [tmp_path / f"{n}.wav" for n in range(5001)]
    for path in paths[1:]:
        os.link(source, path)
    items = [Utterance(path.stem, "s", path, "joy") for path in paths]
    begin = time.process_time()
    before = fingerprint(items)
    assert time.process_time() - begin < 1.0  # 50,000 take about a second
    assert fingerprint(items) == before
    paths[17].unlink()
    assert fingerprint(items) != before


@pytest.fixture
def recipe(tmp_path: Path, emodb: Path) -> Path:
    (tmp_path / "recipe/conf").mkdir(parents=True)
    (tmp_path / "recipe/conf/experiment.yaml").write_text("corpora: [emodb]\nencoders: [logmel]\n")
    return tmp_path / "recipe"


def command(recipe: Path, repo: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.corpora.prepare", *options],
        cwd=recipe, env=os.environ | {"PYTHONPATH": str(repo)}, capture_output=True, text=True,
    )  # fmt: skip


def test_the_command(recipe: Path, repo: Path, emodb: Path) -> None:
    done = command(recipe, repo, "--db-root", str(emodb.parent))
    assert done.returncode == 0, done.stderr
    first, differs = done.stdout.splitlines()
    assert first.startswith("data/emodb: 2 speakers, 3 utterances")
    assert differs.startswith(
        "data/emodb: differs from the whole corpus: 2 of 10 speakers; 3 of 535 utterances; anger 1"
    )
    assert done.stderr == ""
    validate(recipe / "data/emodb")


def test_the_command_prepares_what_pre_training_hears(recipe: Path, repo: Path, emodb: Path) -> None:
    speech(emodb.parent / "urdu/Angry/SM1_F1_A01.wav")
    options = ("--set", "pretrain=[{name: own, data: [emodb, urdu]}]")
    assert command(recipe, repo, "--db-root", str(emodb.parent), *options).returncode == 0
    assert (recipe / "data/urdu/utt2spk").read_text() == "urdu_SM1-SM1_F1_A01 urdu_SM1\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ["corpus 'emodb'", "--db-root DIR", "DIR/emodb", "'root'"]),
        (("--db-root", "/no/such/place"), ["--db-root /no/such/place", "there is no /no/such/place/emodb", "http"]),
        (("--db-root", "ROOT", "--set", "corpora=[emodb, urdu]"), ["there is no", "/urdu"]),
        (("--db-root", "ROOT", "--set", "corpora=[emo_db]"), ["no corpus 'emo_db'", "did you mean 'emodb'?"]),
    ],
)
def test_a_wrong_call_gets_one_line_and_leaves_nothing(
    recipe: Path, repo: Path, emodb: Path, options: tuple[str, ...], words: list[str]
) -> None:
    options = tuple(str(emodb.parent) if option == "ROOT" else option for option in options)
    failed = command(recipe, repo, *options)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and failed.stderr.startswith("error: ")
    assert all(word in failed.stderr for word in words)
    assert not (recipe / "data").exists()


def test_help_imports_nothing_heavy(recipe: Path, repo: Path) -> None:
    assert "--db-root" in command(recipe, repo, "--help").stdout
    heavy = {"torch", "sklearn", "soundfile", "numpy", "omegaconf"} & set(
        subprocess.run(
            [sys.executable, "-c", "import sys, local.corpora.prepare; print(*sys.modules)"],
            cwd=repo, capture_output=True, text=True,
        ).stdout.split()
    )  # fmt: skip
    assert not heavy


def test_expected_counts_are_compared_with_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    from collections import Counter

    whole = spec("urdu").expected
    emotions = Counter(angry=100, happy=100, neutral=100, sad=100)
    assert prepare.differences(whole, 29, emotions) == []
    emotions["sad"] -= 1
    assert prepare.differences(whole, 28, emotions) == [
        "differs from the whole corpus: 28 of 29 speakers; 399 of 400 utterances; sad 99 of 100"
    ]
