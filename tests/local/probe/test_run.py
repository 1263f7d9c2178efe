"""Conditions from fold lists and features to files: what is in them, and what may and may not change it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from local.grid.factors import known
from local.probe import plan
from local.probe.heads import WORDS
from local.results import read
from local.score import collect
from tests.local.probe import tree
from tests.local.probe.tree import permute_labels, run
from tests.local.probe.written import arrays, column, everything, hyp, meta, scores, selected
from utils import ark


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_agree_with_each_other_and_with_scikit_learn(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    corpus = tree.write_corpus(recipe, "bb", n=61)  # folds of 21, 20 and 20
    run("aa", "bb", pairs=["aa:bb"], seeds=[5, 9])
    rows, found = scores("enc.linear.aa-bb"), arrays("enc.linear.aa-bb")
    assert [(row["fold"], row["seed"], row["layer"]) for row in rows] == [
        (str(k), str(seed), str(layer)) for k in range(3) for seed in (5, 9) for layer in range(3)
    ]
    assert sorted(found["utts"]) == sorted(corpus.utts)
    truth = dict(zip(corpus.utts, corpus.emotions, strict=True))
    assert [tree.EMOTIONS[index] for index in found["ref"]] == [truth[utt] for utt in found["utts"]]
    assert [corpus.utts.index(utt) % 3 for utt in found["utts"]] == found["fold"].tolist()
    assert (found["seeds"].tolist(), found["layers"].tolist()) == ([5, 9], [0, 1, 2])
    assert found["pred"].shape == (2, 3, 61)
    assert {name: found[name].dtype for name in ("pred", "ref")} == {"pred": np.int8, "ref": np.int8}
    for row in rows:
        here = found["fold"] == int(row["fold"])
        reference = found["ref"][here]
        hypothesis = found["pred"][[5, 9].index(int(row["seed"])), int(row["layer"]), here]
        assert float(row["ua"]) == pytest.approx(balanced_accuracy_score(reference, hypothesis), abs=1e-6)
        assert float(row["wa"]) == pytest.approx((reference == hypothesis).mean(), abs=1e-6)
        assert float(row["macro_f1"]) == pytest.approx(f1_score(reference, hypothesis, average="macro"), abs=1e-6)
        recall = (hypothesis[reference == 1] == 1).mean()
        assert float(row["recall_happy"]) == pytest.approx(recall, abs=1e-6)
        assert (int(row["n_train"]), int(row["n_dev"]), int(row["n_test"])) == (40, 40, here.sum())


def test_hyp_is_the_chosen_layer_s_part_of_layers_npz(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    run("aa", seeds=[5, 9])
    header, *lines = hyp("enc.linear.aa-aa")
    assert header == ["#", "utt", "fold", "seed", "emo", "p_angry", "p_happy", "p_neutral", "p_sad"]
    found = arrays("enc.linear.aa-aa")
    chosen = {
        (row["fold"], row["seed"]): int(row["layer"]) for row in scores("enc.linear.aa-aa") if row["selected"] == "1"
    }
    assert len(lines) == 2 * 120
    place = {utt: index for index, utt in enumerate(found["utts"])}
    for utt, fold, seed, emotion, *shares in lines:
        index = found["pred"][[5, 9].index(int(seed)), chosen[fold, seed], place[utt]]
        assert emotion == tree.EMOTIONS[index] == tree.EMOTIONS[int(np.argmax([float(share) for share in shares]))]
        assert sum(map(float, shares)) == pytest.approx(1, abs=1e-4)
        assert int(fold) == found["fold"][place[utt]]


def test_every_fold_and_seed_chooses_its_layer_by_dev_ua(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.3] * 4)
    run("aa", seeds=[0, 1])
    rows = scores("enc.linear.aa-aa")
    marks = np.reshape([int(row["selected"]) for row in rows], (6, 4))
    assert (marks.sum(1) == 1).all()
    dev_ua = np.reshape(column("enc.linear.aa-aa", "dev_ua"), (6, 4))
    loss = np.reshape(column("enc.linear.aa-aa", "dev_loss"), (6, 4))
    for mark, ua, own in zip(marks, dev_ua, loss, strict=True):
        assert mark.argmax() == min(range(4), key=lambda layer: (-ua[layer], own[layer]))
    assert len(set(marks.argmax(1))) > 1


def test_layer_is_chosen_by_dev_ua_and_of_equals_by_dev_loss(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.0, 5.0, 0.3, 8.0])
    run("aa")
    loss = np.reshape(column("enc.linear.aa-aa", "dev_loss"), (3, 4))
    lower = [str([1, 3][pair.argmin()]) for pair in loss[:, [1, 3]]]
    assert list(selected("enc.linear.aa-aa").values()) == lower and "3" in lower
    assert np.reshape(column("enc.linear.aa-aa", "dev_ua"), (3, 4))[:, [1, 3]].tolist() == [[1, 1]] * 3
    assert read.read(Path("exp/probe/enc.linear.aa-aa")).ties == 3


@pytest.mark.parametrize("head", ["linear", "mlp", "logreg"])
def test_every_head_learns_what_there_is_to_learn(recipe: Path, head: str) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.0, 2.0])
    run("aa", heads=[head], epochs=60)
    ua = np.reshape(column(f"enc.{head}.aa-aa", "ua"), (3, 2)).mean(0)
    assert ua[1] > 0.9
    assert 0.1 < ua[0] < 0.45  # layer 0 holds nothing: chance is 0.25


@pytest.mark.parametrize("head", ["linear", "mlp", "logreg"])
def test_permuted_labels_give_chance(recipe: Path, head: str) -> None:
    corpus = tree.write_corpus(recipe, "aa", n=300, separation=[2.0])
    permute_labels(recipe, "aa", set(corpus.utts))
    run("aa", heads=[head])
    assert np.mean(column(f"enc.{head}.aa-aa", "ua")) == pytest.approx(0.25, abs=0.09)


@pytest.mark.parametrize("head", ["linear", "logreg"])
def test_test_labels_decide_nothing(recipe: Path, head: str) -> None:
    """A probe that looked at test labels, to choose an epoch or a layer, would choose others without them."""
    corpus = tree.write_corpus(recipe, "aa", separation=[0.3, 0.4, 0.35, 0.3])
    # Fold 0 alone: elsewhere its test utterances are trained on.
    chosen_by = ("layer", "epoch", "dev_loss", "dev_ua", "selected")
    run("aa", heads=[head])
    before = scores(f"enc.{head}.aa-aa")[:4]
    permute_labels(recipe, "aa", set(corpus.utts[::3]))
    run("aa", heads=[head])
    after = scores(f"enc.{head}.aa-aa")[:4]
    assert [row["ua"] for row in after] != [row["ua"] for row in before]
    assert [[row[name] for name in chosen_by] for row in after] == [[row[name] for name in chosen_by] for row in before]


def test_target_labels_decide_nothing_unless_dev_is_the_target_s(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    corpus = tree.write_corpus(recipe, "bb")
    held = {dev: [] for dev in ("source", "target")}
    for _ in range(2):
        for dev, found in held.items():
            run("aa", "bb", pairs=["aa:bb"], cross_dev=dev)
            name = "enc.linear.aa-bb" + ".cross_dev=target" * (dev == "target")
            found.append(column(name, "dev_ua") + column(name, "epoch"))
        permute_labels(recipe, "bb", set(corpus.utts))
    assert held["source"][0] == held["source"][1]
    assert held["target"][0] != held["target"][1]


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_fold_does_not_depend_on_other_folds(recipe: Path, head: str) -> None:
    """Nothing crosses folds: fold 2 comes out the same whatever folds 0 and 1 are trained on."""
    corpus = tree.write_corpus(recipe, "aa")
    run("aa", heads=[head])
    before = scores(f"enc.{head}.aa-aa")
    for fold in (0, 1):
        residue = (fold + 2) % 3
        tree.write_list(recipe, "aa", fold, "train", corpus.utts[residue::3][:25])
    (recipe / "data/aa/folds/speaker/digest").write_text("{'again': 1}")
    run("aa", heads=[head])
    after = scores(f"enc.{head}.aa-aa")
    assert before[6:] == after[6:]
    assert before[:3] != after[:3]
    assert before[3:6] != after[3:6]


@pytest.mark.parametrize("head", ["linear", "mlp", "logreg"])
def test_the_same_seed_gives_the_same_bits(recipe: Path, head: str) -> None:
    tree.write_corpus(recipe, "aa", n=125)
    run("aa", heads=[head], seeds=[0, 1])
    first = everything(f"enc.{head}.aa-aa")
    Path(f"exp/probe/enc.{head}.aa-aa/.done").unlink()
    run("aa", heads=[head], seeds=[0, 1])
    assert everything(f"enc.{head}.aa-aa") == first


def test_seeds_and_folds_start_from_other_weights(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    run("aa", seeds=[0, 1])
    losses = np.reshape(column("enc.linear.aa-aa", "dev_loss"), (3, 2, 3))
    assert len(np.unique(losses)) == losses.size
    run("aa", seeds=[1])
    np.testing.assert_array_equal(np.reshape(column("enc.linear.aa-aa", "dev_loss"), (3, 3)), losses[:, 1])


def test_a_condition_does_not_depend_on_the_group_it_is_made_in(recipe: Path) -> None:
    """Heads are trained once for all test corpora; a test corpus that comes later gets the same heads."""
    for name in ("aa", "bb", "cc"):
        tree.write_corpus(recipe, name)
    run("aa", "bb", "cc", pairs=["aa:aa", "aa:bb", "aa:cc"])
    together = everything("enc.linear.aa-cc")
    Path("exp/probe/enc.linear.aa-cc/.done").unlink()
    unchanged = Path("exp/probe/enc.linear.aa-bb/scores.csv").stat().st_mtime_ns
    run("aa", "bb", "cc", pairs=["aa:cc", "aa:bb"])
    assert everything("enc.linear.aa-cc") == together
    assert Path("exp/probe/enc.linear.aa-bb/scores.csv").stat().st_mtime_ns == unchanged


def test_within_and_across_select_the_same_layer_with_dev_of_the_source(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.3, 0.4, 0.35, 0.3])
    tree.write_corpus(recipe, "bb", separation=[2.0, 0.0, 0.0, 0.0])
    run("aa", "bb", pairs=["aa:aa", "aa:bb"])
    assert selected("enc.linear.aa-aa") == selected("enc.linear.aa-bb")
    run("aa", "bb", pairs=["aa:bb"], cross_dev="target")
    assert set(selected("enc.linear.aa-bb.cross_dev=target").values()) == {"0"}
    assert selected("enc.linear.aa-aa") == selected("enc.linear.aa-bb")


def test_several_training_corpora_are_joined(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    tree.write_corpus(recipe, "bb", language="pl", n=60)
    tree.write_corpus(recipe, "cc", language="en")
    run("aa", "bb", "cc", pairs=["bb+aa:cc"])
    found = meta("enc.linear.aa+bb-cc")
    assert found["factors"]["train"] == found["dev"] == ["aa", "bb"] and found["train_languages"] == ["de", "pl"]
    assert set(column("enc.linear.aa+bb-cc", "n_train")) == {60}
    assert set(column("enc.linear.aa+bb-cc", "n_dev")) == {60}


def test_per_corpus_normalisation_undoes_a_shift_of_the_target(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[1.5])
    tree.write_corpus(recipe, "bb", separation=[1.5], shift=30.0)
    ua = {}
    for normalise in ("train", "per-corpus"):
        run("aa", "bb", pairs=["aa:bb"], normalise=normalise, epochs=40)
        ua[normalise] = np.mean(column("enc.linear.aa-bb" + ".normalise=per-corpus" * (normalise != "train"), "ua"))
    assert ua["per-corpus"] > 0.8
    assert ua["train"] < 0.5


@pytest.mark.parametrize("normalise", ["train", "none"])
def test_logreg_is_scikit_learn_s_on_standardised_features(recipe: Path, normalise: str) -> None:
    corpus = tree.write_corpus(recipe, "aa", separation=[0.4], shift=20.0)
    run("aa", heads=["logreg"], logreg_c=0.3, normalise=normalise, seeds=[4, 5])
    labels = np.array(corpus.emotions)
    name = "enc.logreg.aa-aa" + ".normalise=none" * (normalise == "none")
    found = arrays(name)
    assert found["seeds"].tolist() == [4]
    for k in range(3):
        fold = np.arange(120) % 3
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=1000))
        x = corpus.features[:, 0].astype(np.float64)
        model.fit(x[fold == (k + 2) % 3], labels[fold == (k + 2) % 3])
        order = [corpus.utts.index(utt) for utt in found["utts"][found["fold"] == k]]
        expected = model.predict_proba(x[order])
        shares = np.array([line[4:] for line in hyp(name)[1:] if line[1] == str(k)], dtype=float)
        np.testing.assert_allclose(shares, expected, atol=2e-3)


def test_features_kept_in_16_bits_give_nearly_the_same_scores(recipe: Path) -> None:
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name)
    name, found = "enc.{}.aa-bb", {}
    for storage in ark.BYTES:
        for corpus in ("aa", "bb"):
            stem = Path("dump/enc", corpus, "feats")
            places = ark.read_scp(stem.with_suffix(".scp"))
            ark.write(stem, [(key, ark.load_mat(place)) for key, place in list(places.items())], storage)
            (stem.parent / ".done").write_text(f'{{"storage": "{storage}"}}')
        run("aa", "bb", heads=["linear", "logreg"])
        found[storage] = [hyp(name.format(head))[1:] for head in ("linear", "logreg")]
    for whole, half in zip(*found.values(), strict=True):
        assert whole != half
        shares = [np.array([list(map(float, row[4:])) for row in rows]) for rows in (whole, half)]
        np.testing.assert_allclose(*shares, atol=5e-3)
        assert np.mean([one[3] == other[3] for one, other in zip(whole, half, strict=True)]) > 0.99


def test_two_emotions(recipe: Path) -> None:
    corpus = tree.write_corpus(recipe, "aa", separation=[2.0])
    kept = [utt for utt, emotion in zip(corpus.utts, corpus.emotions, strict=True) if emotion in ("angry", "sad")]
    for fold in range(3):
        for part in ("train", "dev", "test"):
            path = recipe / f"data/aa/folds/speaker/{fold}/{part}"
            tree.write_list(recipe, "aa", fold, part, [utt for utt in path.read_text().split() if utt in kept])
    config = tree.experiment(["aa"], heads=["linear", "logreg"], epochs=40)
    config.emotions = ["angry", "sad"]
    tree.make(config)
    for head in ("linear", "logreg"):
        assert np.mean(column(f"enc.{head}.aa-aa.emotions=angry+sad", "ua")) > 0.9


def test_an_utterance_that_folds_test_again_is_scored_in_each(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tree.write_corpus(recipe, "aa")
    again = corpus.utts[0]
    tree.write_list(recipe, "aa", 1, "test", [*corpus.utts[1::3], again])
    tree.write_list(recipe, "aa", 1, "train", corpus.utts[3::3])
    run("aa")
    assert [row[1] for row in hyp("enc.linear.aa-aa") if row[0] == again] == ["0", "1"]
    assert (arrays("enc.linear.aa-aa")["utts"] == again).sum() == 2
    tree.write_experiment(tree.experiment(["aa"]))
    monkeypatch.setattr(sys, "argv", ["plan"])
    plan.main()
    collect.main([])
    with open("exp/results.csv", encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev")
    assert int(row["n_test"]) == len(corpus.utts)
    chosen = selected("enc.linear.aa-aa")
    found = arrays("enc.linear.aa-aa")
    layer = [int(chosen[str(k)]) for k in found["fold"]]
    pred = found["pred"][0, layer, np.arange(len(layer))]
    assert float(row["ua"]) == pytest.approx(balanced_accuracy_score(found["ref"], pred), abs=1e-6)


def test_meta_and_config_say_what_the_condition_is(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", language="de", encoder_languages=["de"], pretrained_on=["aa", "zz"])
    tree.write_corpus(recipe, "bb", language="ur", encoder_languages=["de"], pretrained_on=["aa", "zz"], speakers=1)
    run("aa", "bb", heads=["mlp"], normalise="per-corpus")
    expected = {"aa-aa": "mono", "bb-bb": "trans", "aa-bb": "cross", "bb-aa": "cross-trans"}
    made = {pair: f"enc.mlp.{pair}.normalise=per-corpus" for pair in expected}
    assert {pair: meta(name)["setting"] for pair, name in made.items()} == expected
    factors = {factor.name: factor.default for factor in known("probe")} | {
        "encoder": "enc", "method": "mlp", "train": ["aa"], "test": "bb", "emotions": tree.EMOTIONS, "labels": [],
        "normalise": "per-corpus",
    }  # fmt: skip
    assert meta(made["aa-bb"]) == {
        "stage": "probe", "factors": factors, "dev": ["aa"], "setting": "cross", "encoder_languages": ["de"],
        "words": {"method": WORDS["mlp"], "normalise": "standardised per-corpus", "select": "by the dev list"},
        "train_languages": ["de"], "test_language": "ur", "contaminated": ["aa"], "one_speaker": True,
        "voices_seen": 0, "resolved": {"select": "dev"},
        "params": 6 * 128 + 128 + 128 * 16 + 16 + 16 * 4 + 4,
    }  # fmt: skip
    assert meta(made["bb-bb"])["contaminated"] == []
    assert meta(made["aa-aa"])["one_speaker"] is False
    config = yaml.safe_load(Path("exp/probe", made["aa-bb"], "config.yaml").read_text())
    assert config["condition"] == factors | {"dev": ["aa"]}
    assert config["probe"]["epochs"] == 12 and config["split"]["folds"] == 3
    log = Path("exp/probe", made["aa-bb"], "train.log").read_text().splitlines()
    assert len(log) == 9
    assert sum("(chosen)" in line for line in log) == 3


def test_encoders_may_have_different_numbers_of_layers(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    tree.write_corpus(recipe, "aa", encoder="flat", separation=[1.0], dim=4, encoder_languages=[])
    config = tree.experiment(["aa"], ["enc", "flat"])
    tree.make(config)
    assert len(scores("enc.linear.aa-aa")) == 9
    assert len(scores("flat.linear.aa-aa")) == 3
    assert meta("flat.linear.aa-aa")["params"] == 4 * 4 + 4


def test_more_layers_than_are_trained_at_once_keep_their_order(recipe: Path) -> None:
    """A corpus whose layers are copies but for their scale: heads that were mixed up would show."""
    corpus = tree.write_corpus(recipe, "aa", separation=[0.5] * 16)
    corpus.features[:, 11] = corpus.features[:, 2]
    tree.write_features(recipe, "aa", "enc", corpus.utts, corpus.features)
    run("aa")
    losses = np.reshape(column("enc.linear.aa-aa", "dev_loss"), (3, 16))
    np.testing.assert_allclose(losses[:, 11], losses[:, 2], atol=1e-6)
    assert all(len(np.unique(row)) == 15 for row in losses.round(5))


def test_a_voice_that_is_trained_on_in_another_corpus_is_counted(recipe: Path) -> None:
    """Speaker 1 of bb is speaker 0 of aa: bb tests them in fold 1, where aa trains on them."""
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name)
    run("aa", "bb")
    assert meta("enc.linear.aa-bb")["voices_seen"] == 0
    speakers = sorted({line.split()[1] for line in (recipe / "data/bb/utt2spk").read_text().splitlines()})
    persons = {speaker: "aa_00" if speaker == "bb_01" else speaker for speaker in speakers}
    (recipe / "data/bb/spk2person").write_text("".join(f"{key} {value}\n" for key, value in persons.items()))
    run("aa", "bb")
    seen = {pair: meta(f"enc.linear.{pair}")["voices_seen"] for pair in ("aa-aa", "aa-bb", "bb-aa", "bb-bb")}
    assert seen == {"aa-aa": 0, "aa-bb": 1, "bb-aa": 0, "bb-bb": 0}
