"""Scores of conditions, and the tables of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from local.sed import collect, conditions
from local.sed.conditions import BASELINES
from local.sed.score import condition as score
from tests.local.sed import recipe
from utils import csv_file
from utils.csv_file import read
from utils.rttm import read_rttm

SHIFT = {"emodb": 0.2, "nemo": 0.1, "emodb+nemo": 0.05}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = recipe.root(tmp_path_factory.mktemp("recipe"))
    settings = recipe.experiment()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data = {name: recipe.made_up(name) for name in conditions.tested_sets(settings)}
        asked = [
            recipe.write(item, data[item.test], SHIFT.get("+".join(item.train), 0.4), number)
            for number, item in enumerate(conditions.STAGE.conditions(settings))
        ]
        found = collect.entries(asked, settings, "toy")
        rows = [row for entry in found for row in collect.result_rows(entry, settings)]
        csv_file.write(folder / "results.csv", collect.RESULTS, rows)
        csv_file.write(folder / "significance.csv", collect.SIGNIFICANCE, collect.compare(found, settings))
    return folder


def test_a_conditions_files_agree(finished: Path) -> None:
    data = recipe.made_up("emodb.single")
    folder = finished / "exp/sed/mini.frozen.nemo-emodb.single"
    hypothesis, rows = read_rttm(folder / "hyp.rttm"), read(folder / "eder.csv")
    assert hypothesis.keys() == data.reference.keys() == {row["utterance"] for row in rows}
    for row in rows:
        late = hypothesis[row["utterance"]][1].start - 1
        # What comes late is missed at its beginning and a false alarm at its end.
        assert float(row["missed"]) == pytest.approx(late, abs=2e-3)
        assert float(row["eder"]) == pytest.approx(2 * late / 4, abs=2e-3)
    report = json.loads((folder / "eder.json").read_text())
    rates = [float(row["eder"]) for row in rows]
    assert report["all"]["mean"] == pytest.approx(np.mean(rates))
    assert report["all"]["lo"] < report["all"]["mean"] < report["all"]["hi"]
    assert (report["all"]["n"], report["all"]["speakers"], report["resampled"]) == (24, 6, "speaker")
    angry = [float(row["eder"]) for row in rows if row["emotion"] == "angry"]
    assert report["by_emotion"]["angry"]["mean"] == pytest.approx(np.mean(angry))
    assert sum(group["n"] for group in report["by_emotion"].values()) == 24
    assert report["weighted"] == pytest.approx(sum(report["errors"].values()))
    # As the published recipe counts, frame by frame: within a frame of what segments give.
    assert report["frames"] == pytest.approx(np.mean([float(row["frames"]) for row in rows]))
    assert all(abs(float(row["frames"]) - float(row["eder"])) < 0.02 for row in rows)
    # Trained on Polish, which the encoder has not heard, and tested on German.
    assert json.loads((folder / "meta.json").read_text())["setting"] == "cross-trans"


def test_pooled_sets_hold_all_recordings(finished: Path) -> None:
    rows = [row for row in read(finished / "results.csv") if row["emotion"] == "all"]
    by = {(row["system"], row["how"], row["test"]): row for row in rows}
    for how in ("all", "others"):
        parts = [by["mini.frozen", how, f"{corpus}.single"] for corpus in ("emodb", "nemo")]
        pooled = by["mini.frozen", how, "*.single"]
        assert int(pooled["n"]) == sum(int(part["n"]) for part in parts) == 48
        assert int(pooled["speakers"]) == 12
        assert float(pooled["eder"]) == pytest.approx(np.mean([float(part["eder"]) for part in parts]), abs=1e-6)
    assert {row["test"] for row in rows if row["system"] == "chance"} == {"emodb.single", "nemo.single", "*.single"}


def test_pairs_are_compared_on_the_same_recordings(finished: Path) -> None:
    pairs = read(finished / "significance.csv")
    by = {(row["test"], row["a"], row["a_how"], row["b"], row["b_how"]): row for row in pairs}
    row = by["*.single", "mini.frozen", "all", "all_neutral", ""]
    assert float(row["diff"]) == pytest.approx(float(row["eder_a"]) - float(row["eder_b"]), abs=2e-6)
    assert float(row["lo"]) < float(row["diff"]) < float(row["hi"]) < 0
    assert float(row["p"]) <= float(row["p_holm"]) < 0.05
    assert ("emodb.single", "mini.frozen", "all", "mini.frozen", "others") in by
    # A family is all that is compared on one set: each of two models with the other, and with four baselines.
    assert {row["family_size"] for row in pairs} == {"9"}
    for test in {row["test"] for row in pairs}:
        family = [row for row in pairs if row["test"] == test]
        assert {row["family"] for row in family} == {f"diarization {test}"} and len(family) == 9
        least = min(family, key=lambda row: float(row["p"]))
        assert float(least["p_holm"]) == pytest.approx(min(1, 9 * float(least["p"])), rel=1e-4)
        speakers = 12 if test == "*.single" else 6
        assert [float(row["p_smallest"]) for row in family] == pytest.approx([2.0 ** (1 - speakers)] * 9, rel=1e-4)
        # 9 tests of six speakers: nothing can be significant.
        assert all((float(row["p_holm_smallest"]) >= 0.05) == (speakers == 6) for row in family)
    assert all(row["a"] not in BASELINES for row in pairs)


def plain_rows(rates: dict[str, list[float]], seeds: int = 1) -> list[dict[str, str]]:
    """Rows of eder.csv: of each speaker, a rate a recording and seed."""
    return [
        {"utterance": f"{speaker}-{n // seeds}", "speaker": speaker, "emotion": ("angry", "sad")[n // seeds % 2],
         "seed": str(n % seeds), "eder": str(rate)}
        for speaker, own in rates.items() for n, rate in enumerate(own)
    ]  # fmt: skip


def test_a_mean_s_interval_is_that_of_the_speakers_and_seeds() -> None:
    rng = np.random.default_rng(3)
    level = dict(zip("abcde", rng.uniform(0.2, 0.6, 5), strict=True))
    shift = rng.normal(0, 0.02, 3)
    own = {name: np.clip(value + rng.normal(0, 0.05, (6, 3)) + shift, 0, 1) for name, value in level.items()}
    rows = plain_rows({name: values.ravel().tolist() for name, values in own.items()}, seeds=3)
    found = score.rates(rows, "zed", recipe.experiment()).mean(np.ones(30, dtype=bool), 0.95)
    means = np.array([values.mean() for values in own.values()])
    runs = np.array(list(own.values())).mean(axis=(0, 1))
    by_speakers, by_seeds = means.var(ddof=1) / 5, runs.var(ddof=1) / 3
    se = np.sqrt(by_speakers + by_seeds)
    df = se**4 / (by_speakers**2 / 4 + by_seeds**2 / 2)
    assert found["se"] == pytest.approx(se) and found["df"] == pytest.approx(df)
    assert found["seed_sd"] == pytest.approx(runs.std(ddof=1))
    inner = (means.mean() * 30 + 0.5) / 31
    half = stats.t.ppf(0.975, df) * se / inner / (1 - inner)
    ends = [1 / (1 + np.exp(-(np.log(inner / (1 - inner)) + side * half))) for side in (-1, 1)]
    assert [found["lo"], found["hi"]] == pytest.approx(ends)


def test_two_speakers_have_no_interval_and_one_is_counted_by_recording() -> None:
    rows = plain_rows({"a": [0.1, 0.2, 0.3], "b": [0.4, 0.5, 0.3]})
    two = score.rates(rows, "zed", recipe.experiment())
    found = two.mean(np.ones(6, dtype=bool), 0.95)
    assert (found["lo"], found["se"], found["no_interval"], found["speakers"]) == (None, None, "2 speakers", 2)
    one = score.rates(rows[:3], "zed", recipe.experiment())
    found = one.mean(np.ones(3, dtype=bool), 0.95)
    assert one.blocks.unit == "utterance" and found["speakers"] == 1 and found["lo"] < 0.2 < found["hi"]


def test_tables_name_labels_split_and_contamination(finished: Path) -> None:
    results, pairs = read(finished / "results.csv"), read(finished / "significance.csv")
    assert {(row["labels"], row["split"]) for row in (*results, *pairs)} == {("none", "speaker")}
    heard = {(row["system"], row["how"], row["test"]): row["contaminated"] for row in results}
    for row in pairs:
        assert row["contaminated_a"] == heard[row["a"], row["a_how"], row["test"]]
        assert row["contaminated_b"] == heard[row["b"], row["b_how"], row["test"]]
    known = [row for row in results if not row["no_interval"]]
    assert all(float(row["eder_lo"]) <= float(row["eder"]) <= float(row["eder_hi"]) for row in known)
    assert all(float(row["df"]) > 0 and float(row["se"]) > 0 for row in known)


def test_the_interval_is_wider_where_speakers_differ() -> None:
    settings = recipe.experiment()
    rng = np.random.default_rng(0)

    def width(by_speaker: float) -> float:
        rows = []
        for s in range(10):
            level = by_speaker * rng.standard_normal()
            for n in range(12):
                rate = 0.5 + level + (0.1**2 - by_speaker**2) ** 0.5 * rng.standard_normal()
                emotion = ("angry", "sad")[n % 2]
                row = {"utterance": f"{s}-{n}", "speaker": str(s), "seed": "0", "emotion": emotion}
                rows.append(row | {"eder": str(rate)})
        found = score.rates(rows, "zed", settings).mean(np.ones(120, dtype=bool), 0.95)
        return found["hi"] - found["lo"]

    assert width(0.095) > 2 * width(0.0)
