"""Reading, writing and validating data directories."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.utils.data_dirs import RATE, data_dir, snapshot, tables, write_table
from utils import data_dir as dd
from utils.data_dir_check import validate
from utils.errors import UserError

KEYS = st.text(st.characters(min_codepoint=33, exclude_categories=["Z", "C"]), min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda value: value.strip(" ") != ""
)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.dictionaries(KEYS, VALUES))
def test_a_table_survives_writing_and_is_sorted_as_sort_does(tmp_path, table):
    path = tmp_path / "utt2any"
    write_table(path, table)
    assert dd.read_table(path) == {key: value.strip(" ") for key, value in table.items()}
    keys = "".join(f"{key}\n" for key in table).encode()
    by_sort = subprocess.run(["sort"], input=keys, capture_output=True, env={**os.environ, "LC_ALL": "C"}, check=True)
    assert [line.split(b" ")[0] for line in path.read_bytes().split(b"\n")] == by_sort.stdout.split(b"\n")


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("utt2emo", b"a x\nb\nc z\n", "utt2emo:2: "),
        ("utt2emo", b"a x\n\nc z\n", "utt2emo:2: "),
        ("utt2emo", b"a x\n b y\n", "utt2emo:2: "),
        ("utt2emo", b"a x\nb y\na z\n", "utt2emo:3: a occurs twice"),
        ("utt2emo", b"a x\nb \xe4\n", "utt2emo:2: the byte 0xe4"),
    ],
)
def test_a_malformed_table_is_named_with_its_line(tmp_path, name, content, place):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=place):
        dd.read_table(tmp_path / name)


def test_tabs_and_spaces_separate_and_only_a_transcript_may_be_empty(tmp_path):
    (tmp_path / "text").write_bytes("a\tx  y \nb\nc   \u3000z\u2028\n".encode())
    assert dd.read_table(tmp_path / "text") == {"a": "x  y", "b": "", "c": "\u3000z\u2028"}


@pytest.mark.parametrize(
    "table", [{"a b": "x"}, {"": "x"}, {"a\u3000": "x"}, {"a": ""}, {"a": "x\ny"}, {"a": "caf\udce9"}]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, table):
    with pytest.raises(UserError, match="utt2emo"):
        write_table(tmp_path / "utt2emo", table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("segments", [False, True])
def test_lhotse_reads_what_we_write(tmp_path, segments):
    lhotse = pytest.importorskip("lhotse")
    from lhotse.kaldi import load_kaldi_data_dir

    directory = data_dir(tmp_path, segments=segments)
    recordings, supervisions, _ = load_kaldi_data_dir(directory, sampling_rate=RATE)
    ours = {utterance.id: utterance for utterance in dd.read_utterances(directory)}
    assert isinstance(supervisions, lhotse.SupervisionSet) and {s.id for s in supervisions} == set(ours)
    emotions = dd.read_utt2(directory, "emo")
    assert emotions["c_s1-u1"] == "very happy"
    for cut in lhotse.CutSet.from_manifests(recordings, supervisions).trim_to_supervisions():
        supervision = cut.supervisions[0]
        utterance = ours[supervision.id]
        assert (supervision.speaker, supervision.language) == (utterance.speaker, "zh")
        assert supervision.gender == {"c_s0": "f", "c_s1": "m", "c_s2": "f"}[utterance.speaker]
        assert (supervision.text or "") == dd.read_table(directory / "text")[utterance.id]
        assert supervision.duration == pytest.approx(utterance.duration, abs=1e-3)
        np.testing.assert_array_equal(cut.load_audio()[0], utterance.load())


def test_lhotse_reads_segments_without_transcripts(tmp_path):
    load_kaldi_data_dir = pytest.importorskip("lhotse.kaldi").load_kaldi_data_dir
    made = tables(tmp_path / "audio", segments=True)
    del made["text"]
    dd.write_data_dir(tmp_path / "data", made)
    validate(tmp_path / "data")
    _, supervisions, _ = load_kaldi_data_dir(tmp_path / "data", sampling_rate=RATE)
    assert len(supervisions) == 12


def test_utterances_carry_where_their_audio_is(tmp_path):
    directory = data_dir(tmp_path, segments=True)
    utterance = dd.read_utterances(directory)[1]
    assert (utterance.id, utterance.recording, utterance.start, utterance.end) == ("c_s0-u1", "c_s0-all", 0.5, 0.65)
    (directory / "utt2dur").unlink()
    assert dd.read_utterances(directory)[1].duration == pytest.approx(0.15)
    whole = data_dir(tmp_path / "whole")
    (whole / "utt2dur").unlink()
    utterance = dd.read_utterances(whole)[1]
    assert (utterance.recording, utterance.start, utterance.end, utterance.duration) == ("c_s0-u1", 0.0, None, None)


def test_a_directory_is_written_whole_or_not_at_all(tmp_path):
    directory = data_dir(tmp_path)
    before = snapshot(directory)
    made = tables(tmp_path / "audio", speakers=2)
    made["utt2emo"]["c_s1-u2"] = "angry\nhappy"
    with pytest.raises(UserError, match="utt2emo: c_s1-u2"):
        dd.write_data_dir(directory, made)
    assert snapshot(directory) == before and not list(tmp_path.glob(".data*"))
    made["utt2emo"]["c_s1-u2"] = "angry"
    dd.write_data_dir(directory, made, {"excluded.tsv": "item\treason\n"})
    after = snapshot(directory)
    assert after["spk2utt"].splitlines()[1] == "c_s1 c_s1-u0 c_s1-u1 c_s1-u2 c_s1-u3"
    assert after["excluded.tsv"] == "item\treason\n" and len(after["utt2spk"].splitlines()) == 8


def test_only_a_data_directory_is_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(UserError, match="not a data directory"):
        dd.write_data_dir(tmp_path / "thesis", tables(tmp_path / "audio"))
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"


def test_unknown_and_missing_tables_are_refused(tmp_path):
    made = tables(tmp_path / "audio")
    with pytest.raises(UserError, match="utt3emo: not the name of a table"):
        dd.write_data_dir(tmp_path / "data", {**made, "utt3emo": {}})
    with pytest.raises(UserError, match="no utterances"):
        dd.write_data_dir(tmp_path / "data", {"wav.scp": made["wav.scp"]})
    with pytest.raises(UserError, match="no such data directory"):
        dd.read_utterances(tmp_path / "data")


# --- validation: each fault is (file, what is done to its lines, where and what the message says)


def _swap(lines):
    lines[1], lines[2] = lines[2], lines[1]


def _line(number, text):
    def change(lines):
        lines[number - 1] = text

    return change


FAULTS = {
    "unsorted": ("utt2emo", _swap, r"utt2emo:3: c_s0-u1 is not in C-locale order after c_s0-u2; run utils/fix_data"),
    "twice": ("utt2lang", lambda lines: lines.insert(1, lines[0]), r"utt2lang:2: c_s0-u0 occurs twice; run utils/fix"),
    "missing": ("utt2emo", lambda lines: lines.pop(4), r"utt2emo: the utterance c_s1-u0 of utt2spk is missing"),
    "strange": ("text", lambda lines: lines.append("d x"), r"text:13: the utterance d is not in utt2spk; run"),
    "no value": ("utt2emo", _line(3, "c_s0-u2"), r"utt2emo:3: expected '<key> <value>', got 'c_s0-u2'"),
    "speaker order": ("utt2spk", _line(2, "c_s0-u1 a"), r"utt2spk:2: c_s0-u1 of the speaker a comes after"),
    "two speakers": (
        "utt2spk",
        _line(2, "c_s0-u1 c_s0 c_s1"),
        r"utt2spk:2: expected one word after the key",
    ),
    "spk2utt": ("spk2utt", _line(2, "c_s1 c_s1-u0"), r"spk2utt:2: the utterances of c_s1 are not those in utt2spk"),
    "spk2utt short": ("spk2utt", lambda lines: lines.pop(), r"spk2utt: the speaker c_s2 of utt2spk is missing"),
    "gender": ("spk2gender", _line(2, "c_s1 male"), r"spk2gender:2: the gender 'male' is neither f nor m"),
    "no gender": ("spk2gender", lambda lines: lines.pop(0), r"spk2gender: the speaker c_s0 of utt2spk is missing"),
    "duration": ("utt2dur", _line(1, "c_s0-u0 0"), r"utt2dur:1: expected a positive number, got '0'"),
    "duration nan": ("utt2dur", _line(1, "c_s0-u0 nan"), r"utt2dur:1: expected a positive number, got 'nan'"),
    "no audio": ("wav.scp", _line(2, "{rec1} /no/x.wav"), r"wav.scp:2: the audio file /no/x.wav does not exist"),
    "tilde": ("wav.scp", _line(2, "{rec1} ~/x.wav"), r"wav.scp:2: ~/x.wav: '~' is not expanded"),
    "unused audio": ("wav.scp", lambda lines: lines.append("z /x.wav"), r"wav.scp:\d+: the recording z is not in "),
    "ideographic space": ("text", _line(2, "c_s0-u1 a\u3000b"), r"text:2: holds the white space U\+3000"),
    "dos": ("utt2emo", _line(2, "c_s0-u1 sad\r"), r"utt2emo:2: holds a carriage return"),
    "empty": ("utt2emo", lambda lines: lines.clear(), r"utt2emo: the file is empty"),
}
SEGMENT_FAULTS = {
    "backwards": ("segments", _line(3, "c_s0-u2 c_s0-all 2 1"), r"segments:3: expected .* 0 <= start < end"),
    "negative": ("segments", _line(3, "c_s0-u2 c_s0-all -1 1"), r"segments:3: expected .* 0 <= start < end"),
    "endless": ("segments", _line(3, "c_s0-u2 c_s0-all 1 inf"), r"segments:3: expected .* 0 <= start < end"),
    "no end": ("segments", _line(3, "c_s0-u2 c_s0-all 1"), r"segments:3: expected .* got '... c_s0-all 1'"),
    "no recording": ("segments", _line(3, "c_s0-u2 d 1 2"), r"wav.scp: the recording d of segments is missing"),
}


def _plant(directory: Path, fault) -> None:
    name, change, _ = fault
    lines = (directory / name).read_text(encoding="utf-8").split("\n")[:-1]
    recordings = [line.split()[0] for line in (directory / "wav.scp").read_text().splitlines()]
    change(lines)
    text = "".join(f"{line}\n" for line in lines).replace("{rec1}", recordings[1])
    (directory / name).write_bytes(text.encode())


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_validate_names_the_fault(tmp_path, fault, segments):
    directory = data_dir(tmp_path, segments=segments)
    validate(directory)
    _plant(directory, fault)
    with pytest.raises(UserError, match=fault[2]) as error:
        validate(directory)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", SEGMENT_FAULTS.values(), ids=SEGMENT_FAULTS.keys())
def test_validate_names_the_fault_in_segments(tmp_path, fault):
    directory = data_dir(tmp_path, segments=True)
    _plant(directory, fault)
    with pytest.raises(UserError, match=fault[2]):
        validate(directory)
    with pytest.raises(UserError, match="fix_data_dir|correct or remove"):
        dd.read_utterances(directory)


def test_validate_wants_what_kaldi_wants(tmp_path):
    directory = data_dir(tmp_path)
    (directory / "text").write_bytes((directory / "text").read_bytes()[:-1])
    with pytest.raises(UserError, match="text:12: the last line has no line end"):
        validate(directory)
    (directory / "text").unlink()
    validate(directory)
    (tmp_path / "audio" / "c_s2-u3.wav").write_bytes(b"")
    with pytest.raises(UserError, match="wav.scp:12: .*c_s2-u3.wav is empty"):
        validate(directory)
    (directory / "wav.scp").unlink()
    with pytest.raises(UserError, match="specify --no-wav"):
        validate(directory)
    validate(directory, need_wav=False)
    (directory / "spk2utt").unlink()
    with pytest.raises(UserError, match="spk2utt: no such file; run utils/fix_data_dir.sh"):
        validate(directory, need_wav=False)
    with pytest.raises(UserError, match="no such data directory"):
        validate(tmp_path / "none")


def test_speaker_order_can_be_waived_and_pipes_are_not_opened(tmp_path):
    utterances = {"u1": "b", "u2": "a"}
    dd.write_data_dir(tmp_path / "d", {"utt2spk": utterances, "wav.scp": dict.fromkeys(utterances, "sox x.flac - |")})
    with pytest.raises(UserError, match="utt2spk:2: u2 of the speaker a"):
        validate(tmp_path / "d")
    validate(tmp_path / "d", speaker_order=False)


def test_fifty_thousand_utterances_take_seconds(tmp_path):
    wav = Path(sys.executable)
    utterances = {f"c_{s:03d}-{u:03d}": f"c_{s:03d}" for s in range(250) for u in range(200)}
    made = {"utt2spk": utterances, "wav.scp": dict.fromkeys(utterances, str(wav))}
    made |= {f"utt2{name}": dict.fromkeys(utterances, "1.5") for name in ("dur", "emo", "lang", "sent")}
    dd.write_data_dir(tmp_path / "d", made)
    begin = time.process_time()
    validate(tmp_path / "d")
    assert len(dd.read_utterances(tmp_path / "d")) == 50_000
    # Near 1.5 s; the bound only catches work that grows faster than the directory.
    assert time.process_time() - begin < 20


def test_a_linked_directory_is_replaced_where_it_is(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    directory = data_dir(tmp_path)
    data_dir(tmp_path, speakers=2)
    assert directory.is_symlink() and len((tmp_path / "disk" / "utt2spk").read_text().splitlines()) == 8
