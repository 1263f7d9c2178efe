"""Diarization in the report: cells are those of stage 6's tables, and a model that loses says so."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local.experiment import Experiment, Sed
from local.report import answer, headline, inputs, sed
from local.report.diarized import Diarization
from local.report.scores import Score
from tests.local.report.page import longest

MINI = ("mini.frozen", "all")
SYSTEMS = {
    MINI: 0.40,
    ("mini.frozen", "others"): 0.52,
    ("all_neutral", ""): 0.50,
    ("chance", ""): 0.6,
}


def row(system: tuple[str, str], test: str, emotion: str, value: float) -> dict[str, str]:
    fields = {
        "recipe": "toy", "system": system[0], "how": system[1], "baseline": "0" if system[1] else "1", "setting": "",
        "train": "", "test": test, "emotion": emotion, "n": "20", "speakers": "5", "eder": f"{value}",
        "eder_lo": f"{value - 0.05}", "eder_hi": f"{value + 0.05}", "seeds": "1", "contaminated": "",
        "voices_seen": "0",
        "resampled": "speaker", "se": "0.02", "df": "4.0", "no_interval": "", "labels": "none", "split": "speaker",
    }  # fmt: skip
    if emotion == "all":
        fields |= dict.fromkeys(("weighted", "frames", "missed", "false_alarm", "confusion", "overlap"), f"{value / 4}")
    return fields


def pair(a: tuple[str, str], b: tuple[str, str], test: str, p: float) -> dict[str, str]:
    difference = SYSTEMS[a] - SYSTEMS[b]
    return {
        "recipe": "toy", "test": test, "a": a[0], "a_how": a[1], "b": b[0], "b_how": b[1], "eder_a": f"{SYSTEMS[a]}",
        "eder_b": f"{SYSTEMS[b]}", "diff": f"{difference}", "lo": f"{difference - 0.03}", "hi": f"{difference + 0.03}",
        "n": "20", "speakers": "5", "p": f"{p / 2}", "p_holm": f"{p}", "q": f"{p}", "df": "4.0", "no_interval": "",
        "family": f"diarization {test}", "family_size": "2", "p_smallest": "0.0625", "p_holm_smallest": "0.125",
        "detectable": "0.043", "detectable_family": "0.051", "margin": "0.05", "equivalent": "0",
    }  # fmt: skip


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Diarization:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp/sed").mkdir(parents=True)
    (tmp_path / "conf").mkdir()
    tests = ("emodb.single", "*.single")
    emotions = {"all": 0.0, "angry": -0.1, "sad": 0.1}
    rows = [row(s, t, e, round(v + d, 3)) for t in tests for s, v in SYSTEMS.items() for e, d in emotions.items()]
    models = [system for system in SYSTEMS if system[1]]
    pairs = [pair(a, b, t, 0.01 if a[1] == "all" else 0.5) for t in tests for a in models for b in SYSTEMS if not b[1]]
    for path, content in ((inputs.SED_RESULTS, rows), (inputs.SED_SIGNIFICANCE, pairs)):
        with open(tmp_path / "exp" / path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    listeners = {"angry": 25.8, "sad": 38.6, "all": 32.1}
    systems = {"listeners": listeners, "a recipe": {"all": 30.2, "deviation": 1.6}}
    reference = {"source": "a study", "test": "zed", "systems": systems}
    inputs.SED_REFERENCE.write_text(yaml.safe_dump(reference))
    read = inputs.diarization(
        Experiment(corpora=["emodb"], encoders=["mini"], sed=Sed(encoders=["mini"], corpora=["emodb"]))
    )
    assert read is not None
    return read


def table(found: Diarization, key: str) -> list[dict[str, str]]:
    content = next(content for content in sed.tables(found) if content.key == key)
    return [dict(zip(content.header, (cell.text for cell in cells), strict=True)) for cells in content.rows]


def test_nothing_is_said_where_nothing_was_asked(found: Diarization) -> None:
    assert inputs.diarization(Experiment(corpora=["emodb"], encoders=["mini"])) is None


def test_what_was_asked_names_corpora_and_encoders(found: Diarization) -> None:
    settings = Sed(encoders=["mini"], corpora=["emodb"], test=["zed"])
    asked = sed.asked(Experiment(corpora=["a"], encoders=["b"], sed=settings), found)
    assert "tested on zed and on recordings made of emodb" in asked and "`mini` (frozen)" in asked
    assert "(nobody's voice trained the model that tests it)" in asked


def test_voices_that_trained_the_model_that_tests_them_are_counted_and_marked(found: Diarization) -> None:
    rows = [replace(row, voices_seen=3 * (row.test == "emodb.single" and not row.baseline)) for row in found.rows]
    marked = replace(found, rows=rows)
    asked = sed.asked(Experiment(corpora=["a"], encoders=["b"], sed=Sed(encoders=["mini"], corpora=["emodb"])), marked)
    assert "◊ voices that trained the very model that tests them: 3 in emodb.single" in asked
    assert "nobody's voice" not in asked
    for content in sed.tables(marked)[:1]:
        marks = {row[0].text: row[1].marks for row in content.rows}
        assert marks["mini.frozen, all"] == "◊" and marks["all_neutral"] == "" and "◊" in content.marks


def test_systems_stand_beside_baselines(found: Diarization) -> None:
    rows = {cells["system"]: cells for cells in table(found, "sed")}
    assert rows["mini.frozen, all"]["emodb.single"] == "40.0 [35.0, 45.0]"
    assert rows["all_neutral"]["*.single"] == "50.0 [45.0, 55.0]"
    best = next(content for content in sed.tables(found) if content.key == "sed").rows
    assert [cells[0].text for cells in best if cells[1].best] == ["mini.frozen, all"]


def test_published_figures_stand_beside_what_was_not_run(found: Diarization) -> None:
    rows = {cells["emotion"]: cells for cells in table(found, "sed-zed")}
    assert rows["angry"]["listeners"] == "25.8" and rows["mean"]["listeners"] == "32.1"
    assert rows["mean"]["a recipe"] == "30.2 ± 1.6" and rows["angry"]["a recipe"] == "–"
    assert {cells["mini.frozen, all"] for cells in rows.values()} == {"–"}
    rows = {cells["emotion"]: cells for cells in table(found, "sed-pooled.single")}
    assert rows["sad"]["mini.frozen, all"] == "50.0 [45.0, 55.0]"
    assert "listeners" not in rows["sad"]


def test_a_model_that_was_not_shown_to_beat_a_baseline_says_so(found: Diarization) -> None:
    (words,) = sed.sentences(found)
    assert "of 2 models, by test, is that of `mini.frozen` trained on all corpora: **40.0 [35.0, 45.0]**" in words
    assert "It beats `all_neutral`: -10.0 points" in words
    losing = [replace(p, adjusted=0.2) if p.b[0] == "chance" else p for p in found.pairs]
    (words,) = sed.sentences(Diarization(found.rows, losing))
    null = "It was not shown to beat `chance`: -20.0 points [-23.0, -17.0], p = 0.200, as no difference could have been"
    assert f"{null}." in words and "not beat" not in words
    wide = [
        replace(p, difference=Score(-0.2, -0.5, 0.1), reachable=0.01) if p.b[0] == "chance" else p for p in found.pairs
    ]
    (words,) = sed.sentences(Diarization(found.rows, wide))
    assert "-20.0 points [-50.0, +10.0], p = 0.010, but the interval holds 0; 5.1 points were" in words
    worse = [replace(p, difference=Score(0.1, 0.05, 0.2)) if p.b[0] == "chance" else p for p in found.pairs]
    (words,) = sed.sentences(Diarization(found.rows, worse))
    assert "It is worse than `chance`: +10.0 points [+5.0, +20.0]" in words


def test_sentences_are_short(found: Diarization) -> None:
    said = [block if isinstance(block, str) else block.caption for block in sed.blocks(found)]
    words, sentence = longest(said)
    assert len(said) > 5 and words <= 60, sentence


def test_the_figure_has_a_row_for_every_system(found: Diarization) -> None:
    (figure,) = sed.figures(found)
    drawing = figure.draw()
    assert [text.get_text() for text in drawing.axes[0].get_yticklabels()] == [
        "mini.frozen, all", "mini.frozen, others", "all_neutral", "chance",
    ]  # fmt: skip


def test_headlines_set_models_beside_labels_that_hear_nothing_and_random_weights(found: Diarization) -> None:
    (measure,) = headline.measures(None, found)
    assert measure.title == "EDER single, all corpora"
    assert [(line.name, line.baseline) for line in measure.lines] == [
        ("mini.frozen", ""), ("all_neutral", "hears nothing"), ("mini.frozen", ""), ("chance", "hears nothing"),
    ]  # fmt: skip
    best, other = measure.systems
    assert (best.than, best.among, round(best.ahead.ua, 3)) == ("all_neutral", 2, 0.1)
    assert round(other.ahead.ua, 3) == -0.02 and measure.beaten == 1
    # Random weights that were trained on the same are a baseline, wherever they stand in the pair.
    twin = ("mini_random.frozen", "all")
    rows = [*found.rows, *(replace(r, system=twin, eder=Score(0.45, 0.4, 0.5)) for r in found.rows if r.system == MINI)]
    pairs = [*found.pairs, *(replace(p, a=twin, b=MINI, difference=Score(0.05, 0.02, 0.08)) for p in found.pairs[:1])]
    (measure,) = headline.measures(None, replace(found, rows=rows, pairs=[replace(p, test="*.single") for p in pairs]))
    best, other = measure.systems
    assert (best.than, best.among, best.ahead.ua) == ("mini_random.frozen", 3, 0.05)
    assert (other.than, other.among) == ("all_neutral", 2)
    assert [line.baseline for line in measure.lines if line.name == twin[0]] == ["random weights"]


def test_the_answer_says_by_how_much_and_what_that_is_worth(found: Diarization) -> None:
    (said,) = answer.sentences(None, headline.measures(None, found))
    assert said == (
        "**Diarization of one emotional span, all corpora together**: 1 of 2 systems was shown to beat every baseline. "
        "`mini.frozen, all`, the best of 2 by test, is **10.0 [7.0, 13.0] points** ahead of `all_neutral`, the "
        "strongest of 2 baselines by test (Holm's p = 0.010, q = 0.010; 5.1 points were detectable)."
    )
