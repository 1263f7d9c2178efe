"""What the report says of people: what exp/listen/*.csv say, marked where nobody answered."""

from __future__ import annotations

import base64
import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.listen import analyse
from local.listen.answers import Clip, write_answers, write_clips
from local.report import listened, make
from local.report.figures import listened as figures
from tests.local.listen.world import answer
from tests.local.report.page import Page
from tests.local.report.test_make import build, draw_only
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv

REPO = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, Path]:
    corpus = Corpus("eins", "de", speakers=4, each=4)
    world = World(tmp_path_factory.mktemp("made") / "toy", [corpus], [Encoder("big", skill=0.7)]).write()
    config = world.root / "conf/experiment.yaml"
    config.write_text(config.read_text() + "study:\n  listeners: conf/study_a_listeners.yaml\n")
    clips = [
        Clip(f"c{place}", utt, "eins", "de", speaker, "", EMOTIONS[emotion])
        for place, (utt, speaker, emotion) in enumerate(corpus.utterances)
    ]  # fmt: skip
    listen = world.root / "exp/listen"
    listen.mkdir(parents=True)
    write_clips(listen / "clips.csv", clips)
    write_answers(listen / "answers.csv", answer(clips, {("de", "de"): 2.0, ("zh", "de"): 0.3}, people=4))
    sound = world.root / "a.wav"
    soundfile.write(sound, 0.1 * np.sin(np.arange(8000) / 20), 16000)
    (world.root / "data/eins/wav.scp").write_text("".join(f"{clip.utt} {sound}\n" for clip in clips))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        analyse.main([])
        return *build(world, patch), world.root


def test_tables_are_the_files(documents):
    _, page, root = documents
    scores = read_csv(root / "exp/listen/scores.csv")
    shown = page.rows("listeners-scores")
    assert [row["who"] for row in shown] == [row["who"] for row in scores]
    assert [row["UA"].split(" [")[0] for row in shown] == [f"{100 * float(row['ua']):.1f}" for row in scores]
    assert len(page.rows("listeners-contrasts")) == len(read_csv(root / "exp/listen/contrasts.csv"))
    assert len(page.rows("listeners-confusions")) == 4 * 3
    assert {"listeners-logistic", "listeners-reliability", "people-models", "people-items"} <= set(page.tables)
    (odds,) = read_csv(root / "exp/listen/logistic.csv")
    assert page.rows("listeners-logistic")[0]["a − b"].startswith(f"{float(odds['log_odds']):+.2f} [")


def test_groups_are_counted_in_short_and_told_one_by_one_on_the_page(documents):
    text, page, _ = documents
    said = " ".join(text.split())
    assert said.count("**Models beside people**") == 1 and "2 times a group of listeners and a corpus" in said
    assert page.sections["people"].count("utterances of eins: ") == 2


def test_the_figure_is_of_one_corpus_and_names_what_models_are_trained_on(documents, monkeypatch):
    monkeypatch.chdir(documents[2])
    found = listened.load(Path("exp"))
    best = found.best
    # The same people on another corpus, and a model that was trained there.
    elsewhere = dataclasses.replace(best, corpus="zwei", theirs=dataclasses.replace(best.theirs, ua=0.01))
    other = dataclasses.replace(best, train="zwei", ours=dataclasses.replace(best.ours, ua=best.ours.ua - 0.1))
    both = dataclasses.replace(found, beside=[*found.beside, other, elsewhere])
    (figure,) = figures.figures(both)
    axes = figure.draw().axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    shown = {name: line.get_xdata()[0] for name, line in zip(names, axes.lines[1::2], strict=True)}
    assert {"big.linear (eins)", "big.linear (zwei)", "listeners de", "listeners zh"} == shown.keys()
    assert shown[best.people] == 100 * best.theirs.ua


def test_both_documents_say_that_nobody_answered(documents):
    text, page, _ = documents
    assert "**Simulated answers, of nobody.**" in text and "Simulated answers, of nobody." in page.sections["people"]


def test_utterances_can_be_heard_and_single_listeners_are_not_kept(documents):
    text, _, root = documents
    html = (root / "exp/report/index.html").read_text(encoding="utf-8")
    sounds = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', html)
    assert 8 <= len(sounds) <= 12 and len(base64.b64decode(sounds[0])) > 500
    kept = {path.name for path in (root / "results").glob("listen_*")}
    assert "listen_scores.csv" in kept and not kept & {"listen_by_listener.csv", "listen_items.csv"}
    assert "results/people.svg" in text


def test_what_can_be_checked_of_the_study_is_said(documents):
    text, page, _ = documents
    flat = " ".join(text.split())
    assert "«144 for each language»" in flat and "48 a language, and 144 in three" in flat
    assert "cannot be made again" in flat and len(page.rows("listeners-study-tests")) == 5


def test_people_alone_are_reported(documents, tmp_path, monkeypatch):
    _, _, root = documents
    listen = shutil.copytree(root, tmp_path / "toy", ignore=shutil.ignore_patterns("RESULTS.md", "results", "exp"))
    shutil.copytree(root / "exp/listen", listen / "exp/listen")
    monkeypatch.chdir(listen)
    draw_only(monkeypatch)
    analyse.main([])
    make.main([])
    text = (listen / "RESULTS.md").read_text(encoding="utf-8")
    assert "How well do people recognise emotions?" in text and "**Listeners**" in text
    assert "**No model has been run here yet.**" in text and "Nothing has been run" not in text
    page = Page((listen / "exp/report/index.html").read_text(encoding="utf-8"))
    assert len(page.rows("listeners-scores")) == 2 and not page.open
