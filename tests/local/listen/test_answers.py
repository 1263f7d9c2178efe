"""Tables of clips, answers and listeners: written, read again the same, and refused when they are not what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.listen.answers import (
    COLUMNS,
    Answer,
    Clip,
    Listener,
    read_answers,
    read_clips,
    read_listeners,
    write_answers,
    write_clips,
    write_listeners,
)
from utils.errors import UserError

HOSTILE = ['&+%="<script>', "=1+1", "+49", "-2", "@SUM(A1)", "'", "'=1", "\t=1", 'a,"b"\nc', "你好 ü", "", "'quoted'"]


def answer(**changes) -> Answer:
    """An answer, but for some of it."""
    known = {"listener": "l1", "group": "de", "task": "choice", "trial": 1, "utt": "u1", "language": "de",
             "emotion": "sad", "answer": "sad"}  # fmt: skip
    return Answer(**known | changes)


def test_columns_are_the_contract() -> None:
    assert ",".join(COLUMNS) == (
        "listener,group,task,trial,utt,language,emotion,answer,plays,rt_ms,start,end,time,consent,simulated"
    )


def test_answers_come_back_the_same(tmp_path: Path) -> None:
    rows = [
        answer(plays=2, rt_ms=1234.5, time="2026-01-02T03:04:05Z", consent="1.de.0a1b2c3d"),
        answer(task="segment", trial=2, start=0.25, end=1.5, simulated=True),
        *(answer(group=value, consent=value) for value in HOSTILE),
    ]
    write_answers(tmp_path / "answers.csv", rows)
    assert read_answers(tmp_path / "answers.csv") == rows


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")))
def test_any_text_comes_back_and_no_cell_is_a_formula(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("made") / "listeners.csv"
    listeners = [Listener("l1", "g", text, {"gender": text})]
    write_listeners(path, listeners)
    assert read_listeners(path) == listeners
    cells = path.read_text("utf-8").split("\n", 1)[1].split(",")
    assert not any(cell.lstrip('"').startswith(("=", "+", "-", "@")) for cell in cells[:3])


def test_clips_come_back_the_same(tmp_path: Path) -> None:
    clips = [Clip("c01", "u1", "emodb", "de", "s1", "a01", "sad"), Clip("c02", "=u2", "x", "zh", "s", "", "angry")]
    write_clips(tmp_path / "clips.csv", clips)
    assert read_clips(tmp_path / "clips.csv") == clips


@pytest.mark.parametrize(
    "column, value, said",
    [("task", "guess", "answers.csv:2: .*guess"), ("rt_ms", "fast", "answers.csv:2: .*fast"), ("plays", "1.5", ":2")],
)
def test_a_value_of_another_kind_is_refused_with_its_line(tmp_path: Path, column: str, value: str, said: str) -> None:
    path = tmp_path / "answers.csv"
    write_answers(path, [answer()])
    head, row = path.read_text().splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True)) | {column: value}
    path.write_text(f"{head}\n{','.join(cells.values())}\n")
    with pytest.raises(UserError, match=said):
        read_answers(path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("listener,answer\nl1,sad\n")
    with pytest.raises(UserError, match="expected listener,group|expected listener, group"):
        read_answers(tmp_path / "answers.csv")
