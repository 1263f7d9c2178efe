"""Files of predictions: the three kinds say the same, and what is wrong with one is named with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from local.experiment import Experiment
from local.outside.predictions import probabilities, read
from tests.conftest import REPO
from utils import config
from utils.errors import UserError

EMOTIONS = ["angry", "happy", "neutral", "sad"]
SAID = {
    "a1": ("joy", {"angry": 0.1, "joy": 0.7, "neutral": 0.1, "sad": 0.1}),
    "a2": ("sad", {"angry": 0.2, "joy": 0.3, "neutral": 0.15, "sad": 0.35}),
}


def write(folder: Path, kind: str, said: dict = SAID) -> Path:
    """Write predictions in one of the three kinds, with something beside them."""
    path = folder / f"said.{kind}"
    if kind == "jsonl":
        objects = ({"utt": u, "emotion": e, "posteriors": p, "seconds": 1.5} for u, (e, p) in said.items())
        path.write_text("".join(f"{json.dumps(one)}\n" for one in objects))
        return path
    words = list(dict.fromkeys(word for _, shares in said.values() for word in shares))
    rows = [["utt", "seconds", "emotion", *(f"p_{word}" for word in words)]]
    rows += [[utt, "1.5", emotion, *(str(shares.get(w, "")) for w in words)] for utt, (emotion, shares) in said.items()]
    path.write_text("".join({"csv": ",", "tsv": "\t"}[kind].join(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_three_kinds_say_the_same(tmp_path: Path, kind: str) -> None:
    found = read(write(tmp_path, kind))
    assert list(found) == ["a1", "a2"]
    made, soft = probabilities(list(found.values()), EMOTIONS, {"joy": "happy"})
    assert soft
    expected = np.array([[0.1, 0.7, 0.1, 0.1], [0.2, 0.3, 0.15, 0.35]], dtype=np.float32)
    np.testing.assert_array_equal(made, expected)


def test_without_posteriors_labels_are_hard(tmp_path: Path) -> None:
    hard = {utt: (emotion, {}) for utt, (emotion, _) in SAID.items()}
    for kind in ("csv", "jsonl"):
        made, soft = probabilities(list(read(write(tmp_path, kind, hard)).values()), EMOTIONS, {"joy": "happy"})
        assert not soft
        np.testing.assert_array_equal(made, np.eye(4, dtype=np.float32)[[1, 3]])


def test_of_equal_posteriors_that_which_was_said_is_the_largest_and_words_are_added(tmp_path: Path) -> None:
    said = {"a1": ("neutral", {"angry": 0.1, "happy": 0.4, "neutral": 0.25, "calm": 0.15, "sad": 0.1})}
    made, _ = probabilities(list(read(write(tmp_path, "csv", said)).values()), EMOTIONS, {"calm": "neutral"})
    assert made[0].argmax() == 2
    assert [f"{share:.5f}" for share in made[0]] == ["0.10000", "0.40000", "0.40000", "0.10000"]


FAULTS = {
    "is not one of angry, happy": {"a1": ("furious", {})},
    "its posteriors lack sad": {"a1": ("angry", {"angry": 0.5, "happy": 0.25, "neutral": 0.25})},
    "sum to 0.900, not to 1": {"a1": ("angry", {"angry": 0.6, "happy": 0.1, "neutral": 0.1, "sad": 0.1})},
    "'-0.1' is no posterior of sad": {"a1": ("angry", {"angry": 0.6, "happy": 0.25, "neutral": 0.25, "sad": -0.1})},
    "'nan' is no posterior of sad": {"a1": ("angry", {"angry": 0.5, "happy": 0.25, "neutral": 0.25, "sad": "nan"})},
    "'much' is no posterior of sad": {"a1": ("angry", {"angry": 0.5, "happy": 0.25, "neutral": 0.25, "sad": "much"})},
    "says sad, but its posteriors say angry": {"a1": ("sad", {"angry": 0.7, "happy": 0.1, "neutral": 0.1, "sad": 0.1})},
    "has no posteriors, as other lines have": {"a1": ("sad", {}), "a2": ("angry", dict.fromkeys(EMOTIONS, 0.25))},
    "holds no predictions": {},
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("message", FAULTS)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, kind: str, message: str) -> None:
    path = write(tmp_path, kind, FAULTS[message])
    with pytest.raises(UserError) as caught:
        probabilities(list(read(path).values()), EMOTIONS, {})
    line = f":{2 if kind == 'csv' else 1}: " if FAULTS[message] else ": "
    assert str(caught.value).startswith(f"{path}{line}") and message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "utt,emotion\na1,sad\na2,sad\na1,sad\n", "a.csv:4: a1 is there twice, first in line 2"),
        (
            "a.jsonl",
            '{"utt": "a", "emotion": "sad"}\n\n{"utt": "a", "emotion": "sad"}\n',
            "a.jsonl:3: a is there twice",
        ),
        ("a.csv", "utt,label\na1,sad\n", "a.csv:2: nothing in the column emotion"),
        ("a.csv", "utt,emotion\na1\n", "a.csv:2: has more or fewer fields"),
        ("a.jsonl", '{"utt": "a1"}\n', "a.jsonl:1: expected {"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: expected {"),
        ("a.jsonl", "\n{", "a.jsonl:2: expected {"),
        ("a.jsonl", '{"utt": "a1", "emotion": "sad", "posteriors": [1]}', "a.jsonl:1: expected {"),
        ("a.xlsx", "", "a.xlsx: predictions are read from .csv, .tsv and .jsonl"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=".*") as caught:
        read(tmp_path / name)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / f"none.{kind}")


def test_the_page_s_examples_are_read_and_say_the_same(tmp_path: Path) -> None:
    page = (REPO / "docs/outside.md").read_text(encoding="utf-8")
    entry, rows, line = (re.search(pattern, page, re.S)[1] for pattern in (
        r"```yaml\n(.*?)```", r"```\n(utt,.*?)```", r"```\n(\{.*?)```",
    ))  # fmt: skip
    (tmp_path / "experiment.yaml").write_text(f"encoders: [mini]\n{entry}")
    (own,) = config.load(Experiment, tmp_path / "experiment.yaml").outside
    assert (own.name, own.corpora) == ("sensevoice", ["emodb"])
    made = []
    for name, text in (("a.csv", rows), ("a.jsonl", line)):
        (tmp_path / name).write_text(text)
        made.append(probabilities(list(read(tmp_path / name).values()), EMOTIONS, own.words)[0])
    np.testing.assert_array_equal(*made)
    assert made[0].argmax() == EMOTIONS.index("happy")
