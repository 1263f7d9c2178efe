"""What test_official.py cannot express: other layouts of a corpus, tables, and the bundled corpus."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from local.corpora import names, spec
from local.corpora.registry import CorpusSpec, module
from tests.local.corpora.trees import excluded, files, prepared, speech, table
from utils.data_dir import read_persons
from utils.data_dir_check import validate
from utils.errors import UserError


@pytest.mark.parametrize("corpus", [spec("mini_de"), spec("mini_sed"), CorpusSpec("own", "table", "de")])
def test_a_wrong_root_shows_the_layout(tmp_path: Path, corpus: CorpusSpec) -> None:
    reader, file = module(corpus), speech(tmp_path / "elsewhere/a.wav")
    for root in (file.parent, file):
        if corpus.module == "table" and root == file:
            continue
        with pytest.raises(UserError) as caught:
            reader.check(root, corpus)
        assert str(root) in str(caught.value) and reader.LAYOUT in str(caught.value)
        assert "\n" not in str(caught.value)


# RAVDESS


@pytest.mark.parametrize("below", ["Audio_Speech_Actors_01-24", "archive/Audio_Speech_Actors_01-24"])
def test_ravdess_may_stand_in_the_folder_of_its_archive(tmp_path: Path, below: str) -> None:
    first, second = "03-01-05-02-01-01-01", "03-01-02-01-02-02-12"
    for name in (first, second):
        speech(tmp_path / f"{below}/Actor_{name[-2:]}/{name}.wav")
    module(spec("ravdess")).check(tmp_path, spec("ravdess"))
    data = prepared(tmp_path, tmp_path / "data", "ravdess")
    assert table(data, "utt2emo") == {f"ravdess_01-{first}": "angry", f"ravdess_12-{second}": "calm"}
    assert excluded(data) == {}
    validate(data)


# TESS


def test_the_misspelt_name_of_tess_stands_right_in_current_copies(tmp_path: Path) -> None:
    for name in ("OA_bite_neutral", "OAF_bite_neutral"):
        speech(tmp_path / f"{name}/OAF_neutral/{name}.wav")
        data = prepared(tmp_path / name, tmp_path / f"data/{name}", "tess")
        assert table(data, "utt2emo") == {f"tess_OAF-{name}": "neutral"}
        assert table(data, "utt2sent") == {f"tess_OAF-{name}": "tess_bite"}


# ShEMO


def test_shemo_transcripts_are_read_in_every_form_in_which_they_were_published(tmp_path: Path) -> None:
    text = "فرانسه؟"
    entry = {"speaker_id": "F21", "gender": "female", "emotion": "surprised", "transcript": f"\ufeff{text}"}
    speech(tmp_path / "female/F21W09.wav")
    forms = {
        "shemo.json": [json.dumps({"F21W09": entry}), json.dumps([{"id": "F21W09"} | entry])],
        "transcript/F21W09.ort": [f"\ufeff{text}\r\n"],
    }
    for name, contents in forms.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        for content in contents:
            (tmp_path / name).write_text(content, encoding="utf-8")
            data = prepared(tmp_path, tmp_path / "data", "shemo")
            assert table(data, "text") == {"shemo_F21-F21W09": text}
            assert excluded(data) == {}
        (tmp_path / name).unlink()
    assert "text" not in files(prepared(tmp_path, tmp_path / "data", "shemo"))


@pytest.fixture
def matched(tmp_path: Path) -> Path:
    """A ShEMO in which speech recognition gives F01A01 the transcript that is called F01S01, and so on in a circle."""
    root = tmp_path / "shemo"
    texts = {"F01A01": ("angry", "یک"), "F01S01": ("sad", "دو"), "F01N01": ("neutral", "سه")}
    for name in texts:
        speech(root / f"female/{name}.wav")
    entries = [{"id": name, "emotion": emotion, "transcript": text} for name, (emotion, text) in texts.items()]
    (root / "shemo.json").write_text(json.dumps(entries))
    words = {"angry": "anger", "sad": "sadness", "neutral": "neutral"}
    match = {"F01A01": "F01S01", "F01S01": "F01A01", "F01N01": "F01N01"}
    (root / "modified_shemo.json").write_text(json.dumps({
        f"{speech_name}.wav": {
            "path": f"shemo/{speech_name}.wav", "gender": "female", "speech_name": speech_name, "text_name": text_name,
            "emotion": words[texts[text_name][0]], "transcript": texts[text_name][1], "ipa": "-",
        }
        for speech_name, text_name in match.items()
    }))  # fmt: skip
    return root


@pytest.mark.parametrize(
    ("contested", "emotions"),
    [
        ("exclude", {"N01": "neutral"}),
        ("relabel", {"A01": "sad", "N01": "neutral", "S01": "angry"}),
        ("keep", {"A01": "angry", "N01": "neutral", "S01": "sad"}),
    ],
)
def test_shemo_is_joined_by_its_match(matched: Path, contested: str, emotions: dict[str, str]) -> None:
    entry = dataclasses.replace(spec("shemo"), options={"contested": contested})
    data = prepared(matched, matched.parent / "data", entry)
    names = {name: f"shemo_F01-F01{name}" for name in emotions}
    assert table(data, "utt2emo") == {names[name]: emotion for name, emotion in emotions.items()}
    texts = {"A01": "دو", "N01": "سه", "S01": "یک"}
    assert table(data, "text") == {names[name]: texts[name] for name in emotions}
    said = "name and modified_shemo.json disagree on the emotion"
    reasons = {"female/F01A01.wav": f"{said}: A and sad", "female/F01S01.wav": f"{said}: S and angry"}
    assert excluded(data) == (reasons if contested == "exclude" else {})


def test_shemos_choice_has_a_name_and_its_match_a_form(matched: Path) -> None:
    assert spec("shemo").options == {"contested": "exclude"}
    entry = dataclasses.replace(spec("shemo"), options={"contested": "drop"})
    with pytest.raises(UserError, match="options.contested is 'drop'; expected exclude, relabel, keep"):
        prepared(matched, matched.parent / "data", entry)
    (matched / "modified_shemo.json").write_text('{"F01A01.wav": {"speech_name": "F01A01"}}')
    with pytest.raises(UserError, match=r"modified_shemo\.json: expected speech_name, text_name, emotion"):
        prepared(matched, matched.parent / "data", "shemo")


# Tables

OWN = CorpusSpec("own", "table", "it")


def test_the_least_table(tmp_path: Path) -> None:
    speech(tmp_path / "a/1.wav")
    speech(tmp_path / "b/2.flac")
    (tmp_path / "own.csv").write_text('path,speaker,emotion\na/1.wav,Ann,Anger\n"b/2.flac","Bo, the 2nd",joy\n')
    data = prepared(tmp_path / "own.csv", tmp_path / "data", OWN)
    assert table(data, "utt2emo") == {"own_Ann-1": "angry", "own_Bo__the_2nd-2": "happy"}
    assert table(data, "utt2emo_raw") == {"own_Ann-1": "Anger", "own_Bo__the_2nd-2": "joy"}
    assert table(data, "utt2lang") == {"own_Ann-1": "it", "own_Bo__the_2nd-2": "it"}
    assert not {"segments", "text", "utt2sent", "utt2sess", "spk2gender"} & files(data)
    validate(data)


def test_the_fullest_table(tmp_path: Path) -> None:
    path = speech(tmp_path / "long.wav", 3.0)
    header = "path\tspeaker\temotion\tlanguage\tgender\ttext\tsentence\tsession\tstart\tend\tutterance"
    rows = [
        ["long.wav", "s1", "sad", "de", "F", "Guten Tag.", "p1", "monday", "0.5", "1", "greeting"],
        [str(path), "s1", "neu", "en", "female", 'Say "hi".', "p2", "monday", "1", "2.5", ""],
        ["long.wav", "s2", "ang", "en", "man", "Ho.", "p1", "tuesday", "2.5", "", ""],
    ]
    text = "\n".join([header, *("\t".join(row) for row in rows)])
    (tmp_path / "corpus").mkdir()
    (tmp_path / "metadata.tsv").write_text(f"{text}\n\n")
    data = prepared(tmp_path, tmp_path / "data", OWN)
    one, two, three = "own_s1-greeting", "own_s1-long_0001000_0002500", "own_s2-long_0002500"
    assert table(data, "segments") == {one: "own_long 0.5 1.0", two: "own_long 1.0 2.5", three: "own_long 2.5 3.0"}
    assert table(data, "wav.scp") == {"own_long": str(path)}
    assert table(data, "utt2lang") == {one: "de", two: "en", three: "en"}
    assert table(data, "utt2emo") == {one: "sad", two: "neutral", three: "angry"}
    assert table(data, "text")[two] == 'Say "hi".'
    assert table(data, "utt2sent") == {one: "own_p1", two: "own_p2", three: "own_p1"}
    assert table(data, "utt2sess") == {one: "own_monday", two: "own_monday", three: "own_tuesday"}
    assert table(data, "spk2gender") == {"own_s1": "f", "own_s2": "m"}
    validate(data)


def test_a_person_keeps_one_id_across_corpora(tmp_path: Path) -> None:
    for name in ("a", "b"):
        speech(tmp_path / f"{name}.wav")
    text = "path,speaker,emotion,person\na.wav,s1,sad,emodb_03\nb.wav,s2,sad,\n"
    (tmp_path / "own.csv").write_text(text)
    data = prepared(tmp_path / "own.csv", tmp_path / "data", OWN)
    assert table(data, "spk2person") == {"own_s1": "emodb_03", "own_s2": "own_s2"}
    assert read_persons(data) == {"own_s1-a": "emodb_03", "own_s2-b": "own_s2"}
    validate(data)
    (tmp_path / "own.csv").write_text(text + "a.wav,s2,sad,somebody\n")
    assert excluded(prepared(tmp_path / "own.csv", tmp_path / "more", OWN)) == {
        "a.wav": "person differs from the speaker's other utterances: 'somebody'"
    }
    (tmp_path / "own.csv").write_text(text.replace("emodb_03", ""))
    data = prepared(tmp_path / "own.csv", tmp_path / "plain", OWN)
    assert "spk2person" not in files(data) and read_persons(data)["own_s1-a"] == "own_s1"


def test_files_of_one_name_are_told_apart_by_folder(tmp_path: Path) -> None:
    for emotion in ("sad", "angry"):
        speech(tmp_path / f"wav/{emotion}/001.wav")
    (tmp_path / "own.tsv").write_text("path\tspeaker\temotion\nwav/sad/001.wav\ts\tsad\nwav/angry/001.wav\ts\tangry\n")
    data = prepared(tmp_path / "own.tsv", tmp_path / "data", OWN)
    assert list(table(data, "utt2spk")) == ["own_s-angry_001", "own_s-sad_001"]


def test_bad_rows_of_a_table_are_excluded_by_line(tmp_path: Path) -> None:
    for n in range(6):
        speech(tmp_path / f"{n}.wav")
    rows = ["0.wav,s,sad,f,", "1.wav,s,,f,", "2.wav,s,sad,x,", "3.wav,s,sad,f,soon", "4.wav,s,sad", "5.wav,s,wut,f,",
            "6.wav,s,sad,f,"]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(["path,speaker,emotion,gender,start", *rows]) + "\n")
    data = prepared(tmp_path / "own.csv", tmp_path / "data", OWN)
    assert list(table(data, "utt2spk")) == ["own_s-0"]
    lacking = "row without path, speaker or emotion, or with too many or too few columns"
    assert excluded(data) == {
        "own.csv:3": lacking,
        "own.csv:4": "gender not understood: x",
        "own.csv:5": "time not understood: start soon, end None",
        "own.csv:6": lacking,
        "5.wav": "unknown emotion 'wut': say in conf/emotions.yaml what it means",
        "6.wav": "no such audio file",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"path,emotion\na.wav,sad\n", "expected a header with the columns path, speaker, emotion"),
        (b"path,speaker,emotion,emotion\n", "each once"),
        (b"", "it has none"),
        (b"path;speaker;emotion\na.wav;s;sad\n", r"commas separate columns in a file \.csv, not semicolons"),
        (b"path,speaker,emotion\n\xe4.wav,s,sad\n", "own.csv:2: the byte 0xe4 is not UTF-8"),
    ],
)
def test_a_table_that_is_none_says_what_it_lacks(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "own.csv").write_bytes(content)
    with pytest.raises(UserError, match=words):
        importlib.import_module("local.corpora.table").check(tmp_path / "own.csv", OWN)


# The bundled corpus

MINI = "recording\tutterance\tspeaker\tgender\tlanguage\temotion\tsentence\tstart\tend\ttext\n"


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    for name in ("de/de1.ogg", "de/de1-sed.ogg", "th/th1.ogg"):
        speech(tmp_path / "mini" / name, 2.0, format="OGG", subtype="VORBIS")
    (tmp_path / "mini/metadata.tsv").write_text(
        MINI + "de1\tde1-s1-sad\tde1\tf\tde\tsad\tde-s1\t0.1500\t0.9000\tHallo.\n"
        "th1\tth1-s1-sad\tth1\tm\tth\tsad\tth-s1\t0.1500\t0.9000\tสวัสดี\n"
        "de1\tde1-s1-angry\tde1\tf\tde\tangry\tde-s1\t1.0500\t1.9000\tHallo.\n"
    )
    (tmp_path / "mini/sed.tsv").write_text(
        "recording\tutterance\tspeaker\tgender\tlanguage\temotion\tstart\tend\n"
        "de1-sed\tde1-sed1\tde1\tf\tde\tangry\t0.1500\t1.8000\n"
    )
    (tmp_path / "mini/sed.rttm").write_text(
        "SPEAKER de1-sed1 1 0.7500 0.9000 <NA> <NA> angry <NA> <NA>\n"
        "SPEAKER de1-sed1 1 0.0000 0.7500 <NA> <NA> neutral <NA> <NA>\n"
    )
    return tmp_path / "mini"


def test_mini_languages_are_corpora_of_their_own(mini: Path, tmp_path: Path) -> None:
    data = prepared(mini, tmp_path / "data", "mini_de")
    angry, sad = "mini_de_de1-de1-s1-angry", "mini_de_de1-de1-s1-sad"
    assert table(data, "segments") == {angry: "mini_de_de1 1.05 1.9", sad: "mini_de_de1 0.15 0.9"}
    assert table(data, "wav.scp") == {"mini_de_de1": str(mini / "de/de1.ogg")}
    assert table(data, "utt2lang") == {angry: "de", sad: "de"}
    assert table(data, "utt2sent") == {angry: "mini_de_de-s1", sad: "mini_de_de-s1"}
    assert table(data, "utt2dur") == {angry: "0.85", sad: "0.75"}
    assert excluded(data) == {}
    validate(data)


def test_mini_changes_have_reference_segments(mini: Path, tmp_path: Path) -> None:
    data = prepared(mini, tmp_path / "data", "mini_sed")
    utterance = "mini_sed_de1-de1-sed1"
    assert table(data, "utt2emo") == {utterance: "angry"}
    assert table(data, "utt2lang") == {utterance: "de"}
    assert (data / "ref.rttm").read_text() == (
        f"SPEAKER {utterance} 1 0.0 0.75 <NA> <NA> neutral <NA> <NA>\n"
        f"SPEAKER {utterance} 1 0.75 0.9 <NA> <NA> angry <NA> <NA>\n"
    )
    validate(data)


def test_mini_faults_have_names(mini: Path, tmp_path: Path) -> None:
    (mini / "metadata.tsv").write_text((mini / "metadata.tsv").read_text().replace("1.0500", "soon"))
    assert excluded(prepared(mini, tmp_path / "data", "mini_de")) == {"metadata.tsv:4": "row not understood"}
    (mini / "sed.rttm").write_text("SPEAKER de1-sed1 1 0.0 9.0 <NA> <NA> angry <NA> <NA>\n")
    with pytest.raises(UserError, match="1 emotional spans outside the utterance"):
        prepared(mini, tmp_path / "data", "mini_sed")
    (mini / "sed.rttm").write_text("angry from the start\n")
    with pytest.raises(UserError, match="sed.rttm:1: not a line of RTTM"):
        prepared(mini, tmp_path / "data", "mini_sed")


@pytest.mark.parametrize("corpus", [name for name in names() if name.startswith("mini_")])
def test_the_bundled_corpus_is_whole(repo: Path, tmp_path: Path, corpus: str, capsys: pytest.CaptureFixture) -> None:
    data = prepared(repo / "egs/mini/corpus", tmp_path / "data", corpus)
    assert excluded(data) == {}
    assert "differs" not in capsys.readouterr().out
    assert ("ref.rttm" in files(data)) == (corpus == "mini_sed")
    validate(data)
