"""webMUSHRA's files: what its PHP writes is read, what is wrong is named by line, and everything comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local.listen.answers import Answer, Clip, Listener, read_answers, read_listeners, write_answers, write_clips
from local.listen.answers import write_listeners as write_people
from local.listen.webmushra import main, read, write, yaml_text
from utils.errors import UserError

EMOTIONS = ["angry", "happy", "neutral", "sad"]
MEANINGS = {emotion: emotion for emotion in EMOTIONS}
CLIPS = [
    Clip("c1", "de_s1-a", "de", "de", "s1", "a01", "angry"), Clip("c2", "de_s2-b", "de", "de", "s2", "a02", "sad"),
]  # fmt: skip
# As service/write.php writes it: ratings between spaces, text with commas between quotation marks.
LSS = """session_test_id,email,age,trial_id,stimuli_rating,stimuli,rating_time
emo,anna,"30, nearly",c1," angry ",c1,4321
emo,anna,"30, nearly",c2," happy ",c2,1234
emo,=ben+"<script>",41,c2," NA ",c2,99
emo,=ben+"<script>",41,c1," sad ",de_s1-a,100
"""


def lss(tmp_path: Path, text: str = LSS) -> Path:
    (tmp_path / "lss.csv").write_text(text, encoding="utf-8")
    return tmp_path / "lss.csv"


def test_reads_what_webmushra_writes(tmp_path):
    answers, people, unrated = read(lss(tmp_path), CLIPS, MEANINGS, "email")
    assert [(a.listener, a.utt, a.emotion, a.answer, a.rt_ms, a.trial) for a in answers] == [
        ("anna", "de_s1-a", "angry", "angry", 4321, 1), ("anna", "de_s2-b", "sad", "happy", 1234, 2),
        ('=ben+"<script>"', "de_s1-a", "angry", "sad", 100, 1),
    ]  # fmt: skip
    assert [own.more for own in people] == [{"age": "30, nearly"}, {"age": "41"}] and unrated == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('emo,anna,"30, nearly",c2', "emo,anna,30, nearly,c2", r"lss.csv:3: 8 cells under a header of 7"),
        (" happy ", " 2 ", r"lss.csv:3: '2' is none of angry, .*--means"),
        (" happy ", " Happy ", r"lss.csv:3: 'Happy' is none of"),
        ('c2," happy ",c2', 'c1," happy ",c1', r"lss.csv:3: anna answered c1 before"),
        ('" happy ",c2', '" happy ",c9', r"lss.csv:3: 'c9' is no clip"),
        ('emo,anna,"30, nearly",c2', "emo,anna,31,c2", r"lss.csv:3: anna says other things"),
        ('emo,anna,"30, nearly",c2', 'emo, ,"30, nearly",c2', r"lss.csv:3: no listener"),
        ("1234", "soon", r"lss.csv:3: rating_time 'soon' is no number"),
        ("stimuli_rating", "rating", r"no column 'stimuli_rating'"),
        ("email", "age", r"two columns 'age'"),
    ],
)
def test_names_the_line_that_is_wrong(tmp_path, old, new, said):
    with pytest.raises(UserError, match=said):
        read(lss(tmp_path, LSS.replace(old, new, 1)), CLIPS, MEANINGS, "email" if old != "email" else "age")


def test_the_listener_column_is_to_be_there(tmp_path):
    with pytest.raises(UserError, match="no column 'name'; it has session_test_id, email"):
        read(lss(tmp_path), CLIPS, MEANINGS, "name")


def test_answers_come_back(tmp_path):
    people = [Listener("=1+1", "zh", "zh", {"musician": 'a "little", yes'}), Listener("Jürgen", "de", "de")]
    answers = [
        Answer("=1+1", "zh", "choice", 1, "de_s1-a", "de", "angry", "sad", rt_ms=1234.5),
        Answer("=1+1", "zh", "choice", 2, "de_s2-b", "de", "sad", "sad"),
        Answer("Jürgen", "de", "choice", 1, "de_s2-b", "de", "sad", "happy", rt_ms=7),
        Answer("Jürgen", "de", "segment", 1, "de_s2-b", "de", "sad", "sad", rt_ms=9, start=0.25, end=1.125),
    ]
    assert write(tmp_path / "out", answers, people, {c.utt: c.clip for c in CLIPS}, "t") == {"lss.csv": 3, "sed.csv": 1}
    # What a spreadsheet would take for a formula is not one in the file.
    assert ",'=1+1,zh," in (tmp_path / "out/lss.csv").read_text()
    back, who = [], {}
    for name in ("lss.csv", "sed.csv"):
        found, listeners, _ = read(tmp_path / "out" / name, CLIPS, MEANINGS, "listener", "group", "native_language")
        back += found
        who |= {own.listener: own for own in listeners}
    assert back == answers
    assert who["=1+1"] == people[0] and who["Jürgen"].group == "de"


def test_files_come_back_and_a_plain_file_is_read_by_the_command(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiment.yaml").write_text("corpora: [mini]\nencoders: [logmel]\n")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exp/listen"
    folder.mkdir(parents=True)
    write_clips(folder / "clips.csv", CLIPS)
    (tmp_path / "plain.csv").write_text(
        "person,team,clip,answer,rt_ms,start,end\np1,a,c1,1,10,,\np1,a,c2,sad,11,0.5,1\np2,b,c1,sad,,,\n"
    )
    main(["import", "plain.csv", "--listener", "person", "--group", "team", "--means", "1=angry"])
    answers, people = read_answers(folder / "answers.csv"), read_listeners(folder / "listeners.csv")
    assert [(a.listener, a.group, a.task, a.answer) for a in answers] == [
        ("p1", "a", "choice", "angry"), ("p1", "a", "segment", "sad"), ("p2", "b", "choice", "sad"),
    ]  # fmt: skip
    main(["export", "out"])
    written = {name: (tmp_path / "out" / name).read_bytes() for name in ("lss.csv", "sed.csv")}
    (folder / "answers.csv").unlink()
    columns = ["--listener", "listener", "--group", "group", "--native", "native_language"]
    main(["import", "out/lss.csv", "out/sed.csv", *columns])
    assert read_answers(folder / "answers.csv") == [answers[0], answers[2], answers[1]]
    assert read_listeners(folder / "listeners.csv") == people
    main(["export", "again"])
    assert {name: (tmp_path / "again" / name).read_bytes() for name in written} == written
    with pytest.raises(UserError, match=r"p1 answers de_s1-a \(choice\) in two files"):
        main(["import", "out/lss.csv", "out/lss.csv", *columns])
    with pytest.raises(UserError, match="--means 1: expected"):
        main(["import", "plain.csv", "--listener", "person", "--means", "1=cheerful"])


def test_a_segment_needs_both_ends(tmp_path):
    text = "person,clip,answer,start,end\np1,c1,sad,{},{}\n"
    for start, end in (("0.5", ""), ("2", "1"), ("-1", "1"), ("1", "1")):
        (tmp_path / "sed.csv").write_text(text.format(start, end))
        with pytest.raises(UserError, match="sed.csv:2: a segment"):
            read(tmp_path / "sed.csv", CLIPS, MEANINGS, "person")


def test_the_test_for_webmushra_names_no_emotion_but_as_a_choice():
    made = yaml_text(CLIPS, EMOTIONS, "clips/", "emo")
    whole = yaml.safe_load(made)
    (mode, *pages), finish = whole["pages"]
    assert mode == "random" and [page["stimuli"] for page in pages] == [
        {"c1": "clips/c1.wav"}, {"c2": "clips/c2.wav"},
    ]  # fmt: skip
    assert all([choice["value"] for choice in page.pop("response")] == EMOTIONS for page in pages)
    assert finish["writeResults"] and [own["name"] for own in finish["questionnaire"]][0] == "listener"
    assert "&" not in made and "*" not in made  # no anchors
    assert not any(emotion in str(pages) for emotion in EMOTIONS)


def test_guarded_cells_stay_what_they_are(tmp_path):
    write_answers(tmp_path / "a.csv", [Answer("=x", "@g", "choice", 1, "u", "de", "sad", "sad")])
    write_people(tmp_path / "l.csv", [Listener("=x", "@g")])
    assert read_answers(tmp_path / "a.csv")[0].listener == "=x" == read_listeners(tmp_path / "l.csv")[0].listener
