"""Systems from outside, from a file to the report: what ours says, written out and read, scores as ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from local.outside import make
from local.score import collect
from tests.local.report.page import Page
from tests.local.report.test_make import build
from tests.local.score.spoken import spoken_world
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv, where
from utils import stamp
from utils.errors import UserError

OURS = "big.linear"
WORDS = {"angry": "ANGRY", "happy": "joy", "neutral": "neutral", "sad": "sad"}  # what the outside calls them
ENTRY = {"name": "echo", "file": "echo.csv", "words": {"ANGRY": "angry", "joy": "happy"}}


def said(root: Path, *corpora: str, ours: str = OURS) -> Iterator[tuple[str, str, list[str]]]:
    """What our system, trained on each corpus, says of it: utterance, emotion and posteriors as the file has them."""
    for corpus in corpora:
        for line in (root / f"exp/probe/{ours}.{corpus}-{corpus}/hyp").read_text().splitlines()[1:]:
            utt, _, _, emotion, *shares = line.split()
            yield utt, emotion, shares


def write_csv(path: Path, predictions: Iterator[tuple[str, str, list[str]]], soft: bool = True) -> None:
    header = ["utt", "emotion", *(f"p_{WORDS[name]}" for name in EMOTIONS)][: 6 if soft else 2]
    rows = [[utt, WORDS[emotion], *shares][: len(header)] for utt, emotion, shares in predictions]
    path.write_text("".join(",".join(row) + "\n" for row in (header, *rows)))


def configure(root: Path, *entries: dict) -> None:
    path = root / "conf/experiment.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"outside": list(entries)}))


def new_world(root: Path, **options: object) -> World:
    options = {"heads": ["linear", "mlp"], "corpora": [Corpus("uno", "it"), Corpus("zwei", "de", 10)]} | options
    encoders = [Encoder("big", 4, 0.85, ["it"]), Encoder("flat", 1, 0.6)]
    world = spoken_world(root, encoders=encoders, **options)
    for corpus in world.corpora:
        stamp.write(root / "data" / corpus.name / "folds/speaker", stamp.make({}, [], []))
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = new_world(tmp_path_factory.mktemp("made") / "toy")
    write_csv(world.root / "echo.csv", said(world.root, "uno", "zwei"))
    write_csv(world.root / "hard.csv", said(world.root, "uno", ours="flat.linear"), soft=False)
    hard = ENTRY | {"name": "hard", "file": "hard.csv", "corpora": ["uno"]}
    configure(world.root, ENTRY, hard)
    return world


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        make.main([])
        return build(world, patch)


def test_what_ours_says_scores_as_ours_to_the_bit(world: World, documents: tuple[str, Page]) -> None:
    same = ("ua", "wa", "macro_f1", "ua_lo", "ua_hi", "se", "df", "speaker_se", "n_test", "speakers", "collapsed")
    same += tuple(f"recall_{emotion}" for emotion in EMOTIONS)
    rows = read_csv(world.root / "exp/results.csv")
    for corpus in ("uno", "zwei"):
        theirs = where(rows, encoder="echo", test=corpus, layer="dev")
        ours = where(rows, encoder="big", method="linear", train=corpus, test=corpus, layer="dev")
        assert len(theirs) == len(ours) == 1
        assert {key: theirs[0][key] for key in same} == {key: ours[0][key] for key in same}
        assert theirs[0]["ua"] and theirs[0]["ua_lo"]
    theirs, ours = (
        where(read_csv(world.root / "exp/calibration.csv"), system=system, test="uno", train=train)
        for system, train in (("echo.outside", ""), (OURS, "uno"))
    )
    labels = ("stage", "train", "setting", "system", "cross_dev", "select", "normalise")
    assert [{k: v for k, v in row.items() if k not in labels} for row in theirs] == [
        {k: v for k, v in row.items() if k not in labels} for row in ours
    ]


def test_the_difference_to_itself_is_nothing_and_others_are_those_of_ours(
    world: World, documents: tuple[str, Page]
) -> None:
    rows = read_csv(world.root / "exp/significance.csv")
    for train, test, kind in (("uno", "uno", ""), ("zwei", "zwei", ""), ("*", "*", "means ")):
        family = f"outside {kind}within, echo.outside"
        (own,) = where(rows, a="echo.outside", b=OURS, train=train, test=test, family=family)
        assert float(own["diff"]) == 0 and float(own["p"]) == 1
    # Beside another system of ours, it differs as ours does.
    same = ("ua_a", "ua_b", "diff", "lo", "hi", "se", "df", "n", "speakers", "p")
    (theirs,) = where(rows, a="echo.outside", b="big.mlp", train="uno", test="uno")
    (ours,) = where(rows, a=OURS, b="big.mlp", train="uno", test="uno")
    assert {key: theirs[key] for key in same} == {key: ours[key] for key in same}


def test_families_of_ours_are_as_they_were(world: World, documents: tuple[str, Page], tmp_path: Path) -> None:
    alone = new_world(tmp_path / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(alone.root)
        collect.main([])
    for name in ("results.csv", "summary.csv", "significance.csv", "calibration.csv", "breakdown.csv", "mixed.csv"):
        theirs = [r for r in read_csv(world.root / "exp" / name) if r["stage"] != "outside"]
        assert theirs == read_csv(alone.root / "exp" / name), name


def test_of_its_training_nothing_is_said(world: World, documents: tuple[str, Page]) -> None:
    rows = where(read_csv(world.root / "exp/results.csv"), encoder="echo", layer="dev", test="uno")
    wanted = {
        "stage": "outside", "method": "outside", "setting": "unknown", "train": "", "dev": "", "n_train": "",
        "dev_ua": "", "params": "", "contaminated": "uno:unknown", "seed": "all",
    }  # fmt: skip
    assert {key: rows[0][key] for key in wanted} == wanted
    assert not where(read_csv(world.root / "exp/calibration.csv"), system="hard.outside")
    assert where(read_csv(world.root / "exp/results.csv"), encoder="hard", layer="dev", test="uno")


def test_the_report_calls_it_outside_and_marks_it(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    rows = where(page.rows("headline"), kind="outside system")
    assert [(row["measure"], row["system"]) for row in rows] == [
        ("UA outside, uno+zwei", "echo"), ("UA outside, uno", "hard"),
    ]  # fmt: skip
    assert all(row["score"].endswith("?") for row in rows)
    assert {row["than"].partition(", ")[0] for row in rows} == {"big"}
    text = " ".join(text.split())
    assert "outside system" in text and "`echo`? reaches" in text and "Nothing is known of its training" in text
    assert "`echo` may have heard uno, zwei; `hard` may have heard uno" in text
    scores = page.rows("outside")
    assert [(row["outside system"], row["test"].partition(" ")[0]) for row in scores] == [
        ("echo", "uno"), ("echo", "zwei"), ("hard", "uno"),
    ]  # fmt: skip
    assert scores[2]["ECE"] == "–" and scores[0]["ECE"] != "–"
    for name in ("echo", "hard"):
        own = where(read_csv(world.root / "exp/significance.csv"), stage="outside", a=f"{name}.outside")
        assert len(page.rows(f"outside-{name}-outside")) == len(own)
    assert "echo" not in {row["encoder"] for key in ("all", "means") for row in page.rows(key)}


def test_a_rerun_makes_nothing_and_other_words_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ready(tmp_path, monkeypatch)
    make.main([])
    assert "uno: done" in capsys.readouterr().out
    make.main([])
    out, err = capsys.readouterr()
    assert not out and "2 conditions are up to date" in err
    write_csv(root / "echo.csv", (("uno_s00-angry0", "sad", s) if u == "uno_s00-angry0" else (u, e, s)
                                  for u, e, s in said(root, "uno", "zwei")), soft=False)  # fmt: skip
    make.main([])
    assert "input echo.csv changed" in capsys.readouterr().err
    configure(root)  # and what is not asked for any more is in no table
    make.main([])
    assert not (root / "exp/outside/manifest.jsonl").read_text()


def test_json_makes_the_same_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ready(tmp_path, monkeypatch)
    make.main([])
    kept = tmp_path / "kept"
    shutil.copytree(root / "exp/outside/echo.outside-uno", kept)
    with open(root / "echo.jsonl", "w") as file:
        for utt, emotion, shares in said(root, "uno", "zwei"):
            posteriors = {WORDS[name]: float(share) for name, share in zip(EMOTIONS, shares, strict=True)}
            print(json.dumps({"utt": utt, "emotion": WORDS[emotion], "posteriors": posteriors}), file=file)
    configure(root, ENTRY | {"file": "echo.jsonl"})
    make.main([])
    for name in ("hyp", "scores.csv", "meta.json"):
        assert (root / "exp/outside/echo.outside-uno" / name).read_bytes() == (kept / name).read_bytes()


def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small recipe with a system from outside, and go there."""
    root = new_world(tmp_path / "toy", heads=["linear"]).root
    write_csv(root / "echo.csv", said(root, "uno", "zwei"))
    configure(root, ENTRY)
    monkeypatch.chdir(root)
    return root


def test_what_is_not_tested_may_be_there_and_say_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ready(tmp_path, monkeypatch)
    for table, value in (("utt2spk", "uno_s99"), ("utt2emo", "disgust"), ("utt2lang", "it")):
        with open(root / "data/uno" / table, "a") as file:
            print("uno_s99-x", value, file=file)
    write_csv(root / "hard.csv", said(root, "uno"), soft=False)
    with open(root / "hard.csv", "a") as file:
        print("uno_s99-x,disgust", file=file)
    configure(root, ENTRY | {"file": "hard.csv", "corpora": ["uno"]})
    make.main([])
    meta = json.loads((root / "exp/outside/echo.outside-uno/meta.json").read_text())
    assert meta["left_out"] == 0 and meta["posteriors"] is False


def test_what_is_left_out_is_counted_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ready(tmp_path, monkeypatch)
    lines = (root / "echo.csv").read_text().splitlines(keepends=True)
    gone = {"uno_s00-angry0", "uno_s03-sad1"}
    (root / "echo.csv").write_text("".join(line for line in lines if line.split(",")[0] not in gone))
    with pytest.raises(UserError, match="nothing of 2 of 160 test utterances of uno, the first is uno_s00-angry0; add"):
        make.main([])
    configure(root, ENTRY | {"missing": "leave_out"})
    make.main([])
    collect.main([])
    with np.load(root / "exp/outside/echo.outside-uno/layers.npz") as arrays:
        assert gone.isdisjoint(arrays["utts"].tolist()) and len(arrays["utts"]) == 158
    (row,) = where(read_csv(root / "exp/significance.csv"), a="echo.outside", b=OURS, test="uno", train="uno")
    assert (row["n"], float(row["diff"])) == ("158", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"line": "nobody-1,sad,.1,.1,.1,.7"}, "nobody-1 is not an utterance of data/uno and data/zwei"),
        ({"corpora": ["uno"]}, "is not an utterance of data/uno; take it out"),
        ({"corpora": ["due"]}, "'due' is not among the experiment's corpora"),
        ({"name": "big"}, "'big' is the name of an encoder"),
        ({"name": "a b"}, "the name 'a b' is not of letters"),
        ({"words": {"joy": "happy"}}, "'ANGRY' is not one of angry, happy, neutral, sad; say which it stands for"),
        ({"twice": True}, "echo is to be tested on uno twice"),
        ({"missing": "wrong"}, "'wrong' is not one of refuse, leave_out"),
        ({"both": True}, "uno_s00-angry0 is in uno and zwei"),
        ({"file": "none.csv"}, "none.csv: no such file"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict, message: str
) -> None:
    root = ready(tmp_path, monkeypatch)
    if line := change.pop("line", ""):
        with open(root / "echo.csv", "a") as file:
            print(line, file=file)
    if change.pop("both", False):
        for table in ("utt2spk", "utt2emo", "utt2lang"):
            own = (root / "data/uno" / table).read_text().splitlines(keepends=True)[0]
            path = root / "data/zwei" / table
            path.write_text(own + path.read_text())
    entries = [ENTRY] * (1 + change.pop("twice", False))
    configure(root, *(entry | change for entry in entries))
    with pytest.raises(UserError) as caught:
        make.main([])
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not list(root.glob("exp/outside/echo*"))
