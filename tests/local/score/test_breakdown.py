"""Who and what headlines fail on, against sums worked out in the plainest way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import recall_score

from local.score import collect
from tests.local.score.spoken import LACKING, gender, spoken_world, trained
from tests.local.score.synthetic import EMOTIONS, World, read_csv, where
from utils.errors import UserError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = spoken_world(tmp_path_factory.mktemp("made") / "toy", heads=["linear", "mlp"], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        collect.main([])
    return world


def said(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Utterances of a condition, their classes, and what is said of them by seed."""
    arrays = np.load(path / "layers.npz")
    index = {utt: place for place, utt in enumerate(arrays["utts"].tolist())}
    found = np.zeros((2, len(index)), dtype=int)
    for line in (path / "hyp").read_text().splitlines()[1:]:
        utt, _, seed, emotion, *_ = line.split()
        found[int(seed), index[utt]] = EMOTIONS.index(emotion)
    return list(index), arrays["ref"].astype(int), found


def ua(reference: np.ndarray, said: np.ndarray, emotions: list[int]) -> float:
    return np.mean([recall_score(reference, run, labels=emotions, average="macro") for run in said])


def halves(utts: list[str], by: str) -> list[np.ndarray]:
    last = max(utt.split("-")[0] for utt in utts)  # whose gender is not known
    if by == "gender":
        return [np.array([gender(u.split("-")[0]) == g and u.split("-")[0] != last for u in utts]) for g in "fm"]
    return [np.array([trained(utt) == kind for utt in utts]) for kind in (True, False)]


@pytest.mark.parametrize("by", ["gender", "sentence"])
def test_halves_are_those_of_the_data_directory_on_the_emotions_that_both_have(world: World, by: str) -> None:
    rows = where(read_csv(world.root / "exp/breakdown.csv"), by=by)
    for test in ("uno", "zwei"):
        for head in ("linear", "mlp"):
            utts, reference, hypothesis = said(world.root / f"exp/probe/big.{head}.{test}-{test}")
            emotions = [0, 1, 2] if (by, test) == ("sentence", LACKING) else [0, 1, 2, 3]
            kept = np.isin(reference, emotions)
            expected = []
            own = where(rows, train=test, test=test, system=f"big.{head}")
            assert [row["what"] for row in own] == ["ua", "ua", "difference"]
            for row, part in zip(own, halves(utts, by), strict=False):
                part = part & kept
                expected.append(ua(reference[part], hypothesis[:, part], emotions))
                assert float(row["value"]) == pytest.approx(expected[-1], abs=1e-6)
                assert int(row["n"]) == part.sum()
                assert row["emotions"] == "+".join(EMOTIONS[e] for e in emotions)
                assert float(row["lo"]) < float(row["value"]) < float(row["hi"])
            difference = own[-1]
            assert float(difference["value"]) == pytest.approx(expected[0] - expected[1], abs=2e-6)
            p = 2 * stats.t.sf(abs(float(difference["value"])) / float(difference["se"]), float(difference["df"]))
            assert float(difference["p"]) == pytest.approx(p, rel=1e-3)
            assert (float(difference["lo"]) > 0 or float(difference["hi"]) < 0) == (p < 0.05)
            speakers = int(difference["speakers"])
            # Women and men are Welch's two samples, of which one is not known; all say either kind of sentence.
            assert speakers == {"uno": 8, "zwei": 10}[test] - (by == "gender")


def test_across_corpora_no_sentence_was_heard(world: World) -> None:
    rows = read_csv(world.root / "exp/breakdown.csv")
    assert not where(rows, by="sentence", train="uno", test="zwei")
    assert {row["setting"] for row in where(rows, by="sentence", train="*")} == {"within"}
    assert {row["setting"] for row in where(rows, by="gender", train="*")} == {"within", "across"}


def test_means_are_over_conditions_and_families_are_tables(world: World) -> None:
    rows = where(read_csv(world.root / "exp/breakdown.csv"), by="gender", what="difference")
    single = {(row["system"], row["train"], row["test"]): float(row["value"]) for row in rows}
    for row in where(rows, train="*", setting="across"):
        pair = single[row["system"], "uno", "zwei"], single[row["system"], "zwei", "uno"]
        assert float(row["value"]) == pytest.approx(np.mean(pair), abs=2e-6)
    assert {(row["family"], row["family_size"]) for row in rows} == {("gender", "16"), ("gender means", "8")}
    for row in rows:
        assert float(row["p"]) <= float(row["p_holm"]) <= 1 and float(row["q"]) >= float(row["p"])
        assert float(row["detectable"]) <= float(row["detectable_family"])


def test_speakers_are_scored_and_the_lowest_is_beside_chance(world: World) -> None:
    rows = where(read_csv(world.root / "exp/breakdown.csv"), by="speaker")
    utts, reference, hypothesis = said(world.root / "exp/probe/flat.mlp.uno-zwei")
    own = where(rows, system="flat.mlp", train="uno", test="zwei")
    values = {}
    for row in where(own, what="ua"):
        part = np.array([utt.startswith(row["group"] + "-") for utt in utts])
        values[row["group"]] = ua(reference[part], hypothesis[:, part], [0, 1, 2, 3])
        assert float(row["value"]) == pytest.approx(values[row["group"]], abs=1e-6)
        assert (row["n"], row["lo"], row["no_interval"]) == ("20", "", "1 speaker")
    assert len(values) == 10
    lowest, sd = where(own, what="lowest")[0], where(own, what="sd")[0]
    assert (lowest["group"], float(lowest["value"])) == (
        min(values, key=values.get), pytest.approx(min(values.values()), abs=1e-6)
    )  # fmt: skip
    assert float(sd["value"]) == pytest.approx(np.std(list(values.values()), ddof=1), abs=1e-6)
    assert float(lowest["chance"]) < np.mean(list(values.values())) and 0 < float(sd["chance"]) < 0.2
    assert {row["family"] for row in (lowest, sd)} == {"speakers"} and lowest["family_size"] == "32"


def test_languages_are_means_over_the_conditions_that_test_them(world: World) -> None:
    rows = where(read_csv(world.root / "exp/breakdown.csv"), by="language")
    headlines = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    assert {(row["group"], row["setting"], row["system"]) for row in rows} == {
        (language, group, f"{encoder}.{head}") for language in ("it", "de") for group in ("within", "across")
        for encoder in ("big", "flat") for head in ("linear", "mlp")
    }  # fmt: skip
    row = where(rows, group="de", setting="across", system="big.mlp")[0]
    headline = where(headlines, system="big.mlp", train="uno", test="zwei")[0]
    assert (row["value"], row["lo"], row["speakers"]) == (headline["ua"], headline["ua_lo"], "10")
    assert not any(row["p"] for row in rows)


def test_the_same_numbers_come_again_and_other_facts_are_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(world.root)
    before = (world.root / "exp/breakdown.csv").read_bytes()
    table = world.root / "data/uno/spk2gender"
    kept = table.read_text()
    table.write_text(kept.replace(" m", " f"))
    collect.main([])
    assert "data/uno/spk2gender changed" in capsys.readouterr().out
    assert {row["test"] for row in where(read_csv(world.root / "exp/breakdown.csv"), by="gender")} == {"zwei"}
    table.write_text(kept)
    collect.main([])
    assert (world.root / "exp/breakdown.csv").read_bytes() == before


def test_a_corpus_that_says_nothing_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = spoken_world(tmp_path)
    for name in ("spk2gender", "utt2sent"):
        (tmp_path / "data/uno" / name).unlink()
    monkeypatch.chdir(tmp_path)
    collect.main([])
    rows = read_csv(tmp_path / "exp/breakdown.csv")
    assert {row["test"] for by in ("gender", "sentence") for row in where(rows, by=by)} == {"zwei"}
    for row in where(rows, by="gender", what="difference", train="zwei", test="zwei"):
        # With one seed, the variance is the sum of women's and men's.
        own = where(rows, by="gender", what="ua", train="zwei", test="zwei", system=row["system"])
        assert float(row["se"]) ** 2 == pytest.approx(sum(float(half["se"]) ** 2 for half in own), rel=1e-3)
    hyp = next((world.root / "exp/probe").glob("*/hyp"))
    hyp.write_text(hyp.read_text().replace("0.", "x.", 1))
    with pytest.raises(UserError, match=r"hyp:\d+: expected 4 posteriors behind the emotion"):
        collect.main([])
