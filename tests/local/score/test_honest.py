"""What stage 5's numbers are worth: intervals, families of tests and choices, against plain recomputation."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from local.score import collect
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv, small_world, where
from utils import significance


def score(world: World, patch: pytest.MonkeyPatch, *options: str) -> list[dict[str, str]]:
    patch.chdir(world.root)
    collect.main(list(options))
    return where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")


def headline(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterances, reference, and the chosen layers' hypotheses of every seed, shape (seeds, utterances)."""
    arrays = np.load(path / "layers.npz")
    said: dict[tuple[str, str], str] = {}
    for line in (path / "hyp").read_text().splitlines()[1:]:
        utt, _, seed, emotion, *_ = line.split()
        said[utt, seed] = emotion
    hypotheses = [[EMOTIONS.index(said[u, str(s)]) for u in arrays["utts"].tolist()] for s in arrays["seeds"].tolist()]
    return arrays["utts"], arrays["ref"], np.array(hypotheses)


def deviations(utts: np.ndarray, reference: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Each speaker's part in the error of UA, adjusted: as docs/statistics.md defines d_s."""
    speakers = np.array([utt.split("-")[0] for utt in utts.tolist()])
    parts = []
    for speaker in sorted(set(speakers.tolist())):
        part = 0.0
        for c in set(reference.tolist()):
            own, everyone = (reference == c) & (speakers == speaker), reference == c
            mean = scores[everyone].mean()
            share = own.sum() / everyone.sum()
            part += (scores[own] - mean).sum() / everyone.sum() / np.sqrt(1 - share) / len(set(reference.tolist()))
        parts.append(part)
    return np.array(parts)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    corpora = [Corpus("uno", "it", 4, 30), Corpus("zwei", "de", 7, 30)]
    encoders = [Encoder("big", 3, 0.7), Encoder("flat", 1, 0.6), Encoder("third", 1, 0.6)]
    return small_world(tmp_path_factory.mktemp("made") / "toy", corpora=corpora, encoders=encoders, seeds=[0, 1, 2])


def test_a_headline_s_interval_is_over_speakers_and_seeds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in score(world, monkeypatch):
        utts, reference, said = headline(world.root / f"exp/probe/{row['system']}.{row['train']}-{row['test']}")
        ua = np.array([balanced_accuracy_score(reference, one) for one in said])
        d = deviations(utts, reference, (said == reference).mean(axis=0))
        by_speakers, by_seeds, speakers = (d**2).sum(), ua.var(ddof=1) / 3, len(d)
        assert float(row["seed_sd"]) == pytest.approx(ua.std(ddof=1), abs=1e-6)
        assert float(row["se"]) == pytest.approx(np.sqrt(by_speakers + by_seeds), rel=1e-4)
        # As many utterances of everything: speakers - 1 degrees of freedom, then Welch and Satterthwaite.
        df = (by_speakers + by_seeds) ** 2 / (by_speakers**2 / (speakers - 1) + by_seeds**2 / 2)
        assert float(row["df"]) == pytest.approx(df, rel=1e-4)
        n = len(utts)
        inner = (ua.mean() * n + 0.5) / (n + 1)
        half = stats.t.ppf(0.975, df) * np.sqrt(by_speakers + by_seeds) / inner / (1 - inner)
        ends = [1 / (1 + np.exp(-(np.log(inner / (1 - inner)) + side * half))) for side in (-1, 1)]
        assert [float(row["ua_lo"]), float(row["ua_hi"])] == pytest.approx(ends, abs=1e-4)


def test_means_join_speakers_of_a_corpus_and_add_variances_of_corpora(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = where(score(world, monkeypatch), encoder="flat")
    (mean,) = where(read_csv(world.root / "exp/summary.csv"), encoder="flat", group="within", layer="dev")
    variances, degrees, runs = [], [], []
    for row in where([r for r in rows if r["train"] == r["test"]]):
        utts, reference, said = headline(world.root / f"exp/probe/flat.linear.{row['test']}-{row['test']}")
        d = deviations(utts, reference, (said == reference).mean(axis=0)) / 2
        variances.append((d**2).sum())
        degrees.append(len(d) - 1)
        runs.append([balanced_accuracy_score(reference, one) for one in said])
    # A seed is one run in both corpora.
    variances.append(np.mean(runs, axis=0).var(ddof=1) / 3)
    degrees.append(2)
    variances = np.array(variances)
    assert float(mean["se"]) == pytest.approx(np.sqrt(variances.sum()), rel=1e-4)
    assert float(mean["df"]) == pytest.approx(variances.sum() ** 2 / (variances**2 / degrees).sum(), rel=1e-4)
    assert float(mean["seed_sd"]) == pytest.approx(np.mean(runs, axis=0).std(ddof=1), abs=1e-6)


def test_the_drop_takes_a_corpus_s_speakers_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    score(world, monkeypatch)
    (drop,) = where(read_csv(world.root / "exp/summary.csv"), encoder="flat", group="drop")
    variances = []
    for test, train in (("uno", "zwei"), ("zwei", "uno")):
        own, other = (headline(world.root / f"exp/probe/flat.linear.{name}-{test}") for name in (test, train))
        scores = [(said == reference).mean(axis=0) for _, reference, said in (own, other)]
        variances.append(((deviations(*own[:2], scores[0] - scores[1]) / 2) ** 2).sum())
    assert float(drop["se"]) ** 2 > sum(variances)
    seeds = float(drop["seed_sd"]) ** 2 / 3
    assert float(drop["se"]) == pytest.approx(np.sqrt(sum(variances) + seeds), rel=1e-4)


def test_differences_are_of_the_same_utterances_and_seeds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    score(world, monkeypatch)
    for row in where(read_csv(world.root / "exp/significance.csv"), train="uno"):
        a, b = (headline(world.root / f"exp/probe/{row[side]}.uno-{row['test']}") for side in "ab")
        ua = [[balanced_accuracy_score(reference, one) for one in said] for _, reference, said in (a, b)]
        runs = np.subtract(*ua)
        d = deviations(*a[:2], (a[2] == a[1]).mean(axis=0) - (b[2] == b[1]).mean(axis=0))
        assert float(row["se"]) == pytest.approx(np.sqrt((d**2).sum() + np.var(runs, ddof=1) / 3), rel=1e-4)
        half = stats.t.ppf(0.975, float(row["df"])) * float(row["se"])
        assert float(row["hi"]) - float(row["diff"]) == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("speakers", [1, 2])
def test_two_speakers_have_no_interval_and_one_is_counted_by_utterance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speakers: int
) -> None:
    world = World(tmp_path, [Corpus("duo", "de", speakers, 20)], [Encoder("big", 2), Encoder("bad", 1)], folds=2)
    rows = score(world.write(), monkeypatch) + read_csv(tmp_path / "exp/summary.csv")
    (pair,) = read_csv(tmp_path / "exp/significance.csv")
    if speakers == 2:
        assert {(row["ua_lo"], row["ua_hi"], row["se"], row["df"], row["no_interval"]) for row in rows} == {
            ("", "", "", "", "2 speakers")
        }
        assert (pair["lo"], pair["hi"], pair["no_interval"]) == ("", "", "2 speakers")
        assert (float(pair["p_smallest"]), pair["detectable"]) == (0.5, "")
    else:
        assert {row["resampled"] for row in (*rows, pair)} == {"utterance"}
        assert all(float(row["ua_lo"]) < float(row["ua"]) < float(row["ua_hi"]) for row in rows)


def test_the_bootstrap_is_an_option(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    linearised = score(world, monkeypatch)
    drawn = score(world, monkeypatch, "--set", "score.interval=bootstrap", "--set", "score.resamples=2000")
    narrower = 0
    for before, after in zip(linearised, drawn, strict=True):
        assert (before["se"], before["df"]) == (after["se"], after["df"])
        utts, reference, said = headline(world.root / f"exp/probe/{after['system']}.{after['train']}-{after['test']}")
        right = (said == reference).mean(axis=0)
        speakers = np.array([utt.split("-")[0] for utt in utts.tolist()])
        # As many utterances of everything a speaker: UA is the mean of the speakers' own.
        means = np.array([right[speakers == name].mean() for name in sorted(set(speakers.tolist()))])
        replicates = np.random.default_rng(0).choice(means, (20000, len(means))).mean(axis=1)
        ends = np.percentile(replicates, [2.5, 97.5])
        assert [float(after["ua_lo"]), float(after["ua_hi"])] == pytest.approx(ends, abs=0.01)
        narrower += float(after["ua_hi"]) - float(after["ua_lo"]) < float(before["ua_hi"]) - float(before["ua_lo"])
    assert narrower == len(drawn)


def test_a_family_is_what_a_table_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = [Encoder("big", 3, 0.8), Encoder("flat", 1, 0.6), Encoder("third", 1, 0.5)]
    corpora = [Corpus("few", "it", 4), Corpus("zwei", "de", 9)]
    world = small_world(tmp_path / "toy", corpora=corpora, encoders=encoders, heads=["linear", "mlp"])
    for strategy in ("head", "lora", "ba"):
        world.write_tuned(encoders[0], strategy, ["zwei"], "zwei", gain=0.1 * (strategy == "lora"))
    score(world, monkeypatch)
    rows = read_csv(world.root / "exp/significance.csv")
    families: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    assert {name: len(family) for name, family in families.items()} == {
        "encoders linear": 3 * 4, "encoders mlp": 3 * 4, "method, probe": 3 * 4, "means within": 3 * 2 + 3,
        "means across": 3 * 2 + 3, "gains": 2, "method, finetune": 1,
    }  # fmt: skip
    for family in families.values():
        p, size = np.array([float(row["p"]) for row in family]), len(family)
        order = np.argsort(p, kind="stable")
        holm, q = np.empty(size), np.empty(size)
        for rank, place in enumerate(order):
            holm[place] = max(min(1, (size - r) * p[order[r]]) for r in range(rank + 1))
            q[place] = min(min(1, size / (r + 1) * p[order[r]]) for r in range(rank, size))
        assert [float(row["p_holm"]) for row in family] == pytest.approx(holm, rel=1e-4)
        assert [float(row["q"]) for row in family] == pytest.approx(q, rel=1e-4)
        assert {row["family_size"] for row in family} == {str(size)}
        for row in family:
            speakers = int(row["speakers"])
            assert float(row["p_smallest"]) == pytest.approx(2.0 ** (1 - speakers), rel=1e-4)
            alone, first = (float(row[key]) for key in ("detectable", "detectable_family"))
            assert 2 * float(row["se"]) < alone <= first
    # Four speakers cannot show anything, whatever the systems do.
    few = [row for row in rows if row["test"] == "few"]
    assert few and all(float(row["p_holm_smallest"]) >= 0.05 for row in few)
    assert all(float(row["p_holm_smallest"]) < 0.05 for row in families["means within"])


def test_a_detectable_difference_is_found_four_times_in_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", pairs=[(["zwei"], "zwei")])
    score(world, monkeypatch)
    (row,) = read_csv(world.root / "exp/significance.csv")
    se, df, size = (float(row[key]) for key in ("se", "df", "detectable"))
    rng = np.random.default_rng(0)
    seen = rng.normal(size, se, 20000)
    spread = se * np.sqrt(rng.chisquare(df, 20000) / df)
    assert (significance.t_test(seen, spread, df) < 0.05).mean() == pytest.approx(0.8, abs=0.02)


def test_tables_say_under_which_labels_splits_and_contamination(tmp_path: Path, monkeypatch) -> None:
    encoders = [Encoder("big", 1, 0.8, ["it"], ["uno"]), Encoder("flat", 1, 0.6, ["de"])]
    changes = {"split": "random", "labels": ["calm=neutral"]}
    world = small_world(tmp_path / "toy", encoders=encoders, changes=changes)
    score(world, monkeypatch)
    for name in ("results", "summary", "significance", "language"):
        rows = read_csv(world.root / f"exp/{name}.csv")
        assert rows and {(row["split"], row["labels"]) for row in rows} == {("random", "calm=neutral")}
    (within,) = where(read_csv(world.root / "exp/summary.csv"), encoder="big", group="within", layer="dev")
    assert within["contaminated"] == "uno"
    pair = where(read_csv(world.root / "exp/significance.csv"), train="uno", test="uno")[0]
    assert (pair["contaminated_a"], pair["contaminated_b"]) == ("uno", "")
    own = where(read_csv(world.root / "exp/language.csv"), question="own", test="uno")[0]
    assert (own["contaminated_a"], own["contaminated_b"]) == ("uno", "")


def test_a_head_that_says_one_class_has_no_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", pairs=[(["uno"], "uno")], encoders=[Encoder("flat", 1), Encoder("big", 1)])
    path = world.root / "exp/probe/flat.linear.uno-uno"
    arrays = dict(np.load(path / "layers.npz"))
    # Another class in each fold: collapsed all the same.
    arrays["pred"][:] = (arrays["fold"] % 4).astype(np.int8)
    np.savez(path / "layers.npz", **arrays)
    _write_hyp_and_scores(path, arrays)
    flat, big = score(world, monkeypatch)
    assert (flat["ua_lo"], flat["ua_hi"], flat["no_interval"], flat["collapsed"]) == ("", "", "collapsed", "4")
    assert (big["no_interval"], big["collapsed"]) == ("", "0") and float(big["ua_lo"]) < float(big["ua"])


def _write_hyp_and_scores(path: Path, arrays: dict[str, np.ndarray]) -> None:
    said = zip(arrays["utts"], arrays["fold"], arrays["pred"][0, 0], strict=True)
    lines = [f"{utt} {fold} 0 {EMOTIONS[emotion]} 1 0 0 0" for utt, fold, emotion in said]
    (path / "hyp").write_text("\n".join(["# utt fold seed emo", *lines]) + "\n")
    rows = read_csv(path / "scores.csv")
    for row in rows:
        tested = arrays["fold"] == int(row["fold"])
        row["ua"] = f"{balanced_accuracy_score(arrays['ref'][tested], arrays['pred'][0, 0][tested]):.6f}"
    with open(path / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_ties_and_dev_ua_of_a_selection_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", pairs=[(["uno"], "uno")], encoders=[Encoder("big", 3)])
    path = world.root / "exp/probe/big.linear.uno-uno"
    rows = read_csv(path / "scores.csv")
    best = {}
    for fold, layers in itertools.groupby(rows, key=lambda row: row["fold"]):
        layers = list(layers)
        best[fold] = max(layers, key=lambda row: float(row["dev_ua"]))
        if fold in "01":
            other = next(row for row in layers if row is not best[fold])
            other["dev_ua"], other["dev_loss"] = best[fold]["dev_ua"], "0.9"
    with open(path / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (row,) = score(world, monkeypatch)
    assert row["tied"] == "2"
    assert float(row["dev_ua"]) == pytest.approx(np.mean([float(own["dev_ua"]) for own in best.values()]), abs=1e-6)
