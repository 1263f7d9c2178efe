"""The command: answers beside models, and nothing to analyse."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from local.listen import analyse
from local.listen.answers import Answer, Clip, write_answers, write_clips
from tests.local.listen.world import answer
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv, where


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two groups hear half of a corpus that models were tested on."""
    corpus = Corpus("eins", "de", speakers=4, each=4)
    world = World(tmp_path_factory.mktemp("made") / "toy", [corpus], [Encoder("big", skill=0.9)]).write()
    world.write_condition(world.encoders[0], "linear", ["eins"], "eins")
    clips = [
        Clip(f"c{place}", utt, "eins", "de", speaker, "", EMOTIONS[emotion])
        for place, (utt, speaker, emotion) in enumerate(corpus.utterances[::2])
    ]  # fmt: skip
    heard = answer(clips, {("de", "de"): 2.0, ("zh", "de"): 0.3}, people=5)
    rng = np.random.default_rng(0)
    marks = [
        Answer(f"de{n}", "de", "segment", 1, clip.utt, "de", clip.emotion, clip.emotion, start=0.0,
               end=float(rng.uniform(0.5, 1)), simulated=True)
        for n in range(3) for clip in clips
    ]  # fmt: skip
    listen = world.root / "exp/listen"
    listen.mkdir(parents=True)
    write_clips(listen / "clips.csv", clips)
    write_answers(listen / "answers.csv", heard + marks)
    (world.root / "data/eins/utt2dur").write_text("".join(f"{utt} 1.0\n" for utt, _, _ in corpus.utterances))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        analyse.main([])
    return listen


def test_every_table_is_there(folder: Path):
    made = {path.stem for path in folder.glob("*.csv")}
    assert made == {"answers", "clips", *analyse.NAMES} - {"rates", "study_tests", "study_figures"}


def test_scores_name_groups_and_the_model_once(folder: Path):
    rows = read_csv(folder / "scores.csv")
    assert [(row["who"], row["group"], row["clips"]) for row in rows] == [
        ("people", "de", "32"), ("big.linear, trained on eins", "", "32"), ("people", "zh", "32"),
    ]  # fmt: skip
    assert {row["simulated"] for row in rows if row["who"] == "people"} == {"true"}
    assert float(rows[0]["ua"]) > float(rows[2]["ua"])


def test_groups_stand_beside_the_model_on_the_same_clips(folder: Path):
    rows = read_csv(folder / "beside.csv")
    assert [row["people"] for row in rows] == ["listeners de", "listeners zh"] and {row["n"] for row in rows} == {"32"}
    scores = {row["group"]: row for row in read_csv(folder / "scores.csv") if row["who"] == "people"}
    for row in rows:
        assert row["people_ua"] == pytest.approx(scores[row["people"].split()[1]]["ua"], abs=1e-5)
    assert len(read_csv(folder / "items.csv")) == 64


def test_groups_differ_and_segments_are_scored(folder: Path):
    (test,) = where(read_csv(folder / "contrasts.csv"), measure="recall", emotion="all")
    (odds,) = read_csv(folder / "logistic.csv")
    assert float(test["p"]) < 0.05 and float(test["difference"]) > 0 and float(odds["lo"]) > 0
    segments = where(read_csv(folder / "segments.csv"), emotion="all")
    assert [row["reference"] for row in segments] == ["leave one out"] and 0 < float(segments[0]["eder"]) < 0.5


def test_a_rerun_does_nothing_until_an_answer_a_model_or_a_table_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    recipe = shutil.copytree(folder.parents[1], tmp_path / "toy")
    monkeypatch.chdir(recipe)
    own, tables = recipe / "exp/listen", {path.name: path.read_bytes() for path in folder.glob("*.csv")}

    def again() -> bool:
        capsys.readouterr()
        analyse.main([])
        return "up to date" not in capsys.readouterr().out

    again()
    assert not again()
    (own / "scores.csv").unlink()
    assert again() and not again() and (own / "scores.csv").read_bytes() == tables["scores.csv"]
    (own / "answers.csv").write_bytes(b"".join(tables["answers.csv"].splitlines(keepends=True)[:-1]))
    assert again() and not again()
    done = next(recipe.glob("exp/probe/*/.done"))
    done.write_text(done.read_text().replace("{", '{"more": 1, ', 1))
    assert again() and not again()


def test_nothing_to_analyse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    World(tmp_path / "toy", [Corpus("eins", "de")], [Encoder("big")]).write()
    monkeypatch.chdir(tmp_path / "toy")
    analyse.main([])
    assert "nothing to analyse" in capsys.readouterr().out
